// Conntrack's view of a TCP connection (net/netfilter/nf_conntrack_proto_tcp.c): a state machine fed by both directions,
// which guesses what the ends know. Sequence numbers and windows are judged in conntrack-tcp-window.ts.
// The states stand in conntrack-tcp-state.ts.

import * as frames from '../../link/frame.ts';
import * as tcp from '../../wire/tcp.ts';
import type { Packet } from '../packet.ts';
import type { Conntrack } from './conntrack.ts';
import { CtEvent } from './conntrack-event.ts';
import { CtVerdict } from './conntrack-protocol.ts';
import {
  TCP_STATE_NAMES,
  TcpBits,
  TcpConntrack,
  TcpPeer,
  TcpPeerFlag,
  TcpTrack,
  transition,
} from './conntrack-tcp-state.ts';
import { readOptions, segmentEnd, seqBefore, tcpInWindow, WindowVerdict } from './conntrack-tcp-window.ts';
import { CtDir, type CtInfo, CtStatus, ctDirection, type NfConn } from './nf-conn.ts';

const { view } = frames;
const { TCP_ACK, TCP_FLAGS, TCP_HEADER, TCP_OFFSET, TCP_SEQUENCE, TCP_WINDOW, TcpFlag } = tcp;
const { FIN, SYN, RST, PSH, ACK, URG, ECE, CWR } = TcpFlag;

/** get_conntrack_index() */
function bitsOf(flags: number): number {
  if ((flags & RST) !== 0) return TcpBits.RST;
  if ((flags & SYN) !== 0) return (flags & ACK) !== 0 ? TcpBits.SYNACK : TcpBits.SYN;
  if ((flags & FIN) !== 0) return TcpBits.FIN;
  return (flags & ACK) !== 0 ? TcpBits.ACK : TcpBits.NONE;
}

/** tcp_valid_flags: combinations that make sense; PSH, ECE and CWR do not count. */
const VALID_FLAGS: ReadonlySet<number> = new Set([
  ...[SYN, SYN | URG, SYN | ACK, RST, RST | ACK],
  ...[FIN | ACK, FIN | ACK | URG, ACK, ACK | URG],
]);

/** tcp_error(): what is wrong with the segment itself, null when it is sound. */
function malformed(conntrack: Conntrack, packet: Packet): string | null {
  const { transport, end } = packet;
  if (end - transport < TCP_HEADER) return 'the TCP header is cut short';
  const header = (view.getUint8(transport + TCP_OFFSET) >>> 4) * 4;
  if (header < TCP_HEADER || header > end - transport) return 'the TCP header is cut short';
  if (conntrack.badChecksum(packet)) return 'the TCP checksum is wrong';
  const flags = view.getUint8(transport + TCP_FLAGS) & ~(ECE | CWR | PSH);
  return VALID_FLAGS.has(flags) ? null : 'no TCP end sends these flags together';
}

/** tcp_new(): the first segment; false when no connection begins with it. */
function begin(ct: NfConn, packet: Packet, bits: number): boolean {
  const state = transition(CtDir.ORIGINAL, bits, TcpConntrack.NONE);
  if (state >= TcpConntrack.INVALID) return false;
  const track = new TcpTrack();
  const peer = track.seen[0];
  const { transport } = packet;
  const window = view.getUint16(transport + TCP_WINDOW);
  peer.end = segmentEnd(packet);
  peer.maxWindow = window === 0 ? 1 : window;
  if (state === TcpConntrack.SYN_SENT) {
    peer.maxEnd = peer.end;
    readOptions(packet, peer);
  } else {
    // In the middle: its history is lost.
    if (ct.conntrack.settings.values.nf_conntrack_tcp_loose === 0) return false;
    peer.maxEnd = (peer.end + peer.maxWindow) >>> 0;
    peer.flags = TcpPeerFlag.SACK_PERM | TcpPeerFlag.BE_LIBERAL;
    track.seen[1].flags = peer.flags;
  }
  ct.tcp = track;
  return true;
}

/** tcp_can_early_drop(): the connection is on its way out. */
export function tcpIsClosing(ct: NfConn): boolean {
  const state = ct.tcp?.state ?? TcpConntrack.NONE;
  return state >= TcpConntrack.FIN_WAIT && state <= TcpConntrack.CLOSE;
}

/** nf_conntrack_tcp_established() */
function isEstablished(ct: NfConn): boolean {
  return ct.tcp!.state === TcpConntrack.ESTABLISHED && (ct.status & CtStatus.ASSURED) !== 0;
}

