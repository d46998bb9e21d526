// Proves: a connection attempt retransmits and fails as Linux's does (tcp_syn_linear_timeouts, RST, ICMP errors, failed
// neighbour), a segment that no connection knows is answered with the RST of RFC 9293 section 3.10.7.1, never a RST.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Errno } from '../../src/stack/errno.ts';
import { PacketSocket } from '../../src/stack/packet-socket.ts';
import { TcpSocket } from '../../src/stack/tcp/tcp-socket.ts';
import { finish, pseudoSum, sum } from '../../src/wire/checksum.ts';
import { IPV4_DESTINATION, IPV4_ID, IPV4_SOURCE, writeIpv4 } from '../../src/wire/ipv4.ts';
import { TCP_ACK, TCP_FLAGS, TCP_SEQUENCE, TcpFlag, writeTcp } from '../../src/wire/tcp.ts';
import { ip, Net } from './net.ts';

const A_MAC = '02:00:00:00:00:0a';
const B_MAC = '02:00:00:00:00:0b';
const TCP = 34;

let net: Net;
beforeEach(() => {
  net = new Net();
});
afterEach(() => {
  expect(net.close()).toBe(0);
});

function pair() {
  const a = net.host('a');
  const b = net.host('b');
  const [aDev, bDev] = net.cable(
    { netns: a, address: '10.0.0.1/24', mac: A_MAC },
    { netns: b, address: '10.0.0.2/24', mac: B_MAC },
  );
  return { a, b, aDev, bDev };
}

/** TCP segments that left a device: seconds, flags, sequence, IPv4 id. */
function segments(dev: string) {
  return net.frames
    .filter(
      (f) => f.dev === dev && f.direction === 'out' && f.bytes[12] === 8 && f.bytes[13] === 0 && f.bytes[23] === 6,
    )
    .map((f) => {
      const v = new DataView(f.bytes.buffer, f.bytes.byteOffset);
      return {
        at: f.time / 1e9,
        flags: v.getUint8(TCP + TCP_FLAGS),
        sequence: v.getUint32(TCP + TCP_SEQUENCE),
        ack: v.getUint32(TCP + TCP_ACK),
        id: v.getUint16(14 + IPV4_ID),
        fragment: v.getUint16(20),
      };
    });
}

/** connect(), and how it ends: 'connected', an errno, or null while it has not ended. */
function attempt(
  from: ReturnType<Net['host']>,
  to: string,
  port = 80,
): { outcome: Errno | 'connected' | null; socket: TcpSocket } {
  const socket = new TcpSocket(from);
  const result: { outcome: Errno | 'connected' | null; socket: TcpSocket } = { outcome: null, socket };
  socket.onReady = () => {
    result.outcome = socket.takeError() ?? (socket.writable ? 'connected' : null);
  };
  const errno = socket.connect(ip(to), port);
  if (errno !== null) result.outcome = errno;
  return result;
}

