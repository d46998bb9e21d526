// Proves the DNS codec: names and their limits, records written and read back, agreement with the package dns-packet over
// generated messages, truncation at every length, and the bad inputs that brought other parsers down (RFC 9267).

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as dnsPacket from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIpv4 } from '../../src/addr/ipv4.ts';
import { parseIpv6 } from '../../src/addr/ipv6.ts';
import { DnsType } from '../../src/wire/dns.ts';
import {
  type DnsMessage,
  dnsLength,
  dnsQuery,
  isDnsFault,
  parseDns,
  parseDnsBytes,
  writeDns,
} from '../../src/wire/dns-message.ts';
import { isWithin, NameReader, nameBytes, nameLabels, parseDnsName } from '../../src/wire/dns-name.ts';
import type { DnsRecord } from '../../src/wire/dns-record.ts';
import { dataText } from '../../src/wire/dns-text.ts';
import { message } from './dns-messages.ts';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);

const SEED = 20_260_101;

describe('messages', () => {
  it('come back as they were written, compressed or not, and are as long as promised', () => {
    fc.assert(
      fc.property(message, fc.boolean(), (m, compress) => {
        const written = writeDns(m, compress)!;
        expect(parseDnsBytes(written)).toEqual(m);
        if (compress) expect(written.length).toBeLessThanOrEqual(dnsLength(m));
        else expect(written.length).toBe(dnsLength(m));
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it('say to dns-packet what they say to us', () => {
    fc.assert(
      fc.property(message, fc.boolean(), (m, compress) => {
        const theirs = dnsPacket.decode(Buffer.from(writeDns(m, compress)!));
        expect(theirs.id).toBe(m.id);
        expect(theirs.questions?.map((q) => `${q.name}.`)).toEqual(m.questions.map((q) => q.name));
        const all = [...m.answers, ...m.authorities, ...m.additionals];
        const decoded = [...(theirs.answers ?? []), ...(theirs.authorities ?? []), ...(theirs.additionals ?? [])];
        expect(decoded.length).toBe(all.length);
        for (const [i, r] of all.entries()) expect(judged(decoded[i]!)).toBe(told(r));
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it('that dns-packet writes are read', () => {
    const theirs = dnsPacket.encode({
      type: 'response',
      id: 7,
      flags: dnsPacket.AUTHORITATIVE_ANSWER,
      questions: [{ type: 'SRV', name: '_http._tcp.web.shop' }],
      answers: [
        {
          type: 'SRV',
          name: '_http._tcp.web.shop',
          ttl: 30,
          data: { priority: 0, weight: 100, port: 80, target: 'web.shop' },
        },
        { type: 'A', name: 'web.shop', ttl: 30, data: '10.96.0.77' },
        { type: 'TXT', name: 'web.shop', ttl: 30, data: ['a', 'b c'] },
      ],
      additionals: [
        { type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options: [] } as unknown as dnsPacket.Answer,
      ],
    });
    const m = parseDnsBytes(theirs) as DnsMessage;
    expect(m.answers.map((r) => `${r.name} ${dataText(r.data)}`)).toEqual([
      '_http._tcp.web.shop. 0 100 80 web.shop.',
      'web.shop. 10.96.0.77',
      'web.shop. "a" "b c"',
    ]);
    expect(m.additionals[0]!.cls).toBe(1232);
  });

  it('cut anywhere are faults or lesser messages, never exceptions, and nothing behind the end is read', () => {
    const m = fc.sample(message, { seed: SEED, numRuns: 20 });
    for (const one of m) {
      const written = writeDns(one, true)!;
      const padded = new Uint8Array(written.length + 600).fill(0xc0);
      padded.set(written);
      const view = new DataView(padded.buffer);
      for (let end = 0; end < written.length; end++) expect(isDnsFault(parseDns(view, 0, end))).toBe(true);
    }
  });

  it('read any bytes whatever without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (b) => {
        parseDnsBytes(b);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });
});

/** Our record as a comparable line. */
function told(r: DnsRecord): string {
  const owner = r.name === '.' ? '.' : r.name.slice(0, -1);
  switch (r.data.kind) {
    case 'txt':
    case 'caa':
    case 'opaque':
    case 'opt':
      return `${owner} ${r.type === DnsType.OPT ? 'OPT' : r.ttl}`;
    case 'a':
    case 'aaaa':
      return `${owner} ${r.ttl} ${dataText(r.data)}`;
    default:
      return `${owner} ${r.ttl} ${dataText(r.data).replaceAll(/\.( |$)/g, '$1')}`;
  }
}

/** dns-packet's record as the same line. */
function judged(answer: dnsPacket.Answer): string {
  const { name: owner, type } = answer;
  if (type === 'OPT') return `${owner} OPT`;
  const { ttl, data: d } = answer as { ttl: number; data: unknown };
  if (type === 'A') return `${owner} ${ttl} ${d as string}`;
  if (type === 'AAAA') return `${owner} ${ttl} ${dataText({ kind: 'aaaa', address: parseIpv6(d as string)! })}`;
  if (type === 'NS' || type === 'CNAME' || type === 'PTR') return `${owner} ${ttl} ${d as string}`;
  if (type === 'MX') return `${owner} ${ttl} ${(d as dnsPacket.MxData).preference} ${(d as dnsPacket.MxData).exchange}`;
  if (type === 'SRV') {
    const s = d as Required<dnsPacket.SrvData>;
    return `${owner} ${ttl} ${s.priority} ${s.weight} ${s.port} ${s.target}`;
  }
  if (type === 'SOA') {
    const s = d as Required<dnsPacket.SoaData>;
    return `${owner} ${ttl} ${s.mname} ${s.rname} ${s.serial} ${s.refresh} ${s.retry} ${s.expire} ${s.minimum}`;
  }
  return `${owner} ${ttl}`;
}

describe('names', () => {
  it.each([
    ['web', 'web.'],
    ['web.default.', 'web.default.'],
    ['.', '.'],
    ['a\\.b.c', 'a\\.b.c.'],
    ['a\\032b', 'a\\032b.'],
    ['tab\\009x', 'tab\\009x.'],
    ['ü.example', '\\195\\188.example.'],
    ['', null],
    ['a..b', null],
    ['.a', null],
    ['a\\', null],
    ['a\\999', null],
    [`${'x'.repeat(63)}.y`, `${'x'.repeat(63)}.y.`],
    [`${'x'.repeat(64)}.y`, null],
    [`${'1234567.'.repeat(31)}12345`, `${'1234567.'.repeat(31)}12345.`],
    [`${'1234567.'.repeat(32)}`, null],
  ])('%j becomes %j', (given, expected) => {
    expect(parseDnsName(given)).toBe(expected);
  });

  it('keep every byte, and print none that a terminal could act on', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (b) => {
        const wire = Uint8Array.from([b.length, ...b, 0]);
        const query = writeDns(dnsQuery(1, { name: 'x.', type: 1, cls: 1 }), false)!;
        const whole = Uint8Array.from([...query.slice(0, 12), ...wire, 0, 1, 0, 1]);
        const m = parseDnsBytes(whole) as DnsMessage;
        const told = m.questions[0]!.name;
        expect(told).toMatch(/^[!-~]+$/);
        expect(nameBytes(told)).toEqual(wire);
        expect(nameLabels(told).length).toBe(1);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it('know what is below what', () => {
    expect(isWithin('a.b.', 'b.')).toBe(true);
    expect(isWithin('b.', 'b.')).toBe(true);
    expect(isWithin('ab.', 'b.')).toBe(false);
    expect(isWithin('a\\.b.', 'b.')).toBe(false);
    expect(isWithin('anything.', '.')).toBe(true);
  });
});

describe('bad input 22: names and counts that lie', () => {
  /** A query of these counts whose body is given. */
  const packet = (body: readonly number[], counts = [1, 0, 0, 0]): Uint8Array => {
    const b = new Uint8Array(12 + body.length);
    const view = new DataView(b.buffer);
    view.setUint16(0, 7);
    for (const [i, count] of counts.entries()) view.setUint16(4 + 2 * i, count);
    b.set(body, 12);
    return b;
  };
  const reason = (b: Uint8Array): string => {
    const parsed = parseDnsBytes(b);
    return isDnsFault(parsed) ? parsed.reason : 'sound';
  };
  const TAIL = [0, 1, 0, 1];

  it.each([
    ['a pointer to itself', [0xc0, 12, ...TAIL], 'a pointer does not point backwards'],
    ['a pointer forward', [0xc0, 14, 0, ...TAIL], 'a pointer does not point backwards'],
    ['a pointer that is cut', [1, 97, 1, 98, 0xc0], 'a pointer is cut'],
    ['a label type of 01', [0x41, 0, 0, ...TAIL], 'label type 1 is unknown'],
    ['a label type of 10', [0x81, 0, 0, ...TAIL], 'label type 2 is unknown'],
    ['a label longer than the rest', [20, 97, 0, ...TAIL], 'a label is cut'],
    ['a name without an end', [1, 97, 1, 98, 1, 99], 'the name is cut'],
  ])('%s', (_what, body, expected) => {
    expect(reason(packet(body))).toContain(expected);
  });

  it('two names that point at each other', () => {
    // 12: pointer to 14; 14: pointer to 12.
    expect(reason(packet([0xc0, 14, 0xc0, 12, ...TAIL]))).toBe('a pointer does not point backwards');
  });

  it('a chain of 200 pointers', () => {
    // The root, and behind it pointers each of which leads to the one before.
    const chain = [0];
    for (let i = 0; i < 200; i++) {
      const target = i === 0 ? 0 : 2 * i - 1;
      chain.push(0xc0 | (target >> 8), target & 0xff);
    }
    const view = new DataView(Uint8Array.from(chain).buffer);
    const names = new NameReader(view, 0, chain.length);
    expect(names.read(chain.length - 2, chain.length)).toBe('more than 127 pointers');
    expect(names.read(1 + 2 * 126, chain.length)).toBe(null);
  });

  it('a name that grows over 255 octets through pointers', () => {
    // Labels of 63 octets, each with a pointer to the one before; the first ends in the root.
    const bytes: number[] = [];
    const starts: number[] = [];
    for (let i = 0; i < 5; i++) {
      starts.push(bytes.length);
      bytes.push(63, ...new Array(63).fill(97));
      if (i === 0) bytes.push(0);
      else bytes.push(0xc0 | (starts[i - 1]! >> 8), starts[i - 1]! & 0xff);
    }
    const names = new NameReader(new DataView(Uint8Array.from(bytes).buffer), 0, bytes.length);
    expect(names.read(starts[2]!, bytes.length)).toBe(null);
    expect(names.read(starts[3]!, bytes.length)).toBe('more than 255 octets');
  });

  it.each([
    ['65,535 questions in 40 bytes', [65_535, 0, 0, 0]],
    ['65,535 answers in 40 bytes', [1, 65_535, 0, 0]],
    ['65,535 records in the additional section', [1, 0, 0, 65_535]],
  ])('%s', (_what, counts) => {
    expect(reason(packet([1, 97, 0, ...TAIL, ...new Array(21).fill(0)], counts))).toContain('do not fit');
  });

  it.each([
    ['an A record of 3 bytes', [0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 3, 1, 2, 3]],
    ['a record that is longer than the message', [0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 200, 1, 2, 3, 4]],
    ['a TXT string over its record', [0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 2, 9, 65]],
    ['an SOA without its numbers', [0, 0, 6, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0]],
    ['an EDNS option over its record', [0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 5, 0, 10, 0, 9, 1]],
    ['a name that runs out of its record', [0, 0, 5, 0, 1, 0, 0, 0, 0, 0, 2, 3, 97, 98, 99, 0]],
  ])('%s', (_what, body) => {
    expect(reason(packet(body, [0, 1, 0, 0]))).not.toBe('sound');
  });
});

describe('corpora', () => {
  const corpora = resolve(import.meta.dirname, '..', '..', '..', 'shared', 'corpora');
  const folders = ['dns-bind9', 'dns-cares', 'dns-packet'].map((f) => join(corpora, f));
  const missing = folders.some((f) => !existsSync(f));
  if (missing) console.warn('SKIPPED: DNS messages of other projects (no shared corpora)');

  it.skipIf(missing)('messages of other projects are read without an exception, and the sound ones come back', () => {
    let files = 0;
    let sound = 0;
    const visit = (folder: string): void => {
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        const path = join(folder, entry.name);
        if (entry.isDirectory()) visit(path);
        else {
          files++;
          const b = readFileSync(path);
          if (b.length > 65_535) continue;
          const parsed = parseDnsBytes(b);
          if (isDnsFault(parsed)) continue;
          sound++;
          const again = writeDns(parsed, false);
          if (again !== null) expect(parseDnsBytes(again), entry.name).toEqual(parsed);
        }
      }
    };
    for (const folder of folders) visit(folder);
    console.log(`${files} files, ${sound} sound messages`);
    expect(sound).toBeGreaterThan(100);
  });
});

describe('addresses', () => {
  it('are what they look like', () => {
    expect(dataText({ kind: 'a', address: parseIpv4('10.96.0.10')! })).toBe('10.96.0.10');
    expect(dataText({ kind: 'txt', strings: [text('a"b'), Uint8Array.of(0x1b, 0x5b)] })).toBe('"a\\"b" "\\027["');
  });
});
