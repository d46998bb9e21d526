// Where IPVS stands on the hooks (net/netfilter/ipvs/ip_vs_core.c ip_vs_ops4), and the way to a namespace's IPVS.

import { IpProtocol } from '../../wire/ipv4.ts';
import { Hook } from '../hook.ts';
import type { HookFunction, Netfilter } from '../netfilter.ts';
import { Ipvs } from './ipvs.ts';

/** NF_IP_PRI_NAT_SRC - 2 and - 1: behind the filter, before a source is translated */
const LOCAL_IN_OUT = 98;
const LOCAL_IN_IN = 99;
/** NF_IP_PRI_NAT_DST + 1 and + 2 */
const LOCAL_OUT_OUT = -99;
const LOCAL_OUT_IN = -98;
const FORWARD_ICMP = 99;
const FORWARD_OUT = 100;

/** The IPVS of a namespace; made, and put on the hooks, when it has none yet. */
export function ipvsOf(netfilter: Netfilter): Ipvs {
  if (netfilter.ipvs !== null) return netfilter.ipvs;
  const ipvs = new Ipvs(netfilter.host);
  netfilter.ipvs = ipvs;
  const input =
    (hook: Hook): HookFunction =>
    (packet) => {
      const verdict = ipvs.input(hook, packet.frame, packet.inDevice);
      if (verdict === 0) packet.reload();
      return verdict;
    };
  const output =
    (hook: Hook): HookFunction =>
    (packet) => {
      const verdict = ipvs.output(hook, packet.frame);
      if (verdict === 0) packet.reload();
      return verdict;
    };
  netfilter.register(Hook.LOCAL_IN, LOCAL_IN_OUT, output(Hook.LOCAL_IN));
  netfilter.register(Hook.LOCAL_IN, LOCAL_IN_IN, input(Hook.LOCAL_IN));
  netfilter.register(Hook.LOCAL_OUT, LOCAL_OUT_OUT, output(Hook.LOCAL_OUT));
  netfilter.register(Hook.LOCAL_OUT, LOCAL_OUT_IN, input(Hook.LOCAL_OUT));
  // Errors about real servers' packets, on their way to the servers.
  const forwardIcmp = input(Hook.FORWARD);
  netfilter.register(Hook.FORWARD, FORWARD_ICMP, (packet) =>
    packet.protocol === IpProtocol.ICMP ? forwardIcmp(packet) : 0,
  );
  netfilter.register(Hook.FORWARD, FORWARD_OUT, output(Hook.FORWARD));
  return ipvs;
}
