// A name server over UDP that answers by the first label of a name, and writes down who asked what and when: for the real
// resolver (run by node on 10.96.0.10) and for ours (a command of the emulated machine). A query for mark.test begins a
// new page.

import { createSocket } from 'node:dgram';
import { parseIpv4 } from '../../src/addr/ipv4.ts';
import { WAKE_LATENCY } from '../../src/apps/program.ts';
import type { ShellCommand } from '../../src/shell/command.ts';
import { UdpSocket } from '../../src/stack/udp-socket.ts';
import { DnsClass, DnsFlag, DnsRcode, DnsType, dnsTypeName } from '../../src/wire/dns.ts';
import { isDnsFault, parseDnsBytes, writeDns } from '../../src/wire/dns-message.ts';

/** Seconds to the nearest whole one, ports by the order in which they are first seen. */
class Pages {
  readonly #out: (line: string) => void;
  #ports: number[] = [];
  #start: number | null = null;
  readonly #seen = new Map<string, number>();

  constructor(out: (line: string) => void) {
    this.#out = out;
  }

  /** @returns the reply, or null */
  take(bytes: Uint8Array, port: number, seconds: number): Uint8Array | null {
    const query = parseDnsBytes(bytes);
    if (isDnsFault(query)) return null;
    const { name, type } = query.questions[0]!;
    const [kind = ''] = name.split('.');
    const reply = (flags: number, rcode: number, address: boolean): Uint8Array =>
      writeDns(
        {
          ...query,
          flags: DnsFlag.QR | DnsFlag.RD | flags | rcode,
          additionals: [],
          answers: address
            ? [{ name, type, cls: DnsClass.IN, ttl: 5, data: { kind: 'a', address: parseIpv4('10.1.1.1')! } }]
            : [],
        },
        false,
      )!;
    const yes = (): Uint8Array => reply(DnsFlag.RA, DnsRcode.NOERROR, type === DnsType.A);
    if (kind === 'mark') {
      this.#ports = [];
      this.#start = null;
      this.#out(`page ${name}`);
      return yes();
    }
    this.#start ??= seconds;
    if (!this.#ports.includes(port)) this.#ports.push(port);
    const key = `${dnsTypeName(type)} ${name}`;
    this.#out(`${Math.round(seconds - this.#start)} #${this.#ports.indexOf(port) + 1} ${key}`);
    const before = this.#seen.get(key) ?? 0;
    this.#seen.set(key, before + 1);
    const aaaa = type === DnsType.AAAA;
    if (!name.startsWith(`${kind}.found.`)) {
      if (kind === 'silent') return null;
      if (kind === 'servfail') return reply(0, DnsRcode.SERVFAIL, false);
      if (kind === 'refused') return reply(0, DnsRcode.REFUSED, false);
      if (kind === 'formerr') return reply(0, DnsRcode.FORMERR, false);
      if (kind === 'lame') return reply(0, DnsRcode.NOERROR, false);
      if (kind === 'afail') return aaaa ? yes() : reply(0, DnsRcode.SERVFAIL, false);
      if (kind === 'aaaafail') return aaaa ? reply(0, DnsRcode.SERVFAIL, false) : yes();
      if (kind === 'aaaalost') return aaaa && before === 0 ? null : yes();
      if (kind === 'nodata') return reply(DnsFlag.RA, DnsRcode.NOERROR, false);
      if (kind === 'anx') return aaaa ? yes() : reply(DnsFlag.RA, DnsRcode.NXDOMAIN, false);
      if (kind !== 'found') return reply(DnsFlag.RA, DnsRcode.NXDOMAIN, false);
    }
    return yes();
  }
}

/** `query-log`: the server as a program of the emulated machine; its pages go to standard output. */
export const queryLog: ShellCommand = {
  name: 'query-log',
  summary: 'answers and writes down',
  run: (_args, ctx) =>
    ctx.process.wait<number>(() => {
      const socket = new UdpSocket(ctx.netns);
      socket.bind(parseIpv4('10.96.0.10')!, 53);
      const pages = new Pages((line) => ctx.out(`LOG ${line}\n`));
      socket.onReady = () => {
        ctx.sim.after(WAKE_LATENCY, () => {
          for (let d = socket.recv(); d !== null; d = socket.recv()) {
            const reply = pages.take(d.payload, d.sourcePort, ctx.sim.now / 1e9);
            if (reply !== null) socket.sendTo(reply, d.source, d.sourcePort);
          }
        });
      };
      return () => socket.close();
    }),
};

function serveHost(): void {
  const udp = createSocket('udp4');
  const pages = new Pages((line) => console.log(`LOG ${line}`));
  udp.on('message', (message, from) => {
    const reply = pages.take(Uint8Array.from(message), from.port, performance.now() / 1000);
    if (reply !== null) udp.send(reply, from.port, from.address);
  });
  udp.bind(53, '10.96.0.10', () => console.log('ready'));
}

if (process.argv[1] === import.meta.filename) serveHost();
