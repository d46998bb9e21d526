// One table (raw, mangle, nat, filter, security): its chains, and the walk of a packet through them
// (net/netfilter/nf_tables_core.c nft_do_chain; net/ipv4/netfilter/ip_tables.c ipt_do_table).
//
// A table is there from the first command that names it, with all its built-in chains. The control plane writes chains and
// rules and calls touch(); the packet path compiles a chain when the first packet comes to it, and only changed chains
// anew.

import { DropReason } from '../../base/drop-reason.ts';
import { type HOOK_STOLEN, Hook } from '../hook.ts';
import type { NetfilterHost } from '../netfilter-host.ts';
import type { Packet } from '../packet.ts';
import { Verdict } from '../verdict.ts';
import { Chain } from './chain.ts';
import { ChainProgram } from './chain-program.ts';
import type { CompileContext } from './compile-context.ts';
import type { InterfacePatterns } from './interface-matcher.ts';
import type { Rule } from './rule.ts';
import { saveRule } from './rule-text.ts';

export const TABLE_NAMES = ['mangle', 'security', 'raw', 'filter', 'nat'] as const;
/** In the order in which iptables-save of nf_tables writes them. */
export type TableName = (typeof TABLE_NAMES)[number];

/** Names of the built-in chains, by hook. */
export const HOOK_CHAINS = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'] as const;

/** Hooks of each table, in the order in which its chains are listed. */
export const TABLE_HOOKS: Readonly<Record<TableName, readonly Hook[]>> = {
  raw: [Hook.PRE_ROUTING, Hook.LOCAL_OUT],
  mangle: [Hook.PRE_ROUTING, Hook.LOCAL_IN, Hook.FORWARD, Hook.LOCAL_OUT, Hook.POST_ROUTING],
  nat: [Hook.PRE_ROUTING, Hook.LOCAL_IN, Hook.LOCAL_OUT, Hook.POST_ROUTING],
  filter: [Hook.LOCAL_IN, Hook.FORWARD, Hook.LOCAL_OUT],
  security: [Hook.LOCAL_IN, Hook.FORWARD, Hook.LOCAL_OUT],
};

/** NFT_JUMP_STACK_SIZE (include/net/netfilter/nf_tables.h): chains deep that a packet may be. */
export const JUMP_STACK_SIZE = 16;

/** What a rule does with a packet that matched. */
const Op = { VERDICT: 0, JUMP: 1, GOTO: 2, ACTION: 3 } as const;

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { ACTION, GOTO, JUMP } = Op;
const { ACCEPT, CONTINUE, DROP, STOLEN } = Verdict;
const { NETFILTER_DROP } = DropReason;

interface Compiled {
  readonly program: ChainProgram;
  readonly ops: Uint8Array;
  /** the verdict, or the number of the chain to go to */
  readonly operands: Int32Array;
  readonly chain: Chain;
}

export class IpTable {
  readonly name: TableName;
  /** Built-in chains first, then the users' in the order in which they were made. */
  readonly chains = new Map<string, Chain>();
  readonly #host: NetfilterHost;
  readonly #patterns: InterfacePatterns;
  readonly #context: CompileContext;
  /** false: chains are walked rule by rule, as Linux does (the oracle of the tests) */
  readonly #indexed: boolean;
  readonly #base: (Chain | null)[] = [null, null, null, null, null];
  /** Chains that were compiled, by number; jumps name the number. */
  #compiled: (Compiled | null)[] = [];
  #numbers = new Map<string, number>();
  #names: string[] = [];
  /** Walks under way: a target that answers (REJECT) sends a packet through the same tables. */
  #walks = 0;
  readonly #stacks: Int32Array[] = [];

  constructor(
    name: TableName,
    options: { host: NetfilterHost; patterns: InterfacePatterns; context: CompileContext; indexed: boolean },
  ) {
    this.name = name;
    this.#host = options.host;
    this.#patterns = options.patterns;
    this.#context = options.context;
    this.#indexed = options.indexed;
    for (const hook of TABLE_HOOKS[name]) {
      const chain = new Chain(HOOK_CHAINS[hook], hook);
      this.chains.set(chain.name, chain);
      this.#base[hook] = chain;
    }
  }

  /** True when there is an ipset set of this name. */
  hasSet(name: string): boolean {
    return this.#context.sets.find(name) !== null;
  }

  /** True when a rule needs conntrack (nf_ct_netns_get in the checkentry of a match or target). */
  get usesConntrack(): boolean {
    for (const chain of this.chains.values()) for (const rule of chain.rules) if (rule.usesConntrack) return true;
    return false;
  }

  /** Puts a draft in force: its chains, of which those named in `changed` are new, other or gone. */
  replace(chains: ReadonlyMap<string, Chain>, changed: ReadonlySet<string>): void {
    for (const name of changed) {
      const chain = chains.get(name);
      const number = this.#numbers.get(name);
      if (number !== undefined) this.#compiled[number] = null;
      if (chain === undefined) {
        this.chains.delete(name);
        if (number !== undefined) this.#numbers.delete(name);
        continue;
      }
      this.chains.set(name, chain);
      if (chain.hook !== null) this.#base[chain.hook] = chain;
    }
    // Numbers of chains that went are not given again; when most are dead, all are given anew.
    if (this.#compiled.length > 64 && this.#compiled.length > 2 * this.chains.size) {
      this.#compiled = [];
      this.#names = [];
      this.#numbers = new Map();
    }
  }

