// Sets and maps of nftables (net/netfilter/nft_set_hash.c; intervals nft_set_rbtree.c): keys of one to four fields, looked
// up without making anything: the caller writes the fields into KEY and asks.

import { NS_PER_S, type Ns } from '../../sim/sim.ts';
import { formatNftValue, type NftInterval, type NftType } from './nft-type.ts';

/** The fields of the key that is asked for. */
export const KEY = new Int32Array(4);

/** Elements a set may have; a choice, nftables has only memory as a limit. */
export const NFT_ELEMENTS_MAX = 1_048_576;
/** What packets may put into a set that says no size (nft_dynset_init). */
const NFT_DYNAMIC_SIZE = 65_535;
/** nft_set_gc_interval(): how often what has expired is taken out of a set that says nothing of it. */
const GC_INTERVAL: Ns = NS_PER_S;

/** What a map answers with: a verdict (index of a compiled one), or the fields of an address and port. */
export interface NftElement {
  readonly fields: readonly number[];
  /** for sets with intervals: one per field; null when the fields are single values */
  readonly intervals: readonly NftInterval[] | null;
  readonly comment: string;
  /** what the text behind the colon said; '' in a set */
  readonly value: string;
  /** a map's answer, made by whoever made the map */
  readonly data: unknown;
  /** virtual time at which it is gone; -1: never */
  expires: Ns;
}

export interface NftSetOptions {
  readonly name: string;
  readonly types: readonly NftType[];
  /** null: a set; the words behind the colon of its type: a map */
  readonly valueType: string | null;
  readonly flags: readonly string[];
  /** elements at most; 0: as many as there may be */
  readonly size: number;
  /** ns; 0: elements stay */
  readonly timeout: Ns;
  /** ns; 0: GC_INTERVAL */
  readonly gcInterval: Ns;
  readonly comment: string;
}

function hashKey(fields: ArrayLike<number>, n: number): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < n; i++) {
    h = Math.imul(h ^ fields[i]!, 0x9e3779b1);
    h ^= h >>> 15;
  }
  return h;
}

export class NftSet {
  readonly options: NftSetOptions;
  readonly #buckets = new Map<number, NftElement[]>();
  /** elements with intervals are few: they are asked one after the other */
  readonly #ranges: NftElement[] = [];
  /** as it is listed; 0: nothing was said of it */
  declaredSize: number;
  #size = 0;
  /** no collection before this */
  #collectAt: Ns = 0;

  constructor(options: NftSetOptions) {
    this.options = options;
    this.declaredSize = options.size;
  }

  /** Elements that it may hold. */
  get limit(): number {
    return this.declaredSize === 0 ? NFT_ELEMENTS_MAX : this.declaredSize;
  }

  /** nft_dynset_init(): a rule lets packets fill the set; from then on it has an end. */
  letFill(): void {
    if (this.declaredSize === 0) this.declaredSize = NFT_DYNAMIC_SIZE;
  }

  get size(): number {
    return this.#size;
  }

  /** The element of KEY's fields, or null. */
  find(now: Ns): NftElement | null {
    const n = this.options.types.length;
    const bucket = this.#buckets.get(hashKey(KEY, n));
    if (bucket !== undefined) {
      for (let i = 0; i < bucket.length; i++) {
        const element = bucket[i]!;
        if (sameFields(element.fields, n) && (element.expires < 0 || now < element.expires)) return element;
      }
    }
    for (let i = 0; i < this.#ranges.length; i++) {
      const element = this.#ranges[i]!;
      if (within(element.intervals!, n) && (element.expires < 0 || now < element.expires)) return element;
    }
    return null;
  }

  /** The very element, not one whose interval covers it. */
  #exact(element: Pick<NftElement, 'fields' | 'intervals'>): NftElement | null {
    if (element.intervals !== null) {
      const text = element.intervals.map((i) => i.text).join(' . ');
      return this.#ranges.find((e) => e.intervals!.map((i) => i.text).join(' . ') === text) ?? null;
    }
    const n = this.options.types.length;
    const bucket = this.#buckets.get(hashKey(element.fields, n));
    return bucket?.find((e) => e.fields.every((f, i) => f === element.fields[i])) ?? null;
  }

  /** @returns what was there already: nft refuses another value for a key, and keeps an equal element */
  add(element: NftElement): NftElement | null {
    const known = this.#exact(element);
    if (known !== null) return known;
    if (element.intervals !== null) this.#ranges.push(element);
    else {
      const h = hashKey(element.fields, this.options.types.length);
      const bucket = this.#buckets.get(h);
      if (bucket === undefined) this.#buckets.set(h, [element]);
      else bucket.push(element);
    }
    this.#size++;
    return null;
  }

  delete(element: Pick<NftElement, 'fields' | 'intervals'>): boolean {
    const known = this.#exact(element);
    if (known === null) return false;
    if (known.intervals !== null) this.#ranges.splice(this.#ranges.indexOf(known), 1);
    else {
      const h = hashKey(known.fields, this.options.types.length);
      const bucket = this.#buckets.get(h)!;
      bucket.splice(bucket.indexOf(known), 1);
      if (bucket.length === 0) this.#buckets.delete(h);
    }
    this.#size--;
    return true;
  }

  clear(): void {
    this.#buckets.clear();
    this.#ranges.length = 0;
    this.#size = 0;
  }

  /** Forgets what has expired, once per interval; asked when a packet's element finds the set full. */
  collect(now: Ns): void {
    if (now < this.#collectAt) return;
    const { gcInterval } = this.options;
    this.#collectAt = now + (gcInterval === 0 ? GC_INTERVAL : gcInterval);
    const gone = (e: NftElement): boolean => e.expires >= 0 && now >= e.expires;
    for (const bucket of [...this.#buckets.values()]) for (const e of bucket.filter(gone)) this.delete(e);
    for (const e of this.#ranges.filter(gone)) this.delete(e);
  }

  /** By their fields, smallest first: the kernel's order is that of a hash table. */
  elements(): NftElement[] {
    const all = [...this.#buckets.values()].flat().concat(this.#ranges);
    const at = (e: NftElement, i: number): number => (e.intervals === null ? e.fields[i]! >>> 0 : e.intervals[i]!.low);
    return all.sort((a, b) => {
      for (let i = 0; i < this.options.types.length; i++) {
        const d = at(a, i) - at(b, i);
        if (d !== 0) return d;
      }
      return 0;
    });
  }

  /** An element's key as it is listed. */
  keyText(element: NftElement): string {
    const { types } = this.options;
    return types
      .map((type, i) =>
        element.intervals === null ? formatNftValue(type, element.fields[i]!) : element.intervals[i]!.text,
      )
      .join(' . ');
  }
}

function sameFields(fields: readonly number[], n: number): boolean {
  for (let i = 0; i < n; i++) if (fields[i] !== KEY[i]) return false;
  return true;
}

function within(intervals: readonly NftInterval[], n: number): boolean {
  for (let i = 0; i < n; i++) {
    const value = KEY[i]! >>> 0;
    if (value < intervals[i]!.low || value > intervals[i]!.high) return false;
  }
  return true;
}
