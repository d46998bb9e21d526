// What a rule of nftables can ask a packet for: a field with its type, read into a register (nft_payload.c, nft_meta.c).

import * as frames from '../../link/frame.ts';
import type { Packet } from '../packet.ts';
import type { NftReader } from './nft-token.ts';
import type { NftType } from './nft-type.ts';

const { frameMark } = frames;

/** The field is not in this packet: the rule does not match. Outside of what any field holds. */
export const ABSENT = Number.MIN_SAFE_INTEGER;

export interface NftField {
  /** as it is listed */
  readonly text: string;
  readonly type: NftType;
  read(packet: Packet): number;
}

const FIELDS: readonly NftField[] = [
  { text: 'ip saddr', type: 'ipv4_addr', read: (p) => p.source },
  { text: 'ip daddr', type: 'ipv4_addr', read: (p) => p.destination },
  { text: 'ip protocol', type: 'inet_proto', read: (p) => p.protocol },
  { text: 'meta l4proto', type: 'inet_proto', read: (p) => p.protocol },
  { text: 'th sport', type: 'inet_service', read: (p) => (p.sourcePort < 0 ? ABSENT : p.sourcePort) },
  { text: 'th dport', type: 'inet_service', read: (p) => (p.destinationPort < 0 ? ABSENT : p.destinationPort) },
  ...(['tcp', 'udp', 'sctp'] as const).flatMap((name, i): NftField[] => {
    const protocol = [6, 17, 132][i];
    const port = (p: Packet, value: number): number => (p.protocol === protocol && value >= 0 ? value : ABSENT);
    return [
      { text: `${name} sport`, type: 'inet_service', read: (p) => port(p, p.sourcePort) },
      { text: `${name} dport`, type: 'inet_service', read: (p) => port(p, p.destinationPort) },
    ];
  }),
  { text: 'meta mark', type: 'mark', read: (p) => frameMark[p.frame]! },
];

/** The field that begins at the reader's word, or null with nothing taken. */
export function readNftField(reader: NftReader): NftField | null {
  // `mark` is short for `meta mark`, `meta l4proto` may stand without `meta`.
  for (const short of ['mark', 'l4proto']) {
    if (reader.is(short)) {
      reader.next();
      return FIELDS.find((f) => f.text === `meta ${short}`)!;
    }
  }
  const field = FIELDS.find((f) => f.text === `${reader.word} ${reader.ahead(1)}`);
  if (field === undefined) return null;
  reader.next();
  reader.next();
  return field;
}

/** `ip daddr . meta l4proto . th dport`: one field or several. */
export function readNftFields(reader: NftReader): NftField[] | null {
  const first = readNftField(reader);
  if (first === null) return null;
  const fields = [first];
  while (reader.take('.')) {
    const more = readNftField(reader);
    if (more === null) reader.fail('expecting a field to join');
    fields.push(more);
    if (fields.length > 4) reader.fail('expecting at most four joined fields (the limit of podwire)');
  }
  return fields;
}
