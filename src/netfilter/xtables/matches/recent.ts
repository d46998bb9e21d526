// -m recent (extensions/libxt_recent.c, net/netfilter/xt_recent.c).

import { formatIpv4 } from '../../../addr/ipv4.ts';
import * as frames from '../../../link/frame.ts';
import { NS_PER_S } from '../../../sim/sim.ts';
import { IPV4_TTL } from '../../../wire/ipv4.ts';
import { Hook } from '../../hook.ts';
import type { CompileContext, SharedTables } from '../compile-context.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import { numericAddress, uintOption } from '../option-text.ts';
import { RecentTable } from '../recent-table.ts';

const { view } = frames;
/** XT_RECENT_NAME_LEN with the zero at the end */
const NAME_MAX = 200;
/** ip_pkt_list_tot allows up to this (XT_RECENT_MAX_NSTAMPS - 1) */
const HITS_MAX = 0xffff;

type Check = 'set' | 'rcheck' | 'update' | 'remove';
const SHOWN: Readonly<Record<Check, string>> = { set: 'SET', rcheck: 'CHECK', update: 'UPDATE', remove: 'REMOVE' };

/** Key of a list in the namespace's shared tables. */
export function recentKey(list: string): string {
  return `recent ${list}`;
}

class RecentMatch implements Match {
  readonly name = 'recent';
  readonly pure = false;
  #check: Check | null = null;
  #inverted = false;
  #list = 'DEFAULT';
  #seconds = 0;
  #hits = 0;
  #reap = false;
  #ttl = false;
  #destination = false;
  #mask = -1;

  parse(option: OptionValue): void {
    switch (option.name) {
      case 'set':
      case 'rcheck':
      case 'update':
      case 'remove':
        this.#check = option.name;
        this.#inverted = option.inverted;
        break;
      case 'name':
        if (option.value.length >= NAME_MAX) {
          throw new RuleError(
            'recent: Argument must have a minimum length of 0 and a maximum length of 199 characters\n',
          );
        }
        this.#list = option.value;
        break;
      case 'seconds':
        this.#seconds = uintOption(option, 1, 0xffff_ffff);
        break;
      case 'hitcount':
        this.#hits = uintOption(option, 0, 0xffff_ffff);
        break;
      case 'reap':
        this.#reap = true;
        break;
      case 'rttl':
        this.#ttl = true;
        break;
      case 'rsource':
        this.#destination = false;
        break;
      case 'rdest':
        this.#destination = true;
        break;
      case 'mask': {
        const mask = numericAddress(option.value);
        if (mask === null) throw new RuleError(`recent: Bad value for "--mask" option: "${option.value}"`);
        this.#mask = mask;
        break;
      }
    }
  }

  finish(): void {
    if (this.#check === null) {
      throw new RuleError("recent: you must specify one of `--set', `--rcheck' `--update' or `--remove'");
    }
  }

  /** recent_mt_check(): --seconds and --hitcount are questions; --set and --remove ask none. */
  refused(): boolean {
    const asks = this.#seconds !== 0 || this.#hits !== 0;
    if (asks && (this.#check === 'set' || this.#check === 'remove')) return true;
    return this.#hits > HITS_MAX || this.#list === '';
  }

  /** recent_mt_check(): the list is made, or learns that it has to keep more. */
  claim(shared: SharedTables): string {
    this.#claimed(shared);
    return recentKey(this.#list);
  }

  #claimed(shared: SharedTables): RecentTable {
    const table = shared.table(recentKey(this.#list), () => new RecentTable(this.#list));
    table.keep(this.#hits);
    return table;
  }

  save(): string {
    let text = `${this.#inverted ? ' !' : ''} --${this.#check}`;
    if (this.#seconds !== 0) text += ` --seconds ${this.#seconds}`;
    if (this.#reap) text += ' --reap';
    if (this.#hits !== 0) text += ` --hitcount ${this.#hits}`;
    if (this.#ttl) text += ' --rttl';
    return `${text} --name ${this.#list} --mask ${formatIpv4(this.#mask)} --${this.#destination ? 'rdest' : 'rsource'}`;
  }

  list(): string {
    let text = `${this.#inverted ? ' !' : ''} recent: ${SHOWN[this.#check!]}`;
    if (this.#seconds !== 0) text += ` seconds: ${this.#seconds}`;
    if (this.#reap) text += ' reap';
    if (this.#hits !== 0) text += ` hit_count: ${this.#hits}`;
    if (this.#ttl) text += ' TTL-Match';
    return `${text} name: ${this.#list} side: ${this.#destination ? 'dest' : 'source'} mask: ${formatIpv4(this.#mask)}`;
  }

  compile(context: CompileContext): Test {
    const { sim } = context.host;
    const table = this.#claimed(context.shared);
    const check = this.#check!;
    const inverted = this.#inverted;
    const mask = this.#mask;
    const window = this.#seconds * NS_PER_S;
    return (packet) => {
      const address = (this.#destination ? packet.destination : packet.source) & mask;
      // The TTL as it came: behind routing it is one less (recent_mt).
      let ttl = view.getUint8(packet.at + IPV4_TTL);
      if (packet.outDevice !== 0 && packet.hook >= Hook.FORWARD && packet.inDevice !== 0) ttl++;
      const { now } = sim;
      let entry = table.find(address, this.#ttl ? ttl : 0);
      let result = inverted;
      if (entry === null) {
        if (check !== 'set') return result;
        table.add(address, ttl, now);
        return !result;
      }
      if (check === 'set') result = !result;
      else if (check === 'remove') {
        table.remove(entry);
        result = !result;
        entry = null;
      } else {
        const since = now - window;
        let hits = 0;
        for (const stamp of entry.stamps) {
          if (window !== 0 && stamp < since) continue;
          hits++;
          if (this.#hits === 0 || hits >= this.#hits) {
            result = !result;
            break;
          }
        }
        if (this.#reap) table.reap(since);
      }
      if (entry !== null && (check === 'set' || (check === 'update' && result !== inverted))) {
        entry.ttl = ttl;
        table.update(entry, now);
      }
      return result;
    };
  }
}

const CHECKS = ['set', 'rcheck', 'update', 'remove'];

export const recentMatch: MatchType = {
  name: 'recent',
  options: [
    ...CHECKS.map(
      (name) => ({ name, argument: 'none', invertible: true, excludes: CHECKS.filter((n) => n !== name) }) as const,
    ),
    { name: 'seconds', argument: 'required' },
    { name: 'reap', argument: 'none', requires: ['seconds'] },
    { name: 'hitcount', argument: 'required' },
    { name: 'rttl', argument: 'none' },
    { name: 'name', argument: 'required' },
    { name: 'rsource', argument: 'none' },
    { name: 'rdest', argument: 'none' },
    { name: 'mask', argument: 'required' },
  ],
  create: () => new RecentMatch(),
};
