// One set: its elements, and the question of a rule whether a packet is among them (net/netfilter/ipset/ip_set_hash_gen.h).
//
// An element is up to three numbers: address (with a prefix length in net types), protocol and port, second address. Each
// pair of prefix lengths that occurs has its own hash table; a packet is looked up in them from the longest prefix to the
// shortest, so that the narrowest element answers (and a `nomatch` one takes back what a wider one says).
//
// Limits: maxelem elements; timeouts are looked at when an element is met, not by a timer.

import { type Ipv4, maskIpv4 } from '../../addr/ipv4.ts';
import * as frames from '../../link/frame.ts';
import type { Ns, Sim } from '../../sim/sim.ts';
import { TupleTable } from '../conntrack/tuple-table.ts';
import type { Packet } from '../packet.ts';
import type { SetSlot } from './ip-sets.ts';
import type { SetType } from './set-type.ts';

const { view } = frames;
const ICMP = 1;
/** What TupleTable.get() says of a key that it does not have. */
const MISSING = -1;

export interface Element {
  address: Ipv4;
  /** prefix length; 32 where the type has none */
  length: number;
  /** 0 in types without ports */
  protocol: number;
  port: number;
  second: Ipv4;
  secondLength: number;
  noMatch: boolean;
  /** list:set */
  readonly member: SetSlot | null;
  /** when it goes, ns of virtual time; 0: never */
  expiresAt: Ns;
  comment: string;
  packets: number;
  bytes: number;
}

export interface SetOptions {
  readonly hashSize: number;
  readonly maxElements: number;
  /** seconds, -1 without timeouts */
  readonly timeout: number;
  readonly counters: boolean;
  readonly comment: boolean;
  /** prefix length that addresses of hash:ip are cut to */
  readonly netmask: number;
  /** bitmap:port: first and last */
  readonly range: readonly [number, number];
  /** list:set: members at most */
  readonly size: number;
  readonly initval: number;
}

/** Elements of one pair of prefix lengths. */
interface Bucket {
  readonly length: number;
  readonly secondLength: number;
  readonly mask: Ipv4;
  readonly secondMask: Ipv4;
  /** address, second address, protocol << 16 | port -> index of the element */
  readonly elements: TupleTable;
}

export const AddResult = { ADDED: 0, EXISTS: 1, FULL: 2 } as const;
export type AddResult = (typeof AddResult)[keyof typeof AddResult];

export class IpSet {
  readonly type: SetType;
  readonly options: SetOptions;
  readonly #sim: Sim;
  readonly #elements: (Element | null)[] = [];
  readonly #free: number[] = [];
  /** longest prefixes first */
  #buckets: Bucket[] = [];
  #count = 0;
  /** no element goes before this, ns; 0: none has a time */
  #earliest: Ns = 0;

  constructor(type: SetType, options: SetOptions, sim: Sim) {
    this.type = type;
    this.options = options;
    this.#sim = sim;
  }

  /** Elements that are still in, in the order in which they came. */
  elements(): readonly Element[] {
    this.#expire();
    const all = this.#elements.filter((e) => e !== null);
    // A bitmap is read from its first bit on.
    const bitmap = this.type.parts[0] === 'port';
    return all.toSorted((a, b) => (bitmap ? a.port - b.port : order(a) - order(b)));
  }

  get size(): number {
    this.#expire();
    return this.#count;
  }

  element(e: Element): Element | null {
    const index = this.#indexOf(e);
    return index === MISSING ? null : this.#alive(index);
  }

