// -j MARK (extensions/libxt_MARK.c, net/netfilter/xt_mark.c revision 2): mark = (mark & ~mask) ^ value.

import * as frames from '../../../link/frame.ts';
import { Verdict } from '../../verdict.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import { hex, markOption, unsigned } from '../option-text.ts';
import type { Action, Target, TargetType } from '../target.ts';

const { frameMark } = frames;
const { CONTINUE } = Verdict;

class MarkTarget implements Target {
  readonly name = 'MARK';
  #mark = 0;
  #mask = 0;
  #given = false;

  parse(option: OptionValue): void {
    this.#given = true;
    if (option.name === 'set-xmark' || option.name === 'set-mark') {
      const { mark, mask } = markOption(option);
      this.#mark = mark;
      this.#mask = option.name === 'set-mark' ? mark | mask : mask;
      return;
    }
    const value = unsigned(option.value, 0xffff_ffff);
    if (value === null) {
      throw new RuleError(`MARK: bad value for option "--${option.name}", or out of range (0-4294967295).\n`);
    }
    if (option.name === 'and-mark') [this.#mark, this.#mask] = [0, ~value];
    else if (option.name === 'or-mark') [this.#mark, this.#mask] = [value | 0, value | 0];
    else [this.#mark, this.#mask] = [value | 0, 0];
  }

  finish(): void {
    if (!this.#given) {
      throw new RuleError('MARK: One of the --set-xmark, --{and,or,xor,set}-mark options is required');
    }
  }

  save(): string {
    return ` --set-xmark ${hex(this.#mark)}/${hex(this.#mask)}`;
  }

  list(): string {
    const mark = this.#mark;
    const mask = this.#mask;
    if (mark === 0) return ` MARK and ${hex(~mask)}`;
    if (mark === mask) return ` MARK or ${hex(mark)}`;
    if (mask === 0) return ` MARK xor ${hex(mark)}`;
    return mask === -1 ? ` MARK set ${hex(mark)}` : ` MARK xset ${hex(mark)}/${hex(mask)}`;
  }

  compile(): Action {
    const mark = this.#mark;
    const mask = this.#mask;
    return (p) => {
      frameMark[p.frame] = (frameMark[p.frame]! & ~mask) ^ mark;
      return CONTINUE;
    };
  }
}

const NAMES = ['set-xmark', 'set-mark', 'and-mark', 'or-mark', 'xor-mark'];

export const markTarget: TargetType = {
  name: 'MARK',
  options: NAMES.map((name) => ({ name, argument: 'required', excludes: NAMES.filter((n) => n !== name) })),
  create: () => new MarkTarget(),
};
