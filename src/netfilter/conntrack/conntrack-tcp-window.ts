// Window tracking of conntrack (nf_conntrack_proto_tcp.c tcp_in_window): a segment belongs to the connection when it lies
// where its receiver could take it. After G. van Rooij, "Real stateful TCP packet filtering in IP Filter", with the
// changes Linux made to it:
//
//   I   the segment begins no higher than the receiver allowed       seq <= sender.maxEnd
//   II  and ends no lower than the window that the receiver has       end >= sender.end - receiver.maxWindow
//   III it acknowledges nothing that was not seen                    ack <= receiver.end
//   IV  and nothing too old                                          ack >= receiver.end - MAXACKWINDOW

import * as frames from '../../link/frame.ts';
import * as tcp from '../../wire/tcp.ts';
import type { Packet } from '../packet.ts';
import { TcpBits, TcpConntrack, type TcpPeer, TcpPeerFlag, type TcpTrack } from './conntrack-tcp-state.ts';
import { CtDir, type NfConn } from './nf-conn.ts';

const { view } = frames;
const { TCP_ACK, TCP_FLAGS, TCP_HEADER, TCP_OFFSET, TCP_SEQUENCE, TCP_WINDOW, TcpFlag, TcpOption } = tcp;

/** MAXACKWINCONST: an acknowledgement may be this much too old, bytes. */
const OLDEST_ACK = 66_000;
/** TCP_MAX_WSCALE (RFC 7323 section 2.3) */
const SCALE_MAX = 14;

/** enum nf_ct_tcp_action: IGNORE lets the segment through as part of the connection, without effect. */
export const WindowVerdict = { ACCEPT: 0, IGNORE: 1, INVALID: 2 } as const;
export type WindowVerdict = (typeof WindowVerdict)[keyof typeof WindowVerdict];

