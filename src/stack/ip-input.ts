// IPv4 input (net/ipv4/ip_input.c): checked once, routed, delivered here or forwarded.

import { formatIpv4 } from '../addr/ipv4.ts';
import { DropReason } from '../base/drop-reason.ts';
import * as frames from '../link/frame.ts';
import { cloneFrame, type Frame, resetCt, sumArena } from '../link/frame.ts';
import { HOOK_STOLEN, Hook } from '../netfilter/hook.ts';
import { IcmpType, IcmpUnreach } from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { checkIpv4 } from '../wire/ipv4.ts';
import { UDP_DESTINATION } from '../wire/udp.ts';
import { icmpReceive } from './icmp-receive.ts';
import { icmpSend } from './icmp-send.ts';
import { type InDevice, PacketType } from './in-device.ts';
import { ipForward } from './ip-forward.ts';
import { optionsInput } from './ip-options.ts';
import { DefragUser } from './ip-reassembly.ts';
import { DstKind } from './route-cache.ts';
import { InputVerdict } from './route-input.ts';
import { udpReceive } from './udp-receive.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const VERDICT = InputVerdict;
const { frameCtInfo, frameEnd, frameStart, NO_FRAME, u16, view } = frames;
const {
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_HEADER,
  IPV4_LENGTH,
  IPV4_MF,
  IPV4_OFFSET,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IpProtocol,
} = ipv4;

/** True when the 20-byte header at `at` (even) sums to all ones: its checksum is right. */
function headerSumOk(at: number): boolean {
  const h = at >> 1;
  const sum =
    u16[h]! +
    u16[h + 1]! +
    u16[h + 2]! +
    u16[h + 3]! +
    u16[h + 4]! +
    u16[h + 5]! +
    u16[h + 6]! +
    u16[h + 7]! +
    u16[h + 8]! +
    u16[h + 9]!;
  // At most 9 carries: one addition of them reaches 0xffff, or the sum is another one.
  return (sum & 0xffff) + (sum >>> 16) === 0xffff;
}

/** ip_rcv: an IPv4 packet from `at` in a frame that came in by `idev`. Takes ownership. */
export function ipInput(idev: InDevice, frame: Frame, at: number, type: PacketType): void {
  const { netns, dev } = idev;
  if (type === PacketType.OTHERHOST) {
    dev.end(frame, DropReason.OTHERHOST);
    return;
  }
  const end = frameEnd[frame]!;
  if (!checkIpv4(view, at, end)) {
    dev.end(frame, end - at < IPV4_HEADER ? DropReason.PKT_TOO_SMALL : DropReason.IP_INHDR);
    return;
  }
  const header = (view.getUint8(at) & 15) * 4;
  if (header === IPV4_HEADER ? !headerSumOk(at) : sumArena(at, at + header) !== 0xffff) {
    dev.end(frame, DropReason.IP_CSUM);
    return;
  }
  // Behind the total length there may be Ethernet padding: not part of the packet.
  frameEnd[frame] = at + view.getUint16(at + IPV4_LENGTH);
  frameStart[frame] = at;
  if (netns.hooks !== null) {
    const whole = preRouting(idev, frame);
    if (whole === NO_FRAME) return;
    if (netns.packetTime === 0) {
      ipInputFinish(idev, whole, frameStart[whole]!, header, type);
      return;
    }
    // Other CPUs handle other packets while this one is on its way to POST_ROUTING.
    netns.hold(whole, netns.packetTime, (held) => ipInputFinish(idev, held, frameStart[held]!, header, type));
    return;
  }
  ipInputFinish(idev, frame, at, header, type);
}

/** PRE_ROUTING, behind reassembly where conntrack is in use. The packet that goes on, or NO_FRAME. */
function preRouting(idev: InDevice, frame: Frame): Frame {
  const { netns, dev } = idev;
  const hooks = netns.hooks!;
  let whole = frame;
  if (
    hooks.defragments &&
    frameCtInfo[frame] === 0 &&
    (view.getUint16(frameStart[frame]! + IPV4_FRAGMENT) & (IPV4_MF | IPV4_OFFSET)) !== 0
  ) {
    whole = netns.reassembly.take(idev, frame, DefragUser.CONNTRACK_IN);
    if (whole === NO_FRAME) return NO_FRAME;
  }
  const verdict = hooks.run(Hook.PRE_ROUTING, whole, dev.index, 0);
  if (verdict === 0) return whole;
  if (verdict !== HOOK_STOLEN) dev.end(whole, verdict);
  return NO_FRAME;
}

