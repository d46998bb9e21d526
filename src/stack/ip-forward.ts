// Forwarding (net/ipv4/ip_forward.c): TTL, MTU, redirects, then out. Order as in ip_forward(): the TTL is looked at
// first, the MTU before the TTL is decremented, so that an ICMP error quotes the packet as it came.

import { DropReason } from '../base/drop-reason.ts';
import type { Frame } from '../link/frame.ts';
import * as frames from '../link/frame.ts';
import { HOOK_STOLEN, Hook } from '../netfilter/hook.ts';
import { IcmpType, IcmpUnreach } from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { icmpSend } from './icmp-send.ts';
import type { InDevice } from './in-device.ts';
import { endPacket, ipOutput } from './ip-output.ts';
import type { Dst } from './route-cache.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, frameFragmentSize, frameStart, view } = frames;
const { IPV4_CHECKSUM, IPV4_DF, IPV4_FRAGMENT, IPV4_SOURCE, IPV4_TTL } = ipv4;

/** Code of TIME_EXCEEDED: TTL exceeded in transit (RFC 792). */
const TTL_EXCEEDED = 0;
/** Code of REDIRECT: for the host (RFC 792). */
const REDIRECT_HOST = 1;

export function ipForward(idev: InDevice, frame: Frame, dst: Dst, redirect: boolean): void {
  const netns = idev.netns;
  const at = frameStart[frame]!;
  const word = view.getUint16(at + IPV4_TTL);
  if (word >>> 8 <= 1) {
    icmpSend(netns, frame, IcmpType.TIME_EXCEEDED, TTL_EXCEEDED, 0, idev);
    idev.dev.end(frame, DropReason.IP_TTL_EXCEEDED);
    return;
  }
  const mtu = netns.sysctl.ipv4.ip_forward_use_pmtu !== 0 ? dst.mtu(netns) : dst.linkMtu();
  // ip_exceeds_mtu: what was put together from fragments that fit goes on as such.
  const fragments = frameFragmentSize[frame]!;
  if (
    frameEnd[frame]! - at > mtu &&
    (view.getUint16(at + IPV4_FRAGMENT) & IPV4_DF) !== 0 &&
    (fragments === 0 || fragments > mtu)
  ) {
    icmpSend(netns, frame, IcmpType.DEST_UNREACH, IcmpUnreach.FRAG_NEEDED, mtu, idev);
    idev.dev.end(frame, DropReason.IP_FRAG_NEEDED);
    return;
  }
  // ip_decrease_ttl: the TTL is the high byte of its word, so the sum grows by 0x0100 (RFC 1624).
  view.setUint16(at + IPV4_TTL, word - 0x100);
  let sum = view.getUint16(at + IPV4_CHECKSUM) + 0x100;
  sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(at + IPV4_CHECKSUM, sum === 0xffff ? 0 : sum);
  if (redirect && netns.icmpLimit.allowRedirect(view.getInt32(at + IPV4_SOURCE))) {
    icmpSend(netns, frame, IcmpType.REDIRECT, REDIRECT_HOST, dst.nexthop, idev);
  }
  const inDevice = idev.dev.index;
  if (netns.hooks !== null) {
    const verdict = netns.hooks.run(Hook.FORWARD, frame, inDevice, dst.out!.dev.index);
    if (verdict === HOOK_STOLEN) return;
    if (verdict !== 0) {
      endPacket(netns, frame, verdict, dst);
      return;
    }
  }
  ipOutput(netns, frame, dst, mtu, inDevice, false);
}
