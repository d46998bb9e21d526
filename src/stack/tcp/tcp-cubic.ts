// CUBIC (RFC 9438; net/ipv4/tcp_cubic.c): the window follows a cubic function of the time since the last reduction,
//
//   W(t) = C (t - K)^3 + W_max        C = 0.4, K = cbrt((W_max - cwnd) / C), beta = 0.7
//
// and is never below what Reno would have reached (section 4.3). Slow start ends early by HyStart when ACKs of one round
// come in a train longer than half the delay, or when the delay grows. All arithmetic is the kernel's, in integers, so
// that the window is the same to the segment: time in 1/1024 s (BICTCP_HZ), C and K scaled by 2^10.

import { HZ } from '../../sim/jiffies.ts';
import { type CongestionControl, tcpCongAvoidAi, tcpInSlowStart, tcpIsCwndLimited, tcpSlowStart } from './tcp-cong.ts';
import { after } from './tcp-seq.ts';
import { TcpCaState, type TcpSock } from './tcp-sock.ts';

/** BICTCP_BETA_SCALE: beta and the like are in 1/1024. */
const BETA_SCALE = 1024;
/** beta: 717/1024 = 0.7 of the window stays (RFC 9438 section 4.6). */
const BETA = 717;
/** bic_scale: C is 41/1024 per segment and (1/10 s)^3, which is 0.4 per second^3. */
const BIC_SCALE = 41;
/** BICTCP_HZ: time is counted in 2^-10 s. */
const TIME_SHIFT = 10;
/** cube_rtt_scale */
const CUBE_RTT_SCALE = BIC_SCALE * 10;
/** cube_factor: 2^40 / cube_rtt_scale */
const CUBE_FACTOR = Math.floor(2 ** (10 + 3 * TIME_SHIFT) / CUBE_RTT_SCALE);
/** beta_scale: 8 (1 + beta) / (3 (1 - beta)), in integers: ACKs per segment of Reno's growth, times 8. */
const FRIENDLY_SCALE = Math.floor(Math.floor((8 * (BETA_SCALE + BETA)) / 3) / (BETA_SCALE - BETA));
/** The window is looked at anew after HZ/32 without change of it. */
const UPDATE_INTERVAL = HZ >> 5;

/** hystart_low_window, segments. */
const HYSTART_LOW_WINDOW = 16;
/** hystart_ack_delta_us: ACKs closer than this are one train. */
const HYSTART_ACK_DELTA = 2000;
/** HYSTART_MIN_SAMPLES: round trips per round before the delay counts. */
const HYSTART_MIN_SAMPLES = 8;
/** HYSTART_DELAY_MIN and _MAX, microseconds. */
const HYSTART_DELAY_MIN = 4000;
const HYSTART_DELAY_MAX = 16_000;
/** GSO_LEGACY_MAX_SIZE: what one super-segment may hold. */
const GSO_LEGACY_MAX_SIZE = 65_536;
const NO_RTT = 0xffffffff;

/**
 * First guess of a cube root: 64 * cbrt of the top bits, for the one round of Newton's method that follows (the figures
 * of tcp_cubic.c; the mean error of the result is 0.2 %).
 */
const ROOT_GUESS = new Uint8Array([
  0, 54, 54, 54, 118, 118, 118, 118, 123, 129, 134, 138, 143, 147, 151, 156, 157, 161, 164, 168, 170, 173, 176, 179,
  181, 185, 187, 190, 192, 194, 197, 199, 200, 202, 204, 206, 209, 211, 213, 215, 217, 219, 221, 222, 224, 225, 227,
  229, 231, 232, 234, 236, 237, 239, 240, 242, 244, 245, 246, 248, 250, 251, 252, 254,
]);

/** fls64: number of bits of a whole number below 2^53. */
function bits(a: number): number {
  const high = Math.floor(a / 0x1_0000_0000);
  return high !== 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(a >>> 0);
}

/** Integer cube root as the kernel takes it (cubic_root). @param a whole number below 2^53 */
export function cubicRoot(a: number): number {
  const length = bits(a);
  if (length < 7) return (ROOT_GUESS[a]! + 35) >> 6;
  const third = ((length * 84) >> 8) - 1;
  const guess = Math.floor(((ROOT_GUESS[Math.floor(a / 2 ** (third * 3))]! + 10) * 2 ** third) / 64);
  const better = 2 * guess + Math.floor(a / (guess * (guess - 1)));
  return Math.floor((better * 341) / 1024);
}

