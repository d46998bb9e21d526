// Frames made from a seeded stream: every layer that we take apart, in sound and in broken forms.

import type { Rng } from '../../src/base/rng.ts';
import { finish, finishUdp, sum } from '../../src/wire/checksum.ts';

export interface GeneratedFrame {
  readonly bytes: Uint8Array;
  /** bytes on the wire; more than bytes.length when cut */
  readonly length: number;
}

/** One frame; some are cut, some have bytes changed, most are sound. */
export function generateFrame(rng: Rng): GeneratedFrame {
  let bytes = ethernet(rng, 3);
  if (rng.chance(0.1)) bytes = concat(bytes, random(rng, rng.below(30)));
  if (rng.chance(0.3) && bytes.length < 60) bytes = concat(bytes, new Uint8Array(60 - bytes.length));
  if (rng.chance(0.25)) {
    for (let n = 1 + rng.below(3); n > 0; n--) bytes[rng.below(Math.min(bytes.length, 90))] = rng.below(256);
  }
  if (rng.chance(0.1)) bytes = bytes.slice(0, rng.below(bytes.length));
  if (rng.chance(0.1)) return { bytes: bytes.slice(0, 1 + rng.below(bytes.length)), length: Math.max(1, bytes.length) };
  return { bytes, length: bytes.length };
}

function ethernet(rng: Rng, depth: number): Uint8Array {
  const head = random(rng, 12);
  head[0]! &= 0xfe;
  const kind = rng.below(10);
  if (kind === 0) {
    const payload = llc(rng, depth);
    return concat(head, u16(payload.length + (rng.chance(0.1) ? rng.below(20) : 0)), payload);
  }
  const parts: Uint8Array[] = [head];
  for (let tags = rng.chance(0.3) ? 1 + rng.below(3) : 0; tags > 0; tags--) {
    parts.push(u16(rng.chance(0.3) ? 0x88a8 : 0x8100), u16(rng.below(65536)));
  }
  if (kind === 1) parts.push(u16(rng.chance(0.5) ? 0x88b5 : 1501 + rng.below(40)), random(rng, rng.below(60)));
  else if (kind <= 3) parts.push(u16(0x0806), arp(rng));
  else if (kind <= 5) parts.push(u16(0x86dd), ipv6(rng, depth));
  else parts.push(u16(0x0800), ipv4(rng, depth));
  return concat(...parts);
}

function llc(rng: Rng, depth: number): Uint8Array {
  if (rng.chance(0.5)) return concat(Uint8Array.of(0x42, 0x42, 3), random(rng, rng.below(50)));
  return concat(Uint8Array.of(0xaa, 0xaa, 3, 0, 0, 0), u16(0x0800), ipv4(rng, depth));
}

function arp(rng: Rng): Uint8Array {
  const plain = rng.chance(0.7);
  const hardware = plain ? 6 : rng.below(9);
  const protocol = plain ? 4 : rng.below(7);
  return concat(
    // Hardware types without an address form of their own in tshark.
    u16(plain ? 1 : [1, 6, 7, 15][rng.below(4)]!),
    u16(plain ? 0x0800 : rng.chance(0.5) ? 0x0800 : 0x0805),
    Uint8Array.of(hardware, protocol),
    u16(1 + rng.below(2)),
    random(rng, 2 * (hardware + protocol)),
  );
}

