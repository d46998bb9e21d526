// A segment that has come in: its header's fields and where its options and data lie in the arena (TCP_SKB_CB of a received
// skb, tcp_v4_fill_cb; options: net/ipv4/tcp_input.c tcp_parse_options). One record per namespace, filled anew for each
// segment: a segment is handled to its end before the next one begins, as every way between hosts passes the event queue.

import type { Ipv4 } from '../../addr/ipv4.ts';
import type { Frame } from '../../link/frame.ts';
import * as frames from '../../link/frame.ts';
import { IPV4_DESTINATION, IPV4_SOURCE, IPV4_TOS } from '../../wire/ipv4.ts';
import * as tcp from '../../wire/tcp.ts';
import type { InDevice } from '../in-device.ts';
import type { TcpRxOptions } from './tcp-sock.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameStart, NO_FRAME, view } = frames;
const {
  TCP_ACK,
  TCP_FLAGS,
  TCP_HEADER,
  TCP_OFFSET,
  TCP_SEQUENCE,
  TCP_SOURCE,
  TCP_DESTINATION,
  TCP_URGENT,
  TCP_WINDOW,
} = tcp;
const FLAG = tcp.TcpFlag;
const OPTION = tcp.TcpOption;

/** Largest shift of the window (RFC 7323 section 2.3). */
export const MAX_WSCALE = 14;
/** Timestamps option with its two no-ops, as Linux writes it. */
const ALIGNED_TIMESTAMPS = 12;
const ALIGNED_TIMESTAMPS_WORD = 0x0101080a;

/**
 * What a received segment takes of the receive buffer beside its payload, which lies in page fragments: a head of 256
 * bytes, struct skb_shared_info (320) and struct sk_buff (256). Golden case 08a shows it in the windows.
 */
export const SKB_OVERHEAD = 256 + 320 + 256;

export class TcpSegment {
  frame: Frame = NO_FRAME;
  idev: InDevice | null = null;
  /** where the IPv4 header, the TCP header and the payload begin, and where the payload ends */
  ip = 0;
  at = 0;
  dataAt = 0;
  end = 0;
  source: Ipv4 = 0;
  destination: Ipv4 = 0;
  sourcePort = 0;
  destinationPort = 0;
  seq = 0;
  /** behind data, SYN and FIN */
  endSeq = 0;
  ackSeq = 0;
  flags = 0;
  /** as the header says it, not scaled */
  window = 0;
  urgent = 0;
  /** bytes of payload */
  len = 0;
  dsfield = 0;
  truesize = 0;
  /** where the first SACK block lies, and how many there are */
  sackAt = 0;
  sackCount = 0;

  get syn(): boolean {
    return (this.flags & FLAG.SYN) !== 0;
  }
  get fin(): boolean {
    return (this.flags & FLAG.FIN) !== 0;
  }
  get rst(): boolean {
    return (this.flags & FLAG.RST) !== 0;
  }
  get ack(): boolean {
    return (this.flags & FLAG.ACK) !== 0;
  }
  get psh(): boolean {
    return (this.flags & FLAG.PSH) !== 0;
  }

  /** Reads the header of a segment that checkTcp accepted. */
  fill(idev: InDevice, frame: Frame, at: number, end: number): void {
    const ip = frameStart[frame]!;
    this.frame = frame;
    this.idev = idev;
    this.ip = ip;
    this.at = at;
    this.end = end;
    this.dataAt = at + (view.getUint8(at + TCP_OFFSET) >>> 4) * 4;
    this.source = view.getInt32(ip + IPV4_SOURCE);
    this.destination = view.getInt32(ip + IPV4_DESTINATION);
    this.dsfield = view.getUint8(ip + IPV4_TOS);
    this.sourcePort = view.getUint16(at + TCP_SOURCE);
    this.destinationPort = view.getUint16(at + TCP_DESTINATION);
    this.seq = view.getUint32(at + TCP_SEQUENCE);
    this.ackSeq = view.getUint32(at + TCP_ACK);
    this.window = view.getUint16(at + TCP_WINDOW);
    this.urgent = view.getUint16(at + TCP_URGENT);
    const flags = view.getUint8(at + TCP_FLAGS);
    this.flags = flags;
    this.len = end - this.dataAt;
    this.endSeq = (this.seq + this.len + ((flags >>> 1) & 1) + (flags & 1)) >>> 0;
    this.truesize = SKB_OVERHEAD + this.len;
    this.sackAt = 0;
    this.sackCount = 0;
  }
}