describe('a connection attempt', () => {
  it('is refused by a host where nobody listens', () => {
    const { a } = pair();
    const t = attempt(a, '10.0.0.2', 81);
    net.run(1);
    expect(t.outcome).toBe('ECONNREFUSED');
    const [syn] = segments('a/eth0');
    expect(segments('b/eth0')).toMatchObject([
      {
        flags: TcpFlag.RST | TcpFlag.ACK,
        sequence: 0,
        ack: (syn!.sequence + 1) >>> 0,
        id: 0,
        fragment: 0x4000,
      },
    ]);
  });

  it('sends its SYN four times a second apart, then doubles, and gives up after the eleventh', () => {
    const { a, b, bDev } = pair();
    // Answers ARP, but its TCP says nothing: what comes for it is dropped.
    b.sockets.register(6, (idev, frame) => idev.dev.end(frame, 1), null);
    const t = attempt(a, '10.0.0.2');
    net.run(100);
    const sent = segments('a/eth0');
    // Each timer of the wheel is late by at most an eighth of its delay.
    const gaps = sent.slice(1).map((s, i) => s.at - sent[i]!.at);
    const asked = [1, 1, 1, 1, 1, 2, 4, 8, 16, 32];
    expect(gaps.map((gap, i) => gap >= asked[i]! && gap <= asked[i]! * 1.125)).toEqual(asked.map(() => true));
    expect(new Set(sent.map((s) => s.sequence)).size).toBe(1);
    expect(sent.map((s) => (s.id - sent[0]!.id) & 0xffff)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(sent.every((s) => s.fragment === 0x4000 && s.flags === TcpFlag.SYN)).toBe(true);
    expect(t.outcome).toBeNull();
    net.run(60);
    expect(t.outcome).toBe('ETIMEDOUT');
    expect(bDev.dev.up).toBe(true);
  });

  it('fails with EHOSTUNREACH once ARP has failed, without a second round of questions', () => {
    const { a } = pair();
    const t = attempt(a, '10.0.0.9');
    net.run(10);
    expect(t.outcome).toBe('EHOSTUNREACH');
    expect(net.frames.filter((f) => f.dev === 'a/eth0' && f.direction === 'out' && f.bytes[13] === 6)).toHaveLength(3);
  });

  it('survives an ICMP error that comes while connect() still owns the socket, and ends with the next one', () => {
    const { a, b, aDev } = pair();
    b.sysctl.set('net.ipv4.ip_forward', '1');
    net.route(a, '10.9.0.0/16', { gateway: '10.0.0.2', dev: aDev });
    // The neighbour is known: the error is back within microseconds.
    attempt(a, '10.0.0.2', 1);
    net.run(0.5);
    const t = attempt(a, '10.9.0.1');
    net.run(0.4);
    expect(t.outcome).toBeNull();
    net.run(2);
    expect(t.outcome).toBe('ENETUNREACH');
    expect(segments('a/eth0')).toHaveLength(3);
  });

  it('knows at once where there is no route, no address and no peer', () => {
    const { a } = pair();
    expect(attempt(a, '10.77.0.1').outcome).toBe('ENETUNREACH');
    expect(attempt(a, '10.0.0.255').outcome).toBe('ENETUNREACH');
    expect(attempt(a, '224.0.0.1').outcome).toBe('ENETUNREACH');
    expect(new TcpSocket(a).bind(ip('1.2.3.4'), 0)).toBe('EADDRNOTAVAIL');
    const first = new TcpSocket(a);
    expect(first.bind(0, 4000)).toBeNull();
    expect(new TcpSocket(a).bind(0, 4000)).toBe('EADDRINUSE');
    first.close();
    const second = new TcpSocket(a);
    expect(second.bind(0, 4000)).toBeNull();
    second.close();
  });

  it('acknowledges a SYN-ACK, and answers one that acknowledges something else with a RST', () => {
    const { a, b } = pair();
    let wrong = 1;
    // A peer that answers every SYN with SYN and ACK, the first one wrongly.
    const peer = new PacketSocket(b.inDevices().find((d) => d.dev.name === 'eth0')!, 0x0800, (frame) => {
      const v = new DataView(frame.buffer, frame.byteOffset);
      if (v.getUint8(TCP + TCP_FLAGS) !== TcpFlag.SYN) return;
      peer.send(
        segment({
          flags: TcpFlag.SYN | TcpFlag.ACK,
          sequence: 7,
          ack: (v.getUint32(TCP + TCP_SEQUENCE) + 1 + wrong) >>> 0,
          from: v,
        }),
      );
      wrong = 0;
    });
    b.sockets.register(6, (idev, frame) => idev.dev.end(frame, 1), null);
    const t = attempt(a, '10.0.0.2');
    net.run(1);
    expect(t.outcome).toBe('connected');
    const first = segments('a/eth0')[0]!;
    expect(segments('a/eth0').map((s) => [s.flags, (s.sequence - first.sequence) >>> 0, s.ack])).toEqual([
      [TcpFlag.SYN, 0, 0],
      [TcpFlag.RST, 2, 0],
      [TcpFlag.SYN, 0, 0],
      [TcpFlag.ACK, 1, 8],
    ]);
    peer.close();
  });
});

/** A segment to a (10.0.0.1), answering the one in `from` when given. */
function segment(s: { flags: number; sequence: number; ack: number; from?: DataView; spoil?: boolean }): Uint8Array {
  const bytes = new Uint8Array(54);
  const v = new DataView(bytes.buffer);
  bytes.set([2, 0, 0, 0, 0, 10, 2, 0, 0, 0, 0, 11, 8, 0]);
  const source = s.from?.getInt32(14 + IPV4_DESTINATION) ?? ip('10.0.0.2');
  const destination = s.from?.getInt32(14 + IPV4_SOURCE) ?? ip('10.0.0.1');
  writeIpv4(v, 14, { tos: 0, length: 40, id: 1, fragment: 0x4000, ttl: 64, protocol: 6, source, destination });
  const [from, to] = s.from === undefined ? [5000, 80] : [s.from.getUint16(TCP + 2), s.from.getUint16(TCP)];
  writeTcp(v, TCP, from, to, s.sequence, s.ack, 20, s.flags, 1000);
  v.setUint16(TCP + 16, finish(pseudoSum(source, destination, 6, 20) + sum(v, TCP, TCP + 20)) ^ (s.spoil ? 1 : 0));
  return bytes;
}

describe('a segment for nobody', () => {
  const inject = (bytes: Uint8Array) => {
    const { b } = pair();
    const socket = new PacketSocket(b.inDevices().find((d) => d.dev.name === 'eth0')!, -1, () => {});
    socket.send(bytes);
    socket.close();
    net.run(1);
    return segments('a/eth0').map(({ flags, sequence, ack }) => ({ flags, sequence, ack }));
  };

  it('with an ACK gets a RST that begins where the ACK points', () => {
    expect(inject(segment({ flags: TcpFlag.ACK | TcpFlag.PSH, sequence: 5, ack: 77 }))).toEqual([
      { flags: TcpFlag.RST, sequence: 77, ack: 0 },
    ]);
  });

  it('without an ACK gets a RST that acknowledges all of it', () => {
    expect(inject(segment({ flags: TcpFlag.SYN | TcpFlag.FIN, sequence: 0xffffffff, ack: 0 }))).toEqual([
      { flags: TcpFlag.RST | TcpFlag.ACK, sequence: 0, ack: 1 },
    ]);
  });

  it('that is a RST gets nothing', () => {
    expect(inject(segment({ flags: TcpFlag.RST, sequence: 5, ack: 0 }))).toEqual([]);
  });

  it('with a wrong checksum gets nothing', () => {
    expect(inject(segment({ flags: TcpFlag.SYN, sequence: 5, ack: 0, spoil: true }))).toEqual([]);
    expect(net.reasons()).toContain('TCP_CSUM');
  });
});
