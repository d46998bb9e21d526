// -m hashlimit (extensions/libxt_hashlimit.c, net/netfilter/xt_hashlimit.c): a token bucket for each source, destination or
// port. Rules of one name share a table. Rates of packets only; its options count in the units of the kernel.

import { maskIpv4 } from '../../../addr/ipv4.ts';
import { NS_PER_S } from '../../../sim/sim.ts';
import { TupleTable } from '../../conntrack/tuple-table.ts';
import type { CompileContext, SharedTables } from '../compile-context.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import { uintOption } from '../option-text.ts';
import { parseRate, type Rate, rateText } from './rate.ts';

const MODES = ['srcip', 'srcport', 'dstip', 'dstport'] as const;
/** order in which modes are written */
const MODE_ORDER = ['srcip', 'srcport', 'dstip', 'dstport'] as const;
const BURST_DEFAULT = 5;
/** TCP, UDP, DCCP, SCTP, UDP-Lite */
const WITH_PORTS: readonly number[] = [6, 17, 33, 132, 136];
/** htable-expire, ms */
const EXPIRE_DEFAULT = 10_000;
/** XT_HASHLIMIT_GCINTERVAL, ms */
const GC_DEFAULT = 1_000;
/** htable_create(): buckets of the hash table where none are asked for and the machine has more than 1 GB. */
const SIZE_DEFAULT = 8_192;
/** htable_create(): entries for each bucket where no --hashlimit-htable-max is given */
const ENTRIES_PER_SIZE = 8;
const NS_PER_MS = NS_PER_S / 1_000;
/** What TupleTable.get() says of a key that it does not have. */
const MISSING = -1;

/** The buckets of one name, by addresses and ports. Limit: --hashlimit-htable-max. Ageing: collect(). */
class BucketTable {
  readonly #index = new TupleTable();
  readonly #free: number[] = [];
  readonly #sources: number[] = [];
  readonly #destinations: number[] = [];
  readonly #ports: number[] = [];
  /** ns of rate in each bucket, and when that was; -1: not in use */
  readonly tokens: number[] = [];
  readonly last: number[] = [];
  /** when it was made, ns; -1 before the first packet rule is compiled */
  madeAt = -1;
  #collectedAt = -1;

  get size(): number {
    return this.#index.size;
  }

  /** @returns the bucket's number, -1 when there is none */
  find(source: number, destination: number, ports: number): number {
    return this.#index.get(source, destination, ports, 0);
  }

  add(source: number, destination: number, ports: number, tokens: number, now: number): number {
    const bucket = this.#free.pop() ?? this.tokens.length;
    this.#index.set(source, destination, ports, 0, bucket);
    this.#sources[bucket] = source;
    this.#destinations[bucket] = destination;
    this.#ports[bucket] = ports;
    this.tokens[bucket] = tokens;
    this.last[bucket] = now;
    return bucket;
  }

  /** htable_gc(), as of its last visit: what had been quiet for `expire` ns by then goes. */
  collect(visit: number, expire: number): void {
    if (visit <= this.#collectedAt) return;
    this.#collectedAt = visit;
    for (let i = 0; i < this.last.length; i++) {
      const at = this.last[i]!;
      if (at < 0 || at + expire > visit) continue;
      this.#index.delete(this.#sources[i]!, this.#destinations[i]!, this.#ports[i]!, 0);
      this.last[i] = -1;
      this.#free.push(i);
    }
  }
}

class HashlimitMatch implements Match {
  readonly name = 'hashlimit';
  readonly pure = false;
  #rate: Rate | null = null;
  #above = false;
  #burst = BURST_DEFAULT;
  #modes: readonly string[] = [];
  #table = '';
  #size = 0;
  #max = 0;
  #gc = 0;
  #expire = EXPIRE_DEFAULT;
  #sourceLength = 32;
  #destinationLength = 32;

  parse(option: OptionValue): void {
    switch (option.name) {
      case 'hashlimit':
      case 'hashlimit-upto':
        this.#rate = parseRate(option.value);
        this.#above = option.inverted;
        break;
      case 'hashlimit-above':
        this.#rate = parseRate(option.value);
        this.#above = !option.inverted;
        break;
      case 'hashlimit-burst':
        this.#burst = uintOption(option, 1, 10_000);
        break;
      case 'hashlimit-mode':
        this.#modes = option.value.split(',');
        for (const mode of this.#modes) {
          if (!(MODES as readonly string[]).includes(mode)) {
            throw new RuleError(`hashlimit: Bad value for "--hashlimit-mode" option: "${option.value}"`);
          }
        }
        break;
      case 'hashlimit-name':
        this.#table = option.value;
        break;
      case 'hashlimit-htable-size':
        this.#size = uintOption(option, 0, 0xffff_ffff);
        break;
      case 'hashlimit-htable-max':
        this.#max = uintOption(option, 0, 0xffff_ffff);
        break;
      case 'hashlimit-htable-gcinterval':
        this.#gc = uintOption(option, 0, 0xffff_ffff);
        break;
      case 'hashlimit-htable-expire':
        this.#expire = uintOption(option, 0, 0xffff_ffff);
        break;
      case 'hashlimit-srcmask':
        this.#sourceLength = uintOption(option, 0, 32);
        break;
      case 'hashlimit-dstmask':
        this.#destinationLength = uintOption(option, 0, 32);
        break;
    }
  }

