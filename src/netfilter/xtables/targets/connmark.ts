// -j CONNMARK (extensions/libxt_CONNMARK.c, net/netfilter/xt_connmark.c): sets the connection's mark, or carries it to the
// packet and back.

import * as frames from '../../../link/frame.ts';
import { ctOf } from '../../conntrack/nf-conn.ts';
import { Verdict } from '../../verdict.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import { hex, markOption, unsigned } from '../option-text.ts';
import type { Action, Target, TargetType } from '../target.ts';

const { frameMark } = frames;
const { CONTINUE } = Verdict;

type Mode = 'set' | 'save' | 'restore';

class ConnmarkTarget implements Target {
  readonly name = 'CONNMARK';
  #mode: Mode | null = null;
  #mark = 0;
  #ctMask = -1;
  #nfMask = -1;

  parse(option: OptionValue): void {
    const { name } = option;
    if (name === 'save-mark' || name === 'restore-mark') this.#mode = name === 'save-mark' ? 'save' : 'restore';
    else if (name === 'set-xmark' || name === 'set-mark') {
      const { mark, mask } = markOption(option);
      this.#set(mark, name === 'set-mark' ? mark | mask : mask);
    } else {
      const value = unsigned(option.value, 0xffff_ffff);
      if (value === null) {
        throw new RuleError(`CONNMARK: bad value for option "--${name}", or out of range (0-4294967295).\n`);
      }
      if (name === 'and-mark') this.#set(0, ~value);
      else if (name === 'or-mark') this.#set(value | 0, value | 0);
      else if (name === 'xor-mark') this.#set(value | 0, 0);
      else {
        if (name !== 'nfmask') this.#ctMask = value | 0;
        if (name !== 'ctmask') this.#nfMask = value | 0;
      }
    }
  }

  #set(mark: number, mask: number): void {
    this.#mode = 'set';
    this.#mark = mark;
    this.#ctMask = mask;
  }

  finish(): void {
    if (this.#mode === null) throw new RuleError('CONNMARK target: No operation specified');
  }

  save(): string {
    if (this.#mode === 'set') return ` --set-xmark ${hex(this.#mark)}/${hex(this.#ctMask)}`;
    return ` --${this.#mode}-mark --nfmask ${hex(this.#nfMask)} --ctmask ${hex(this.#ctMask)}`;
  }

  list(): string {
    const mark = this.#mark;
    const mask = this.#ctMask;
    if (this.#mode !== 'set') {
      const text = ` CONNMARK ${this.#mode}`;
      if (this.#nfMask === -1 && mask === -1) return text;
      return this.#nfMask === mask
        ? `${text} mask ${hex(mask)}`
        : `${text} nfmask ${hex(this.#nfMask)} ctmask ~${hex(mask)}`;
    }
    if (mark === 0) return ` CONNMARK and ${hex(~mask)}`;
    if (mark === mask) return ` CONNMARK or ${hex(mark)}`;
    if (mask === 0) return ` CONNMARK xor ${hex(mark)}`;
    return mask === -1 ? ` CONNMARK set ${hex(mark)}` : ` CONNMARK xset ${hex(mark)}/${hex(mask)}`;
  }

  compile(): Action {
    const mode = this.#mode;
    const mark = this.#mark;
    const ctMask = this.#ctMask;
    const nfMask = this.#nfMask;
    return (p) => {
      const ct = ctOf(p.frame);
      if (ct === null) return CONTINUE;
      const own = frameMark[p.frame]!;
      if (mode === 'set') ct.mark = (ct.mark & ~ctMask) ^ mark;
      else if (mode === 'save') ct.mark = (ct.mark & ~ctMask) ^ (own & nfMask);
      else frameMark[p.frame] = (own & ~nfMask) ^ (ct.mark & ctMask);
      return CONTINUE;
    };
  }
}

const OPERATIONS = ['set-xmark', 'set-mark', 'and-mark', 'or-mark', 'xor-mark', 'save-mark', 'restore-mark'];

export const connmarkTarget: TargetType = {
  name: 'CONNMARK',
  options: [
    ...OPERATIONS.map(
      (name) =>
        ({
          name,
          argument: name === 'save-mark' || name === 'restore-mark' ? 'none' : 'required',
          excludes: OPERATIONS.filter((n) => n !== name),
        }) as const,
    ),
    { name: 'nfmask', argument: 'required' },
    { name: 'ctmask', argument: 'required' },
    { name: 'mask', argument: 'required', excludes: ['nfmask', 'ctmask'] },
  ],
  usesConntrack: true,
  create: () => new ConnmarkTarget(),
};
