// Proves node IPAM against the range allocator's rules: order of blocks, explicit podCIDRs first, freed blocks only after
// the cursor has wrapped, and the words of exhaustion.

import { describe, expect, it } from 'vitest';
import { formatIpv4Prefix, parseIpv4Prefix } from '../../src/addr/ipv4.ts';
import { assignNodeCidrs, CIDR_EXHAUSTED, type CidrAllocation, CidrSet } from '../../src/kube/node-ipam.ts';

const cidr = (text: string) => parseIpv4Prefix(text)!;
const shown = (a: CidrAllocation): string => ('cidr' in a ? formatIpv4Prefix(a.cidr) : a.error);

describe('node IPAM', () => {
  it('hands out blocks from the first on', () => {
    const set = new CidrSet(cidr('10.244.0.0/16'), 24);
    expect([1, 2, 3].map(() => shown(set.allocateNext()))).toEqual(['10.244.0.0/24', '10.244.1.0/24', '10.244.2.0/24']);
    expect(set.max).toBe(256);
  });

  it('does not hand a freed block out again before the cursor has wrapped', () => {
    const set = new CidrSet(cidr('10.0.0.0/22'), 24);
    const first = set.allocateNext();
    expect(shown(first)).toBe('10.0.0.0/24');
    set.release(cidr('10.0.0.0/24'));
    expect([1, 2, 3, 4].map(() => shown(set.allocateNext()))).toEqual([
      '10.0.1.0/24',
      '10.0.2.0/24',
      '10.0.3.0/24',
      '10.0.0.0/24',
    ]);
  });

  it('says what kube-controller-manager says when nothing is left', () => {
    const set = new CidrSet(cidr('10.0.0.0/24'), 25);
    expect([1, 2, 3].map(() => shown(set.allocateNext()))).toEqual(['10.0.0.0/25', '10.0.0.128/25', CIDR_EXHAUSTED]);
    expect(set.free).toBe(0);
  });

  it('marks the podCIDRs of existing nodes before it serves the others', () => {
    const set = new CidrSet(cidr('10.244.0.0/16'), 24);
    const nodes = [null, '10.244.0.0/24', null, '10.244.2.0/23'].map((c) => ({ podCIDR: c === null ? null : cidr(c) }));
    expect(assignNodeCidrs(set, nodes).map(shown)).toEqual([
      '10.244.1.0/24',
      '10.244.0.0/24',
      '10.244.4.0/24',
      '10.244.2.0/23',
    ]);
  });

  it('wraps the message of exhaustion with the index of the cluster CIDR', () => {
    const set = new CidrSet(cidr('10.0.0.0/24'), 24);
    const [, second] = assignNodeCidrs(set, [{ podCIDR: null }, { podCIDR: null }]);
    expect(shown(second!)).toBe(`failed to allocate cidr from cluster cidr at idx:0: ${CIDR_EXHAUSTED}`);
  });

  it('refuses a podCIDR outside of the cluster CIDR', () => {
    const set = new CidrSet(cidr('10.244.0.0/16'), 24);
    expect(set.occupy(cidr('10.245.0.0/24'))).toBe(false);
    expect(set.occupy(cidr('10.0.0.0/8'))).toBe(false);
  });

  it('works at the top of the address space', () => {
    const set = new CidrSet(cidr('255.255.254.0/23'), 24);
    expect([1, 2].map(() => shown(set.allocateNext()))).toEqual(['255.255.254.0/24', '255.255.255.0/24']);
  });
});
