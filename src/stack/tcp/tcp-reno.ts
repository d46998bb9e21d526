// Reno (RFC 5681 section 3.1; tcp_reno_cong_avoid and its neighbours in net/ipv4/tcp_cong.c): half the window after a loss,
// one segment more per round trip.

import { type CongestionControl, tcpCongAvoidAi, tcpInSlowStart, tcpIsCwndLimited, tcpSlowStart } from './tcp-cong.ts';

export const reno: CongestionControl = {
  name: 'reno',

  ssthresh: (sk) => Math.max(sk.sndCwnd >> 1, 2),

  congAvoid(sk, acked) {
    if (!tcpIsCwndLimited(sk)) return;
    let left = acked;
    if (tcpInSlowStart(sk)) {
      left = tcpSlowStart(sk, left);
      if (left === 0) return;
    }
    tcpCongAvoidAi(sk, sk.sndCwnd, left);
  },

  undoCwnd: (sk) => Math.max(sk.sndCwnd, sk.priorCwnd),
};
