// Proves that the IPVS schedulers choose as the LVS documentation and the kernel's formulas say, independent of packets.

import { describe, expect, it } from 'vitest';
import { createIpvsScheduler, type IpvsSchedulerName } from '../../src/netfilter/ipvs/scheduler.ts';
import { IpvsDestination, IpvsService } from '../../src/netfilter/ipvs/service.ts';

const VIRTUAL = 0x0a600001;

/** A service whose list reads as given, e.g. { A: 4, B: 3 }; the letter is the last byte of the address. */
function service(name: IpvsSchedulerName, weights: Record<string, number>): IpvsService {
  const s = new IpvsService(6, VIRTUAL, 80, 0, createIpvsScheduler(name));
  for (const [letter, weight] of Object.entries(weights)) {
    s.destinations.push(new IpvsDestination(s, letter.charCodeAt(0), 80, weight));
  }
  s.scheduler.changed(s);
  return s;
}

function take(s: IpvsService, source = 0x0a000001): string {
  const dest = s.scheduler.schedule(s, source, 40_000, VIRTUAL);
  return dest === null ? '-' : String.fromCharCode(dest.address);
}

function sequence(s: IpvsService, n: number): string {
  return Array.from({ length: n }, () => take(s)).join('');
}

function dest(s: IpvsService, letter: string): IpvsDestination {
  return s.destinations.find((d) => d.address === letter.charCodeAt(0))!;
}

describe('rr', () => {
  it('goes round the list from its head', () => {
    expect(sequence(service('rr', { A: 1, B: 1, C: 1 }), 7)).toBe('ABCABCA');
  });

  it('passes servers of weight 0 and those over their threshold', () => {
    const s = service('rr', { A: 1, B: 0, C: 1, D: 5 });
    dest(s, 'D').overloaded = true;
    expect(sequence(s, 4)).toBe('ACAC');
  });

  it('has nobody when none may be taken', () => {
    expect(take(service('rr', { A: 0 }))).toBe('-');
    expect(take(service('rr', {}))).toBe('-');
  });

  it('goes on behind the server before the one that was taken out', () => {
    const s = service('rr', { A: 1, B: 1, C: 1 });
    expect(sequence(s, 2)).toBe('AB');
    s.scheduler.leaving?.(s, dest(s, 'B'));
    s.destinations.splice(1, 1);
    s.scheduler.changed(s);
    expect(sequence(s, 3)).toBe('CAC');
  });
});

describe('wrr', () => {
  // The LVS documentation's example: weights 4, 3, 2 give AABABCABC in one scheduling period.
  it('gives AABABCABC for weights 4, 3, 2', () => {
    expect(sequence(service('wrr', { A: 4, B: 3, C: 2 }), 18)).toBe('AABABCABCAABABCABC');
  });

  it('divides by the common divisor of the weights', () => {
    expect(sequence(service('wrr', { A: 200, B: 100 }), 6)).toBe('AABAAB');
  });

  it('has nobody when every weight is 0, or every server is overloaded', () => {
    expect(take(service('wrr', { A: 0, B: 0 }))).toBe('-');
    const s = service('wrr', { A: 3, B: 1 });
    for (const d of s.destinations) d.overloaded = true;
    expect(take(s)).toBe('-');
  });
});

describe('least connections', () => {
  it('lc: an active connection weighs as 256 inactive ones', () => {
    const s = service('lc', { A: 1, B: 9 });
    dest(s, 'A').activeConnections = 1;
    dest(s, 'B').inactiveConnections = 255;
    expect(take(s)).toBe('B');
    dest(s, 'B').inactiveConnections = 257;
    expect(take(s)).toBe('A');
  });

  it('wlc: overhead in relation to weight', () => {
    const s = service('wlc', { A: 1, B: 3 });
    dest(s, 'A').activeConnections = 1;
    dest(s, 'B').activeConnections = 2;
    expect(take(s)).toBe('B');
    dest(s, 'B').activeConnections = 4;
    expect(take(s)).toBe('A');
  });

  // (active + 1) / weight: the connection to come counts (ip_vs_sed.c).
  it('sed: the shortest expected delay', () => {
    const s = service('sed', { A: 1, B: 3 });
    expect(take(s)).toBe('B');
    dest(s, 'B').activeConnections = 3;
    expect(take(s)).toBe('A');
  });

  it('nq: an idle server before a faster busy one', () => {
    const s = service('nq', { A: 1, B: 100 });
    dest(s, 'B').activeConnections = 1;
    expect(take(s)).toBe('A');
    dest(s, 'A').activeConnections = 1;
    expect(take(s)).toBe('B');
  });
});

describe('hashing', () => {
  it('sh: one client has one server, all servers have clients in proportion to their weight', () => {
    const s = service('sh', { A: 1, B: 3 });
    const counts = new Map<string, number>();
    for (let i = 0; i < 4096; i++) {
      const source = 0x0a000000 + i;
      const first = take(s, source);
      expect(take(s, source)).toBe(first);
      counts.set(first, (counts.get(first) ?? 0) + 1);
    }
    const share = counts.get('B')! / 4096;
    expect(share).toBeGreaterThan(0.7);
    expect(share).toBeLessThan(0.8);
  });

  it('sh: a client whose server has weight 0 gets nobody', () => {
    const s = service('sh', { A: 1, B: 1 });
    const client = Array.from({ length: 64 }, (_, i) => i).find((i) => take(s, i) === 'A')!;
    dest(s, 'A').weight = 0;
    expect(take(s, client)).toBe('-');
  });

  it('dh: the destination decides, whoever asks', () => {
    const s = service('dh', { A: 1, B: 1, C: 1 });
    const first = take(s, 1);
    for (let i = 2; i < 50; i++) expect(take(s, i)).toBe(first);
  });
});
