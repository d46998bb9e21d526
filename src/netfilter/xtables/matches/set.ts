// -m set (extensions/libxt_set.c, net/netfilter/xt_set.c): is the packet in a set of ipset?

import type { CompileContext } from '../compile-context.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';

/** IPSET_DIM_MAX */
const DIMENSIONS_MAX = 6;

/** "name src,dst" of --match-set, --add-set and --del-set. */
export function parseSetReference(text: string): { readonly name: string; readonly flags: readonly number[] } {
  const [name = '', directions = ''] = text.split(' ');
  const words = directions.split(',');
  if (words.length > DIMENSIONS_MAX) throw new RuleError("Can't be more src/dst options than 6.");
  const flags = words.map((word) => {
    if (word !== 'src' && word !== 'dst') {
      throw new RuleError("You must spefify (the comma separated list of) 'src' or 'dst'.");
    }
    return word === 'src' ? 1 : 0;
  });
  return { name, flags };
}

export function setReferenceText(name: string, flags: readonly number[]): string {
  return `${name} ${flags.map((f) => (f === 1 ? 'src' : 'dst')).join(',')}`;
}

class SetMatch implements Match {
  readonly name = 'set';
  #set = '';
  #flags: readonly number[] = [];
  #inverted = false;
  #returnNoMatch = false;
  #update = true;

  /** Counters of the set's elements grow with each question. */
  readonly pure = false;

  get sets(): readonly string[] {
    return [this.#set];
  }

  parse(option: OptionValue): void {
    if (option.name === 'return-nomatch') this.#returnNoMatch = true;
    else if (option.name === 'update-counters') this.#update = !option.inverted;
    else {
      const { name, flags } = parseSetReference(option.value);
      this.#set = name;
      this.#flags = flags;
      this.#inverted = option.inverted;
    }
  }

  finish(): void {
    if (this.#set === '') throw new RuleError("You must specify `--match-set' with proper arguments");
  }

  save(): string {
    return this.#text('--');
  }

  list(): string {
    return this.#text('');
  }

  #text(prefix: string): string {
    let text = `${this.#inverted ? ' !' : ''} ${prefix}match-set ${setReferenceText(this.#set, this.#flags)}`;
    if (this.#returnNoMatch) text += ` ${prefix}return-nomatch`;
    if (!this.#update) text += ` ! ${prefix}update-counters`;
    return text;
  }

  compile(context: CompileContext): Test {
    const slot = context.sets.slot(this.#set);
    const flags = this.#flags;
    const inverted = this.#inverted;
    const returnNoMatch = this.#returnNoMatch;
    const update = this.#update;
    return (p) => {
      const found = slot.set.find(p, flags);
      if (found === null) return inverted;
      if (found.noMatch) return returnNoMatch !== inverted;
      if (update && slot.set.options.counters) {
        found.packets++;
        found.bytes += p.length;
      }
      return !returnNoMatch !== inverted;
    };
  }
}

export const setMatch: MatchType = {
  name: 'set',
  options: [
    { name: 'match-set', argument: 'required', words: 2, invertible: true },
    { name: 'return-nomatch', argument: 'none' },
    { name: 'update-counters', argument: 'none', invertible: true },
  ],
  create: () => new SetMatch(),
};
