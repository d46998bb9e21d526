// The file system as one network namespace sees it: /proc/sys/net is its sysctls, /sys/class/net its devices,
// /proc/net/xt_recent its lists of addresses seen lately; what a pod or
// /etc/netns/NAME has of its own under /etc stands over the machine's (shell/system-files.ts); all else is the machine's (shell/emulated-fs.ts). These files hold what the kernel would say at the moment at which they are read.

import type { IFileSystem } from 'just-bash';
import { formatMac } from '../addr/mac.ts';
import type { NetDevice } from '../link/device.ts';
import { type RecentTable, recentText } from '../netfilter/xtables/recent-table.ts';
import type { NetNamespace } from '../stack/netns.ts';
import type { EmulatedFs } from './emulated-fs.ts';
import { podFile, underlyingPath, writePodFile } from './system-files.ts';

const SYSCTLS = '/proc/sys';
const DEVICES = '/sys/class/net';
/** Lists of -m recent (net/netfilter/xt_recent.c). */
const RECENT = '/proc/net/xt_recent';
/** File types and permissions as the kernel gives them. */
const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o555;

/** The attributes of a device (net/core/net-sysfs.c) that scripts read. */
const ATTRIBUTES: Readonly<Record<string, (dev: NetDevice) => string | number>> = {
  address: (dev) => formatMac(dev.mac),
  carrier: (dev) => (dev.carrier ? 1 : 0),
  ifindex: (dev) => dev.index,
  mtu: (dev) => dev.mtu,
  operstate: (dev) => (!dev.up ? 'down' : dev.carrier ? 'up' : 'lowerlayerdown'),
  'statistics/rx_bytes': (dev) => dev.stats.rxBytes,
  'statistics/rx_dropped': (dev) => dev.stats.rxDropped,
  'statistics/rx_packets': (dev) => dev.stats.rxPackets,
  'statistics/tx_bytes': (dev) => dev.stats.txBytes,
  'statistics/tx_dropped': (dev) => dev.stats.txDropped,
  'statistics/tx_packets': (dev) => dev.stats.txPackets,
};

class ProcFiles {
  readonly #netns: NetNamespace;
  readonly #complain: (text: string) => void;

  constructor(netns: NetNamespace, complain: (text: string) => void) {
    this.#netns = netns;
    this.#complain = complain;
  }

  owns(path: string): boolean {
    return [SYSCTLS, DEVICES, RECENT].some((root) => path === root || path.startsWith(`${root}/`));
  }

  #recent(): readonly RecentTable[] {
    return this.#netns.netfilter?.tables.recentTables() ?? [];
  }

  /** The file's text, or null when it is no file. */
  read(path: string): string | null {
    if (path.startsWith(`${SYSCTLS}/`)) {
      const value = this.#netns.sysctl.get(sysctlName(path));
      return value === null ? null : `${value}\n`;
    }
    if (path.startsWith(RECENT)) {
      const table = this.#recent().find(({ name }) => path === `${RECENT}/${name}`);
      return table === undefined ? null : recentText(table);
    }
    const [name, ...attribute] = path.slice(DEVICES.length + 1).split('/');
    const dev = name === undefined ? null : this.#netns.device(name);
    const key = attribute.join('/');
    if (dev === null || !Object.hasOwn(ATTRIBUTES, key)) return null;
    return `${ATTRIBUTES[key]!(dev)}\n`;
  }

  /** Names in a directory, sorted, or null when it is none. */
  list(path: string): string[] | null {
    if (path.startsWith(RECENT))
      return path === RECENT
        ? this.#recent()
            .map(({ name }) => name)
            .sort()
        : null;
    const all = path.startsWith(SYSCTLS)
      ? this.#netns.sysctl.list().map(({ name }) => sysctlPath(name))
      : this.#netns.devices().flatMap((dev) => Object.keys(ATTRIBUTES).map((key) => `${DEVICES}/${dev.name}/${key}`));
    const inside = all.filter((file) => file.startsWith(`${path}/`));
    const names = new Set(inside.map((file) => file.slice(path.length + 1).split('/')[0]!));
    return names.size === 0 && path !== DEVICES ? null : [...names].sort();
  }

  /** What a write to the file does; a refusal is told as the shell tells it, since a redirection cannot fail here. */
  write(path: string, text: string): void {
    if (text === '') return;
    const refusal = path.startsWith(`${SYSCTLS}/`)
      ? this.#netns.sysctl.set(sysctlName(path), text)
      : 'Permission denied';
    if (refusal !== null) this.#complain(`bash: ${path}: ${refusal}\n`);
  }
}