  add(e: Element, replace: boolean): AddResult {
    const before = this.#indexOf(e);
    if (before !== MISSING) {
      if (this.#alive(before) !== null && !replace) return AddResult.EXISTS;
      this.remove(e);
    }
    const most = this.type.parts[0] === 'set' ? this.options.size : this.options.maxElements;
    if (this.#count >= most) this.#expire();
    if (this.#count >= most) return AddResult.FULL;
    const index = this.#free.pop() ?? this.#elements.length;
    this.#elements[index] = e;
    arrivals.set(e, ++arrival);
    this.#count++;
    if (e.expiresAt !== 0 && (this.#earliest === 0 || e.expiresAt < this.#earliest)) this.#earliest = e.expiresAt;
    this.#bucketFor(e).elements.set(e.address, secondKey(e), portKey(e), 0, index);
    return AddResult.ADDED;
  }

  /** @returns false when it was not there */
  remove(e: Element): boolean {
    const bucket = this.#findBucket(e);
    const index = this.#indexOf(e);
    if (bucket === null || index === MISSING) return false;
    bucket.elements.delete(e.address, secondKey(e), portKey(e), 0);
    if (bucket.elements.size === 0) this.#buckets = this.#buckets.filter((b) => b !== bucket);
    this.#elements[index] = null;
    this.#free.push(index);
    this.#count--;
    return true;
  }

  flush(): void {
    this.#elements.length = 0;
    this.#free.length = 0;
    this.#buckets = [];
    this.#count = 0;
    this.#earliest = 0;
  }

  /**
   * Is the packet in the set (ip_set_test)?
   * @param flags for each part 1 when the packet's source is meant, 0 for its destination
   * @returns the element; null when there is none; an element with noMatch takes a match back
   */
  find(packet: Packet, flags: readonly number[]): Element | null {
    const { parts } = this.type;
    if (parts[0] === 'set') return this.#findInMembers(packet, flags);
    // ip_set_test(): a rule that names fewer parts than the type has matches nothing.
    if (flags.length < parts.length) return null;
    let address: Ipv4 = 0;
    let second: Ipv4 = 0;
    let key = 0;
    if (parts[0] === 'port') {
      if (packet.destinationPort < 0) return null;
      key = flags[0] === 1 ? packet.sourcePort : packet.destinationPort;
    } else {
      address = flags[0] === 1 ? packet.source : packet.destination;
      if (this.options.netmask < 32) address &= maskIpv4(this.options.netmask);
      if (parts.length > 1) {
        key = packetPort(packet, flags[1] === 1);
        if (key < 0) return null;
      }
      if (parts.length > 2) second = flags[2] === 1 ? packet.source : packet.destination;
    }
    for (let i = 0; i < this.#buckets.length; i++) {
      const bucket = this.#buckets[i]!;
      const index = bucket.elements.get(address & bucket.mask, second & bucket.secondMask, key, 0);
      if (index === MISSING) continue;
      const found = this.#alive(index);
      if (found !== null) return found;
    }
    return null;
  }

  #findInMembers(packet: Packet, flags: readonly number[]): Element | null {
    for (const e of this.#elements) {
      if (e === null || e.member === null || (e.expiresAt !== 0 && e.expiresAt <= this.#sim.now)) continue;
      const found = e.member.set.find(packet, flags);
      if (found !== null && !found.noMatch) return found;
    }
    return null;
  }

  #alive(index: number): Element | null {
    const e = this.#elements[index]!;
    return e === null || (e.expiresAt !== 0 && e.expiresAt <= this.#sim.now) ? null : e;
  }

  #expire(): void {
    const { now } = this.#sim;
    if (this.#earliest === 0 || now < this.#earliest) return;
    this.#earliest = 0;
    for (const e of [...this.#elements]) {
      if (e === null || e.expiresAt === 0) continue;
      if (e.expiresAt <= now) this.remove(e);
      else if (this.#earliest === 0 || e.expiresAt < this.#earliest) this.#earliest = e.expiresAt;
    }
  }

  #indexOf(e: Element): number {
    return this.#findBucket(e)?.elements.get(e.address, secondKey(e), portKey(e), 0) ?? MISSING;
  }

  #findBucket(e: Element): Bucket | null {
    return this.#buckets.find((b) => b.length === e.length && b.secondLength === e.secondLength) ?? null;
  }

  #bucketFor(e: Element): Bucket {
    const old = this.#findBucket(e);
    if (old !== null) return old;
    const bucket: Bucket = {
      length: e.length,
      secondLength: e.secondLength,
      mask: maskIpv4(e.length),
      secondMask: maskIpv4(e.secondLength),
      elements: new TupleTable(),
    };
    this.#buckets = [...this.#buckets, bucket].toSorted(
      (a, b) => b.length - a.length || b.secondLength - a.secondLength,
    );
    return bucket;
  }
}

/** Order of arrival: indexes are used again. */
const arrivals = new WeakMap<Element, number>();
let arrival = 0;

function order(e: Element): number {
  return arrivals.get(e) ?? 0;
}

/** Members of list:set are told apart by their slot's number, in the place of the second address. */
function secondKey(e: Element): number {
  return e.member === null ? e.second : e.member.number;
}

function portKey(e: Element): number {
  return (e.protocol << 16) | e.port;
}

/** ip_set_get_ip4_port(): protocol << 16 | port; ICMP has type << 8 | code; -1 where there is none. */
export function packetPort(packet: Packet, source: boolean): number {
  if (packet.destinationPort >= 0)
    return (packet.protocol << 16) | (source ? packet.sourcePort : packet.destinationPort);
  if (packet.fragment !== 0) return -1;
  if (packet.protocol === ICMP) {
    return packet.transport + 2 > packet.end ? -1 : (ICMP << 16) | view.getUint16(packet.transport);
  }
  return packet.protocol << 16;
}
