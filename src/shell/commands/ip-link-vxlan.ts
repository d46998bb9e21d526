// `ip link add ... type vxlan`: its words (iproute2 6.1 ip/iplink_vxlan.c) and the kernel's checks (vxlan_newlink,
// vxlan_config_validate).

import { type Ipv4, isMulticastIpv4 } from '../../addr/ipv4.ts';
import type { Mac } from '../../addr/mac.ts';
import type { NetDevice } from '../../link/device.ts';
import { createVxlan, vxlanOf } from '../../overlay/vxlan.ts';
import { endsWith, linkSettings } from '../../stack/link-control.ts';
import { refuse } from '../../stack/netlink-error.ts';
import type { NetNamespace } from '../../stack/netns.ts';
import {
  type Arguments,
  addressOf,
  CommandFailure,
  EXIT_FAILED,
  EXIT_USAGE,
  invalid,
  notEmulated,
  numberOf,
  parseNumber,
  refused,
} from './ip-arguments.ts';

/** l2miss and l3miss ask for messages to a listener of rtnetlink; nobody listens here. They are kept and shown. */
const misses = new WeakMap<NetDevice, { l2miss: boolean; l3miss: boolean }>();

export function vxlanMisses(dev: NetDevice): { readonly l2miss: boolean; readonly l3miss: boolean } {
  return misses.get(dev) ?? { l2miss: false, l3miss: false };
}

export interface VxlanWords {
  vni: number | null;
  local: Ipv4;
  remote: Ipv4;
  link: string | null;
  port: number | null;
  learning: boolean;
  ttl: number | 'inherit';
  tos: number;
  df: 'unset' | 'set' | 'inherit';
  ageing: number;
  udpChecksum: boolean;
  sourcePortLow: number;
  sourcePortHigh: number;
  maxAddresses: number;
  l2miss: boolean;
  l3miss: boolean;
}

/** VXLAN_N_VID */
const VNI_MAX = 0xff_ffff;

export function readVxlan(args: Arguments): VxlanWords {
  const w: VxlanWords = {
    vni: null,
    local: 0,
    remote: 0,
    link: null,
    port: null,
    learning: true,
    ttl: 0,
    tos: 0,
    df: 'unset',
    ageing: 300,
    udpChecksum: true,
    sourcePortLow: 0,
    sourcePortHigh: 0,
    maxAddresses: 0,
    l2miss: false,
    l3miss: false,
  };
  while (!args.done) readWord(args, w);
  if (w.sourcePortHigh < w.sourcePortLow) {
    throw refused(refuse('EINVAL', 'Invalid source port range'));
  }
  return w;
}

