// Dissection of TCP (RFC 9293 section 3.1) with its options (RFC 9293 section 3.2, RFC 7323, RFC 2018). Sequence numbers
// are those of the wire: a packet alone knows no stream to count from.

import { fold, sum } from '../checksum.ts';
import { IpProtocol } from '../ipv4.ts';
import { TCP_ACK, TCP_CHECKSUM, TCP_HEADER, TCP_OFFSET, TCP_SEQUENCE, TcpFlag, TcpOption } from '../tcp.ts';
import { dissectData } from './data.ts';
import { ChecksumStatus, colonHex, type Dissector, hex16, type LayerReader } from './dissection.ts';

/** Bits of the 12 behind the header length: Wireshark's name, mask, and what a line calls them (tcpdump's letters). */
const FLAGS = [
  ['tcp.flags.ae', 0x100, 'e'],
  ['tcp.flags.cwr', TcpFlag.CWR, 'W'],
  ['tcp.flags.ece', TcpFlag.ECE, 'E'],
  ['tcp.flags.urg', TcpFlag.URG, 'U'],
  ['tcp.flags.ack', TcpFlag.ACK, '.'],
  ['tcp.flags.push', TcpFlag.PSH, 'P'],
  ['tcp.flags.reset', TcpFlag.RST, 'R'],
  ['tcp.flags.syn', TcpFlag.SYN, 'S'],
  ['tcp.flags.fin', TcpFlag.FIN, 'F'],
] as const;

export function dissectTcp(d: Dissector, at: number, end: number): number {
  const r = d.layer('tcp', 'Transmission Control Protocol', at, end);
  if (r === null || !r.need(4)) return end;
  const source = r.u16('tcp.srcport');
  const destination = r.u16('tcp.dstport');
  r.layer.info = `${source} > ${destination}`;
  // Of the segment that an ICMP error is about tshark gives the number under the name of the relative one, even when the
  // quote ends there; of any other segment it shows all fields up to the window, or the ports alone.
  const quoted = d.quoted && d.layers.at(-3)?.name === 'icmp';
  if (!quoted && !r.need(TCP_CHECKSUM - TCP_SEQUENCE)) return end;
  const sequence = r.u32(quoted ? 'tcp.seq' : 'tcp.seq_raw');
  if (!r.need(TCP_CHECKSUM - TCP_ACK)) return end;
  const word = d.view.getUint16(at + TCP_OFFSET);
  const header = (word >>> 12) * 4;
  if (header < TCP_HEADER) {
    r.add('tcp.hdr_len', header);
    r.flaw(`header length ${header} is below ${TCP_HEADER}`);
    return end;
  }
  const ack = r.u32('tcp.ack_raw');
  r.at += 2;
  r.add('tcp.hdr_len', header);
  const flags = word & 0xfff;
  r.add('tcp.flags', hex16(flags));
  for (const [name, mask] of FLAGS) r.add(name, flags & mask ? 1 : 0);
  const window = r.u16('tcp.window_size_value');
  checksum(r, at, end);
  if (!r.ok) return end;
  r.u16('tcp.urgent_pointer');
  if (!r.ok) return end;
  const letters = FLAGS.filter(([, mask]) => flags & mask).map(([, , letter]) => letter);
  r.layer.info += ` [${letters.reverse().join('') || 'none'}] seq ${sequence}`;
  if (flags & TcpFlag.ACK) r.layer.info += ` ack ${ack}`;
  r.layer.info += ` win ${window}`;
  const whole = !d.quoted && !d.fragmented;
  if (whole && at + header <= end) {
    r.add('tcp.len', end - at - header);
    r.layer.info += ` length ${end - at - header}`;
  }
  if (header > TCP_HEADER) options(r, at + header);
  if (!r.ok) return end;
  const next = d.tables.tcpPorts.get(destination) ?? d.tables.tcpPorts.get(source);
  if (next !== undefined && end > at + header) next(d, at + header, end);
  else dissectData(d, at + header, end);
  return end;
}

/** Verifies when the whole segment is here. */
function checksum(r: LayerReader, at: number, end: number): void {
  const d = r.d;
  r.u16('tcp.checksum', hex16);
  if (!r.ok) return;
  let status: number = ChecksumStatus.UNVERIFIED;
  if (!d.fragmented && end <= d.bytes.length) {
    const total = d.addressSum + IpProtocol.TCP + (end - at) + sum(d.view, at, end);
    status = fold(total) === 0xffff ? ChecksumStatus.GOOD : ChecksumStatus.BAD;
    if (status === ChecksumStatus.BAD) r.flaw('wrong checksum');
  }
  r.add('tcp.checksum.status', status);
}

/** Records the options between r.at and `headerEnd`: their bytes, and what the known ones say, as far as they are there. */
function options(r: LayerReader, headerEnd: number): void {
  const { bytes, view } = r.d;
  const start = r.at;
  const end = Math.min(headerEnd, r.capturedEnd);
  if (end > start) r.add('tcp.options', colonHex(bytes, start, end));
  r.at = end;
  r.need(headerEnd - end);
  for (let at = start; at < end; ) {
    const kind = view.getUint8(at);
    if (kind === TcpOption.END) {
      // Padding is zero (RFC 9293 section 3.1).
      for (let i = at + 1; i < end; i++) if (bytes[i] !== 0) r.flaw('padding of the options is not zero');
      break;
    }
    if (kind === TcpOption.NOP) {
      at++;
      continue;
    }
    const length = at + 2 <= end ? view.getUint8(at + 1) : 0;
    if (at + Math.max(2, length) > end && end < headerEnd) break;
    if (length < 2 || at + length > end) {
      r.flaw(`option ${kind} has an impossible length`);
      break;
    }
    if (!option(r, kind, at, length)) {
      r.ok = false;
      break;
    }
    at += length;
  }
}

/** The blocks of a SACK option (RFC 2018 section 3): at least one, each of two edges; what is there of a broken one is shown. */
function blocks(r: LayerReader, at: number, length: number): boolean {
  const end = at + length;
  let edge = 0;
  for (let i = at + 2; i + 4 <= end; i += 4) {
    r.add(edge++ % 2 === 0 ? 'tcp.options.sack_le' : 'tcp.options.sack_re', r.d.view.getUint32(i));
  }
  if (length < 6) r.flaw('SACK option without a block');
  else if (length % 8 !== 2) r.flaw(`SACK option of ${length} bytes`);
  return length >= 6;
}

/**
 * One option of a length that fits; of a known kind with a length that is not the kind's, only the bytes are shown. False
 * when nothing behind it can be read.
 */
function option(r: LayerReader, kind: number, at: number, length: number): boolean {
  const { bytes, view } = r.d;
  switch (kind) {
    case TcpOption.MSS:
      if (length === 4) r.add('tcp.options.mss_val', view.getUint16(at + 2));
      break;
    case TcpOption.WINDOW_SCALE:
      if (length === 3) r.add('tcp.options.wscale.shift', view.getUint8(at + 2));
      break;
    case TcpOption.SACK_PERMITTED:
      r.add('tcp.options.sack_perm', colonHex(bytes, at, at + length));
      break;
    case TcpOption.SACK:
      return blocks(r, at, length);
    case TcpOption.TIMESTAMPS:
      if (length !== 10) break;
      r.add('tcp.options.timestamp.tsval', view.getUint32(at + 2));
      r.add('tcp.options.timestamp.tsecr', view.getUint32(at + 6));
      break;
    default:
  }
  return true;
}
