// -m limit (extensions/libxt_limit.c; nf_tables' limit expression, net/netfilter/nft_limit.c): a token bucket. It fills
// with `rate` packets per unit of time and holds `burst` packets.

import { NS_PER_S } from '../../../sim/sim.ts';
import type { CompileContext } from '../compile-context.ts';
import type { OptionValue } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import { uintOption } from '../option-text.ts';
import { parseRate, type Rate, rateText } from './rate.ts';

const BURST_DEFAULT = 5;

class LimitMatch implements Match {
  readonly name = 'limit';
  readonly pure = false;
  #rate: Rate = { packets: 3, unit: 3600 };
  #burst = BURST_DEFAULT;
  /** ns of rate that are in the bucket, and when that was */
  #tokens = -1;
  #last = 0;

  parse(option: OptionValue): void {
    if (option.name === 'limit') this.#rate = parseRate(option.value);
    else this.#burst = uintOption(option, 0, 10_000) || BURST_DEFAULT;
  }

  finish(): void {}

  save(): string {
    const burst = this.#burst === BURST_DEFAULT ? '' : ` --limit-burst ${this.#burst}`;
    return ` --limit ${rateText(this.#rate)}${burst}`;
  }

  list(): string {
    return ` limit: avg ${rateText(this.#rate)} burst ${this.#burst}`;
  }

  compile(context: CompileContext): Test {
    const { sim } = context.host;
    const cost = Math.floor((this.#rate.unit * NS_PER_S) / this.#rate.packets);
    const most = cost * this.#burst;
    if (this.#tokens < 0) {
      this.#tokens = most;
      this.#last = sim.now;
    }
    return () => {
      const { now } = sim;
      this.#tokens = Math.min(most, this.#tokens + (now - this.#last));
      this.#last = now;
      if (this.#tokens < cost) return false;
      this.#tokens -= cost;
      return true;
    };
  }
}

export const limitMatch: MatchType = {
  name: 'limit',
  options: [
    { name: 'limit', argument: 'required' },
    { name: 'limit-burst', argument: 'required' },
  ],
  create: () => new LimitMatch(),
};
