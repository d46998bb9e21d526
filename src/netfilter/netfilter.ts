// Netfilter of one namespace: what stands on the five hooks, in the order of its priorities (include/uapi/linux/
// netfilter_ipv4.h), and what holds it together: tables of rules, conntrack, NAT. Made with the first user of it
// (stack/netfilter-host.ts netfilterOf); a namespace without one pays one comparison per hook.
//
//   -400  reassembly (the stack does it, when `defragments`)      0  filter
//   -300  raw                                                    50  security
//   -200  conntrack                                             100  nat, source
//   -150  mangle                                                last  conntrack confirms
//   -100  nat, destination
//
// Conntrack stands on the hooks exactly while something needs it, as nf_ct_netns_get() counts; NAT from the first nat chain.

import type { DropReason } from '../base/drop-reason.ts';
import type { Frame } from '../link/frame.ts';
import * as frames from '../link/frame.ts';
import { Conntrack } from './conntrack/conntrack.ts';
import { CONNTRACK_PREFIX } from './conntrack/conntrack-sysctl.ts';
import { natHook } from './conntrack/nat-packet.ts';
import { HOOK_STOLEN, Hook, type HookChain } from './hook.ts';
import type { Ipvs } from './ipvs/ipvs.ts';
import type { NetfilterHost } from './netfilter-host.ts';
import type { NftTables } from './nft/nft-tables.ts';
import { Packet } from './packet.ts';
import { TABLE_HOOKS, type TableName } from './xtables/ip-table.ts';
import { IpTables } from './xtables/ip-tables.ts';

const { FrameNf, frameNf, framePort } = frames;

/** What a hook function says: 0 to go on, a DropReason, or HOOK_STOLEN. It calls packet.reload() when it rewrote the packet. */
export type HookVerdict = DropReason | typeof HOOK_STOLEN;
export type HookFunction = (packet: Packet) => HookVerdict;

/** enum nf_ip_hook_priorities */
export const Priority = {
  RAW: -300,
  CONNTRACK: -200,
  MANGLE: -150,
  NAT_DST: -100,
  FILTER: 0,
  SECURITY: 50,
  NAT_SRC: 100,
  CONNTRACK_CONFIRM: 0x7fffffff,
} as const;

const TABLE_PRIORITIES: readonly (readonly [TableName, number])[] = [
  ['raw', Priority.RAW],
  ['mangle', Priority.MANGLE],
  ['filter', Priority.FILTER],
  ['security', Priority.SECURITY],
];
const HOOKS = [Hook.PRE_ROUTING, Hook.LOCAL_IN, Hook.FORWARD, Hook.LOCAL_OUT, Hook.POST_ROUTING] as const;
const NAT_HOOKS: readonly Hook[] = TABLE_HOOKS.nat;
/** Hooks within hooks: an answer of REJECT passes LOCAL_OUT while FORWARD is still running. A choice. */
const DEPTH_MAX = 16;

interface Registered {
  readonly hook: Hook;
  readonly priority: number;
  readonly run: HookFunction;
}

export class Netfilter implements HookChain {
  readonly host: NetfilterHost;
  readonly tables: IpTables;
  readonly conntrack: Conntrack;
  /** Virtual servers; ipvs/ipvs-hooks.ts ipvsOf makes it. */
  ipvs: Ipvs | null = null;
  /** Tables of nftables; nft/nft-hooks.ts nftOf makes them. */
  nft: NftTables | null = null;
  /** Fragments are put together before the hooks see them (nf_defrag_ipv4), because conntrack is in use. */
  defragments = false;
  /** Functions of each hook, in order. */
  #chains: HookFunction[][] = [[], [], [], [], []];
  readonly #registered: Registered[] = [];
  readonly #natRules: HookFunction[][] = [[], [], [], [], []];
  readonly #conntrackUsers = new Map<string, number>();
  readonly #packets: Packet[] = [];
  #depth = 0;

  constructor(host: NetfilterHost) {
    this.host = host;
    this.conntrack = new Conntrack(host);
    this.tables = new IpTables(host, { conntrack: this.conntrack });
    this.tables.onChange = () => this.#compose();
  }

  /** The namespace goes: nothing of it waits for its time any more. */
  dispose(): void {
    this.ipvs?.dispose();
    this.conntrack.dispose();
  }

  // -- packets ---------------------------------------------------------------------------------------------------

  run(hook: Hook, frame: Frame, inDevice: number, outDevice: number): HookVerdict {
    const chain = this.#chains[hook]!;
    if (chain.length === 0) return 0;
    if (hook === Hook.PRE_ROUTING && framePort[frame] !== 0 && (frameNf[frame]! & FrameNf.SEEN_BY_IP) === 0) {
      // ip_sabotage_in(): the bridge has shown the packet to this hook already.
      frameNf[frame] = frameNf[frame]! | FrameNf.SEEN_BY_IP;
      return 0;
    }
    return this.#walk(chain, hook, frame, inDevice, outDevice, 0, false);
  }

  /** A packet that a bridge is switching (br_netfilter); `port` is the port it leaves by, 0 when that is not known. */
  runBridged(hook: Hook, frame: Frame, inDevice: number, outDevice: number, port: number): HookVerdict {
    const chain = this.#chains[hook]!;
    if (chain.length === 0) return 0;
    return this.#walk(chain, hook, frame, inDevice, outDevice, port, port !== 0);
  }

