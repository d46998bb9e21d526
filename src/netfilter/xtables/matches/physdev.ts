// -m physdev (extensions/libxt_physdev.c, net/netfilter/xt_physdev.c): the bridge ports of a packet that br_netfilter shows.

import { Hook } from '../../hook.ts';
import type { CompileContext } from '../compile-context.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import { InterfacePattern } from '../interface-matcher.ts';
import type { Match, MatchType, Test } from '../match.ts';

const NAMES = ['physdev-in', 'physdev-is-in', 'physdev-out', 'physdev-is-out', 'physdev-is-bridged'] as const;
type Name = (typeof NAMES)[number];

class PhysdevMatch implements Match {
  readonly name = 'physdev';
  readonly pure = true;
  readonly #given = new Map<Name, { readonly value: string; readonly inverted: boolean }>();

  parse(option: OptionValue): void {
    this.#given.set(option.name as Name, { value: option.value, inverted: option.inverted });
  }

  finish(): void {
    if (this.#given.size === 0) throw new RuleError('PHYSDEV: no physdev option specified');
  }

  save(): string {
    return this.#text();
  }

  list(): string {
    return ` PHYSDEV match${this.#text()}`;
  }

  #text(): string {
    let text = '';
    for (const name of NAMES) {
      const given = this.#given.get(name);
      if (given === undefined) continue;
      text += `${given.inverted ? ' !' : ''} --${name}${given.value === '' ? '' : ` ${given.value}`}`;
    }
    return text;
  }

  /** physdev_mt_check(): what is made here has no port that it leaves by, before the bridge has sent it. */
  refusedAt(hook: Hook): boolean {
    const asks = this.#given.has('physdev-out') || this.#given.has('physdev-is-out');
    const bridged = this.#given.get('physdev-is-bridged');
    return asks && (bridged === undefined || bridged.inverted) && hook === Hook.LOCAL_OUT;
  }

  compile({ host }: CompileContext): Test {
    const flag = (name: Name): number => {
      const given = this.#given.get(name);
      return given === undefined ? 0 : given.inverted ? -1 : 1;
    };
    const isIn = flag('physdev-is-in');
    const isOut = flag('physdev-is-out');
    const isBridged = flag('physdev-is-bridged');
    const wantsIn = flag('physdev-in');
    const wantsOut = flag('physdev-out');
    const patternIn = new InterfacePattern(this.#given.get('physdev-in')?.value ?? '+');
    const patternOut = new InterfacePattern(this.#given.get('physdev-out')?.value ?? '+');
    return (p) => {
      if (p.physicalIn === 0 && p.physicalOut === 0) {
        return isIn <= 0 && isOut <= 0 && isBridged <= 0 && wantsIn <= 0 && wantsOut <= 0;
      }
      const hasOut = p.physicalOut !== 0 || p.bridged;
      if (isBridged !== 0 && hasOut !== isBridged > 0) return false;
      if (isIn !== 0 && (p.physicalIn !== 0) !== isIn > 0) return false;
      if (isOut !== 0 && hasOut !== isOut > 0) return false;
      if (wantsIn !== 0 && p.physicalIn !== 0) {
        if (patternIn.matchesName(host.deviceName(p.physicalIn)) !== wantsIn > 0) return false;
      }
      if (wantsOut === 0) return true;
      const name = p.physicalOut === 0 ? '' : host.deviceName(p.physicalOut);
      return patternOut.matchesName(name) === wantsOut > 0;
    };
  }
}

export const physdevMatch: MatchType = {
  name: 'physdev',
  options: [
    { name: 'physdev-in', argument: 'required', invertible: true },
    { name: 'physdev-out', argument: 'required', invertible: true },
    { name: 'physdev-is-in', argument: 'none', invertible: true },
    { name: 'physdev-is-out', argument: 'none', invertible: true },
    { name: 'physdev-is-bridged', argument: 'none', invertible: true },
  ],
  create: () => new PhysdevMatch(),
};
