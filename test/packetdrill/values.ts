// What the names in system calls stand for (Linux, x86-64), and how arguments are evaluated.

import type { Expression, Field } from './syntax.ts';
import { NotApplicable } from './verdict.ts';

const CONSTANTS: Readonly<Record<string, number>> = {
  NULL: 0,
  AF_INET: 2,
  PF_INET: 2,
  SOCK_STREAM: 1,
  SOCK_DGRAM: 2,
  IPPROTO_IP: 0,
  IPPROTO_TCP: 6,
  IPPROTO_UDP: 17,
  O_RDONLY: 0,
  O_RDWR: 2,
  O_NONBLOCK: 0o4000,
  F_GETFL: 3,
  F_SETFL: 4,
  SHUT_RD: 0,
  SHUT_WR: 1,
  SHUT_RDWR: 2,
  MSG_OOB: 0x1,
  MSG_PEEK: 0x2,
  MSG_DONTROUTE: 0x4,
  MSG_TRUNC: 0x20,
  MSG_DONTWAIT: 0x40,
  MSG_EOR: 0x80,
  MSG_WAITALL: 0x100,
  MSG_NOSIGNAL: 0x4000,
  MSG_MORE: 0x8000,
  MSG_ERRQUEUE: 0x2000,
  MSG_ZEROCOPY: 0x4000000,
  MSG_FASTOPEN: 0x20000000,
  POLLIN: 0x1,
  POLLPRI: 0x2,
  POLLOUT: 0x4,
  POLLERR: 0x8,
  POLLHUP: 0x10,
  POLLRDHUP: 0x2000,
  EPOLLIN: 0x1,
  EPOLLPRI: 0x2,
  EPOLLOUT: 0x4,
  EPOLLERR: 0x8,
  EPOLLHUP: 0x10,
  EPOLLRDHUP: 0x2000,
  EPOLLONESHOT: 0x40000000,
  EPOLLET: 0x80000000,
  EPOLL_CTL_ADD: 1,
  EPOLL_CTL_DEL: 2,
  EPOLL_CTL_MOD: 3,
  IP_PMTUDISC_DONT: 0,
  IP_PMTUDISC_WANT: 1,
  IP_PMTUDISC_DO: 2,
  IP_PMTUDISC_PROBE: 3,
  TCP_CM_INQ: 36,
  SOL_TCP: 6,
  SOL_IP: 0,
  SOL_SOCKET: 1,
};

/** The number an argument stands for. @throws NotApplicable */
export function numberOf(e: Expression): number {
  if (e.kind === 'number') return e.value;
  if (e.kind === 'name' && CONSTANTS[e.name] !== undefined) return CONSTANTS[e.name]!;
  if (e.kind === 'or') return e.parts.reduce((sum, p) => (sum | numberOf(p)) >>> 0, 0);
  if (e.kind === 'call' && e.name === 'htons') return numberOf(e.args[0]!);
  if (e.kind === 'list' && e.items.length === 1) return numberOf(e.items[0]!);
  if (e.kind === 'name') throw new NotApplicable(`the constant ${e.name}`);
  throw new NotApplicable(`an argument that is no number (${e.kind})`);
}

export function nameOf(e: Expression): string {
  return e.kind === 'name' ? e.name : e.kind === 'number' ? String(e.value) : `(${e.kind})`;
}

/** The fields of a struct; @throws NotApplicable */
export function fieldsOf(e: Expression): readonly Field[] {
  if (e.kind !== 'struct') throw new NotApplicable(`a ${e.kind} where a struct should be`);
  return e.fields;
}

/** The value of a named field, or null. */
export function field(e: Expression, name: string): Expression | null {
  return fieldsOf(e).find((f) => f.name === name)?.value ?? null;
}

export function itemsOf(e: Expression): readonly Expression[] {
  return e.kind === 'list' ? e.items : [e];
}
