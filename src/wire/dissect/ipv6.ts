// Dissection of IPv6 (RFC 8200) and its extension headers: hop-by-hop and destination options (section 4.3, 4.6), routing
// (section 4.4, RFC 5095, RFC 8754), fragment (section 4.5). Each is a layer of its own, as tshark has it.

import { formatIpv6, IPV6_BYTES } from '../../addr/ipv6.ts';
import { sum } from '../checksum.ts';
import { IpProtocol } from '../ipv4.ts';
import { dissectData } from './data.ts';
import { colonHex, type Dissector, hex8, type LayerReader, TUNNELS_MAX } from './dissection.ts';

const IPV6_HEADER = 40;

/** Extension headers by their number as a next header (IANA "IPv6 Extension Header Types"). */
const Extension = { HOP_BY_HOP: 0, ROUTING: 43, FRAGMENT: 44, DESTINATION: 60 } as const;

/** Extension headers of one packet. Choice: RFC 8200 section 4.1 knows seven and at most one twice. */
const EXTENSIONS_MAX = 16;

/** Option types (IANA "Destination Options and Hop-by-Hop Options") that say something here. */
const Option = { PAD1: 0, PADN: 1, ROUTER_ALERT: 5, JUMBO: 0xc2, HOME_ADDRESS: 0xc9 } as const;

/** Bytes of data that an option must have (RFC 2711, RFC 2675, RFC 6275). */
const FIXED: ReadonlyMap<number, number> = new Map<number, number>([
  [Option.ROUTER_ALERT, 2],
  [Option.JUMBO, 4],
  [Option.HOME_ADDRESS, IPV6_BYTES],
]);

/** Routing header types: the deprecated source route of RFC 5095 and the segments of RFC 8754. */
const Routing = { SOURCE: 0, SEGMENTS: 4 } as const;

export function dissectIpv6(d: Dissector, at: number, end: number): number {
  const r = d.layer('ipv6', 'Internet Protocol Version 6', at, end);
  if (r === null || !r.need(1)) return end;
  const version = d.view.getUint8(at) >>> 4;
  // tshark gives the version under IPv4's name too.
  r.add('ipv6.version', version);
  r.add('ip.version', version);
  if (version !== 6) {
    r.flaw(`version ${version} is not 6`);
    return end;
  }
  if (end - at < IPV6_HEADER) r.flaw(`the header needs ${IPV6_HEADER} bytes, ${end - at} are left`);
  if (!r.need(4)) return end;
  const word = d.view.getUint32(at);
  const trafficClass = (word >>> 20) & 0xff;
  r.add('ipv6.tclass', hex32(trafficClass));
  r.add('ipv6.tclass.dscp', trafficClass >>> 2);
  r.add('ipv6.tclass.ecn', trafficClass & 3);
  r.add('ipv6.flow', `0x${(word & 0xfffff).toString(16).padStart(6, '0')}`);
  r.at += 4;
  if (!r.need(4)) return end;
  const payload = r.u16('ipv6.plen');
  const next = r.u8('ipv6.nxt');
  r.u8('ipv6.hlim');
  const source = address(r, 'ipv6.src');
  const destination = address(r, 'ipv6.dst');
  if (!r.ok) return end;
  r.layer.info = `${source} > ${destination}`;
  d.addressSum = sum(d.view, at + 8, at + IPV6_HEADER);
  let length = payload;
  if (payload === 0 && next === Extension.HOP_BY_HOP) {
    length = jumboLength(d, r.at, end);
    if (length === 0) r.flaw('payload length 0 without a jumbo payload option');
  }
  const stop = Math.min(end, r.at + length);
  // What tshark warns of only: the layer that misses its bytes is the malformed one.
  if (r.at + length > end && !d.quoted) r.layer.info += ', payload length exceeds the frame';
  d.ipv6 = true;
  const wasFragmented = d.fragmented;
  const last = new Chain(d, next).dissect(r.at, stop);
  d.fragmented = wasFragmented;
  if (last.end < stop && last.protocol !== IpProtocol.UDP) r.layer.rest = d.hex(last.end, stop);
  return stop;
}