/** nf_conntrack_tcp_packet() */
export function tcpPacket(ct: NfConn, packet: Packet, info: CtInfo): CtVerdict {
  const { conntrack } = ct;
  const wrong = malformed(conntrack, packet);
  if (wrong !== null) return conntrack.invalid(packet, wrong);
  const { transport } = packet;
  const flags = view.getUint8(transport + TCP_FLAGS);
  const bits = bitsOf(flags);
  if (!ct.confirmed && !begin(ct, packet, bits)) {
    return conntrack.invalid(packet, 'no connection begins with this segment');
  }
  const track = ct.tcp!;
  const direction = ctDirection(info);
  let old = track.state;
  let state = transition(direction, bits, old);
  let judged = false;
  switch (state) {
    case TcpConntrack.SYN_SENT:
      if (old < TcpConntrack.TIME_WAIT) break;
      if (
        ((track.seen[0].flags | track.seen[1].flags) & TcpPeerFlag.CLOSE_INIT) !== 0 ||
        (track.lastDirection === direction && track.lastBits === TcpBits.RST)
      ) {
        // Closed or aborted before, opened again: a new entry takes its place.
        conntrack.kill(ct, false);
        return CtVerdict.REPEAT;
      }
      return ignored(track, packet, { bits, direction, old });
    case TcpConntrack.IGNORE:
      if (
        bits === TcpBits.SYNACK &&
        track.lastBits === TcpBits.SYN &&
        track.lastDirection !== direction &&
        view.getUint32(transport + TCP_ACK) === track.lastEnd
      ) {
        // Answers a SYN that was ignored: both ends are in step, and now this entry is, too.
        old = TcpConntrack.SYN_SENT;
        state = TcpConntrack.SYN_RECV;
        resync(track, direction);
        break;
      }
      return ignored(track, packet, { bits, direction, old });
    case TcpConntrack.INVALID:
      return conntrack.invalid(
        packet,
        `${describeBits(bits)} in the ${direction === 0 ? 'original' : 'reply'} direction does not fit ${TCP_STATE_NAMES[old]}`,
      );
    case TcpConntrack.TIME_WAIT:
      if (
        old === TcpConntrack.LAST_ACK &&
        bits === TcpBits.ACK &&
        track.lastDirection !== direction &&
        track.lastBits === TcpBits.SYN &&
        (track.lastFlags & TcpPeerFlag.EXP_CHALLENGE_ACK) !== 0
      ) {
        // A challenge ACK (RFC 5961 section 4), not the acknowledgement of the last FIN.
        track.lastFlags &= ~TcpPeerFlag.EXP_CHALLENGE_ACK;
        return CtVerdict.ACCEPT;
      }
      break;
    case TcpConntrack.SYN_SENT2:
      track.lastFlags |= TcpPeerFlag.SIMULTANEOUS_OPEN;
      break;
    case TcpConntrack.SYN_RECV:
      if (
        direction === CtDir.REPLY &&
        bits === TcpBits.ACK &&
        (track.lastFlags & TcpPeerFlag.SIMULTANEOUS_OPEN) !== 0
      ) {
        state = TcpConntrack.ESTABLISHED;
      }
      break;
    case TcpConntrack.CLOSE: {
      if (bits !== TcpBits.RST) break;
      const answer = judgeReset(ct, packet, { direction, old });
      if (answer === Reset.INVALID) {
        return conntrack.invalid(
          packet,
          `the RST's sequence number ${view.getUint32(transport + TCP_SEQUENCE)} is below the highest ACK ${track.seen[1 - direction]!.maxAck}`,
        );
      }
      if (answer === Reset.CHALLENGED) state = old;
      judged = answer === Reset.IN_WINDOW;
      break;
    }
  }
  if (!judged) {
    const verdict = tcpInWindow(ct, packet, direction, bits);
    if (verdict === WindowVerdict.IGNORE) return CtVerdict.ACCEPT;
    if (verdict === WindowVerdict.INVALID) {
      outOfStep(ct, direction, bits);
      return conntrack.invalid(packet, '');
    }
  }
  track.lastBits = bits;
  track.lastDirection = direction;
  track.state = state;
  if (old !== state && state === TcpConntrack.FIN_WAIT) track.seen[direction]!.flags |= TcpPeerFlag.CLOSE_INIT;
  if (old !== state) ct.events |= CtEvent.PROTOINFO;
  return settle(ct, packet, info, old, state, bits);
}

/** tcp_timeouts[TCP_CONNTRACK_SYN_SENT2]: no sysctl names it. Seconds. */
const SYN_SENT2_TIMEOUT = 120;

