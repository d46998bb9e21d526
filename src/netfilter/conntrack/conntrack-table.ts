// The entries of conntrack: found by either tuple (tuple-table.ts), and listed in the order in which they were confirmed.
// Whether an entry still counts (time-outs, events) is the business of conntrack.ts.
//
// A tuple leads to entry number * 2 + direction. Limit: the caller's (nf_conntrack_max).

import type { Ipv4 } from '../../addr/ipv4.ts';
import { CtStatus, type NfConn } from './nf-conn.ts';
import { TupleTable } from './tuple-table.ts';

export class ConntrackTable {
  readonly #tuples = new TupleTable();
  readonly #entries: (NfConn | null)[] = [];
  readonly #free: number[] = [];
  #first: NfConn | null = null;
  #last: NfConn | null = null;
  count = 0;

  /** Entry number * 2 + direction, -1 when there is none. */
  get(source: Ipv4, destination: Ipv4, ports: number, protocol: number, zone: number): number {
    return this.#tuples.get(source, destination, ports, (zone << 8) | protocol);
  }

  entry(value: number): NfConn {
    return this.#entries[value >> 1]!;
  }

  /** Entries that stand in the first `slots` places from where the tuple belongs (early_drop). */
  near(source: Ipv4, destination: Ipv4, ports: number, protocol: number, slots: number): NfConn[] {
    const values = this.#tuples.near(source, destination, ports, protocol, slots);
    return values.map((value) => this.entry(value));
  }

  /** Places of the hash table. */
  get capacity(): number {
    return this.#tuples.capacity;
  }

  add(ct: NfConn): void {
    const slot = this.#free.pop() ?? this.#entries.length;
    this.#entries[slot] = ct;
    ct.slot = slot;
    // A clash entry of nf_ct_resolve_clash_harder() is found by answers only.
    if ((ct.status & CtStatus.NAT_CLASH) === 0) {
      this.#tuples.set(ct.oSrc, ct.oDst, (ct.oSport << 16) | ct.oDport, (ct.oZone << 8) | ct.proto, slot * 2);
    }
    this.#tuples.set(ct.rSrc, ct.rDst, (ct.rSport << 16) | ct.rDport, (ct.rZone << 8) | ct.proto, slot * 2 + 1);
    ct.previous = this.#last;
    if (this.#last === null) this.#first = ct;
    else this.#last.next = ct;
    this.#last = ct;
    this.count++;
  }

  /** False when it is not in the table. */
  remove(ct: NfConn): boolean {
    if (ct.slot < 0) return false;
    if ((ct.status & CtStatus.NAT_CLASH) === 0) {
      this.#tuples.delete(ct.oSrc, ct.oDst, (ct.oSport << 16) | ct.oDport, (ct.oZone << 8) | ct.proto);
    }
    this.#tuples.delete(ct.rSrc, ct.rDst, (ct.rSport << 16) | ct.rDport, (ct.rZone << 8) | ct.proto);
    this.#entries[ct.slot] = null;
    this.#free.push(ct.slot);
    ct.slot = -1;
    if (ct.previous === null) this.#first = ct.next;
    else ct.previous.next = ct.next;
    if (ct.next === null) this.#last = ct.previous;
    else ct.next.previous = ct.previous;
    ct.previous = null;
    ct.next = null;
    this.count--;
    return true;
  }

  /** Gives the entry another reply tuple, wherever it stands. */
  alterReply(ct: NfConn, source: Ipv4, sourcePort: number, destination: Ipv4, destinationPort: number): void {
    const tag = (ct.rZone << 8) | ct.proto;
    if (ct.slot >= 0) this.#tuples.delete(ct.rSrc, ct.rDst, (ct.rSport << 16) | ct.rDport, tag);
    ct.rSrc = source;
    ct.rSport = sourcePort;
    ct.rDst = destination;
    ct.rDport = destinationPort;
    if (ct.slot >= 0) {
      this.#tuples.set(source, destination, (sourcePort << 16) | destinationPort, tag, ct.slot * 2 + 1);
    }
  }

  /** All entries, oldest first; the one that was given last may be removed meanwhile. */
  *entries(): IterableIterator<NfConn> {
    for (let ct = this.#first; ct !== null; ) {
      const next: NfConn | null = ct.next;
      yield ct;
      ct = next;
    }
  }
}
