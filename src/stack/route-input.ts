// Routing of a packet that came in (net/ipv4/route.c ip_route_input_slow, fib_frontend.c fib_validate_source): where it
// goes, and whether its source address may come from there.

import { type Ipv4, isLoopbackIpv4, isMulticastIpv4, isZeronetIpv4 } from '../addr/ipv4.ts';
import { DropReason } from '../base/drop-reason.ts';
import { RouteType, Scope } from './fib.ts';
import type { InDevice } from './in-device.ts';
import { type Dst, DstKind } from './route-cache.ts';

// Constants of this module: V8 folds those into the packet path, imported and exported ones it does not (link/frame.ts).
const VERDICT = { FORWARD: 1, LOCAL: 2, BROADCAST: 3, MULTICAST: 4, ERROR: 5 } as const;
const KIND = DstKind;
const SCOPE = Scope;

/** Positive: what to do. A DropReason is returned negated. */
export const InputVerdict = VERDICT;

/** fib_validate_source's answer: the source is behind a router, it is a direct neighbour, or it is refused. */
const SourceCheck = { ROUTED: 0, DIRECT: 1, INVALID: -1, REVERSE_PATH: -2 } as const;

/** 224.0.0.0/24: groups that no router forwards (RFC 5771 section 4). */
const LOCAL_GROUPS = 0xe0000000 | 0;
const LOCAL_GROUPS_MASK = 0xffffff00 | 0;

function refusal(check: number): number {
  return check === SourceCheck.REVERSE_PATH ? -DropReason.IP_RPFILTER : -DropReason.IP_MARTIAN_SOURCE;
}

export class InputRouter {
  /** The destination's entry after a positive verdict. */
  dst: Dst | null = null;
  /** The last packet was for a group (broadcast or multicast). */
  group = false;
  /** The last frame was for this host's MAC (PACKET_HOST): only then may an ICMP error answer it (RFC 1122 section 3.2.2). */
  forHost = true;
  /** The packet leaves by the device it came in by, from a direct neighbour: a redirect is due. */
  redirect = false;

  /**
   * @returns an InputVerdict, or -DropReason
   */
  route(idev: InDevice, destination: Ipv4, source: Ipv4): number {
    const netns = idev.netns;
    this.redirect = false;
    this.group = false;
    this.dst = null;
    if (isMulticastIpv4(destination)) {
      if (isMulticastIpv4(source) || source === -1) return -DropReason.IP_MARTIAN_SOURCE;
      if (isLoopbackIpv4(source) && !idev.routesLocalnet) return -DropReason.IP_MARTIAN_SOURCE;
      if (!netns.igmp.isMember(idev, destination)) return -DropReason.IP_MULTICAST_NOT_MEMBER;
      // ip_mc_validate_source: without an address of its own a host may speak to the groups of its link only.
      if (isZeronetIpv4(source)) {
        if ((destination & LOCAL_GROUPS_MASK) !== LOCAL_GROUPS) return -DropReason.IP_MARTIAN_SOURCE;
      } else {
        const check = this.#validate(idev, source, null);
        if (check < 0) return refusal(check);
      }
      this.group = true;
      return VERDICT.MULTICAST;
    }
    if (isMulticastIpv4(source) || source === -1) return -DropReason.IP_MARTIAN_SOURCE;
    if (destination === -1 || (source === 0 && destination === 0)) {
      if (source !== 0 && this.#validate(idev, source, null) < 0) return -DropReason.IP_MARTIAN_SOURCE;
      this.group = true;
      return VERDICT.BROADCAST;
    }
    if (isZeronetIpv4(source)) return -DropReason.IP_MARTIAN_SOURCE;
    if (isZeronetIpv4(destination)) return -DropReason.IP_MARTIAN_DEST;
    if (isLoopbackIpv4(destination) || isLoopbackIpv4(source)) {
      if (idev !== netns.loopback && !idev.routesLocalnet) {
        return isLoopbackIpv4(destination) ? -DropReason.IP_MARTIAN_DEST : -DropReason.IP_MARTIAN_SOURCE;
      }
    }
    const dst = netns.routes.lookup(destination);
    this.dst = dst;
    switch (dst.kind) {
      case KIND.LOCAL: {
        const check = idev === netns.loopback ? 0 : this.#validate(idev, source, null);
        if (check < 0) return refusal(check);
        return VERDICT.LOCAL;
      }
      case KIND.BROADCAST: {
        const check = this.#validate(idev, source, null);
        if (check < 0) return refusal(check);
        this.group = true;
        return VERDICT.BROADCAST;
      }
      case KIND.UNICAST:
        break;
      case KIND.MULTICAST:
        return -DropReason.IP_MARTIAN_DEST;
      default:
        return VERDICT.ERROR;
    }
    if (idev.conf.forwarding === 0) return VERDICT.ERROR;
    const check = this.#validate(idev, source, dst.out);
    if (check < 0) return refusal(check);
    if (dst.out === idev && check === SourceCheck.DIRECT && idev.sendsRedirects) {
      this.redirect = idev.sharedMedia || idev.isOnlink(source, dst.viaGateway ? dst.nexthop : 0);
    }
    return VERDICT.FORWARD;
  }

  /**
   * fib_validate_source: without a reverse-path filter only our own addresses are refused as sources, unless a redirect may
   * be due; then, and with the filter, the FIB is asked (__fib_validate_source).
   * @param out where the packet is to leave, null when it stays here
   */
  #validate(idev: InDevice, source: Ipv4, out: InDevice | null): number {
    const netns = idev.netns;
    const rpf = idev.rpFilter;
    const back = netns.routes.lookup(source);
    if (back.kind === KIND.LOCAL && !idev.acceptsLocal) return SourceCheck.INVALID;
    if (rpf === 0 && (out !== idev || !idev.sendsRedirects)) return SourceCheck.ROUTED;
    if (back.kind === KIND.LOCAL) {
      return rpf === 1 && idev.addresses.length > 0 ? SourceCheck.REVERSE_PATH : SourceCheck.ROUTED;
    }
    if (back.kind === KIND.BROADCAST || back.kind === KIND.MULTICAST) return SourceCheck.INVALID;
    if (back.kind !== KIND.UNICAST) return rpf !== 0 ? SourceCheck.REVERSE_PATH : SourceCheck.ROUTED;
    if (back.out === idev) {
      return back.route!.nexthop.scope >= SCOPE.HOST ? SourceCheck.DIRECT : SourceCheck.ROUTED;
    }
    if (idev.addresses.length === 0) return rpf !== 0 ? SourceCheck.REVERSE_PATH : SourceCheck.ROUTED;
    if (rpf === 1) return SourceCheck.REVERSE_PATH;
    const through = netns.fib.lookup(source, idev);
    if (through !== null && through.type === RouteType.UNICAST) {
      return through.nexthop.scope >= SCOPE.HOST ? SourceCheck.DIRECT : SourceCheck.ROUTED;
    }
    return SourceCheck.ROUTED;
  }
}
