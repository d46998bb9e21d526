// Network address translation, the choice of it (net/netfilter/nf_nat_core.c): given a range of addresses and ports, which
// tuple a new connection gets, so that answers stay distinguishable. The rewriting of packets is in nat-packet.ts.
//
// A connection is set up twice, once for its destination (PRE_ROUTING, LOCAL_OUT) and once for its source (POST_ROUTING,
// LOCAL_IN); a side that no rule names is bound to what it is, and gets another source port only when an answer could
// not be told apart.

import type { Ipv4 } from '../../addr/ipv4.ts';
import type { DropReason } from '../../base/drop-reason.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import type { Conntrack } from './conntrack.ts';
import { hasPorts } from './conntrack-protocol.ts';
import { TcpConntrack } from './conntrack-tcp-state.ts';
import { jhash2 } from './jhash.ts';
import { type NatRange, NatRangeFlag, natRange } from './nat-range.ts';
import { CtDir, CtStatus, type NfConn } from './nf-conn.ts';

export { type NatRange, NatRangeFlag, natRange } from './nat-range.ts';

const { ICMP, TCP } = ipv4.IpProtocol;

/** Which end of a connection is rewritten (enum nf_nat_manip_type). */
export const NatManip = { SOURCE: 'src', DESTINATION: 'dst' } as const;
export type NatManip = (typeof NatManip)[keyof typeof NatManip];

/** NF_NAT_RANGE_PROTO_RANDOM_ALL */
const RANDOM_ALL = NatRangeFlag.PROTO_RANDOM | NatRangeFlag.PROTO_RANDOM_FULLY;
/** NF_NAT_MAX_ATTEMPTS, NF_NAT_HARDER_THRESH */
const ATTEMPTS_MAX = 128;
const HARDER_BELOW = 32;
/** Fewer tries than this in a row are not worth another round. */
const ATTEMPTS_MIN = 16;
/** Ports below these stay below them; 512 to 599 are left alone because peers trust who can bind them. */
const RESERVED = 512;
const PRIVILEGED = 1024;
const PRIVILEGED_FIRST = 600;

/** The tuple that a connection is to have in its original direction, seen behind the NAT. */
class Candidate {
  source: Ipv4 = 0;
  destination: Ipv4 = 0;
  sourcePort = 0;
  destinationPort = 0;
}
const current = new Candidate();
const wanted = new Candidate();

/** True when this side was set up already, by a rule or by a null binding (nf_nat_initialized). */
export function natInitialized(ct: NfConn, manip: NatManip): boolean {
  return (ct.status & (manip === 'src' ? CtStatus.SRC_NAT_DONE : CtStatus.DST_NAT_DONE)) !== 0;
}

/**
 * nf_nat_setup_info(): maps one end of a new connection into the range.
 * @returns 0, as Linux never refuses: when nothing is free the clash shows when the connection is confirmed
 */
export function natSetupInfo(ct: NfConn, range: NatRange, manip: NatManip): DropReason {
  if (ct.confirmed) return 0;
  // What the packet looks like now: the answer turned round.
  current.source = ct.rDst;
  current.destination = ct.rSrc;
  if (ct.proto === ICMP) {
    current.sourcePort = ct.rSport;
    current.destinationPort = ct.oDport;
  } else {
    current.sourcePort = ct.rDport;
    current.destinationPort = ct.rSport;
  }
  chooseTuple(ct, range, manip);
  const changed =
    wanted.source !== current.source ||
    wanted.destination !== current.destination ||
    wanted.sourcePort !== current.sourcePort ||
    wanted.destinationPort !== current.destinationPort;
  if (changed) {
    if (ct.proto === ICMP) {
      ct.conntrack.alterReply(ct, wanted.destination, wanted.sourcePort, wanted.source, ct.rDport);
    } else {
      ct.conntrack.alterReply(ct, wanted.destination, wanted.destinationPort, wanted.source, wanted.sourcePort);
    }
    ct.status |= manip === 'src' ? CtStatus.SRC_NAT : CtStatus.DST_NAT;
  }
  if (manip === 'src') {
    ct.conntrack.sources.add(ct);
    ct.status |= CtStatus.SRC_NAT_DONE;
  } else ct.status |= CtStatus.DST_NAT_DONE;
  return 0;
}

