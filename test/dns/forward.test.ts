// Proves what CoreDNS's forward makes of upstreams that answer in a stream: what is not the answer is passed over, what is
// no message ends the connection, and the whole ends after five seconds.

import { expect, it } from 'vitest';
import { Forward } from '../../src/dns/forward.ts';
import { framed } from '../../src/dns/glibc-send.ts';
import { serveDns } from '../../src/dns/server.ts';
import type { TcpChannel, TcpEvents } from '../../src/dns/stub-network.ts';
import { NS_PER_MS, NS_PER_S } from '../../src/sim/sim.ts';
import { DnsClass, DnsFlag, DnsRcode, DnsType } from '../../src/wire/dns.ts';
import { type DnsMessage, dnsQuery, parseDnsBytes, rcodeOf, writeDns } from '../../src/wire/dns-message.ts';
import { FakeNetwork } from './fake-network.ts';
import { ip } from './rig.ts';

/** An upstream whose streams carry what a script says, in these pieces. */
class Streams extends FakeNetwork {
  opened = 0;
  readonly #pieces: (query: DnsMessage) => readonly Uint8Array[];

  constructor(pieces: (query: DnsMessage) => readonly Uint8Array[]) {
    super(() => 'silent');
    this.#pieces = pieces;
  }

  override openTcp(_server: number, on: TcpEvents): TcpChannel {
    this.opened++;
    let open = true;
    this.after(NS_PER_MS, () => on.open());
    return {
      send: (bytes) => {
        this.after(NS_PER_MS, () => {
          for (const piece of this.#pieces(parseDnsBytes(bytes.slice(2)) as DnsMessage)) if (open) on.data(piece);
        });
        return null;
      },
      close: () => {
        open = false;
      },
    };
  }
}

const answer = (query: DnsMessage, id: number): Uint8Array => writeDns({ ...query, id, flags: DnsFlag.QR }, false)!;

function ask(network: Streams): { rcode: number; after: number } {
  const query = writeDns(dnsQuery(7, { name: 'x.test.', type: DnsType.A, cls: DnsClass.IN }), false)!;
  let rcode = -1;
  let after = 0;
  serveDns(query, 'tcp', new Forward(network, [ip('192.0.2.1')]), (reply) => {
    rcode = rcodeOf((parseDnsBytes(reply!) as DnsMessage).flags);
    after = network.sim.now;
  });
  network.sim.runUntil(20 * NS_PER_S);
  return { rcode, after };
}

it('an answer behind one with another id counts, however the stream is cut', () => {
  const both = (q: DnsMessage): Uint8Array => framed([answer(q, 8), answer(q, 7)]);
  expect(ask(new Streams((q) => [both(q)])).rcode).toBe(DnsRcode.NOERROR);
  expect(ask(new Streams((q) => [...both(q)].map((byte) => Uint8Array.of(byte)))).rcode).toBe(DnsRcode.NOERROR);
});

it('a length that no message has ends the connection; there is another one until the time is up', () => {
  const network = new Streams(() => [Uint8Array.of(0, 0)]);
  expect(ask(network)).toEqual({ rcode: DnsRcode.SERVFAIL, after: 5 * NS_PER_S });
  expect(network.opened).toBeGreaterThan(10);
});
