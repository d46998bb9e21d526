// What rules of nftables do beside matching: count, log, reject, translate, leave a packet's fields in a set.

import { formatIpv4, type Ipv4, parseIpv4 } from '../../addr/ipv4.ts';
import { IcmpUnreach } from '../../wire/icmp.ts';
import { NatRangeFlag } from '../conntrack/nat-range.ts';
import type { Packet } from '../packet.ts';
import { Verdict } from '../verdict.ts';
import { BREAK, type NftOp, type NftPart, nftPart as part } from './nft-chain.ts';
import type { NftContext } from './nft-context.ts';
import { readNftFields } from './nft-field.ts';
import { loadKey } from './nft-match.ts';
import { readDraw, readIndex } from './nft-numgen.ts';
import { KEY, type NftElement } from './nft-set.ts';
import type { NftReader } from './nft-token.ts';
import { formatNftValue, parseNftValue } from './nft-type.ts';

const { CONTINUE, DROP } = Verdict;

/** `update @set { ip saddr timeout 5s }` */
export function readUpdate(reader: NftReader, context: NftContext): NftPart {
  const verb = reader.next();
  const at = reader.token;
  const word = reader.name('a set');
  if (!word.startsWith('@')) reader.fail('expecting a set');
  const set = context.set(word.slice(1), at);
  reader.expect('{');
  const fields = readNftFields(reader);
  if (fields === null || fields.length !== set.options.types.length) reader.fail('expecting the fields of the set');
  reader.expect('}');
  const { host } = context;
  set.letFill();
  return part(`${verb} ${word} { ${fields.map((f) => f.text).join(' . ')} }`, (p) => {
    if (!loadKey(fields, p)) return BREAK;
    const { now } = host.sim;
    const { timeout } = set.options;
    const expires = timeout === 0 ? -1 : now + timeout;
    const known = set.find(now);
    if (known !== null) {
      // add leaves a known element alone, update begins its time anew
      if (verb === 'update') known.expires = expires;
      return CONTINUE;
    }
    if (set.size >= set.limit) set.collect(now);
    if (set.size >= set.limit) return BREAK;
    const key = Array.from(KEY.subarray(0, fields.length));
    const element: NftElement = { fields: key, intervals: null, comment: '', value: '', data: null, expires };
    const stale = set.add(element);
    if (stale !== null) stale.expires = expires;
    return CONTINUE;
  });
}

export function readCounter(reader: NftReader): NftPart {
  reader.next();
  const number = (word: string): number => {
    if (!reader.take(word)) return 0;
    const value = Number(reader.word);
    if (!Number.isInteger(value) || value < 0) reader.fail('expecting a number');
    reader.next();
    return value;
  };
  let packets = number('packets');
  let bytes = number('bytes');
  return {
    text: () => `counter packets ${packets} bytes ${bytes}`,
    op: (p) => {
      packets++;
      bytes += p.length;
      return CONTINUE;
    },
    targets: () => [],
  };
}

export function readLog(reader: NftReader, context: NftContext): NftPart {
  reader.next();
  const prefix = reader.take('prefix') ? reader.name('a prefix') : '';
  const { host } = context;
  return part(prefix === '' ? 'log' : `log prefix "${prefix}"`, (p) => {
    if (host.wantsNotes) host.note(p.frame, `${host.label}: nftables log ${prefix}`.trimEnd());
    return CONTINUE;
  });
}

/** Names of nft for the codes of a destination-unreachable. */
const REJECT_CODES: Readonly<Record<string, number>> = {
  'net-unreachable': IcmpUnreach.NET,
  'host-unreachable': IcmpUnreach.HOST,
  'prot-unreachable': IcmpUnreach.PROTOCOL,
  'port-unreachable': IcmpUnreach.PORT,
  'net-prohibited': 9,
  'host-prohibited': 10,
  'admin-prohibited': IcmpUnreach.FILTERED,
};