/** ip_rcv_finish: routed, then forwarded or delivered. */
function ipInputFinish(idev: InDevice, frame: Frame, at: number, header: number, type: PacketType): void {
  const { netns, dev } = idev;
  netns.inputRouter.forHost = type === PacketType.HOST;
  if (header !== IPV4_HEADER) {
    const reason = optionsInput(idev, frame, header);
    if (reason !== 0) {
      dev.end(frame, reason);
      return;
    }
  }
  const destination = view.getInt32(at + IPV4_DESTINATION);
  const router = netns.inputRouter;
  const verdict = router.route(idev, destination, view.getInt32(at + IPV4_SOURCE));
  if (verdict === VERDICT.FORWARD) {
    if (type !== PacketType.HOST) dev.end(frame, DropReason.IP_INADDRERRORS);
    else ipForward(idev, frame, router.dst!, router.redirect);
  } else if (verdict === VERDICT.LOCAL) {
    // RFC 1122 section 3.3.6: a unicast packet in a group's frame is suspicious; refusing it is a choice.
    if (type !== PacketType.HOST && idev.dropsUnicastInL2Multicast) {
      dev.end(frame, DropReason.UNICAST_IN_L2_MULTICAST);
    } else ipLocalDeliver(idev, frame);
  } else if (verdict === VERDICT.BROADCAST || verdict === VERDICT.MULTICAST) {
    ipLocalDeliver(idev, frame);
  } else if (verdict === VERDICT.ERROR) {
    ipError(idev, frame, type, router.dst!.kind);
  } else {
    if (netns.world.observer.wantsNotes && verdict === -DropReason.IP_RPFILTER) {
      const back = netns.routes.lookup(view.getInt32(at + IPV4_SOURCE));
      const way = back.out === null ? 'there is no route back' : `the route back leaves by ${back.out.dev.name}`;
      netns.world.observer.note(
        frame,
        `${dev.label}: rp_filter=${idev.rpFilter}, ${formatIpv4(view.getInt32(at + IPV4_SOURCE))} came in here but ${way}`,
      );
    }
    dev.end(frame, -verdict);
  }
}

/**
 * ip_mc_output, dev_loopback_xmit: a copy of a broadcast, or of a datagram to a group that was joined, for the sender's own
 * host. It comes back through the queue and past the routing, as its route is known. A copy that nobody here could take is
 * not made.
 */
export function ipLoopBack(out: InDevice, frame: Frame): void {
  const { netns } = out;
  const at = frameStart[frame]!;
  const protocol = view.getUint8(at + IPV4_PROTOCOL);
  const payload = at + (view.getUint8(at) & 15) * 4;
  if (protocol === IpProtocol.UDP) {
    if (netns.sockets.udpOnPort(view.getUint16(payload + UDP_DESTINATION)).length === 0) return;
  } else if (protocol !== IpProtocol.ICMP || netns.sysctl.ipv4.icmp_echo_ignore_broadcasts !== 0) return;
  const copy = cloneFrame(frame);
  if (copy === NO_FRAME) return;
  netns.hold(copy, 0, (held) => {
    netns.inputRouter.group = true;
    netns.inputRouter.forHost = false;
    ipLocalDeliver(out, held);
  });
}

/** ip_local_deliver: reassembled, filtered, handed to the protocol. */
export function ipLocalDeliver(idev: InDevice, frame: Frame): void {
  const { netns, dev } = idev;
  let whole = frame;
  if ((view.getUint16(frameStart[frame]! + IPV4_FRAGMENT) & (IPV4_MF | IPV4_OFFSET)) !== 0) {
    whole = netns.reassembly.take(idev, frame, DefragUser.LOCAL_DELIVER);
    if (whole === NO_FRAME) return;
  }
  if (netns.hooks !== null) {
    const verdict = netns.hooks.run(Hook.LOCAL_IN, whole, dev.index, 0);
    if (verdict === HOOK_STOLEN) return;
    if (verdict !== 0) {
      dev.end(whole, verdict);
      return;
    }
    resetCt(whole);
  }
  const at = frameStart[whole]!;
  const payload = at + (view.getUint8(at) & 15) * 4;
  const protocol = view.getUint8(at + IPV4_PROTOCOL);
  if (protocol === IpProtocol.UDP) udpReceive(idev, whole, payload);
  else if (protocol === IpProtocol.ICMP) icmpReceive(idev, whole, payload);
  else {
    const handler = netns.sockets.protocol(protocol);
    if (handler !== null) {
      handler(idev, whole, payload);
      return;
    }
    if (netns.inputRouter.forHost) icmpSend(netns, whole, IcmpType.DEST_UNREACH, IcmpUnreach.PROTOCOL, 0, idev);
    dev.end(whole, DropReason.IP_NOPROTO);
  }
}

/** ip_error: no way to go on; a router says so, within limits, a host is silent. */
function ipError(idev: InDevice, frame: Frame, type: PacketType, kind: DstKind): void {
  const { netns, dev } = idev;
  if (idev.conf.forwarding === 0) {
    // A host has no business forwarding: EHOSTUNREACH is an address error, no route is no route.
    dev.end(
      frame,
      kind === DstKind.NO_ROUTE
        ? DropReason.IP_INNOROUTES
        : kind === DstKind.UNICAST
          ? DropReason.IP_FORWARDING_OFF
          : reasonOf(kind),
    );
    return;
  }
  const code =
    kind === DstKind.NO_ROUTE
      ? IcmpUnreach.NET
      : kind === DstKind.UNREACHABLE
        ? IcmpUnreach.HOST
        : kind === DstKind.PROHIBIT
          ? IcmpUnreach.FILTERED
          : -1;
  if (code >= 0 && type === PacketType.HOST) {
    if (netns.icmpLimit.allowRouteError(view.getInt32(frameStart[frame]! + IPV4_SOURCE))) {
      icmpSend(netns, frame, IcmpType.DEST_UNREACH, code, 0, idev);
    }
  }
  dev.end(frame, reasonOf(kind));
}

function reasonOf(kind: DstKind): DropReason {
  switch (kind) {
    case DstKind.UNREACHABLE:
      return DropReason.IP_UNREACHABLE_ROUTE;
    case DstKind.PROHIBIT:
      return DropReason.IP_PROHIBIT;
    case DstKind.BLACKHOLE:
      return DropReason.IP_BLACKHOLE;
    default:
      return DropReason.IP_INNOROUTES;
  }
}
