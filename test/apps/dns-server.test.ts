// Proves the DNS server over real sockets of the emulated network: bad input 24 (how a TCP stream may be cut, lie and fall
// silent), garbage over UDP (bad input 22), and that it goes on serving after all of it.

import { describe, expect, it } from 'vitest';
import { DnsServer } from '../../src/apps/dns-server.ts';
import { framed } from '../../src/dns/glibc-send.ts';
import { TableZone } from '../../src/dns/table-zone.ts';
import { TcpFraming } from '../../src/dns/tcp-framing.ts';
import { TcpSocket } from '../../src/stack/tcp/tcp-socket.ts';
import { UdpSocket } from '../../src/stack/udp-socket.ts';
import { DnsClass, DnsRcode, DnsType } from '../../src/wire/dns.ts';
import { type DnsMessage, dnsQuery, parseDnsBytes, writeDns } from '../../src/wire/dns-message.ts';
import { ip, Net } from '../stack/net.ts';

const SERVER = ip('10.0.0.2');
const zone = new TableZone([{ name: 'x.test.', ttl: 60, addresses: [ip('10.9.9.9')], alias: null }]);
const query = (id: number): Uint8Array =>
  writeDns(dnsQuery(id, { name: 'x.test.', type: DnsType.A, cls: DnsClass.IN }), false)!;

class Rig {
  readonly net = new Net();
  readonly client = this.net.host('a');
  readonly server: DnsServer;
  status: number | null = null;

  constructor() {
    const netns = this.net.host('b');
    this.net.cable(
      { netns: this.client, address: '10.0.0.1/24', mac: '02:00:00:00:00:01' },
      { netns, address: '10.0.0.2/24', mac: '02:00:00:00:00:02' },
    );
    const { sim } = this.net.world;
    const host = { sim, netns, pid: 1, out: () => {}, err: () => {}, wallClock: () => 0n };
    this.server = new DnsServer(host, { handler: zone, address: 0 });
    this.server.start((status) => {
      this.status = status;
    });
    this.net.run(0.1);
  }

  connect(): Client {
    const socket = new TcpSocket(this.client);
    expect(socket.connect(SERVER, 53)).toBe(null);
    this.net.run(0.01);
    return new Client(this.net, socket);
  }

  /** The rcodes that come back for a datagram. */
  ask(datagram: Uint8Array): number[] {
    const socket = new UdpSocket(this.client);
    socket.connect(SERVER, 53);
    socket.send(datagram);
    this.net.run(0.01);
    const codes: number[] = [];
    for (let d = socket.recv(); d !== null; d = socket.recv()) codes.push(d.payload[3]! & 0xf);
    socket.close();
    return codes;
  }
}

class Client {
  readonly #net: Net;
  readonly socket: TcpSocket;
  readonly #framing = new TcpFraming();

  constructor(net: Net, socket: TcpSocket) {
    this.#net = net;
    this.socket = socket;
    socket.noDelay = true;
  }

  send(bytes: Uint8Array): void {
    expect(this.socket.send(bytes)).toBe(bytes.length);
    this.#net.run(0.01);
  }

  /** Messages that have come, and whether the stream has ended. */
  read(): { readonly ids: number[]; readonly ended: boolean } {
    const ids: number[] = [];
    for (;;) {
      const got = this.socket.recv(65_537);
      if (got === 'EAGAIN') return { ids, ended: false };
      if (typeof got === 'string' || got.length === 0) return { ids, ended: true };
      const taken = this.#framing.push(got);
      if ('messages' in taken) for (const m of taken.messages) ids.push((parseDnsBytes(m) as DnsMessage).id);
    }
  }
}

describe('bad input 24: DNS over TCP', () => {
  it('two messages in one segment are answered in order, both', () => {
    const client = new Rig().connect();
    client.send(framed([query(1), query(2)]));
    expect(client.read()).toEqual({ ids: [1, 2], ended: false });
  });

  it('one byte in each segment is answered once', () => {
    const client = new Rig().connect();
    for (const byte of framed([query(3)])) client.send(Uint8Array.of(byte));
    expect(client.read()).toEqual({ ids: [3], ended: false });
  });

  it('a length of 0 ends the connection without an answer', () => {
    const rig = new Rig();
    const client = rig.connect();
    client.send(Uint8Array.of(0, 0));
    rig.net.run(0.1);
    expect(client.read()).toEqual({ ids: [], ended: true });
    expect(rig.status).toBe(null);
  });

  it('a length over what comes is waited for 10 s after the last byte, not longer', () => {
    const rig = new Rig();
    const client = rig.connect();
    client.send(Uint8Array.from([0xff, 0xff, ...query(4)]));
    rig.net.run(9);
    expect(client.read()).toEqual({ ids: [], ended: false });
    rig.net.run(2);
    expect(client.read()).toEqual({ ids: [], ended: true });
  });

  it('silence after connecting is ended after 3 s, after a query after 10 s', () => {
    const rig = new Rig();
    const mute = rig.connect();
    const used = rig.connect();
    used.send(framed([query(5)]));
    rig.net.run(2.5);
    expect(mute.read().ended).toBe(false);
    rig.net.run(1);
    expect(mute.read().ended).toBe(true);
    expect(used.read()).toEqual({ ids: [5], ended: false });
    rig.net.run(8);
    expect(used.read().ended).toBe(true);
  });

  it('a peer that resets in the middle of a message leaves the server up', () => {
    const rig = new Rig();
    const client = rig.connect();
    client.send(framed([query(6)]).slice(0, 7));
    client.socket.linger = 0;
    client.socket.close();
    rig.net.run(0.1);
    const next = rig.connect();
    next.send(framed([query(7)]));
    expect(next.read().ids).toEqual([7]);
  });
});

describe('bad input 22: DNS over UDP', () => {
  it('garbage is answered FORMERR or not at all, and the next query is answered', () => {
    const rig = new Rig();
    const looped = query(8);
    // The name's first label becomes a pointer to itself.
    looped[12] = 0xc0;
    looped[13] = 12;
    expect(rig.ask(looped)).toEqual([DnsRcode.FORMERR]);
    const counts = query(9);
    counts[4] = 0xff;
    expect(rig.ask(counts)).toEqual([DnsRcode.FORMERR]);
    const response = query(10);
    response[2]! |= 0x80;
    expect(rig.ask(response)).toEqual([]);
    expect(rig.ask(new Uint8Array(3))).toEqual([]);
    for (let end = 12; end < query(11).length; end++)
      expect(rig.ask(query(11).slice(0, end))).toEqual([DnsRcode.FORMERR]);
    expect(rig.ask(query(12))).toEqual([DnsRcode.NOERROR]);
    expect(rig.status).toBe(null);
  });
});

describe('the program', () => {
  it('ends with 1 when the port is taken', () => {
    const rig = new Rig();
    const { sim } = rig.net.world;
    let said = '';
    let status = -1;
    const host = {
      sim,
      netns: rig.net.machine.namespace('b')!,
      pid: 2,
      out: () => {},
      err: (text: string) => {
        said += text;
      },
      wallClock: () => 0n,
    };
    new DnsServer(host, { handler: zone, address: 0 }).start((s) => {
      status = s;
    });
    expect(status).toBe(1);
    expect(said).toContain('address already in use');
  });
});
