// TCP segments: RFC 9293 section 3.1; options: MSS RFC 9293 section 3.7.1, window scale and timestamps RFC 7323,
// selective acknowledgement RFC 2018.
//
//    0        2        4          8          12   13     14       16    18       20
//   +--------+--------+----------+----------+----+------+--------+-----+--------+---------
//   | source | destin.| sequence | ack      |off | flags| window | sum | urgent | options
//   +--------+--------+----------+----------+----+------+--------+-----+--------+---------
//
// off: the high four bits count the header in units of 4 bytes.

export const TCP_HEADER = 20;
export const TCP_SOURCE = 0;
export const TCP_DESTINATION = 2;
export const TCP_SEQUENCE = 4;
export const TCP_ACK = 8;
export const TCP_OFFSET = 12;
export const TCP_FLAGS = 13;
export const TCP_WINDOW = 14;
export const TCP_CHECKSUM = 16;
export const TCP_URGENT = 18;

export const TcpFlag = {
  FIN: 0x01,
  SYN: 0x02,
  RST: 0x04,
  PSH: 0x08,
  ACK: 0x10,
  URG: 0x20,
  ECE: 0x40,
  CWR: 0x80,
} as const;

/** Option kinds (IANA "TCP Parameters"), with their lengths where they are fixed. */
export const TcpOption = {
  END: 0,
  NOP: 1,
  MSS: 2,
  WINDOW_SCALE: 3,
  SACK_PERMITTED: 4,
  SACK: 5,
  TIMESTAMPS: 8,
} as const;
const MSS_LENGTH = 4;
const WINDOW_SCALE_LENGTH = 3;
const SACK_PERMITTED_LENGTH = 2;
const TIMESTAMPS_LENGTH = 10;

/** True when [at, end) starts with a header that is whole (end = end of the IP payload). */
export function checkTcp(view: DataView, at: number, end: number): boolean {
  if (end - at < TCP_HEADER) return false;
  const header = tcpHeaderLength(view, at);
  return header >= TCP_HEADER && header <= end - at;
}

/** Header length in bytes as the segment says: 0..60. */
export function tcpHeaderLength(view: DataView, at: number): number {
  return (view.getUint8(at + TCP_OFFSET) >>> 4) * 4;
}

/** Sequence space that the segment takes: data, SYN and FIN count (RFC 9293 section 3.4). */
export function tcpSegmentLength(view: DataView, at: number, end: number): number {
  const flags = view.getUint8(at + TCP_FLAGS);
  return end - at - tcpHeaderLength(view, at) + (flags & TcpFlag.SYN ? 1 : 0) + (flags & TcpFlag.FIN ? 1 : 0);
}

/** Writes the fixed header with a zero checksum; `header` is its length with options. The caller fills the checksum. */
export function writeTcp(
  view: DataView,
  at: number,
  source: number,
  destination: number,
  sequence: number,
  ack: number,
  header: number,
  flags: number,
  window: number,
): void {
  view.setUint16(at + TCP_SOURCE, source);
  view.setUint16(at + TCP_DESTINATION, destination);
  view.setUint32(at + TCP_SEQUENCE, sequence);
  view.setUint32(at + TCP_ACK, ack);
  view.setUint8(at + TCP_OFFSET, (header / 4) << 4);
  view.setUint8(at + TCP_FLAGS, flags);
  view.setUint16(at + TCP_WINDOW, window);
  view.setUint16(at + TCP_CHECKSUM, 0);
  view.setUint16(at + TCP_URGENT, 0);
}

export interface TcpSynOptions {
  readonly mss: number;
  readonly sackPermitted: boolean;
  /** null: no timestamps */
  readonly timestamps: { readonly value: number; readonly echo: number } | null;
  /** shift count 0..14; null: no window scaling */
  readonly windowScale: number | null;
}

/** Bytes that writeTcpSynOptions needs, a multiple of 4. */
export function tcpSynOptionsLength(o: TcpSynOptions): number {
  let length = MSS_LENGTH;
  if (o.timestamps !== null) length += 2 + TIMESTAMPS_LENGTH;
  else if (o.sackPermitted) length += 2 + SACK_PERMITTED_LENGTH;
  if (o.windowScale !== null) length += 1 + WINDOW_SCALE_LENGTH;
  return length;
}

/**
 * The options of a SYN in Linux's order (net/ipv4/tcp_output.c tcp_options_write): MSS; SACK-permitted in the two bytes
 * that align the timestamps (no-ops when only one of both is there); no-op and window scale.
 */
export function writeTcpSynOptions(view: DataView, at: number, o: TcpSynOptions): void {
  let i = at;
  view.setUint8(i, TcpOption.MSS);
  view.setUint8(i + 1, MSS_LENGTH);
  view.setUint16(i + 2, o.mss);
  i += MSS_LENGTH;
  if (o.timestamps !== null) {
    view.setUint8(i, o.sackPermitted ? TcpOption.SACK_PERMITTED : TcpOption.NOP);
    view.setUint8(i + 1, o.sackPermitted ? SACK_PERMITTED_LENGTH : TcpOption.NOP);
    view.setUint8(i + 2, TcpOption.TIMESTAMPS);
    view.setUint8(i + 3, TIMESTAMPS_LENGTH);
    view.setUint32(i + 4, o.timestamps.value);
    view.setUint32(i + 8, o.timestamps.echo);
    i += 2 + TIMESTAMPS_LENGTH;
  } else if (o.sackPermitted) {
    view.setUint8(i, TcpOption.NOP);
    view.setUint8(i + 1, TcpOption.NOP);
    view.setUint8(i + 2, TcpOption.SACK_PERMITTED);
    view.setUint8(i + 3, SACK_PERMITTED_LENGTH);
    i += 2 + SACK_PERMITTED_LENGTH;
  }
  if (o.windowScale !== null) {
    view.setUint8(i, TcpOption.NOP);
    view.setUint8(i + 1, TcpOption.WINDOW_SCALE);
    view.setUint8(i + 2, WINDOW_SCALE_LENGTH);
    view.setUint8(i + 3, o.windowScale);
  }
}
