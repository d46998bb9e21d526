// -m connmark (extensions/libxt_connmark.c): the connection's mark. A packet without a connection matches nothing.

import { ctOf } from '../../conntrack/nf-conn.ts';
import type { OptionValue } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import { markOption } from '../option-text.ts';
import { markText } from './mark.ts';

class ConnmarkMatch implements Match {
  readonly name = 'connmark';
  readonly pure = true;
  #mark = 0;
  #mask = -1;
  #inverted = false;

  parse(option: OptionValue): void {
    ({ mark: this.#mark, mask: this.#mask } = markOption(option));
    this.#inverted = option.inverted;
  }

  finish(): void {}

  save(): string {
    return `${this.#inverted ? ' !' : ''} --mark ${markText(this.#mark, this.#mask)}`;
  }

  list(): string {
    return ` connmark match ${this.#inverted ? '!' : ''} ${markText(this.#mark, this.#mask)}`;
  }

  compile(): Test {
    const mark = this.#mark;
    const mask = this.#mask;
    const inverted = this.#inverted;
    return (p) => {
      const ct = ctOf(p.frame);
      return ct !== null && ((ct.mark & mask) === mark) !== inverted;
    };
  }
}

export const connmarkMatch: MatchType = {
  name: 'connmark',
  options: [{ name: 'mark', argument: 'required', invertible: true, mandatory: true }],
  usesConntrack: true,
  create: () => new ConnmarkMatch(),
};