/**
 * tcp_parse_options: reads the options into `rx` and finds the SACK blocks. Options that do not fit, are too short or stand
 * where they must not are passed over; what follows a malformed one is not read.
 * @param established options that only a SYN may carry are ignored; timestamps count only when agreed on
 */
export function tcpParseOptions(segment: TcpSegment, rx: TcpRxOptions, established: boolean): void {
  rx.sawTstamp = false;
  segment.sackAt = 0;
  segment.sackCount = 0;
  const end = segment.at + headerLength(segment);
  let i = segment.at + TCP_HEADER;
  while (i < end) {
    const kind = view.getUint8(i);
    if (kind === OPTION.END) return;
    if (kind === OPTION.NOP) {
      i++;
      continue;
    }
    if (end - i < 2) return;
    const size = view.getUint8(i + 1);
    // "silly options" and partial ones
    if (size < 2 || size > end - i) return;
    switch (kind) {
      case OPTION.MSS:
        if (size === 4 && segment.syn && !established) {
          const mss = view.getUint16(i + 2);
          if (mss !== 0) rx.mssClamp = rx.userMss !== 0 && rx.userMss < mss ? rx.userMss : mss;
        }
        break;
      case OPTION.WINDOW_SCALE:
        if (size === 3 && segment.syn && !established && segment.idev!.netns.sysctl.ipv4.tcp_window_scaling !== 0) {
          rx.wscaleOk = true;
          rx.sndWscale = Math.min(view.getUint8(i + 2), MAX_WSCALE);
        }
        break;
      case OPTION.TIMESTAMPS:
        if (
          size === 10 &&
          ((established && rx.tstampOk) || (!established && segment.idev!.netns.sysctl.ipv4.tcp_timestamps !== 0))
        ) {
          rx.sawTstamp = true;
          rx.rcvTsval = view.getUint32(i + 2);
          rx.rcvTsecr = view.getUint32(i + 6);
        }
        break;
      case OPTION.SACK_PERMITTED:
        if (size === 2 && segment.syn && !established && segment.idev!.netns.sysctl.ipv4.tcp_sack !== 0) {
          rx.sackOk = true;
        }
        break;
      case OPTION.SACK:
        if (size >= 10 && (size - 2) % 8 === 0 && rx.sackOk) {
          segment.sackAt = i + 2;
          segment.sackCount = (size - 2) / 8;
        }
        break;
    }
    i += size;
  }
}

/** tcp_clear_options: nothing has been agreed on. */
export function tcpClearOptions(rx: TcpRxOptions): void {
  rx.tstampOk = false;
  rx.sackOk = false;
  rx.wscaleOk = false;
  rx.sndWscale = 0;
}

function headerLength(segment: TcpSegment): number {
  return (view.getUint8(segment.at + TCP_OFFSET) >>> 4) * 4;
}

/**
 * tcp_fast_parse_options: as tcpParseOptions for a connection, with a short cut for no options and for timestamps alone.
 * rcvTsecr comes out without the connection's offset.
 */
export function tcpFastParseOptions(segment: TcpSegment, rx: TcpRxOptions, tsoffset: number): void {
  const header = headerLength(segment);
  if (header === TCP_HEADER) {
    rx.sawTstamp = false;
    return;
  }
  const i = segment.at + TCP_HEADER;
  if (rx.tstampOk && header === TCP_HEADER + ALIGNED_TIMESTAMPS && view.getUint32(i) === ALIGNED_TIMESTAMPS_WORD) {
    rx.sawTstamp = true;
    rx.rcvTsval = view.getUint32(i + 4);
    const echo = view.getUint32(i + 8);
    rx.rcvTsecr = echo !== 0 ? (echo - tsoffset) >>> 0 : 0;
    return;
  }
  tcpParseOptions(segment, rx, true);
  if (rx.sawTstamp && rx.rcvTsecr !== 0) rx.rcvTsecr = (rx.rcvTsecr - tsoffset) >>> 0;
}
