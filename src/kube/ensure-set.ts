// An IP set that a daemon keeps: made when it is not there, then its entries are brought to what is wanted
// (pkg/proxy/ipvs/ipset.go syncIPSetEntries).

import { assert } from '../base/assert.ts';
import { elementText, parseElements } from '../netfilter/ipset/element-text.ts';
import { AddResult } from '../netfilter/ipset/ip-set.ts';
import type { IpSets } from '../netfilter/ipset/ip-sets.ts';
import { runIpset } from '../netfilter/ipset/ipset-run.ts';

export interface SetWish {
  readonly name: string;
  readonly type: string;
  readonly entries: readonly string[];
}

/** Buckets and elements that kube-proxy asks for, and the ports of a bitmap. */
const HASH = ['family', 'inet', 'hashsize', '1024', 'maxelem', '65536'];
const BITMAP = ['range', '0-65535'];

export function ensureSet(sets: IpSets, wish: SetWish): void {
  const { name, type, entries } = wish;
  if (sets.find(name) === null) {
    let said = '';
    const io = { name: 'ipset', out: () => {}, err: (text: string) => (said += text) };
    const status = runIpset(sets, ['create', name, type, ...(type.startsWith('bitmap:') ? BITMAP : HASH)], io, {
      input: () => null,
    });
    assert(status === 0, `ipset create ${name}: ${said}`);
  }
  const { set } = sets.slot(name);
  const { netmask } = set.options;
  const wanted = new Map(
    entries.flatMap((text) =>
      parseElements(text, set.type, netmask).map((e) => [elementText(e, set.type), e] as const),
    ),
  );
  for (const element of [...set.elements()]) {
    if (!wanted.delete(elementText(element, set.type))) set.remove(element);
  }
  for (const [text, element] of wanted) {
    assert(set.add(element, false) !== AddResult.FULL, `set ${name} has no room for ${text}`);
  }
}
