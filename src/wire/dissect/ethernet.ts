// Dissection of Ethernet II, IEEE 802.3, 802.1Q and 802.1ad tags, and of what stands behind the payload: padding to 60 bytes, a trailer, perhaps a frame check sequence.

import { formatMac } from '../../addr/mac.ts';
import { ETH_TYPE_MIN, EtherType, readMac, VLAN_TAGS_MAX } from '../ethernet.ts';
import { dissectData } from './data.ts';
import { colonHex, type Dissector, hex16, type LayerReader } from './dissection.ts';
import { dissectLlc } from './llc.ts';

/** Tag protocol identifiers: 802.1Q, 802.1ad, and the old stacking values that switches still send. */
const TAGS: ReadonlySet<number> = new Set([EtherType.VLAN, EtherType.QINQ, 0x9100]);

/** Largest 802.3 length; 1501..1535 are neither length nor type (IEEE 802.3 clause 3.2.6). */
const LENGTH_MAX = 1500;
/** Smallest frame without its check sequence (IEEE 802.3 clause 4.4.2: 64 bytes with it). */
const FRAME_MIN = 60;
/** Cisco FabricPath's EtherType. */
const TYPE_FABRICPATH = 0x8903;
/** A frame of this length needs no padding, so four bytes behind its payload may be its check sequence. */
const FCS_GUESS_MIN = 64;

/**
 * Headers of another shape that switches send under the Ethernet link type: Cisco ISL (its first five bytes are fixed) and
 * FabricPath (EtherType 0x8903 in the place of ours). Their bytes are shown as they are.
 */
function isForeignHeader(d: Dissector, at: number): boolean {
  if (at + 14 > d.bytes.length) return false;
  const high = d.view.getUint32(at);
  const isl = (high === 0x01000c00 || high === 0x03000c00) && d.view.getUint8(at + 4) === 0;
  return isl || d.view.getUint16(at + 12) === TYPE_FABRICPATH;
}

/** A frame as captured: it may carry its check sequence. */
export function dissectEthernet(d: Dissector, at: number, end: number): number {
  frame(d, at, end, true);
  return end;
}

/** A frame inside a tunnel: without check sequence (RFC 7348 section 5). */
export function dissectTunnelledEthernet(d: Dissector, at: number, end: number): number {
  frame(d, at, end, false);
  return end;
}

function frame(d: Dissector, at: number, end: number, mayHaveFcs: boolean): void {
  if (isForeignHeader(d, at)) {
    dissectData(d, at, end);
    return;
  }
  d.tags = 0;
  // What is left of a quote is no frame yet.
  if (d.quoted && Math.min(end, d.bytes.length) - at < 14) {
    dissectData(d, at, end);
    return;
  }
  const r = d.layer('eth', 'Ethernet II', at, end);
  if (r === null || !r.need(6) || !r.need(12) || !r.need(14)) return;
  r.add('eth.dst', formatMac(readMac(d.view, at)));
  r.add('eth.src', formatMac(readMac(d.view, at + 6)));
  r.at += 12;
  const type = d.view.getUint16(r.at);
  r.at += 2;
  if (end === r.at && type < ETH_TYPE_MIN) {
    // A header and nothing else.
    if (type === 0) r.add('eth.type', hex16(type));
    else if (type <= LENGTH_MAX) {
      r.add('eth.len', type);
      r.flaw(`length ${type} exceeds the 0 bytes that are there`);
    } else r.add('eth.invalid_lentype', hex16(type));
    return;
  }
  if (type >= ETH_TYPE_MIN || type === 0) {
    r.add('eth.type', hex16(type));
    trailer(r, dissectTyped(d, type, r.at, end), 'eth.trailer', mayHaveFcs);
  } else if (type <= LENGTH_MAX) {
    r.add('eth.len', type);
    if (r.at + type > end) r.flaw(`length ${type} exceeds the ${end - r.at} bytes that are there`);
    trailer(r, dissectSized(d, r.at, Math.min(end, r.at + type)), 'eth.trailer', mayHaveFcs);
  } else {
    r.add('eth.invalid_lentype', hex16(type));
    dissectData(d, r.at, end);
  }
  if (r.layer.info === '') r.layer.info = type >= ETH_TYPE_MIN ? `type ${hex16(type)}` : `802.3 length ${type}`;
}

/** The payload of an EtherType; returns its end. */
function dissectTyped(d: Dissector, type: number, at: number, end: number): number {
  d.protocols.push('ethertype');
  if (TAGS.has(type)) return dissectTag(d, type, at, end);
  const next = d.tables.etherTypes.get(type);
  if (next === undefined) {
    dissectData(d, at, end);
    return end;
  }
  return next(d, at, end);
}

