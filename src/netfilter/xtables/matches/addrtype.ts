// -m addrtype (extensions/libxt_addrtype.c, net/netfilter/xt_addrtype.c): what the routing tables say of an address.

import { Hook } from '../../hook.ts';
import type { CompileContext } from '../compile-context.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';

/** RTN_*, by their numbers. */
const TYPES = [
  ...['UNSPEC', 'UNICAST', 'LOCAL', 'BROADCAST', 'ANYCAST', 'MULTICAST', 'BLACKHOLE', 'UNREACHABLE', 'PROHIBIT'],
  ...['THROW', 'NAT', 'XRESOLVE'],
];

class AddrtypeMatch implements Match {
  readonly name = 'addrtype';
  readonly pure = true;
  /** bits 1 << type, 0 for not asked */
  #source = 0;
  #sourceInverted = false;
  #destination = 0;
  #destinationInverted = false;
  #limit: '' | 'in' | 'out' = '';

  parse(option: OptionValue): void {
    switch (option.name) {
      case 'src-type':
        this.#source = parseTypes(option.value);
        this.#sourceInverted = option.inverted;
        break;
      case 'dst-type':
        this.#destination = parseTypes(option.value);
        this.#destinationInverted = option.inverted;
        break;
      default:
        this.#limit = option.name === 'limit-iface-in' ? 'in' : 'out';
    }
  }

  finish(): void {
    if (this.#source === 0 && this.#destination === 0) {
      throw new RuleError('addrtype: you must specify --src-type or --dst-type');
    }
  }

  save(): string {
    let text = '';
    if (this.#source !== 0) text += `${this.#sourceInverted ? ' !' : ''} --src-type ${typeText(this.#source)}`;
    if (this.#destination !== 0) {
      text += `${this.#destinationInverted ? ' !' : ''} --dst-type ${typeText(this.#destination)}`;
    }
    return this.#limit === '' ? text : `${text} --limit-iface-${this.#limit}`;
  }

  list(): string {
    let text = ' ADDRTYPE match';
    if (this.#source !== 0) text += ` src-type ${this.#sourceInverted ? '!' : ''}${typeText(this.#source)}`;
    if (this.#destination !== 0)
      text += ` dst-type ${this.#destinationInverted ? '!' : ''}${typeText(this.#destination)}`;
    return this.#limit === '' ? text : `${text} limit-${this.#limit}`;
  }

  compile(context: CompileContext): Test {
    const { host } = context;
    const source = this.#source;
    const sourceInverted = this.#sourceInverted;
    const destination = this.#destination;
    const destinationInverted = this.#destinationInverted;
    const limit = this.#limit;
    return (p) => {
      const device = limit === '' ? 0 : limit === 'in' ? p.inDevice : p.outDevice;
      if (source !== 0 && ((source & (1 << host.addressType(p.source, device))) !== 0) === sourceInverted) return false;
      return (
        destination === 0 ||
        ((destination & (1 << host.addressType(p.destination, device))) !== 0) !== destinationInverted
      );
    };
  }

  /** addrtype_mt_checkentry_v1: an interface that is not known at the hook cannot limit. */
  refusedAt(hook: Hook): boolean {
    if (this.#limit === 'out') return hook === Hook.PRE_ROUTING || hook === Hook.LOCAL_IN;
    return this.#limit === 'in' && (hook === Hook.POST_ROUTING || hook === Hook.LOCAL_OUT);
  }
}

function parseTypes(text: string): number {
  let bits = 0;
  for (const name of text.split(',')) {
    const type = TYPES.indexOf(name.toUpperCase());
    if (type < 0) throw new RuleError(`addrtype: bad type "${name}"`);
    bits |= 1 << type;
  }
  return bits;
}

function typeText(bits: number): string {
  return TYPES.filter((_, i) => (bits & (1 << i)) !== 0).join(',');
}

export const addrtypeMatch: MatchType = {
  name: 'addrtype',
  options: [
    { name: 'src-type', argument: 'required', invertible: true },
    { name: 'dst-type', argument: 'required', invertible: true },
    { name: 'limit-iface-in', argument: 'none', excludes: ['limit-iface-out'] },
    { name: 'limit-iface-out', argument: 'none', excludes: ['limit-iface-in'] },
  ],
  create: () => new AddrtypeMatch(),
};
