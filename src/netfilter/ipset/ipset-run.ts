// ipset(8), version 7.17, as a function of its arguments: what it prints, its words for mistakes, and its exit statuses.
// Elements are listed in the order in which they came; the kernel lists them by a hash with a secret.

import { NS_PER_S } from '../../sim/sim.ts';
import { splitWords } from '../xtables/iptables-restore.ts';
import type { ProgramOutput } from '../xtables/iptables-run.ts';
import { unsigned } from '../xtables/option-text.ts';
import { ElementSyntax, elementText, emptyElement, parseElements } from './element-text.ts';
import { AddResult, type Element, type IpSet, type SetOptions } from './ip-set.ts';
import { type IpSets, SetError, type SetSlot } from './ip-sets.ts';
import { OTHER_TYPES, SET_TYPES, type SetType, TYPE_ALIASES } from './set-type.ts';

const VERSION = 'ipset v7.17';
const TRY = "Try `ipset help' for more information.\n";
/** IPSET_MAXNAMELEN with the zero at the end */
const NAME_MAX = 32;
const HASH_SIZE = 1024;
const MAX_ELEMENTS = 65_536;
const LIST_SIZE = 8;
const BUCKET_SIZE = 12;
/** Longest timeout: 2^31 / 1000 seconds (ip_set_timeout.h) */
const TIMEOUT_MAX = 2_147_483;

/** A call that cannot be understood: exit status 2. */
class UsageError extends Error {}

const COMMANDS: Readonly<Record<string, string>> = {
  create: 'create',
  '-N': 'create',
  n: 'create',
  add: 'add',
  '-A': 'add',
  del: 'del',
  '-D': 'del',
  test: 'test',
  '-T': 'test',
  destroy: 'destroy',
  '-X': 'destroy',
  x: 'destroy',
  list: 'list',
  '-L': 'list',
  save: 'save',
  '-S': 'save',
  restore: 'restore',
  '-R': 'restore',
  flush: 'flush',
  '-F': 'flush',
  rename: 'rename',
  '-E': 'rename',
  swap: 'swap',
  '-W': 'swap',
  help: 'help',
  '-h': 'help',
  '--help': 'help',
  version: 'version',
  '-v': 'version',
  '-V': 'version',
  '--version': 'version',
};

interface Flags {
  exist: boolean;
  quiet: boolean;
  names: boolean;
  terse: boolean;
  file: string;
}

export interface IpsetCall {
  /** what `restore` reads: standard input, or the file of -f */
  readonly input: (file: string) => string | null;
}

/** @returns the exit status */
export function runIpset(sets: IpSets, argv: readonly string[], io: ProgramOutput, call: IpsetCall): number {
  try {
    return runOne(sets, argv, io, call);
  } catch (error) {
    return report(error, io, '');
  }
}

function report(error: unknown, io: ProgramOutput, where: string): number {
  if (error instanceof UsageError) {
    io.err(`${VERSION}: ${where}${error.message}\n${TRY}`);
    return 2;
  }
  if (error instanceof ElementSyntax) {
    io.err(`${VERSION}: ${where}${error.plain ? '' : 'Syntax error: '}${error.message}\n`);
    return 1;
  }
  if (error instanceof SetError) {
    io.err(`${VERSION}: ${where}${error.message}\n`);
    return 1;
  }
  throw error;
}

