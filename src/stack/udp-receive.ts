// UDP that came in (net/ipv4/udp.c __udp4_lib_rcv): checked, given to its socket; nobody listening is answered with
// ICMP port unreachable (RFC 1122 section 4.1.3.1).

import { DropReason } from '../base/drop-reason.ts';
import * as frames from '../link/frame.ts';
import { cloneFrame, type Frame, freeFrame, sumArena } from '../link/frame.ts';
import { fold, pseudoSum } from '../wire/checksum.ts';
import { IcmpType, IcmpUnreach } from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udpHeader from '../wire/udp.ts';
import { checkUdp } from '../wire/udp.ts';
import { icmpSend } from './icmp-send.ts';
import type { InDevice } from './in-device.ts';
import { Snmp } from './snmp.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, frameStart, NO_FRAME, view } = frames;
const { IPV4_DESTINATION, IPV4_SOURCE, IpProtocol } = ipv4;
const { UDP_CHECKSUM, UDP_DESTINATION, UDP_HEADER, UDP_LENGTH, UDP_SOURCE } = udpHeader;

/** The packet in `frame` (frameStart at its IPv4 header) carries UDP from `at`. Takes ownership. */
export function udpReceive(idev: InDevice, frame: Frame, at: number): void {
  const { netns, dev } = idev;
  const end = frameEnd[frame]!;
  if (!checkUdp(view, at, end)) {
    netns.snmp[Snmp.UdpInErrors]!++;
    dev.end(frame, DropReason.UDP_INHDR);
    return;
  }
  const length = view.getUint16(at + UDP_LENGTH);
  const ip = frameStart[frame]!;
  const source = view.getInt32(ip + IPV4_SOURCE);
  const destination = view.getInt32(ip + IPV4_DESTINATION);
  if (
    view.getUint16(at + UDP_CHECKSUM) !== 0 &&
    fold(pseudoSum(source, destination, IpProtocol.UDP, length) + sumArena(at, at + length)) !== 0xffff
  ) {
    netns.snmp[Snmp.UdpInCsumErrors]!++;
    dev.end(frame, DropReason.UDP_CSUM);
    return;
  }
  const sourcePort = view.getUint16(at + UDP_SOURCE);
  const port = view.getUint16(at + UDP_DESTINATION);
  if (netns.inputRouter.group) {
    deliverGroup(idev, frame, at, length, source, sourcePort, port);
    return;
  }
  const socket = netns.sockets.findUdp(destination, port, source, sourcePort, idev);
  if (socket === null) {
    netns.snmp[Snmp.UdpNoPorts]!++;
    if (netns.inputRouter.forHost) icmpSend(netns, frame, IcmpType.DEST_UNREACH, IcmpUnreach.PORT, 0, idev);
    dev.end(frame, DropReason.NO_SOCKET);
    return;
  }
  if (socket.encapsulation !== null) {
    frameEnd[frame] = at + length;
    socket.encapsulation(idev, frame, at);
    return;
  }
  const reason = socket.deliver(at + UDP_HEADER, length - UDP_HEADER, source, sourcePort, destination);
  if (reason !== 0) dev.end(frame, reason);
  else freeFrame(frame);
}

/** __udp4_lib_mcast_deliver: to every socket on the port that fits; silence when there is none. */
function deliverGroup(
  idev: InDevice,
  frame: Frame,
  at: number,
  length: number,
  source: number,
  sourcePort: number,
  port: number,
): void {
  const destination = view.getInt32(frameStart[frame]! + IPV4_DESTINATION);
  let taken = false;
  for (const socket of [...idev.netns.sockets.udpOnPort(port)]) {
    if (socket.device !== null && socket.device !== idev) continue;
    if (socket.localAddress !== 0 && socket.localAddress !== destination) continue;
    if (socket.remotePort !== 0 && (socket.remotePort !== sourcePort || socket.remoteAddress !== source)) continue;
    taken = true;
    if (socket.encapsulation === null) {
      socket.deliver(at + UDP_HEADER, length - UDP_HEADER, source, sourcePort, destination);
      continue;
    }
    const copy = cloneFrame(frame);
    if (copy === NO_FRAME) continue;
    const udp = frameStart[copy]! + (at - frameStart[frame]!);
    frameEnd[copy] = udp + length;
    socket.encapsulation(idev, copy, udp);
  }
  if (taken) freeFrame(frame);
  else idev.dev.end(frame, DropReason.NO_SOCKET);
}
