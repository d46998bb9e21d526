// -j SET (extensions/libxt_SET.c, net/netfilter/xt_set.c): puts the packet's addresses and ports into a set, or takes them
// out.

import { type Ipv4, maskIpv4 } from '../../../addr/ipv4.ts';
import { NS_PER_S } from '../../../sim/sim.ts';
import { emptyElement } from '../../ipset/element-text.ts';
import { type Element, type IpSet, packetPort } from '../../ipset/ip-set.ts';
import type { Packet } from '../../packet.ts';
import { Verdict } from '../../verdict.ts';
import type { CompileContext } from '../compile-context.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import { parseSetReference, setReferenceText } from '../matches/set.ts';
import { uintOption } from '../option-text.ts';
import type { Action, Target, TargetType } from '../target.ts';

const { CONTINUE } = Verdict;
const TIMEOUT_MAX = 0xffff_fffe;

class SetTarget implements Target {
  readonly name = 'SET';
  #add: ReturnType<typeof parseSetReference> | null = null;
  #remove: ReturnType<typeof parseSetReference> | null = null;
  #exist = false;
  /** seconds, -1 for the set's own */
  #timeout = -1;

  get sets(): readonly string[] {
    return [this.#add, this.#remove].filter((r) => r !== null).map((r) => r.name);
  }

  parse(option: OptionValue): void {
    if (option.name === 'add-set') this.#add = parseSetReference(option.value);
    else if (option.name === 'del-set') this.#remove = parseSetReference(option.value);
    else if (option.name === 'exist') this.#exist = true;
    else this.#timeout = uintOption(option, 0, TIMEOUT_MAX);
  }

  finish(): void {
    if (this.#add === null && this.#remove === null) {
      throw new RuleError("You must specify either `--add-set' or `--del-set' or `--map-set'");
    }
  }

  save(): string {
    return this.#text('--');
  }

  list(): string {
    return this.#text('');
  }

  #text(prefix: string): string {
    let text = '';
    if (this.#add !== null) text += ` ${prefix}add-set ${setReferenceText(this.#add.name, this.#add.flags)}`;
    if (this.#exist) text += ` ${prefix}exist`;
    if (this.#timeout >= 0) text += ` ${prefix}timeout ${this.#timeout}`;
    if (this.#remove !== null) text += ` ${prefix}del-set ${setReferenceText(this.#remove.name, this.#remove.flags)}`;
    return text;
  }

  compile(context: CompileContext): Action {
    const add = this.#add === null ? null : { ...this.#add, slot: context.sets.slot(this.#add.name) };
    const remove = this.#remove === null ? null : { ...this.#remove, slot: context.sets.slot(this.#remove.name) };
    const { sim } = context.host;
    return (p) => {
      if (add !== null) {
        const { set } = add.slot;
        const e = elementOf(p, set, add.flags);
        const seconds = this.#timeout >= 0 ? this.#timeout : set.options.timeout;
        if (e !== null) {
          if (set.options.timeout >= 0 && seconds > 0) e.expiresAt = sim.now + seconds * NS_PER_S;
          set.add(e, this.#exist);
        }
      }
      if (remove !== null) {
        const e = elementOf(p, remove.slot.set, remove.flags);
        if (e !== null) remove.slot.set.remove(e);
      }
      return CONTINUE;
    };
  }
}

/** What of the packet a set of this type would hold; null when it has not all of it. */
function elementOf(p: Packet, set: IpSet, flags: readonly number[]): Element | null {
  const e = emptyElement();
  const address = (i: number): Ipv4 => (flags[i] === 1 ? p.source : p.destination);
  const { parts } = set.type;
  if (flags.length < parts.length) return null;
  for (let i = 0; i < parts.length; i++) {
    if (parts[i] === 'set') return null;
    if (parts[i] === 'port') {
      const port = packetPort(p, flags[i] === 1);
      if (port < 0 || (parts.length === 1 && p.destinationPort < 0)) return null;
      e.port = port & 0xffff;
      e.protocol = parts.length === 1 ? 0 : port >>> 16;
    } else if (i === 2) e.second = address(i);
    else e.address = address(i) & maskIpv4(set.options.netmask);
  }
  return e;
}

export const setTarget: TargetType = {
  name: 'SET',
  options: [
    { name: 'add-set', argument: 'required', words: 2 },
    { name: 'del-set', argument: 'required', words: 2 },
    { name: 'exist', argument: 'none' },
    { name: 'timeout', argument: 'required' },
  ],
  create: () => new SetTarget(),
};
