// How `ip link` and `ip addr` print a device (iproute2 6.1 ip/ipaddress.c print_linkinfo, print_linkinfo_brief).

import { formatMac } from '../../addr/mac.ts';
import { bridgeOf } from '../../link/bridge.ts';
import { DeviceKind, type NetDevice } from '../../link/device.ts';
import { vethPeer } from '../../link/veth.ts';
import { vxlanOf } from '../../overlay/vxlan.ts';
import {
  linkFlags,
  linkSettings,
  linkStats,
  mtuLimits,
  namespaceOf,
  netnsId,
  operState,
} from '../../stack/link-control.ts';
import type { NetNamespace } from '../../stack/netns.ts';
import type { IpCall } from './ip-call.ts';
import { isCard, printLinkDetails } from './ip-link-details.ts';
import type { Printer } from './ip-printer.ts';

/** The other end of a veth and the namespace of this machine that holds it. */
export interface LinkPeer {
  readonly dev: NetDevice;
  /** null: the same namespace */
  readonly netns: NetNamespace | null;
}

export function linkPeer(call: IpCall, dev: NetDevice): LinkPeer | null {
  const peer = vethPeer(dev);
  if (peer === null || isCard(call, dev)) return null;
  const netns = namespaceOf(call.machine, peer);
  return { dev: peer, netns: netns === call.netns ? null : netns };
}

/** veth_newlink(): a queue pair for each CPU; the machine of the golden captures has two. */
const VETH_QUEUES = 2;

/** Devices with tso_max_size 524280: those that segment by themselves, and those that took it from a lower device. */
function hasTsoOfOthers(dev: NetDevice): boolean {
  if (dev.kind === DeviceKind.DUMMY) return false;
  const vxlan = vxlanOf(dev);
  if (vxlan !== null) return vxlan.link !== null;
  const bridge = bridgeOf(dev);
  return bridge === null || bridge.ports.length > 0;
}

/** print_name_and_link(); returns M-DOWN's condition. */
function printName(call: IpCall, p: Printer, dev: NetDevice, layout: (name: string) => string): boolean {
  const peer = linkPeer(call, dev);
  let shown = dev.name;
  let masterDown = false;
  if (peer !== null && peer.netns === null) {
    p.json('link', peer.dev.name);
    shown = `${dev.name}@${peer.dev.name}`;
    masterDown = !peer.dev.up;
  } else if (peer !== null) {
    p.json('link_index', peer.dev.index);
    shown = `${dev.name}@if${peer.dev.index}`;
  }
  p.put('ifname', dev.name, layout(shown));
  return masterDown;
}

function printFlags(p: Printer, dev: NetDevice, masterDown: boolean): void {
  const flags = masterDown ? [...linkFlags(dev), 'M-DOWN'] : linkFlags(dev);
  p.array('flags', () => {
    for (const flag of flags) p.json(null, flag);
  });
  p.text(`<${flags.join(',')}> `);
}

/** IFLA_QDISC: virtual devices get `noqueue` when they first come up. */
function qdisc(dev: NetDevice): string {
  return linkSettings(dev).activated ? 'noqueue' : 'noop';
}

export function linkType(dev: NetDevice): 'loopback' | 'ether' {
  return dev.kind === DeviceKind.LOOPBACK ? 'loopback' : 'ether';
}

export function broadcastMac(dev: NetDevice): string {
  return dev.kind === DeviceKind.LOOPBACK ? '00:00:00:00:00:00' : 'ff:ff:ff:ff:ff:ff';
}

/**
 * Everything up to the end of the last line of the device, without its line end.
 * @param isLink `ip link` (with mode) rather than `ip addr`
 * @param inet one address family is asked for: the line of the link layer is left out
 */
export function printLink(call: IpCall, p: Printer, dev: NetDevice, isLink: boolean, inet = call.options.inet): void {
  const { details, stats } = call.options;
  p.put('ifindex', dev.index, `${dev.index}: `);
  const masterDown = printName(call, p, dev, (name) => `${name}: `);
  printFlags(p, dev, masterDown);
  p.put('mtu', dev.mtu, `mtu ${dev.mtu} `);
  p.put('qdisc', qdisc(dev), `qdisc ${qdisc(dev)} `);
  if (dev.master !== null) p.put('master', dev.master.name, `master ${dev.master.name} `);
  const state = operState(call.netns, dev);
  p.put('operstate', state, `state ${state} `);
  if (isLink) p.put('linkmode', 'DEFAULT', 'mode DEFAULT ');
  p.put('group', 'default', 'group default ');
  const { txqueuelen, alias } = linkSettings(dev);
  if (txqueuelen > 0) p.put('txqlen', txqueuelen, `qlen ${txqueuelen}`);
  if (isLink || !inet || details) {
    p.text(`${p.lineBreak}    `);
    p.put('link_type', linkType(dev), `link/${linkType(dev)} `);
    p.put('address', formatMac(dev.mac), formatMac(dev.mac));
    p.put('broadcast', broadcastMac(dev), ` brd ${broadcastMac(dev)}`);
  }
  const peer = linkPeer(call, dev);
  if (peer !== null && peer.netns !== null) printPeerNetns(call, p, peer.netns);
  if (details) printDetails(call, p, dev, isLink);
  if (alias !== '') p.put('ifalias', alias, `${p.lineBreak}    alias ${alias}`);
  if (isLink && stats > 0) printStats(p, dev, stats);
}

function printPeerNetns(call: IpCall, p: Printer, netns: NetNamespace): void {
  const name = call.machine.nameOf(netns);
  const id = netnsId(call.netns, netns);
  // The name is for people: JSON has the number.
  p.put('link_netnsid', id, name === null ? ` link-netnsid ${id}` : ` link-netns ${name}`);
}

