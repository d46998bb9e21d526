// coredns.py, the small DNS server of the reference stimuli: answers from a table of names to IPv4 addresses, and with the
// SOA of cluster.local for all it does not know. Its bytes are those of the script: an answer's name is a pointer to the
// question, the SOA is written out, an OPT record answers any additional record.

import type { Ipv4 } from '../addr/ipv4.ts';
import { UdpSocket } from '../stack/udp-socket.ts';
import { DNS_ARCOUNT, DNS_FLAGS, DNS_HEADER, DnsClass, DnsFlag, DnsRcode, DnsType } from '../wire/dns.ts';
import { nameBytes } from '../wire/dns-name.ts';
import { Program, type ProgramHost, SEND_INTERVAL, WAKE_LATENCY } from './program.ts';
import { osErrorTraceback, traceback } from './python-text.ts';

/** The script's constants: TTL of every record (s), UDP size of its OPT, the SOA's numbers. */
const TTL = 5;
const EDNS_SIZE = 1232;
const SOA = [1_700_000_000, 7200, 1800, 86_400, 30] as const;

export interface ScriptDnsOptions {
  readonly port: number;
  /** lower case, without a dot at the end */
  readonly records: ReadonlyMap<string, Ipv4>;
}

export class ScriptDns extends Program {
  readonly #socket: UdpSocket;
  readonly #options: ScriptDnsOptions;
  /** every record's name and what stands above it */
  readonly #names = new Set<string>();
  #busy = false;

  constructor(host: ProgramHost, options: ScriptDnsOptions) {
    super(host);
    this.#socket = new UdpSocket(host.netns);
    this.#options = options;
    for (const name of options.records.keys()) {
      const parts = name.split('.');
      for (let i = 0; i < parts.length; i++) this.#names.add(parts.slice(i).join('.'));
    }
  }

  protected begin(): void {
    const errno = this.#socket.bind(0, this.#options.port);
    if (errno !== null) {
      this.host.err(osErrorTraceback(errno));
      this.exit(1);
      return;
    }
    this.#socket.onReady = () => {
      if (this.#busy) return;
      this.#busy = true;
      this.after(WAKE_LATENCY, () => this.#serve());
    };
  }

  protected release(): void {
    this.#socket.close();
  }

  #serve(): void {
    const datagram = this.#socket.recv();
    if (datagram === null) {
      this.#busy = false;
      return;
    }
    const answer = this.#answer(datagram.payload);
    if (answer === null) {
      this.host.err(traceback('IndexError: index out of range'));
      this.exit(1);
      return;
    }
    this.#socket.sendTo(answer, datagram.source, datagram.sourcePort);
    this.after(SEND_INTERVAL, () => this.#serve());
  }

  /** The reply, or null where the script dies of the query. */
  #answer(query: Uint8Array): Uint8Array | null {
    if (query.length <= DNS_HEADER) return null;
    const view = new DataView(query.buffer, query.byteOffset, query.byteLength);
    const labels: string[] = [];
    let at: number = DNS_HEADER;
    for (;;) {
      const length = query[at];
      if (length === undefined) return null;
      if (length === 0) break;
      labels.push(new TextDecoder().decode(query.subarray(at + 1, at + 1 + length)));
      at += length + 1;
    }
    at++;
    if (at + 4 > query.length) return null;
    const type = view.getUint16(at);
    const question = query.subarray(DNS_HEADER, at + 4);
    const name = labels.join('.').toLowerCase();
    const address = this.#options.records.get(name);
    const known = address !== undefined || this.#names.has(name);
    const found = address !== undefined && type === DnsType.A;
    const rcode = found || known ? DnsRcode.NOERROR : DnsRcode.NXDOMAIN;
    const edns = view.getUint16(DNS_ARCOUNT) > 0;

    const out: number[] = [];
    const u16 = (value: number): void => void out.push((value >>> 8) & 0xff, value & 0xff);
    const u32 = (value: number): void => {
      u16(value >>> 16);
      u16(value & 0xffff);
    };
    u16(view.getUint16(0));
    u16(DnsFlag.QR | DnsFlag.AA | (view.getUint16(DNS_FLAGS) & DnsFlag.RD) | rcode);
    for (const count of [1, found ? 1 : 0, found ? 0 : 1, edns ? 1 : 0]) u16(count);
    out.push(...question);
    if (found) {
      // A pointer to the question, which stands behind the header.
      u16(0xc000 | DNS_HEADER);
      record(u16, u32, DnsType.A, DnsClass.IN, TTL);
      u16(4);
      u32(address >>> 0);
    } else {
      const data = [...nameBytes('ns.dns.cluster.local.')!, ...nameBytes('hostmaster.cluster.local.')!];
      out.push(...nameBytes('cluster.local.')!);
      record(u16, u32, DnsType.SOA, DnsClass.IN, TTL);
      u16(data.length + 4 * SOA.length);
      out.push(...data);
      for (const word of SOA) u32(word);
    }
    if (edns) {
      out.push(0);
      record(u16, u32, DnsType.OPT, EDNS_SIZE, 0);
      u16(0);
    }
    return Uint8Array.from(out);
  }
}

function record(
  u16: (value: number) => void,
  u32: (value: number) => void,
  type: number,
  cls: number,
  ttl: number,
): void {
  u16(type);
  u16(cls);
  u32(ttl);
}
