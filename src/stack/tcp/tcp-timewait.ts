// TIME-WAIT (net/ipv4/tcp_minisocks.c tcp_time_wait, tcp_timewait_state_process; RFC 9293 section 3.6.1): what is left of a
// connection for 60 s, so that late segments find an answer and not a new connection. The same little record stands for
// FIN-WAIT-2 of a connection that nobody holds. Limit: net.ipv4.tcp_max_tw_buckets.

import type { Ipv4 } from '../../addr/ipv4.ts';
import { HZ, JIFFY, KernelTimer } from '../../sim/jiffies.ts';
import { NS_PER_S, type Ns } from '../../sim/sim.ts';
import type { InDevice } from '../in-device.ts';
import type { NetNamespace } from '../netns.ts';
import { tcpDone } from './tcp-close.ts';
import { oowRateLimited, pawsReject } from './tcp-paws.ts';
import { tcpReplyAck } from './tcp-reply.ts';
import { type TcpSegment, tcpParseOptions } from './tcp-segment.ts';
import { after, before } from './tcp-seq.ts';
import { TcpRxOptions, type TcpSock, TcpState, tcpReceiveWindow } from './tcp-sock.ts';

/** TCP_TIMEWAIT_LEN: 60 s, jiffies. */
export const TIMEWAIT_LEN = 60 * HZ;

export class TcpTimewait {
  readonly netns: NetNamespace;
  readonly state = TcpState.TIME_WAIT;
  substate: TcpState;
  readonly localAddress: Ipv4;
  readonly localPort: number;
  readonly remoteAddress: Ipv4;
  readonly remotePort: number;
  readonly device: InDevice | null;
  readonly tos: number;
  readonly txhash: number;
  readonly reuseAddress: boolean;
  readonly reusePort: boolean;
  rcvNxt: number;
  readonly sndNxt: number;
  readonly rcvWnd: number;
  readonly rcvWscale: number;
  tsRecent: number;
  /** seconds; 0: the connection had no timestamps */
  tsRecentStamp: number;
  readonly tsoffset: number;
  lastOowAckTime = 0;
  /** when TIME-WAIT began (tw_entry_stamp), ns */
  since: Ns;
  readonly mark: number;
  readonly timer: KernelTimer;

  constructor(sk: TcpSock, substate: TcpState) {
    this.netns = sk.netns;
    this.substate = substate;
    this.localAddress = sk.localAddress;
    this.localPort = sk.localPort;
    this.remoteAddress = sk.remoteAddress;
    this.remotePort = sk.remotePort;
    this.device = sk.device;
    this.tos = sk.tos;
    this.txhash = sk.txhash;
    this.reuseAddress = sk.reuseAddress;
    this.reusePort = sk.reusePort;
    this.rcvNxt = sk.rcvNxt;
    this.sndNxt = sk.sndNxt;
    this.rcvWnd = tcpReceiveWindow(sk);
    this.rcvWscale = sk.rxOpt.rcvWscale;
    this.tsRecent = sk.rxOpt.tsRecent;
    this.tsRecentStamp = sk.rxOpt.tsRecentStamp;
    this.tsoffset = sk.tsoffset;
    this.mark = sk.mark;
    this.since = sk.now;
    this.timer = new KernelTimer(sk.netns.world.sim, () => this.kill());
  }

  /** tcp_v4_timewait_ack */
  sendAck(segment: TcpSegment): void {
    tcpReplyAck(this.netns, segment, {
      seq: this.sndNxt,
      ack: this.rcvNxt,
      window: Math.floor(this.rcvWnd / 2 ** this.rcvWscale),
      tsval: this.tsRecentStamp !== 0 ? this.netns.tcp.timestampNow(this.tsoffset) : null,
      tsecr: this.tsRecent,
      tos: this.tos,
      txhash: this.txhash,
      mark: this.mark,
    });
  }

  /** inet_twsk_kill */
  kill(): void {
    this.timer.cancel();
    this.netns.tcp.unhashTimewait(this);
  }
}

/**
 * tcp_time_wait: the connection shrinks to its remains and is done.
 * @param timeout jiffies, for FIN-WAIT-2
 */
export function tcpTimeWait(sk: TcpSock, substate: TcpState, timeout: number): void {
  const { tcp, sysctl } = sk.netns;
  const room = tcp.timewaitCount < sysctl.ipv4.tcp_max_tw_buckets;
  const tw = room ? new TcpTimewait(sk, substate) : null;
  const wait = substate === TcpState.TIME_WAIT ? TIMEWAIT_LEN : Math.max(timeout, sk.rto * 4 - (sk.rto >> 1));
  // The record takes the connection's place in the table.
  tcp.unhash(sk);
  if (tw !== null) {
    tcp.hashTimewait(tw);
    tw.timer.arm(wait * JIFFY);
  }
  tcpDone(sk);
}

