// The SYN-ACK of a request (net/ipv4/tcp_output.c tcp_make_synack, tcp_ipv4.c tcp_v4_send_synack): sent without a
// connection; with DF and no IP identification.

import * as frames from '../../link/frame.ts';
import { allocFrame, sumArena } from '../../link/frame.ts';
import { finish, pseudoSum } from '../../wire/checksum.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import { writeIpv4Header } from '../../wire/ipv4.ts';
import * as tcp from '../../wire/tcp.ts';
import { writeTcp } from '../../wire/tcp.ts';
import { ipLocalOut } from '../ip-output.ts';
import { DstKind } from '../route-cache.ts';
import { TcpOutOptions, tcpOptionsWrite, tcpSynackOptions } from './tcp-out-options.ts';
import type { TcpRequest } from './tcp-request.ts';
import { ipDontFragment } from './tcp-transmit.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameHash, frameMark, frameStart, NO_FRAME, view } = frames;
const { IPV4_DF, IPV4_HEADER, IpProtocol } = ipv4;
const { TCP_CHECKSUM, TCP_HEADER } = tcp;
const FLAG = tcp.TcpFlag;
/** INET_DSCP_MASK: without the ECN bits */
const DSCP_MASK = 0xfc;

const options = new TcpOutOptions();

/**
 * @param tsval timestamp, ms with the offset
 * @param advmss MSS to announce
 */
export function sendSynack(req: TcpRequest, tsval: number, advmss: number): void {
  const { netns, listener } = req;
  const dst =
    listener.device !== null
      ? netns.routes.through(req.remoteAddress, listener.device)
      : netns.routes.lookup(req.remoteAddress);
  if (dst.kind !== DstKind.UNICAST && dst.kind !== DstKind.LOCAL) return;
  if (req.sntTsvalFirst === 0) req.sntTsvalFirst = tsval;
  req.sntTsvalLast = tsval;
  tcpSynackOptions(
    options,
    { mss: advmss, tstampOk: req.tstampOk, wscaleOk: req.wscaleOk, sackOk: req.sackOk, rcvWscale: req.rcvWscale },
    tsval,
    req.tsRecent,
  );
  const header = TCP_HEADER + options.size;
  const length = IPV4_HEADER + header;
  const frame = allocFrame(length);
  if (frame === NO_FRAME) return;
  const ip = frameStart[frame]!;
  const at = ip + IPV4_HEADER;
  const flags = FLAG.SYN | FLAG.ACK | (req.ecnOk ? FLAG.ECE : 0);
  const window = Math.min(req.rcvWnd, 0xffff);
  writeTcp(view, at, req.localPort, req.remotePort, req.sntIsn, req.rcvNxt, header, flags, window);
  tcpOptionsWrite(at + TCP_HEADER, options, null);
  const sum = pseudoSum(req.localAddress, req.remoteAddress, IpProtocol.TCP, header) + sumArena(at, at + header);
  view.setUint16(at + TCP_CHECKSUM, finish(sum));
  const ttl = listener.ttl !== 0 ? listener.ttl : netns.sysctl.ipv4.ip_default_ttl;
  const reflected = netns.sysctl.ipv4.tcp_reflect_tos !== 0;
  const tos = (reflected ? req.synTos : listener.tos) & DSCP_MASK;
  const df = ipDontFragment(listener, dst);
  const id = df ? 0 : netns.ipId.next(req.localAddress, req.remoteAddress, IpProtocol.TCP);
  writeIpv4Header(
    view,
    ip,
    tos,
    length,
    id,
    df ? IPV4_DF : 0,
    ttl,
    IpProtocol.TCP,
    req.localAddress,
    req.remoteAddress,
  );
  frameHash[frame] = req.txhash;
  frameMark[frame] = listener.mark;
  ipLocalOut(netns, frame, dst, false);
}
