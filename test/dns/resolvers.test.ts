// Proves how glibc's and musl's resolvers walk the search list, retry, fall back and give up: each query with its time, its
// socket and its server. Where a figure is not in the sources it was seen on a real glibc 2.36 or in golden case 11.

import { describe, expect, it } from 'vitest';
import { GlibcSearch, type SearchResult } from '../../src/dns/glibc-search.ts';
import { ResolverState } from '../../src/dns/glibc-send.ts';
import { MuslLookup, type MuslResult } from '../../src/dns/musl-lookup.ts';
import { parseResolvConf } from '../../src/dns/resolv-conf.ts';
import { NS_PER_S } from '../../src/sim/sim.ts';
import { DnsFlag, DnsRcode, DnsType } from '../../src/wire/dns.ts';
import { FakeNetwork, type FakeQuery, type FakeReply } from './fake-network.ts';

const POD = 'search a.test b.test\nnameserver 10.0.0.1\noptions ndots:5\n';
const BOTH = [DnsType.A, DnsType.AAAA];
const NX: FakeReply = { rcode: DnsRcode.NXDOMAIN };
const NODATA: FakeReply = {};
const YES: FakeReply = { addresses: ['10.1.1.1'] };

interface Ran<R> {
  readonly log: readonly string[];
  readonly result: R;
}

function glibc(
  conf: string,
  name: string,
  answer: (q: FakeQuery) => FakeReply,
  types: readonly number[] = [DnsType.A],
  state = new ResolverState(parseResolvConf(conf)),
): Ran<SearchResult> {
  const network = new FakeNetwork(answer);
  let result: SearchResult | null = null;
  new GlibcSearch(network, state, { name, types }, (r) => {
    result = r;
  }).start();
  network.sim.runUntil(100 * NS_PER_S);
  return { log: network.log, result: result! };
}

function musl(
  conf: string,
  name: string,
  answer: (q: FakeQuery) => FakeReply,
  types: readonly number[] = [DnsType.A],
): Ran<MuslResult> {
  const network = new FakeNetwork(answer);
  let result: MuslResult | null = null;
  new MuslLookup(network, parseResolvConf(conf), { name, types }, (r) => {
    result = r;
  }).start();
  network.sim.runUntil(100 * NS_PER_S);
  return { log: network.log, result: result! };
}

const only =
  (...names: string[]) =>
  (q: FakeQuery): FakeReply =>
    names.includes(q.name) ? YES : NX;

describe('glibc: which names', () => {
  it('few dots: the list first, a new socket for each name, and the name itself last', () => {
    const { log, result } = glibc(POD, 'x.y', only('x.y.'));
    expect(log).toEqual(['0.0 #1 10.0.0.1 A x.y.a.test.', '0.0 #2 10.0.0.1 A x.y.b.test.', '0.0 #3 10.0.0.1 A x.y.']);
    expect(result.name).toBe('x.y.');
  });

  it('dots enough: the name first, then the list', () => {
    const { log } = glibc(POD.replace('ndots:5', 'ndots:1'), 'x.y', only('x.y.b.test.'));
    expect(log.map((l) => l.split(' ').at(-1))).toEqual(['x.y.', 'x.y.a.test.', 'x.y.b.test.']);
  });

  it('a dot at the end: nothing but the name', () => {
    const { log, result } = glibc(POD, 'x.y.', () => NX);
    expect(log).toEqual(['0.0 #1 10.0.0.1 A x.y.']);
    expect(result.error).toBe('HOST_NOT_FOUND');
  });

  it('NODATA goes on along the list, and is what the whole comes to', () => {
    const { log, result } = glibc(POD, 'x', (q) => (q.name === 'x.a.test.' ? NODATA : NX));
    expect(log.length).toBe(3);
    expect(result.error).toBe('NO_DATA');
  });

  it('SERVFAIL is tried twice for each suffix and goes on; the whole comes to TRY_AGAIN', () => {
    const { log, result } = glibc(POD, 'x', (q) => (q.name === 'x.a.test.' ? { rcode: DnsRcode.SERVFAIL } : NX));
    expect(log.map((l) => l.split(' ').at(-1))).toEqual(['x.a.test.', 'x.a.test.', 'x.b.test.', 'x.']);
    expect(result.error).toBe('TRY_AGAIN');
  });
});

