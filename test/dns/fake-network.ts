// A network for resolvers without sockets: it writes down what is sent, when, from which socket, and lets a script answer.

import { formatIpv4, type Ipv4, parseIpv4 } from '../../src/addr/ipv4.ts';
import type {
  StubNetwork,
  StubTimer,
  TcpChannel,
  TcpEvents,
  UdpChannel,
  UdpEvents,
} from '../../src/dns/stub-network.ts';
import { TcpFraming } from '../../src/dns/tcp-framing.ts';
import { NS_PER_MS, NS_PER_S, type Ns, Sim } from '../../src/sim/sim.ts';
import type { Errno } from '../../src/stack/errno.ts';
import { DnsClass, DnsFlag, dnsTypeName } from '../../src/wire/dns.ts';
import { type DnsMessage, parseDnsBytes, writeDns } from '../../src/wire/dns-message.ts';

export interface FakeQuery {
  readonly name: string;
  /** "A", "AAAA" */
  readonly type: string;
  readonly server: string;
  readonly tcp: boolean;
  /** how often this question has come to this server before */
  readonly before: number;
}

/** What a server does: an rcode with addresses, nothing, or a port that is closed. */
export type FakeReply =
  | {
      readonly rcode?: number;
      readonly addresses?: readonly string[];
      readonly flags?: number;
      readonly alias?: string;
    }
  | 'silent'
  | 'refused';

/** From a query to its reply; longer than the time between two queries of one lookup. */
const ROUND_TRIP: Ns = NS_PER_MS;

export class FakeNetwork implements StubNetwork {
  readonly sim = new Sim();
  readonly sendInterval: Ns = 50_000;
  /** "0.000 #1 10.0.0.1 A name." */
  readonly log: string[] = [];
  readonly #answer: (query: FakeQuery) => FakeReply;
  readonly #seen = new Map<string, number>();
  #sockets = 0;
  #id = 0;

  constructor(answer: (query: FakeQuery) => FakeReply) {
    this.#answer = answer;
  }

  randomId(): number {
    return ++this.#id;
  }

  after(delay: Ns, fire: () => void): StubTimer {
    return this.sim.after(delay, fire);
  }

  openUdp(server: Ipv4 | null, on: UdpEvents): UdpChannel | Errno {
    const socket = ++this.#sockets;
    let open = true;
    return {
      send: (message, to) => {
        const target = server ?? to!;
        this.#handle(message, target, `#${socket}`, false, (reply) => {
          if (!open) return;
          if (reply === 'refused') on.error('ECONNREFUSED');
          else on.message(reply, target);
        });
        return null;
      },
      close: () => {
        open = false;
      },
    };
  }

  openTcp(server: Ipv4, on: TcpEvents): TcpChannel | Errno {
    const socket = ++this.#sockets;
    const framing = new TcpFraming();
    let open = true;
    this.sim.after(ROUND_TRIP, () => {
      if (open) on.open();
    });
    return {
      send: (bytes) => {
        const taken = framing.push(bytes);
        if ('error' in taken) return 'EINVAL';
        for (const message of taken.messages) {
          this.#handle(message, server, `tcp#${socket}`, true, (reply) => {
            if (!open) return;
            if (reply === 'refused') on.error('ECONNREFUSED');
            else on.data(Uint8Array.from([reply.length >>> 8, reply.length & 0xff, ...reply]));
          });
        }
        return null;
      },
      close: () => {
        open = false;
      },
    };
  }

  #handle(
    bytes: Uint8Array,
    server: Ipv4,
    socket: string,
    tcp: boolean,
    deliver: (reply: Uint8Array | 'refused') => void,
  ): void {
    const query = parseDnsBytes(bytes) as DnsMessage;
    const question = query.questions[0]!;
    const type = dnsTypeName(question.type);
    const text = formatIpv4(server);
    this.log.push(`${(this.sim.now / NS_PER_S).toFixed(1)} ${socket} ${text} ${type} ${question.name}`);
    const key = `${text} ${type} ${question.name} ${tcp}`;
    const before = this.#seen.get(key) ?? 0;
    this.#seen.set(key, before + 1);
    const reply = this.#answer({ name: question.name, type, server: text, tcp, before });
    if (reply === 'silent') return;
    if (reply === 'refused') {
      this.sim.after(ROUND_TRIP, () => deliver('refused'));
      return;
    }
    const { rcode = 0, addresses = [], flags = DnsFlag.RA } = reply;
    const message: DnsMessage = {
      ...query,
      flags: DnsFlag.QR | DnsFlag.RD | flags | rcode,
      answers: addresses.map((a) => ({
        name: question.name,
        type: question.type,
        cls: DnsClass.IN,
        ttl: 30,
        data: { kind: 'a', address: parseIpv4(a)! },
      })),
    };
    this.sim.after(ROUND_TRIP, () => deliver(writeDns(message, false)!));
  }
}
