// The commands of nft: what a file or a command line asks for, carried out in one transaction, and what is listed.

import type { Ns } from '../../sim/sim.ts';
import type { NftBase, NftChain, NftChainType } from './nft-chain.ts';
import { readDuration } from './nft-duration.ts';
import { listNftChain, listNftRuleset, listNftSet, listNftTable } from './nft-list.ts';
import { readKey } from './nft-match.ts';
import { NFT_HOOKS, NFT_PRIORITIES } from './nft-priority.ts';
import { readNftRule } from './nft-rule.ts';
import { NftSet, type NftSetOptions } from './nft-set.ts';
import { NFT_FAMILIES, type NftFamily, type NftTable, type NftTables } from './nft-tables.ts';
import { END_OF_STATEMENT, NftError, NftReader, type NftToken, nftTokens } from './nft-token.ts';
import { isNftType, type NftType } from './nft-type.ts';
import { readVerdict } from './nft-verdict.ts';

export interface NftListOptions {
  /** -a: handles behind everything that has one */
  readonly handles: boolean;
  /** -s: without counters and expiry times */
  readonly stateless: boolean;
}

/** Carries out everything in `text`. @returns what `list` printed @throws NftError */
export function runNft(tables: NftTables, text: string, options: NftListOptions): string {
  let out = '';
  tables.transaction(() => {
    const reader = new NftReader(nftTokens(text));
    for (reader.skipEnds(); !reader.done; reader.skipEnds()) {
      out += new Command(tables, reader, options).run();
      if (!reader.done) reader.expect(END_OF_STATEMENT);
    }
  });
  return out;
}

class Command {
  readonly #tables: NftTables;
  readonly #reader: NftReader;
  readonly #options: NftListOptions;

  constructor(tables: NftTables, reader: NftReader, options: NftListOptions) {
    this.#tables = tables;
    this.#reader = reader;
    this.#options = options;
  }

  run(): string {
    const reader: NftReader = this.#reader;
    const verb = reader.name('a command');
    switch (verb) {
      case 'table':
        this.#table(false);
        return '';
      case 'add':
      case 'create':
      case 'insert':
        this.#add(verb);
        return '';
      case 'delete':
      case 'destroy':
        this.#delete(verb === 'destroy');
        return '';
      case 'flush':
        this.#flush();
        return '';
      case 'list':
        return this.#list();
      default:
        reader.fail('expecting add, create, insert, delete, destroy, flush, list or table');
    }
  }

