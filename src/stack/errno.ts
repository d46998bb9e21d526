// The errors a socket call can give, by their errno names, and what ICMP makes of itself for a socket
// (net/ipv4/icmp.c icmp_err_convert).

import { IcmpType, IcmpUnreach } from '../wire/icmp.ts';

export type Errno =
  | 'EACCES'
  | 'EADDRINUSE'
  | 'EADDRNOTAVAIL'
  | 'EAGAIN'
  | 'EALREADY'
  | 'ECONNABORTED'
  | 'ECONNREFUSED'
  | 'ECONNRESET'
  | 'EDESTADDRREQ'
  | 'EHOSTDOWN'
  | 'EHOSTUNREACH'
  | 'EINVAL'
  | 'EISCONN'
  | 'EMSGSIZE'
  | 'ENETUNREACH'
  | 'ENOBUFS'
  | 'ENOENT'
  | 'ENONET'
  | 'ENOPROTOOPT'
  | 'ENOTCONN'
  | 'EOPNOTSUPP'
  | 'EPERM'
  | 'EPIPE'
  | 'EPROTO'
  | 'ETIMEDOUT';

/** strerror() of those, as programs print it. */
export const ERRNO_TEXT: Readonly<Record<Errno, string>> = {
  EACCES: 'Permission denied',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  EAGAIN: 'Resource temporarily unavailable',
  EALREADY: 'Operation already in progress',
  ECONNABORTED: 'Software caused connection abort',
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EDESTADDRREQ: 'Destination address required',
  EHOSTDOWN: 'Host is down',
  EHOSTUNREACH: 'No route to host',
  EINVAL: 'Invalid argument',
  EISCONN: 'Transport endpoint is already connected',
  EMSGSIZE: 'Message too long',
  ENETUNREACH: 'Network is unreachable',
  ENOBUFS: 'No buffer space available',
  ENOENT: 'No such file or directory',
  ENONET: 'Machine is not on the network',
  ENOPROTOOPT: 'Protocol not available',
  ENOTCONN: 'Transport endpoint is not connected',
  EOPNOTSUPP: 'Operation not supported',
  EPERM: 'Operation not permitted',
  EPIPE: 'Broken pipe',
  EPROTO: 'Protocol error',
  ETIMEDOUT: 'Connection timed out',
};

/** Linux numbers of those, as `[Errno 90]` shows them. */
export const ERRNO_NUMBER: Readonly<Record<Errno, number>> = {
  EACCES: 13,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  EAGAIN: 11,
  EALREADY: 114,
  ECONNABORTED: 103,
  ECONNREFUSED: 111,
  ECONNRESET: 104,
  EDESTADDRREQ: 89,
  EHOSTDOWN: 112,
  EHOSTUNREACH: 113,
  EINVAL: 22,
  EISCONN: 106,
  EMSGSIZE: 90,
  ENETUNREACH: 101,
  ENOBUFS: 105,
  ENOENT: 2,
  ENONET: 64,
  ENOPROTOOPT: 92,
  ENOTCONN: 107,
  EOPNOTSUPP: 95,
  EPERM: 1,
  EPIPE: 32,
  EPROTO: 71,
  ETIMEDOUT: 110,
};

/** errno and fatality of each DEST_UNREACH code 0..15. */
const UNREACH: readonly (readonly [Errno, boolean])[] = [
  ['ENETUNREACH', false],
  ['EHOSTUNREACH', false],
  ['ENOPROTOOPT', true],
  ['ECONNREFUSED', true],
  ['EMSGSIZE', false],
  ['EOPNOTSUPP', false],
  ['ENETUNREACH', true],
  ['EHOSTDOWN', true],
  ['ENONET', true],
  ['ENETUNREACH', true],
  ['EHOSTUNREACH', true],
  ['ENETUNREACH', false],
  ['EHOSTUNREACH', false],
  ['EHOSTUNREACH', true],
  ['EHOSTUNREACH', true],
  ['EHOSTUNREACH', true],
];

/** The errno for an unreachable code; `fatal` ones are told to a connected socket that did not ask (IP_RECVERR off). */
export function unreachableErrno(code: number): { readonly errno: Errno; readonly fatal: boolean } {
  const entry = UNREACH[code];
  return entry === undefined ? { errno: 'EHOSTUNREACH', fatal: true } : { errno: entry[0], fatal: entry[1] };
}

/**
 * What an ICMP error is to a datagram socket (__udp4_lib_err, ping_err): its errno, and whether a connected socket that
 * did not ask is told. A packet that was too big counts as fatal there, unlike in the table.
 */
export function icmpErrno(type: number, code: number): { readonly errno: Errno; readonly fatal: boolean } {
  if (type === IcmpType.PARAMETER_PROBLEM) return { errno: 'EPROTO', fatal: true };
  if (type !== IcmpType.DEST_UNREACH) return { errno: 'EHOSTUNREACH', fatal: false };
  return code === IcmpUnreach.FRAG_NEEDED ? { errno: 'EMSGSIZE', fatal: true } : unreachableErrno(code);
}

/** One entry of a socket's error queue (IP_RECVERR; struct sock_extended_err). */
export interface SocketError {
  readonly errno: Errno;
  readonly origin: 'local' | 'icmp';
  readonly type: number;
  readonly code: number;
  /** MTU for EMSGSIZE, else 0 */
  readonly info: number;
  /** who sent the ICMP error; 0 for a local one */
  readonly offender: number;
  /** TTL with which the ICMP error came in (IP_RECVTTL); 0 for a local one */
  readonly ttl: number;
  /** where the packet was going */
  readonly destination: number;
  readonly destinationPort: number;
  /** the payload quoted by the error, or of the refused datagram */
  readonly payload: Uint8Array;
}
