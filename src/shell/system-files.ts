// The files of libc (/etc/resolv.conf, /etc/hosts, ...) between the shell's file system and the programs that read them.
// A pod's own files are mounted over the machine's; in a namespace of `ip netns`, what is in /etc/netns/NAME is, as
// ip-netns(8) binds it.

import { mountedFile, mountFile, noteFile, SYSTEM_FILES } from '../apps/system-files.ts';
import type { NetNamespace } from '../stack/netns.ts';
import type { EmulatedFs } from './emulated-fs.ts';

const NETNS_ETC = '/etc/netns';

/** Where a path of the namespace's view lies in the machine's file system. */
export async function underlyingPath(fs: EmulatedFs, netns: NetNamespace, path: string): Promise<string> {
  if (!path.startsWith('/etc/') || path === NETNS_ETC || path.startsWith(`${NETNS_ETC}/`)) return path;
  const name = netns.machine.nameOf(netns);
  if (name === null) return path;
  const bound = `${NETNS_ETC}/${name}/${path.slice('/etc/'.length)}`;
  return (await fs.exists(bound)) ? bound : path;
}

/** The pod's own file at this path, or null. */
export function podFile(netns: NetNamespace, path: string): string | null {
  return mountedFile(netns, path);
}

export function writePodFile(netns: NetNamespace, path: string, content: string): void {
  mountFile(netns, path, content);
}

/** Tells the programs of a namespace what its files hold now; called before each of them starts. */
export async function noteSystemFiles(fs: EmulatedFs, netns: NetNamespace): Promise<void> {
  for (const path of SYSTEM_FILES) {
    const underlying = await underlyingPath(fs, netns, path);
    noteFile(netns, path, (await fs.exists(underlying)) ? await fs.readFile(underlying) : null);
  }
}
