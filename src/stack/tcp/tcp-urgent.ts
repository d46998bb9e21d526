// Urgent data (net/ipv4/tcp_input.c tcp_urg, tcp_check_urg; RFC 6093): the pointer marks one byte behind which the stream
// goes on. It stays in the stream (as with SO_OOBINLINE); only the mark is kept.

import { TcpFlag } from '../../wire/tcp.ts';
import type { TcpSegment } from './tcp-segment.ts';
import { after } from './tcp-seq.ts';
import type { TcpSock } from './tcp-sock.ts';

export function tcpUrg(sk: TcpSock, segment: TcpSegment): void {
  if ((segment.flags & TcpFlag.URG) === 0 || segment.urgent === 0) return;
  // BSD's reading, Linux's default: the pointer points behind the urgent byte (tcp_stdurg = 0).
  const back = sk.netns.sysctl.ipv4.tcp_stdurg === 0 ? 1 : 0;
  const at = (segment.seq + segment.urgent - back) >>> 0;
  if (after(sk.copiedSeq, at) || after(sk.rcvNxt, at)) return;
  if (sk.urgData && !after(at, sk.urgSeq)) return;
  sk.urgData = true;
  sk.urgSeq = at;
}
