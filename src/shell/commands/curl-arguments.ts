// The command line of curl: its options with and without values, short ones in clusters, into what apps/curl.ts takes.

import { type Ipv4, parseIpv4 } from '../../addr/ipv4.ts';
import type { CurlOptions, CurlTarget } from '../../apps/http/curl-options.ts';
import { join } from '../../apps/http/http-message.ts';
import { NS_PER_S, type Ns } from '../../sim/sim.ts';

/** Why the command line cannot be taken; the exit status is 2. */
export interface CurlUsage {
  readonly usage: string;
}

/** short letter to long name */
const SHORT: Readonly<Record<string, string>> = {
  '0': 'http1.0',
  '4': 'ipv4',
  '6': 'ipv6',
  A: 'user-agent',
  b: 'cookie',
  d: 'data',
  e: 'referer',
  f: 'fail',
  g: 'globoff',
  G: 'get',
  H: 'header',
  I: 'head',
  i: 'include',
  k: 'insecure',
  L: 'location',
  m: 'max-time',
  N: 'no-buffer',
  o: 'output',
  O: 'remote-name',
  r: 'range',
  s: 'silent',
  S: 'show-error',
  u: 'user',
  v: 'verbose',
  w: 'write-out',
  X: 'request',
};

const FLAGS: ReadonlySet<string> = new Set([
  ...['compressed', 'fail', 'fail-with-body', 'get', 'globoff', 'head', 'http1.0', 'http1.1', 'include', 'insecure'],
  ...['ipv4', 'location', 'no-buffer', 'no-keepalive', 'no-progress-meter', 'path-as-is', 'remote-name'],
  ...['retry-all-errors', 'retry-connrefused', 'show-error', 'silent', 'tcp-nodelay', 'verbose'],
]);

const VALUED: ReadonlySet<string> = new Set([
  ...['connect-timeout', 'cookie', 'data', 'data-ascii', 'data-binary', 'data-raw', 'header', 'interface', 'json'],
  ...[
    'local-port',
    'max-redirs',
    'max-time',
    'output',
    'range',
    'referer',
    'request',
    'resolve',
    'retry',
    'retry-delay',
  ],
  ...['retry-max-time', 'url', 'user', 'user-agent', 'write-out'],
]);

/** DEFAULT_MAXREDIRS */
const MAX_REDIRS = 50;
const PORT_MAX = 65_535;
/** Longest time that virtual time tells to the nanosecond. */
const SECONDS_MAX = 1_000_000;
const HELP = "curl: try 'curl --help' or 'curl --manual' for more information\n";

/** Reads a file of -d @FILE; null when it is not there. '-' is standard input. */
export type ReadData = (path: string) => Promise<Uint8Array | null>;