describe('glibc: when nobody answers', () => {
  it('waits 5 s, asks again from the same port, then asks for the name itself and no other suffix (golden 11)', () => {
    const { log, result } = glibc(POD, 'x', () => 'silent');
    expect(log).toEqual([
      '0.0 #1 10.0.0.1 A x.a.test.',
      '5.0 #1 10.0.0.1 A x.a.test.',
      '10.0 #2 10.0.0.1 A x.',
      '15.0 #2 10.0.0.1 A x.',
    ]);
    expect(result.error).toBe('TRY_AGAIN');
  });

  it('a closed port: the second try at once from a new socket, and no further name (golden 11)', () => {
    const { log, result } = glibc(POD, 'x', () => 'refused');
    expect(log).toEqual(['0.0 #1 10.0.0.1 A x.a.test.', '0.0 #2 10.0.0.1 A x.a.test.']);
    expect(result.error).toBe('TRY_AGAIN');
  });

  it('several servers: 5 s for the first, 3 s for the second of three, 6 s for the third, twice', () => {
    const conf = 'nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n';
    const { log } = glibc(conf, 'x.', () => 'silent');
    expect(
      log.map((l) =>
        l
          .split(' ')
          .filter((_, i) => i !== 1)
          .slice(0, 2)
          .join(' '),
      ),
    ).toEqual(['0.0 10.0.0.1', '5.0 10.0.0.2', '8.0 10.0.0.3', '14.0 10.0.0.1', '19.0 10.0.0.2', '22.0 10.0.0.3']);
  });

  it('timeout and attempts are what the options say', () => {
    const { log } = glibc('nameserver 10.0.0.1\noptions timeout:1 attempts:3\n', 'x.', () => 'silent');
    expect(log.map((l) => l.split(' ')[0])).toEqual(['0.0', '1.0', '2.0']);
  });

  it('rotate: the next lookup begins with the next server', () => {
    const conf = 'nameserver 10.0.0.1\nnameserver 10.0.0.2\noptions rotate\n';
    const state = new ResolverState(parseResolvConf(conf));
    const servers = [1, 2, 3].map(() => glibc(conf, 'x.', () => YES, [DnsType.A], state).log[0]!.split(' ')[2]);
    expect(servers[0]).not.toBe(servers[1]);
    expect(servers[0]).toBe(servers[2]);
  });
});

describe('glibc: A and AAAA together', () => {
  it('both leave one socket before an answer comes', () => {
    const { log } = glibc(POD, 'x.', (q) => (q.type === 'A' ? YES : NODATA), BOTH);
    expect(log).toEqual(['0.0 #1 10.0.0.1 A x.', '0.0 #1 10.0.0.1 AAAA x.']);
  });

  it('one of two is lost: after 5 s one question at a time, from then on for good', () => {
    const state = new ResolverState(parseResolvConf(POD));
    const lost = (q: FakeQuery): FakeReply => (q.type === 'A' ? YES : q.before === 0 ? 'silent' : NODATA);
    const first = glibc(POD, 'x.', lost, BOTH, state);
    expect(first.log).toEqual([
      '0.0 #1 10.0.0.1 A x.',
      '0.0 #1 10.0.0.1 AAAA x.',
      '5.0 #1 10.0.0.1 A x.',
      '5.0 #1 10.0.0.1 AAAA x.',
    ]);
    expect(first.result.name).toBe('x.');
    expect(state.singleRequest).toBe(true);
  });

  it('lost again: another 5 s, then each question from a socket of its own', () => {
    const lost = (q: FakeQuery): FakeReply => (q.type === 'A' ? YES : q.before < 2 ? 'silent' : NODATA);
    expect(glibc(POD, 'x.', lost, BOTH).log).toEqual([
      '0.0 #1 10.0.0.1 A x.',
      '0.0 #1 10.0.0.1 AAAA x.',
      '5.0 #1 10.0.0.1 A x.',
      '5.0 #1 10.0.0.1 AAAA x.',
      '10.0 #2 10.0.0.1 A x.',
      '10.0 #3 10.0.0.1 AAAA x.',
    ]);
  });

  it('single-request: AAAA waits for the answer to A; -reopen takes a new socket (seen on glibc 2.36)', () => {
    const one = glibc(`${POD.trimEnd()} single-request\n`, 'x.', (q) => (q.type === 'A' ? YES : NODATA), BOTH);
    expect(one.log).toEqual(['0.0 #1 10.0.0.1 A x.', '0.0 #1 10.0.0.1 AAAA x.']);
    const two = glibc(`${POD.trimEnd()} single-request-reopen\n`, 'x.', (q) => (q.type === 'A' ? YES : NODATA), BOTH);
    expect(two.log).toEqual(['0.0 #1 10.0.0.1 A x.', '0.0 #2 10.0.0.1 AAAA x.']);
  });
});

