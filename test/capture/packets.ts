// Frames for tests, bytes written by hand: UDP from pod to pod, plain and inside VXLAN on port 8472, checksums right.

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** RFC 1071 over bytes [from, to), byte pair by byte pair. */
function checksum(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at += 2) sum += word(bytes, at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

function ipv4(source: readonly number[], destination: readonly number[], payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(20 + payload.length);
  bytes.set([0x45, 0, bytes.length >> 8, bytes.length & 255, 0, 1, 0x40, 0, 64, 17, 0, 0, ...source, ...destination]);
  const sum = checksum(bytes, 0, 20);
  bytes[10] = sum >> 8;
  bytes[11] = sum & 255;
  bytes.set(payload, 20);
  return bytes;
}

/** Without a UDP checksum (0), as VXLAN over IPv4 is sent. */
function udp(source: number, destination: number, payload: Uint8Array): Uint8Array {
  const length = 8 + payload.length;
  const head = [source >> 8, source & 255, destination >> 8, destination & 255, length >> 8, length & 255, 0, 0];
  return Uint8Array.from([...head, ...payload]);
}

function ethernet(packet: Uint8Array): Uint8Array {
  return Uint8Array.from([2, 0, 0, 0, 10, 2, 2, 0, 0, 0, 10, 1, 8, 0, ...packet]);
}

export const POD_A = [10, 244, 1, 2] as const;
export const POD_B = [10, 244, 2, 3] as const;

/** To the discard port, 4 bytes of payload. */
export function podToPod(): Uint8Array {
  return ethernet(ipv4(POD_A, POD_B, udp(12345, 9, Uint8Array.from([0x70, 0x6f, 0x64, 0x21]))));
}

/** The same inside VXLAN, VNI 1, between 10.0.1.1 and 10.0.1.2. */
export function podToPodVxlan(): Uint8Array {
  const vxlan = Uint8Array.from([8, 0, 0, 0, 0, 0, 1, 0, ...podToPod()]);
  return ethernet(ipv4([10, 0, 1, 1], [10, 0, 1, 2], udp(40_000, 8472, vxlan)));
}