function printDetails(call: IpCall, p: Printer, dev: NetDevice, isLink: boolean): void {
  const isPort = dev.master !== null && bridgeOf(dev.master) !== null;
  const { min, max } = mtuLimits(dev);
  p.put('promiscuity', dev.promiscuity, ` promiscuity ${dev.promiscuity} `);
  // A port listens to all groups (br_add_if).
  const allmulti = isPort ? 1 : 0;
  p.put('allmulti', allmulti, ` allmulti ${allmulti} `);
  p.put('min_mtu', min, `minmtu ${min} `);
  p.put('max_mtu', max, `maxmtu ${max} `);
  printLinkDetails(call, p, dev);
  if (isLink) p.put('inet6_addr_gen_mode', 'eui64', 'addrgenmode eui64 ');
  const queues = dev.kind === DeviceKind.VETH ? VETH_QUEUES : 1;
  p.put('num_tx_queues', queues, `numtxqueues ${queues} `);
  p.put('num_rx_queues', queues, `numrxqueues ${queues} `);
  // GSO_LEGACY_MAX_SIZE, GSO_MAX_SEGS and TSO_MAX_SIZE: what virtual devices of Linux 6.x report; nothing here uses them.
  p.put('gso_max_size', 65_536, 'gso_max_size 65536 ');
  p.put('gso_max_segs', 65_535, 'gso_max_segs 65535 ');
  const tso = hasTsoOfOthers(dev) ? 524_280 : 65_536;
  p.put('tso_max_size', tso, `tso_max_size ${tso} `);
  p.put('tso_max_segs', 65_535, 'tso_max_segs 65535 ');
  p.put('gro_max_size', 65_536, 'gro_max_size 65536 ');
}

/** size_columns() and print_stats64(): columns as wide as their widest number. */
function printStats(p: Printer, dev: NetDevice, level: number): void {
  const s = linkStats(dev);
  p.object('stats64', () => {
    p.object('rx', () => {
      for (const [key, value] of [
        ['bytes', s.rxBytes],
        ['packets', s.rxPackets],
        ['errors', 0],
        ['dropped', s.rxDropped],
        ['over_errors', 0],
        ['multicast', 0],
      ] as const) {
        p.json(key, value);
      }
      if (level > 1)
        for (const key of ['length_errors', 'crc_errors', 'frame_errors', 'fifo_errors', 'missed_errors'])
          p.json(key, 0);
    });
    p.object('tx', () => {
      for (const [key, value] of [
        ['bytes', s.txBytes],
        ['packets', s.txPackets],
        ['errors', 0],
        ['dropped', s.txDropped],
        ['carrier_errors', 0],
        ['collisions', 0],
      ] as const) {
        p.json(key, value);
      }
      if (level > 1) {
        for (const key of ['aborted_errors', 'fifo_errors', 'window_errors', 'heartbeat_errors']) p.json(key, 0);
        p.json('carrier_changes', linkSettings(dev).carrierChanges);
      }
    });
  });
  if (p.isJson) return;
  const rx = [s.rxBytes, s.rxPackets, 0, s.rxDropped, 0, 0];
  const tx = [s.txBytes, s.txPackets, 0, s.txDropped, 0, 0];
  const widths = columnWidths(rx, tx);
  const errors = (title: string, names: readonly string[], values: readonly number[]): string => {
    const head = names.map((name, i) => name.padStart(widths[i + 1]!)).join(' ');
    const row = ['', ...values.map(String)].map((v, i) => v.padStart(widths[i]!)).join(' ');
    return `${nl}    ${title}${' '.repeat(widths[0]! - 10)} ${head}${nl}    ${row} `;
  };
  const nl = p.lineBreak;
  p.text(nl + counters('RX', ['missed', 'mcast'], rx, widths, nl));
  if (level > 1) p.text(errors('RX errors:', ['length', 'crc', 'frame', 'fifo', 'overrun'], [0, 0, 0, 0, 0]));
  p.text(nl + counters('TX', ['carrier', 'collsns'], tx, widths, nl));
  if (level > 1) {
    const values = [0, 0, 0, 0, linkSettings(dev).carrierChanges];
    p.text(errors('TX errors:', ['aborted', 'fifo', 'window', 'heartbt', 'transns'], values));
  }
}

/** "*X:  bytes", packets, errors, dropped, heartbt, overrun: the least widths */
const COLUMN_WIDTHS = [10, 7, 6, 7, 7, 7] as const;
/** compressed: an empty column */
const LAST_COLUMN = ' '.repeat(10);

function columnWidths(...rows: readonly (readonly number[])[]): number[] {
  return COLUMN_WIDTHS.map((width, i) => Math.max(width, ...rows.map((row) => String(row[i]).length)));
}

function counters(
  direction: string,
  last: readonly string[],
  values: readonly number[],
  widths: readonly number[],
  nl: string,
): string {
  const names = ['bytes', 'packets', 'errors', 'dropped', ...last];
  const head = names.map((name, i) => name.padStart(i === 0 ? widths[0]! - 4 : widths[i]!)).join(' ');
  const row = values.map((v, i) => String(v).padStart(widths[i]!)).join(' ');
  return `    ${direction}: ${head} ${LAST_COLUMN}${nl}    ${row} `;
}

/** One line of `ip -br`: name, state, then what the caller prints. */
export function printBrief(call: IpCall, p: Printer, dev: NetDevice, isLink: boolean): void {
  const masterDown = printName(call, p, dev, (name) => `${name.padEnd(16)} `);
  const state = operState(call.netns, dev);
  p.put('operstate', state, `${state.padEnd(14)} `);
  if (!isLink) return;
  p.put('address', formatMac(dev.mac), `${formatMac(dev.mac)} `);
  printFlags(p, dev, masterDown);
}
