// Number generators of nftables (net/netfilter/nft_numgen.c): a draw, or a turn, among so many, and what is chosen by it.

import { Verdict } from '../verdict.ts';
import type { NftPart } from './nft-chain.ts';
import type { NftContext } from './nft-context.ts';
import { NFT_ELEMENTS_MAX } from './nft-set.ts';
import type { NftReader } from './nft-token.ts';
import { type NftVerdictWord, readVerdict } from './nft-verdict.ts';

const { CONTINUE } = Verdict;

/** `numgen random mod 3 vmap { 0 : goto a, ... }`, and the same as a statement of its own. */
export function readNumberGenerator(reader: NftReader, context: NftContext): NftPart {
  const draw = readDraw(reader, context);
  reader.expect('vmap');
  reader.expect('{');
  const verdicts: (NftVerdictWord | undefined)[] = [];
  do {
    const index = readIndex(reader, draw.modulus);
    reader.expect(':');
    verdicts[index] = readVerdict(reader, context);
  } while (reader.take(','));
  reader.expect('}');
  const text = verdicts.flatMap((v, i) => (v === undefined ? [] : [`${i} : ${v.text}`])).join(', ');
  return {
    text: () => `${draw.text} vmap { ${text} }`,
    op: (p) => verdicts[draw.next()]?.op(p) ?? CONTINUE,
    targets: () => verdicts.flatMap((v) => (v?.target == null ? [] : [v.target])),
  };
}

export interface Draw {
  readonly text: string;
  readonly modulus: number;
  next(): number;
}

export function readDraw(reader: NftReader, context: NftContext): Draw {
  reader.expect('numgen');
  const kind = reader.name('random or inc');
  if (kind !== 'random' && kind !== 'inc') reader.fail('expecting random or inc');
  reader.expect('mod');
  const modulus = Number(reader.word);
  if (!Number.isInteger(modulus) || modulus < 1 || modulus > NFT_ELEMENTS_MAX) reader.fail('expecting a number from 1');
  reader.next();
  const rng = context.host.rng('nftables-numgen');
  let at = 0;
  return {
    text: `numgen ${kind} mod ${modulus}`,
    modulus,
    next: kind === 'random' ? () => rng.below(modulus) : () => at++ % modulus,
  };
}

export function readIndex(reader: NftReader, modulus: number): number {
  const index = Number(reader.word);
  if (!Number.isInteger(index) || index < 0 || index >= modulus) reader.fail(`expecting a number below ${modulus}`);
  reader.next();
  return index;
}