/** What a state is worth, in seconds: tcp_timeouts, by state. */
export function tcpTimeout(conntrack: Conntrack, state: TcpConntrack): number {
  const v = conntrack.settings.values;
  switch (state) {
    case TcpConntrack.SYN_SENT:
      return v.nf_conntrack_tcp_timeout_syn_sent;
    case TcpConntrack.SYN_SENT2:
      return SYN_SENT2_TIMEOUT;
    case TcpConntrack.SYN_RECV:
      return v.nf_conntrack_tcp_timeout_syn_recv;
    case TcpConntrack.ESTABLISHED:
      return v.nf_conntrack_tcp_timeout_established;
    case TcpConntrack.FIN_WAIT:
      return v.nf_conntrack_tcp_timeout_fin_wait;
    case TcpConntrack.CLOSE_WAIT:
      return v.nf_conntrack_tcp_timeout_close_wait;
    case TcpConntrack.LAST_ACK:
      return v.nf_conntrack_tcp_timeout_last_ack;
    case TcpConntrack.TIME_WAIT:
      return v.nf_conntrack_tcp_timeout_time_wait;
    default:
      return v.nf_conntrack_tcp_timeout_close;
  }
}

/** The end of nf_conntrack_tcp_packet(): the time-out, ASSURED, and connections that were only refused. */
function settle(
  ct: NfConn,
  packet: Packet,
  info: CtInfo,
  old: TcpConntrack,
  state: TcpConntrack,
  bits: number,
): CtVerdict {
  const { conntrack } = ct;
  const track = ct.tcp!;
  const v = conntrack.settings.values;
  const full = tcpTimeout(conntrack, state);
  const unacknowledged = (track.seen[0].flags | track.seen[1].flags) & TcpPeerFlag.DATA_UNACKNOWLEDGED;
  const shortened = v.nf_conntrack_tcp_timeout_max_retrans;
  let timeout = full;
  if (track.retransmissions >= v.nf_conntrack_tcp_max_retrans && full > shortened) timeout = shortened;
  else if (bits === TcpBits.RST) timeout = v.nf_conntrack_tcp_timeout_close;
  else if (unacknowledged !== 0 && full > v.nf_conntrack_tcp_timeout_unacknowledged) {
    timeout = v.nf_conntrack_tcp_timeout_unacknowledged;
  } else if (track.lastWindow === 0 && full > shortened) timeout = shortened;
  if ((ct.status & CtStatus.SEEN_REPLY) === 0) {
    if (bits === TcpBits.RST) {
      // Refused, and nothing else: no entry is left of it.
      conntrack.account(ct, packet, info);
      conntrack.kill(ct, false);
      return CtVerdict.ACCEPT;
    }
    // A SYN sent again renews nothing: port reuse would keep the entry alive for ever.
    if (bits === TcpBits.SYN && old === TcpConntrack.SYN_SENT) return CtVerdict.ACCEPT;
    if (state === TcpConntrack.ESTABLISHED && timeout > v.nf_conntrack_tcp_timeout_unacknowledged) {
      timeout = v.nf_conntrack_tcp_timeout_unacknowledged;
    }
  } else if (
    (ct.status & CtStatus.ASSURED) === 0 &&
    (old === TcpConntrack.SYN_RECV || old === TcpConntrack.ESTABLISHED) &&
    state === TcpConntrack.ESTABLISHED
  ) {
    ct.status |= CtStatus.ASSURED;
    ct.events |= CtEvent.ASSURED;
  }
  conntrack.refresh(ct, packet, info, timeout);
  return CtVerdict.ACCEPT;
}

/** An ignored segment: remembered, because the answer to it may say that the ends are in step and the entry is not. */
function ignored(
  track: TcpTrack,
  packet: Packet,
  at: { readonly bits: number; readonly direction: CtDir; readonly old: TcpConntrack },
): CtVerdict {
  const { transport } = packet;
  track.lastBits = at.bits;
  track.lastDirection = at.direction;
  track.lastSequence = view.getUint32(transport + TCP_SEQUENCE);
  track.lastEnd = segmentEnd(packet);
  track.lastWindow = view.getUint16(transport + TCP_WINDOW);
  if (at.bits === TcpBits.SYN && at.direction === CtDir.ORIGINAL) {
    const options = new TcpPeer();
    readOptions(packet, options);
    track.lastFlags = options.flags & (TcpPeerFlag.WINDOW_SCALE | TcpPeerFlag.SACK_PERM);
    track.lastScale = options.scale;
    if (at.old === TcpConntrack.LAST_ACK) track.lastFlags |= TcpPeerFlag.EXP_CHALLENGE_ACK;
  }
  if (at.old === TcpConntrack.SYN_SENT && at.bits === TcpBits.ACK && at.direction === CtDir.REPLY) {
    track.lastAck = view.getUint32(transport + TCP_ACK);
  }
  return CtVerdict.ACCEPT;
}

