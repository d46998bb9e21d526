// Proves what a DNS server makes of queries whatever its zone: no name compressed that fits, EDNS and cookies sent back,
// truncation by size, refusals of what is no honest query, the cache's ages, the order of addresses.

import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/rng.ts';
import { AnswerCache } from '../../src/dns/answer-cache.ts';
import { KubernetesZone } from '../../src/dns/kubernetes-zone.ts';
import { loadBalance } from '../../src/dns/load-balance.ts';
import { type DnsHandler, serveDns } from '../../src/dns/server.ts';
import { TableZone } from '../../src/dns/table-zone.ts';
import { TcpFraming } from '../../src/dns/tcp-framing.ts';
import { NS_PER_S } from '../../src/sim/sim.ts';
import { DnsClass, DnsFlag, DnsRcode, DnsType, EdnsOption } from '../../src/wire/dns.ts';
import {
  dnsQuery,
  ednsOf,
  fullRcode,
  isDnsFault,
  parseDnsBytes,
  rcodeOf,
  writeDns,
} from '../../src/wire/dns-message.ts';
import { ask, ip, objects, told } from './rig.ts';

const many = new TableZone([
  { name: 'big.test.', ttl: 60, addresses: Array.from({ length: 60 }, (_, i) => ip(`10.1.0.${i + 1}`)), alias: null },
  { name: 'one.test.', ttl: 60, addresses: [ip('10.2.0.1')], alias: null },
]);
const cluster = new KubernetesZone(
  objects(),
  { zone: 'cluster.local.', ttl: 30, pods: 'insecure', localAddresses: [] },
  many,
);

function raw(handler: DnsHandler, bytes: Uint8Array, protocol: 'udp' | 'tcp' = 'udp'): Uint8Array | null {
  let reply: Uint8Array | null = null;
  serveDns(bytes, protocol, handler, (r) => {
    reply = r;
  });
  return reply;
}

const query = (name: string, type: number = DnsType.A): Uint8Array =>
  writeDns(dnsQuery(7, { name, type, cls: DnsClass.IN }), false)!;

describe('the bytes of a reply', () => {
  it('repeats names as long as the message fits: 106 bytes for kubernetes.default, as CoreDNS logs', () => {
    expect(raw(cluster, query('kubernetes.default.svc.cluster.local.'))!.length).toBe(106);
  });

  it('denies in 148 bytes what CoreDNS denies in 148', () => {
    expect(raw(cluster, query('example.com.default.svc.cluster.local.'))!.length).toBe(148);
  });

  it('cuts at 512 bytes without EDNS, compressed, with TC', () => {
    const reply = raw(many, query('big.test.'))!;
    const message = parseDnsBytes(reply);
    if (isDnsFault(message)) throw new Error(message.reason);
    expect(message.flags & DnsFlag.TC).toBe(DnsFlag.TC);
    // 12 + 14 for header and question, 16 for each answer.
    expect(message.answers.length).toBe(30);
    expect(reply.length).toBe(506);
  });

  it('gives all of it over TCP, and over UDP to a client that takes 1232 bytes', () => {
    const opt = { name: '.', type: DnsType.OPT, cls: 1232, ttl: 0, data: { kind: 'opt', options: [] } } as const;
    for (const reply of [
      ask(many, 'big.test.', 'A', { protocol: 'tcp' }),
      ask(many, 'big.test.', 'A', { additionals: [opt] }),
    ]) {
      expect(reply.answers.length).toBe(60);
      expect(reply.flags & DnsFlag.TC).toBe(0);
    }
  });

  it('sends a cookie back as it came', () => {
    const cookie = { code: EdnsOption.COOKIE, data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) };
    const subnet = { code: EdnsOption.CLIENT_SUBNET, data: Uint8Array.of(0, 1, 0, 0) };
    const opt = {
      name: '.',
      type: DnsType.OPT,
      cls: 1232,
      ttl: 0,
      data: { kind: 'opt', options: [cookie, subnet] },
    } as const;
    const reply = ednsOf(ask(many, 'one.test.', 'A', { additionals: [opt] }))!;
    expect(reply.cls).toBe(1232);
    expect(reply.data).toEqual({ kind: 'opt', options: [cookie] });
  });

  it('has no OPT record for who sent none', () => {
    expect(ask(many, 'one.test.', 'A').additionals).toEqual([]);
  });

  it('answers BADVERS to another version of EDNS', () => {
    const opt = { name: '.', type: DnsType.OPT, cls: 1232, ttl: 1 << 16, data: { kind: 'opt', options: [] } } as const;
    expect(fullRcode(ask(many, 'one.test.', 'A', { additionals: [opt] }))).toBe(DnsRcode.BADVERS);
  });
});

