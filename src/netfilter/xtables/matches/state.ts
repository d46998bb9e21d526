// -m state (extensions/libxt_conntrack.c, the old name of --ctstate).

import type { OptionValue } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import { parseStates, stateOf, stateText } from './conntrack.ts';

const NAMES = ['INVALID', 'NEW', 'ESTABLISHED', 'RELATED', 'UNTRACKED'];

class StateMatch implements Match {
  readonly name = 'state';
  readonly pure = true;
  #states = 0;
  #inverted = false;

  parse(option: OptionValue): void {
    this.#states = parseStates(option.value, 'state', NAMES);
    this.#inverted = option.inverted;
  }

  finish(): void {}

  save(): string {
    return `${this.#inverted ? ' !' : ''} --state ${stateText(this.#states)}`;
  }

  list(): string {
    return `${this.#inverted ? ' !' : ''} state ${stateText(this.#states)}`;
  }

  compile(): Test {
    const states = this.#states;
    const inverted = this.#inverted;
    return (p) => ((stateOf(p.frame) & states) !== 0) !== inverted;
  }
}

export const stateMatch: MatchType = {
  name: 'state',
  options: [{ name: 'state', argument: 'required', invertible: true, mandatory: true }],
  usesConntrack: true,
  create: () => new StateMatch(),
};