describe('glibc: TCP', () => {
  it('a truncated answer is asked for again over TCP', () => {
    const { log, result } = glibc(POD, 'x.', (q) => (q.tcp ? YES : { flags: DnsFlag.TC | DnsFlag.RA }));
    expect(log).toEqual(['0.0 #1 10.0.0.1 A x.', '0.0 tcp#2 10.0.0.1 A x.']);
    expect(result.answers[0]!.answers.length).toBe(1);
  });

  it('use-vc: both questions over one connection, none over UDP', () => {
    const { log } = glibc(`${POD.trimEnd()} use-vc\n`, 'x.', (q) => (q.type === 'A' ? YES : NODATA), BOTH);
    expect(log).toEqual(['0.0 tcp#1 10.0.0.1 A x.', '0.0 tcp#1 10.0.0.1 AAAA x.']);
  });
});

describe('musl', () => {
  const TWO = 'search a.test b.test\nnameserver 10.0.0.1\nnameserver 10.0.0.2\noptions ndots:2\n';

  it('asks all servers at once, A and AAAA from one socket', () => {
    const { log } = musl(TWO, 'x.y.z', (q) => (q.type === 'A' ? YES : NODATA), BOTH);
    expect(log).toEqual([
      '0.0 #1 10.0.0.1 A x.y.z.',
      '0.0 #1 10.0.0.2 A x.y.z.',
      '0.0 #1 10.0.0.1 AAAA x.y.z.',
      '0.0 #1 10.0.0.2 AAAA x.y.z.',
    ]);
  });

  it('dots enough: never the search list', () => {
    const { log, result } = musl(TWO, 'x.y.z', () => NX);
    expect(new Set(log.map((l) => l.split(' ').at(-1)))).toEqual(new Set(['x.y.z.']));
    expect(result.error).toBe('EAI_NONAME');
  });

  it('NXDOMAIN goes on along the list, NODATA ends it', () => {
    const walked = musl(POD, 'x', only('x.'));
    expect(walked.log.map((l) => l.split(' ').at(-1))).toEqual(['x.a.test.', 'x.b.test.', 'x.']);
    const ended = musl(POD, 'x', (q) => (q.name === 'x.a.test.' ? NODATA : YES));
    expect(ended.log.length).toBe(1);
    expect(ended.result.error).toBe('EAI_NODATA');
  });

  it('sends again after 2.5 s and gives up after 5 s in all', () => {
    const { log, result } = musl(POD, 'x.', () => 'silent');
    expect(log.map((l) => l.split(' ')[0])).toEqual(['0.0', '2.5']);
    expect(result.error).toBe('EAI_AGAIN');
  });

  it('repeats at once after SERVFAIL, twice for each question in a round', () => {
    const { log } = musl(POD, 'x.', (q) => (q.before < 2 ? { rcode: DnsRcode.SERVFAIL } : YES));
    expect(log.map((l) => l.split(' ')[0])).toEqual(['0.0', '0.0', '0.0']);
  });

  it('passes a refusal over while another server answers', () => {
    const { result } = musl(TWO, 'x.y.z', (q) => (q.server === '10.0.0.1' ? { rcode: DnsRcode.REFUSED } : YES));
    expect(result.error).toBe(null);
  });

  it('asks over TCP for what was truncated', () => {
    const { log } = musl(POD, 'x.', (q) => (q.tcp ? YES : { flags: DnsFlag.TC }));
    expect(log).toEqual(['0.0 #1 10.0.0.1 A x.', '0.0 tcp#2 10.0.0.1 A x.']);
  });

  it('opens one stream for a question, however many truncated answers come, and sends no datagram for it again', () => {
    const { log, result } = musl(TWO, 'x.y.z', (q) => (q.tcp ? 'silent' : { flags: DnsFlag.TC }));
    expect(log).toEqual(['0.0 #1 10.0.0.1 A x.y.z.', '0.0 #1 10.0.0.2 A x.y.z.', '0.0 tcp#2 10.0.0.1 A x.y.z.']);
    expect(result.error).toBe('EAI_AGAIN');
  });
});

describe('resolv.conf', () => {
  it('is read as res_init reads it', () => {
    const conf = parseResolvConf(
      '# c\n; d\nnameserver 1.1.1.1\nnameserver bad\nnameserver 2.2.2.2\nnameserver 3.3.3.3\nnameserver 4.4.4.4\ndomain d.test\nsearch a.test  b.test.\noptions ndots:99 timeout:40 attempts:9 rotate use-vc\n',
    );
    expect(conf.nameservers.length).toBe(3);
    expect(conf.search).toEqual(['a.test', 'b.test']);
    expect([conf.ndots, conf.timeout, conf.attempts, conf.rotate, conf.useVc]).toEqual([15, 30, 5, true, true]);
    expect(parseResolvConf(null)).toMatchObject({
      nameservers: [0x7f000001],
      search: [],
      ndots: 1,
      timeout: 5,
      attempts: 2,
    });
  });
});