/** struct bictcp: what a connection under CUBIC remembers. Times are jiffies unless they say otherwise. */
class CubicState {
  /** ACKed segments per segment of growth */
  count = 0;
  lastMaxCwnd = 0;
  lastCwnd = 0;
  lastTime = 0;
  originPoint = 0;
  /** K in 2^-10 s */
  k = 0;
  /** least delay, microseconds; 0: none yet */
  delayMin = 0;
  /** 0: no epoch is running */
  epochStart = 0;
  ackCount = 0;
  /** the window that Reno would have */
  renoCwnd = 0;
  /** HyStart */
  samples = 0;
  found = false;
  /** microseconds */
  roundStart = 0;
  lastAck = 0;
  endSeq = 0;
  currentRtt = NO_RTT;

  /** bictcp_reset */
  reset(): void {
    this.count = 0;
    this.lastMaxCwnd = 0;
    this.lastCwnd = 0;
    this.lastTime = 0;
    this.originPoint = 0;
    this.k = 0;
    this.delayMin = 0;
    this.epochStart = 0;
    this.ackCount = 0;
    this.renoCwnd = 0;
    this.found = false;
  }
}

function stateOf(sk: TcpSock): CubicState {
  // A SYN can be lost before the connection begins: its state is that of a new one (icsk_ca_priv, zeroed).
  sk.caPrivate ??= new CubicState();
  return sk.caPrivate as CubicState;
}

/** bictcp_hystart_reset: a new round begins. */
function hystartReset(sk: TcpSock, ca: CubicState): void {
  ca.roundStart = ca.lastAck = sk.tcpMstamp;
  ca.endSeq = sk.sndNxt;
  ca.currentRtt = NO_RTT;
  ca.samples = 0;
}

/** bictcp_update: how many ACKed segments the next segment of window costs. */
function update(sk: TcpSock, ca: CubicState, cwnd: number, acked: number): void {
  const now = sk.jiffies();
  ca.ackCount += acked;
  if (ca.lastCwnd === cwnd && now - ca.lastTime <= UPDATE_INTERVAL) return;
  // At most once a jiffy; a reduction clears epochStart, and then it is computed at once.
  if (ca.epochStart === 0 || now !== ca.lastTime) aim(ca, now, cwnd, acked);
  keepUpWithReno(ca, cwnd);
  if (ca.count < 2) ca.count = 2;
}

/** RFC 9438 section 4.2: the target that the cubic function gives one round trip from now. */
function aim(ca: CubicState, now: number, cwnd: number, acked: number): void {
  ca.lastCwnd = cwnd;
  ca.lastTime = now;
  if (ca.epochStart === 0) {
    ca.epochStart = now;
    ca.ackCount = acked;
    ca.renoCwnd = cwnd;
    if (ca.lastMaxCwnd <= cwnd) {
      ca.k = 0;
      ca.originPoint = cwnd;
    } else {
      ca.k = cubicRoot(CUBE_FACTOR * (ca.lastMaxCwnd - cwnd));
      ca.originPoint = ca.lastMaxCwnd;
    }
  }
  const passed = now - ca.epochStart + Math.ceil((ca.delayMin * HZ) / 1e6);
  const t = Math.floor((passed * 2 ** TIME_SHIFT) / HZ);
  const offset = Math.abs(t - ca.k);
  const delta = Math.floor((CUBE_RTT_SCALE * offset * offset * offset) / 2 ** (10 + 3 * TIME_SHIFT));
  const target = t < ca.k ? ca.originPoint - delta : ca.originPoint + delta;
  ca.count = target > cwnd ? Math.floor(cwnd / (target - cwnd)) : 100 * cwnd;
  // The first epoch knows no maximum: at least 5 % of growth per round trip.
  if (ca.lastMaxCwnd === 0 && ca.count > 20) ca.count = 20;
}

