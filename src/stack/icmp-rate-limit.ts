// How often ICMP errors are sent: per destination by tokens (net/ipv4/inetpeer.c inet_peer_xrlim_allow and route.c
// ip_error share one bucket per peer), and for all of them together (icmp.c icmp_global_allow). Counted in jiffies.

import type { Ipv4 } from '../addr/ipv4.ts';
import { HZ, jiffiesAt } from '../sim/jiffies.ts';
import { IcmpType, IcmpUnreach } from '../wire/icmp.ts';
import type { NetNamespace } from './netns.ts';

/** XRLIM_BURST_FACTOR */
const BURST = 6;
/** ip_rt_error_cost and ip_rt_error_burst (net/ipv4/route.c), jiffies. */
const ERROR_COST = HZ;
const ERROR_BURST = 5 * HZ;
/** ip_rt_redirect_load, _number and _silence (jiffies). */
const REDIRECT_LOAD = HZ / 50;
const REDIRECT_NUMBER = 9;
const REDIRECT_SILENCE = (HZ / 50) << (REDIRECT_NUMBER + 1);
/** Peers remembered; beyond that the oldest goes. A choice below inet_peer's 65,664. */
const PEERS = 4_096;

interface Peer {
  tokens: number;
  last: number;
  redirects: number;
}

export class IcmpRateLimit {
  readonly #netns: NetNamespace;
  readonly #peers = new Map<Ipv4, Peer>();
  #globalCredit = -1;
  #globalLast = 0;

  constructor(netns: NetNamespace) {
    this.#netns = netns;
  }

  get #now(): number {
    return jiffiesAt(this.#netns.world.sim.now);
  }

  #peer(a: Ipv4): Peer {
    let peer = this.#peers.get(a);
    if (peer === undefined) {
      if (this.#peers.size >= PEERS) {
        for (const oldest of this.#peers.keys()) {
          this.#peers.delete(oldest);
          break;
        }
      }
      // inet_getpeer: as if the last error had been a minute ago.
      peer = { tokens: 0, last: this.#now - 60 * HZ, redirects: 0 };
      this.#peers.set(a, peer);
    }
    return peer;
  }

  /** icmpv4_xrlim_allow: may an error of this kind go to `destination` (reached over loopback or not) now? */
  allow(destination: Ipv4, type: number, code: number, overLoopback: boolean): boolean {
    const values = this.#netns.sysctl.ipv4;
    if (type === IcmpType.DEST_UNREACH && code === IcmpUnreach.FRAG_NEEDED) return true;
    if ((values.icmp_ratemask & (1 << type)) === 0 || overLoopback) return true;
    if (!this.#allowGlobal()) return false;
    if (values.icmp_ratelimit === 0) return true;
    const timeout = Math.ceil((values.icmp_ratelimit * HZ) / 1000);
    const peer = this.#peer(destination);
    const now = this.#now;
    peer.tokens = Math.min(peer.tokens + (now - peer.last), BURST * timeout);
    peer.last = now;
    if (peer.tokens < timeout) return false;
    peer.tokens -= timeout;
    return true;
  }

  /** ip_error: the same bucket is charged once more for "no route" answers. */
  allowRouteError(source: Ipv4): boolean {
    const peer = this.#peer(source);
    const now = this.#now;
    peer.tokens = Math.min(peer.tokens + (now - peer.last), ERROR_BURST);
    peer.last = now;
    if (peer.tokens < ERROR_COST) return false;
    peer.tokens -= ERROR_COST;
    return true;
  }

  /** ip_rt_send_redirect: an exponential back-off per source, silent after nine. */
  allowRedirect(source: Ipv4): boolean {
    const peer = this.#peer(source);
    const now = this.#now;
    if (now > peer.last + REDIRECT_SILENCE) {
      peer.redirects = 0;
    }
    if (peer.redirects >= REDIRECT_NUMBER) {
      peer.last = now;
      return false;
    }
    if (peer.redirects === 0 || now > peer.last + (REDIRECT_LOAD << peer.redirects)) {
      peer.last = now;
      peer.redirects++;
      return true;
    }
    return false;
  }

  #allowGlobal(): boolean {
    const values = this.#netns.sysctl.ipv4;
    const now = this.#now;
    if (this.#globalCredit < 0) {
      this.#globalCredit = values.icmp_msgs_burst;
      this.#globalLast = now;
    }
    const gained = Math.floor(((now - this.#globalLast) * values.icmp_msgs_per_sec) / HZ);
    if (gained > 0) {
      this.#globalCredit = Math.min(values.icmp_msgs_burst, this.#globalCredit + gained);
      this.#globalLast = now;
    }
    if (this.#globalCredit === 0) return false;
    this.#globalCredit--;
    return true;
  }
}