function ipv4(rng: Rng, depth: number): Uint8Array {
  const source = random(rng, 4);
  const destination = random(rng, 4);
  // Neither multicast nor loopback: tshark has opinions about those that are not about bytes.
  source[0] = 10;
  destination[0] = 10;
  const pick = rng.below(14);
  const protocol = pick < 4 ? 17 : pick < 8 ? 1 : pick < 11 ? 6 : pick < 12 ? 4 : pick < 13 ? 2 : 253;
  const options = rng.chance(0.2) ? ipOptions(rng) : new Uint8Array(0);
  const payload =
    protocol === 17
      ? udp(rng, depth, source, destination)
      : protocol === 2
        ? igmp(rng)
        : protocol === 6
          ? tcp(rng, source, destination)
          : protocol === 1
            ? icmp(rng, depth)
            : protocol === 4 && depth > 0
              ? ipv4(rng, depth - 1)
              : random(rng, rng.below(40));
  const header = new Uint8Array(20 + options.length);
  const view = new DataView(header.buffer);
  view.setUint8(0, 0x40 | (header.length / 4));
  view.setUint8(1, rng.below(256));
  view.setUint16(2, rng.chance(0.03) ? 0 : header.length + payload.length);
  view.setUint16(4, rng.below(65536));
  view.setUint16(6, rng.chance(0.8) ? 0x4000 * rng.below(4) : rng.below(65536));
  view.setUint8(8, 5 + rng.below(250));
  view.setUint8(9, protocol);
  header.set(source, 12);
  header.set(destination, 16);
  header.set(options, 20);
  view.setUint16(10, finish(sum(view, 0, header.length)));
  return concat(header, payload);
}

/** Documentation addresses: others have forms of their own in tshark, which are not about bytes. */
function ipv6Address(rng: Rng): Uint8Array {
  const address = random(rng, 16);
  address.set([0x20, 0x01, 0x0d, 0xb8]);
  for (let i = 4; i < 16; i += 2) if (rng.chance(0.5)) address[i] = address[i + 1] = 0;
  return address;
}

function ipv6(rng: Rng, depth: number): Uint8Array {
  const source = ipv6Address(rng);
  const destination = ipv6Address(rng);
  const protocol = [17, 17, 17, 6, 6, 59, 4, 253][rng.below(8)]!;
  const upper =
    protocol === 17
      ? udp(rng, depth, source, destination)
      : protocol === 6
        ? tcp(rng, source, destination)
        : protocol === 4 && depth > 0
          ? ipv4(rng, depth - 1)
          : random(rng, 1 + rng.below(40));
  let next = protocol;
  let payload = upper;
  for (let n = rng.chance(0.4) ? 1 + rng.below(3) : 0; n > 0; n--) {
    const kind = [0, 43, 44, 60][rng.below(4)]!;
    payload = concat(Uint8Array.of(next), extension(rng, kind), payload);
    next = kind;
  }
  return concat(
    u16(0x6000 + rng.below(4096)),
    u16(rng.below(65536)),
    u16(rng.chance(0.02) ? 0 : payload.length + (rng.chance(0.03) ? rng.below(9) : 0)),
    Uint8Array.of(next, 1 + rng.below(255)),
    source,
    destination,
    payload,
  );
}

/** An extension header without its first byte. */
function extension(rng: Rng, kind: number): Uint8Array {
  if (kind === 44)
    return concat(Uint8Array.of(0), u16(rng.chance(0.7) ? rng.below(2) : rng.below(65536)), random(rng, 4));
  if (kind === 43) {
    // Type 0 with its addresses visited: pseudo-headers keep the destination.
    const addresses = 1 + rng.below(2);
    return concat(
      Uint8Array.of(2 * addresses, 0, 0, 0, 0, 0, 0),
      ...Array.from({ length: addresses }, () => ipv6Address(rng)),
    );
  }
  const parts: Uint8Array[] = [];
  for (let n = rng.below(3); n > 0; n--) {
    const pick = rng.below(4);
    if (pick === 0) parts.push(Uint8Array.of(0));
    else if (pick === 1) parts.push(concat(Uint8Array.of(1, 3), new Uint8Array(3)));
    else if (pick === 2) parts.push(concat(Uint8Array.of(5, rng.chance(0.9) ? 2 : rng.below(8)), random(rng, 2)));
    else parts.push(concat(Uint8Array.of(0x1e, rng.chance(0.9) ? 4 : rng.below(12)), random(rng, 4)));
  }
  const options = concat(...parts);
  const padded = new Uint8Array(6 + 8 * Math.ceil(Math.max(0, options.length - 6) / 8));
  padded.set(options);
  return concat(Uint8Array.of((padded.length + 2) / 8 - 1), padded);
}