/** The values noted from an ignored SYN become those of its sender; what is known of the other end goes. */
function resync(track: TcpTrack, direction: CtDir): void {
  const sender = track.seen[track.lastDirection]!;
  sender.end = track.lastEnd;
  sender.maxEnd = track.lastEnd;
  sender.maxWindow = track.lastWindow === 0 ? 1 : track.lastWindow;
  sender.scale = track.lastScale;
  track.lastFlags &= ~TcpPeerFlag.EXP_CHALLENGE_ACK;
  sender.flags = track.lastFlags;
  track.seen[direction]!.clear();
}

const Reset = { CHECK: 0, IN_WINDOW: 1, CHALLENGED: 2, INVALID: 3 } as const;
type Reset = (typeof Reset)[keyof typeof Reset];

/** Whether a RST may close: it has to stand where its receiver would take it (RFC 5961 section 3). */
function judgeReset(ct: NfConn, packet: Packet, at: { readonly direction: CtDir; readonly old: TcpConntrack }): Reset {
  const track = ct.tcp!;
  const { direction, old } = at;
  const { transport } = packet;
  if (tcpIsClosing(ct)) return Reset.IN_WINDOW;
  const receiver = track.seen[1 - direction]!;
  const sequence = view.getUint32(transport + TCP_SEQUENCE);
  let answer: Reset = Reset.CHECK;
  if ((receiver.flags & TcpPeerFlag.MAXACK_SET) !== 0 && track.lastBits !== TcpBits.SYN) {
    if (sequence === 0 && !isEstablished(ct)) return Reset.CHECK;
    const strict = ct.conntrack.settings.values.nf_conntrack_tcp_ignore_invalid_rst === 0;
    if (strict && seqBefore(sequence, receiver.maxAck)) return Reset.INVALID;
    if (!isEstablished(ct) || sequence === receiver.maxAck) return Reset.CHECK;
    if (track.lastBits === TcpBits.ACK && track.lastDirection === direction && sequence === track.lastEnd) {
      return Reset.CHECK;
    }
    // Not exactly where it is expected: its receiver sends a challenge ACK, so the connection lives on.
    answer = Reset.CHALLENGED;
  }
  const acknowledges = view.getUint32(transport + TCP_ACK) === track.lastEnd;
  const toSyn =
    (ct.status & CtStatus.SEEN_REPLY) !== 0 && track.lastBits === TcpBits.SYN && track.lastDirection !== direction;
  const toAck = (ct.status & CtStatus.ASSURED) === 0 && track.lastBits === TcpBits.ACK;
  if ((toSyn || toAck) && acknowledges) return Reset.IN_WINDOW;
  if (
    old === TcpConntrack.SYN_SENT &&
    track.lastBits === TcpBits.ACK &&
    track.lastDirection === CtDir.REPLY &&
    sequence === track.lastAck
  ) {
    return Reset.IN_WINDOW;
  }
  return answer;
}

/** nf_tcp_handle_invalid(): FIN or RST out of the window both ways: entry and ends are out of step, it is kept less long. */
function outOfStep(ct: NfConn, direction: CtDir, bits: number): void {
  if ((ct.status & CtStatus.ASSURED) === 0 || (ct.status & CtStatus.FIXED_TIMEOUT) !== 0) return;
  if (bits !== TcpBits.RST && bits !== TcpBits.FIN) return;
  const track = ct.tcp!;
  if (track.lastDirection !== direction && (track.lastBits === TcpBits.FIN || track.lastBits === TcpBits.RST)) {
    const expires = ct.conntrack.expiresIn(ct);
    const { nf_conntrack_tcp_timeout_unacknowledged: shorter } = ct.conntrack.settings.values;
    if (expires >= 120 && expires > shorter) ct.conntrack.expireIn(ct, shorter);
  } else {
    track.lastBits = bits;
    track.lastDirection = direction;
  }
}

function describeBits(bits: number): string {
  return ['a SYN', 'a SYN+ACK', 'a FIN', 'an ACK', 'a RST', 'a segment without flags'][bits]!;
}