  #walk(
    chain: readonly HookFunction[],
    hook: Hook,
    frame: Frame,
    inDevice: number,
    outDevice: number,
    port: number,
    bridged: boolean,
  ): HookVerdict {
    const depth = this.#depth;
    if (depth >= DEPTH_MAX) return 0;
    let packet = this.#packets[depth];
    if (packet === undefined) {
      packet = new Packet();
      this.#packets[depth] = packet;
    }
    packet.load(frame, hook, inDevice, outDevice);
    packet.physicalIn = framePort[frame]!;
    packet.physicalOut = port;
    packet.bridged = bridged;
    this.#depth = depth + 1;
    let verdict: HookVerdict = 0;
    for (let i = 0; i < chain.length; i++) {
      verdict = chain[i]!(packet);
      if (verdict !== 0) break;
    }
    this.#depth = depth;
    return verdict;
  }

  // -- who stands on the hooks -------------------------------------------------------------------------------------

  /** nf_register_net_hook(): `run` is called for each packet; equal priorities in the order of registration. Returns what takes it off. */
  register(hook: Hook, priority: number, run: HookFunction): () => void {
    const entry: Registered = { hook, priority, run };
    this.#registered.push(entry);
    this.#compose();
    return () => {
      const i = this.#registered.indexOf(entry);
      if (i >= 0) this.#registered.splice(i, 1);
      this.#compose();
    };
  }

  /** nf_nat_register_fn(): `rules` is asked once per connection. Takes NAT and conntrack into use. */
  registerNat(hook: Hook, rules: HookFunction): () => void {
    this.#natRules[hook]!.push(rules);
    this.needConntrack('nat');
    return () => {
      const i = this.#natRules[hook]!.indexOf(rules);
      if (i >= 0) this.#natRules[hook]!.splice(i, 1);
      this.releaseConntrack('nat');
    };
  }

  /** nf_ct_netns_get(): conntrack is in use until as many releaseConntrack() of the same user. */
  needConntrack(user: string): void {
    this.#conntrackUsers.set(user, (this.#conntrackUsers.get(user) ?? 0) + 1);
    this.#compose();
  }

  releaseConntrack(user: string): void {
    const count = (this.#conntrackUsers.get(user) ?? 0) - 1;
    if (count > 0) this.#conntrackUsers.set(user, count);
    else this.#conntrackUsers.delete(user);
    this.#compose();
  }

  /** True while connections are tracked. */
  get tracks(): boolean {
    return this.#conntrackUsers.size > 0 || this.tables.usesConntrack;
  }

  #compose(): void {
    const entries: Registered[] = [...this.#registered];
    for (const [name, priority] of TABLE_PRIORITIES) {
      const table = this.tables.table(name);
      if (table === null) continue;
      for (const hook of TABLE_HOOKS[name]) {
        if (table.concerns(hook)) entries.push({ hook, priority, run: (packet) => table.evaluate(hook, packet) });
      }
    }
    const tracks = this.tracks;
    this.defragments = tracks;
    if (tracks) {
      const { track, confirm } = this.conntrack;
      entries.push({ hook: Hook.PRE_ROUTING, priority: Priority.CONNTRACK, run: track });
      entries.push({ hook: Hook.LOCAL_OUT, priority: Priority.CONNTRACK, run: track });
      entries.push({ hook: Hook.LOCAL_IN, priority: Priority.CONNTRACK_CONFIRM, run: confirm });
      entries.push({ hook: Hook.POST_ROUTING, priority: Priority.CONNTRACK_CONFIRM, run: confirm });
    }
    if (this.tables.table('nat') !== null || this.#natRules.some((rules) => rules.length > 0)) {
      for (const hook of NAT_HOOKS) entries.push(this.#natEntry(hook));
    }
    const chains: HookFunction[][] = [];
    for (const hook of HOOKS) {
      const here = entries.filter((e) => e.hook === hook);
      // Sorting is stable: equal priorities stay in the order of registration.
      here.sort((a, b) => a.priority - b.priority);
      chains[hook] = here.map((e) => e.run);
    }
    this.#chains = chains;
  }

  #natEntry(hook: Hook): Registered {
    const table = this.tables.table('nat');
    const lists: HookFunction[] = [...this.#natRules[hook]!];
    if (table?.concerns(hook) === true) lists.push((packet) => table.evaluate(hook, packet));
    const rules: HookFunction =
      lists.length === 1
        ? lists[0]!
        : (packet) => {
            for (const list of lists) {
              const verdict = list(packet);
              if (verdict !== 0) return verdict;
            }
            return 0;
          };
    const source = hook === Hook.POST_ROUTING || hook === Hook.LOCAL_IN;
    return {
      hook,
      priority: source ? Priority.NAT_SRC : Priority.NAT_DST,
      run: (packet) => natHook(packet, rules),
    };
  }

  // -- what the namespace tells ------------------------------------------------------------------------------------

  /** A sysctl was written. */
  sysctlChanged(name: string): void {
    if (name.startsWith(CONNTRACK_PREFIX)) {
      this.conntrack.settings.load((which, otherwise) => this.host.sysctl(which, otherwise));
    }
  }

  /** masq_device_event(): connections masqueraded to an address of this device end with it. */
  deviceDown(index: number): void {
    this.conntrack.killAll((ct) => ct.masqIndex === index, false);
  }

  /** masq_inet_event(): the device has lost this address. */
  addressRemoved(index: number, address: number): void {
    this.conntrack.killAll((ct) => ct.masqIndex === index && ct.rDst === address, false);
  }
}

export { HOOK_STOLEN };
