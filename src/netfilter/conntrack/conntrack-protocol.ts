// What a protocol tracker says of a packet, and the trackers that are too small for a file of their own: UDP
// (nf_conntrack_proto_udp.c), ICMP (nf_conntrack_proto_icmp.c) and everything else (nf_conntrack_proto_generic.c, gre, sctp
// without its states).

import * as frames from '../../link/frame.ts';
import { IcmpType } from '../../wire/icmp.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as udp from '../../wire/udp.ts';
import type { Packet } from '../packet.ts';
import { CtEvent } from './conntrack-event.ts';
import { type CtInfo, CtStatus, type NfConn } from './nf-conn.ts';

const { view } = frames;
const { UDP_CHECKSUM, UDP_HEADER, UDP_LENGTH } = udp;
const { IpProtocol } = ipv4;

export const CtVerdict = {
  /** part of the connection */
  ACCEPT: 1,
  /** -NF_DROP */
  DROP: 0,
  /** -NF_ACCEPT: goes on, without a connection (INVALID) */
  INVALID: -1,
  /** -NF_REPEAT: look again, the old connection has gone */
  REPEAT: -4,
} as const;
export type CtVerdict = (typeof CtVerdict)[keyof typeof CtVerdict];

/** A UDP flow is a stream when it lives after this, seconds. */
const STREAM_AFTER = 2;

export const GRE = 47;
export const SCTP = 132;
export const UDPLITE = 136;
export const DCCP = 33;

/** True for protocols whose first four bytes are ports. */
export function hasPorts(protocol: number): boolean {
  return (
    protocol === IpProtocol.TCP ||
    protocol === IpProtocol.UDP ||
    protocol === SCTP ||
    protocol === UDPLITE ||
    protocol === DCCP
  );
}

/** nf_conntrack_udp_packet() */
export function udpPacket(ct: NfConn, packet: Packet, info: CtInfo): CtVerdict {
  const { conntrack } = ct;
  const { transport, end } = packet;
  if (packet.protocol === IpProtocol.UDP) {
    if (end - transport < UDP_HEADER) return conntrack.invalid(packet, 'the UDP header is cut short');
    const length = view.getUint16(transport + UDP_LENGTH);
    if (length > end - transport || length < UDP_HEADER)
      return conntrack.invalid(packet, 'the UDP length is impossible');
    // No checksum is no error (RFC 768).
    if (view.getUint16(transport + UDP_CHECKSUM) !== 0 && conntrack.badChecksum(packet)) {
      return conntrack.invalid(packet, 'the UDP checksum is wrong');
    }
  }
  const v = conntrack.settings.values;
  if (!ct.confirmed) ct.streamAt = conntrack.jiffies + conntrack.toJiffies(STREAM_AFTER);
  if ((ct.status & CtStatus.SEEN_REPLY) === 0) {
    conntrack.refresh(ct, packet, info, v.nf_conntrack_udp_timeout);
    return CtVerdict.ACCEPT;
  }
  const stream = conntrack.jiffies > ct.streamAt;
  conntrack.refresh(ct, packet, info, stream ? v.nf_conntrack_udp_timeout_stream : v.nf_conntrack_udp_timeout);
  if (stream && (ct.status & (CtStatus.ASSURED | CtStatus.NAT_CLASH)) === 0) {
    ct.status |= CtStatus.ASSURED;
    ct.events |= CtEvent.ASSURED;
  }
  return CtVerdict.ACCEPT;
}

/** The ICMP type that answers this one; -1 when none does (icmp_invert_tuple). */
export function inverseIcmpType(type: number): number {
  switch (type) {
    case IcmpType.ECHO:
      return IcmpType.ECHO_REPLY;
    case IcmpType.ECHO_REPLY:
      return IcmpType.ECHO;
    case IcmpType.TIMESTAMP:
      return IcmpType.TIMESTAMP_REPLY;
    case IcmpType.TIMESTAMP_REPLY:
      return IcmpType.TIMESTAMP;
    case IcmpType.INFO_REQUEST:
      return IcmpType.INFO_REPLY;
    case IcmpType.INFO_REPLY:
      return IcmpType.INFO_REQUEST;
    case IcmpType.ADDRESS:
      return IcmpType.ADDRESS_REPLY;
    case IcmpType.ADDRESS_REPLY:
      return IcmpType.ADDRESS;
    default:
      return -1;
  }
}

/** nf_conntrack_icmp_packet(): only requests begin a connection. */
export function icmpPacket(ct: NfConn, packet: Packet, info: CtInfo): CtVerdict {
  const type = ct.oDport >>> 8;
  const request =
    type === IcmpType.ECHO ||
    type === IcmpType.TIMESTAMP ||
    type === IcmpType.INFO_REQUEST ||
    type === IcmpType.ADDRESS;
  if (!request) return ct.conntrack.invalid(packet, `no connection begins with ICMP type ${type}`);
  ct.conntrack.refresh(ct, packet, info, ct.conntrack.settings.values.nf_conntrack_icmp_timeout);
  return CtVerdict.ACCEPT;
}

/** Protocols of which conntrack knows the addresses (and, for SCTP and DCCP, the ports) only. */
export function genericPacket(ct: NfConn, packet: Packet, info: CtInfo): CtVerdict {
  const v = ct.conntrack.settings.values;
  let timeout: number = v.nf_conntrack_generic_timeout;
  if (packet.protocol === GRE) {
    const answered = (ct.status & CtStatus.SEEN_REPLY) !== 0;
    timeout = answered ? v.nf_conntrack_gre_timeout_stream : v.nf_conntrack_gre_timeout;
    if (answered && (ct.status & CtStatus.ASSURED) === 0) {
      ct.status |= CtStatus.ASSURED;
      ct.events |= CtEvent.ASSURED;
    }
  }
  ct.conntrack.refresh(ct, packet, info, timeout);
  return CtVerdict.ACCEPT;
}
