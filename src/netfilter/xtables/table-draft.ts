// A table while it is being changed: nothing of it is seen by packets until commit(), which does all or nothing (nf_tables'
// transactions). Only chains that are written are copied.

import type { Hook } from '../hook.ts';
import { Chain } from './chain.ts';
import { extensionTypes } from './extensions.ts';
import { HOOK_CHAINS, type IpTable, JUMP_STACK_SIZE, TABLE_HOOKS } from './ip-table.ts';
import type { Rule } from './rule.ts';

export class TableDraft {
  readonly table: IpTable;
  readonly #chains: Map<string, Chain>;
  /** names of chains that are this draft's own */
  readonly #written = new Set<string>();
  /** rules that jump to a chain, counted when first asked for */
  #references: Map<string, number> | null = null;

  constructor(table: IpTable) {
    this.table = table;
    this.#chains = new Map(table.chains);
  }

  /** Something was written. */
  get changed(): boolean {
    return this.#written.size > 0;
  }

  chain(name: string): Chain | null {
    return this.#chains.get(name) ?? null;
  }

  /** Built-in chains by hook, then the users' by name: the order in which nf_tables' iptables keeps them. */
  chains(): readonly Chain[] {
    const all = [...this.#chains.values()];
    return [
      ...all.filter((c) => c.hook !== null),
      ...all.filter((c) => c.hook === null).sort((a, b) => (a.name < b.name ? -1 : 1)),
    ];
  }

  /** The chain to be written to: a copy, made once. The caller knows that it is there. */
  write(name: string): Chain {
    const chain = this.#chains.get(name)!;
    if (this.#written.has(name)) return chain;
    const copy = chain.copy();
    this.#put(copy);
    return copy;
  }

  add(name: string): void {
    this.#put(new Chain(name, null));
  }

  remove(name: string): void {
    for (const rule of this.#chains.get(name)!.rules) this.#count(rule, -1);
    this.#chains.delete(name);
    this.#written.add(name);
  }

  /** Empties the chain, keeping its policy and counters. */
  flush(name: string): void {
    if (this.#chains.get(name)!.rules.length === 0) return;
    const chain = this.write(name);
    for (const rule of chain.rules) this.#count(rule, -1);
    chain.rules = [];
  }

  /** A new name: the rules that jump there follow, as nf_tables' references do. */
  rename(from: string, to: string): void {
    for (const [name, other] of [...this.#chains]) {
      if (!other.rules.some((rule) => rule.target === null && rule.jump === from)) continue;
      const own = this.write(name);
      own.rules = own.rules.map((rule) => (rule.target === null && rule.jump === from ? rule.redirected(to) : rule));
    }
    const chain = this.#chains.get(from)!.copy(to);
    this.#chains.delete(from);
    this.#written.add(from);
    this.#put(chain);
    this.#references = null;
  }

  insert(name: string, index: number, rule: Rule): void {
    this.write(name).rules.splice(index, 0, rule);
    this.#count(rule, 1);
  }

  append(name: string, rule: Rule): void {
    this.write(name).rules.push(rule);
    this.#count(rule, 1);
  }

  removeRule(name: string, index: number): void {
    const [rule] = this.write(name).rules.splice(index, 1);
    if (rule !== undefined) this.#count(rule, -1);
  }

  /** How many rules jump or go to the chain. */
  references(name: string): number {
    if (this.#references === null) {
      this.#references = new Map();
      for (const chain of this.#chains.values()) for (const rule of chain.rules) this.#count(rule, 1);
    }
    return this.#references.get(name) ?? 0;
  }

  /**
   * What the kernel looks at before it takes a table (nft_table_validate): no way through more than JUMP_STACK_SIZE chains
   * (a loop is one without end), and targets only where they work.
   * @returns the kernel's words, null when all is well
   */
  problem(): string | null {
    for (const hook of TABLE_HOOKS[this.table.name]) {
      const deepest = new Map<string, number>();
      const found = this.#visit(HOOK_CHAINS[hook], hook, 1, deepest);
      if (found !== null) return found;
    }
    return null;
  }

  #visit(name: string, hook: Hook, depth: number, deepest: Map<string, number>): string | null {
    if (depth > JUMP_STACK_SIZE) return 'Too many links';
    if ((deepest.get(name) ?? 0) >= depth) return null;
    deepest.set(name, depth);
    for (const rule of this.#chains.get(name)!.rules) {
      if (rule.matches.some((m) => m.refusedAt?.(hook) === true)) return 'Invalid argument';
      if (rule.target !== null) {
        const hooks = extensionTypes.target(rule.jump)?.hooks;
        if (hooks !== undefined && (hooks & (1 << hook)) === 0) return 'Invalid argument';
        if (rule.target.refusedAt?.(hook) === true) return 'Invalid argument';
      } else if (this.#chains.has(rule.jump)) {
        const found = this.#visit(rule.jump, hook, depth + 1, deepest);
        if (found !== null) return found;
      }
    }
    return null;
  }

  /** Makes it what packets see. */
  commit(): void {
    this.table.replace(this.#chains, this.#written);
  }

  #put(chain: Chain): void {
    this.#chains.set(chain.name, chain);
    this.#written.add(chain.name);
  }

  #count(rule: Rule, by: number): void {
    if (this.#references === null || rule.target !== null) return;
    this.#references.set(rule.jump, (this.#references.get(rule.jump) ?? 0) + by);
  }
}