const nullRange: NatRange = natRange({ flags: NatRangeFlag.MAP_IPS });

/** nf_nat_alloc_null_binding(): keeps the address; a port changes only when the tuple is taken. */
export function natNullBinding(ct: NfConn, manip: NatManip): DropReason {
  const address = manip === 'src' ? ct.rDst : ct.rSrc;
  nullRange.minAddress = address;
  nullRange.maxAddress = address;
  return natSetupInfo(ct, nullRange, manip);
}

/**
 * nf_nat_masquerade_ipv4(): the source becomes the address of the device that the packet leaves by.
 * @param range ports and flags of the rule (`--to-ports`, `--random-fully`)
 * @returns false when the device has no address: the packet is to be dropped
 */
export function natMasquerade(ct: NfConn, range: NatRange, outDevice: number, gateway: Ipv4): boolean {
  // What has no address of its own (DHCP) is left alone.
  if (ct.oSrc === 0) return true;
  const address = ct.conntrack.host.sourceAddress(outDevice, gateway);
  if (address === 0) return false;
  ct.masqIndex = outDevice;
  natSetupInfo(
    ct,
    { ...range, flags: range.flags | NatRangeFlag.MAP_IPS, minAddress: address, maxAddress: address },
    NatManip.SOURCE,
  );
  return true;
}

/** get_unique_tuple(): fills `wanted`. */
function chooseTuple(ct: NfConn, range: NatRange, manip: NatManip): void {
  const random = (range.flags & RANDOM_ALL) !== 0;
  copy(current);
  if (manip === 'src' && !random) {
    if (inRange(current.source, current.sourcePort, range)) {
      if (!isUsed(ct)) return;
    } else if (sameMapping(ct, range)) {
      if (!isUsed(ct)) return;
    }
  }
  copy(current);
  chooseAddress(ct, range, manip);
  if (!random) {
    if ((range.flags & NatRangeFlag.PROTO_SPECIFIED) !== 0) {
      const port = manip === 'src' || ct.proto === ICMP ? wanted.sourcePort : wanted.destinationPort;
      if (
        (range.flags & NatRangeFlag.PROTO_OFFSET) === 0 &&
        portInRange(port, range) &&
        (range.minPort === range.maxPort || !isUsed(ct))
      ) {
        return;
      }
    } else if (!isUsed(ct)) return;
  }
  choosePort(ct, range, manip);
}

function copy(from: Candidate): void {
  wanted.source = from.source;
  wanted.destination = from.destination;
  wanted.sourcePort = from.sourcePort;
  wanted.destinationPort = from.destinationPort;
}

/** nf_nat_used_tuple(): another connection's answers look like those to `wanted`. */
function isUsed(ct: NfConn): boolean {
  return ct.conntrack.isTaken(ct, wanted.destination, wanted.source, replyPorts(ct));
}

/** Ports of the answer to `wanted`, as the tuple table has them. */
function replyPorts(ct: NfConn): number {
  return ct.proto === ICMP ? (wanted.sourcePort << 16) | ct.rDport : (wanted.destinationPort << 16) | wanted.sourcePort;
}

function portInRange(port: number, range: NatRange): boolean {
  return port >= range.minPort && port <= range.maxPort;
}

/** nf_in_range(): the source fits what the rule asks for. */
function inRange(address: Ipv4, port: number, range: NatRange): boolean {
  if ((range.flags & NatRangeFlag.MAP_IPS) !== 0) {
    const a = address >>> 0;
    if (a < range.minAddress >>> 0 || a > range.maxAddress >>> 0) return false;
  }
  return (range.flags & NatRangeFlag.PROTO_SPECIFIED) === 0 || portInRange(port, range);
}

/** find_appropriate_src(): the mapping that this source has for other destinations, when it lies in the range. */
function sameMapping(ct: NfConn, range: NatRange): boolean {
  const { sources } = ct.conntrack;
  for (let other = sources.first(current.source, current.sourcePort, ct.proto); other !== null; ) {
    const mappedPort = ct.proto === ICMP ? other.rSport : other.rDport;
    if (other.oZone === ct.oZone && inRange(other.rDst, mappedPort, range)) {
      wanted.source = other.rDst;
      wanted.sourcePort = mappedPort;
      return true;
    }
    other = other.nextBySource;
  }
  return false;
}