/** IPv6 in IP (RFC 2473, RFC 4213): a tunnel, counted as one. */
export function dissectIpv6InIp(d: Dissector, at: number, end: number): number {
  if (d.tunnels >= TUNNELS_MAX) {
    d.flaw('ipv6', `too many layers (limit ${TUNNELS_MAX} tunnels)`);
    return end;
  }
  d.tunnels++;
  return dissectIpv6(d, at, end);
}

/** The payload length of a jumbogram (RFC 2675 section 2) whose hop-by-hop header is at `at`; 0 without that option. */
function jumboLength(d: Dissector, at: number, end: number): number {
  const limit = Math.min(end, d.bytes.length);
  if (at + 8 > limit) return 0;
  const stop = Math.min(limit, at + 8 + 8 * d.view.getUint8(at + 1));
  for (let i = at + 2; i + 1 < stop; ) {
    const type = d.view.getUint8(i);
    const length = d.view.getUint8(i + 1);
    if (type === Option.JUMBO && length === 4 && i + 6 <= stop) return d.view.getUint32(i + 2);
    i += type === Option.PAD1 ? 1 : 2 + length;
  }
  return 0;
}

/** True when the packet, and not the snap length, ends before `stop`. */
function stops(r: LayerReader, stop: number): boolean {
  return stop > r.end && r.end <= r.d.bytes.length;
}

function address(r: LayerReader, name: string): string {
  if (!r.need(IPV6_BYTES)) return '';
  const text = formatIpv6(r.d.bytes, r.at);
  r.add(name, text);
  r.at += IPV6_BYTES;
  return text;
}

