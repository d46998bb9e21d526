// What `ip -d link` tells of a device's kind: the IFLA_LINKINFO of veth, bridge, bridge port, VXLAN and dummy
// (iproute2 6.1 ip/iplink_bridge.c, iplink_bridge_slave.c, iplink_vxlan.c).

import { formatIpv4, isMulticastIpv4 } from '../../addr/ipv4.ts';
import { type Mac, macHi, macLo } from '../../addr/mac.ts';
import { type Bridge, bridgeOf } from '../../link/bridge.ts';
import { type BridgePort, PortState } from '../../link/bridge-port.ts';
import { DeviceKind, type NetDevice } from '../../link/device.ts';
import { vethPeer } from '../../link/veth.ts';
import { type Vxlan, vxlanOf } from '../../overlay/vxlan.ts';
import { JIFFY, jiffiesAt, type KernelTimer } from '../../sim/jiffies.ts';
import type { Ns } from '../../sim/sim.ts';
import { namespaceOf } from '../../stack/link-control.ts';
import type { IpCall } from './ip-call.ts';
import { vxlanMisses } from './ip-link-vxlan.ts';
import { Digits, type Printer } from './ip-printer.ts';

/** 1/100 s, the unit of the kernel's bridge times (USER_HZ). */
const CENTISECOND: Ns = 10_000_000;

export function centiseconds(time: Ns): number {
  return Math.floor(time / CENTISECOND);
}

/** "280.36", right-aligned as "%4i.%.2i"; JSON as a bare number. */
export function timer(time: Ns): { readonly text: string; readonly value: Digits } {
  const c = centiseconds(Math.max(time, 0));
  const fraction = String(c % 100).padStart(2, '0');
  const seconds = Math.floor(c / 100);
  return { text: `${String(seconds).padStart(4)}.${fraction}`, value: new Digits(`${seconds}.${fraction}`) };
}

/** Time until a kernel timer fires; 0 when it is not armed. */
export function timerLeft(t: KernelTimer, now: Ns): Ns {
  return t.armed ? t.expires - jiffiesAt(now) * JIFFY : 0;
}

/** "8000.a:58:a:f4:1:1": the priority and the address, its bytes without leading zeros. */
function bridgeId(bridge: Bridge): string {
  const hex = (n: number): string => n.toString(16);
  return `${bridge.priority.toString(16).padStart(4, '0')}.${macBytes(bridge.dev.mac).map(hex).join(':')}`;
}

function macBytes(mac: Mac): number[] {
  const hi = macHi(mac);
  const lo = macLo(mac);
  return [hi >>> 8, hi & 255, lo >>> 24, (lo >>> 16) & 255, (lo >>> 8) & 255, lo & 255];
}

/** Puts `key value `, a space behind each. */
class Pairs {
  readonly #p: Printer;
  constructor(p: Printer) {
    this.#p = p;
  }
  put(key: string, value: unknown, word = key, text = String(value)): this {
    this.#p.put(key, value, `${word} ${text} `);
    return this;
  }
  flag(key: string, value: boolean, word = key): this {
    return this.put(key, value, word, value ? 'on' : 'off');
  }
  timer(key: string, time: Ns, word = key): this {
    const { text, value } = timer(time);
    return this.put(key, value, word, text);
  }
}

/** True for an end of a cable to another machine: to this kernel it is a network card, of which no far end is known. */
export function isCard(call: IpCall, dev: NetDevice): boolean {
  const peer = vethPeer(dev);
  return peer !== null && namespaceOf(call.machine, peer) === null;
}

/** The kind of the device, which a card has not, and, for a bridge port, of its master. */
export function printLinkDetails(call: IpCall, p: Printer, dev: NetDevice): void {
  const port = dev.master === null ? null : (bridgeOf(dev.master)?.port(dev) ?? null);
  const card = isCard(call, dev);
  if (dev.kind === DeviceKind.LOOPBACK || (card && port === null)) return;
  p.object('linkinfo', () => {
    if (!card) {
      p.text(`${p.lineBreak}    `);
      p.put('info_kind', dev.kind, `${dev.kind} `);
    }
    const bridge = bridgeOf(dev);
    const vxlan = vxlanOf(dev);
    if (bridge !== null) p.object('info_data', () => printBridge(p, bridge));
    if (vxlan !== null) p.object('info_data', () => printVxlan(p, vxlan));
    if (port === null) return;
    p.text(`${p.lineBreak}    `);
    p.put('info_slave_kind', 'bridge', 'bridge_slave ');
    p.object('info_slave_data', () => printPort(p, port));
  });
}

