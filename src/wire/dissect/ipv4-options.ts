// Dissection of IPv4 options (RFC 791 section 3.1, RFC 2113 router alert, RFC 1108 security by number only).

import { formatIpv4 } from '../../addr/ipv4.ts';
import { Ipv4Option, Ipv4OptionState, ipv4OptionLength, nextIpv4Option } from '../ipv4.ts';
import { colonHex, hex8, type LayerReader } from './dissection.ts';

/** Options that tshark knows by name; of others it gives no fields, and we the bytes. */
const KNOWN: ReadonlySet<number> = new Set([7, 11, 12, 25, 68, 82, 130, 131, 133, 134, 136, 137, 148, 149]);

/** Bytes that an option must have for its fixed part. */
const SHORTEST: ReadonlyMap<number, number> = new Map([
  [Ipv4Option.RECORD_ROUTE, 3],
  [Ipv4Option.LOOSE_SOURCE_ROUTE, 3],
  [Ipv4Option.STRICT_SOURCE_ROUTE, 3],
  [Ipv4Option.TIMESTAMP, 4],
  [Ipv4Option.ROUTER_ALERT, 4],
]);

/** Records the options between r.at and `end`. */
export function dissectIpv4Options(r: LayerReader, end: number): void {
  const d = r.d;
  const start = r.at;
  if (!r.need(end - start)) return;
  r.hide('ip.options', d.hex(start, end));
  for (let at = start; at < end; ) {
    const type = d.view.getUint8(at);
    const state = nextIpv4Option(d.view, at, end);
    if (state === Ipv4OptionState.END || state === Ipv4OptionState.NOP) {
      optionType(r, type);
      if (state === Ipv4OptionState.END) break;
      at++;
      continue;
    }
    if (state === Ipv4OptionState.MALFORMED) {
      r.flaw(`option ${type} has an impossible length`);
      break;
    }
    const length = ipv4OptionLength(d.view, at);
    if (KNOWN.has(type)) {
      optionType(r, type);
      r.add('ip.opt.len', length);
      if (length < (SHORTEST.get(type) ?? 2)) {
        r.flaw(`option ${type} is shorter than it must be`);
        r.ok = false;
        return;
      }
      option(r, type, at, length);
    } else r.add('ip.opt.data', colonHex(d.bytes, at, at + length));
    at += length;
  }
}

function optionType(r: LayerReader, type: number): void {
  r.add('ip.opt.type', type);
  r.add('ip.opt.type.copy', type >>> 7);
  r.add('ip.opt.type.class', (type >>> 5) & 3);
  r.add('ip.opt.type.number', type & 31);
}

/** The body of one option. */
function option(r: LayerReader, type: number, at: number, length: number): void {
  const view = r.d.view;
  switch (type) {
    case Ipv4Option.RECORD_ROUTE:
    case Ipv4Option.LOOSE_SOURCE_ROUTE:
    case Ipv4Option.STRICT_SOURCE_ROUTE:
      route(r, type, at, length);
      return;
    case Ipv4Option.TIMESTAMP:
      timestamps(r, at, length);
      return;
    case Ipv4Option.ROUTER_ALERT:
      if (length === 4) r.add('ip.opt.ra', view.getUint16(at + 2));
      return;
    default:
      return;
  }
}

/** Slots before the pointer were filled by routers; the others are free, or hops still to visit. */
function route(r: LayerReader, type: number, at: number, length: number): void {
  const view = r.d.view;
  const end = at + length;
  const pointer = view.getUint8(at + 2);
  r.add('ip.opt.ptr', pointer);
  // Pointers count from 1 and stand on the first byte of a slot.
  if (pointer < 4 || (pointer & 3) !== 0) return;
  const recording = type === Ipv4Option.RECORD_ROUTE;
  for (let i = at + 3; i + 4 <= end; i += 4) {
    const filled = i - at + 1 < pointer;
    const last = i + 4 === end && pointer <= length;
    const name =
      filled && !(last && !recording) ? 'ip.rec_rt' : recording ? 'ip.empty_rt' : last ? 'ip.dst' : 'ip.src_rt';
    r.add(name, formatIpv4(view.getInt32(i)));
  }
}

/** Times of day in milliseconds, alone (flag 0) or each with the address of who wrote it (flags 1 and 3). */
function timestamps(r: LayerReader, at: number, length: number): void {
  const view = r.d.view;
  const flag = view.getUint8(at + 3) & 15;
  r.add('ip.opt.ptr', view.getUint8(at + 2));
  r.add('ip.opt.overflow', view.getUint8(at + 3) >>> 4);
  r.add('ip.opt.flag', hex8(flag));
  const withAddress = flag === 1 || flag === 3;
  const step = withAddress ? 8 : 4;
  for (let i = at + 4; i + step <= at + length; i += step) {
    if (withAddress) r.add('ip.opt.time_stamp_addr', formatIpv4(view.getInt32(i)));
    r.add('ip.opt.time_stamp', view.getUint32(i + step - 4));
  }
}

/** Where a packet really goes, as far as its options can be read. */
export type FinalDestination =
  | { readonly state: 'header' | 'cut' }
  | { readonly state: 'route'; readonly address: number };

/**
 * The last address of a source route whose pointer is inside it: with such an option the header's destination is only
 * the next hop (RFC 791 section 3.1). 'cut' when the options end before that can be told.
 */
export function finalDestination(r: LayerReader, start: number, end: number): FinalDestination {
  const view = r.d.view;
  const limit = r.capturedEnd;
  for (let at = start; at < end; ) {
    if (at >= limit) return { state: 'cut' };
    const type = view.getUint8(at);
    if (type === Ipv4Option.END) break;
    if (type === Ipv4Option.NOP) {
      at++;
      continue;
    }
    if (at + 2 > end) break;
    if (at + 2 > limit) return { state: 'cut' };
    const length = ipv4OptionLength(view, at);
    if (length < 2 || at + length > end) break;
    if (type === Ipv4Option.LOOSE_SOURCE_ROUTE || type === Ipv4Option.STRICT_SOURCE_ROUTE) {
      if (at + 3 > limit) return { state: 'cut' };
      const pointer = view.getUint8(at + 2);
      if (length < 7 || pointer < 4 || (pointer & 3) !== 0 || pointer > length) break;
      if (at + length > limit) return { state: 'cut' };
      return { state: 'route', address: view.getInt32(at + length - 4) };
    }
    at += length;
  }
  return { state: 'header' };
}
