// Which program holds a socket, and as which file descriptor: what `ss -p` finds in /proc.

import type { ProgramHost } from './program.ts';

export interface SocketOwner {
  readonly name: string;
  readonly pid: number;
  readonly fd: number;
}

/** 0, 1 and 2 are the standard streams. */
const FIRST_FD = 3;

const owners = new WeakMap<object, SocketOwner>();
const nextFd = new WeakMap<ProgramHost, number>();

/** Notes that the program opened this socket. */
export function ownSocket<T extends object>(host: ProgramHost, socket: T): T {
  const fd = nextFd.get(host) ?? FIRST_FD;
  nextFd.set(host, fd + 1);
  owners.set(socket, { name: host.name ?? 'main', pid: host.pid, fd });
  return socket;
}

/** null: a socket of the kernel, or of nobody any more */
export function ownerOf(socket: object): SocketOwner | null {
  return owners.get(socket) ?? null;
}
