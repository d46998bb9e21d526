// The socket's backlog (include/net/sock.h sk_add_backlog, net/core/sock.c release_sock, net/ipv4/tcp_ipv4.c
// tcp_add_to_backlog): while a program's send() copies its bytes the socket is locked, and segments that come wait until it
// is done. ACKs that differ in nothing but their number become one; so a sender on the same host gets the ACKs of a burst
// at once and sends the next burst whole, as golden cases 08a and 08b show.

import { DropReason } from '../../base/drop-reason.ts';
import * as frames from '../../link/frame.ts';
import { freeFrame } from '../../link/frame.ts';
import type { Ns } from '../../sim/sim.ts';
import * as tcp from '../../wire/tcp.ts';
import { tcpV4DoRcv } from './tcp-ipv4.ts';
import type { TcpSegment } from './tcp-segment.ts';
import { before } from './tcp-seq.ts';
import { type TcpSock, TcpState } from './tcp-sock.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, frameStart, u8, view } = frames;
const { TCP_ACK, TCP_FLAGS, TCP_HEADER, TCP_OFFSET, TCP_WINDOW } = tcp;
const FLAG = tcp.TcpFlag;

/** What a byte costs that send() copies, ns. Origin: golden case 08a, 64 KiB in 260 us. */
const COPY_COST: Ns = 4;
/** Shorter writes are over before anything can come back; a choice. */
const COPY_MIN = 4_096;
/** The lock is kept for another turn while the backlog's ACKs have let segments go. Origin: the same, 50 to 60 us a burst. */
const TURN: Ns = 60_000;
/**
 * For so long send() owns the socket however little it copies: its segments leave, and what comes back is handled, before it
 * returns. Origin: golden case 07c, where "fragmentation needed" and the duplicate ACK come before anything is sent again.
 */
const SEND_CALL: Ns = 25_000;
/** LIMIT_MIN_SKBS... of sk_add_backlog: both buffers and 64 KiB. */
const SLACK = 65_536;

/** send() has taken `length` bytes: the socket is locked while it copies them. */
export function lockForCopy(sk: TcpSock, length: number): void {
  sk.sendingUntil = sk.now + SEND_CALL;
  if (length < COPY_MIN || sk.state === TcpState.CLOSE) return;
  lock(sk, length * COPY_COST);
}

function lock(sk: TcpSock, time: Ns): void {
  sk.busyUntil = sk.now + time;
  sk.busyTimer ??= sk.netns.world.sim.timer(() => turn(sk));
  sk.busyTimer.armAt(sk.busyUntil);
}

/** release_sock at the end of a turn. */
function turn(sk: TcpSock): void {
  const sent = sk.segsOut;
  if (!releaseBacklog(sk)) return;
  if (sk.segsOut !== sent && sk.state !== TcpState.CLOSE) lock(sk, TURN);
}

/** Handles what has waited. True when there was anything. */
export function releaseBacklog(sk: TcpSock): boolean {
  sk.busyUntil = 0;
  sk.busyTimer?.cancel();
  if (sk.backlogFrames.length === 0) return false;
  const held = sk.backlogFrames.splice(0);
  sk.backlogBytes = 0;
  const { segment } = sk.netns.tcp;
  for (const frame of held) {
    const idev = sk.backlogDevice!;
    const at = transport(frame);
    // A segment handled before it may have ended the connection: then it is for nobody.
    if (sk.state !== TcpState.CLOSE) {
      segment.fill(idev, frame, at, frameEnd[frame]!);
      tcpV4DoRcv(sk, segment);
    }
    freeFrame(frame);
  }
  return true;
}

/** Forgets what has waited: the connection ends. */
export function purgeBacklog(sk: TcpSock): void {
  for (const frame of sk.backlogFrames.splice(0)) freeFrame(frame);
  sk.backlogBytes = 0;
  sk.busyUntil = 0;
  sk.busyTimer?.cancel();
}

function transport(frame: number): number {
  const ip = frameStart[frame]!;
  return ip + (u8[ip]! & 15) * 4;
}

/** tcp_add_to_backlog. @returns 0 when the frame was taken, else why not */
export function tcpAddBacklog(sk: TcpSock, segment: TcpSegment): DropReason {
  const held = sk.backlogFrames;
  const last = held.length - 1;
  if (last >= 0 && joins(held[last]!, segment)) {
    freeFrame(held[last]!);
    held[last] = segment.frame;
    return 0;
  }
  if (sk.backlogBytes + segment.truesize > sk.rcvbuf + sk.sndbuf + SLACK) return DropReason.SOCKET_RCVBUFF;
  sk.backlogBytes += segment.truesize;
  sk.backlogDevice = segment.idev;
  held.push(segment.frame);
  return 0;
}

/** True when the segment says all that the one before it said, and is no older: bare ACKs with the same options. */
function joins(frame: number, segment: TcpSegment): boolean {
  const at = transport(frame);
  const header = (u8[at + TCP_OFFSET]! >>> 4) * 4;
  if (segment.len > 0 || frameEnd[frame]! - at !== header) return false;
  if (segment.flags !== FLAG.ACK || u8[at + TCP_FLAGS] !== FLAG.ACK) return false;
  if (segment.dataAt - segment.at !== header) return false;
  for (let i = TCP_HEADER; i < header; i++) if (u8[at + i] !== u8[segment.at + i]) return false;
  // A repeated ACK is a duplicate and counts as such.
  const ack = view.getUint32(at + TCP_ACK);
  if (before(segment.ackSeq, ack)) return false;
  return segment.ackSeq !== ack || segment.window !== view.getUint16(at + TCP_WINDOW);
}
