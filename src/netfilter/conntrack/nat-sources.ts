// NAT's index by original source (nf_nat_core.c nf_nat_bysource): from address, port and protocol to the connections that
// began there, newest first. A source that is mapped already keeps its mapping for other destinations, so that a peer sees
// one address and port (find_appropriate_src). Limit: the connections of the table.

import type { Ipv4 } from '../../addr/ipv4.ts';
import { MISSING, PairTable } from '../../base/int-table.ts';
import type { NfConn } from './nf-conn.ts';

export class NatSources {
  readonly #index = new PairTable();
  readonly #heads: (NfConn | null)[] = [];
  readonly #free: number[] = [];

  add(ct: NfConn): void {
    if (ct.inBySource) return;
    const tag = tagOf(ct.oSport, ct.proto);
    let slot = this.#index.get(ct.oSrc, tag);
    if (slot === MISSING) {
      slot = this.#free.pop() ?? this.#heads.length;
      this.#heads[slot] = null;
      this.#index.set(ct.oSrc, tag, slot);
    }
    ct.nextBySource = this.#heads[slot]!;
    this.#heads[slot] = ct;
    ct.inBySource = true;
  }

  remove(ct: NfConn): void {
    if (!ct.inBySource) return;
    ct.inBySource = false;
    const tag = tagOf(ct.oSport, ct.proto);
    const slot = this.#index.get(ct.oSrc, tag);
    if (this.#heads[slot] === ct) {
      this.#heads[slot] = ct.nextBySource;
      if (ct.nextBySource === null) {
        this.#index.delete(ct.oSrc, tag);
        this.#free.push(slot);
      }
    } else {
      for (let at = this.#heads[slot]!; at !== null; at = at.nextBySource!) {
        if (at.nextBySource === ct) {
          at.nextBySource = ct.nextBySource;
          break;
        }
      }
    }
    ct.nextBySource = null;
  }

  /** The newest connection from this source, null when there is none; the others follow by nextBySource. */
  first(source: Ipv4, port: number, protocol: number): NfConn | null {
    const slot = this.#index.get(source, tagOf(port, protocol));
    return slot === MISSING ? null : this.#heads[slot]!;
  }
}

function tagOf(port: number, protocol: number): number {
  return (port << 8) | protocol;
}
