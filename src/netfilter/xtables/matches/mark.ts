// -m mark (extensions/libxt_mark.c): the packet's mark.

import * as frames from '../../../link/frame.ts';
import type { OptionValue } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import { hex, markOption } from '../option-text.ts';

const { frameMark } = frames;

/** "0x4000/0x4000", the mask only when it is not all bits. */
export function markText(mark: number, mask: number): string {
  return mask === -1 ? hex(mark) : `${hex(mark)}/${hex(mask)}`;
}

class MarkMatch implements Match {
  readonly name = 'mark';
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
    return ` mark match${this.#inverted ? ' !' : ''} ${markText(this.#mark, this.#mask)}`;
  }

  compile(): Test {
    const mark = this.#mark;
    const mask = this.#mask;
    const inverted = this.#inverted;
    return (p) => ((frameMark[p.frame]! & mask) === mark) !== inverted;
  }
}

export const markMatch: MatchType = {
  name: 'mark',
  options: [{ name: 'mark', argument: 'required', invertible: true, mandatory: true }],
  create: () => new MarkMatch(),
};
