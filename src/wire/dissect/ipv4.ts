// Dissection of IPv4 (RFC 791): header, options, fragments, and the protocols above.

import { formatIpv4 } from '../../addr/ipv4.ts';
import { fold, pseudoSum, sum } from '../checksum.ts';
import { EtherType } from '../ethernet.ts';
import { IPV4_HEADER, IPV4_MF, IPV4_OFFSET, IpProtocol } from '../ipv4.ts';
import { dissectData } from './data.ts';
import { ChecksumStatus, type Dissector, hex8, hex16, type LayerReader, TUNNELS_MAX } from './dissection.ts';
import { dissectIpv4Options, finalDestination } from './ipv4-options.ts';

export function dissectIpv4(d: Dissector, at: number, end: number): number {
  const r = d.layer('ip', 'Internet Protocol Version 4', at, end);
  if (r === null || !r.need(1)) return end;
  const vhl = d.view.getUint8(r.at++);
  r.add('ip.version', vhl >>> 4);
  if (vhl >>> 4 !== 4) {
    r.flaw(`version ${vhl >>> 4} is not 4`);
    return end;
  }
  const header = (vhl & 15) * 4;
  r.add('ip.hdr_len', header);
  if (header < IPV4_HEADER) {
    r.flaw(`header length ${header} is below ${IPV4_HEADER}`);
    return end;
  }
  const tos = r.u8('ip.dsfield', hex8);
  if (!r.ok) return end;
  r.add('ip.dsfield.dscp', tos >>> 2);
  r.add('ip.dsfield.ecn', tos & 3);
  const stop = totalLength(r, at, header, end);
  if (stop < 0) return end;
  r.end = stop;

  r.u16('ip.id', hex16);
  if (!r.need(2)) return end;
  const fragment = d.view.getUint16(r.at);
  r.at += 2;
  r.add('ip.flags', hex8(fragment >>> 13));
  r.add('ip.flags.rb', fragment >>> 15);
  r.add('ip.flags.df', (fragment >>> 14) & 1);
  r.add('ip.flags.mf', (fragment >>> 13) & 1);
  // In units of eight bytes, as the header has it and tshark 4.0 gives it.
  r.add('ip.frag_offset', fragment & IPV4_OFFSET);
  r.u8('ip.ttl');
  const protocol = r.u8('ip.proto');
  checksum(r, at, header);
  if (!r.need(4)) return stop;
  const source = d.view.getInt32(r.at);
  r.at += 4;
  r.add('ip.src', formatIpv4(source));
  if (!r.need(4)) return stop;
  const final = finalDestination(r, at + IPV4_HEADER, at + header);
  if (final.state === 'cut') {
    r.need(header - (r.at - at));
    return stop;
  }
  const destination = d.view.getInt32(r.at);
  r.at += 4;
  r.add(final.state === 'route' ? 'ip.cur_rt' : 'ip.dst', formatIpv4(destination));
  d.ipv6 = false;
  // Pseudo-headers are made with the address at which the source route ends (RFC 1122 section 4.1.3.4).
  d.addressSum = pseudoSum(source, final.state === 'route' ? final.address : destination, 0, 0);
  if (header > IPV4_HEADER) dissectIpv4Options(r, at + header);
  if (!r.ok) return stop;
  r.at = at + header;
  r.layer.info = `${formatIpv4(source)} > ${formatIpv4(destination)}`;

  if (r.at >= stop) return stop;
  const offset = fragment & IPV4_OFFSET;
  if (offset > 0) {
    r.layer.info += ` fragment at ${offset * 8}`;
    dissectData(d, r.at, stop);
    return stop;
  }
  const wasFragmented = d.fragmented;
  d.fragmented = (fragment & IPV4_MF) !== 0;
  const inner = (d.tables.ipProtocols.get(protocol) ?? dissectData)(d, r.at, stop);
  d.fragmented = wasFragmented;
  if (inner < stop && protocol !== IpProtocol.UDP) r.layer.rest = d.hex(inner, stop);
  return stop;
}

/**
 * Reads the total length and returns the end that it gives, bounded by `end`, or -1 when nothing more can be read. Zero is
 * what a capture of a segmentation-offload frame shows: the whole rest is the packet then.
 */
function totalLength(r: LayerReader, at: number, header: number, end: number): number {
  if (!r.need(2)) return -1;
  const length = r.d.view.getUint16(r.at);
  r.at += 2;
  if (length === 0) {
    r.add('ip.len', end - at);
    r.hide('ip.len', 0);
    return end;
  }
  r.add('ip.len', length);
  if (length < header) {
    r.flaw(`total length ${length} is below the header's ${header}`);
    return -1;
  }
  if (at + length > end) {
    if (!r.d.quoted) r.flaw(`total length ${length} exceeds the ${end - at} bytes that are there`);
    return end;
  }
  return at + length;
}

function checksum(r: LayerReader, at: number, header: number): void {
  r.u16('ip.checksum', hex16);
  if (!r.ok) return;
  const d = r.d;
  let status: number = ChecksumStatus.UNVERIFIED;
  if (at + header <= r.capturedEnd) {
    status = fold(sum(d.view, at, at + header)) === 0xffff ? ChecksumStatus.GOOD : ChecksumStatus.BAD;
    if (status === ChecksumStatus.BAD) r.flaw('wrong header checksum');
  }
  r.add('ip.checksum.status', status);
}

/** IPv4 in IPv4 (RFC 2003): a tunnel, counted as one. */
export function dissectIpInIp(d: Dissector, at: number, end: number): number {
  if (d.tunnels >= TUNNELS_MAX) {
    d.flaw('ip', `too many layers (limit ${TUNNELS_MAX} tunnels)`);
    return end;
  }
  d.tunnels++;
  return dissectIp(d, at, end);
}

function isIpv6(d: Dissector, at: number, end: number): boolean {
  return at < Math.min(end, d.bytes.length) && d.view.getUint8(at) >>> 4 === 6;
}

/** A packet of either version, where nothing in front says which (a tunnel, a quote). */
export function dissectIp(d: Dissector, at: number, end: number): number {
  if (isIpv6(d, at, end)) {
    // tshark's protocol list names IP first, whatever version then comes.
    d.protocols.push('ip');
    return (d.tables.etherTypes.get(EtherType.IPV6) ?? dissectData)(d, at, end);
  }
  return dissectIpv4(d, at, end);
}
