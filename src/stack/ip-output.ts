// IPv4 output (net/ipv4/ip_output.c): a packet that has its route leaves through its neighbour, in fragments when it is
// too long. Frames come with frameStart at the IPv4 header; ownership passes.

import { formatIpv4 } from '../addr/ipv4.ts';
import { DropReason } from '../base/drop-reason.ts';
import * as frames from '../link/frame.ts';
import { type Frame, freeFrame } from '../link/frame.ts';
import { HOOK_STOLEN, Hook } from '../netfilter/hook.ts';
import { IcmpType, IcmpUnreach } from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { icmpSend } from './icmp-send.ts';
import { ipFragment } from './ip-fragment.ts';
import { ipLoopBack } from './ip-input.ts';
import type { NetNamespace } from './netns.ts';
import { type Dst, DstKind } from './route-cache.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, frameFragmentSize, frameStart, view } = frames;
const { IPV4_DESTINATION, IPV4_DF, IPV4_FRAGMENT } = ipv4;
const KIND = DstKind;

/** Longest IPv4 packet. */
export const IP_MAX = 65_535;

/** Ends a packet in this namespace with its reason. */
export function endPacket(netns: NetNamespace, frame: Frame, reason: DropReason, dst: Dst | null): void {
  netns.world.observer.drop(frame, reason, netns.label, dst?.out?.dev ?? null);
  freeFrame(frame);
}

/**
 * __ip_local_out: a packet made here, header complete. `confirm`: the sender vouches for the next hop (MSG_CONFIRM).
 * Returns 0, or why netfilter dropped the packet (its sender gets EPERM).
 * @param multicastLoop IP_MULTICAST_LOOP: this host gets what it sends to a group that it joined; tunnels have it off
 */
export function ipLocalOut(
  netns: NetNamespace,
  frame: Frame,
  dst: Dst,
  confirm: boolean,
  multicastLoop = true,
): DropReason {
  return ipSocketOut(netns, frame, dst, dst.mtu(netns), confirm, multicastLoop);
}

/** As ipLocalOut, for a socket that goes by an MTU of its own (ip_skb_dst_mtu: the device's with IP_PMTUDISC_PROBE). */
export function ipSocketOut(
  netns: NetNamespace,
  frame: Frame,
  dst: Dst,
  mtu: number,
  confirm: boolean,
  multicastLoop = true,
): DropReason {
  if (netns.hooks !== null) return filteredOut(netns, frame, dst, mtu, confirm, multicastLoop);
  return localOut(netns, frame, dst, mtu, confirm, multicastLoop);
}

/** LOCAL_OUT; a packet whose destination changed there is routed anew (ip_route_me_harder), its source stays. */
function filteredOut(
  netns: NetNamespace,
  frame: Frame,
  dst: Dst,
  mtu: number,
  confirm: boolean,
  multicastLoop: boolean,
): DropReason {
  const before = view.getInt32(frameStart[frame]! + IPV4_DESTINATION);
  const verdict = netns.hooks!.run(Hook.LOCAL_OUT, frame, 0, dst.out!.dev.index);
  if (verdict === HOOK_STOLEN) return 0;
  if (verdict !== 0) {
    endPacket(netns, frame, verdict, dst);
    return verdict;
  }
  const destination = view.getInt32(frameStart[frame]! + IPV4_DESTINATION);
  if (destination === before) return localOut(netns, frame, dst, mtu, confirm, multicastLoop);
  const way = netns.routes.lookup(destination);
  if (way.kind > KIND.MULTICAST) {
    endPacket(netns, frame, DropReason.IP_OUTNOROUTES, dst);
    return DropReason.IP_OUTNOROUTES;
  }
  return localOut(netns, frame, way, way.mtu(netns), confirm, multicastLoop);
}

function localOut(
  netns: NetNamespace,
  frame: Frame,
  dst: Dst,
  mtu: number,
  confirm: boolean,
  multicastLoop: boolean,
): DropReason {
  if (dst.kind === KIND.BROADCAST) ipLoopBack(dst.out!, frame);
  else if (dst.kind === KIND.MULTICAST && multicastLoop && netns.igmp.isMember(dst.out!, dst.destination)) {
    ipLoopBack(dst.out!, frame);
  }
  return ipOutput(netns, frame, dst, mtu, 0, confirm);
}

/** ip_output: POST_ROUTING, then fragments or the packet itself to the neighbour. 0, or why POST_ROUTING dropped it. */
export function ipOutput(
  netns: NetNamespace,
  frame: Frame,
  dst: Dst,
  mtu: number,
  inDevice: number,
  confirm: boolean,
): DropReason {
  if (netns.hooks !== null) {
    const verdict = netns.hooks.run(Hook.POST_ROUTING, frame, inDevice, dst.out!.dev.index);
    if (verdict === HOOK_STOLEN) return 0;
    if (verdict !== 0) {
      endPacket(netns, frame, verdict, dst);
      return verdict;
    }
  }
  // What came in fragments leaves in fragments, of the size that it had.
  if (frameEnd[frame]! - frameStart[frame]! > mtu || frameFragmentSize[frame] !== 0) {
    fragment(netns, frame, dst, mtu, confirm);
    return 0;
  }
  const neighbour = dst.neigh(netns);
  if (neighbour === null) endPacket(netns, frame, DropReason.NEIGH_TABLE_FULL, dst);
  else neighbour.output(frame, confirm);
  return 0;
}

/**
 * ip_fragment: in pieces to the neighbour. What came as fragments leaves in pieces no longer than it came. A packet with
 * DF ends here with an ICMP error, unless it was put together from fragments that had DF and fit.
 */
function fragment(netns: NetNamespace, frame: Frame, dst: Dst, linkMtu: number, confirm: boolean): void {
  const at = frameStart[frame]!;
  const word = view.getUint16(at + IPV4_FRAGMENT);
  const before = frameFragmentSize[frame]!;
  if ((word & IPV4_DF) !== 0 && (before === 0 || before > linkMtu)) {
    icmpSend(netns, frame, IcmpType.DEST_UNREACH, IcmpUnreach.FRAG_NEEDED, linkMtu);
    endPacket(netns, frame, DropReason.IP_FRAG_NEEDED, dst);
    return;
  }
  const mtu = before !== 0 && before < linkMtu ? before : linkMtu;
  const neighbour = dst.neigh(netns);
  if (neighbour === null) {
    endPacket(netns, frame, DropReason.NEIGH_TABLE_FULL, dst);
    return;
  }
  const out = dst.out!.dev.name;
  const why = netns.world.observer.wantsNotes
    ? `too long for the MTU ${linkMtu} of ${out} to ${formatIpv4(dst.nexthop)}`
    : '';
  const whole = ipFragment(netns, frame, mtu, why, (piece) => neighbour.output(piece, confirm));
  if (whole) freeFrame(frame);
  else endPacket(netns, frame, DropReason.NO_BUFFER, dst);
}
