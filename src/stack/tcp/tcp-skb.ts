// Segment records: what the kernel keeps of a sent or queued segment in struct sk_buff and TCP_SKB_CB (include/net/tcp.h).
// The bytes are not here: they lie in the socket's send ring, placed by sequence (tcp-send-ring.ts), so that splitting and
// joining records moves no data.
//
// A record stands for one or more segments of the wire (a super-segment: pcount segments of gsoSize bytes). Two queues hold
// them, both in the order of sequence numbers:
//
//    rtxQueue (tcp_rtx_queue)    sent, not yet acknowledged     sndUna .. sndNxt
//    writeQueue (sk_write_queue) not yet sent                   sndNxt .. writeSeq
//
// Limit: the send buffer (sk_wmem_queued) bounds how many records there are. Records are pooled, as an skb comes from a
// slab; the pool is the process's.

import { assert } from '../../base/assert.ts';
import { after, before } from './tcp-seq.ts';

/** TCP_SKB_CB(skb)->sacked */
export const Tcpcb = {
  SACKED_ACKED: 0x01,
  SACKED_RETRANS: 0x02,
  LOST: 0x04,
  /** SACKED_ACKED | SACKED_RETRANS | LOST */
  TAGBITS: 0x07,
  REPAIRED: 0x10,
  EVER_RETRANS: 0x80,
  /** EVER_RETRANS | SACKED_RETRANS | REPAIRED */
  RETRANS: 0x92,
} as const;

export class TcpSkb {
  seq = 0;
  /** behind the last byte; SYN and FIN count one each */
  endSeq = 0;
  /** TcpFlag bits of the segment (tcp_flags) */
  tcpFlags = 0;
  /** Tcpcb bits */
  sacked = 0;
  /** segments of the wire that it stands for (tcp_skb_pcount) */
  pcount = 1;
  /** payload of each but the last, 0 when there is one only (tcp_gso_size) */
  gsoSize = 0;
  /** bytes of payload (skb->len) */
  len = 0;
  /** end of a record: nothing is joined behind it */
  eor = false;
  /** skb->truesize, bytes of the send buffer it takes */
  truesize = 0;
  /** when it was last sent, ns of tcpWstampNs (skb_mstamp_ns); 0: never */
  mstampNs = 0;
  // What delivery-rate sampling remembers of the moment it was sent (TCP_SKB_CB(skb)->tx)
  isAppLimited = false;
  delivered = 0;
  deliveredCe = 0;
  inFlight = 0;
  /** microseconds */
  firstTxMstamp = 0;
  /** microseconds */
  deliveredMstamp = 0;
  /** neighbours in the queue of sequence order */
  next: TcpSkb | null = null;
  prev: TcpSkb | null = null;
  /** neighbours in tsortedSentQueue, the order of sending (tcp_tsorted_anchor) */
  tsortedNext: TcpSkb | null = null;
  tsortedPrev: TcpSkb | null = null;
  inTsorted = false;
  /** @internal back in the pool */
  freed = false;
}

const pool: TcpSkb[] = [];
/** Records kept for reuse; a choice. */
const POOL_MAX = 16_384;

export function allocSkb(): TcpSkb {
  const skb = pool.pop();
  if (skb === undefined) return new TcpSkb();
  skb.freed = false;
  return skb;
}

export function freeSkb(skb: TcpSkb): void {
  assert(!skb.freed, 'a segment record is freed once');
  skb.freed = true;
  skb.seq = 0;
  skb.endSeq = 0;
  skb.tcpFlags = 0;
  skb.sacked = 0;
  skb.pcount = 1;
  skb.gsoSize = 0;
  skb.len = 0;
  skb.eor = false;
  skb.truesize = 0;
  skb.mstampNs = 0;
  skb.isAppLimited = false;
  skb.delivered = 0;
  skb.deliveredCe = 0;
  skb.inFlight = 0;
  skb.firstTxMstamp = 0;
  skb.deliveredMstamp = 0;
  skb.next = null;
  skb.prev = null;
  skb.tsortedNext = null;
  skb.tsortedPrev = null;
  skb.inTsorted = false;
  if (pool.length < POOL_MAX) pool.push(skb);
}

/** The time a record was sent, microseconds (tcp_skb_timestamp_us). */
export function skbTimestampUs(skb: TcpSkb): number {
  return Math.floor(skb.mstampNs / 1000);
}

/**
 * Records in the order of their sequence numbers: linked, and beside it an array with a moving head, so that a sequence
 * number is found by bisection (the kernel has an rbtree) and both ends cost nothing.
 */
