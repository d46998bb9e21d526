// Rules of nftables: read from their words, listed as nft 1.0.6 lists them, compiled into one closure per expression.
// What is emulated is what kube-proxy, Flannel and people's own service rules use; the rest is refused by name.

import { formatIpv4, type Ipv4, parseIpv4 } from '../../addr/ipv4.ts';
import * as frames from '../../link/frame.ts';
import { IcmpUnreach } from '../../wire/icmp.ts';
import { NatRangeFlag } from '../nat-range.ts';
import { AddressType } from '../netfilter-host.ts';
import { CtInfo, CtStatus, ctInfoOf, ctOf, isUntracked, setUntracked } from '../nf-conn.ts';
import type { Packet } from '../packet.ts';
import { Verdict } from '../verdict.ts';
import { BREAK, goTo, jumpTo, type NftChain, type NftOp, type NftPart } from './nft-chain.ts';
import type { NftContext } from './nft-context.ts';
import { type NftField, readNftFields } from './nft-field.ts';
import { intervalOp, loadKey, lookUp, readKey, readSet, setOp, setText } from './nft-match.ts';
import { KEY, NFT_ELEMENTS_MAX, type NftElement, NftSet } from './nft-set.ts';
import { END_OF_STATEMENT, type NftReader } from './nft-token.ts';
import { formatMark, formatNftValue, parseNftInterval, parseNftValue } from './nft-type.ts';

const { frameMark } = frames;
const { ACCEPT, CONTINUE, DROP, RETURN } = Verdict;

/** What a rule is made of, and its comment. */
export interface NftRuleText {
  readonly parts: readonly NftPart[];
  readonly comment: string;
}

/** Reads expressions up to the end of the statement. @throws NftError */
export function readNftRule(reader: NftReader, context: NftContext): NftRuleText {
  const parts: NftPart[] = [];
  let comment = '';
  while (!reader.done && !reader.is(END_OF_STATEMENT) && !reader.is('}')) {
    if (reader.take('comment')) {
      comment = reader.name('a comment');
      continue;
    }
    parts.push(readPart(reader, context));
  }
  if (parts.length === 0) reader.fail('expecting a rule');
  return { parts, comment };
}

function part(text: string, op: NftOp | null, targets: readonly NftChain[] = []): NftPart {
  return { text: () => text, op, targets: () => targets };
}

function readPart(reader: NftReader, context: NftContext): NftPart {
  switch (reader.word) {
    case 'accept':
    case 'drop':
    case 'return':
    case 'continue':
    case 'jump':
    case 'goto':
      return verdictPart(readVerdict(reader, context));
    case 'counter':
      return readCounter(reader);
    case 'ct':
      return readConntrack(reader);
    case 'fib':
      return readFib(reader, context);
    case 'numgen':
      return readNumberGenerator(reader, context);
    case 'reject':
      return readReject(reader, context);
    case 'dnat':
    case 'snat':
      return readNat(reader, context);
    case 'masquerade':
    case 'redirect':
      return readMasquerade(reader, context);
    case 'notrack':
      reader.next();
      return part('notrack', (p) => {
        setUntracked(p.frame);
        return CONTINUE;
      });
    case 'update':
    case 'add':
      return readUpdate(reader, context);
    case 'iifname':
    case 'oifname':
      return readDevice(reader, context);
    case 'log':
      return readLog(reader, context);
    default:
      return readComparison(reader, context);
  }
}

// -- verdicts ------------------------------------------------------------------------------------------------------

export interface NftVerdictWord {
  readonly text: string;
  readonly op: NftOp;
  readonly target: NftChain | null;
}

const PLAIN: Readonly<Record<string, number>> = { accept: ACCEPT, drop: DROP, return: RETURN, continue: CONTINUE };

export function readVerdict(reader: NftReader, context: NftContext): NftVerdictWord {
  const word = reader.name('a verdict');
  const plain = PLAIN[word];
  if (plain !== undefined) {
    if (plain === DROP) return { text: word, op: dropOp(context), target: null };
    return { text: word, op: () => plain, target: null };
  }
  if (word !== 'jump' && word !== 'goto') reader.fail('expecting accept, drop, return, jump or goto');
  const at = reader.token;
  const chain = context.chain(reader.name('the name of a chain'), at);
  const op: NftOp = word === 'jump' ? (p) => jumpTo(chain, p) : (p) => goTo(chain, p);
  return { text: `${word} ${chain.name}`, op, target: chain };
}

