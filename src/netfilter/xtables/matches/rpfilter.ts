// -m rpfilter (extensions/libxt_rpfilter.c, net/ipv4/netfilter/ipt_rpfilter.c): would an answer to the packet's source leave by
// the device that it came in by?

import { IPV4_BROADCAST, isLoopbackIpv4, isMulticastIpv4, isZeronetIpv4 } from '../../../addr/ipv4.ts';
import { Hook } from '../../hook.ts';
import type { CompileContext } from '../compile-context.ts';
import type { OptionValue } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';

/** In the order in which they are written. --validmark has no effect: no route depends on a mark here. */
const NAMES = ['loose', 'validmark', 'accept-local', 'invert'] as const;

class RpfilterMatch implements Match {
  readonly name = 'rpfilter';
  readonly pure = true;
  readonly #given = new Set<string>();

  parse(option: OptionValue): void {
    this.#given.add(option.name);
  }

  finish(): void {}

  refusedAt(hook: Hook): boolean {
    return hook !== Hook.PRE_ROUTING;
  }

  save(): string {
    return this.#text('--');
  }

  list(): string {
    return ` rpfilter${this.#text('')}`;
  }

  #text(prefix: string): string {
    return NAMES.filter((n) => this.#given.has(n))
      .map((n) => ` ${prefix}${n}`)
      .join('');
  }

  compile({ host }: CompileContext): Test {
    const loose = this.#given.has('loose');
    const acceptLocal = this.#given.has('accept-local');
    const inverted = this.#given.has('invert');
    return (p) => {
      // rpfilter_is_loopback()
      if (isLoopbackIpv4(p.source) && host.deviceName(p.inDevice) === 'lo') return !inverted;
      // A DHCP client has no address yet.
      if (isZeronetIpv4(p.source) && (p.destination === IPV4_BROADCAST || isMulticastIpv4(p.destination))) {
        return !inverted;
      }
      const back = host.routeBack(p.source);
      const device = back < 0 && acceptLocal ? -back : back;
      const passes = device > 0 && (loose || device === p.inDevice);
      return passes !== inverted;
    };
  }
}

export const rpfilterMatch: MatchType = {
  name: 'rpfilter',
  options: NAMES.map((name) => ({ name, argument: 'none' }) as const),
  create: () => new RpfilterMatch(),
};