export class SkbQueue {
  #items: TcpSkb[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  get isEmpty(): boolean {
    return this.#items.length === this.#head;
  }

  first(): TcpSkb | null {
    return this.#items[this.#head] ?? null;
  }

  last(): TcpSkb | null {
    return this.isEmpty ? null : this.#items[this.#items.length - 1]!;
  }

  /** The record that holds `seq`, or the first behind it; null when all lie before it (tcp_sacktag_bsearch, tcp_sacktag_skip). */
  seek(seq: number): TcpSkb | null {
    const i = this.#indexOf(seq);
    return this.#items[i] ?? null;
  }

  /** Index of the first record whose end lies behind `seq`. */
  #indexOf(seq: number): number {
    let low = this.#head;
    let high = this.#items.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (after(this.#items[mid]!.endSeq, seq)) high = mid;
      else low = mid + 1;
    }
    return low;
  }

  push(skb: TcpSkb): void {
    const tail = this.last();
    skb.prev = tail;
    skb.next = null;
    if (tail !== null) tail.next = skb;
    this.#items.push(skb);
  }

  /** Puts a record in front of all. */
  unshift(skb: TcpSkb): void {
    const head = this.first();
    skb.next = head;
    skb.prev = null;
    if (head !== null) head.prev = skb;
    if (this.#head > 0) this.#items[--this.#head] = skb;
    else this.#items.unshift(skb);
  }

  insertAfter(skb: TcpSkb, at: TcpSkb): void {
    if (at.next === null) {
      this.push(skb);
      return;
    }
    const i = this.#position(at);
    skb.next = at.next;
    skb.prev = at;
    at.next.prev = skb;
    at.next = skb;
    this.#items.splice(i + 1, 0, skb);
  }

  remove(skb: TcpSkb): void {
    if (skb === this.first()) {
      this.#head++;
      // A choice: the dead part is cut off when it is long and at least half of all.
      if (this.#head >= 256 && this.#head * 2 >= this.#items.length) {
        this.#items.splice(0, this.#head);
        this.#head = 0;
      }
    } else if (skb === this.last()) this.#items.pop();
    else this.#items.splice(this.#position(skb), 1);
    if (this.isEmpty) {
      this.#items.length = 0;
      this.#head = 0;
    }
    if (skb.prev !== null) skb.prev.next = skb.next;
    if (skb.next !== null) skb.next.prev = skb.prev;
    skb.next = null;
    skb.prev = null;
  }

  #position(skb: TcpSkb): number {
    // Records with no sequence space of their own (none are queued) would not be found; an emptied one is looked up by eye.
    let low = this.#head;
    let high = this.#items.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (before(this.#items[mid]!.seq, skb.seq)) low = mid + 1;
      else high = mid;
    }
    while (low < this.#items.length && this.#items[low] !== skb) low++;
    assert(this.#items[low] === skb, 'a segment record is in its queue');
    return low;
  }

  /** Frees every record. */
  purge(): void {
    for (let skb = this.first(); skb !== null; ) {
      const next: TcpSkb | null = skb.next;
      freeSkb(skb);
      skb = next;
    }
    this.#items.length = 0;
    this.#head = 0;
  }
}

/** Records in the order in which they were last sent (tp->tsorted_sent_queue), for RACK. */
export class TsortedQueue {
  head: TcpSkb | null = null;
  tail: TcpSkb | null = null;

  /** list_add_tail */
  push(skb: TcpSkb): void {
    if (skb.inTsorted) this.remove(skb);
    skb.inTsorted = true;
    skb.tsortedPrev = this.tail;
    skb.tsortedNext = null;
    if (this.tail !== null) this.tail.tsortedNext = skb;
    else this.head = skb;
    this.tail = skb;
  }

  /** list_add behind `at` */
  insertAfter(skb: TcpSkb, at: TcpSkb): void {
    if (at.tsortedNext === null) {
      this.push(skb);
      return;
    }
    skb.inTsorted = true;
    skb.tsortedPrev = at;
    skb.tsortedNext = at.tsortedNext;
    at.tsortedNext.tsortedPrev = skb;
    at.tsortedNext = skb;
  }

  /** list_del_init */
  remove(skb: TcpSkb): void {
    if (!skb.inTsorted) return;
    skb.inTsorted = false;
    if (skb.tsortedPrev !== null) skb.tsortedPrev.tsortedNext = skb.tsortedNext;
    else this.head = skb.tsortedNext;
    if (skb.tsortedNext !== null) skb.tsortedNext.tsortedPrev = skb.tsortedPrev;
    else this.tail = skb.tsortedPrev;
    skb.tsortedPrev = null;
    skb.tsortedNext = null;
  }

  clear(): void {
    this.head = null;
    this.tail = null;
  }
}