  /** True when a packet at this hook could meet a rule or a policy other than ACCEPT, or is to be counted. */
  concerns(hook: Hook): boolean {
    const chain = this.#base[hook] ?? null;
    return chain !== null && (chain.rules.length > 0 || chain.policy !== 'ACCEPT' || chain.counted);
  }

  /**
   * The packet's way through the table at this hook.
   * @returns 0 to go on, a DropReason (the caller ends the frame), or HOOK_STOLEN
   */
  evaluate(hook: Hook, packet: Packet): DropReason | typeof HOOK_STOLEN {
    const base = this.#base[hook]!;
    if (base === null) return 0;
    if (base.rules.length === 0) return this.#policy(base, packet);
    this.#patterns.refresh(packet.inDevice);
    this.#patterns.refresh(packet.outDevice);
    if (this.#walks === this.#stacks.length) this.#stacks.push(new Int32Array(2 * JUMP_STACK_SIZE));
    const stack = this.#stacks[this.#walks++]!;
    const end = this.#walk(base, packet, stack);
    this.#walks--;
    return end;
  }

  /** @param stack of chains to return to: number and next rule of each */
  #walk(base: Chain, packet: Packet, stack: Int32Array): DropReason | typeof HOOK_STOLEN {
    let number = this.#numberOf(base.name);
    let compiled = this.#compiled[number] ?? this.#compile(number);
    let depth = 0;
    let from = 0;
    for (;;) {
      const i = compiled.program.next(from, packet);
      if (i < 0) {
        // The end of a user's chain is a RETURN.
        if (depth === 0) return this.#policy(base, packet);
        from = stack[--depth]!;
        number = stack[--depth]!;
        compiled = this.#compiled[number]!;
        continue;
      }
      const rule = compiled.program.rules[i]!;
      if (packet.hotDrop) return this.#dropped(compiled.chain, i, rule, packet);
      rule.packets++;
      rule.bytes += packet.length;
      from = i + 1;
      const op = compiled.ops[i]!;
      if (op === JUMP || op === GOTO) {
        if (op === JUMP) {
          stack[depth++] = number;
          stack[depth++] = from;
        }
        number = compiled.operands[i]!;
        compiled = this.#compiled[number] ?? this.#compile(number);
        from = 0;
        continue;
      }
      const verdict = op === ACTION ? compiled.program.actions[i]!(packet) : compiled.operands[i]!;
      if (verdict === CONTINUE) continue;
      if (verdict === ACCEPT) return 0;
      if (verdict === DROP) return this.#dropped(compiled.chain, i, rule, packet);
      if (verdict === STOLEN) return STOLEN;
      // RETURN
      if (depth === 0) return this.#policy(base, packet);
      from = stack[--depth]!;
      number = stack[--depth]!;
      compiled = this.#compiled[number]!;
    }
  }

  #policy(chain: Chain, packet: Packet): DropReason {
    if (chain.counted) {
      chain.packets++;
      chain.bytes += packet.length;
    }
    if (chain.policy === 'ACCEPT') return 0;
    if (this.#host.wantsNotes) this.#host.note(packet.frame, `${this.name} ${chain.name}: policy DROP`);
    return NETFILTER_DROP;
  }

  #dropped(chain: Chain, index: number, rule: Rule, packet: Packet): DropReason {
    if (this.#host.wantsNotes) {
      this.#host.note(packet.frame, `${this.name} ${chain.name} rule ${index + 1}:${saveRule(rule)}`);
    }
    return NETFILTER_DROP;
  }

  #numberOf(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.#compiled.length;
      this.#numbers.set(name, number);
      this.#names.push(name);
      this.#compiled.push(null);
    }
    return number;
  }

  #compile(number: number): Compiled {
    const chain = this.chains.get(this.#names[number]!)!;
    const n = chain.rules.length;
    const rules = [...chain.rules];
    const ops = new Uint8Array(n);
    const operands = new Int32Array(n);
    rules.forEach((rule, i) => {
      if (rule.target !== null) ops[i] = Op.ACTION;
      else if (this.chains.has(rule.jump)) {
        ops[i] = rule.goto ? Op.GOTO : Op.JUMP;
        operands[i] = this.#numberOf(rule.jump);
      } else operands[i] = STANDARD_VERDICTS.get(rule.jump) ?? Verdict.CONTINUE;
    });
    const program = new ChainProgram(rules, {
      context: this.#context,
      patterns: this.#patterns,
      indexed: this.#indexed,
    });
    const compiled: Compiled = { program, ops, operands, chain };
    this.#compiled[number] = compiled;
    return compiled;
  }
}

/** Standard targets; a rule without a target only counts. */
export const STANDARD_VERDICTS: ReadonlyMap<string, Verdict> = new Map<string, Verdict>([
  ['', Verdict.CONTINUE],
  ['ACCEPT', Verdict.ACCEPT],
  ['DROP', Verdict.DROP],
  ['RETURN', Verdict.RETURN],
  // Nobody listens on a queue here: nf_queue() without a listener drops.
  ['QUEUE', Verdict.DROP],
]);
