// A connection request in SYN-RECV (struct tcp_request_sock, include/net/request_sock.h): what a listener remembers between
// a SYN and the ACK that completes the handshake. Much smaller than a connection, which is why a SYN costs little.

import type { Ipv4 } from '../addr/ipv4.ts';
import type { KernelTimer } from '../sim/jiffies.ts';
import type { TcpSock } from './tcp-sock.ts';

export interface TcpRequest {
  readonly listener: TcpSock;
  readonly localAddress: Ipv4;
  readonly localPort: number;
  readonly remoteAddress: Ipv4;
  readonly remotePort: number;
  readonly rcvIsn: number;
  readonly sntIsn: number;
  /** behind the SYN (and its data, which is not kept) */
  rcvNxt: number;
  /** MSS that the peer announced */
  mss: number;
  tsRecent: number;
  tstampOk: boolean;
  sackOk: boolean;
  wscaleOk: boolean;
  sndWscale: number;
  rcvWscale: number;
  ecnOk: boolean;
  /** window of the SYN-ACK */
  rsynWnd: number;
  txhash: number;
  tsoff: number;
  /** the ACK came while the accept queue was full, or data is awaited */
  acked: boolean;
  numRetrans: number;
  numTimeout: number;
  /** jiffies */
  timeout: number;
  /** microseconds, when the first SYN-ACK left; 0: it was repeated */
  sntSynackUs: number;
  /** TOS of the SYN */
  tos: number;
  timer: KernelTimer | null;
  lastOowAckTime: number;
}
