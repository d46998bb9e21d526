// The hash table of tuples (nf_conntrack_hash): from addresses, ports, protocol and zone to a number. Open addressing as in
// base/int-table.ts, with keys of four 32-bit integers; one look-up for each packet, no object and no string.
//
// key    source | destination | source port << 16 | destination port | zone << 8 | protocol
// value  0 or more, the caller's; -1 is "not there"
//
// Limit: the caller's (nf_conntrack_max entries, two tuples each).

const EMPTY = -1;
/** Integers of a key. */
const STRIDE = 4;

function hashTuple(source: number, destination: number, ports: number, tag: number): number {
  let x = Math.imul(source ^ (source >>> 15), 0x7feb352d) ^ destination;
  x = Math.imul(x ^ (x >>> 16), 0x846ca68b) ^ ports;
  x = Math.imul(x ^ (x >>> 15), 0x7feb352d) ^ tag;
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}

export class TupleTable {
  #keys = new Int32Array(16 * STRIDE);
  #values = new Int32Array(16).fill(EMPTY);
  #mask = 15;
  size = 0;

  get(source: number, destination: number, ports: number, tag: number): number {
    const values = this.#values;
    const slot = this.#slot(source, destination, ports, tag);
    return values[slot]!;
  }

  /** The slot that holds the key, or the empty one where it would stand. */
  #slot(source: number, destination: number, ports: number, tag: number): number {
    const keys = this.#keys;
    const values = this.#values;
    const mask = this.#mask;
    let i = hashTuple(source, destination, ports, tag) & mask;
    while (values[i] !== EMPTY) {
      const k = i * STRIDE;
      if (keys[k] === source && keys[k + 1] === destination && keys[k + 2] === ports && keys[k + 3] === tag) return i;
      i = (i + 1) & mask;
    }
    return i;
  }

  set(source: number, destination: number, ports: number, tag: number, value: number): void {
    const i = this.#slot(source, destination, ports, tag);
    if (this.#values[i] === EMPTY) {
      const k = i * STRIDE;
      this.#keys[k] = source;
      this.#keys[k + 1] = destination;
      this.#keys[k + 2] = ports;
      this.#keys[k + 3] = tag;
      this.size++;
    }
    this.#values[i] = value;
    if (this.size * 8 > (this.#mask + 1) * 5) this.#grow();
  }

  delete(source: number, destination: number, ports: number, tag: number): boolean {
    let hole = this.#slot(source, destination, ports, tag);
    const values = this.#values;
    const keys = this.#keys;
    const mask = this.#mask;
    if (values[hole] === EMPTY) return false;
    for (let j = (hole + 1) & mask; values[j] !== EMPTY; j = (j + 1) & mask) {
      const k = j * STRIDE;
      const home = hashTuple(keys[k]!, keys[k + 1]!, keys[k + 2]!, keys[k + 3]!) & mask;
      if (((j - home) & mask) >= ((j - hole) & mask)) {
        keys.copyWithin(hole * STRIDE, k, k + STRIDE);
        values[hole] = values[j]!;
        hole = j;
      }
    }
    values[hole] = EMPTY;
    this.size--;
    return true;
  }

  /** Up to `count` values from the slots that begin where the key belongs: what early_drop looks through. */
  near(source: number, destination: number, ports: number, tag: number, count: number): number[] {
    const mask = this.#mask;
    const first = hashTuple(source, destination, ports, tag) & mask;
    const found: number[] = [];
    for (let i = 0; i < Math.min(count, mask + 1); i++) {
      const value = this.#values[(first + i) & mask]!;
      if (value !== EMPTY) found.push(value);
    }
    return found;
  }

  get capacity(): number {
    return this.#mask + 1;
  }

  clear(): void {
    this.#values.fill(EMPTY);
    this.size = 0;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    const n = values.length * 2;
    this.#keys = new Int32Array(n * STRIDE);
    this.#values = new Int32Array(n).fill(EMPTY);
    this.#mask = n - 1;
    this.size = 0;
    for (let i = 0; i < values.length; i++) {
      const k = i * STRIDE;
      if (values[i] !== EMPTY) this.set(keys[k]!, keys[k + 1]!, keys[k + 2]!, keys[k + 3]!, values[i]!);
    }
  }
}
