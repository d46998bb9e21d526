// Seeded random streams. The emulated world never calls Math.random: each consumer (one cable direction, one neighbour
// table, one id generator) owns a stream that is derived from the world's seed and the consumer's name, so adding a
// consumer does not shift what the others draw.
//
// Generator: sfc32 (Chris Doty-Humphrey's small fast counter, 128 bits of state, public domain), seeded by a 32-bit
// avalanche hash over seed and name.

function mix(h: number): number {
  let x = h | 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) | 0;
}

/** 32-bit hash of a text, the same on every platform. */
export function hashText(text: string, seed = 0): number {
  let h = mix(seed ^ 0x9e3779b9);
  for (let i = 0; i < text.length; i++) h = mix(h ^ Math.imul(text.charCodeAt(i) + 1, 0x85ebca6b));
  return h;
}

export class Rng {
  readonly name: string;
  readonly #seed: number;
  #a: number;
  #b: number;
  #c: number;
  #d = 1;

  /** @param seed any integer; its low 53 bits count */
  constructor(seed: number, name: string) {
    this.name = name;
    this.#seed = seed;
    const low = seed | 0;
    const high = Math.floor(seed / 0x1_0000_0000) | 0;
    this.#a = hashText(name, low);
    this.#b = hashText(name, high ^ 0x5bf03635);
    this.#c = mix(low ^ high);
    for (let i = 0; i < 12; i++) this.u32();
  }

  /** A stream of its own for a named part of this one. */
  fork(name: string): Rng {
    return new Rng(this.#seed, `${this.name}/${name}`);
  }

  /** Next 32 bits, 0 .. 2^32-1. */
  u32(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11) | 0;
    this.#c = (this.#c + t) | 0;
    return t >>> 0;
  }

  /** Integer in 0 .. n-1, n up to 2^32, without modulo bias that matters (multiply-shift). */
  below(n: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * n);
  }

  /** Real in [0, 1). */
  unit(): number {
    return this.u32() / 0x1_0000_0000;
  }

  /** True with probability p; draws nothing for p = 0 so that an unused fault does not shift the stream. */
  chance(p: number): boolean {
    return p > 0 && this.unit() < p;
  }
}
