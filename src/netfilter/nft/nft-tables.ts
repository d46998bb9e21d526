// The tables of nftables in a namespace (net/netfilter/nf_tables_api.c): what a transaction changes, all or nothing, and the
// base chains that hang on the hooks.

import { DropReason } from '../../base/drop-reason.ts';
import { HOOK_STOLEN, type Hook } from '../hook.ts';
import type { NetfilterHost } from '../netfilter-host.ts';
import type { Packet } from '../packet.ts';
import { Verdict } from '../verdict.ts';
import {
  jumpDepth,
  NFT_JUMPS_MAX,
  type NftBase,
  NftChain,
  type NftPart,
  type NftRule,
  runNftChain,
} from './nft-chain.ts';
import type { NftContext, NftNat } from './nft-context.ts';
import type { NftElement, NftSet } from './nft-set.ts';
import { NftError, type NftToken } from './nft-token.ts';

export type NftFamily = 'ip' | 'inet';
/** Tables are IPv4's here: `inet` behaves as `ip`, for no other packets are emulated. */
export const NFT_FAMILIES: readonly string[] = ['ip', 'inet'];

const NO_SUCH = 'No such file or directory';

export class NftTable {
  readonly family: NftFamily;
  readonly name: string;
  readonly handle: number;
  readonly comment: string;
  readonly chains = new Map<string, NftChain>();
  readonly sets = new Map<string, NftSet>();
  readonly setHandles = new Map<string, number>();

  constructor(family: NftFamily, name: string, handle: number, comment: string) {
    this.family = family;
    this.name = name;
    this.handle = handle;
    this.comment = comment;
  }
}

/** Something that can be taken back until the transaction is through. */
type Undo = () => void;

export class NftTables {
  readonly host: NetfilterHost;
  readonly #nat: NftNat;
  readonly #tables: NftTable[] = [];
  /** base chains by hook, lowest priority first */
  readonly #hooks: NftChain[][] = [[], [], [], [], []];
  #handle = 0;
  #undo: Undo[] | null = null;
  /** Chains were hung on hooks, or taken off: whoever composes the hooks does so anew. */
  onHooks: (() => void) | null = null;

  constructor(host: NetfilterHost, nat: NftNat) {
    this.host = host;
    this.#nat = nat;
  }

  tables(): readonly NftTable[] {
    return this.#tables;
  }

  /** Base chains of a hook in the order of their priority. */
  chainsAt(hook: Hook): readonly NftChain[] {
    return this.#hooks[hook]!;
  }

  context(table: NftTable): NftContext {
    return {
      host: this.host,
      nat: this.#nat,
      table: table.name,
      chain: (name, at) => this.needChain(table, name, at),
      set: (name, at) => this.needSet(table, name, at),
    };
  }

  /** Runs one transaction: when `body` throws, everything that it did is undone. @throws NftError */
  transaction(body: () => void): void {
    if (this.#undo !== null) {
      // Within another one (nft --check): what is done here ends with that.
      body();
      this.#checkLoops();
      return;
    }
    const undo: Undo[] = [];
    this.#undo = undo;
    try {
      body();
      this.#checkLoops();
    } catch (error) {
      for (const back of undo.reverse()) back();
      this.#arrange();
      throw error;
    } finally {
      this.#undo = null;
    }
    this.#arrange();
  }

