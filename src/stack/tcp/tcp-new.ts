// A new connection structure (net/ipv4/tcp.c tcp_init_sock).

import type { NetNamespace } from '../netns.ts';
import { PathMtuDiscovery } from '../path-mtu-discovery.ts';
import { TCP_DELACK_MAX } from './tcp-ack-schedule.ts';
import { INFINITE_SSTHRESH } from './tcp-cong.ts';
import { tcpAssignCongestionControl } from './tcp-cong-choice.ts';
import { TCP_INIT_CWND } from './tcp-cwnd-validate.ts';
import { TCP_MSS_DEFAULT } from './tcp-mss.ts';
import { DEFAULT_SCALING_RATIO } from './tcp-receive-window.ts';
import { TcpSock } from './tcp-sock.ts';
import { tcpTimerHandlers } from './tcp-timer.ts';
import { jiffiesToUsecs, TCP_TIMEOUT_INIT, tcpRtoMin } from './tcp-xmit-timer.ts';

export function newTcpSock(netns: NetNamespace): TcpSock {
  const sk = new TcpSock(netns, tcpTimerHandlers);
  const { ipv4, vectors } = netns.sysctl;
  sk.rto = TCP_TIMEOUT_INIT;
  sk.rtoMin = tcpRtoMin(sk);
  sk.delackMax = TCP_DELACK_MAX;
  sk.mdevUs = jiffiesToUsecs(TCP_TIMEOUT_INIT);
  sk.rttMin.reset(sk.jiffies(), 0xffffffff);
  sk.sndCwnd = TCP_INIT_CWND;
  sk.appLimited = 0xffffffff;
  sk.rateAppLimited = true;
  sk.sndSsthresh = INFINITE_SSTHRESH;
  sk.mssCache = TCP_MSS_DEFAULT;
  sk.rxOpt.mssClamp = TCP_MSS_DEFAULT;
  sk.reordering = ipv4.tcp_reordering;
  sk.scalingRatio = DEFAULT_SCALING_RATIO;
  sk.sndbuf = vectors.tcp_wmem[1]!;
  sk.rcvbuf = vectors.tcp_rmem[1]!;
  sk.notsentLowat = 0;
  if (ipv4.ip_no_pmtu_disc !== 0) sk.pathMtuDiscovery = PathMtuDiscovery.DONT;
  tcpAssignCongestionControl(sk);
  return sk;
}