function ipOptions(rng: Rng): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let n = 1 + rng.below(3); n > 0; n--) {
    const kind = rng.below(8);
    if (kind === 0) parts.push(Uint8Array.of(1));
    else if (kind === 1) parts.push(concat(Uint8Array.of(148, 4), random(rng, 2)));
    else if (kind <= 4) {
      const hops = 1 + rng.below(3);
      const type = [7, 131, 137][kind - 2]!;
      parts.push(concat(Uint8Array.of(type, 3 + 4 * hops, 4 + rng.below(4 * hops + 6)), random(rng, 4 * hops)));
    } else if (kind === 5) {
      const flag = rng.below(4);
      const size = flag === 1 || flag === 3 ? 8 : 4;
      parts.push(concat(Uint8Array.of(68, 4 + size, 5 + rng.below(size + 1), flag), random(rng, size)));
    } else if (kind === 6) parts.push(concat(Uint8Array.of(0x5e, 4), random(rng, 2)));
    else parts.push(Uint8Array.of(0x9e, rng.below(12)));
  }
  const all = concat(...parts).slice(0, 40);
  return concat(all, new Uint8Array((4 - (all.length % 4)) % 4));
}

function igmp(rng: Rng): Uint8Array {
  const type = [0x11, 0x12, 0x16, 0x17, 0x22][rng.below(5)]!;
  const sources = (): Uint8Array => {
    const count = rng.below(3);
    return concat(u16(count), random(rng, 4 * count));
  };
  const body: Uint8Array[] = [];
  if (type === 0x22) {
    const records = rng.below(3);
    body.push(u16(0), u16(records));
    for (let i = 0; i < records; i++) {
      const list = sources();
      const auxiliary = rng.chance(0.2) ? 1 : 0;
      body.push(Uint8Array.of(1 + rng.below(6), auxiliary), list.slice(0, 2), random(rng, 4), list.slice(2));
      body.push(random(rng, 4 * auxiliary));
    }
  } else {
    body.push(random(rng, 4));
    if (type === 0x11 && rng.chance(0.5)) body.push(random(rng, 2), sources());
  }
  const bytes = concat(Uint8Array.of(type, rng.chance(0.5) ? 0 : rng.below(256), 0, 0), ...body);
  const view = new DataView(bytes.buffer);
  view.setUint16(2, finish(sum(view, 0, bytes.length)));
  return bytes;
}

function icmp(rng: Rng, depth: number): Uint8Array {
  const type = rng.chance(0.6) ? [0, 3, 4, 5, 8, 11, 12][rng.below(7)]! : rng.below(44);
  const code = rng.below(rng.chance(0.9) ? 16 : 256);
  const rest = rng.chance(0.5) ? new Uint8Array(4) : random(rng, 4);
  const quotes = [3, 4, 5, 11, 12].includes(type);
  // RFC 4884 puts a length there and extensions behind the quote; Linux sends neither.
  if (quotes && type !== 5) rest[0] = rest[1] = 0;
  const quote = quotes && depth > 0 ? ipv4(rng, depth - 1) : random(rng, rng.below(40));
  const cut = quotes && rng.chance(0.7) ? quote.slice(0, Math.min(quote.length, 28 + rng.below(100))) : quote;
  const bytes = concat(Uint8Array.of(type, code, 0, 0), rest, cut);
  const view = new DataView(bytes.buffer);
  view.setUint16(2, finish(sum(view, 0, bytes.length)));
  return bytes;
}

function tcp(rng: Rng, source: Uint8Array, destination: Uint8Array): Uint8Array {
  const options = rng.chance(0.6) ? tcpOptions(rng) : new Uint8Array(0);
  const header = 20 + options.length;
  const bytes = concat(
    u16(50_000 + rng.below(10_000)),
    u16(40_000 + rng.below(5_000)),
    random(rng, 8),
    u16((header / 4) * 4096 + (rng.chance(0.5) ? rng.below(4096) : rng.below(64))),
    random(rng, 2),
    u16(0),
    rng.chance(0.8) ? u16(0) : random(rng, 2),
    options,
    rng.chance(0.5) ? random(rng, rng.below(64)) : new Uint8Array(0),
  );
  const view = new DataView(bytes.buffer);
  view.setUint16(
    16,
    finish(addressSum(source) + addressSum(destination) + 6 + bytes.length + sum(view, 0, bytes.length)),
  );
  return bytes;
}

