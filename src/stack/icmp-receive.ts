// ICMP that came in (net/ipv4/icmp.c icmp_rcv): echo answered, errors delivered to the sockets whose packets they quote.

import { isMulticastIpv4 } from '../addr/ipv4.ts';
import { DropReason } from '../base/drop-reason.ts';
import { type Frame, frameEnd, frameStart, freeFrame, sumArena, view } from '../link/frame.ts';
import {
  checkIcmp,
  ICMP_CODE,
  ICMP_HEADER,
  ICMP_ID,
  ICMP_MTU,
  ICMP_REST,
  ICMP_TYPE,
  IcmpType,
  IcmpUnreach,
} from '../wire/icmp.ts';
import { IPV4_DESTINATION, IPV4_HEADER, IPV4_PROTOCOL, IPV4_SOURCE, IPV4_TTL, IpProtocol } from '../wire/ipv4.ts';
import { icmpReply } from './icmp-send.ts';
import type { InDevice } from './in-device.ts';
import { updatePathMtu, updateRedirect } from './path-mtu.ts';
import { DstKind } from './route-cache.ts';
import { Snmp } from './snmp.ts';

/** Code of TIME_EXCEEDED: fragment reassembly time exceeded (RFC 792). */
const REASSEMBLY_TIME = 1;
/** Milliseconds of a day: ICMP timestamps count from midnight UT (RFC 792). */
const DAY_MS = 86_400_000;

/** The packet in `frame` (frameStart at its IPv4 header) carries ICMP from `at`. Takes ownership. */
export function icmpReceive(idev: InDevice, frame: Frame, at: number): void {
  const { netns, dev } = idev;
  const end = frameEnd[frame]!;
  netns.snmp[Snmp.IcmpInMsgs]!++;
  if (!checkIcmp(view, at, end)) {
    dev.end(frame, DropReason.ICMP_INHDR);
    return;
  }
  if (sumArena(at, end) !== 0xffff) {
    netns.snmp[Snmp.IcmpInCsumErrors]!++;
    dev.end(frame, DropReason.ICMP_CSUM);
    return;
  }
  const type = view.getUint8(at + ICMP_TYPE);
  const values = netns.sysctl.ipv4;
  const destination = view.getInt32(frameStart[frame]! + IPV4_DESTINATION);
  const kind = netns.addressType(destination);
  const group = kind === DstKind.BROADCAST || isMulticastIpv4(destination) || destination === -1;
  if (group) {
    // RFC 1122 section 3.2.2.6: an echo to a group may be ignored in silence; errors to a group are nonsense.
    const echo = type === IcmpType.ECHO || type === IcmpType.TIMESTAMP;
    if (echo ? values.icmp_echo_ignore_broadcasts !== 0 : type !== IcmpType.ECHO_REPLY) {
      dev.end(frame, DropReason.ICMP_IGNORED);
      return;
    }
  }
  switch (type) {
    case IcmpType.ECHO:
      if (values.icmp_echo_ignore_all !== 0) {
        dev.end(frame, DropReason.ICMP_IGNORED);
        return;
      }
      netns.snmp[Snmp.IcmpInEchos]!++;
      icmpReply(netns, frame, idev, at, end, (icmp) => view.setUint8(icmp + ICMP_TYPE, IcmpType.ECHO_REPLY));
      break;
    case IcmpType.TIMESTAMP: {
      if (end - at < ICMP_HEADER + 12) {
        dev.end(frame, DropReason.ICMP_INHDR);
        return;
      }
      const ms = Math.floor(netns.world.sim.now / 1_000_000) % DAY_MS;
      icmpReply(netns, frame, idev, at, at + ICMP_HEADER + 12, (icmp) => {
        view.setUint8(icmp + ICMP_TYPE, IcmpType.TIMESTAMP_REPLY);
        view.setUint32(icmp + ICMP_HEADER + 4, ms);
        view.setUint32(icmp + ICMP_HEADER + 8, ms);
      });
      break;
    }
    case IcmpType.ECHO_REPLY:
      netns.snmp[Snmp.IcmpInEchoReps]!++;
      netns.sockets.deliverEchoReply(frame, at, view.getUint16(at + ICMP_ID));
      break;
    case IcmpType.DEST_UNREACH:
    case IcmpType.TIME_EXCEEDED:
    case IcmpType.PARAMETER_PROBLEM:
    case IcmpType.SOURCE_QUENCH:
    case IcmpType.REDIRECT:
      if (!deliverError(idev, frame, at, type)) {
        dev.end(frame, DropReason.ICMP_INHDR);
        return;
      }
      break;
    default:
      if (type !== IcmpType.TIMESTAMP_REPLY) {
        dev.end(frame, DropReason.ICMP_UNKNOWN_TYPE);
        return;
      }
  }
  freeFrame(frame);
}

/** icmp_unreach and icmp_redirect: to the socket that sent the quoted packet. False when the quote is too short. */
function deliverError(idev: InDevice, frame: Frame, at: number, type: number): boolean {
  const { netns } = idev;
  const end = frameEnd[frame]!;
  const quoted = at + ICMP_HEADER;
  if (end - quoted < IPV4_HEADER) return false;
  const header = (view.getUint8(quoted) & 15) * 4;
  if (header < IPV4_HEADER || end - quoted < header + 8) return false;
  const code = view.getUint8(at + ICMP_CODE);
  const offender = view.getInt32(frameStart[frame]! + IPV4_SOURCE);
  const destination = view.getInt32(quoted + IPV4_DESTINATION);
  let info = 0;
  if (type === IcmpType.DEST_UNREACH && code === IcmpUnreach.FRAG_NEEDED) {
    // ip_no_pmtu_disc 1: the error counts, its MTU does not (so the floor is taken); 2: not at all; 3: only what can be told
    // from a forgery, and none of our protocols registers icmp_strict_tag_validation except TCP.
    const mode = netns.sysctl.ipv4.ip_no_pmtu_disc;
    if (mode === 2 || (mode === 3 && view.getUint8(quoted + IPV4_PROTOCOL) !== IpProtocol.TCP)) return true;
    if (mode !== 1) info = view.getUint16(at + ICMP_MTU);
  } else if (type === IcmpType.REDIRECT) {
    info = view.getInt32(at + ICMP_REST);
  } else if (type === IcmpType.PARAMETER_PROBLEM) {
    info = view.getUint8(at + ICMP_REST);
  }
  if (type === IcmpType.DEST_UNREACH) netns.snmp[Snmp.IcmpInDestUnreachs]!++;
  else if (type === IcmpType.TIME_EXCEEDED) {
    netns.snmp[Snmp.IcmpInTimeExcds]!++;
    // icmp_unreach: that fragments were lost at the far end is no socket's error.
    if (code === REASSEMBLY_TIME) return true;
  }
  const protocol = view.getUint8(quoted + IPV4_PROTOCOL);
  const ttl = view.getUint8(frameStart[frame]! + IPV4_TTL);
  const error = { type, code, info, offender, ttl, quoted, payload: quoted + header, end };
  const known = netns.sockets.deliverError(protocol, error);
  if (known || protocol === IpProtocol.ICMP) {
    if (type === IcmpType.DEST_UNREACH && code === IcmpUnreach.FRAG_NEEDED) updatePathMtu(netns, destination, info);
    else if (type === IcmpType.REDIRECT) updateRedirect(netns, destination, info, offender);
  }
  return true;
}