function readWord(args: Arguments, w: VxlanWords): void {
  const word = args.next();
  switch (word) {
    case 'id':
    case 'vni': {
      const id = args.next();
      w.vni = parseNumber(id, VNI_MAX);
      if (w.vni === null) throw invalid('invalid id', id);
      return;
    }
    case 'group': {
      w.remote = addressOf(args.next());
      if (!isMulticastIpv4(w.remote)) throw invalid('invalid group address', args.peek);
      return;
    }
    case 'remote':
      w.remote = addressOf(args.next());
      if (isMulticastIpv4(w.remote)) throw invalid('invalid remote address', args.peek);
      return;
    case 'local':
      w.local = addressOf(args.next());
      return;
    case 'dev':
      w.link = args.next();
      return;
    case 'ttl':
    case 'hoplimit': {
      const value = args.next();
      if (value === 'inherit') w.ttl = 'inherit';
      else w.ttl = value === 'auto' ? 0 : numberOf(value, 'TTL must be <= 255', 255);
      return;
    }
    case 'tos':
    case 'dsfield': {
      const value = args.next();
      w.tos = value === 'inherit' ? 1 : trafficClass(value);
      return;
    }
    case 'df': {
      const value = args.next();
      if (value !== 'unset' && value !== 'set' && value !== 'inherit') throw invalid('Invalid "df" value', value);
      w.df = value;
      return;
    }
    case 'ageing': {
      const value = args.next();
      w.ageing = value === 'none' ? 0 : numberOf(value, 'ageing timer', 0x7fffffff);
      return;
    }
    case 'maxaddress': {
      const value = args.next();
      w.maxAddresses = value === 'unlimited' ? 0 : numberOf(value, 'max addresses', 0x7fffffff);
      return;
    }
    case 'port':
    case 'srcport':
      w.sourcePortLow = numberOf(args.next(), 'min port', 65_535);
      w.sourcePortHigh = numberOf(args.next(), 'max port', 65_535);
      return;
    case 'dstport':
      w.port = numberOf(args.next(), 'dst port', 65_535);
      return;
    case 'learning':
      w.learning = true;
      return;
    case 'nolearning':
      w.learning = false;
      return;
    case 'udpcsum':
    case 'noudpcsum':
      w.udpChecksum = word === 'udpcsum';
      return;
    case 'l2miss':
    case 'nol2miss':
      w.l2miss = word === 'l2miss';
      return;
    case 'l3miss':
    case 'nol3miss':
      w.l3miss = word === 'l3miss';
      return;
    // What these say is what happens here.
    case 'noproxy':
    case 'norsc':
    case 'noexternal':
    case 'nogbp':
    case 'nogpe':
    case 'noudp6zerocsumtx':
    case 'noudp6zerocsumrx':
    case 'noremcsumtx':
    case 'noremcsumrx':
    case 'nolocalbypass':
    case 'localbypass':
      return;
    case 'proxy':
    case 'rsc':
    case 'external':
    case 'vnifilter':
    case 'gbp':
    case 'gpe':
    case 'flowlabel':
    case 'udp6zerocsumtx':
    case 'udp6zerocsumrx':
    case 'remcsumtx':
    case 'remcsumrx':
      throw notEmulated('ip', `vxlan ${word}`);
    default:
      throw new CommandFailure(`vxlan: unknown command "${word}"?`, EXIT_FAILED);
  }
}

/** rtnl_dsfield_a2n(): a hexadecimal number. */
export function trafficClass(word: string): number {
  if (!/^(0x)?[0-9a-fA-F]{1,2}$/.test(word)) throw invalid('bad TOS value', word);
  return Number.parseInt(word.replace(/^0x/, ''), 16);
}

/** Says what iproute2 says when no port is given. */
export const NO_PORT_NOTICE = `vxlan: destination port not specified
Will use Linux kernel default (non-standard value)
Use 'dstport 4789' to get the IANA assigned value
Use 'dstport 0' to get default and quiet this message
`;

/** The kernel's default port (vxlan_port) */
const KERNEL_PORT = 8472;

/** vxlan_newlink(), after the name and the address have been checked. */
export function addVxlan(
  netns: NetNamespace,
  options: { readonly name: string; readonly mac: Mac; readonly mtu: number | null },
  w: VxlanWords,
): NetDevice {
  if (w.vni === null) {
    throw refused(refuse('EINVAL', 'Required attributes not provided to perform the operation'));
  }
  const link = w.link === null ? null : netns.device(w.link);
  if (w.link !== null && link === null) throw new CommandFailure(`Cannot find device "${w.link}"`, EXIT_USAGE);
  if (isMulticastIpv4(w.remote) && link === null) {
    throw refused(refuse('EINVAL', 'Local interface required for multicast remote destination'));
  }
  const port = w.port === null || w.port === 0 ? KERNEL_PORT : w.port;
  for (const dev of netns.devices()) {
    const other = vxlanOf(dev);
    if (other !== null && other.vni === w.vni && other.port === port) {
      throw refused(refuse('EEXIST', 'A VXLAN device with the specified VNI already exists'));
    }
  }
  const { dev } = createVxlan(netns, {
    name: options.name,
    mac: options.mac,
    ...(options.mtu === null ? {} : { mtu: options.mtu }),
    vni: w.vni,
    local: w.local,
    remote: w.remote,
    link,
    port,
    learning: w.learning,
    ttl: w.ttl,
    tos: w.tos,
    df: w.df,
    ageing: w.ageing,
    udpChecksum: w.udpChecksum,
    sourcePortLow: w.sourcePortLow,
    sourcePortHigh: w.sourcePortHigh,
    maxAddresses: w.maxAddresses,
  });
  linkSettings(dev);
  if (link !== null) endsWith(dev, link);
  misses.set(dev, { l2miss: w.l2miss, l3miss: w.l3miss });
  return dev;
}