const hashed = new Uint32Array(4);

/** find_best_ips_proto(): an address of the range by a hash of the source, and of the destination unless PERSISTENT. */
function chooseAddress(ct: NfConn, range: NatRange, manip: NatManip): void {
  if ((range.flags & NatRangeFlag.MAP_IPS) === 0) return;
  let address = range.minAddress;
  if (range.minAddress !== range.maxAddress) {
    hashed[0] = swap32(wanted.source);
    const persistent = (range.flags & NatRangeFlag.PERSISTENT) !== 0;
    const hash = jhash2(hashed, persistent ? 0 : swap32(wanted.destination) ^ ct.oZone);
    const low = range.minAddress >>> 0;
    const span = (range.maxAddress >>> 0) - low + 1;
    address = (low + Math.floor((hash * span) / 0x1_0000_0000)) | 0;
  }
  if (manip === 'src') wanted.source = address;
  else wanted.destination = address;
}

/** An address as the kernel's hash reads it: network order in a little-endian word. */
function swap32(x: number): number {
  return (((x & 0xff) << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24)) >>> 0;
}

/** nf_nat_l4proto_unique_tuple(): a free port, or ICMP identifier; the last one tried when none is free. */
function choosePort(ct: NfConn, range: NatRange, manip: NatManip): void {
  const icmp = ct.proto === ICMP;
  if (!icmp && !hasPorts(ct.proto)) return;
  const bySource = manip === 'src' || icmp;
  const port = bySource ? wanted.sourcePort : wanted.destinationPort;
  let min: number;
  let size: number;
  if ((range.flags & NatRangeFlag.PROTO_SPECIFIED) !== 0) {
    min = Math.min(range.minPort, range.maxPort);
    size = Math.max(range.minPort, range.maxPort) - min + 1;
  } else if (icmp) {
    min = 0;
    size = 0x10000;
  } else {
    // A destination keeps its port when no rule says otherwise.
    if (manip === 'dst') return;
    if (port < RESERVED) {
      min = 1;
      size = RESERVED - 1;
    } else if (port < PRIVILEGED) {
      min = PRIVILEGED_FIRST;
      size = PRIVILEGED - PRIVILEGED_FIRST;
    } else {
      min = PRIVILEGED;
      size = 0x10000 - PRIVILEGED;
    }
  }
  const { rng } = ct.conntrack;
  let offset = 0;
  if ((range.flags & NatRangeFlag.PROTO_OFFSET) !== 0) offset = (port - range.basePort) & 0xffff;
  else if ((range.flags & RANDOM_ALL) !== 0 || manip === 'src') offset = rng.below(0x10000);
  for (let attempts = Math.min(size, ATTEMPTS_MAX); ; attempts >>>= 1) {
    for (let i = 0; i < attempts; i++, offset = (offset + 1) & 0xffff) {
      const next = min + (offset % size);
      if (bySource) wanted.sourcePort = next;
      else wanted.destinationPort = next;
      if (!isUsedHarder(ct, attempts - i)) return;
    }
    if (attempts >= size || attempts < ATTEMPTS_MIN) return;
    offset = rng.below(0x10000);
  }
}

/** nf_nat_used_tuple_harder(): near the end of the tries a TIME_WAIT connection gives its port up to a new SYN. */
function isUsedHarder(ct: NfConn, left: number): boolean {
  const conntrack: Conntrack = ct.conntrack;
  if (left > HARDER_BELOW || ct.proto !== TCP || ct.tcp?.state !== TcpConntrack.SYN_SENT) return isUsed(ct);
  const value = conntrack.lookup(wanted.destination, wanted.source, replyPorts(ct), ct.proto, ct.oZone);
  if (value < 0) return false;
  const other = conntrack.entry(value);
  if (other === ct) return false;
  if ((value & 1) === CtDir.ORIGINAL || other.tcp?.state !== TcpConntrack.TIME_WAIT) return true;
  // The new sequence numbers have to lie behind the old ones (tcp_timewait_state_process in its receiver).
  const behind = ((ct.tcp.seen[0].end - other.tcp.seen[0].end) | 0) > 0;
  return !(behind && conntrack.kill(other, false));
}