  #did(undo: Undo): void {
    this.#undo?.push(undo);
  }

  #checkLoops(): void {
    const known = new Map<NftChain, number>();
    for (const table of this.#tables) {
      for (const chain of table.chains.values()) {
        if (chain.base !== null && jumpDepth(chain, known) > NFT_JUMPS_MAX) {
          throw new NftError(
            `Too many levels of symbolic links: chain ${chain.name} jumps in a circle or too deep`,
            null,
          );
        }
      }
    }
  }

  #arrange(): void {
    for (const list of this.#hooks) list.length = 0;
    for (const table of this.#tables) {
      for (const chain of table.chains.values()) if (chain.base !== null) this.#hooks[chain.base.hook]!.push(chain);
    }
    for (const list of this.#hooks) list.sort((a, b) => a.base!.priority - b.base!.priority || a.handle - b.handle);
    this.onHooks?.();
  }

  // -- what a transaction does -----------------------------------------------------------------------------------------

  findTable(family: string, name: string): NftTable | null {
    return this.#tables.find((t) => t.family === family && t.name === name) ?? null;
  }

  needTable(family: string, name: string, at: NftToken): NftTable {
    const table = this.findTable(family, name);
    if (table === null) throw new NftError(`${NO_SUCH}: there is no table ${family} ${name}`, at);
    return table;
  }

  needChain(table: NftTable, name: string, at: NftToken): NftChain {
    const chain = table.chains.get(name);
    if (chain === undefined) throw new NftError(`${NO_SUCH}: table ${table.name} has no chain ${name}`, at);
    return chain;
  }

  needSet(table: NftTable, name: string, at: NftToken): NftSet {
    const set = table.sets.get(name);
    if (set === undefined) throw new NftError(`${NO_SUCH}: table ${table.name} has no set or map ${name}`, at);
    return set;
  }

  addTable(family: NftFamily, name: string, comment: string): NftTable {
    const known = this.findTable(family, name);
    if (known !== null) return known;
    const table = new NftTable(family, name, ++this.#handle, comment);
    this.#tables.push(table);
    this.#did(() => this.#tables.splice(this.#tables.indexOf(table), 1));
    return table;
  }

  deleteTable(table: NftTable): void {
    const i = this.#tables.indexOf(table);
    this.#tables.splice(i, 1);
    this.#did(() => this.#tables.splice(i, 0, table));
  }

  /** A chain of this name that is there already stays; its policy may be changed. */
  addChain(table: NftTable, name: string, base: NftBase | null, comment: string): NftChain {
    const known = table.chains.get(name);
    if (known?.announced === true) {
      known.announced = false;
      known.base = base;
      known.comment = comment;
      return known;
    }
    if (known !== undefined) {
      if (base !== null && known.base !== null && known.base.policy !== base.policy) {
        const before = known.base.policy;
        known.base.policy = base.policy;
        const its = known.base;
        this.#did(() => {
          its.policy = before;
        });
      }
      return known;
    }
    const chain = new NftChain(name, ++this.#handle, base, comment);
    table.chains.set(name, chain);
    this.#did(() => table.chains.delete(name));
    return chain;
  }

  /** A chain that a rule or a map still leads to cannot go. */
  deleteChain(table: NftTable, chain: NftChain, at: NftToken): void {
    if (this.#isUsed(table, chain)) throw new NftError(`Device or resource busy: chain ${chain.name} is in use`, at);
    table.chains.delete(chain.name);
    this.#did(() => table.chains.set(chain.name, chain));
  }

  #isUsed(table: NftTable, chain: NftChain): boolean {
    for (const other of table.chains.values()) {
      if (other === chain) continue;
      for (const rule of other.rules) if (rule.parts.some((part) => part.targets().includes(chain))) return true;
    }
    for (const set of table.sets.values()) {
      if (set.options.valueType !== 'verdict') continue;
      if (set.elements().some((e) => (e.data as { target: NftChain | null }).target === chain)) return true;
    }
    return false;
  }

  addRule(chain: NftChain, parts: readonly NftPart[], comment: string, index: number): void {
    const ops = parts.flatMap((part) => (part.op === null ? [] : [part.op]));
    const rule: NftRule = { handle: ++this.#handle, parts, comment, ops };
    chain.rules.splice(index, 0, rule);
    this.#did(() => chain.rules.splice(chain.rules.indexOf(rule), 1));
  }

  deleteRule(chain: NftChain, handle: number, at: NftToken): void {
    const i = chain.rules.findIndex((r) => r.handle === handle);
    if (i < 0) throw new NftError(`${NO_SUCH}: chain ${chain.name} has no rule with handle ${handle}`, at);
    const [rule] = chain.rules.splice(i, 1);
    this.#did(() => chain.rules.splice(i, 0, rule!));
  }

  flushChain(chain: NftChain): void {
    const rules = chain.rules.splice(0);
    this.#did(() => chain.rules.push(...rules));
  }

  addSet(table: NftTable, set: NftSet): NftSet {
    const { name } = set.options;
    const known = table.sets.get(name);
    if (known !== undefined) return known;
    table.sets.set(name, set);
    table.setHandles.set(name, ++this.#handle);
    this.#did(() => table.sets.delete(name));
    return set;
  }

  deleteSet(table: NftTable, set: NftSet): void {
    table.sets.delete(set.options.name);
    this.#did(() => table.sets.set(set.options.name, set));
  }

  addElement(set: NftSet, element: NftElement, at: NftToken): void {
    const known = set.add(element);
    if (known === null) {
      this.#did(() => set.delete(element));
      return;
    }
    if (known.value !== element.value) {
      throw new NftError(`File exists: ${set.keyText(element)} is in ${set.options.name} with another value`, at);
    }
  }

  deleteElement(set: NftSet, element: NftElement, at: NftToken): void {
    const known = set.elements().find((e) => set.keyText(e) === set.keyText(element));
    if (known === undefined || !set.delete(known)) {
      throw new NftError(`${NO_SUCH}: ${set.keyText(element)} is not in ${set.options.name}`, at);
    }
    this.#did(() => set.add(known));
  }

  flushSet(set: NftSet): void {
    const elements = set.elements();
    set.clear();
    this.#did(() => {
      for (const element of elements) set.add(element);
    });
  }
}

/** Runs a base chain: 0 to go on, a DropReason, or HOOK_STOLEN. */
export function runBaseChain(chain: NftChain, packet: Packet): DropReason | typeof HOOK_STOLEN {
  const verdict = runNftChain(chain, packet);
  if (verdict === Verdict.STOLEN) return HOOK_STOLEN;
  if (verdict === Verdict.DROP) return DropReason.NETFILTER_DROP;
  if (verdict === Verdict.ACCEPT) return 0;
  return chain.base!.policy === 'drop' ? DropReason.NETFILTER_DROP : 0;
}