function addressSum(address: Uint8Array): number {
  return sum(new DataView(address.buffer, address.byteOffset), 0, address.length);
}

function tcpOptions(rng: Rng): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let n = 1 + rng.below(5); n > 0; n--) {
    const kind = rng.below(9);
    const sound = rng.chance(0.9);
    const length = (right: number): number => (sound ? right : rng.below(12));
    if (kind === 0) parts.push(Uint8Array.of(1));
    else if (kind === 1) parts.push(concat(Uint8Array.of(2, length(4)), random(rng, 2)));
    else if (kind === 2) parts.push(Uint8Array.of(3, length(3), rng.below(rng.chance(0.8) ? 15 : 256)));
    else if (kind === 3) parts.push(Uint8Array.of(4, length(2)));
    else if (kind <= 5) {
      const blocks = rng.below(4);
      parts.push(concat(Uint8Array.of(5, length(2 + 8 * blocks)), random(rng, 8 * blocks)));
    } else if (kind <= 7) parts.push(concat(Uint8Array.of(8, length(10)), random(rng, 8)));
    else parts.push(concat(Uint8Array.of(200 + rng.below(40), length(4)), random(rng, 2)));
  }
  const all = concat(...parts).slice(0, 40);
  return concat(all, new Uint8Array((4 - (all.length % 4)) % 4));
}

function udp(rng: Rng, depth: number, source: Uint8Array, destination: Uint8Array): Uint8Array {
  const tunnel = depth > 0 && rng.chance(0.4);
  const payload = tunnel ? vxlan(rng, depth - 1) : random(rng, rng.below(64));
  const bytes = concat(
    u16(50_000 + rng.below(10_000)),
    u16(tunnel ? (rng.chance(0.5) ? 4789 : 8472) : 40_000 + rng.below(5_000)),
    u16(8 + payload.length),
    u16(0),
    payload,
  );
  const view = new DataView(bytes.buffer);
  // Over IPv6 a datagram must have one.
  if (rng.chance(source.length === 16 ? 0.95 : 0.5)) {
    const total = addressSum(source) + addressSum(destination) + 17 + bytes.length + sum(view, 0, bytes.length);
    view.setUint16(6, finishUdp(total));
  }
  return bytes;
}

function vxlan(rng: Rng, depth: number): Uint8Array {
  const flags = rng.chance(0.8) ? Uint8Array.of(8, 0, 0, 0) : random(rng, 4);
  return concat(
    flags,
    random(rng, 3),
    Uint8Array.of(rng.chance(0.8) ? 0 : rng.below(256)),
    padded(rng, ethernet(rng, depth)),
  );
}

/** Inner frames are padded by who made them, to the minimum or to something else. */
function padded(rng: Rng, frame: Uint8Array): Uint8Array {
  return rng.chance(0.3)
    ? concat(frame, new Uint8Array(rng.chance(0.5) ? Math.max(0, 60 - frame.length) : rng.below(30)))
    : frame;
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 255);
}

function random(rng: Rng, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => rng.below(256));
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** A classic nanosecond pcap file of Ethernet frames. */
export function pcapFile(frames: readonly GeneratedFrame[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const header = new DataView(new ArrayBuffer(24));
  header.setUint32(0, 0xa1b23c4d, true);
  header.setUint16(4, 2, true);
  header.setUint16(6, 4, true);
  header.setUint32(16, 262_144, true);
  header.setUint32(20, 1, true);
  parts.push(new Uint8Array(header.buffer));
  for (const [i, frame] of frames.entries()) {
    const record = new DataView(new ArrayBuffer(16));
    record.setUint32(0, 1_700_000_000 + i, true);
    record.setUint32(4, (i * 1_234_567) % 1_000_000_000, true);
    record.setUint32(8, frame.bytes.length, true);
    record.setUint32(12, frame.length, true);
    parts.push(new Uint8Array(record.buffer), frame.bytes);
  }
  return concat(...parts);
}