describe('what is no honest query', () => {
  const header = (flags: number, counts: number[]): Uint8Array => {
    const bytes = new Uint8Array(12);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, 7);
    view.setUint16(2, flags);
    for (const [i, count] of counts.entries()) view.setUint16(4 + 2 * i, count);
    return bytes;
  };
  const rcode = (bytes: Uint8Array): number | null => {
    const reply = raw(many, bytes);
    return reply === null ? null : reply[3]! & 0xf;
  };

  it('says nothing to a response or to bytes without a header', () => {
    expect(raw(many, header(DnsFlag.QR, [1, 0, 0, 0]))).toBe(null);
    expect(raw(many, new Uint8Array(11))).toBe(null);
  });

  it('says FORMERR to counts that lie and to two questions', () => {
    expect(rcode(header(0, [1, 0, 0, 0]))).toBe(DnsRcode.FORMERR);
    expect(rcode(header(0, [0, 0, 0, 0]))).toBe(DnsRcode.FORMERR);
    expect(rcode(header(0, [2, 0, 0, 0]))).toBe(DnsRcode.FORMERR);
    expect(rcode(header(0, [65_535, 0, 0, 0]))).toBe(DnsRcode.FORMERR);
    expect(raw(many, header(DnsFlag.RD, [1, 0, 0, 0]))!.length).toBe(12);
  });

  it('says NOTIMP to an update and REFUSED to another class', () => {
    expect(rcode(header(5 << 11, [1, 0, 0, 0]))).toBe(DnsRcode.NOTIMP);
    const chaos = writeDns(dnsQuery(7, { name: 'version.bind.', type: DnsType.TXT, cls: DnsClass.CH }), false)!;
    expect(rcode(chaos)).toBe(DnsRcode.REFUSED);
  });
});

describe('cache and loadbalance', () => {
  it('answers from memory with what is left of the TTL, and asks again when nothing is', () => {
    let now = 0;
    let asked = 0;
    const counting: DnsHandler = {
      serve(request, done) {
        asked++;
        many.serve(request, done);
      },
    };
    const cache = new AnswerCache({ ttl: 30, except: ['cluster.local.'], now: () => now }, counting);
    expect(told(ask(cache, 'one.test.', 'A'))).toBe('NOERROR | one.test. 60 A 10.2.0.1');
    now = 29 * NS_PER_S;
    const kept = ask(cache, 'one.test.', 'A');
    expect(told(kept)).toBe('NOERROR | one.test. 1 A 10.2.0.1');
    expect(kept.flags & DnsFlag.AA).toBe(DnsFlag.AA);
    expect(asked).toBe(1);
    now = 30 * NS_PER_S;
    ask(cache, 'one.test.', 'A');
    expect(asked).toBe(2);
    ask(cache, 'none.test.', 'A');
    ask(cache, 'none.test.', 'A');
    expect(asked).toBe(3);
    ask(cache, 'x.cluster.local.', 'A');
    ask(cache, 'x.cluster.local.', 'A');
    expect(asked).toBe(5);
  });

  it('gives the addresses in another order, all of them, and the same order for the same seed', () => {
    const order = (seed: number): string[] => {
      const handler = loadBalance(new Rng(seed, 'test'), cluster);
      return Array.from({ length: 8 }, () => told(ask(handler, 'db.shop.svc.cluster.local.', 'A')));
    };
    expect(new Set(order(1)).size).toBeGreaterThan(1);
    expect(order(1)).toEqual(order(1));
    for (const text of order(2)) for (const a of ['10.244.1.5', '10.244.2.5', '10.244.2.6']) expect(text).toContain(a);
  });
});

describe('messages in a TCP stream', () => {
  const message = query('one.test.');
  const framed = Uint8Array.from([message.length >>> 8, message.length & 0xff, ...message]);

  it('two in one segment come out as two', () => {
    const framing = new TcpFraming();
    expect(framing.push(Uint8Array.from([...framed, ...framed]))).toEqual({ messages: [message, message] });
    expect(framing.waiting).toBe(0);
  });

  it('one byte at a time comes out as one', () => {
    const framing = new TcpFraming();
    const out = [...framed].flatMap((byte) => {
      const taken = framing.push(Uint8Array.of(byte));
      return taken.messages;
    });
    expect(out).toEqual([message]);
  });

  it('a length of 0 ends the stream; one over what comes waits', () => {
    expect(new TcpFraming().push(Uint8Array.of(0, 0))).toHaveProperty('error');
    expect(new TcpFraming().push(Uint8Array.from([...framed, 0, 0]))).toMatchObject({
      messages: [message],
      error: 'a message of 0 bytes',
    });
    const framing = new TcpFraming();
    expect(framing.push(Uint8Array.of(0xff, 0xff, 1, 2, 3))).toEqual({ messages: [] });
    expect(framing.waiting).toBe(5);
  });

  it('the rcode of what came whole is what it should be', () => {
    expect(rcodeOf(ask(many, 'one.test.', 'A', { protocol: 'tcp' }).flags)).toBe(DnsRcode.NOERROR);
  });
});