function runOne(sets: IpSets, argv: readonly string[], io: ProgramOutput, call: IpsetCall): number {
  const flags: Flags = { exist: false, quiet: false, names: false, terse: false, file: '' };
  const words: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === '-!' || word === '-exist' || word === '--exist') flags.exist = true;
    else if (word === '-q' || word === '-quiet' || word === '--quiet') flags.quiet = true;
    else if (word === '-n' || word === '-name' || word === '--name') flags.names = true;
    else if (word === '-t' || word === '-terse' || word === '--terse') flags.terse = true;
    else if (word === '-s' || word === '-sorted' || word === '--sorted' || word === '-r') continue;
    else if (word === '-f' || word === '-file' || word === '--file') flags.file = argv[++i] ?? '';
    else if (word === '-o' || word === '-output' || word === '--output') {
      const form = argv[++i] ?? '';
      if (form === 'save') words[0] = 'save';
      else if (form !== 'plain') throw new UsageError(`podwire writes sets as plain or save, not as ${form}`);
    } else words.push(word);
  }
  const [name, ...rest] = words;
  if (name === undefined) throw new UsageError('No command specified.');
  const command = COMMANDS[name];
  if (command === undefined) throw new UsageError(`No command specified: unknown argument ${name}`);
  const need = (n: number): void => {
    if (rest.length < n) {
      throw new UsageError(`Missing ${rest.length === 0 ? '' : 'second '}mandatory argument to command ${command}`);
    }
  };
  switch (command) {
    case 'create':
      need(2);
      create(sets, rest, flags);
      return 0;
    case 'add':
    case 'del':
    case 'test':
      need(2);
      return changeElements(sets, command, rest, flags, io);
    case 'destroy':
      if (rest[0] === undefined) sets.destroyAll();
      else sets.destroy(rest[0]);
      return 0;
    case 'flush':
      if (rest[0] === undefined) for (const slot of sets.slots()) slot.set.flush();
      else sets.slot(rest[0]).set.flush();
      return 0;
    case 'rename':
      need(2);
      checkName(rest[1]!);
      sets.rename(rest[0]!, rest[1]!);
      return 0;
    case 'swap':
      need(2);
      sets.swap(rest[0]!, rest[1]!);
      return 0;
    case 'list':
    case 'save': {
      const slots = rest[0] === undefined ? sets.slots() : [sets.slot(rest[0])];
      if (flags.names) io.out(slots.map((s) => `${s.name}\n`).join(''));
      else if (command === 'save') io.out(slots.map((s) => saveSet(s, sets)).join(''));
      else io.out(slots.map((s) => listSet(s, sets, flags.terse)).join('\n'));
      return 0;
    }
    case 'restore':
      return restore(sets, flags, io, call);
    case 'version':
      io.out(`${VERSION}, protocol version: 7\n`);
      return 0;
    default:
      io.out(HELP);
      return 0;
  }
}

const HELP = `${VERSION}

usage: ipset create NAME TYPE [OPTIONS]     ipset destroy|flush [NAME]
       ipset add|del|test NAME ELEMENT      ipset list|save [NAME]
       ipset rename|swap NAME NAME          ipset restore
options: -exist (what is there already, or gone already, is no mistake), -n (names only), -t (no members), -f FILE
types: ${SET_TYPES.map((t) => t.name).join(' ')}
`;

function checkName(name: string): void {
  if (name.length >= NAME_MAX) throw new ElementSyntax(`setname '${name}' is longer than ${NAME_MAX - 1} characters`);
}

function create(sets: IpSets, words: readonly string[], flags: Flags): void {
  const [name = '', typeName = '', ...rest] = words;
  checkName(name);
  const type = SET_TYPES.find((t) => t.name === (TYPE_ALIASES[typeName] ?? typeName));
  if (type === undefined) {
    if (OTHER_TYPES.includes(typeName)) throw new SetError(`podwire does not emulate sets of type ${typeName} yet`);
    throw new ElementSyntax(`typename '${typeName}' is unknown`);
  }
  const options = parseCreateOptions(rest, type, sets, name);
  const old = sets.find(name);
  if (old === null) {
    sets.create(name, type, options);
    return;
  }
  // ip_set_create: with -exist the same type and options are no mistake.
  const same = old.set.type === type && createText(old.set, false) === createTextOf(type, options, false);
  if (!flags.exist || !same) throw new SetError('Set cannot be created: set with the same name already exists');
}