function dropOp(context: NftContext): NftOp {
  return (p) => {
    if (context.host.wantsNotes)
      context.host.note(p.frame, `${context.host.label}: nftables table ${context.table}: drop`);
    return DROP;
  };
}

function verdictPart(verdict: NftVerdictWord): NftPart {
  return part(verdict.text, verdict.op, verdict.target === null ? [] : [verdict.target]);
}

// -- matches -------------------------------------------------------------------------------------------------------

const RELATIONS = new Set(['==', '!=']);

/** field [==|!=] value, set; `field & mask == value`; `mark set ...`; `fields vmap ...` */
function readComparison(reader: NftReader, context: NftContext): NftPart {
  const at = reader.token;
  const fields = readNftFields(reader);
  if (fields === null) {
    reader.fail(`expecting an expression that podwire emulates (it knows no \`${at.text}' here)`);
  }
  const left = fields.map((f) => f.text).join(' . ');
  if (reader.take('vmap')) return readVerdictMap(reader, context, fields, left);
  const only = fields.length === 1 ? fields[0]! : null;
  if (only?.text === 'meta mark') {
    if (reader.take('set')) return readMarkSet(reader);
    if (reader.is('and') || reader.is('&')) return readMasked(reader);
  }
  const inverted = RELATIONS.has(reader.word) ? reader.next() === '!=' : false;
  const sign = inverted ? '!= ' : '';
  const set = readSet(
    reader,
    fields.map((f) => f.type),
    context,
  );
  if (set !== null) {
    return {
      text: () => `${left} ${sign}${setText(set)}`,
      op: setOp(fields, set, inverted, context.host),
      targets: () => [],
    };
  }
  if (only === null) reader.fail('expecting a set for joined fields');
  const interval = parseNftInterval(only.type, reader.word);
  if (interval === null) reader.fail(`expecting a value of type ${only.type}, a range or a set`);
  reader.next();
  return part(`${left} ${sign}${interval.text}`, intervalOp(only, interval, inverted));
}

function readMark(reader: NftReader): number {
  const value = parseNftValue('mark', reader.word);
  if (value === null) reader.fail('expecting a mark');
  reader.next();
  return value;
}

/** mark and 0x4000 == 0 */
function readMasked(reader: NftReader): NftPart {
  reader.next();
  const mask = readMark(reader);
  if (!RELATIONS.has(reader.word)) reader.fail('expecting == or !=');
  const inverted = reader.next() === '!=';
  const value = readMark(reader);
  return part(`meta mark & ${formatMark(mask)} ${inverted ? '!=' : '=='} ${formatMark(value)}`, (p) =>
    ((frameMark[p.frame]! & mask) === value) !== inverted ? CONTINUE : BREAK,
  );
}

const MARK_OPERATORS: Readonly<Record<string, readonly [sign: string, apply: (a: number, b: number) => number]>> = {
  or: ['|', (a, b) => a | b],
  '|': ['|', (a, b) => a | b],
  and: ['&', (a, b) => a & b],
  '&': ['&', (a, b) => a & b],
  xor: ['^', (a, b) => a ^ b],
  '^': ['^', (a, b) => a ^ b],
};

/** mark set 1; mark set mark or 0x4000 */
function readMarkSet(reader: NftReader): NftPart {
  if (reader.is('meta')) reader.next();
  if (!reader.take('mark')) {
    const value = readMark(reader);
    return part(`meta mark set ${formatMark(value)}`, (p) => {
      frameMark[p.frame] = value;
      return CONTINUE;
    });
  }
  const operator = MARK_OPERATORS[reader.word];
  if (operator === undefined) reader.fail('expecting or, and, xor');
  reader.next();
  const value = readMark(reader);
  const [sign, apply] = operator;
  return part(`meta mark set meta mark ${sign} ${formatMark(value)}`, (p) => {
    frameMark[p.frame] = apply(frameMark[p.frame]!, value);
    return CONTINUE;
  });
}

