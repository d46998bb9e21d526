// DNS messages from a seeded stream, with records of every type that the codec takes apart.

import fc from 'fast-check';
import { DnsClass, DnsFlag, DnsType } from '../../src/wire/dns.ts';
import type { DnsMessage } from '../../src/wire/dns-message.ts';
import type { DnsData, DnsRecord } from '../../src/wire/dns-record.ts';

const label = fc.stringMatching(/^[a-z0-9_]([a-z0-9-]{0,20}[a-z0-9])?$/);
const name = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => `${labels.join('.')}.`);
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const bytes = (max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: max });

const data: fc.Arbitrary<[number, DnsData]> = fc.oneof(
  u32.map((a): [number, DnsData] => [DnsType.A, { kind: 'a', address: a | 0 }]),
  fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((address): [number, DnsData] => [DnsType.AAAA, { kind: 'aaaa', address }]),
  fc
    .tuple(fc.constantFrom(DnsType.NS, DnsType.CNAME, DnsType.PTR), name)
    .map(([type, n]): [number, DnsData] => [type, { kind: 'name', name: n }]),
  fc
    .tuple(name, name, u32, u32, u32, u32, u32)
    .map(([mname, rname, serial, refresh, retry, expire, minimum]): [number, DnsData] => [
      DnsType.SOA,
      { kind: 'soa', mname, rname, serial, refresh, retry, expire, minimum },
    ]),
  fc
    .tuple(u16, name)
    .map(([preference, exchange]): [number, DnsData] => [DnsType.MX, { kind: 'mx', preference, exchange }]),
  fc
    .array(bytes(60), { minLength: 1, maxLength: 3 })
    .map((strings): [number, DnsData] => [DnsType.TXT, { kind: 'txt', strings }]),
  fc
    .tuple(u16, u16, u16, name)
    .map(([priority, weight, port, target]): [number, DnsData] => [
      DnsType.SRV,
      { kind: 'srv', priority, weight, port, target },
    ]),
  fc
    .tuple(fc.constantFrom(0, 128), fc.constantFrom('issue', 'issuewild', 'iodef'), bytes(30))
    .map(([flags, tag, value]): [number, DnsData] => [DnsType.CAA, { kind: 'caa', flags, tag, value }]),
  bytes(40).map((b): [number, DnsData] => [65_280, { kind: 'opaque', bytes: b }]),
);

const record: fc.Arbitrary<DnsRecord> = fc
  .tuple(name, data, fc.integer({ min: 0, max: 0x7fff_ffff }))
  .map(([n, [type, d], ttl]) => ({ name: n, type, cls: DnsClass.IN, ttl, data: d }));

/** A client's cookie, or one with the server's behind it (RFC 7873 section 4). */
const cookies = fc.oneof(
  fc.uint8Array({ minLength: 8, maxLength: 8 }),
  fc.uint8Array({ minLength: 16, maxLength: 40 }),
);

const opt: fc.Arbitrary<DnsRecord> = cookies.map((cookie) => ({
  name: '.',
  type: DnsType.OPT,
  cls: 1232,
  ttl: 0,
  data: { kind: 'opt', options: [{ code: 10, data: cookie }] },
}));

export const message: fc.Arbitrary<DnsMessage> = fc.record({
  id: u16,
  flags: fc.constantFrom(DnsFlag.RD, DnsFlag.QR | DnsFlag.AA, DnsFlag.QR | DnsFlag.RD | DnsFlag.RA, DnsFlag.QR | 3),
  questions: fc.array(fc.record({ name, type: fc.constantFrom(1, 28, 33), cls: fc.constant(DnsClass.IN) }), {
    minLength: 1,
    maxLength: 1,
  }),
  answers: fc.array(record, { maxLength: 5 }),
  authorities: fc.array(record, { maxLength: 2 }),
  additionals: fc.tuple(fc.array(record, { maxLength: 2 }), fc.array(opt, { maxLength: 1 })).map((l) => l.flat()),
});
