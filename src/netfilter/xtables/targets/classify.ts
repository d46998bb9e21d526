// -j CLASSIFY (extensions/libxt_CLASSIFY.c): the class for traffic control. There is no traffic control here: it is kept and
// shown, and changes nothing.

import { Verdict } from '../../verdict.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Action, Target, TargetType } from '../target.ts';

class ClassifyTarget implements Target {
  readonly name = 'CLASSIFY';
  #major = 0;
  #minor = 0;

  parse(option: OptionValue): void {
    const m = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(option.value);
    if (m === null) throw new RuleError(`Bad class value \`${option.value}'`);
    this.#major = Number.parseInt(m[1]!, 16);
    this.#minor = Number.parseInt(m[2]!, 16);
  }

  finish(): void {}

  save(): string {
    const four = (n: number): string => n.toString(16).padStart(4, '0');
    return ` --set-class ${four(this.#major)}:${four(this.#minor)}`;
  }

  list(): string {
    return ` CLASSIFY set ${this.#major.toString(16)}:${this.#minor.toString(16)}`;
  }

  compile(): Action {
    return () => Verdict.CONTINUE;
  }
}

export const classifyTarget: TargetType = {
  name: 'CLASSIFY',
  options: [{ name: 'set-class', argument: 'required', mandatory: true }],
  create: () => new ClassifyTarget(),
};
