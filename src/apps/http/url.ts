// URLs as curl and wget take them (RFC 3986, http only): scheme, user, host, port, path with its query. The fragment never
// leaves the program.

export interface HttpUrl {
  /** as written, in lower case: `http`, or another one that the program refuses */
  readonly scheme: string;
  /** `user:password`, or null */
  readonly user: string | null;
  readonly host: string;
  readonly port: number;
  /** path and query, from the slash on */
  readonly target: string;
}

const DEFAULT_PORT: Readonly<Record<string, number>> = { http: 80, https: 443 };
/** Choice: as curl's MAX_URL_LEN is larger than any sense, so is this. */
const URL_MAX = 65_536;

/** null when it is none */
export function parseUrl(text: string): HttpUrl | null {
  if (text.length > URL_MAX || /[\0-\x20\x7f]/.test(text)) return null;
  const match = /^(?:([A-Za-z][A-Za-z0-9+.-]*):\/\/)?(?:([^/?#@]*)@)?([^/?#:]*)(?::([^/?#]*))?([^#]*)/.exec(text);
  if (match === null) return null;
  const [, scheme = 'http', user, host = '', portText, rest = ''] = match;
  if (host === '') return null;
  const known = DEFAULT_PORT[scheme.toLowerCase()] ?? 0;
  let port = known;
  if (portText !== undefined && portText !== '') {
    port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
    if (port < 1 || port > 65_535) return null;
  }
  const target = rest.startsWith('/') ? rest : `/${rest}`;
  return { scheme: scheme.toLowerCase(), user: user ?? null, host, port, target: withoutDots(target) };
}

/** `host` or `host:port`, as the Host field has it. */
export function authority(url: HttpUrl): string {
  return url.port === DEFAULT_PORT[url.scheme] ? url.host : `${url.host}:${url.port}`;
}

export function urlText(url: HttpUrl): string {
  return `${url.scheme}://${authority(url)}${url.target}`;
}

/** A reference against the URL of the message that it stood in (RFC 3986 section 5.2). */
export function resolveReference(base: HttpUrl, reference: string): HttpUrl | null {
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(reference)) return parseUrl(reference);
  if (reference.startsWith('//')) return parseUrl(`${base.scheme}:${reference}`);
  const origin = `${base.scheme}://${authority(base)}`;
  if (reference.startsWith('/')) return parseUrl(origin + reference);
  const path = base.target.split('?', 1)[0]!;
  if (reference.startsWith('?')) return parseUrl(origin + path + reference);
  return parseUrl(`${origin}${path.slice(0, path.lastIndexOf('/') + 1)}${reference}`);
}

/** RFC 3986 section 5.2.4 */
function withoutDots(target: string): string {
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  if (!/\/\.\.?(\/|$)/.test(path)) return target;
  const parts: string[] = [];
  const segments = path.split('/').slice(1);
  segments.forEach((segment, i) => {
    const last = i === segments.length - 1;
    if (segment === '..') parts.pop();
    if (segment === '.' || segment === '..') {
      if (last) parts.push('');
    } else parts.push(segment);
  });
  return `/${parts.join('/')}${query < 0 ? '' : target.slice(query)}`;
}
