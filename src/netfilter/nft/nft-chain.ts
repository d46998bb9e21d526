// Chains of nftables and how a packet walks them (net/netfilter/nf_tables_core.c nft_do_chain).

import type { Hook } from '../hook.ts';
import type { Packet } from '../packet.ts';
import { Verdict } from '../verdict.ts';

/** NFT_BREAK: the rule does not match, the next one is asked. */
export const BREAK = -6;
/** What an expression says, a Verdict or BREAK: CONTINUE goes on in the rule, BREAK leaves it, the others leave the chain. */
export type NftOp = (packet: Packet) => number;

/** NFT_JUMP_STACK_SIZE: so deep may jumps be nested. */
export const NFT_JUMPS_MAX = 16;

const { CONTINUE, RETURN } = Verdict;

/** A piece of a rule: how it is listed and what it does. */
export interface NftPart {
  text(): string;
  readonly op: NftOp | null;
  /** chains it may lead to just now */
  targets(): readonly NftChain[];
}

export interface NftRule {
  readonly handle: number;
  readonly parts: readonly NftPart[];
  readonly comment: string;
  readonly ops: readonly NftOp[];
}

export type NftChainType = 'filter' | 'nat' | 'route';

export interface NftBase {
  readonly type: NftChainType;
  readonly hook: Hook;
  readonly priority: number;
  policy: 'accept' | 'drop';
}

export class NftChain {
  readonly name: string;
  readonly handle: number;
  /** null: reached by jumps only */
  base: NftBase | null;
  comment: string;
  /** named by a block that is being read; its own lines come further down */
  announced = false;
  readonly rules: NftRule[] = [];

  constructor(name: string, handle: number, base: NftBase | null, comment: string) {
    this.name = name;
    this.handle = handle;
    this.base = base;
    this.comment = comment;
  }
}

/** Walks a chain. CONTINUE at its end and RETURN are the caller's to judge. */
export function runNftChain(chain: NftChain, packet: Packet): number {
  const { rules } = chain;
  for (let i = 0; i < rules.length; i++) {
    const { ops } = rules[i]!;
    let verdict: number = CONTINUE;
    for (let k = 0; k < ops.length && verdict === CONTINUE; k++) verdict = ops[k]!(packet);
    if (verdict !== CONTINUE && verdict !== BREAK) return verdict;
  }
  return CONTINUE;
}

export function jumpTo(chain: NftChain, packet: Packet): number {
  const verdict = runNftChain(chain, packet);
  return verdict === RETURN ? CONTINUE : verdict;
}

/** Like a jump, but there is no way back into this chain. */
export function goTo(chain: NftChain, packet: Packet): number {
  const verdict = runNftChain(chain, packet);
  return verdict === CONTINUE ? RETURN : verdict;
}

/** Depth of jumps below a chain; more than NFT_JUMPS_MAX means a loop, or what the kernel refuses like one. */
export function jumpDepth(chain: NftChain, known = new Map<NftChain, number>(), depth = 0): number {
  const before = known.get(chain);
  if (before !== undefined) return before;
  if (depth > NFT_JUMPS_MAX) return depth;
  let deepest = 0;
  for (const rule of chain.rules) {
    for (const part of rule.parts) {
      for (const target of part.targets()) deepest = Math.max(deepest, 1 + jumpDepth(target, known, depth + 1));
      if (deepest > NFT_JUMPS_MAX) return deepest;
    }
  }
  known.set(chain, deepest);
  return deepest;
}

/** A piece of a rule that is listed the same at all times. */
export function nftPart(text: string, op: NftOp | null, targets: readonly NftChain[] = []): NftPart {
  return { text: () => text, op, targets: () => targets };
}
