// ICMP seen by conntrack before its tuple is looked up (nf_conntrack_proto_icmp.c nf_conntrack_icmpv4_error): checked, and
// an error belongs to the connection whose packet it quotes (RELATED).

import { formatIpv4 } from '../../addr/ipv4.ts';
import * as frames from '../../link/frame.ts';
import * as icmp from '../../wire/icmp.ts';
import { isIcmpError } from '../../wire/icmp.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import type { Packet } from '../packet.ts';
import type { Conntrack } from './conntrack.ts';
import { CtVerdict, hasPorts, inverseIcmpType } from './conntrack-protocol.ts';
import { CtDir, CtInfo, type NfConn, setCt } from './nf-conn.ts';

const { view } = frames;
const { ICMP_HEADER, ICMP_TYPE } = icmp;
const { IPV4_DESTINATION, IPV4_FRAGMENT, IPV4_HEADER, IPV4_OFFSET, IPV4_PROTOCOL, IPV4_SOURCE, IpProtocol } = ipv4;
/** NR_ICMP_TYPES (include/uapi/linux/icmp.h) */
const TYPES = 18;
/** Bytes of the quoted transport header that a tuple needs: the ports; for ICMP the identifier, too. */
const QUOTED_PORTS = 4;
const QUOTED_ICMP = 8;

/** ACCEPT: to be looked up by its own tuple, or its connection stands at the frame; INVALID otherwise. */
export function trackIcmpError(conntrack: Conntrack, packet: Packet, template: NfConn | null): CtVerdict {
  const { transport, end } = packet;
  if (end - transport < ICMP_HEADER) return conntrack.invalid(packet, 'the ICMP header is cut short');
  if (conntrack.badChecksum(packet)) return conntrack.invalid(packet, 'the ICMP checksum is wrong');
  const type = view.getUint8(transport + ICMP_TYPE);
  if (type > TYPES) return conntrack.invalid(packet, `ICMP type ${type} is unknown to conntrack`);
  if (!isIcmpError(type)) return CtVerdict.ACCEPT;
  const quoted = transport + ICMP_HEADER;
  const header = end - quoted < IPV4_HEADER ? 0 : (view.getUint8(quoted) & 15) * 4;
  if (header < IPV4_HEADER || quoted + header > end || (view.getUint16(quoted + IPV4_FRAGMENT) & IPV4_OFFSET) !== 0) {
    return conntrack.invalid(packet, 'the ICMP error quotes no header');
  }
  const protocol = view.getUint8(quoted + IPV4_PROTOCOL);
  const source = view.getInt32(quoted + IPV4_SOURCE);
  const destination = view.getInt32(quoted + IPV4_DESTINATION);
  const inner = quoted + header;
  // The tuple of an answer to the quoted packet: that is what stands in the table, in either direction.
  let ports = 0;
  if (hasPorts(protocol)) {
    if (end - inner < QUOTED_PORTS) return conntrack.invalid(packet, 'the ICMP error quotes too little');
    ports = (view.getUint16(inner + 2) << 16) | view.getUint16(inner);
  } else if (protocol === IpProtocol.ICMP) {
    if (end - inner < QUOTED_ICMP) return conntrack.invalid(packet, 'the ICMP error quotes too little');
    const inverse = inverseIcmpType(view.getUint8(inner));
    if (inverse < 0) return conntrack.invalid(packet, 'the ICMP error quotes ICMP that nothing answers');
    ports = (view.getUint16(inner + 4) << 16) | (inverse << 8) | view.getUint8(inner + 1);
  }
  const zone = template === null ? 0 : template.oZone !== 0 ? template.oZone : template.rZone;
  const value = conntrack.lookup(destination, source, ports, protocol, zone);
  if (value < 0) {
    if (!conntrack.host.wantsNotes) return CtVerdict.INVALID;
    const flow = `${formatIpv4(source)} > ${formatIpv4(destination)}`;
    return conntrack.invalid(packet, `the ICMP error is about a packet ${flow} of no connection`);
  }
  const ct = conntrack.entry(value);
  const reply = (value & 1) === CtDir.REPLY;
  // The error has to go where an answer of that direction would go.
  if (packet.destination !== (reply ? ct.rDst : ct.oDst)) {
    return conntrack.invalid(packet, 'the ICMP error goes to another address than the packet that it quotes came from');
  }
  setCt(packet.frame, ct, reply ? CtInfo.RELATED_REPLY : CtInfo.RELATED);
  return CtVerdict.ACCEPT;
}
