// Builds capture files byte by byte, in either byte order, for the reader's tests: written straight from the format
// descriptions and without the code that is tested.

export class Endian {
  static readonly LITTLE = new Endian(true);
  static readonly BIG = new Endian(false);
  readonly little: boolean;
  constructor(little: boolean) {
    this.little = little;
  }
  u16(value: number): Uint8Array {
    const view = new DataView(new ArrayBuffer(2));
    view.setUint16(0, value, this.little);
    return new Uint8Array(view.buffer);
  }
  u32(value: number): Uint8Array {
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, value, this.little);
    return new Uint8Array(view.buffer);
  }
  u64(value: bigint): Uint8Array {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, value, this.little);
    return new Uint8Array(view.buffer);
  }
}

export function bytesOf(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function pad(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4);
}

export function block(endian: Endian, type: number, body: Uint8Array): Uint8Array {
  const total = endian.u32(body.length + 12);
  return bytesOf(endian.u32(type), total, body, total);
}

export function shb(endian: Endian): Uint8Array {
  const body = bytesOf(endian.u32(0x1a2b3c4d), endian.u16(1), endian.u16(0), endian.u64(0xffffffffffffffffn));
  return block(endian, 0x0a0d0d0a, body);
}

export function option(endian: Endian, code: number, value: Uint8Array | string): Uint8Array {
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  return bytesOf(endian.u16(code), endian.u16(bytes.length), bytes, pad(bytes.length));
}

export function idb(endian: Endian, linkType: number, snapLength: number, ...options: Uint8Array[]): Uint8Array {
  return block(endian, 1, bytesOf(endian.u16(linkType), endian.u16(0), endian.u32(snapLength), ...options));
}

export function epb(
  endian: Endian,
  packet: { id: number; ticks: bigint; length: number; bytes: Uint8Array },
  ...options: Uint8Array[]
): Uint8Array {
  const { id, ticks, length, bytes } = packet;
  return block(
    endian,
    6,
    bytesOf(
      ...[id, Number(ticks >> 32n), Number(ticks & 0xffffffffn), bytes.length, length].map((n) => endian.u32(n)),
      bytes,
      pad(bytes.length),
      ...options,
    ),
  );
}

export interface PcapRecord {
  seconds: number;
  fraction: number;
  length: number;
  bytes: Uint8Array;
  /** captured length when it is to be a lie */
  captured?: number;
}

export function pcapFile(
  endian: Endian,
  magic: number,
  records: readonly PcapRecord[],
  snapLength = 65_535,
): Uint8Array {
  const { u16, u32 } = { u16: endian.u16.bind(endian), u32: endian.u32.bind(endian) };
  return bytesOf(
    ...[u32(magic), u16(2), u16(4), u32(0), u32(0), u32(snapLength), u32(1)],
    ...records.flatMap((r) => [
      u32(r.seconds),
      u32(r.fraction),
      u32(r.captured ?? r.bytes.length),
      u32(r.length),
      r.bytes,
    ]),
  );
}