function parseCreateOptions(words: readonly string[], type: SetType, sets: IpSets, name: string): SetOptions {
  const hash = type.name.startsWith('hash:');
  const options = {
    hashSize: HASH_SIZE,
    maxElements: MAX_ELEMENTS,
    timeout: -1,
    counters: false,
    comment: false,
    netmask: 32,
    range: [0, 0xffff] as readonly [number, number],
    size: LIST_SIZE,
    initval: 0,
  };
  let ranged = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const number = (max: number): number => {
      const text = words[++i];
      if (text === undefined) throw new UsageError(`Missing mandatory argument of option \`${word}'`);
      const value = unsigned(text, max);
      if (value === null) throw new ElementSyntax(`'${text}' is out of range 0-${max}`);
      return value;
    };
    if (word === 'timeout') options.timeout = number(TIMEOUT_MAX);
    else if (word === 'counters') options.counters = true;
    else if (word === 'comment') options.comment = true;
    else if (hash && word === 'hashsize') options.hashSize = 2 ** Math.ceil(Math.log2(Math.max(number(2 ** 31), 64)));
    else if (hash && word === 'maxelem') options.maxElements = number(0xffff_ffff);
    else if (hash && (word === 'bucketsize' || word === 'initval')) {
      const value = number(0xffff_ffff);
      if (word === 'initval') options.initval = value;
    } else if (word === 'netmask' && type.name === 'hash:ip') options.netmask = number(32);
    else if (hash && word === 'family') {
      const family = words[++i];
      if (family === 'inet6' || family === 'ipv6')
        throw new SetError('podwire does not emulate sets of IPv6 addresses yet');
      if (family !== 'inet' && family !== 'ipv4') throw new ElementSyntax(`unknown INET family ${family}`);
    } else if (type.name === 'bitmap:port' && word === 'range') {
      const [low = '', high = ''] = (words[++i] ?? '').replace(/^\w+:/, '').split('-', 2);
      const first = unsigned(low, 0xffff);
      const last = unsigned(high, 0xffff);
      if (first === null || last === null) throw new ElementSyntax(`cannot parse '${words[i]}' as a tcp port`);
      options.range = [Math.min(first, last), Math.max(first, last)];
      ranged = true;
    } else if (type.name === 'list:set' && word === 'size') options.size = number(0xffff_ffff);
    else throw new UsageError(`Unknown argument: \`${word}'`);
  }
  if (type.name === 'bitmap:port' && !ranged) throw new UsageError("Mandatory option `range' is missing");
  // Where the kernel draws its hash's secret; here it changes nothing, and is made of the name.
  if (hash && options.initval === 0)
    for (const c of name) options.initval = (options.initval * 33 + c.charCodeAt(0)) >>> 0;
  if (sets.find(name) !== null && hash) options.initval = sets.find(name)!.set.options.initval;
  return options;
}

function changeElements(
  sets: IpSets,
  command: 'add' | 'del' | 'test',
  words: readonly string[],
  flags: Flags,
  io: ProgramOutput,
): number {
  const [name = '', word = '', ...rest] = words;
  const slot = sets.slot(name);
  const { set } = slot;
  const made =
    set.type.name === 'list:set'
      ? [emptyElement(memberOf(sets, word, command, slot))]
      : parseElements(word, set.type, set.options.netmask);
  const details = parseElementOptions(rest, set, sets.sim.now);
  if (command === 'test') {
    const found = set.element(made[0]!) ?? findWider(set, made[0]!);
    const inside = found !== null && !found.noMatch;
    if (!flags.quiet) io.err(inside ? `Warning: ${word} is in set ${name}.\n` : `${word} is NOT in set ${name}.\n`);
    return inside ? 0 : 1;
  }
  for (const e of made) {
    if (set.type.name === 'bitmap:port' && (e.port < set.options.range[0] || e.port > set.options.range[1])) {
      throw new SetError('Element is out of the range of the set');
    }
    if (command === 'del') {
      if (!set.remove(e) && !flags.exist) throw new SetError("Element cannot be deleted from the set: it's not added");
      continue;
    }
    const result = set.add({ ...e, ...details }, flags.exist);
    if (result === AddResult.EXISTS) throw new SetError("Element cannot be added to the set: it's already added");
    if (result === AddResult.FULL) {
      throw new SetError(
        set.type.name === 'list:set'
          ? 'The set is full, more elements cannot be added.'
          : 'Hash is full, cannot add more elements',
      );
    }
  }
  return 0;
}

function memberOf(sets: IpSets, name: string, command: string, list: SetSlot): SetSlot {
  const member = sets.find(name);
  if (member === null) throw new SetError('Set to be added/deleted/tested as element does not exist.');
  if (command === 'add' && (member === list || member.set.type.name === 'list:set')) {
    throw new SetError('Sets with list:set type cannot be added to the set.');
  }
  return member;
}

/** test: an address is in a net set when a network around it is. */
function findWider(set: IpSet, e: Element): Element | null {
  const widths = (isNet: boolean, from: number): number[] =>
    isNet ? Array.from({ length: from }, (_, i) => from - i) : [from];
  const last = set.type.parts.length - 1;
  for (const length of widths(set.type.parts[0] === 'net', e.length)) {
    for (const secondLength of widths(last === 2 && set.type.parts[2] === 'net', e.secondLength)) {
      const mask = (a: number, bits: number): number => a & (bits === 0 ? 0 : -1 << (32 - bits));
      const found = set.element({
        ...e,
        address: mask(e.address, length),
        length,
        second: mask(e.second, secondLength),
        secondLength,
      });
      if (found !== null) return found;
    }
  }
  return null;
}

