// The options of segments that leave (net/ipv4/tcp_output.c tcp_syn_options, tcp_synack_options, tcp_established_options,
// tcp_options_write). Linux's order: MSS; timestamps, with SACK-permitted in the two bytes that align them; window scale;
// SACK blocks.

import * as frames from '../../link/frame.ts';
import { TcpOption } from '../../wire/tcp.ts';
import { type TcpSock, tcpTimeStampMs } from './tcp-sock.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { view } = frames;
const OPTION = TcpOption;

/** Longest options: 60 bytes of header less 20. */
const OPTIONS_MAX = 40;
/** TCPOLEN_MSS, TCPOLEN_TSTAMP_ALIGNED, TCPOLEN_WSCALE_ALIGNED, TCPOLEN_SACKPERM_ALIGNED, TCPOLEN_SACK_BASE_ALIGNED, TCPOLEN_SACK_PERBLOCK */
const MSS_LENGTH = 4;
export const TIMESTAMPS_LENGTH = 12;
const WSCALE_LENGTH = 4;
const SACKPERM_LENGTH = 4;
const SACK_BASE = 4;
const SACK_BLOCK = 8;

/** struct tcp_out_options: what the next segment carries; filled anew for each. */
export class TcpOutOptions {
  /** 0: none */
  mss = 0;
  sackPermitted = false;
  timestamps = false;
  tsval = 0;
  tsecr = 0;
  /** -1: none */
  wscale = -1;
  sackBlocks = 0;
  /** bytes, a multiple of 4 */
  size = 0;
}

/** tcp_syn_options: what a SYN of this connection offers. */
export function tcpSynOptions(sk: TcpSock, o: TcpOutOptions): void {
  const { tcp_timestamps, tcp_window_scaling, tcp_sack } = sk.netns.sysctl.ipv4;
  o.mss = sk.advmss;
  o.size = MSS_LENGTH;
  o.sackBlocks = 0;
  o.timestamps = tcp_timestamps !== 0;
  if (o.timestamps) {
    o.tsval = (tcpTimeStampMs(sk) + sk.tsoffset) >>> 0;
    o.tsecr = sk.rxOpt.tsRecent;
    o.size += TIMESTAMPS_LENGTH;
  }
  o.wscale = tcp_window_scaling !== 0 ? sk.rxOpt.rcvWscale : -1;
  if (o.wscale >= 0) o.size += WSCALE_LENGTH;
  o.sackPermitted = tcp_sack !== 0;
  if (o.sackPermitted && !o.timestamps) o.size += SACKPERM_LENGTH;
}

/** tcp_synack_options: what a SYN-ACK repeats of the SYN's offers. */
export function tcpSynackOptions(
  o: TcpOutOptions,
  offer: {
    readonly mss: number;
    readonly tstampOk: boolean;
    readonly wscaleOk: boolean;
    readonly sackOk: boolean;
    readonly rcvWscale: number;
  },
  tsval: number,
  tsecr: number,
): void {
  o.mss = offer.mss;
  o.size = MSS_LENGTH;
  o.sackBlocks = 0;
  o.wscale = offer.wscaleOk ? offer.rcvWscale : -1;
  if (offer.wscaleOk) o.size += WSCALE_LENGTH;
  o.timestamps = offer.tstampOk;
  if (offer.tstampOk) {
    o.tsval = tsval;
    o.tsecr = tsecr;
    o.size += TIMESTAMPS_LENGTH;
  }
  o.sackPermitted = offer.sackOk;
  if (offer.sackOk && !offer.tstampOk) o.size += SACKPERM_LENGTH;
}

/** Bytes of options that a segment sent now would carry (tcp_established_options without a segment). */
export function tcpEstablishedOptionsSize(sk: TcpSock): number {
  const size = sk.rxOpt.tstampOk ? TIMESTAMPS_LENGTH : 0;
  const blocks = sackBlocksFor(sk, size);
  return blocks > 0 ? size + SACK_BASE + blocks * SACK_BLOCK : size;
}

function sackBlocksFor(sk: TcpSock, size: number): number {
  const wanted = sk.rxOpt.numSacks + (sk.rxOpt.dsack ? 1 : 0);
  if (wanted === 0) return 0;
  const room = OPTIONS_MAX - size;
  if (room < SACK_BASE + SACK_BLOCK) return 0;
  return Math.min(wanted, Math.floor((room - SACK_BASE) / SACK_BLOCK));
}

/**
 * tcp_established_options
 * @param stampMs when the segment leaves, in ms of tcp_wstamp_ns
 */
export function tcpEstablishedOptions(sk: TcpSock, o: TcpOutOptions, stampMs: number): void {
  o.mss = 0;
  o.wscale = -1;
  o.sackPermitted = false;
  o.size = 0;
  o.timestamps = sk.rxOpt.tstampOk;
  if (o.timestamps) {
    o.tsval = (stampMs + sk.tsoffset) >>> 0;
    o.tsecr = sk.rxOpt.tsRecent;
    o.size = TIMESTAMPS_LENGTH;
  }
  o.sackBlocks = sackBlocksFor(sk, o.size);
  if (o.sackBlocks > 0) o.size += SACK_BASE + o.sackBlocks * SACK_BLOCK;
}

/**
 * tcp_options_write: writes what `o` says from `at`, o.size bytes.
 * @param sk whose SACK blocks are meant; null for a segment without
 */
export function tcpOptionsWrite(at: number, o: TcpOutOptions, sk: TcpSock | null): void {
  let i = at;
  if (o.mss !== 0) {
    view.setUint32(i, (OPTION.MSS << 24) | (MSS_LENGTH << 16) | o.mss);
    i += MSS_LENGTH;
  }
  if (o.timestamps) {
    const first = o.sackPermitted ? (OPTION.SACK_PERMITTED << 8) | 2 : (OPTION.NOP << 8) | OPTION.NOP;
    view.setUint16(i, first);
    view.setUint16(i + 2, (OPTION.TIMESTAMPS << 8) | 10);
    view.setUint32(i + 4, o.tsval);
    view.setUint32(i + 8, o.tsecr);
    i += TIMESTAMPS_LENGTH;
  } else if (o.sackPermitted) {
    view.setUint32(i, (OPTION.NOP << 24) | (OPTION.NOP << 16) | (OPTION.SACK_PERMITTED << 8) | 2);
    i += SACKPERM_LENGTH;
  }
  if (o.wscale >= 0) {
    view.setUint32(i, (OPTION.NOP << 24) | (OPTION.WINDOW_SCALE << 16) | (3 << 8) | o.wscale);
    i += WSCALE_LENGTH;
  }
  if (o.sackBlocks > 0 && sk !== null) {
    view.setUint32(i, (OPTION.NOP << 24) | (OPTION.NOP << 16) | (OPTION.SACK << 8) | (2 + o.sackBlocks * SACK_BLOCK));
    i += SACK_BASE;
    let left = o.sackBlocks;
    if (sk.rxOpt.dsack) {
      view.setUint32(i, sk.duplicateSack.startSeq);
      view.setUint32(i + 4, sk.duplicateSack.endSeq);
      i += SACK_BLOCK;
      left--;
    }
    for (let b = 0; b < left; b++) {
      view.setUint32(i, sk.selectiveAcks[b]!.startSeq);
      view.setUint32(i + 4, sk.selectiveAcks[b]!.endSeq);
      i += SACK_BLOCK;
    }
    // A duplicate is reported once (RFC 2883 section 4).
    sk.rxOpt.dsack = false;
  }
}