export function readReject(reader: NftReader, context: NftContext): NftPart {
  reader.next();
  const { host } = context;
  let code = IcmpUnreach.PORT as number;
  let text = 'reject';
  if (reader.take('with')) {
    if (reader.take('tcp')) {
      reader.expect('reset');
      return part('reject with tcp reset', (p) => {
        host.sendReset(p.frame, p.hook, p.inDevice);
        return DROP;
      });
    }
    if (!reader.take('icmp')) reader.fail('expecting icmp or tcp reset');
    reader.take('type');
    const known = REJECT_CODES[reader.word];
    if (known === undefined) reader.fail(`expecting one of ${Object.keys(REJECT_CODES).join(', ')}`);
    const name = reader.next();
    code = known;
    // The default is not listed.
    if (code !== IcmpUnreach.PORT) text = `reject with icmp ${name}`;
  }
  return part(text, (p) => {
    if (host.wantsNotes) host.note(p.frame, `${host.label}: nftables table ${context.table}: ${text}`);
    host.sendUnreach(p.frame, code, p.hook, p.inDevice);
    return DROP;
  });
}

const NAT_FLAGS: Readonly<Record<string, number>> = {
  random: NatRangeFlag.PROTO_RANDOM,
  'fully-random': NatRangeFlag.PROTO_RANDOM_FULLY,
  persistent: NatRangeFlag.PERSISTENT,
};

export function readNatFlags(reader: NftReader): { readonly flags: number; readonly text: string } {
  let flags = 0;
  let text = '';
  while (NAT_FLAGS[reader.word] !== undefined) {
    flags |= NAT_FLAGS[reader.word]!;
    text += ` ${reader.next()}`;
    reader.take(',');
  }
  return { flags, text };
}

interface Place {
  readonly address: Ipv4;
  readonly port: number;
}

/** 10.0.0.1, 10.0.0.1:80, 10.0.0.1 . 80 */
function readPlace(reader: NftReader): Place {
  const [host, number, ...more] = reader.word.split(':');
  const address = parseIpv4(host ?? '');
  const at = number === undefined ? null : parseNftValue('inet_service', number);
  if (address === null || more.length > 0 || (number !== undefined && at === null)) {
    reader.fail('expecting an address, with a port or without');
  }
  reader.next();
  if (at !== null) return { address, port: at };
  if (!reader.take('.')) return { address, port: 0 };
  const port = parseNftValue('inet_service', reader.word);
  if (port === null) reader.fail('expecting a port');
  reader.next();
  return { address, port };
}

/** dnat to 10.0.0.1:80; dnat ip to numgen random mod 2 map { 0 : 10.0.0.1 . 80, ... } */
export function readNat(reader: NftReader, context: NftContext): NftPart {
  const verb = reader.next();
  const manip = verb === 'dnat' ? 'dst' : 'src';
  const family = reader.take('ip') ? ' ip' : '';
  reader.expect('to');
  const { nat } = context;
  if (!reader.is('numgen')) {
    const { address, port } = readPlace(reader);
    const { flags, text } = readNatFlags(reader);
    const to = port === 0 ? formatIpv4(address) : `${formatIpv4(address)}:${port}`;
    return part(`${verb}${family} to ${to}${text}`, (p) => nat.map(p, manip, address, port, flags));
  }
  const draw = readDraw(reader, context);
  reader.expect('map');
  reader.expect('{');
  const places: (Place | undefined)[] = [];
  do {
    const index = readIndex(reader, draw.modulus);
    reader.expect(':');
    places[index] = readPlace(reader);
  } while (reader.take(','));
  reader.expect('}');
  const { flags, text } = readNatFlags(reader);
  const listed = places
    .flatMap((place, i) =>
      place === undefined ? [] : [`${i} : ${formatNftValue('ipv4_addr', place.address)} . ${place.port}`],
    )
    .join(', ');
  return part(`${verb}${family} to ${draw.text} map { ${listed} }${text}`, (p) => {
    const place = places[draw.next()];
    return place === undefined ? BREAK : nat.map(p, manip, place.address, place.port, flags);
  });
}

export function readMasquerade(reader: NftReader, context: NftContext): NftPart {
  const verb = reader.next();
  const { nat } = context;
  let port = 0;
  let to = '';
  if (reader.take('to')) {
    const word = reader.word.startsWith(':') && reader.word !== ':' ? reader.word.slice(1) : '';
    const value = parseNftValue('inet_service', word !== '' ? word : reader.ahead(1));
    if (verb !== 'redirect' || value === null) reader.fail('expecting :port behind redirect to');
    reader.next();
    if (word === '') reader.next();
    port = value;
    to = ` to :${port}`;
  }
  const { flags, text } = readNatFlags(reader);
  const op: NftOp =
    verb === 'redirect' ? (p: Packet) => nat.redirect(p, port, flags) : (p: Packet) => nat.masquerade(p, flags);
  return part(`${verb}${to}${text}`, op);
}
