// A chain of a table: rules in order; built-in chains have a hook and a policy.

import type { Hook } from '../hook.ts';
import type { Rule } from './rule.ts';

export type Policy = 'ACCEPT' | 'DROP';

export class Chain {
  readonly name: string;
  /** the hook of a built-in chain, null for a user's */
  readonly hook: Hook | null;
  policy: Policy = 'ACCEPT';
  /** nf_tables counts a policy only where the chain was made with counters, as iptables-restore does and iptables does not. */
  counted = false;
  packets = 0;
  bytes = 0;
  rules: Rule[] = [];

  constructor(name: string, hook: Hook | null) {
    this.name = name;
    this.hook = hook;
  }

  /** A chain of its own with the same rules. */
  copy(name = this.name): Chain {
    const chain = new Chain(name, this.hook);
    chain.policy = this.policy;
    chain.counted = this.counted;
    chain.packets = this.packets;
    chain.bytes = this.bytes;
    chain.rules = [...this.rules];
    return chain;
  }
}
