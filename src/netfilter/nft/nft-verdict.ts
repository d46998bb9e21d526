// Verdicts in rules and maps of nftables: accept, drop, return, continue, jump, goto.

import { Verdict } from '../verdict.ts';
import { goTo, jumpTo, type NftChain, type NftOp } from './nft-chain.ts';
import type { NftContext } from './nft-context.ts';
import type { NftSet } from './nft-set.ts';
import type { NftReader } from './nft-token.ts';

const { ACCEPT, CONTINUE, DROP, RETURN } = Verdict;

export interface NftVerdictWord {
  readonly text: string;
  readonly op: NftOp;
  readonly target: NftChain | null;
}

const PLAIN: Readonly<Record<string, number>> = { accept: ACCEPT, drop: DROP, return: RETURN, continue: CONTINUE };

export function readVerdict(reader: NftReader, context: NftContext): NftVerdictWord {
  const word = reader.name('a verdict');
  const plain = PLAIN[word];
  if (plain !== undefined) {
    if (plain === DROP) return { text: word, op: dropOp(context), target: null };
    return { text: word, op: () => plain, target: null };
  }
  if (word !== 'jump' && word !== 'goto') reader.fail('expecting accept, drop, return, jump or goto');
  const at = reader.token;
  const chain = context.chain(reader.name('the name of a chain'), at);
  const op: NftOp = word === 'jump' ? (p) => jumpTo(chain, p) : (p) => goTo(chain, p);
  return { text: `${word} ${chain.name}`, op, target: chain };
}

function dropOp(context: NftContext): NftOp {
  return (p) => {
    if (context.host.wantsNotes)
      context.host.note(p.frame, `${context.host.label}: nftables table ${context.table}: drop`);
    return DROP;
  };
}

/** Chains that the verdicts of a map lead to. Those of a named map come and go with its elements. */
export function verdictTargets(map: NftSet): NftChain[] {
  const targets: NftChain[] = [];
  for (const element of map.elements()) {
    const { target } = element.data as NftVerdictWord;
    if (target !== null) targets.push(target);
  }
  return targets;
}