function parseElementOptions(words: readonly string[], set: IpSet, now: number): Partial<Element> {
  const details: { -readonly [K in keyof Element]?: Element[K] } = {};
  if (set.options.timeout > 0) details.expiresAt = now + set.options.timeout * NS_PER_S;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const text = words[i + 1] ?? '';
    const number = (max: number): number => {
      i++;
      const value = unsigned(text, max);
      if (value === null) throw new ElementSyntax(`'${text}' is out of range 0-${max}`);
      return value;
    };
    if (word === 'timeout') {
      const seconds = number(TIMEOUT_MAX);
      if (set.options.timeout < 0)
        throw new SetError('Timeout cannot be used: set was created without timeout support');
      details.expiresAt = seconds === 0 ? 0 : now + seconds * NS_PER_S;
    } else if (word === 'packets' || word === 'bytes') {
      if (!set.options.counters) {
        throw new SetError('Packet/byte counters cannot be used: set was created without counter support');
      }
      details[word] = number(Number.MAX_SAFE_INTEGER);
    } else if (word === 'comment') {
      i++;
      if (!set.options.comment) throw new SetError('Comment cannot be used: set was created without comment support');
      details.comment = text;
    } else if (word === 'nomatch' && set.type.parts.includes('net')) details.noMatch = true;
    else if ((word === 'before' || word === 'after') && set.type.name === 'list:set') {
      throw new SetError(`podwire appends to lists of sets: ${word} is not emulated`);
    } else throw new UsageError(`Unknown argument: \`${word}'`);
  }
  return details;
}

function createTextOf(type: SetType, o: SetOptions, whole: boolean): string {
  let text = '';
  if (type.name === 'bitmap:port') text = `range ${o.range[0]}-${o.range[1]}`;
  else if (type.name === 'list:set') text = `size ${o.size}`;
  else text = `family inet hashsize ${o.hashSize} maxelem ${o.maxElements}`;
  if (o.netmask !== 32) text += ` netmask ${o.netmask}`;
  if (o.timeout >= 0) text += ` timeout ${o.timeout}`;
  if (o.counters) text += ' counters';
  if (o.comment) text += ' comment';
  if (whole && type.name.startsWith('hash:')) {
    text += ` bucketsize ${BUCKET_SIZE} initval 0x${o.initval.toString(16).padStart(8, '0')}`;
  }
  return text;
}

function createText(set: IpSet, whole: boolean): string {
  return createTextOf(set.type, set.options, whole);
}

function memberLines(slot: SetSlot, sets: IpSets): string[] {
  const { set } = slot;
  return set.elements().map((e) => {
    let text = elementText(e, set.type);
    if (e.noMatch) text += ' nomatch';
    if (set.options.timeout >= 0) {
      text += ` timeout ${e.expiresAt === 0 ? 0 : Math.max(1, Math.floor((e.expiresAt - sets.sim.now) / NS_PER_S))}`;
    }
    if (set.options.counters) text += ` packets ${e.packets} bytes ${e.bytes}`;
    if (e.comment !== '') text += ` comment "${e.comment}"`;
    return text;
  });
}

function listSet(slot: SetSlot, sets: IpSets, terse: boolean): string {
  const { set } = slot;
  const [empty, each] = set.type.memory;
  let text = `Name: ${slot.name}\nType: ${set.type.name}\nRevision: ${set.type.revision}\n`;
  text += `Header: ${createText(set, true)}\nSize in memory: ${empty + each * set.size}\n`;
  text += `References: ${sets.references(slot)}\nNumber of entries: ${set.size}\n`;
  if (terse) return text;
  return `${text}Members:\n${memberLines(slot, sets)
    .map((line) => `${line}\n`)
    .join('')}`;
}

function saveSet(slot: SetSlot, sets: IpSets): string {
  const lines = memberLines(slot, sets).map((line) => `add ${slot.name} ${line}\n`);
  return `create ${slot.name} ${slot.set.type.name} ${createText(slot.set, true)}\n${lines.join('')}`;
}

function restore(sets: IpSets, flags: Flags, io: ProgramOutput, call: IpsetCall): number {
  const text = call.input(flags.file);
  if (text === null) {
    io.err(`${VERSION}: Cannot open ${flags.file} for reading: No such file or directory\n`);
    return 1;
  }
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (line.trim() === '' || line.startsWith('#')) continue;
    if (line === 'COMMIT') continue;
    try {
      const words = splitWords(line).map((w) => w.text);
      runOne(sets, flags.exist ? ['-exist', ...words] : words, io, call);
    } catch (error) {
      return report(error, io, error instanceof UsageError ? '' : `Error in line ${i + 1}: `);
    }
  }
  return 0;
}