function hex32(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

/** The extension headers of one packet and what follows them. */
class Chain {
  readonly #d: Dissector;
  #next: number;

  constructor(d: Dissector, next: number) {
    this.#d = d;
    this.#next = next;
  }

  /** Dissects [from, end); returns the protocol behind the headers and where its own length ends. */
  dissect(from: number, end: number): { protocol: number; end: number } {
    const d = this.#d;
    let at = from;
    for (let n = 0; ; n++) {
      const header = this.#next;
      const name = EXTENSIONS.get(header);
      if (name === undefined) break;
      if (n >= EXTENSIONS_MAX) {
        d.flaw('ipv6', `too many extension headers (limit ${EXTENSIONS_MAX})`);
        dissectData(d, at, end);
        return { protocol: header, end };
      }
      const r = d.layer(name, TITLES[name]!, at, end);
      if (r === null) return { protocol: header, end };
      if (header === Extension.HOP_BY_HOP && n > 0) r.flaw('hop-by-hop options stand behind another header');
      if (header === Extension.FRAGMENT) {
        const offset = this.#fragment(r);
        if (!r.ok) return { protocol: header, end };
        at = r.at;
        if (offset > 0) {
          dissectData(d, at, end);
          return { protocol: header, end };
        }
        continue;
      }
      if (!this.#sized(r, name, header)) return { protocol: header, end };
      at = r.at;
    }
    const dissect = d.tables.ipProtocols.get(this.#next) ?? dissectData;
    return { protocol: this.#next, end: dissect(d, at, end) };
  }

  /** Returns the offset in units of eight bytes. */
  #fragment(r: LayerReader): number {
    if (!r.need(8)) return 0;
    this.#next = r.u8('ipv6.fraghdr.nxt');
    r.u8('ipv6.fraghdr.reserved_octet', hex8);
    if (!r.need(2)) return 0;
    const word = r.d.view.getUint16(r.at);
    r.at += 2;
    r.add('ipv6.fraghdr.offset', word >>> 3);
    r.add('ipv6.fraghdr.reserved_bits', (word >>> 1) & 3);
    r.add('ipv6.fraghdr.more', word & 1);
    r.u32('ipv6.fraghdr.ident', hex32);
    r.layer.info = `offset ${(word >>> 3) * 8}${word & 1 ? ', more follow' : ''}`;
    if ((word & 1) !== 0) r.d.fragmented = true;
    return word >>> 3;
  }

  /** A header whose second byte counts its length beyond the first eight bytes; false when it is not whole. */
  #sized(r: LayerReader, name: string, header: number): boolean {
    const start = r.at;
    if (!r.need(2)) return false;
    this.#next = r.u8(`${name}.nxt`);
    const length = 8 + 8 * r.d.view.getUint8(r.at);
    r.u8(`${name}.len`);
    r.add(`${name}.len_oct`, length);
    if (!r.need(length - 2)) {
      // RFC 7112 section 5: the first fragment holds all headers.
      if (r.d.fragmented && stops(r, start + length)) r.flaw('too many header bytes for the first fragment');
      return false;
    }
    const stop = start + length;
    r.hide('ipv6.extension', r.d.hex(r.at, stop));
    if (header === Extension.ROUTING) this.#routing(r, stop);
    else this.#options(r, stop);
    if (r.ok) r.at = stop;
    return r.ok;
  }

  #routing(r: LayerReader, end: number): void {
    const { bytes, view } = r.d;
    const type = view.getUint8(r.at);
    const left = view.getUint8(r.at + 1);
    r.add('ipv6.routing.type', type);
    r.add('ipv6.routing.segleft', left);
    const first = r.at + 6;
    if (type !== Routing.SOURCE && type !== Routing.SEGMENTS) return;
    const slots = Math.floor((end - first) / IPV6_BYTES);
    const segments = type === Routing.SEGMENTS ? Math.min(slots, view.getUint8(r.at + 2) + 1) : slots;
    const name = type === Routing.SEGMENTS ? 'ipv6.routing.srh.addr' : 'ipv6.routing.src.addr';
    for (let i = 0; i < segments; i++) r.add(name, formatIpv6(bytes, first + i * IPV6_BYTES));
    if (left === 0 || segments === 0) return;
    // Pseudo-headers are made with the address at which the route ends (RFC 8200 section 8.1).
    const final = first + (type === Routing.SEGMENTS ? 0 : segments - 1) * IPV6_BYTES;
    const source = r.d.layers.findLast((l) => l.name === 'ipv6')!.at + 8;
    r.d.addressSum = sum(view, source, source + IPV6_BYTES) + sum(view, final, final + IPV6_BYTES);
  }

  #options(r: LayerReader, end: number): void {
    const { bytes, view } = r.d;
    for (let at = r.at; at < end; ) {
      const type = view.getUint8(at);
      r.add('ipv6.opt.type', hex8(type));
      if (type === Option.PAD1) {
        at++;
        continue;
      }
      const stated = at + 2 <= end ? view.getUint8(at + 1) : 0;
      // tshark reads an option of a fixed length whole, whatever smaller length it states.
      const length = Math.max(FIXED.get(type) ?? 0, stated);
      if (at + 2 <= end) r.add('ipv6.opt.length', stated);
      if (stated !== (FIXED.get(type) ?? stated)) r.flaw(`option ${type} has an impossible length`);
      if (at + 2 + length > end) {
        r.flaw(`option ${type} exceeds the header`);
        r.ok = false;
        return;
      }
      if (type === Option.ROUTER_ALERT) r.add('ipv6.opt.router_alert', view.getUint16(at + 2));
      else if (type === Option.JUMBO) {
        r.add('ipv6.opt.jumbo', view.getUint32(at + 2));
      } else if (type === Option.HOME_ADDRESS) {
        r.add('ipv6.opt.mipv6.home_address', formatIpv6(bytes, at + 2));
        // The home address is the source that pseudo-headers are made with (RFC 6275 section 11.3.1).
        const header = r.d.layers.findLast((l) => l.name === 'ipv6')!.at;
        const destination = sum(view, header + 24, header + IPV6_HEADER);
        r.d.addressSum = sum(view, at + 2, at + 2 + IPV6_BYTES) + destination;
      } else if (type === Option.PADN && length > 0) r.add('ipv6.opt.padn', colonHex(bytes, at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
}

const EXTENSIONS: ReadonlyMap<number, string> = new Map<number, string>([
  [Extension.HOP_BY_HOP, 'ipv6.hopopts'],
  [Extension.ROUTING, 'ipv6.routing'],
  [Extension.FRAGMENT, 'ipv6.fraghdr'],
  [Extension.DESTINATION, 'ipv6.dstopts'],
]);

const TITLES: Readonly<Record<string, string>> = {
  'ipv6.hopopts': 'IPv6 Hop-by-Hop Options',
  'ipv6.routing': 'IPv6 Routing Header',
  'ipv6.fraghdr': 'IPv6 Fragment Header',
  'ipv6.dstopts': 'IPv6 Destination Options',
};