/** One tag: TCI and the type or length behind it. Two 802.1ad tags in a row are one layer, as tshark has it. */
function dissectTag(d: Dissector, tpid: number, at: number, end: number): number {
  const stag = tpid === EtherType.QINQ;
  const name = stag ? 'ieee8021ad' : 'vlan';
  const r = d.layer(name, stag ? 'IEEE 802.1ad' : '802.1Q Virtual LAN', at, end);
  if (r === null) return end;
  if (!stag && r.left >= 2 && r.left < 4 && r.need(2)) tagFields(r, name, 'id');
  if (!r.need(4)) return end;
  let type = d.view.getUint16(at + 2);
  const double = stag && type === EtherType.QINQ;
  if (double && !r.need(8)) return end;
  tagControl(r, name, double ? 'svid' : 'id');
  if (double) {
    r.hide('ieee8021ad.tpid', type);
    tagControl(r, name, 'cvid');
    type = d.view.getUint16(r.at - 2);
  }
  if (d.tags > VLAN_TAGS_MAX) {
    r.flaw(`too many tags (limit ${VLAN_TAGS_MAX})`);
    return end;
  }
  const sized = !stag && type <= LENGTH_MAX;
  r.add(sized ? 'vlan.len' : stag ? 'ieee8021ah.etype' : 'vlan.etype', sized ? type : hex16(type));
  if (sized && r.at + type > end) r.flaw(`length ${type} exceeds the ${end - r.at} bytes that are there`);
  const inner = sized ? dissectSized(d, r.at, Math.min(end, r.at + type)) : dissectTyped(d, type, r.at, end);
  trailer(r, inner, stag ? 'ieee8021ah.trailer' : 'vlan.trailer', false);
  return end;
}

/** A tag's control information, and past the type behind it. */
function tagControl(r: LayerReader, name: string, identifier: string): void {
  tagFields(r, name, identifier);
  r.at += 2;
}

/** Priority, drop eligibility and identifier. */
function tagFields(r: LayerReader, name: string, identifier: string): void {
  const tci = r.d.view.getUint16(r.at);
  r.at += 2;
  r.add(`${name}.priority`, tci >>> 13);
  r.add(`${name}.dei`, (tci >>> 12) & 1);
  r.add(`${name}.${identifier}`, tci & 0xfff);
  r.layer.info += `${r.layer.info === '' ? 'vlan' : ' /'} ${tci & 0xfff}`;
  r.d.tags++;
}

/** The payload of an 802.3 length: LLC, unless it is raw IPX (its checksum field is always 0xffff). */
function dissectSized(d: Dissector, at: number, end: number): number {
  if (end - at >= 2 && at + 2 <= d.bytes.length && d.view.getUint16(at) === 0xffff) dissectData(d, at, end);
  else if (end > at) dissectLlc(d, at, end);
  return end;
}

/**
 * Bytes of padding in the trailer [at, end): what fills the whole packet up to the minimum frame (the inner frame of a
 * tunnel needs none), when they are all zero; other bytes there are somebody's trailer.
 */
function paddingLength(d: Dissector, at: number, end: number): number {
  if (d.length < FRAME_MIN) return 0;
  const length = Math.min(end - at, FRAME_MIN - (d.length - (end - at)));
  const stop = Math.min(at + length, d.bytes.length);
  for (let i = at; i < stop; i++) if (d.bytes[i] !== 0) return 0;
  return stop > at ? length : 0;
}

/** Fields for the bytes between the end of the payload and the end of the frame. */
function trailer(r: LayerReader, from: number, name: string, mayHaveFcs: boolean): void {
  const end = r.end;
  const captured = r.capturedEnd;
  let at = from;
  if (at >= end) return;
  const padding = paddingLength(r.d, from, end);
  if (padding > 0 && at + padding > captured) {
    r.hide('eth.padding', r.d.hex(at, captured));
    return;
  }
  if (padding > 0) {
    r.add('eth.padding', colonHex(r.d.bytes, at, Math.min(at + padding, captured)));
    at += padding;
  }
  const fcs = mayHaveFcs && end - r.layer.at >= FCS_GUESS_MIN && end - at >= 4;
  const stop = Math.min(fcs ? end - 4 : end, captured);
  if (stop > at) r.add(name, colonHex(r.d.bytes, at, stop));
  if (!fcs) return;
  if (end <= captured) r.add('eth.fcs', `0x${r.d.hex(end - 4, end)}`);
  else if (captured > end - 4) r.hide('eth.fcs', r.d.hex(end - 4, captured));
}
