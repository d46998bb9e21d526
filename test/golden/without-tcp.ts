// Takes the TCP out of a pcapng file, block by block: packets whose innermost IPv4 is TCP, and ICMP errors that quote it.
// Everything else is copied as it stands. For golden cases of which only the other protocols are held against the kernel.

const ENHANCED_PACKET = 6;

function innermostIsTcp(f: Uint8Array): boolean {
  let at = 0;
  for (;;) {
    if (f.length < at + 34 || f[at + 12] !== 8 || f[at + 13] !== 0) return false;
    const ip = at + 14;
    const protocol = f[ip + 9]!;
    const body = ip + (f[ip]! & 15) * 4;
    if (protocol === 6) return true;
    if (protocol === 1 && (f[body] === 3 || f[body] === 11) && f.length > body + 17) return f[body + 8 + 9] === 6;
    const port = protocol === 17 && f.length > body + 4 ? f[body + 2]! * 256 + f[body + 3]! : 0;
    if (port !== 4789 && port !== 8472) return false;
    at = body + 16;
  }
}

/** @returns the file without those packets */
export function withoutTcp(file: Uint8Array): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const kept: Uint8Array[] = [];
  let little = true;
  for (let at = 0; at + 12 <= file.length; ) {
    if (view.getUint32(at) === 0x0a0d0d0a) little = view.getUint32(at + 8, true) === 0x1a2b3c4d;
    const type = view.getUint32(at, little);
    const length = view.getUint32(at + 4, little);
    if (length < 12 || at + length > file.length) break;
    const captured = type === ENHANCED_PACKET ? view.getUint32(at + 20, little) : 0;
    if (type !== ENHANCED_PACKET || !innermostIsTcp(file.subarray(at + 28, at + 28 + captured))) {
      kept.push(file.subarray(at, at + length));
    }
    at += length;
  }
  return Buffer.concat(kept);
}