const tmp = new TcpRxOptions();

/** What tcp_v4_rcv does with a segment that meets a TIME-WAIT record. */
export const TimewaitVerdict = { DROP: 0, RST: 1, ACK: 2, SYN: 3 } as const;
export type TimewaitVerdict = (typeof TimewaitVerdict)[keyof typeof TimewaitVerdict];

/** tcp_timewait_state_process. ACKs are sent here. */
export function tcpTimewaitStateProcess(tw: TcpTimewait, segment: TcpSegment): TimewaitVerdict {
  let paws = false;
  tmp.sawTstamp = false;
  if (tw.tsRecentStamp !== 0) {
    tcpParseOptions(segment, tmp, false);
    if (tmp.sawTstamp) {
      tmp.tsRecent = tw.tsRecent;
      tmp.tsRecentStamp = tw.tsRecentStamp;
      paws = pawsReject(tmp, segment.rst, tw.netns.world.sim.now);
    }
  }
  const end = (tw.rcvNxt + tw.rcvWnd) >>> 0;
  if (tw.substate === TcpState.FIN_WAIT2) {
    if (paws || !tcpInWindow(segment.seq, segment.endSeq, tw.rcvNxt, end)) return ackLimited(tw, segment);
    if (segment.rst) {
      tw.kill();
      return TimewaitVerdict.DROP;
    }
    if (segment.syn && !before(segment.seq, tw.rcvNxt)) return reset(tw);
    if (!segment.ack || !after(segment.endSeq, tw.rcvNxt) || segment.endSeq === segment.seq)
      return TimewaitVerdict.DROP;
    // Data that nobody will read (RFC 9293 section 3.10.7.4 as Linux has it).
    if (!segment.fin || segment.endSeq !== (tw.rcvNxt + 1) >>> 0) return reset(tw);
    tw.substate = TcpState.TIME_WAIT;
    tw.since = tw.netns.world.sim.now;
    tw.rcvNxt = segment.endSeq;
    noteTimestamp(tw);
    tw.timer.arm(TIMEWAIT_LEN * JIFFY);
    tw.sendAck(segment);
    return TimewaitVerdict.ACK;
  }
  if (!paws && segment.seq === tw.rcvNxt && (segment.seq === segment.endSeq || segment.rst)) {
    // TIME-WAIT assassination (RFC 1337) is let through unless the sysctl says otherwise.
    if (segment.rst) {
      if (tw.netns.sysctl.ipv4.tcp_rfc1337 === 0) {
        tw.kill();
        return TimewaitVerdict.DROP;
      }
    } else tw.timer.arm(TIMEWAIT_LEN * JIFFY);
    noteTimestamp(tw);
    return TimewaitVerdict.DROP;
  }
  const newer = after(segment.seq, tw.rcvNxt) || (tmp.sawTstamp && ((tw.tsRecent - tmp.rcvTsval) | 0) < 0);
  if (segment.syn && !segment.rst && !segment.ack && !paws && newer) return TimewaitVerdict.SYN;
  if (segment.rst) return TimewaitVerdict.DROP;
  if (paws || segment.ack) tw.timer.arm(TIMEWAIT_LEN * JIFFY);
  return ackLimited(tw, segment);
}

/** tcp_in_window */
function tcpInWindow(seq: number, endSeq: number, start: number, end: number): boolean {
  if (seq === start) return true;
  if (after(endSeq, start) && before(seq, end)) return true;
  return seq === end && seq === endSeq;
}

function noteTimestamp(tw: TcpTimewait): void {
  if (!tmp.sawTstamp) return;
  tw.tsRecentStamp = Math.floor(tw.netns.world.sim.now / NS_PER_S) + 1;
  tw.tsRecent = tmp.rcvTsval;
}

function reset(tw: TcpTimewait): TimewaitVerdict {
  tw.kill();
  return TimewaitVerdict.RST;
}

/** tcp_timewait_check_oow_rate_limit */
function ackLimited(tw: TcpTimewait, segment: TcpSegment): TimewaitVerdict {
  if (oowRateLimited(tw, segment)) return TimewaitVerdict.DROP;
  tw.sendAck(segment);
  return TimewaitVerdict.ACK;
}