export async function curlArguments(args: readonly string[], read: ReadData): Promise<CurlOptions | CurlUsage> {
  const flags = new Set<string>();
  const values = new Map<string, string>();
  const urls: string[] = [];
  const outputs: (string | true)[] = [];
  const headers: string[] = [];
  const resolves: string[] = [];
  const pieces: Uint8Array[] = [];
  let hasData = false;
  const wrong = (text: string): CurlUsage => ({ usage: `curl: ${text}\n${HELP}` });

  const addData = async (name: string, value: string): Promise<void> => {
    let bytes: Uint8Array = new TextEncoder().encode(value);
    if (value.startsWith('@') && name !== 'data-raw') {
      bytes = (await read(value.slice(1))) ?? new Uint8Array(0);
      if (name === 'data' || name === 'data-ascii') bytes = bytes.filter((b) => b !== 10 && b !== 13 && b !== 0);
    }
    const separator = name === 'json' ? '' : '&';
    if (hasData && separator !== '') pieces.push(new TextEncoder().encode(separator));
    pieces.push(bytes);
    hasData = true;
  };
  const take = async (name: string, value: string): Promise<void> => {
    if (name === 'url') urls.push(value);
    else if (name === 'output') outputs.push(value);
    else if (name === 'header') headers.push(value);
    else if (name === 'resolve') resolves.push(value);
    else if (name.startsWith('data') || name === 'json') {
      await addData(name, value);
      if (name === 'json') flags.add('json');
    } else values.set(name, value);
  };

  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (word === '--' || word === '-' || !word.startsWith('-')) {
      if (word !== '--') urls.push(word);
      continue;
    }
    if (word.startsWith('--')) {
      const name = word.slice(2);
      if (FLAGS.has(name)) {
        if (name === 'remote-name') outputs.push(true);
        flags.add(name);
      } else if (!VALUED.has(name)) return wrong(`option ${word}: is unknown`);
      else if (i + 1 >= args.length) return wrong(`option ${word}: requires parameter`);
      else await take(name, args[++i]!);
      continue;
    }
    for (let k = 1; k < word.length; k++) {
      const name = SHORT[word[k]!];
      if (name === undefined || (!FLAGS.has(name) && !VALUED.has(name))) return wrong(`option ${word}: is unknown`);
      if (FLAGS.has(name)) {
        if (name === 'remote-name') outputs.push(true);
        flags.add(name);
        continue;
      }
      const attached = word.slice(k + 1);
      if (attached === '' && i + 1 >= args.length) return wrong(`option ${word}: requires parameter`);
      await take(name, attached !== '' ? attached : args[++i]!);
      break;
    }
  }
  if (urls.length === 0) return { usage: HELP };

  const times: Record<string, Ns> = {};
  for (const name of ['max-time', 'connect-timeout', 'retry-delay']) {
    const text = values.get(name) ?? '0';
    if (!/^\d*\.?\d+$/.test(text)) return wrong(`option --${name}: expected a proper numerical parameter`);
    times[name] = Math.round(Math.min(Number(text), SECONDS_MAX) * NS_PER_S);
  }
  for (const name of ['retry', 'max-redirs']) {
    if (!/^(-1|\d{1,9})$/.test(values.get(name) ?? '0')) {
      return wrong(`option --${name}: expected a proper numerical parameter`);
    }
  }
  const ports = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(values.get('local-port') ?? '0');
  const first = Number(ports?.[1] ?? -1);
  const last = Number(ports?.[2] ?? first);
  if (ports === null || last > PORT_MAX || first > last) return wrong('option --local-port: is badly used here');
  const resolve = new Map<string, readonly Ipv4[]>();
  for (const entry of resolves) {
    const match = /^\+?([^:]+:\d+):(.+)$/.exec(entry);
    const addresses = (match?.[2] ?? '').split(',').map(parseIpv4);
    const good = addresses.filter((a) => a !== null);
    if (match === null || good.length !== addresses.length) {
      return { usage: `curl: (49) Couldn't parse CURLOPT_RESOLVE entry '${entry}'\n` };
    }
    resolve.set(match[1]!, good);
  }
  const get = flags.has('get');
  if (flags.has('json')) {
    // --json: fields of one's own, unless they are given (tool_getparam.c).
    const has = (name: string): boolean => headers.some((h) => h.toLowerCase().startsWith(`${name}:`));
    if (!has('content-type')) headers.push('Content-Type: application/json');
    if (!has('accept')) headers.push('Accept: application/json');
  }
  const data = hasData ? join(pieces) : null;
  const targets: CurlTarget[] = urls.map((url, n) => {
    const output = outputs[n];
    const query = get && data !== null ? `${url.includes('?') ? '&' : '?'}${new TextDecoder().decode(data)}` : '';
    const name = output === true ? (/\/([^/?#]+)(?:[?#].*)?$/.exec(url.replace(/^\w+:\/\//, ''))?.[1] ?? '') : output;
    return { url: url + query, output: name === undefined || name === '-' ? null : name };
  });
  if (targets.some(({ output }) => output === '')) return { usage: 'curl: Remote file name has no length!\n' };
  return {
    targets,
    silent: flags.has('silent') || flags.has('no-progress-meter'),
    showError: flags.has('show-error') || (flags.has('no-progress-meter') && !flags.has('silent')),
    verbose: flags.has('verbose'),
    include: flags.has('include'),
    head: flags.has('head'),
    fail: flags.has('fail'),
    failWithBody: flags.has('fail-with-body'),
    location: flags.has('location'),
    maxRedirs:
      values.get('max-redirs') === '-1' ? Number.MAX_SAFE_INTEGER : Number(values.get('max-redirs') ?? MAX_REDIRS),
    maxTime: times['max-time']!,
    connectTimeout: times['connect-timeout']!,
    localPort: [first, last],
    interface: values.get('interface') ?? null,
    resolve,
    http10: flags.has('http1.0'),
    method: values.get('request') ?? null,
    headers,
    data: get ? null : data,
    userAgent: values.get('user-agent') ?? 'curl/7.88.1',
    referer: values.get('referer') ?? null,
    cookie: values.get('cookie') ?? null,
    user: values.get('user') ?? null,
    range: values.get('range') ?? null,
    compressed: flags.has('compressed'),
    retry: Number(values.get('retry') ?? 0),
    retryDelay: times['retry-delay']!,
    retryConnrefused: flags.has('retry-connrefused') || flags.has('retry-all-errors'),
    writeOut: values.get('write-out') ?? null,
    keepAlive: !flags.has('no-keepalive'),
  };
}