  finish(): void {
    if (this.#rate === null) throw new RuleError('You have to specify --hashlimit');
  }

  #text(prefix: string, joint: string): string {
    const modes = MODE_ORDER.filter((m) => this.#modes.includes(m));
    let text = modes.length === 0 ? '' : ` ${prefix}mode ${modes.join(joint)}`;
    if (prefix !== '') text += ` --hashlimit-name ${this.#table}`;
    if (this.#size !== 0) text += ` ${prefix}htable-size ${this.#size}`;
    if (this.#max !== 0) text += ` ${prefix}htable-max ${this.#max}`;
    if (this.#gc !== 0) text += ` ${prefix}htable-gcinterval ${this.#gc}`;
    if (this.#expire !== EXPIRE_DEFAULT) text += ` ${prefix}htable-expire ${this.#expire}`;
    if (this.#sourceLength !== 32) text += ` ${prefix}srcmask ${this.#sourceLength}`;
    if (this.#destinationLength !== 32) text += ` ${prefix}dstmask ${this.#destinationLength}`;
    return text;
  }

  claim(shared: SharedTables): string {
    this.#claimed(shared);
    return `hashlimit ${this.#table}`;
  }

  #claimed(shared: SharedTables): BucketTable {
    return shared.table(`hashlimit ${this.#table}`, () => new BucketTable());
  }

  save(): string {
    const rate = ` --hashlimit-${this.#above ? 'above' : 'upto'} ${rateText(this.#rate!)}`;
    return `${rate} --hashlimit-burst ${this.#burst}${this.#text('--hashlimit-', ',')}`;
  }

  list(): string {
    return ` limit: ${this.#above ? 'above' : 'up to'} ${rateText(this.#rate!)} burst ${this.#burst}${this.#text('', '-')}`;
  }

  compile(context: CompileContext): Test {
    const { sim } = context.host;
    const rate = this.#rate!;
    const cost = (rate.unit * NS_PER_S) / rate.packets;
    const most = cost * this.#burst;
    const size = this.#size === 0 ? SIZE_DEFAULT : this.#size;
    const limit = this.#max === 0 ? ENTRIES_PER_SIZE * size : Math.max(this.#max, size);
    const expire = this.#expire * NS_PER_MS;
    const interval = (this.#gc === 0 ? GC_DEFAULT : this.#gc) * NS_PER_MS;
    const buckets = this.#claimed(context.shared);
    if (buckets.madeAt < 0) buckets.madeAt = sim.now;
    const { madeAt } = buckets;
    const sourceMask = this.#modes.includes('srcip') ? maskIpv4(this.#sourceLength) : 0;
    const destinationMask = this.#modes.includes('dstip') ? maskIpv4(this.#destinationLength) : 0;
    const bySourcePort = this.#modes.includes('srcport');
    const byPort = this.#modes.includes('dstport');
    const above = this.#above;
    return (packet) => {
      const source = packet.source & sourceMask;
      const destination = packet.destination & destinationMask;
      // hashlimit_init_dst(): ports of later fragments are read from their data; other protocols have 0.
      let ports = 0;
      if ((bySourcePort || byPort) && WITH_PORTS.includes(packet.protocol)) {
        if (packet.rawDestinationPort < 0) {
          packet.hotDrop = true;
          return false;
        }
        ports = (bySourcePort ? packet.rawSourcePort << 16 : 0) | (byPort ? packet.rawDestinationPort : 0);
      }
      const { now } = sim;
      // The collector's last visit.
      const visit = now - ((now - madeAt) % interval);
      let bucket = buckets.find(source, destination, ports);
      if (bucket === MISSING) {
        if (buckets.size >= limit) buckets.collect(visit, expire);
        // dsthash_alloc_init(): a full table drops the packet.
        if (buckets.size >= limit) {
          packet.hotDrop = true;
          return false;
        }
        bucket = buckets.add(source, destination, ports, most, now);
      }
      // What the collector has taken begins anew, full.
      const last = buckets.last[bucket]!;
      let tokens = last + expire <= visit ? most : Math.min(most, buckets.tokens[bucket]! + now - last);
      const within = tokens >= cost;
      if (within) tokens -= cost;
      buckets.tokens[bucket] = tokens;
      buckets.last[bucket] = now;
      return within !== above;
    };
  }
}

const option = (name: string, more: object = {}) =>
  ({ name: name === '' ? 'hashlimit' : `hashlimit-${name}`, argument: 'required', ...more }) as const;

export const hashlimitMatch: MatchType = {
  name: 'hashlimit',
  options: [
    option('', { invertible: true, excludes: ['hashlimit-upto', 'hashlimit-above'] }),
    option('upto', { invertible: true, excludes: ['hashlimit', 'hashlimit-above'] }),
    option('above', { invertible: true, excludes: ['hashlimit', 'hashlimit-upto'] }),
    option('burst'),
    option('mode'),
    option('name', { mandatory: true }),
    option('htable-size'),
    option('htable-max'),
    option('htable-gcinterval'),
    option('htable-expire'),
    option('srcmask'),
    option('dstmask'),
  ],
  create: () => new HashlimitMatch(),
};
