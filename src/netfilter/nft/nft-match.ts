// The right side of a comparison in a rule of nftables: a value, an interval, a set by name, or one written in place.

import type { NetfilterHost } from '../netfilter-host.ts';
import type { Packet } from '../packet.ts';
import { Verdict } from '../verdict.ts';
import { BREAK, type NftOp } from './nft-chain.ts';
import type { NftContext } from './nft-context.ts';
import { ABSENT, type NftField } from './nft-field.ts';
import { KEY, type NftElement, NftSet } from './nft-set.ts';
import type { NftReader } from './nft-token.ts';
import { type NftInterval, type NftType, parseNftInterval } from './nft-type.ts';

const { CONTINUE } = Verdict;

/** Reads one key: as many values as the set has types, joined by dots. */
export function readKey(
  reader: NftReader,
  types: readonly NftType[],
): { readonly fields: number[]; readonly intervals: NftInterval[] | null } {
  const intervals: NftInterval[] = [];
  for (const [i, type] of types.entries()) {
    if (i > 0) reader.expect('.');
    const at = reader.token;
    const interval = parseNftInterval(type, reader.name(`a value of type ${type}`));
    if (interval === null) reader.fail(`expecting a value of type ${type}, not ${at.text}`);
    intervals.push(interval);
  }
  const single = intervals.every((i) => i.low === i.high && !i.text.includes('/') && !i.text.includes('-'));
  return { fields: intervals.map((i) => i.low | 0), intervals: single ? null : intervals };
}

/** `{ 10.0.0.0/8, 192.0.2.1 }`: the brace is already taken. */
function readAnonymousSet(reader: NftReader, types: readonly NftType[]): NftSet {
  const set = new NftSet({
    name: '',
    types,
    valueType: null,
    flags: [],
    size: 0,
    timeout: 0,
    gcInterval: 0,
    comment: '',
  });
  do {
    const { fields, intervals } = readKey(reader, types);
    set.add({ fields, intervals, comment: '', value: '', data: null, expires: -1 });
  } while (reader.take(','));
  reader.expect('}');
  return set;
}

/** The set behind a field: `@name`, or braces; null when there is neither. */
export function readSet(reader: NftReader, types: readonly NftType[], context: NftContext): NftSet | null {
  if (reader.word.startsWith('@')) {
    const at = reader.token;
    const set = context.set(reader.next().slice(1), at);
    if (set.options.types.join(' . ') !== types.join(' . ')) {
      reader.fail(
        `expecting a set of type ${types.join(' . ')}, @${set.options.name} is of type ${set.options.types.join(' . ')}`,
      );
    }
    return set;
  }
  return reader.take('{') ? readAnonymousSet(reader, types) : null;
}

export function setText(set: NftSet): string {
  if (set.options.name !== '') return `@${set.options.name}`;
  // nft makes a plain comparison of braces around one value.
  if (set.size === 1) return set.keyText(set.elements()[0]!);
  return `{ ${set
    .elements()
    .map((e) => set.keyText(e))
    .join(', ')} }`;
}

/** Puts the fields into KEY; false when the packet lacks one. */
export function loadKey(fields: readonly NftField[], packet: Packet): boolean {
  for (let i = 0; i < fields.length; i++) {
    const value = fields[i]!.read(packet);
    if (value === ABSENT) return false;
    KEY[i] = value;
  }
  return true;
}

/** The element of a set or map that a packet's fields name. */
export function lookUp(
  fields: readonly NftField[],
  set: NftSet,
  host: NetfilterHost,
  packet: Packet,
): NftElement | null {
  return loadKey(fields, packet) ? set.find(host.sim.now) : null;
}

/** fields [!=] set */
export function setOp(fields: readonly NftField[], set: NftSet, inverted: boolean, host: NetfilterHost): NftOp {
  return (packet) => {
    if (!loadKey(fields, packet)) return BREAK;
    return (set.find(host.sim.now) !== null) !== inverted ? CONTINUE : BREAK;
  };
}

/** field [!=] value or interval */
export function intervalOp(field: NftField, interval: NftInterval, inverted: boolean): NftOp {
  const { low, high } = interval;
  if (low === high) {
    const value = low | 0;
    return (packet) => {
      const has = field.read(packet);
      if (has === ABSENT) return BREAK;
      return ((has | 0) === value) !== inverted ? CONTINUE : BREAK;
    };
  }
  return (packet) => {
    const has = field.read(packet);
    if (has === ABSENT) return BREAK;
    const u = has >>> 0;
    return (u >= low && u <= high) !== inverted ? CONTINUE : BREAK;
  };
}
