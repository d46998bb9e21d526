// Rules of nftables: read from their words, listed as nft 1.0.6 lists them, compiled into one closure per expression.
// What is emulated is what kube-proxy, Flannel and people's own service rules use; the rest is refused by name.

import * as frames from '../../link/frame.ts';
import { CtInfo, CtStatus, ctInfoOf, ctOf, isUntracked, setUntracked } from '../conntrack/nf-conn.ts';
import { AddressType } from '../netfilter-host.ts';
import { Verdict } from '../verdict.ts';
import { readCounter, readLog, readMasquerade, readNat, readReject, readUpdate } from './nft-action.ts';
import { BREAK, type NftPart, nftPart as part } from './nft-chain.ts';
import type { NftContext } from './nft-context.ts';
import { type NftField, readNftFields } from './nft-field.ts';
import { intervalOp, lookUp, readKey, readSet, setOp, setText } from './nft-match.ts';
import { readNumberGenerator } from './nft-numgen.ts';
import { NftSet } from './nft-set.ts';
import { END_OF_STATEMENT, type NftReader } from './nft-token.ts';
import { formatMark, parseNftInterval, parseNftValue } from './nft-type.ts';
import { type NftVerdictWord, readVerdict, verdictTargets } from './nft-verdict.ts';

const { frameMark } = frames;
const { CONTINUE } = Verdict;

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
    map = new NftSet({
      name: '',
      types,
      valueType: 'verdict',
      flags: [],
      size: 0,
      timeout: 0,
      gcInterval: 0,
      comment: '',
    });
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

function mapText(map: NftSet): string {
  return `{ ${map
    .elements()
    .map((e) => `${map.keyText(e)} : ${e.value}`)
    .join(', ')} }`;
}
