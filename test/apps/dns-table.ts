// A name server with one reply of every kind, for the real tools and for ours: run by node it serves on 10.96.0.10 of the
// host's network (node --import tsx dns-table.ts), and as a command of the emulated machine it serves there.

import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { parseIpv4 } from '../../src/addr/ipv4.ts';
import { parseIpv6 } from '../../src/addr/ipv6.ts';
import { DnsServer } from '../../src/apps/dns-server.ts';
import { framed } from '../../src/dns/glibc-send.ts';
import { type DnsHandler, replyTo, serveDns } from '../../src/dns/server.ts';
import { TcpFraming } from '../../src/dns/tcp-framing.ts';
import type { ShellCommand } from '../../src/shell/command.ts';
import { runProgram } from '../../src/shell/commands/run-program.ts';
import { DnsClass, DnsFlag, DnsRcode, DnsType } from '../../src/wire/dns.ts';
import type { DnsData, DnsRecord } from '../../src/wire/dns-record.ts';

const { AA, RA } = DnsFlag;
const ip = (text: string): DnsData => ({ kind: 'a', address: parseIpv4(text)! });
const rr = (name: string, type: number, data: DnsData, ttl = 30): DnsRecord => ({
  name,
  type,
  cls: DnsClass.IN,
  ttl,
  data,
});
const name = (n: string): DnsData => ({ kind: 'name', name: n });
const SOA = rr('cluster.local.', DnsType.SOA, {
  ...{ kind: 'soa', mname: 'ns.dns.cluster.local.', rname: 'hostmaster.cluster.local.' },
  ...{ serial: 1, refresh: 7200, retry: 1800, expire: 86_400, minimum: 30 },
} as DnsData);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

interface Reply {
  readonly flags: number;
  readonly rcode?: number;
  readonly answers?: readonly DnsRecord[];
}

const REPLIES: Readonly<Record<string, Reply>> = {
  'web.default.svc.cluster.local. 1': {
    flags: AA,
    answers: [rr('web.default.svc.cluster.local.', DnsType.A, ip('10.96.0.77'))],
  },
  'web.default.svc.cluster.local. 28': { flags: AA },
  'nodata.test. 1': { flags: AA },
  'nodata.test. 28': { flags: AA },
  'alias.test. 1': {
    flags: AA,
    answers: [
      rr('alias.test.', DnsType.CNAME, name('real.test.')),
      rr('real.test.', DnsType.A, ip('10.2.0.1')),
      rr('real.test.', DnsType.A, ip('10.2.0.2')),
    ],
  },
  'alias.test. 28': { flags: AA, answers: [rr('alias.test.', DnsType.CNAME, name('real.test.'))] },
  'real.test. 28': { flags: AA },
  'ra.test. 1': { flags: RA, answers: [rr('ra.test.', DnsType.A, ip('10.3.0.1'))] },
  'ra.test. 28': { flags: RA },
  'v6.test. 1': { flags: RA },
  'v6.test. 28': {
    flags: RA,
    answers: [rr('v6.test.', DnsType.AAAA, { kind: 'aaaa', address: parseIpv6('2001:db8::1')! })],
  },
  'fail.test. 1': { flags: 0, rcode: DnsRcode.SERVFAIL },
  'fail.test. 28': { flags: 0, rcode: DnsRcode.SERVFAIL },
  'ref.test. 1': { flags: 0, rcode: DnsRcode.REFUSED },
  'ref.test. 28': { flags: 0, rcode: DnsRcode.REFUSED },
  'srv.test. 33': {
    flags: AA | RA,
    answers: [rr('srv.test.', DnsType.SRV, { kind: 'srv', priority: 0, weight: 100, port: 443, target: 'web.test.' })],
  },
  'mx.test. 15': {
    flags: AA | RA,
    answers: [rr('mx.test.', DnsType.MX, { kind: 'mx', preference: 10, exchange: 'mail.test.' })],
  },
  'txt.test. 16': {
    flags: AA | RA,
    answers: [rr('txt.test.', DnsType.TXT, { kind: 'txt', strings: [bytes('hello'), bytes('a"b\\c\u0007')] })],
  },
  'ns.test. 2': { flags: AA | RA, answers: [rr('ns.test.', DnsType.NS, name('a.ns.test.'))] },
  'caa.test. 257': {
    flags: AA | RA,
    answers: [rr('caa.test.', DnsType.CAA, { kind: 'caa', flags: 0, tag: 'issue', value: bytes('ca.test') })],
  },
  'odd.test. 65280': {
    flags: AA | RA,
    answers: [rr('odd.test.', 65_280, { kind: 'opaque', bytes: Uint8Array.of(1, 2) })],
  },
  'soa.test. 6': { flags: AA | RA, answers: [{ ...SOA, name: 'soa.test.' }] },
  '1.0.96.10.in-addr.arpa. 12': {
    flags: AA,
    answers: [rr('1.0.96.10.in-addr.arpa.', DnsType.PTR, name('kubernetes.default.svc.cluster.local.'))],
  },
  'a.test. 1': { flags: AA | RA, answers: [rr('a.test.', DnsType.A, ip('10.3.0.7'), 3600)] },
  'ab.test. 1': { flags: AA | RA, answers: [rr('ab.test.', DnsType.A, ip('10.3.0.8'), 86_400)] },
  'a-name-of-31-characters.x.test. 1': {
    flags: AA | RA,
    answers: [rr('a-name-of-31-characters.x.test.', DnsType.A, ip('10.3.0.9'), 5)],
  },
};

export const tableHandler: DnsHandler = {
  serve(request, done) {
    const reply = REPLIES[`${request.name} ${request.question.type}`] ?? { flags: AA, rcode: DnsRcode.NXDOMAIN };
    const { flags, rcode = DnsRcode.NOERROR, answers = [] } = reply;
    const denied = answers.length === 0 && (rcode === DnsRcode.NOERROR || rcode === DnsRcode.NXDOMAIN);
    // drop.test is never answered.
    if (request.name.startsWith('drop')) return;
    done(replyTo(request, { flags, rcode, answers, authorities: denied ? [SOA] : [] }));
  },
};

/** `table-dns`: the server as a program of the emulated machine. */
export const tableDns: ShellCommand = {
  name: 'table-dns',
  summary: 'serves the table',
  run: (_args, ctx) =>
    runProgram(ctx, new DnsServer(ctx, { handler: tableHandler, address: parseIpv4('10.96.0.10')! })),
};

function serveHost(): void {
  const udp = createSocket('udp4');
  udp.on('message', (message, from) => {
    serveDns(Uint8Array.from(message), 'udp', tableHandler, (reply) => {
      if (reply !== null) udp.send(reply, from.port, from.address);
    });
  });
  udp.bind(53, '10.96.0.10');
  createServer((socket) => {
    const framing = new TcpFraming();
    socket.on('error', () => socket.destroy());
    socket.on('data', (data) => {
      const taken = framing.push(Uint8Array.from(data));
      if ('error' in taken) socket.destroy();
      else
        for (const message of taken.messages)
          serveDns(message, 'tcp', tableHandler, (reply) => {
            if (reply !== null) socket.write(framed([reply]));
          });
    });
  }).listen(53, '10.96.0.10', () => console.log('ready'));
}

if (process.argv[1] === import.meta.filename) serveHost();
