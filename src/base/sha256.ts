// SHA-256 (FIPS 180-4) of a text's UTF-8 bytes, and the base32 of RFC 4648 s6: what kube-proxy names its chains with. Not for
// secrets and not for the packet path; the host's own hash is out of reach down here.

const WORDS = 16;
const ROUNDS = 64;
const BLOCK = 64;

/** First 32 bits of the fractional parts of the cube roots of the first 64 primes (s4.2.2). */
const K = new Int32Array(ROUNDS);
/** The same of the square roots of the first eight (s5.3.3). */
const START = new Int32Array(8);

function fraction(x: number): number {
  return Math.floor((x - Math.floor(x)) * 0x1_0000_0000) | 0;
}

for (let n = 2, count = 0; count < ROUNDS; n++) {
  let prime = true;
  for (let d = 2; d * d <= n && prime; d++) prime = n % d !== 0;
  if (!prime) continue;
  if (count < START.length) START[count] = fraction(Math.sqrt(n));
  K[count++] = fraction(Math.cbrt(n));
}

const schedule = new Int32Array(ROUNDS);

function rotate(x: number, n: number): number {
  return (x >>> n) | (x << (32 - n));
}

/** @returns 32 bytes */
export function sha256(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / BLOCK) * BLOCK);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor((bytes.length * 8) / 0x1_0000_0000));
  view.setUint32(padded.length - 4, (bytes.length * 8) >>> 0);
  const state = Int32Array.from(START);
  for (let at = 0; at < padded.length; at += BLOCK) block(state, view, at);
  const out = new Uint8Array(32);
  const result = new DataView(out.buffer);
  for (const [i, word] of state.entries()) result.setInt32(i * 4, word);
  return out;
}

/** s6.2.2 */
function block(state: Int32Array, view: DataView, at: number): void {
  const w = schedule;
  for (let t = 0; t < WORDS; t++) w[t] = view.getInt32(at + t * 4);
  for (let t = WORDS; t < ROUNDS; t++) {
    const x = w[t - 15]!;
    const y = w[t - 2]!;
    const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
    const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
    w[t] = (w[t - 16]! + s0 + w[t - 7]! + s1) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
  for (let t = 0; t < ROUNDS; t++) {
    const big1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + big1 + ((e & f) ^ (~e & g)) + K[t]! + w[t]!) | 0;
    const big0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const t2 = (big0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  [a, b, c, d, e, f, g, h].forEach((value, i) => {
    state[i] = (state[i]! + value) | 0;
  });
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 4648 s6, without padding. */
export function base32(bytes: Uint8Array): string {
  let out = '';
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    bits += 8;
    for (; bits >= 5; bits -= 5) out += BASE32[(held >>> (bits - 5)) & 31]!;
  }
  if (bits > 0) out += BASE32[(held << (5 - bits)) & 31]!;
  return out;
}
