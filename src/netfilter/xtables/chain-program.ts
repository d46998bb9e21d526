// A chain compiled: the header part of its rules in typed arrays, matches as closures, so that a rule that does not match
// costs a few comparisons and nothing is allocated per packet.
//
// Linux asks rule after rule. A chain like KUBE-SERVICES has one rule or more per Service, and nearly all of them name one
// destination address: for those a packet with another address need not be asked. So in a chain of INDEX_MINIMUM rules or
// more, rules stand in one of three lists, each in the order of the chain:
//
//   by destination address   rules with a whole address (-d 10.96.0.10/32)
//   by protocol and port     rules without one, but with one port (-p tcp --dport 30080)
//   the others               asked always
//
// and the walk merges the list of the packet's address, the list of its port and the others. What is left out are rules
// whose header, or whose port behind nothing but pure matches, differs from the packet's: asking them would have changed
// nothing, not even a counter. test/netfilter/chain-program.test.ts holds the plain walk against it.

import { IntTable } from '../../base/int-table.ts';
import type { Packet } from '../packet.ts';
import type { CompileContext } from './compile-context.ts';
import type { InterfacePattern, InterfacePatterns } from './interface-matcher.ts';
import type { Test } from './match.ts';
import { ANY_PROTOCOL, type Rule } from './rule.ts';
import type { Action } from './target.ts';

/** Choice: below it, merging lists costs more than it saves (test/bench). */
export const INDEX_MINIMUM = 16;

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const ANY = ANY_PROTOCOL;
const NONE = -1;
/** No rule stands behind this one. */
const PAST = 0x7fff_ffff;

const SOURCE_INVERTED = 1;
const DESTINATION_INVERTED = 2;
const PROTOCOL_INVERTED = 4;
/** has an interface or -f: asked by a call */
const MORE = 8;

export interface ProgramOptions {
  readonly context: CompileContext;
  readonly patterns: InterfacePatterns;
  /** false: the plain walk (the oracle of the tests) */
  readonly indexed: boolean;
}

/** Rules of one list value, in order: members [start, end). */
class RuleIndex {
  readonly #buckets = new IntTable();
  readonly #starts: Int32Array;
  readonly #members: Int32Array;

  constructor(keys: ReadonlyMap<number, readonly number[]>) {
    let count = 0;
    for (const rules of keys.values()) count += rules.length;
    this.#starts = new Int32Array(keys.size + 1);
    this.#members = new Int32Array(count);
    let at = 0;
    let bucket = 0;
    for (const [key, rules] of keys) {
      this.#buckets.set(key, bucket);
      this.#starts[bucket++] = at;
      for (const rule of rules) this.#members[at++] = rule;
    }
    this.#starts[bucket] = at;
  }

  bucket(key: number): number {
    return this.#buckets.get(key);
  }

  /** The first rule of the bucket at `from` or behind it; PAST when there is none. */
  first(bucket: number, from: number): number {
    let low = this.#starts[bucket]!;
    const end = this.#starts[bucket + 1]!;
    if (low < end && this.#members[low]! >= from) return this.#members[low]!;
    let high = end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#members[middle]! < from) low = middle + 1;
      else high = middle;
    }
    return low < end ? this.#members[low]! : PAST;
  }
}

export class ChainProgram {
  readonly rules: readonly Rule[];
  readonly actions: readonly (Action | null)[];
  readonly #context: CompileContext;
  readonly #flags: Uint8Array;
  readonly #sources: Int32Array;
  readonly #sourceMasks: Int32Array;
  readonly #destinations: Int32Array;
  readonly #destinationMasks: Int32Array;
  readonly #protocols: Uint8Array;
  readonly #ins: (InterfacePattern | null)[] = [];
  readonly #outs: (InterfacePattern | null)[] = [];
  readonly #tests: (readonly Test[] | null)[] = [];
  readonly #byDestination: RuleIndex | null = null;
  readonly #byPort: RuleIndex | null = null;
  /** at i: the first rule at i or behind it that stands in no index */
  readonly #others: Int32Array | null = null;

  constructor(rules: readonly Rule[], options: ProgramOptions) {
    const n = rules.length;
    this.rules = rules;
    this.#context = options.context;
    this.#flags = new Uint8Array(n);
    this.#sources = new Int32Array(n);
    this.#sourceMasks = new Int32Array(n);
    this.#destinations = new Int32Array(n);
    this.#destinationMasks = new Int32Array(n);
    this.#protocols = new Uint8Array(n);
    const actions: (Action | null)[] = [];
    rules.forEach((rule, i) => {
      this.#flags[i] =
        (rule.sourceInverted ? SOURCE_INVERTED : 0) |
        (rule.destinationInverted ? DESTINATION_INVERTED : 0) |
        (rule.protocolInverted ? PROTOCOL_INVERTED : 0) |
        (rule.inInterface !== '' || rule.outInterface !== '' || rule.fragment ? MORE : 0);
      this.#sources[i] = rule.source;
      this.#sourceMasks[i] = rule.sourceMask;
      this.#destinations[i] = rule.destination;
      this.#destinationMasks[i] = rule.destinationMask;
      this.#protocols[i] = rule.protocol;
      this.#ins.push(rule.inInterface === '' ? null : options.patterns.pattern(rule.inInterface));
      this.#outs.push(rule.outInterface === '' ? null : options.patterns.pattern(rule.outInterface));
      const tests = rule.matches.map((m) => m.compile(options.context)).filter((t) => t !== null);
      this.#tests.push(tests.length === 0 ? null : tests);
      actions.push(rule.target === null ? null : rule.target.compile(options.context));
    });
    this.actions = actions;
    if (!options.indexed || n < INDEX_MINIMUM) return;
    const byDestination = new Map<number, number[]>();
    const byPort = new Map<number, number[]>();
    const others = new Int32Array(n + 1).fill(PAST);
    for (let i = n - 1; i >= 0; i--) {
      const rule = rules[i]!;
      const port = exactPort(rule);
      const whole = rule.destinationMask === -1 && !rule.destinationInverted;
      const map = whole ? byDestination : port === NONE ? null : byPort;
      const key = whole ? rule.destination : (rule.protocol << 16) | port;
      others[i] = map === null ? i : others[i + 1]!;
      if (map === null) continue;
      const list = map.get(key);
      if (list === undefined) map.set(key, [i]);
      else list.push(i);
    }
    for (const map of [byDestination, byPort]) for (const list of map.values()) list.reverse();
    this.#others = others;
    if (byDestination.size > 0) this.#byDestination = new RuleIndex(byDestination);
    if (byPort.size > 0) this.#byPort = new RuleIndex(byPort);
  }