  #family(): NftFamily {
    const reader: NftReader = this.#reader;
    if (NFT_FAMILIES.includes(reader.word)) return reader.next() as NftFamily;
    if (['ip6', 'arp', 'bridge', 'netdev'].includes(reader.word)) {
      reader.fail('expecting the family ip or inet: podwire emulates nftables for IPv4');
    }
    return 'ip';
  }

  #named(what: string): { readonly table: NftTable; readonly name: string; readonly at: NftToken } {
    const reader: NftReader = this.#reader;
    const family = this.#family();
    const place = reader.token;
    const table = this.#tables.needTable(family, reader.name('the name of a table'), place);
    const at = reader.token;
    return { table, name: reader.name(`the name of a ${what}`), at };
  }

  // -- add --------------------------------------------------------------------------------------------------------------

  #add(verb: string): void {
    const reader: NftReader = this.#reader;
    const create = verb === 'create';
    if (verb !== 'insert' && !['table', 'chain', 'set', 'map', 'element', 'rule'].includes(reader.word)) {
      // `add ip t c ...`: a rule when nothing else is said
      this.#rule(verb);
      return;
    }
    switch (reader.next()) {
      case 'table':
        this.#table(create);
        return;
      case 'chain': {
        const { table, name, at } = this.#named('chain');
        if (create && table.chains.has(name)) throw new NftError(`File exists: chain ${name}`, at);
        this.#chain(table, name);
        return;
      }
      case 'set':
      case 'map': {
        const { table, name, at } = this.#named('set');
        if (create && table.sets.has(name)) throw new NftError(`File exists: set ${name}`, at);
        this.#set(table, name);
        return;
      }
      case 'element': {
        const { table, name, at } = this.#named('set');
        const set = this.#tables.needSet(table, name, at);
        reader.expect('{');
        this.#elements(table, set, false);
        return;
      }
      case 'rule':
        this.#rule(verb);
        return;
      default:
        reader.fail('expecting table, chain, set, map, element or rule');
    }
  }

  #rule(verb: string): void {
    const { table, name, at } = this.#named('chain');
    const chain = this.#tables.needChain(table, name, at);
    const reader: NftReader = this.#reader;
    let index = verb === 'insert' ? 0 : chain.rules.length;
    if (reader.is('handle') || reader.is('position')) {
      reader.next();
      const handle = Number(reader.name('a handle'));
      const found = chain.rules.findIndex((r) => r.handle === handle);
      if (found < 0) throw new NftError(`No such file or directory: no rule has handle ${handle}`, at);
      index = verb === 'insert' ? found : found + 1;
    }
    this.#readRule(table, chain, index);
  }

  #readRule(table: NftTable, chain: NftChain, index: number): void {
    const { parts, comment } = readNftRule(this.#reader, this.#tables.context(table));
    this.#tables.addRule(chain, parts, comment, index);
  }

  /** `ip kube-proxy`, with a block or without; the word `table` is taken. */
  #table(create: boolean): void {
    const reader: NftReader = this.#reader;
    const family = this.#family();
    const at = reader.token;
    const name = reader.name('the name of a table');
    if (create && this.#tables.findTable(family, name) !== null) throw new NftError(`File exists: table ${name}`, at);
    if (!reader.take('{')) {
      this.#tables.addTable(family, name, '');
      return;
    }
    reader.skipEnds();
    const comment = reader.take('comment') ? reader.name('a comment') : '';
    const table = this.#tables.addTable(family, name, comment);
    this.#declareChains(table);
    for (reader.skipEnds(); !reader.take('}'); reader.skipEnds()) {
      const what = reader.next();
      if (what === 'chain') this.#chain(table, reader.name('the name of a chain'));
      else if (what === 'set' || what === 'map') this.#set(table, reader.name('the name of a set'));
      else reader.fail('expecting chain, set, map or }');
    }
  }

  /** In a block, maps and rules may lead to chains that are written further down. */
  #declareChains(table: NftTable): void {
    const reader: NftReader = this.#reader;
    let depth = 0;
    for (let i = 0; depth >= 0; i++) {
      const word = reader.ahead(i);
      if (word === '') return;
      if (word === '{') depth++;
      else if (word === '}') depth--;
      else if (word === 'chain' && depth === 0 && reader.ahead(i + 2) === '{') {
        const name = reader.ahead(i + 1);
        if (!table.chains.has(name)) this.#tables.addChain(table, name, null, '').announced = true;
      }
    }
  }

  /** The name is taken; a block with its hook and rules may follow. */
  #chain(table: NftTable, name: string): void {
    const reader: NftReader = this.#reader;
    if (!reader.take('{')) {
      this.#tables.addChain(table, name, null, '');
      return;
    }
    let base: NftBase | null = null;
    let comment = '';
    for (reader.skipEnds(); ; reader.skipEnds()) {
      if (reader.take('comment')) comment = reader.name('a comment');
      else if (reader.take('type')) base = this.#base();
      else if (reader.take('policy')) {
        const policy = reader.name('a policy');
        if (base === null || (policy !== 'accept' && policy !== 'drop'))
          reader.fail('expecting accept or drop behind the hook');
        base.policy = policy;
      } else break;
    }
    const chain = this.#tables.addChain(table, name, base, comment);
    for (reader.skipEnds(); !reader.take('}'); reader.skipEnds()) this.#readRule(table, chain, chain.rules.length);
  }

  /** filter hook forward priority filter - 10 */
  #base(): NftBase {
    const reader: NftReader = this.#reader;
    const type = reader.name('the type of a chain');
    if (type !== 'filter' && type !== 'nat' && type !== 'route') reader.fail('expecting filter, nat or route');
    reader.expect('hook');
    const hook = NFT_HOOKS[reader.word];
    if (hook === undefined) reader.fail(`expecting one of ${Object.keys(NFT_HOOKS).join(', ')}`);
    reader.next();
    reader.expect('priority');
    const priority = this.#priority();
    return { type: type as NftChainType, hook, priority, policy: 'accept' };
  }

  #priority(): number {
    const reader: NftReader = this.#reader;
    // `dstnat - 10`, `dstnat-10`, `-110`
    let text = reader.name('a priority');
    if ((reader.is('-') || reader.is('+')) && !reader.done) text += reader.next() + reader.name('a number');
    const match = /^([a-z]*)([+-]?\d+)?$/.exec(text);
    const named = match?.[1] === '' || match === null ? 0 : NFT_PRIORITIES[match[1]!];
    if (match === null || named === undefined || text === '') {
      reader.fail(`expecting a number or one of ${Object.keys(NFT_PRIORITIES).join(', ')}`);
    }
    return named + Number(match[2] ?? 0);
  }

  /** The name is taken. */
  #set(table: NftTable, name: string): void {
    const reader: NftReader = this.#reader;
    reader.expect('{');
    let types: NftType[] = [];
    let valueType: string | null = null;
    let flags: string[] = [];
    let timeout: Ns = 0;
    let gcInterval: Ns = 0;
    let size = 0;
    let comment = '';
    let set: NftSet | null = null;
    const made = (): NftSet => {
      if (types.length === 0) reader.fail('expecting the type of the set first');
      const options: NftSetOptions = { name, types, valueType, flags, size, timeout, gcInterval, comment };
      set ??= this.#tables.addSet(table, new NftSet(options));
      return set;
    };
    for (reader.skipEnds(); !reader.take('}'); reader.skipEnds()) {
      switch (reader.next()) {
        case 'type':
          types = this.#types();
          if (reader.take(':')) valueType = this.#valueType();
          break;
        case 'flags':
          flags = [];
          do flags.push(reader.name('a flag'));
          while (reader.take(','));
          break;
        case 'timeout':
          timeout = readDuration(reader);
          break;
        case 'comment':
          comment = reader.name('a comment');
          break;
        case 'size':
          size = Number(reader.word);
          if (!Number.isInteger(size) || size < 1) reader.fail('expecting a number from 1');
          reader.next();
          break;
        case 'gc-interval':
          gcInterval = readDuration(reader);
          break;
        case 'elements':
          reader.expect('=');
          reader.expect('{');
          this.#elements(table, made(), false);
          break;
        default:
          reader.fail('expecting type, flags, timeout, comment or elements');
      }
    }
    made();
  }

  #types(): NftType[] {
    const reader: NftReader = this.#reader;
    const types: NftType[] = [];
    do {
      if (!isNftType(reader.word)) reader.fail('expecting ipv4_addr, inet_proto, inet_service or mark');
      types.push(reader.next() as NftType);
    } while (reader.take('.'));
    return types;
  }

  #valueType(): string {
    const reader: NftReader = this.#reader;
    const words = [reader.name('what the map answers with')];
    while (reader.take('.')) words.push(reader.name('a type'));
    const text = words.join(' . ');
    if (text !== 'verdict') reader.fail('expecting verdict: podwire emulates named maps of verdicts');
    return text;
  }

  /** The brace is taken. A comment may stand before or behind the verdict, as nft has it. */
  #elements(table: NftTable, set: NftSet, remove: boolean): void {
    const reader: NftReader = this.#reader;
    const { types, valueType, timeout } = set.options;
    const { now } = this.#tables.host.sim;
    for (reader.skipEnds(); !reader.take('}'); reader.skipEnds()) {
      const at = reader.token;
      const key = readKey(reader, types);
      let comment = '';
      let lasts = timeout;
      const extras = (): void => {
        for (;;) {
          if (reader.take('comment')) comment = reader.name('a comment');
          else if (reader.take('timeout') || reader.take('expires')) lasts = readDuration(reader);
          else return;
        }
      };
      extras();
      let value = '';
      let data: unknown = null;
      if (valueType !== null && reader.take(':')) {
        const verdict = readVerdict(reader, this.#tables.context(table));
        value = verdict.text;
        data = verdict;
      } else if (valueType !== null && !remove) reader.fail('expecting : and a verdict');
      extras();
      const element = { ...key, comment, value, data, expires: lasts === 0 ? -1 : now + lasts };
      if (remove) this.#tables.deleteElement(set, element, at);
      else if (set.size >= set.limit)
        throw new NftError(`Too many open files in system: ${set.options.name} holds ${set.limit}`, at);
      else this.#tables.addElement(set, element, at);
      reader.skipEnds();
      if (!reader.take(',') && !reader.is('}')) reader.fail('expecting , or }');
    }
  }

  // -- delete, flush, list -------------------------------------------------------------------------------------------------

  #delete(quiet: boolean): void {
    const reader: NftReader = this.#reader;
    const what = reader.name('what to delete');
    if (what === 'table') {
      const family = this.#family();
      const at = reader.token;
      const name = reader.name('the name of a table');
      if (quiet && this.#tables.findTable(family, name) === null) return;
      this.#tables.deleteTable(this.#tables.needTable(family, name, at));
      return;
    }
    const { table, name, at } = this.#named(what);
    switch (what) {
      case 'chain':
        if (quiet && !table.chains.has(name)) return;
        this.#tables.deleteChain(table, this.#tables.needChain(table, name, at), at);
        return;
      case 'rule': {
        const chain = this.#tables.needChain(table, name, at);
        reader.expect('handle');
        this.#tables.deleteRule(chain, Number(reader.name('a handle')), at);
        return;
      }
      case 'set':
      case 'map':
        if (quiet && !table.sets.has(name)) return;
        this.#tables.deleteSet(table, this.#tables.needSet(table, name, at));
        return;
      case 'element':
        reader.expect('{');
        this.#elements(table, this.#tables.needSet(table, name, at), true);
        return;
      default:
        reader.fail('expecting table, chain, rule, set, map or element');
    }
  }

  #flush(): void {
    const reader: NftReader = this.#reader;
    const what = reader.name('what to flush');
    if (what === 'ruleset') {
      const family = reader.is(END_OF_STATEMENT) ? null : this.#family();
      for (const table of [...this.#tables.tables()]) {
        if (family === null || table.family === family) this.#tables.deleteTable(table);
      }
      return;
    }
    if (what === 'table') {
      const family = this.#family();
      const at = reader.token;
      const table = this.#tables.needTable(family, reader.name('the name of a table'), at);
      for (const chain of table.chains.values()) this.#tables.flushChain(chain);
      return;
    }
    const { table, name, at } = this.#named(what);
    if (what === 'chain') this.#tables.flushChain(this.#tables.needChain(table, name, at));
    else if (what === 'set' || what === 'map') this.#tables.flushSet(this.#tables.needSet(table, name, at));
    else reader.fail('expecting ruleset, table, chain, set or map');
  }

  #list(): string {
    const reader: NftReader = this.#reader;
    const { now } = this.#tables.host.sim;
    const how = { ...this.#options, now };
    switch (reader.name('what to list')) {
      case 'ruleset':
        if (!reader.is(END_OF_STATEMENT)) this.#family();
        return listNftRuleset(this.#tables.tables(), how);
      case 'tables':
        return this.#tables
          .tables()
          .map((t) => `table ${t.family} ${t.name}\n`)
          .join('');
      case 'table': {
        const family = this.#family();
        const at = reader.token;
        return listNftTable(this.#tables.needTable(family, reader.name('the name of a table'), at), how);
      }
      case 'chain': {
        const { table, name, at } = this.#named('chain');
        return listNftChain(table, this.#tables.needChain(table, name, at), how);
      }
      case 'set':
      case 'map': {
        const { table, name, at } = this.#named('set');
        return listNftSet(table, this.#tables.needSet(table, name, at), how);
      }
      default:
        reader.fail('expecting ruleset, tables, table, chain, set or map');
    }
  }
}
