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

export class InputRouter {
  /** The destination's entry after a positive verdict. */
  dst: Dst | null = null;
  /** The last packet was for a group (broadcast or multicast). */
  group = false;
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
      if (isMulticastIpv4(source) || source === -1 || isLoopbackIpv4(source)) return -DropReason.IP_MARTIAN_SOURCE;
      this.group = true;
      return VERDICT.MULTICAST;
    }
    if (isMulticastIpv4(source) || source === -1) return -DropReason.IP_MARTIAN_SOURCE;
    if (destination === -1 || (source === 0 && destination === 0)) {
      if (source !== 0 && this.#validate(idev, source) < 0) return -DropReason.IP_MARTIAN_SOURCE;
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
        const check = idev === netns.loopback ? 0 : this.#validate(idev, source);
        if (check < 0)
          return check === SourceCheck.REVERSE_PATH ? -DropReason.IP_RPFILTER : -DropReason.IP_MARTIAN_SOURCE;
        return VERDICT.LOCAL;
      }
      case KIND.BROADCAST: {
        const check = this.#validate(idev, source);
        if (check < 0)
          return check === SourceCheck.REVERSE_PATH ? -DropReason.IP_RPFILTER : -DropReason.IP_MARTIAN_SOURCE;
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
    const check = this.#validate(idev, source);
    if (check < 0) return check === SourceCheck.REVERSE_PATH ? -DropReason.IP_RPFILTER : -DropReason.IP_MARTIAN_SOURCE;
    if (dst.out === idev && check === SourceCheck.DIRECT && idev.sendsRedirects) {
      this.redirect = idev.sharedMedia || idev.isOnlink(source, dst.viaGateway ? dst.nexthop : 0);
    }
    return VERDICT.FORWARD;
  }

  /** __fib_validate_source */
  #validate(idev: InDevice, source: Ipv4): number {
    const netns = idev.netns;
    const rpf = idev.rpFilter;
    const back = netns.routes.lookup(source);
    if (back.kind === KIND.LOCAL) return idev.acceptsLocal ? SourceCheck.ROUTED : SourceCheck.INVALID;
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