/** A dot inside a component (a device's name) is a slash in a sysctl's name. */
function sysctlName(path: string): string {
  return path
    .slice(SYSCTLS.length + 1)
    .split('/')
    .map((component) => component.replaceAll('.', '/'))
    .join('.');
}

function sysctlPath(name: string): string {
  const device = /^(net\.ipv[46]\.(?:conf|neigh))\.(.+)\.([a-z0-9_]+)$/.exec(name);
  const parts =
    device === null ? name.split('.') : [...device[1]!.split('.'), device[2]!.replaceAll('/', '.'), device[3]!];
  return `${SYSCTLS}/${parts.join('/')}`;
}

function missing(path: string): Error {
  return new Error(`ENOENT: no such file or directory, open '${path}'`);
}

/** What a call does with a file that is mounted over the machine's; undefined: the call goes to what is below it. */
function mountedFileOperation(
  call: string,
  netns: NetNamespace,
  path: string,
  content: string,
): ((argument: string | Uint8Array) => unknown) | undefined {
  const text = (bytes: string | Uint8Array): string =>
    typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8');
  switch (call) {
    case 'readFile':
    case 'readFileBytes':
      return () => content;
    case 'readFileBuffer':
      return () => Buffer.from(content);
    case 'exists':
      return () => true;
    case 'writeFile':
      return (bytes) => writePodFile(netns, path, text(bytes));
    case 'appendFile':
      return (bytes) => writePodFile(netns, path, content + text(bytes));
    case 'stat':
    case 'lstat':
      return () => ({
        isFile: true,
        isDirectory: false,
        isSymbolicLink: false,
        mode: FILE_MODE,
        size: content.length,
        mtime: new Date(0),
      });
    case 'utimes':
    case 'chmod':
      return () => undefined;
    default:
      return undefined;
  }
}

/** @param complain writes to the terminal's standard error */
export function fileSystemOf(fs: EmulatedFs, netns: NetNamespace, complain: (text: string) => void): IFileSystem {
  const proc = new ProcFiles(netns, complain);
  const stat = (path: string): Awaited<ReturnType<IFileSystem['stat']>> => {
    const isFile = proc.read(path) !== null;
    if (!isFile && proc.list(path) === null) throw missing(path);
    const mode = isFile ? FILE_MODE : DIRECTORY_MODE;
    return { isFile, isDirectory: !isFile, isSymbolicLink: false, mode, size: 0, mtime: new Date(0) };
  };
  const read = (path: string): string => {
    const content = proc.read(path);
    if (content === null) throw missing(path);
    return content;
  };
  const list = (path: string): string[] => {
    const names = proc.list(path);
    if (names === null) throw missing(path);
    return names;
  };
  const write = (path: string, content: string | Uint8Array): void =>
    proc.write(path, typeof content === 'string' ? content : Buffer.from(content).toString('utf8'));
  const own: Record<string, (path: string, content: string | Uint8Array) => unknown> = {
    readFile: read,
    readFileBytes: read,
    readFileBuffer: (path) => Buffer.from(read(path)),
    writeFile: write,
    appendFile: write,
    exists: (path) => proc.read(path) !== null || proc.list(path) !== null,
    stat,
    lstat: stat,
    readdir: list,
    readdirWithFileTypes: (path) =>
      list(path).map((name) => ({
        name,
        isSymbolicLink: false,
        isFile: proc.read(`${path}/${name}`) !== null,
        isDirectory: proc.read(`${path}/${name}`) === null,
      })),
    realpath: (path) => path,
    utimes: () => undefined,
    chmod: () => undefined,
  };
  return new Proxy(fs, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      const ours = typeof key === 'string' && Object.hasOwn(own, key) ? own[key] : undefined;
      if (ours === undefined) return value.bind(target);
      return async (path: string, ...rest: unknown[]): Promise<unknown> => {
        if (proc.owns(path)) return ours(path, rest[0] as string);
        const mounted = podFile(netns, path);
        const mount = mounted === null ? undefined : mountedFileOperation(String(key), netns, path, mounted);
        if (mount !== undefined) return mount(rest[0] as string);
        return value.call(target, await underlyingPath(fs, netns, path), ...rest);
      };
    },
  });
}
