// Open-addressing hash tables from integers to a 31-bit integer, for the packet path: no strings, no objects, no BigInt.
//
// IntTable   one 32-bit key  (an IPv4 address)
// PairTable  two 32-bit keys (a MAC as high 16 | low 32 bits; a pair of addresses)
//
// Linear probing, deletion by backward shift (no tombstones, so look-ups do not slow down with age), growth by doubling
// at 5/8 load. Iteration is not offered on purpose: slot order depends on history; whoever iterates keeps an
// insertion-ordered list beside the table. Values are >= 0; MISSING (-1) says "not there".

/** The same as MISSING below: V8 folds a module's own constants into loops, exported ones it reads (link/frame.ts). */
const EMPTY = -1;
export const MISSING = EMPTY;

function hash1(k: number): number {
  let x = Math.imul(k ^ (k >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}

function hash2(a: number, b: number): number {
  let x = Math.imul(a ^ (a >>> 15), 0x7feb352d) ^ b;
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}

export class IntTable {
  #keys: Int32Array;
  #values: Int32Array;
  #mask: number;
  size = 0;

  constructor(capacity = 16) {
    let n = 16;
    while (n * 5 < capacity * 8) n *= 2;
    this.#keys = new Int32Array(n);
    this.#values = new Int32Array(n).fill(EMPTY);
    this.#mask = n - 1;
  }

  get(key: number): number {
    const keys = this.#keys;
    const values = this.#values;
    const mask = this.#mask;
    const k = key | 0;
    let i = hash1(k) & mask;
    for (;;) {
      const v = values[i]!;
      if (v === EMPTY) return EMPTY;
      if (keys[i] === k) return v;
      i = (i + 1) & mask;
    }
  }

  set(key: number, value: number): void {
    const k = key | 0;
    let i = hash1(k) & this.#mask;
    while (this.#values[i] !== EMPTY) {
      if (this.#keys[i] === k) {
        this.#values[i] = value;
        return;
      }
      i = (i + 1) & this.#mask;
    }
    this.#keys[i] = k;
    this.#values[i] = value;
    this.size++;
    if (this.size * 8 > (this.#mask + 1) * 5) this.#grow();
  }

  delete(key: number): boolean {
    const k = key | 0;
    const mask = this.#mask;
    let i = hash1(k) & mask;
    for (;;) {
      if (this.#values[i] === EMPTY) return false;
      if (this.#keys[i] === k) break;
      i = (i + 1) & mask;
    }
    let hole = i;
    for (let j = (i + 1) & mask; this.#values[j] !== EMPTY; j = (j + 1) & mask) {
      const home = hash1(this.#keys[j]!) & mask;
      if (((j - home) & mask) >= ((j - hole) & mask)) {
        this.#keys[hole] = this.#keys[j]!;
        this.#values[hole] = this.#values[j]!;
        hole = j;
      }
    }
    this.#values[hole] = EMPTY;
    this.size--;
    return true;
  }

  clear(): void {
    this.#values.fill(EMPTY);
    this.size = 0;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    const n = keys.length * 2;
    this.#keys = new Int32Array(n);
    this.#values = new Int32Array(n).fill(EMPTY);
    this.#mask = n - 1;
    this.size = 0;
    for (let i = 0; i < values.length; i++) if (values[i] !== EMPTY) this.set(keys[i]!, values[i]!);
  }
}

export class PairTable {
  #a: Int32Array;
  #b: Int32Array;
  #values: Int32Array;
  #mask: number;
  size = 0;

  constructor(capacity = 16) {
    let n = 16;
    while (n * 5 < capacity * 8) n *= 2;
    this.#a = new Int32Array(n);
    this.#b = new Int32Array(n);
    this.#values = new Int32Array(n).fill(EMPTY);
    this.#mask = n - 1;
  }

  get(a: number, b: number): number {
    const ka = this.#a;
    const kb = this.#b;
    const values = this.#values;
    const mask = this.#mask;
    const x = a | 0;
    const y = b | 0;
    let i = hash2(x, y) & mask;
    for (;;) {
      const v = values[i]!;
      if (v === EMPTY) return EMPTY;
      if (ka[i] === x && kb[i] === y) return v;
      i = (i + 1) & mask;
    }
  }

  set(a: number, b: number, value: number): void {
    const x = a | 0;
    const y = b | 0;
    let i = hash2(x, y) & this.#mask;
    while (this.#values[i] !== EMPTY) {
      if (this.#a[i] === x && this.#b[i] === y) {
        this.#values[i] = value;
        return;
      }
      i = (i + 1) & this.#mask;
    }
    this.#a[i] = x;
    this.#b[i] = y;
    this.#values[i] = value;
    this.size++;
    if (this.size * 8 > (this.#mask + 1) * 5) this.#grow();
  }

  delete(a: number, b: number): boolean {
    const x = a | 0;
    const y = b | 0;
    const mask = this.#mask;
    let i = hash2(x, y) & mask;
    for (;;) {
      if (this.#values[i] === EMPTY) return false;
      if (this.#a[i] === x && this.#b[i] === y) break;
      i = (i + 1) & mask;
    }
    let hole = i;
    for (let j = (i + 1) & mask; this.#values[j] !== EMPTY; j = (j + 1) & mask) {
      const home = hash2(this.#a[j]!, this.#b[j]!) & mask;
      if (((j - home) & mask) >= ((j - hole) & mask)) {
        this.#a[hole] = this.#a[j]!;
        this.#b[hole] = this.#b[j]!;
        this.#values[hole] = this.#values[j]!;
        hole = j;
      }
    }
    this.#values[hole] = EMPTY;
    this.size--;
    return true;
  }

  clear(): void {
    this.#values.fill(EMPTY);
    this.size = 0;
  }

  #grow(): void {
    const a = this.#a;
    const b = this.#b;
    const values = this.#values;
    const n = a.length * 2;
    this.#a = new Int32Array(n);
    this.#b = new Int32Array(n);
    this.#values = new Int32Array(n).fill(EMPTY);
    this.#mask = n - 1;
    this.size = 0;
    for (let i = 0; i < values.length; i++) if (values[i] !== EMPTY) this.set(a[i]!, b[i]!, values[i]!);
  }
}
