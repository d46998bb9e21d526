// The addresses of socat(1) that work here: STDIO, TCP and UDP, connecting and listening, OPEN, PIPE, and EXEC of cat.

export type SocatAddress =
  | { readonly kind: 'stdio' }
  | { readonly kind: 'pipe' }
  | { readonly kind: 'open'; readonly path: string }
  | { readonly kind: 'tcp' | 'udp'; readonly host: string; readonly port: number; readonly options: SocatOptions }
  | {
      readonly kind: 'tcp-listen' | 'udp-listen' | 'udp-recvfrom';
      readonly port: number;
      readonly options: SocatOptions;
    };

export interface SocatOptions {
  readonly reuseAddress: boolean;
  readonly fork: boolean;
  readonly sourcePort: number;
  /** bind=ADDRESS, or '' */
  readonly bind: string;
  readonly backlog: number;
  /** connect-timeout in seconds; 0: none */
  readonly connectTimeout: number;
  readonly noDelay: boolean;
  readonly keepAlive: boolean;
}

/** socat's default for listen() */
const BACKLOG = 5;
const PORT_MAX = 65_535;

const KINDS: Readonly<Record<string, 'tcp' | 'udp' | 'tcp-listen' | 'udp-listen' | 'udp-recvfrom'>> = {
  TCP: 'tcp',
  TCP4: 'tcp',
  'TCP-CONNECT': 'tcp',
  'TCP4-CONNECT': 'tcp',
  'TCP-LISTEN': 'tcp-listen',
  'TCP-L': 'tcp-listen',
  'TCP4-LISTEN': 'tcp-listen',
  'TCP4-L': 'tcp-listen',
  UDP: 'udp',
  UDP4: 'udp',
  'UDP-CONNECT': 'udp',
  'UDP-SENDTO': 'udp',
  'UDP4-SENDTO': 'udp',
  'UDP4-CONNECT': 'udp',
  'UDP-LISTEN': 'udp-listen',
  'UDP4-LISTEN': 'udp-listen',
  'UDP-L': 'udp-listen',
  'UDP-RECVFROM': 'udp-recvfrom',
  'UDP4-RECVFROM': 'udp-recvfrom',
};

/** An address, or what is wrong with it. */
export function parseSocatAddress(text: string): SocatAddress | string {
  if (text === '-' || /^STDIO$/i.test(text)) return { kind: 'stdio' };
  const [spec, ...words] = text.split(',');
  const [name, ...parts] = spec!.split(':');
  const keyword = name!.toUpperCase();
  if (keyword === 'PIPE' || keyword === 'ECHO') return { kind: 'pipe' };
  if (keyword === 'EXEC' || keyword === 'SYSTEM') {
    if (/^['"]?(\/usr)?(\/bin\/)?cat['"]?$/.test(parts.join(':'))) return { kind: 'pipe' };
    return `podwire's socat runs no programs but cat ("${text}")`;
  }
  if (keyword === 'OPEN' || keyword === 'CREATE' || keyword === 'GOPEN' || keyword === 'FILE') {
    return parts.length === 0 ? `"${text}": wrong number of parameters` : { kind: 'open', path: parts.join(':') };
  }
  if (name!.startsWith('/') && parts.length === 0) return { kind: 'open', path: name! };
  const kind = KINDS[keyword];
  if (kind === undefined) return `unknown device/address "${name}"`;
  const options = parseOptions(words);
  if (typeof options === 'string') return options;
  const connects = kind === 'tcp' || kind === 'udp';
  if (parts.length !== (connects ? 2 : 1)) {
    return `"${text}": wrong number of parameters (${parts.length} instead of ${connects ? 2 : 1})`;
  }
  const portText = parts.at(-1)!;
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : PORT_MAX + 1;
  if (port > PORT_MAX) return `"${portText}": bad port number`;
  return connects ? { kind, host: parts[0]!, port, options } : { kind, port, options };
}

function parseOptions(words: readonly string[]): SocatOptions | string {
  const given = new Map<string, string>();
  for (const word of words) {
    const [name, value = ''] = word.split('=', 2);
    given.set(name!.toLowerCase().replaceAll('_', '-'), value);
  }
  const known = new Set(
    'reuseaddr fork sourceport sp bind backlog connect-timeout nodelay tcp-nodelay keepalive so-keepalive append wronly rdonly creat trunc crlf pf ip4 shut-none shut-down ignoreeof nonblock'.split(
      ' ',
    ),
  );
  for (const name of given.keys()) if (!known.has(name)) return `unknown option "${name}"`;
  const number = (name: string, otherwise: number): number => {
    const text = given.get(name);
    return text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : otherwise;
  };
  return {
    reuseAddress: given.has('reuseaddr'),
    fork: given.has('fork'),
    sourcePort: number('sourceport', number('sp', 0)),
    bind: given.get('bind') ?? '',
    backlog: number('backlog', BACKLOG),
    connectTimeout: number('connect-timeout', 0),
    noDelay: given.has('nodelay') || given.has('tcp-nodelay'),
    keepAlive: given.has('keepalive') || given.has('so-keepalive'),
  };
}