const CT_STATES: readonly (readonly [string, (info: number, frame: number) => boolean])[] = [
  ['invalid', (info, frame) => info < 0 && !isUntracked(frame)],
  ['established', (info) => info === CtInfo.ESTABLISHED || info === CtInfo.ESTABLISHED_REPLY],
  ['related', (info) => info === CtInfo.RELATED || info === CtInfo.RELATED_REPLY],
  ['new', (info) => info === CtInfo.NEW],
  ['untracked', (_info, frame) => isUntracked(frame)],
];
const CT_STATUSES: readonly (readonly [string, number])[] = [
  ['seen-reply', CtStatus.SEEN_REPLY],
  ['assured', CtStatus.ASSURED],
  ['confirmed', CtStatus.CONFIRMED],
  ['snat', CtStatus.SRC_NAT],
  ['dnat', CtStatus.DST_NAT],
];

/** One word, several with commas, or braces. */
function readWords(reader: NftReader, known: readonly string[]): string[] {
  const words: string[] = [];
  const braces = reader.take('{');
  do {
    if (!known.includes(reader.word)) reader.fail(`expecting one of ${known.join(', ')}`);
    words.push(reader.next());
  } while (reader.take(','));
  if (braces) reader.expect('}');
  return words;
}

function readConntrack(reader: NftReader): NftPart {
  reader.next();
  const what = reader.name('state or status');
  const inverted = RELATIONS.has(reader.word) ? reader.next() === '!=' : false;
  const sign = inverted ? '!= ' : '';
  if (what === 'state') {
    const words = readWords(
      reader,
      CT_STATES.map(([name]) => name),
    );
    const tests = CT_STATES.filter(([name]) => words.includes(name));
    return part(`ct state ${sign}${tests.map(([name]) => name).join(',')}`, (p) => {
      const info = ctInfoOf(p.frame);
      let found = false;
      for (let i = 0; i < tests.length && !found; i++) found = tests[i]![1](info, p.frame);
      return found !== inverted ? CONTINUE : BREAK;
    });
  }
  if (what !== 'status') reader.fail('expecting state or status');
  const words = readWords(
    reader,
    CT_STATUSES.map(([name]) => name),
  );
  const bits = CT_STATUSES.reduce((sum, [name, bit]) => (words.includes(name) ? sum | bit : sum), 0);
  return part(`ct status ${sign}${words.join(',')}`, (p) => {
    const ct = ctOf(p.frame);
    return (ct !== null && (ct.status & bits) !== 0) !== inverted ? CONTINUE : BREAK;
  });
}

const FIB_TYPES: Readonly<Record<string, AddressType>> = {
  unicast: AddressType.UNICAST,
  local: AddressType.LOCAL,
  broadcast: AddressType.BROADCAST,
  multicast: AddressType.MULTICAST,
  blackhole: AddressType.BLACKHOLE,
  unreachable: AddressType.UNREACHABLE,
  prohibit: AddressType.PROHIBIT,
};

function readFib(reader: NftReader, context: NftContext): NftPart {
  reader.next();
  const which = reader.name('saddr or daddr');
  if (which !== 'saddr' && which !== 'daddr') reader.fail('expecting saddr or daddr');
  reader.expect('type');
  const inverted = RELATIONS.has(reader.word) ? reader.next() === '!=' : false;
  const [name] = readWords(reader, Object.keys(FIB_TYPES));
  const type = FIB_TYPES[name!]!;
  const { host } = context;
  return part(`fib ${which} type ${inverted ? '!= ' : ''}${name}`, (p) =>
    (host.addressType(which === 'saddr' ? p.source : p.destination, 0) === type) !== inverted ? CONTINUE : BREAK,
  );
}

function readDevice(reader: NftReader, context: NftContext): NftPart {
  const which = reader.next();
  const inverted = RELATIONS.has(reader.word) ? reader.next() === '!=' : false;
  const name = reader.name('the name of a device');
  const wild = name.endsWith('*');
  const stem = wild ? name.slice(0, -1) : name;
  const { host } = context;
  return part(`${which} ${inverted ? '!= ' : ''}"${name}"`, (p) => {
    const has = host.deviceName(which === 'iifname' ? p.inDevice : p.outDevice);
    return (wild ? has.startsWith(stem) : has === stem) !== inverted ? CONTINUE : BREAK;
  });
}

// -- maps ------------------------------------------------------------------------------------------------------------