/** RFC 9438 section 4.3: the Reno-friendly region. */
function keepUpWithReno(ca: CubicState, cwnd: number): void {
  const cost = (cwnd * FRIENDLY_SCALE) >> 3;
  if (ca.ackCount > cost) {
    const steps = Math.ceil(ca.ackCount / cost) - 1;
    ca.ackCount -= steps * cost;
    ca.renoCwnd += steps;
  }
  if (ca.renoCwnd <= cwnd) return;
  const most = Math.floor(cwnd / (ca.renoCwnd - cwnd));
  if (ca.count > most) ca.count = most;
}

/** hystart_ack_delay: what a burst of four super-segments adds to a train of ACKs, microseconds, at most 1 ms. */
function ackDelay(sk: TcpSock): number {
  if (sk.pacingRate === 0) return 0;
  return Math.min(1000, Math.floor((GSO_LEGACY_MAX_SIZE * 4 * 1e6) / sk.pacingRate));
}

/** hystart_update */
function hystart(sk: TcpSock, ca: CubicState, delay: number): void {
  if (after(sk.sndUna, ca.endSeq)) hystartReset(sk, ca);
  if (sk.sndCwnd < HYSTART_LOW_WINDOW) return;
  const now = sk.tcpMstamp;
  if (now - ca.lastAck <= HYSTART_ACK_DELTA) {
    ca.lastAck = now;
    // Nothing paces here (SK_PACING_NONE), so half of the delay is the threshold.
    const threshold = Math.floor((ca.delayMin + ackDelay(sk)) / 2);
    if (now - ca.roundStart > threshold) {
      ca.found = true;
      sk.sndSsthresh = sk.sndCwnd;
    }
  }
  if (ca.currentRtt > delay) ca.currentRtt = delay;
  if (ca.samples < HYSTART_MIN_SAMPLES) {
    ca.samples++;
    return;
  }
  const margin = Math.min(Math.max(ca.delayMin >> 3, HYSTART_DELAY_MIN), HYSTART_DELAY_MAX);
  if (ca.currentRtt > ca.delayMin + margin) {
    ca.found = true;
    sk.sndSsthresh = sk.sndCwnd;
  }
}

export const cubic: CongestionControl = {
  name: 'cubic',

  init(sk) {
    const ca = new CubicState();
    sk.caPrivate = ca;
    hystartReset(sk, ca);
  },

  /** RFC 9438 sections 4.6 and 4.7 (fast convergence): a flow that lost below its old maximum makes room for others. */
  ssthresh(sk) {
    const ca = stateOf(sk);
    const cwnd = sk.sndCwnd;
    ca.epochStart = 0;
    ca.lastMaxCwnd = cwnd < ca.lastMaxCwnd ? Math.floor((cwnd * (BETA_SCALE + BETA)) / (2 * BETA_SCALE)) : cwnd;
    return Math.max(Math.floor((cwnd * BETA) / BETA_SCALE), 2);
  },

  congAvoid(sk, acked) {
    if (!tcpIsCwndLimited(sk)) return;
    let left = acked;
    if (tcpInSlowStart(sk)) {
      left = tcpSlowStart(sk, left);
      if (left === 0) return;
    }
    const ca = stateOf(sk);
    update(sk, ca, sk.sndCwnd, left);
    tcpCongAvoidAi(sk, ca.count, left);
  },

  undoCwnd: (sk) => Math.max(sk.sndCwnd, sk.priorCwnd),

  setState(sk, state) {
    if (state !== TcpCaState.LOSS) return;
    const ca = stateOf(sk);
    ca.reset();
    hystartReset(sk, ca);
  },

  /** Sending starts again after a pause: the pause does not count as time of the epoch. */
  transmitStart(sk) {
    const ca = stateOf(sk);
    const now = sk.jiffies();
    const idle = now - sk.lsndtime;
    if (ca.epochStart !== 0 && idle > 0) ca.epochStart = Math.min(ca.epochStart + idle, now);
  },

  pktsAcked(sk, rttUs) {
    if (rttUs < 0) return;
    const ca = stateOf(sk);
    // The first second after a reduction says nothing of the path's delay.
    if (ca.epochStart !== 0 && sk.jiffies() - ca.epochStart < HZ) return;
    const delay = Math.max(rttUs, 1);
    if (ca.delayMin === 0 || ca.delayMin > delay) ca.delayMin = delay;
    if (!ca.found && tcpInSlowStart(sk)) hystart(sk, ca, delay);
  },
};