export function seqBefore(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

function seqAfter(a: number, b: number): boolean {
  return ((b - a) | 0) < 0;
}

/** segment_seq_plus_len(): the sequence number behind the segment; SYN and FIN count. */
export function segmentEnd(packet: Packet): number {
  const { transport, end } = packet;
  const flags = view.getUint8(transport + TCP_FLAGS);
  const header = (view.getUint8(transport + TCP_OFFSET) >>> 4) * 4;
  const length =
    end - transport - header + ((flags & TcpFlag.SYN) !== 0 ? 1 : 0) + ((flags & TcpFlag.FIN) !== 0 ? 1 : 0);
  return (view.getUint32(transport + TCP_SEQUENCE) + length) >>> 0;
}

/** tcp_options(): window scale and SACK-permitted of a SYN. */
export function readOptions(packet: Packet, peer: TcpPeer): void {
  peer.scale = 0;
  peer.flags &= TcpPeerFlag.BE_LIBERAL;
  const { transport } = packet;
  const end = transport + (view.getUint8(transport + TCP_OFFSET) >>> 4) * 4;
  let i = transport + TCP_HEADER;
  while (i < end) {
    const kind = view.getUint8(i);
    if (kind === TcpOption.END) return;
    if (kind === TcpOption.NOP) {
      i++;
      continue;
    }
    if (i + 1 >= end) return;
    const length = view.getUint8(i + 1);
    if (length < 2 || i + length > end) return;
    if (kind === TcpOption.SACK_PERMITTED && length === 2) peer.flags |= TcpPeerFlag.SACK_PERM;
    else if (kind === TcpOption.WINDOW_SCALE && length === 3) {
      peer.scale = Math.min(view.getUint8(i + 2), SCALE_MAX);
      peer.flags |= TcpPeerFlag.WINDOW_SCALE;
    }
    i += length;
  }
}

/** tcp_sack(): the highest end of what the segment acknowledges selectively, `ack` when that is higher. */
function highestSack(packet: Packet, ack: number): number {
  const { transport } = packet;
  const end = transport + (view.getUint8(transport + TCP_OFFSET) >>> 4) * 4;
  let highest = ack;
  let i = transport + TCP_HEADER;
  while (i < end) {
    const kind = view.getUint8(i);
    if (kind === TcpOption.END) return highest;
    if (kind === TcpOption.NOP) {
      i++;
      continue;
    }
    if (i + 1 >= end) return highest;
    const length = view.getUint8(i + 1);
    if (length < 2 || i + length > end) return highest;
    if (kind === TcpOption.SACK && length >= 10 && (length - 2) % 8 === 0) {
      for (let b = i + 2; b < i + length; b += 8) {
        const right = view.getUint32(b + 4);
        if (seqAfter(right, highest)) highest = right;
      }
      return highest;
    }
    i += length;
  }
  return highest;
}

/** tcp_init_sender(): the first SYN of this end. */
export function initPeer(packet: Packet, sender: TcpPeer, receiver: TcpPeer, direction: CtDir): void {
  const window = view.getUint16(packet.transport + TCP_WINDOW);
  sender.end = segmentEnd(packet);
  sender.maxEnd = sender.end;
  sender.maxWindow = window === 0 ? 1 : window;
  readOptions(packet, sender);
  // RFC 7323 section 2.2: both ends must send the option, or neither scales.
  const both = sender.flags & receiver.flags & TcpPeerFlag.WINDOW_SCALE;
  if (direction === CtDir.REPLY && both === 0) {
    sender.scale = 0;
    receiver.scale = 0;
  }
}

/** A segment in the middle of a connection whose beginning was not seen. */
function pickUp(packet: Packet, sender: TcpPeer, receiver: TcpPeer, sack: number): void {
  const end = segmentEnd(packet);
  const window = view.getUint16(packet.transport + TCP_WINDOW) << sender.scale;
  sender.end = end;
  sender.maxWindow = window === 0 ? 1 : window;
  sender.maxEnd = (end + sender.maxWindow) >>> 0;
  if (receiver.maxWindow === 0) {
    receiver.end = sack;
    receiver.maxEnd = sack;
  } else if (sack === (receiver.end + 1) >>> 0) {
    // The answer to a keep-alive, most likely.
    receiver.end = sack;
  }
}

/** tcp_in_window() */
export function tcpInWindow(ct: NfConn, packet: Packet, direction: CtDir, bits: number): WindowVerdict {
  const { conntrack } = ct;
  const track = ct.tcp!;
  const sender = track.seen[direction]!;
  const receiver = track.seen[1 - direction]!;
  const { transport } = packet;
  const flags = view.getUint8(transport + TCP_FLAGS);
  const rawWindow = view.getUint16(transport + TCP_WINDOW);
  let sequence = view.getUint32(transport + TCP_SEQUENCE);
  let ack = view.getUint32(transport + TCP_ACK);
  let end = segmentEnd(packet);
  let sack = (receiver.flags & TcpPeerFlag.SACK_PERM) !== 0 ? highestSack(packet, ack) : ack;
  const syn = (flags & TcpFlag.SYN) !== 0;
  const opening = track.state === TcpConntrack.SYN_SENT || track.state === TcpConntrack.SYN_RECV;
  if (sender.maxWindow === 0) {
    if (syn) {
      initPeer(packet, sender, receiver, direction);
      // Simultaneous open.
      if ((flags & TcpFlag.ACK) === 0) return WindowVerdict.ACCEPT;
    } else pickUp(packet, sender, receiver, sack);
  } else if (syn && opening && seqAfter(end, sender.end)) {
    // Opened anew with a higher sequence number (RFC 9293 section 3.4.3).
    initPeer(packet, sender, receiver, direction);
    if (direction === CtDir.REPLY && (flags & TcpFlag.ACK) === 0) return WindowVerdict.ACCEPT;
  }
  const acks = (flags & TcpFlag.ACK) !== 0;
  if (!acks || ((flags & TcpFlag.RST) !== 0 && ack === 0)) {
    ack = receiver.end;
    sack = ack;
  }
  // A RST that answers a SYN has no sequence number of its own.
  if ((flags & TcpFlag.RST) !== 0 && sequence === 0 && track.state === TcpConntrack.SYN_SENT) {
    sequence = sender.end;
    end = sequence;
  }
  const oldest = (receiver.end - Math.max(sender.maxWindow, OLDEST_ACK) - 1) >>> 0;
  const lowest = (sender.end - receiver.maxWindow - 1) >>> 0;
  const liberal =
    (sender.flags & TcpPeerFlag.BE_LIBERAL) !== 0 || conntrack.settings.values.nf_conntrack_tcp_be_liberal !== 0;
  if (!seqBefore(sequence, (sender.maxEnd + 1) >>> 0)) {
    const overshot = (end - sender.maxEnd + 1) >>> 0;
    if (
      receiver.maxWindow !== 0 &&
      seqAfter(end, lowest) &&
      seqAfter(sack, oldest) &&
      overshot <= receiver.maxWindow &&
      seqBefore(sack, (receiver.end + 1) >>> 0)
    ) {
      // A sender that goes beyond the window: remembered, or the acknowledgement of it would be invalid.
      sender.end = end;
      sender.flags |= TcpPeerFlag.DATA_UNACKNOWLEDGED;
      return liberal ? WindowVerdict.ACCEPT : WindowVerdict.IGNORE;
    }
    if (liberal) return WindowVerdict.ACCEPT;
    conntrack.why = `seq ${sequence} is above ${sender.maxEnd}, the end of the receiver's window`;
    return WindowVerdict.INVALID;
  }
  if (!seqBefore(sack, (receiver.end + 1) >>> 0)) {
    if (liberal) return WindowVerdict.ACCEPT;
    conntrack.why = `ack ${sack} is above ${receiver.end}, the end of what was seen`;
    return WindowVerdict.INVALID;
  }
  const late = receiver.maxWindow !== 0 && !seqAfter(end, lowest);
  if (late || !seqAfter(sack, oldest)) {
    if (liberal) return WindowVerdict.ACCEPT;
    if (conntrack.ignoresDelayed) return WindowVerdict.IGNORE;
    conntrack.why = late
      ? `seq ${sequence} is below the window that begins at ${lowest}: it comes too late`
      : `ack ${sack} is below ${oldest}: it comes too late`;
    return WindowVerdict.INVALID;
  }
  const window = syn ? rawWindow : rawWindow * 2 ** sender.scale;
  // What the segment tells of both ends.
  const reach = window + ((sack - ack) >>> 0);
  if (sender.maxWindow < reach) sender.maxWindow = reach;
  if (seqAfter(end, sender.end)) {
    sender.end = end;
    sender.flags |= TcpPeerFlag.DATA_UNACKNOWLEDGED;
  }
  if (acks) {
    if ((sender.flags & TcpPeerFlag.MAXACK_SET) === 0) {
      sender.maxAck = ack;
      sender.flags |= TcpPeerFlag.MAXACK_SET;
    } else if (seqAfter(ack, sender.maxAck)) sender.maxAck = ack;
  }
  if (receiver.maxWindow !== 0 && seqAfter(end, sender.maxEnd)) {
    receiver.maxWindow += (end - sender.maxEnd) >>> 0;
  }
  const allowed = (sack + window) >>> 0;
  if (seqAfter(allowed, (receiver.maxEnd - 1) >>> 0)) {
    receiver.maxEnd = window === 0 ? (allowed + 1) >>> 0 : allowed;
  }
  if (ack === receiver.end) receiver.flags &= ~TcpPeerFlag.DATA_UNACKNOWLEDGED;
  if (bits === TcpBits.ACK) noteRetransmission(track, direction, sequence, ack, end, rawWindow);
  return WindowVerdict.ACCEPT;
}

/** The same segment again: after nf_conntrack_tcp_max_retrans of them the entry is kept less long. */
function noteRetransmission(
  track: TcpTrack,
  direction: CtDir,
  sequence: number,
  ack: number,
  end: number,
  window: number,
): void {
  if (
    track.lastDirection === direction &&
    track.lastSequence === sequence &&
    track.lastAck === ack &&
    track.lastEnd === end &&
    track.lastWindow === window
  ) {
    track.retransmissions++;
    return;
  }
  track.lastDirection = direction;
  track.lastSequence = sequence;
  track.lastAck = ack;
  track.lastEnd = end;
  track.lastWindow = window;
  track.retransmissions = 0;
}
