// Bob Jenkins' hash over 32-bit words, as the kernel has it (include/linux/jhash.h jhash2; lookup3, public domain).

/** JHASH_INITVAL */
const INITIAL = 0xdeadbeef;

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

/** @returns 32 bits, unsigned */
export function jhash2(words: Uint32Array, seed: number): number {
  let length = words.length;
  let a = (INITIAL + (length << 2) + seed) | 0;
  let b = a;
  let c = a;
  let k = 0;
  for (; length > 3; length -= 3, k += 3) {
    a = (a + words[k]!) | 0;
    b = (b + words[k + 1]!) | 0;
    c = (c + words[k + 2]!) | 0;
    a = ((a - c) ^ rotate(c, 4)) | 0;
    c = (c + b) | 0;
    b = ((b - a) ^ rotate(a, 6)) | 0;
    a = (a + c) | 0;
    c = ((c - b) ^ rotate(b, 8)) | 0;
    b = (b + a) | 0;
    a = ((a - c) ^ rotate(c, 16)) | 0;
    c = (c + b) | 0;
    b = ((b - a) ^ rotate(a, 19)) | 0;
    a = (a + c) | 0;
    c = ((c - b) ^ rotate(b, 4)) | 0;
    b = (b + a) | 0;
  }
  if (length === 0) return c >>> 0;
  if (length > 2) c = (c + words[k + 2]!) | 0;
  if (length > 1) b = (b + words[k + 1]!) | 0;
  a = (a + words[k]!) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
  return c >>> 0;
}