/** `vmap @name` and `vmap { key : verdict, ... }` */
function readVerdictMap(reader: NftReader, context: NftContext, fields: readonly NftField[], left: string): NftPart {
  const types = fields.map((f) => f.type);
  let map: NftSet | null;
  if (reader.word.startsWith('@')) map = readSet(reader, types, context);
  else {
    map = new NftSet({ name: '', types, valueType: 'verdict', flags: [], timeout: 0, comment: '' });
    reader.expect('{');
    do {
      const { fields: key, intervals } = readKey(reader, types);
      reader.expect(':');
      const verdict = readVerdict(reader, context);
      map.add({ fields: key, intervals, comment: '', value: verdict.text, data: verdict, expires: -1 });
    } while (reader.take(','));
    reader.expect('}');
  }
  const found = map!;
  if (found.options.valueType !== 'verdict') reader.fail('expecting a map of verdicts');
  return {
    text: () => `${left} vmap ${found.options.name !== '' ? `@${found.options.name}` : mapText(found)}`,
    op: (p) => {
      const element = lookUp(fields, found, context.host, p);
      return element === null ? CONTINUE : (element.data as NftVerdictWord).op(p);
    },
    targets: () => verdictTargets(found),
  };
}

/** Chains that the verdicts of a map lead to. Those of a named map come and go with its elements. */
export function verdictTargets(map: NftSet): NftChain[] {
  const targets: NftChain[] = [];
  for (const element of map.elements()) {
    const { target } = element.data as NftVerdictWord;
    if (target !== null) targets.push(target);
  }
  return targets;
}

function mapText(map: NftSet): string {
  return `{ ${map
    .elements()
    .map((e) => `${map.keyText(e)} : ${e.value}`)
    .join(', ')} }`;
}

/** `numgen random mod 3 vmap { 0 : goto a, ... }`, and the same as a statement of its own. */
function readNumberGenerator(reader: NftReader, context: NftContext): NftPart {
  const draw = readDraw(reader, context);
  reader.expect('vmap');
  reader.expect('{');
  const verdicts: (NftVerdictWord | undefined)[] = [];
  do {
    const index = readIndex(reader, draw.modulus);
    reader.expect(':');
    verdicts[index] = readVerdict(reader, context);
  } while (reader.take(','));
  reader.expect('}');
  const text = verdicts.flatMap((v, i) => (v === undefined ? [] : [`${i} : ${v.text}`])).join(', ');
  return {
    text: () => `${draw.text} vmap { ${text} }`,
    op: (p) => verdicts[draw.next()]?.op(p) ?? CONTINUE,
    targets: () => verdicts.flatMap((v) => (v?.target == null ? [] : [v.target])),
  };
}

interface Draw {
  readonly text: string;
  readonly modulus: number;
  next(): number;
}

function readDraw(reader: NftReader, context: NftContext): Draw {
  reader.expect('numgen');
  const kind = reader.name('random or inc');
  if (kind !== 'random' && kind !== 'inc') reader.fail('expecting random or inc');
  reader.expect('mod');
  const modulus = Number(reader.word);
  if (!Number.isInteger(modulus) || modulus < 1 || modulus > NFT_ELEMENTS_MAX) reader.fail('expecting a number from 1');
  reader.next();
  const rng = context.host.rng('nftables-numgen');
  let at = 0;
  return {
    text: `numgen ${kind} mod ${modulus}`,
    modulus,
    next: kind === 'random' ? () => rng.below(modulus) : () => at++ % modulus,
  };
}

function readIndex(reader: NftReader, modulus: number): number {
  const index = Number(reader.word);
  if (!Number.isInteger(index) || index < 0 || index >= modulus) reader.fail(`expecting a number below ${modulus}`);
  reader.next();
  return index;
}

/** `update @set { ip saddr timeout 5s }` */
function readUpdate(reader: NftReader, context: NftContext): NftPart {
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
    if (set.size >= NFT_ELEMENTS_MAX) set.collect(now);
    if (set.size >= NFT_ELEMENTS_MAX) return BREAK;
    const key = Array.from(KEY.subarray(0, fields.length));
    const element: NftElement = { fields: key, intervals: null, comment: '', value: '', data: null, expires };
    const stale = set.add(element);
    if (stale !== null) stale.expires = expires;
    return CONTINUE;
  });
}

// -- actions -----------------------------------------------------------------------------------------------------------

function readCounter(reader: NftReader): NftPart {
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

function readLog(reader: NftReader, context: NftContext): NftPart {
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

function readReject(reader: NftReader, context: NftContext): NftPart {
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

function readNatFlags(reader: NftReader): { readonly flags: number; readonly text: string } {
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
function readNat(reader: NftReader, context: NftContext): NftPart {
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

function readMasquerade(reader: NftReader, context: NftContext): NftPart {
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
