// UDP: RFC 768. Checksum zero means none (IPv4); a computed zero is sent as 0xffff.
//
//    0        2        4        6        8
//   +--------+--------+--------+--------+-----
//   | source | destin | length |  sum   | data
//   +--------+--------+--------+--------+-----

export const UDP_HEADER = 8;
export const UDP_SOURCE = 0;
export const UDP_DESTINATION = 2;
export const UDP_LENGTH = 4;
export const UDP_CHECKSUM = 6;

// The same as constants of this module: V8 folds those into the packet path, exported ones it does not (link/frame.ts).
const HEADER = UDP_HEADER;
const SOURCE = UDP_SOURCE;
const DESTINATION = UDP_DESTINATION;
const LENGTH = UDP_LENGTH;
const CHECKSUM = UDP_CHECKSUM;

/** True when [at, end) holds a header whose length covers it and lies inside (end = end of the IP payload). */
export function checkUdp(view: DataView, at: number, end: number): boolean {
  if (end - at < HEADER) return false;
  const length = view.getUint16(at + LENGTH);
  return length >= HEADER && length <= end - at;
}

/** Writes the 8 header bytes. */
export function writeUdp(
  view: DataView,
  at: number,
  source: number,
  destination: number,
  length: number,
  checksum: number,
): void {
  view.setUint16(at + SOURCE, source);
  view.setUint16(at + DESTINATION, destination);
  view.setUint16(at + LENGTH, length);
  view.setUint16(at + CHECKSUM, checksum);
}
