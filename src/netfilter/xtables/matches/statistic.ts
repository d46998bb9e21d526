// -m statistic (extensions/libxt_statistic.c, net/netfilter/xt_statistic.c): chance, or every n-th packet.

import type { CompileContext } from '../compile-context.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import { uintOption } from '../option-text.ts';

/** A probability of 1: the kernel compares 31 random bits with it. */
const ONE = 0x8000_0000;

class StatisticMatch implements Match {
  readonly name = 'statistic';
  readonly pure = false;
  #mode: 'random' | 'nth' = 'random';
  #probability = -1;
  #every = -1;
  #packet = -1;
  #inverted = false;
  /** packets until the next one that matches (struct xt_statistic_priv) */
  #count = 0;

  parse(option: OptionValue): void {
    if (option.inverted) this.#inverted = true;
    switch (option.name) {
      case 'mode':
        if (option.value !== 'random' && option.value !== 'nth') throw new RuleError(`Bad mode "${option.value}"`);
        this.#mode = option.value;
        break;
      case 'probability': {
        const p =
          /^\d*\.?\d*(e[+-]?\d+)?$/i.test(option.value) && option.value !== '' ? Number(option.value) : Number.NaN;
        if (!(p >= 0 && p <= 1)) {
          throw new RuleError(`statistic: bad value for option "--${option.name}", or out of range (0-1).\n`);
        }
        this.#probability = Math.round(p * ONE);
        break;
      }
      case 'every':
        this.#every = uintOption(option, 1, 0xffff_ffff) - 1;
        break;
      case 'packet':
        this.#packet = uintOption(option, 0, 0xffff_ffff);
        break;
    }
  }

  finish(): void {
    if (this.#mode === 'random') {
      if (this.#probability < 0) throw new RuleError('--probability must be specified when using random mode');
      return;
    }
    if (this.#every < 0) throw new RuleError('--every and --packet must be specified when using nth mode');
    if (this.#packet < 0) this.#packet = 0;
    if (this.#packet > this.#every) throw new RuleError('the --packet p must be 0 <= p <= n-1');
    this.#count = this.#every - this.#packet;
  }

  save(): string {
    return this.#text('--');
  }

  list(): string {
    return ` statistic${this.#text('')}`;
  }

  #text(prefix: string): string {
    const not = this.#inverted ? ' !' : '';
    if (this.#mode === 'random') {
      return ` ${prefix}mode random${not} ${prefix}probability ${(this.#probability / ONE).toFixed(11)}`;
    }
    const packet = this.#packet > 0 || prefix !== '' ? ` ${prefix}packet ${this.#packet}` : '';
    return ` ${prefix}mode nth${not} ${prefix}every ${this.#every + 1}${packet}`;
  }

  compile(context: CompileContext): Test {
    const inverted = this.#inverted;
    if (this.#mode === 'random') {
      const probability = this.#probability;
      const rng = context.host.rng('statistic');
      return () => (rng.u32() & 0x7fff_ffff) < probability !== inverted;
    }
    return () => {
      this.#count = this.#count === this.#every ? 0 : this.#count + 1;
      return (this.#count === 0) !== inverted;
    };
  }
}

export const statisticMatch: MatchType = {
  name: 'statistic',
  options: [
    { name: 'mode', argument: 'required', mandatory: true },
    { name: 'probability', argument: 'required', invertible: true, excludes: ['every', 'packet'] },
    { name: 'every', argument: 'required', invertible: true, excludes: ['probability'], requires: ['packet'] },
    { name: 'packet', argument: 'required', excludes: ['probability'], requires: ['every'] },
  ],
  create: () => new StatisticMatch(),
};