function printBridge(p: Printer, bridge: Bridge): void {
  new Pairs(p)
    .put('forward_delay', centiseconds(bridge.forwardDelay))
    .put('hello_time', centiseconds(bridge.helloTime))
    .put('max_age', centiseconds(bridge.maxAge))
    .put('ageing_time', centiseconds(bridge.ageingTime))
    .put('stp_state', bridge.stpState)
    .put('priority', bridge.priority)
    .put('vlan_filtering', 0)
    .put('bridge_id', bridgeId(bridge))
    .put('root_id', bridgeId(bridge), 'designated_root')
    .put('root_port', 0)
    .put('root_path_cost', 0)
    .put('topology_change', 0)
    .put('topology_change_detected', 0)
    .timer('hello_timer', 0)
    .timer('tcn_timer', 0)
    .timer('topology_change_timer', 0)
    .timer('gc_timer', bridge.gcTimer)
    .put('group_fwd_mask', bridge.groupFwdMask.toString(16), 'group_fwd_mask', hexMask(bridge.groupFwdMask))
    .put('group_addr', '01:80:c2:00:00:00', 'group_address')
    .put('mcast_snooping', bridge.mcastSnooping ? 1 : 0)
    .put('no_linklocal_learn', bridge.noLinkLocalLearn ? 1 : 0)
    .put('mcast_vlan_snooping', 0)
    .put('mcast_router', 1)
    .put('mcast_query_use_ifaddr', 0)
    .put('mcast_querier', 0)
    .put('mcast_hash_elasticity', 16)
    .put('mcast_hash_max', 4096)
    .put('mcast_last_member_cnt', 2, 'mcast_last_member_count')
    .put('mcast_startup_query_cnt', 2, 'mcast_startup_query_count')
    .put('mcast_last_member_intvl', 100, 'mcast_last_member_interval')
    .put('mcast_membership_intvl', 26_000, 'mcast_membership_interval')
    .put('mcast_querier_intvl', 25_500, 'mcast_querier_interval')
    .put('mcast_query_intvl', 12_500, 'mcast_query_interval')
    .put('mcast_query_response_intvl', 1000, 'mcast_query_response_interval')
    .put('mcast_startup_query_intvl', 3124, 'mcast_startup_query_interval')
    .put('mcast_stats_enabled', 0)
    .put('mcast_igmp_version', 2)
    .put('mcast_mld_version', 1)
    .put('nf_call_iptables', 0)
    .put('nf_call_ip6tables', 0)
    .put('nf_call_arptables', 0);
}

function hexMask(mask: number): string {
  return mask === 0 ? '0' : `0x${mask.toString(16)}`;
}

export function portStateName(state: PortState): string {
  for (const [name, value] of Object.entries(PortState)) if (value === state) return name.toLowerCase();
  return String(state);
}

function printPort(p: Printer, port: BridgePort): void {
  const { bridge } = port;
  const now = port.dev.host.sim.now;
  new Pairs(p)
    .put('state', portStateName(port.state))
    .put('priority', port.priority)
    .put('cost', port.pathCost)
    .flag('hairpin', port.hairpin)
    .flag('guard', false)
    .flag('root_block', false)
    .flag('fastleave', false)
    .flag('learning', port.learning)
    .flag('flood', port.flood)
    .put('id', `0x${port.portId.toString(16)}`, 'port_id')
    .put('no', `0x${port.portNo.toString(16)}`, 'port_no')
    .put('designated_port', port.portId)
    .put('designated_cost', 0)
    .put('bridge_id', bridgeId(bridge), 'designated_bridge')
    .put('root_id', bridgeId(bridge), 'designated_root')
    .timer('hold_timer', 0)
    .timer('message_age_timer', 0)
    .timer('forward_delay_timer', timerLeft(port.forwardDelayTimer, now))
    .put('topology_change_ack', 0)
    .put('config_pending', 0)
    .flag('proxy_arp', false)
    .flag('proxy_arp_wifi', false)
    .put('multicast_router', 1, 'mcast_router');
  // iproute2 6.1 leaves mcast_fast_leave out of its JSON: it has the key of the flag above.
  p.text('mcast_fast_leave off ');
  new Pairs(p)
    .flag('mcast_flood', port.mcastFlood)
    .flag('bcast_flood', port.bcastFlood)
    .flag('mcast_to_unicast', false)
    .flag('neigh_suppress', false)
    .put('group_fwd_mask', port.groupFwdMask.toString(16))
    .put('group_fwd_mask_str', hexMask(port.groupFwdMask) === '0' ? '0x0' : hexMask(port.groupFwdMask))
    .flag('vlan_tunnel', false)
    .flag('isolated', port.isolated)
    .flag('locked', false);
}

function printVxlan(p: Printer, vxlan: Vxlan): void {
  const pairs = new Pairs(p);
  pairs.put('id', vxlan.vni);
  if (vxlan.remote !== 0) pairs.put(isMulticastIpv4(vxlan.remote) ? 'group' : 'remote', formatIpv4(vxlan.remote));
  if (vxlan.local !== 0) pairs.put('local', formatIpv4(vxlan.local));
  if (vxlan.link !== null) pairs.put('link', vxlan.link.name, 'dev');
  p.object('port_range', () => {
    p.put('low', vxlan.sourcePortLow, `srcport ${vxlan.sourcePortLow} `);
    p.put('high', vxlan.sourcePortHigh, `${vxlan.sourcePortHigh} `);
  });
  pairs.put('port', vxlan.port, 'dstport');
  p.put('learning', vxlan.learning, vxlan.learning ? '' : 'nolearning ');
  const { l2miss, l3miss } = vxlanMisses(vxlan.dev);
  if (l2miss) p.put('l2miss', true, 'l2miss ');
  if (l3miss) p.put('l3miss', true, 'l3miss ');
  if (vxlan.tos === 1) pairs.put('tos', 'inherit');
  else if (vxlan.tos !== 0) pairs.put('tos', `0x${vxlan.tos.toString(16)}`);
  if (vxlan.ttl === 'inherit') pairs.put('ttl', 'inherit');
  else pairs.put('ttl', vxlan.ttl, 'ttl', vxlan.ttl === 0 ? 'auto' : String(vxlan.ttl));
  p.put('df', vxlan.df, vxlan.df === 'unset' ? '' : `df ${vxlan.df} `);
  pairs.put('ageing', vxlan.ageing, 'ageing', vxlan.ageing === 0 ? 'none' : String(vxlan.ageing));
  if (vxlan.maxAddresses !== 0) pairs.put('limit', vxlan.maxAddresses, 'maxaddr');
  p.put('udp_csum', vxlan.udpChecksum, vxlan.udpChecksum ? 'udpcsum ' : 'noudpcsum ');
  p.put('udp_zero_csum6_tx', false, 'noudp6zerocsumtx ');
  p.put('udp_zero_csum6_rx', false, 'noudp6zerocsumrx ');
}
