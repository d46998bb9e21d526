// The forwarding database of a Linux bridge (net/bridge/br_fdb.c): which port a MAC is behind.
//
// Maps a MAC to an entry {port number, flags, used, updated}. Port number 0 is the bridge itself, as in the kernel's
// entries without a port. Entries are slots of typed arrays; the hash table gives the slot. A list keeps them newest first,
// which is the order of the kernel's fdb_list and of its dumps.
//
// Limits: `maxLearned` entries that were learned (fdb_max_learned, 0 = any number: the kernel's default); FDB_CAPACITY
// entries in all, which stands for the kernel's memory. Ageing: the bridge calls `cleanup`, see there.

import { type Mac, macHi, macLo, macOf } from '../addr/mac.ts';
import { MISSING, PairTable } from '../base/int-table.ts';

/** Choice: 2^20 entries, 40 MB; a real host would run out of memory at some such number. */
export const FDB_CAPACITY = 1_048_576;

/** BR_FDB_* bits. */
export const FdbFlag = {
  /** One of our own addresses: frames for it go to the host. */
  LOCAL: 1,
  /** Never ages. */
  STATIC: 2,
  /** Never moves to another port. */
  STICKY: 4,
  ADDED_BY_USER: 8,
  /** Learned from a frame: counts against maxLearned. */
  DYNAMIC_LEARNED: 16,
} as const;

/** An entry as `bridge fdb show` and `brctl showmacs` need it. */
export interface FdbEntry {
  readonly mac: Mac;
  /** 0: the bridge itself */
  readonly portNo: number;
  /** NUD_PERMANENT, NUD_NOARP, or neither */
  readonly state: 'permanent' | 'static' | 'dynamic';
  readonly sticky: boolean;
  readonly addedByUser: boolean;
  /** Jiffies of the last look-up and of the last frame from this MAC. */
  readonly used: number;
  readonly updated: number;
}

const FIRST_SIZE = 64;

export class Fdb {
  readonly #table = new PairTable(FIRST_SIZE);
  #macHi = new Int32Array(FIRST_SIZE);
  #macLo = new Int32Array(FIRST_SIZE);
  #next = new Int32Array(FIRST_SIZE);
  #previous = new Int32Array(FIRST_SIZE);
  /** Port number of each slot. */
  port = new Int32Array(FIRST_SIZE);
  /** FdbFlag bits of each slot. */
  flags = new Uint8Array(FIRST_SIZE);
  /** Jiffies at which the entry last served a look-up. */
  used = new Float64Array(FIRST_SIZE);
  /** Jiffies at which a frame last came from the MAC. */
  updated = new Float64Array(FIRST_SIZE);
  /** Newest entry, -1 when empty. */
  #head = -1;
  /** Slots given back, linked by #next. */
  #free = -1;
  /** Slots ever used. */
  #top = 0;
  size = 0;
  /** fdb_n_learned */
  learned = 0;
  /** fdb_max_learned; 0 = no limit */
  maxLearned = 0;

  /** Slot of the MAC, or MISSING. */
  find(hi: number, lo: number): number {
    return this.#table.get(hi, lo);
  }

  /** fdb_create(): the slot, or MISSING when a limit is reached. The MAC must not be there. */
  create(hi: number, lo: number, entry: { port: number; flags: number; now: number }): number {
    const learned = (entry.flags & FdbFlag.DYNAMIC_LEARNED) !== 0;
    if (learned && this.maxLearned > 0 && this.learned >= this.maxLearned) return MISSING;
    if (this.size >= FDB_CAPACITY) return MISSING;
    let slot = this.#free;
    if (slot >= 0) this.#free = this.#next[slot]!;
    else {
      if (this.#top === this.port.length) this.#grow();
      slot = this.#top++;
    }
    this.#macHi[slot] = hi;
    this.#macLo[slot] = lo;
    this.port[slot] = entry.port;
    this.flags[slot] = entry.flags;
    this.used[slot] = entry.now;
    this.updated[slot] = entry.now;
    this.#previous[slot] = -1;
    this.#next[slot] = this.#head;
    if (this.#head >= 0) this.#previous[this.#head] = slot;
    this.#head = slot;
    this.#table.set(hi, lo, slot);
    this.size++;
    if (learned) this.learned++;
    return slot;
  }

  delete(slot: number): void {
    const next = this.#next[slot]!;
    const previous = this.#previous[slot]!;
    if (previous >= 0) this.#next[previous] = next;
    else this.#head = next;
    if (next >= 0) this.#previous[next] = previous;
    this.#table.delete(this.#macHi[slot]!, this.#macLo[slot]!);
    if (this.flags[slot]! & FdbFlag.DYNAMIC_LEARNED) this.learned--;
    this.#next[slot] = this.#free;
    this.#free = slot;
    this.size--;
  }

  /** The entry was confirmed by a person: it no longer counts as learned. */
  takeByUser(slot: number): void {
    if (this.flags[slot]! & FdbFlag.DYNAMIC_LEARNED) this.learned--;
    this.flags[slot] = (this.flags[slot]! & ~FdbFlag.DYNAMIC_LEARNED) | FdbFlag.ADDED_BY_USER;
  }

  /** Calls `visit` for every slot, newest first; `visit` may delete the slot that it is given. */
  forEach(visit: (slot: number) => void): void {
    for (let slot = this.#head; slot >= 0; ) {
      const next = this.#next[slot]!;
      visit(slot);
      slot = next;
    }
  }

  /**
   * br_fdb_cleanup(): deletes what was not updated for `hold` jiffies.
   * @returns jiffies until the next entry expires, at most `hold`
   */
  cleanup(now: number, hold: number): number {
    let delay = hold;
    this.forEach((slot) => {
      if (this.flags[slot]! & FdbFlag.STATIC) return;
      const left = this.updated[slot]! + hold - now;
      if (left > 0) delay = Math.min(delay, left);
      else this.delete(slot);
    });
    return delay;
  }

  mac(slot: number): Mac {
    return macOf(this.#macHi[slot]!, this.#macLo[slot]!);
  }

  findMac(mac: Mac): number {
    return this.find(macHi(mac), macLo(mac));
  }

  entry(slot: number): FdbEntry {
    const flags = this.flags[slot]!;
    return {
      mac: this.mac(slot),
      portNo: this.port[slot]!,
      state: flags & FdbFlag.LOCAL ? 'permanent' : flags & FdbFlag.STATIC ? 'static' : 'dynamic',
      sticky: (flags & FdbFlag.STICKY) !== 0,
      addedByUser: (flags & FdbFlag.ADDED_BY_USER) !== 0,
      used: this.used[slot]!,
      updated: this.updated[slot]!,
    };
  }

  #grow(): void {
    const n = this.port.length * 2;
    const int = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const bigger = new Int32Array(n);
      bigger.set(old);
      return bigger;
    };
    const double = (old: Float64Array): Float64Array<ArrayBuffer> => {
      const bigger = new Float64Array(n);
      bigger.set(old);
      return bigger;
    };
    this.#macHi = int(this.#macHi);
    this.#macLo = int(this.#macLo);
    this.#next = int(this.#next);
    this.#previous = int(this.#previous);
    this.port = int(this.port);
    const flags = new Uint8Array(n);
    flags.set(this.flags);
    this.flags = flags;
    this.used = double(this.used);
    this.updated = double(this.updated);
  }
}
