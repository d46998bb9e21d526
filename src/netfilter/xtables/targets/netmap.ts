// -j NETMAP (extensions/libipt_NETMAP.c, net/netfilter/xt_NETMAP.c): a network onto another, host parts kept.

import { formatIpv4, maskIpv4 } from '../../../addr/ipv4.ts';
import { natSetupInfo } from '../../conntrack/nat.ts';
import { NatRangeFlag, natRange } from '../../conntrack/nat-range.ts';
import { ctOf } from '../../conntrack/nf-conn.ts';
import { Hook } from '../../hook.ts';
import { Verdict } from '../../verdict.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import { numericAddress, unsigned } from '../option-text.ts';
import type { Action, Target, TargetType } from '../target.ts';

const { ACCEPT } = Verdict;

class NetmapTarget implements Target {
  readonly name = 'NETMAP';
  #address = 0;
  #length = 32;

  parse(option: OptionValue): void {
    const [address = '', bits] = option.value.split('/', 2);
    const parsed = numericAddress(address);
    const length = bits === undefined ? 32 : unsigned(bits, 32);
    if (parsed === null || length === null) {
      throw new RuleError(`NETMAP: Bad value for "--to" option: "${option.value}"`);
    }
    this.#length = length;
    this.#address = parsed & maskIpv4(length);
  }

  finish(): void {}

  #text(): string {
    return `${formatIpv4(this.#address)}/${this.#length}`;
  }

  save(): string {
    return ` --to ${this.#text()}`;
  }

  list(): string {
    return ` to:${this.#text()}`;
  }

  compile(): Action {
    const mask = maskIpv4(this.#length);
    const network = this.#address;
    // One range for all packets: NAT reads it and keeps nothing of it.
    const range = natRange({ flags: NatRangeFlag.MAP_IPS });
    return (p) => {
      const ct = ctOf(p.frame);
      if (ct === null) return ACCEPT;
      const atDestination = p.hook === Hook.PRE_ROUTING || p.hook === Hook.LOCAL_OUT;
      const address = ((atDestination ? p.destination : p.source) & ~mask) | network;
      range.minAddress = address;
      range.maxAddress = address;
      natSetupInfo(ct, range, atDestination ? 'dst' : 'src');
      return ACCEPT;
    };
  }
}

export const netmapTarget: TargetType = {
  name: 'NETMAP',
  options: [{ name: 'to', argument: 'required', mandatory: true }],
  tables: ['nat'],
  usesConntrack: true,
  create: () => new NetmapTarget(),
};