  /** The first rule at `from` or behind it that the packet matches, -1 for none. With packet.hotDrop set: the rule that dropped it. */
  next(from: number, packet: Packet): number {
    if (this.#others !== null) return this.#nextIndexed(from, packet);
    const n = this.rules.length;
    const flags = this.#flags;
    const sources = this.#sources;
    const sourceMasks = this.#sourceMasks;
    const destinations = this.#destinations;
    const destinationMasks = this.#destinationMasks;
    const protocols = this.#protocols;
    const { source, destination, protocol } = packet;
    for (let i = from; i < n; i++) {
      const f = flags[i]!;
      if ((((destination ^ destinations[i]!) & destinationMasks[i]!) !== 0) !== ((f & DESTINATION_INVERTED) !== 0))
        continue;
      if ((((source ^ sources[i]!) & sourceMasks[i]!) !== 0) !== ((f & SOURCE_INVERTED) !== 0)) continue;
      const wanted = protocols[i]!;
      if (wanted !== ANY && (wanted === protocol) === ((f & PROTOCOL_INVERTED) !== 0)) continue;
      if ((f & MORE) !== 0 && !this.#more(i, packet)) continue;
      const tests = this.#tests[i]!;
      if (tests === null || run(tests, packet) || packet.hotDrop) return i;
    }
    return NONE;
  }

  #nextIndexed(from: number, packet: Packet): number {
    const others = this.#others!;
    const byDestination = this.#byDestination;
    const byPort = this.#byPort;
    const destinationBucket = byDestination === null ? NONE : byDestination.bucket(packet.destination);
    const portBucket =
      byPort === null || packet.rawDestinationPort === NONE
        ? NONE
        : byPort.bucket((packet.protocol << 16) | packet.rawDestinationPort);
    for (let i = from; ; ) {
      let best = others[i]!;
      if (destinationBucket !== NONE) {
        const own = byDestination!.first(destinationBucket, i);
        if (own < best) best = own;
      }
      if (portBucket !== NONE) {
        const own = byPort!.first(portBucket, i);
        if (own < best) best = own;
      }
      if (best === PAST) return NONE;
      if (this.#matches(best, packet)) return best;
      i = best + 1;
    }
  }

  #matches(i: number, packet: Packet): boolean {
    const f = this.#flags[i]!;
    const { source, destination, protocol } = packet;
    const d = this.#destinations[i]!;
    if ((((destination ^ d) & this.#destinationMasks[i]!) !== 0) !== ((f & DESTINATION_INVERTED) !== 0)) return false;
    if ((((source ^ this.#sources[i]!) & this.#sourceMasks[i]!) !== 0) !== ((f & SOURCE_INVERTED) !== 0)) return false;
    const wanted = this.#protocols[i]!;
    if (wanted !== ANY && (wanted === protocol) === ((f & PROTOCOL_INVERTED) !== 0)) return false;
    if ((f & MORE) !== 0 && !this.#more(i, packet)) return false;
    const tests = this.#tests[i]!;
    return tests === null || run(tests, packet) || packet.hotDrop;
  }

  #more(i: number, packet: Packet): boolean {
    const rule = this.rules[i]!;
    const { host } = this.#context;
    const into = this.#ins[i]!;
    if (into !== null && into.matches(packet.inDevice, host) === rule.inInverted) return false;
    const out = this.#outs[i]!;
    if (out !== null && out.matches(packet.outDevice, host) === rule.outInverted) return false;
    return !rule.fragment || (packet.fragment !== 0) !== rule.fragmentInverted;
  }
}

function run(tests: readonly Test[], packet: Packet): boolean {
  for (let i = 0; i < tests.length; i++) if (!tests[i]!(packet)) return false;
  return true;
}

/** The one destination port that a rule asks for before anything whose asking has an effect; -1 for none. */
function exactPort(rule: Rule): number {
  if (rule.protocol === ANY_PROTOCOL || rule.protocolInverted) return NONE;
  for (const match of rule.matches) {
    if (!match.pure) return NONE;
    const port = match.exactDestinationPort ?? NONE;
    if (port !== NONE) return port;
  }
  return NONE;
}
