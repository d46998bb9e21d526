// The few files under /etc that libc itself reads for a program: resolv.conf, hosts, nsswitch.conf, and
// os-release, which tells which libc that is. Each network namespace
// has its own view of them, as its mount namespace would: the kubelet mounts a pod's over those of the image, `ip netns
// exec` mounts what is in /etc/netns/NAME. A shell's file system (shell/) reads and writes the same files through this.

import type { NetNamespace } from '../stack/netns.ts';

/** What is looked up here; anything else belongs to a program's own business with its file system. */
export const SYSTEM_FILES = ['/etc/resolv.conf', '/etc/hosts', '/etc/nsswitch.conf', '/etc/os-release'] as const;

const mounted = new WeakMap<NetNamespace, Map<string, string>>();
const seen = new WeakMap<NetNamespace, Map<string, string>>();

function tableOf(tables: WeakMap<NetNamespace, Map<string, string>>, netns: NetNamespace): Map<string, string> {
  let table = tables.get(netns);
  if (table === undefined) {
    table = new Map();
    tables.set(netns, table);
  }
  return table;
}

/** Puts a file of the namespace's own over what the machine has at this path. */
export function mountFile(netns: NetNamespace, path: string, content: string): void {
  tableOf(mounted, netns).set(path, content);
}

/** The namespace's own file at this path, or null when it sees the machine's. */
export function mountedFile(netns: NetNamespace, path: string): string | null {
  return mounted.get(netns)?.get(path) ?? null;
}

/** What a shell's file system holds at this path for programs of this namespace; null: nothing. Mounted files go before it. */
export function noteFile(netns: NetNamespace, path: string, content: string | null): void {
  const table = tableOf(seen, netns);
  if (content === null) table.delete(path);
  else table.set(path, content);
}

/** The file as a program in the namespace reads it, or null when there is none. */
export function readSystemFile(netns: NetNamespace, path: string): string | null {
  return mountedFile(netns, path) ?? seen.get(netns)?.get(path) ?? null;
}
