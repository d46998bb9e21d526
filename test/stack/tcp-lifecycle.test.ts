// Proves: whatever programs do with their sockets, in whatever order and on a cable that loses and reorders (bind, connect,
// write, read, shut down, linger, close at any moment, listeners that go), nothing stays behind: every connection, request,
// TIME-WAIT record, orphan, port and frame is gone 400 s after the last call. 400 seeds; TCP_LIFECYCLE_SEED=n repeats one.

import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/rng.ts';
import { impair } from '../../src/link/cable.ts';
import { NS_PER_MS } from '../../src/sim/sim.ts';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { TcpSocket } from '../../src/stack/tcp/tcp-socket.ts';
import { ip, Net } from './net.ts';

const SEEDS = 400;
const OPERATIONS = 150;
const PORTS = [80, 443, 5000];

/** One random call on one random socket. */
function call(rng: Rng, sockets: TcpSocket[], hosts: readonly NetNamespace[], peers: readonly number[]): void {
  const host = rng.below(2);
  const netns = hosts[host]!;
  const s = sockets[rng.below(Math.max(sockets.length, 1))];
  const port = PORTS[rng.below(PORTS.length)]!;
  const kind = s === undefined ? 0 : rng.below(12);
  if (kind <= 1) {
    const socket = new TcpSocket(netns);
    socket.reuseAddress = rng.chance(0.5);
    if (rng.chance(0.4) && socket.bind(0, port) === null) socket.listen(rng.below(4));
    else if (rng.chance(0.2)) socket.bind(0, 40_000 + rng.below(4));
    socket.connect(rng.chance(0.1) ? ip('127.0.0.1') : peers[host]!, port);
    sockets.push(socket);
  } else if (kind === 2) {
    const child = s!.accept();
    if (child !== null) sockets.push(child);
  } else if (kind <= 5) s!.send(new Uint8Array(1 + rng.below(rng.chance(0.2) ? 60_000 : 2_000)));
  else if (kind <= 7) s!.recv(1 + rng.below(100_000));
  else if (kind === 8) s!.shutdown(rng.chance(0.7) ? 'wr' : rng.chance(0.5) ? 'rd' : 'rdwr');
  else if (kind === 9) {
    s!.linger = rng.chance(0.5) ? 0 : null;
    s!.noDelay = rng.chance(0.5);
    s!.cork = rng.chance(0.2);
    s!.keepAlive = rng.chance(0.5);
    s!.quickAck = rng.chance(0.5);
    s!.deferAccept = rng.chance(0.2) ? 3 : 0;
  } else if (kind === 10) s!.takeError();
  else {
    s!.close();
    sockets.splice(sockets.indexOf(s!), 1);
  }
}

function run(seed: number): string | null {
  const rng = new Rng(seed, 'tcp lifecycle');
  const net = new Net(seed);
  const sysctls = {
    'net.ipv4.tcp_syncookies': String(rng.below(3)),
    'net.ipv4.tcp_abort_on_overflow': String(rng.below(2)),
  };
  const hosts = [net.host('a', sysctls), net.host('b', sysctls)];
  const ends = net.cable(
    { netns: hosts[0]!, address: '10.0.0.1/24', mac: '02:00:00:00:00:01' },
    { netns: hosts[1]!, address: '10.0.0.2/24', mac: '02:00:00:00:00:02' },
  );
  const peers = [ip('10.0.0.2'), ip('10.0.0.1')];
  const bad = {
    latency: rng.below(5) * NS_PER_MS,
    jitter: rng.chance(0.3) ? 3 * NS_PER_MS : 0,
    jitterReorders: true,
    loss: { kind: 'random' as const, probability: rng.chance(0.5) ? rng.unit() * 0.2 : 0 },
    duplicate: rng.unit() * 0.05,
    reorder: rng.unit() * 0.1,
  };
  for (const idev of ends) impair(idev.dev, bad);
  const sockets: TcpSocket[] = [];
  for (let i = 0; i < OPERATIONS; i++) {
    call(rng, sockets, hosts, peers);
    if (rng.chance(0.7)) net.run(rng.chance(0.05) ? 30 * rng.unit() : 0.02 * rng.unit());
  }
  // Some runs end with the namespaces while everything is on its way.
  if (rng.chance(0.2)) return net.close() === 0 ? null : `seed ${seed}: frames leaked at the end of the world`;
  for (const socket of sockets) socket.close();
  for (const idev of ends) impair(idev.dev, { loss: null, duplicate: 0, reorder: 0, jitter: 0 });
  net.run(400);
  let fault: string | null = null;
  for (const { tcp, label } of hosts) {
    const left = tcp.sockets();
    if (left.length > 0) fault ??= `${label} has ${left.map((s) => `state ${s.state} port ${s.localPort}`).join(', ')}`;
    if (tcp.orphans !== 0) fault ??= `${label} counts ${tcp.orphans} orphans`;
    if (tcp.timewaitCount !== 0) fault ??= `${label} counts ${tcp.timewaitCount} TIME-WAIT records`;
    if (tcp.portsInUse !== 0) fault ??= `${label} holds ${tcp.portsInUse} ports`;
  }
  const leaked = net.close();
  if (leaked !== 0) fault ??= `${leaked} frames leaked`;
  return fault === null ? null : `seed ${seed}: ${fault}`;
}

describe('sockets that are used in any order', () => {
  const only = process.env.TCP_LIFECYCLE_SEED;
  const seeds = only === undefined ? Array.from({ length: SEEDS }, (_, i) => i + 1) : [Number(only)];
  it('leave nothing behind', { timeout: 120_000 }, () => {
    expect(seeds.map(run).filter((fault) => fault !== null)).toEqual([]);
  });
});
