// Socket options by their names: which property of a TcpSocket each is.

import { ERRNO_NUMBER } from '../../src/stack/errno.ts';
import { PathMtuDiscovery } from '../../src/stack/path-mtu-discovery.ts';
import type { TcpSocket } from '../../src/stack/tcp/tcp-socket.ts';
import type { Expression } from './syntax.ts';
import { field, fieldsOf, itemsOf, numberOf } from './values.ts';
import { NotApplicable } from './verdict.ts';

/** Options that are one number, or a switch. */
const PLAIN: Readonly<Record<string, string>> = {
  SO_REUSEADDR: 'reuseAddress',
  SO_REUSEPORT: 'reusePort',
  SO_KEEPALIVE: 'keepAlive',
  SO_SNDBUF: 'sendBuffer',
  SO_RCVBUF: 'receiveBuffer',
  SO_RCVLOWAT: 'receiveLowat',
  SO_OOBINLINE: 'oobInline',
  SO_MARK: 'mark',
  TCP_NODELAY: 'noDelay',
  TCP_CORK: 'cork',
  TCP_MAXSEG: 'maxSegment',
  TCP_KEEPIDLE: 'keepIdle',
  TCP_KEEPINTVL: 'keepInterval',
  TCP_KEEPCNT: 'keepCount',
  TCP_SYNCNT: 'synCount',
  TCP_LINGER2: 'linger2',
  TCP_DEFER_ACCEPT: 'deferAccept',
  TCP_USER_TIMEOUT: 'userTimeout',
  TCP_QUICKACK: 'quickAck',
  TCP_NOTSENT_LOWAT: 'notSentLowat',
  IP_TOS: 'tos',
  IP_TTL: 'ttl',
  IP_MINTTL: 'minTtl',
};
/** Taken without effect: they change what the program is told or how memory moves, never the wire. */
const SILENT = ['SO_ZEROCOPY', 'SO_PRIORITY', 'SO_BUSY_POLL', 'SO_TIMESTAMP', 'IP_RECVERR'];
const PMTUDISC: readonly PathMtuDiscovery[] = [
  PathMtuDiscovery.DONT,
  PathMtuDiscovery.WANT,
  PathMtuDiscovery.DO,
  PathMtuDiscovery.PROBE,
];

/** What the runner keeps for a socket beside the socket. */
export interface Extra {
  inq: boolean;
}

function property(socket: TcpSocket, name: string): { get(): unknown; set(v: unknown): void } {
  const key = PLAIN[name];
  if (key === undefined || !(key in socket)) throw new NotApplicable(`the socket option ${name}`);
  const bag = socket as unknown as Record<string, unknown>;
  return { get: () => bag[key], set: (v) => (bag[key] = v) };
}

function text(e: Expression): string {
  const [first] = itemsOf(e);
  if (first?.kind === 'string') return first.value;
  throw new NotApplicable('an option that is no string');
}

/** setsockopt(); an errno name, or null. */
export function setOption(socket: TcpSocket, extra: Extra, name: string, value: Expression): string | null {
  if (SILENT.includes(name)) return null;
  if (name === 'TCP_CONGESTION') {
    socket.congestion = text(value) as typeof socket.congestion;
    return socket.congestion === text(value) ? null : 'ENOENT';
  }
  if (name === 'TCP_INQ') {
    extra.inq = numberOf(value) !== 0;
    return null;
  }
  if (name === 'IP_MTU_DISCOVER') {
    const mode = PMTUDISC[numberOf(value)];
    if (mode === undefined) return 'EINVAL';
    socket.sk.pathMtuDiscovery = mode;
    return null;
  }
  if (name === 'SO_LINGER') {
    const at = (field1: string, i: number): number => numberOf(field(value, field1) ?? fieldsOf(value)[i]!.value);
    socket.linger = at('onoff', 0) === 0 ? null : at('linger', 1);
    return null;
  }
  const p = property(socket, name);
  const v = numberOf(value);
  p.set(typeof p.get() === 'boolean' ? v !== 0 : v);
  return null;
}

/** getsockopt(): a number, or a string for TCP_CONGESTION. */
export function getOption(socket: TcpSocket, extra: Extra, name: string): number | string {
  if (name === 'SO_ERROR') {
    const errno = socket.takeError();
    return errno === null ? 0 : ERRNO_NUMBER[errno];
  }
  if (name === 'TCP_CONGESTION') return socket.congestion;
  if (name === 'TCP_INQ') return extra.inq ? 1 : 0;
  const v = property(socket, name).get();
  return typeof v === 'boolean' ? (v ? 1 : 0) : (v as number);
}
