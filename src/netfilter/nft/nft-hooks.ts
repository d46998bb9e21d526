// The base chains of nftables on the hooks of a namespace, and the way to its tables. Chains of type nat are asked once per
// connection, through the NAT engine that iptables uses too.

import { type NatRange, NatRangeFlag, natMasquerade, natRange, natSetupInfo } from '../conntrack/nat.ts';
import { ctOf } from '../conntrack/nf-conn.ts';
import { Hook } from '../hook.ts';
import type { Netfilter } from '../netfilter.ts';
import type { Packet } from '../packet.ts';
import { Verdict } from '../verdict.ts';
import { BREAK } from './nft-chain.ts';
import type { NftNat } from './nft-context.ts';
import { NftTables, runBaseChain } from './nft-tables.ts';

const IPV4_LOOPBACK = 0x7f000001;

/** The tables of a namespace; made when it has none yet. */
export function nftOf(netfilter: Netfilter): NftTables {
  if (netfilter.nft !== null) return netfilter.nft;
  const tables = new NftTables(netfilter.host, natOf(netfilter));
  netfilter.nft = tables;
  let registered: (() => void)[] = [];
  tables.onHooks = () => {
    for (const take of registered) take();
    registered = [];
    for (const hook of Object.values(Hook)) {
      for (const chain of tables.chainsAt(hook)) {
        const run = (packet: Packet): number => runBaseChain(chain, packet);
        const { type, priority } = chain.base!;
        registered.push(type === 'nat' ? netfilter.registerNat(hook, run) : netfilter.register(hook, priority, run));
      }
    }
    // nft_ct takes conntrack into use with the first rule that asks for it; with any table is a choice.
    if (tables.tables().length > 0) {
      netfilter.needConntrack('nftables');
      registered.push(() => netfilter.releaseConntrack('nftables'));
    }
  };
  return tables;
}

function natOf(netfilter: Netfilter): NftNat {
  const range = (flags: number, address: number, port: number): NatRange =>
    natRange({
      flags: flags | (address === 0 ? 0 : NatRangeFlag.MAP_IPS) | (port === 0 ? 0 : NatRangeFlag.PROTO_SPECIFIED),
      minAddress: address,
      maxAddress: address,
      minPort: port,
      maxPort: port,
    });
  return {
    map(packet, manip, address, port, flags) {
      const ct = ctOf(packet.frame);
      if (ct === null) return BREAK;
      natSetupInfo(ct, range(flags, address, port), manip);
      return Verdict.ACCEPT;
    },
    masquerade(packet, flags) {
      const ct = ctOf(packet.frame);
      if (ct === null) return BREAK;
      return natMasquerade(ct, range(flags, 0, 0), packet.outDevice, packet.destination)
        ? Verdict.ACCEPT
        : Verdict.DROP;
    },
    redirect(packet, port, flags) {
      const ct = ctOf(packet.frame);
      if (ct === null) return BREAK;
      // nf_nat_redirect_ipv4: to this host, by its loopback address when it is the one that sends.
      const to = packet.hook === Hook.LOCAL_OUT ? IPV4_LOOPBACK : netfilter.host.firstAddress(packet.inDevice);
      if (to === 0) return Verdict.DROP;
      natSetupInfo(ct, range(flags, to, port), 'dst');
      return Verdict.ACCEPT;
    },
  };
}
