// IPv4 output (net/ipv4/ip_output.c): a packet that has its route leaves through its neighbour, in fragments when it is
// too long. Frames come with frameStart at the IPv4 header; ownership passes.

import { formatIpv4 } from '../addr/ipv4.ts';
import { DropReason } from '../base/drop-reason.ts';
import * as frames from '../link/frame.ts';
import { allocFrame, type Frame, freeFrame, sumArena } from '../link/frame.ts';
import { HOOK_STOLEN, Hook } from '../netfilter/hook.ts';
import { IcmpType, IcmpUnreach } from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { icmpSend } from './icmp-send.ts';
import { ipLoopBack } from './ip-input.ts';
import type { NetNamespace } from './netns.ts';
import { type Dst, DstKind } from './route-cache.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, frameHash, frameMark, framePacketId, frameStart, NO_FRAME, u8, view } = frames;
const { IPV4_CHECKSUM, IPV4_DF, IPV4_FRAGMENT, IPV4_HEADER, IPV4_LENGTH, IPV4_MF, IPV4_OFFSET } = ipv4;
const KIND = DstKind;

/** Option flag: to be copied into every fragment (RFC 791 section 3.1). */
const IPV4_OPTION_COPIED = 0x80;

/** Longest IPv4 packet. */
export const IP_MAX = 65_535;

/** Ends a packet in this namespace with its reason. */
export function endPacket(netns: NetNamespace, frame: Frame, reason: DropReason, dst: Dst | null): void {
  netns.world.observer.drop(frame, reason, netns.label, dst?.out?.dev ?? null);
  freeFrame(frame);
}

/**
 * __ip_local_out: a packet made here, header complete. `confirm`: the sender vouches for the next hop (MSG_CONFIRM).
 * @param multicastLoop IP_MULTICAST_LOOP: this host gets what it sends to a group that it joined; tunnels have it off
 */
export function ipLocalOut(netns: NetNamespace, frame: Frame, dst: Dst, confirm: boolean, multicastLoop = true): void {
  ipSocketOut(netns, frame, dst, dst.mtu(netns), confirm, multicastLoop);
}

/** As ipLocalOut, for a socket that goes by an MTU of its own (ip_skb_dst_mtu: the device's with IP_PMTUDISC_PROBE). */
export function ipSocketOut(
  netns: NetNamespace,
  frame: Frame,
  dst: Dst,
  mtu: number,
  confirm: boolean,
  multicastLoop = true,
): void {
  if (netns.hooks !== null) {
    const verdict = netns.hooks.run(Hook.LOCAL_OUT, frame, 0, dst.out!.dev.index);
    if (verdict === HOOK_STOLEN) return;
    if (verdict !== 0) {
      endPacket(netns, frame, verdict, dst);
      return;
    }
  }
  if (dst.kind === KIND.BROADCAST) ipLoopBack(dst.out!, frame);
  else if (dst.kind === KIND.MULTICAST && multicastLoop && netns.igmp.isMember(dst.out!, dst.destination)) {
    ipLoopBack(dst.out!, frame);
  }
  ipOutput(netns, frame, dst, mtu, 0, confirm);
}

/** ip_output: POST_ROUTING, then fragments or the packet itself to the neighbour. */
export function ipOutput(
  netns: NetNamespace,
  frame: Frame,
  dst: Dst,
  mtu: number,
  inDevice: number,
  confirm: boolean,
): void {
  if (netns.hooks !== null) {
    const verdict = netns.hooks.run(Hook.POST_ROUTING, frame, inDevice, dst.out!.dev.index);
    if (verdict === HOOK_STOLEN) return;
    if (verdict !== 0) {
      endPacket(netns, frame, verdict, dst);
      return;
    }
  }
  if (frameEnd[frame]! - frameStart[frame]! > mtu) {
    fragment(netns, frame, dst, mtu, confirm);
    return;
  }
  const neighbour = dst.neigh(netns);
  if (neighbour === null) endPacket(netns, frame, DropReason.NEIGH_TABLE_FULL, dst);
  else neighbour.output(frame, confirm);
}

/**
 * ip_fragment: pieces of at most `mtu`, offsets in units of 8 bytes, options only where they are to be copied
 * (RFC 791 section 3.1). A packet with DF ends here with an ICMP error.
 */
function fragment(netns: NetNamespace, frame: Frame, dst: Dst, mtu: number, confirm: boolean): void {
  const at = frameStart[frame]!;
  const word = view.getUint16(at + IPV4_FRAGMENT);
  if ((word & IPV4_DF) !== 0) {
    icmpSend(netns, frame, IcmpType.DEST_UNREACH, IcmpUnreach.FRAG_NEEDED, mtu);
    endPacket(netns, frame, DropReason.IP_FRAG_NEEDED, dst);
    return;
  }
  const neighbour = dst.neigh(netns);
  if (neighbour === null) {
    endPacket(netns, frame, DropReason.NEIGH_TABLE_FULL, dst);
    return;
  }
  let header = (view.getUint8(at) & 15) * 4;
  const end = frameEnd[frame]!;
  const more = word & IPV4_MF;
  let offset = word & IPV4_OFFSET;
  let from = at + header;
  const note = netns.world.observer.wantsNotes;
  let first = true;
  while (from < end) {
    let take = Math.min(mtu - header, end - from);
    if (take < end - from) take &= ~7;
    if (take <= 0) break;
    const piece = allocFrame(header + take);
    if (piece === NO_FRAME) {
      endPacket(netns, frame, DropReason.NO_BUFFER, dst);
      return;
    }
    const p = frameStart[piece]!;
    u8.copyWithin(p, at, at + header);
    u8.copyWithin(p + header, from, from + take);
    frameMark[piece] = frameMark[frame]!;
    frameHash[piece] = frameHash[frame]!;
    from += take;
    view.setUint16(p + IPV4_LENGTH, header + take);
    view.setUint16(p + IPV4_FRAGMENT, (from < end ? IPV4_MF : more) | offset);
    offset += take >>> 3;
    if (first && header > IPV4_HEADER && from < end) {
      dropUncopiedOptions(at, header);
      first = false;
    }
    view.setUint16(p + IPV4_CHECKSUM, 0);
    view.setUint16(p + IPV4_CHECKSUM, ~sumArena(p, p + header) & 0xffff);
    if (note) {
      // What begins here was seen nowhere as a whole, and has no number.
      const whole = framePacketId[frame]! === 0 ? '' : ` of packet ${framePacketId[frame]!}`;
      framePacketId[piece] = netns.world.nextPacketId();
      netns.world.observer.note(
        piece,
        `${netns.label}: fragment${whole}, too long for the MTU ${mtu} of ${dst.out!.dev.name} to ${formatIpv4(dst.nexthop)}`,
      );
    }
    neighbour.output(piece, confirm);
    header = (view.getUint8(at) & 15) * 4;
  }
  freeFrame(frame);
}

/** ip_options_fragment: in the header that later fragments copy, options without the copied bit become no-ops. */
function dropUncopiedOptions(at: number, header: number): void {
  let i = at + IPV4_HEADER;
  const end = at + header;
  while (i < end) {
    const state = ipv4.nextIpv4Option(view, i, end);
    if (state === ipv4.Ipv4OptionState.END || state === ipv4.Ipv4OptionState.MALFORMED) return;
    const length = state === ipv4.Ipv4OptionState.NOP ? 1 : ipv4.ipv4OptionLength(view, i);
    if ((view.getUint8(i) & IPV4_OPTION_COPIED) === 0) u8.fill(ipv4.Ipv4Option.NOP, i, i + length);
    i += length;
  }
}
