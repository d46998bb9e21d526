// The request that curl sends: its fields in curl's order (lib/http.c, Curl_http), and the sends that it makes of it.

import type { CurlOptions } from './curl-options.ts';
import { concat, latin1 } from './http-message.ts';
import { authority, type HttpUrl } from './url.ts';

/** MAX_INITIAL_POST_SIZE: a body up to this goes out with the head. */
const INITIAL_POST_MAX = 65_536;
/** UPLOADBUFFER_DEFAULT: bytes of one send of what is behind. */
const UPLOAD_SIZE = 65_536;

export interface CurlRequest {
  /** request line and fields, with the empty line */
  readonly head: string;
  readonly sends: readonly Uint8Array[];
}

export function curlRequest(o: CurlOptions, url: HttpUrl, method: string, data: Uint8Array | null): CurlRequest {
  const own = new Map<string, string>();
  for (const line of o.headers) {
    const name = /^([^:;]+)[:;]/.exec(line)?.[1];
    if (name !== undefined) own.set(name.toLowerCase(), line);
  }
  const lines = [`${method} ${url.target} HTTP/1.${o.http10 ? 0 : 1}`];
  const add = (name: string, value: string): void => {
    if (!own.has(name.toLowerCase()) && value !== '') lines.push(`${name}: ${value}`);
  };
  const host = own.get('host');
  if (host === undefined) lines.push(`Host: ${authority(url)}`);
  else if (!/^host:\s*$/i.test(host)) lines.push(host);
  const user = o.user ?? url.user;
  if (user !== null) add('Authorization', `Basic ${btoa(user.includes(':') ? user : `${user}:`)}`);
  if (o.range !== null) add('Range', `bytes=${o.range}`);
  add('User-Agent', o.userAgent);
  add('Accept', '*/*');
  if (o.compressed) add('Accept-Encoding', 'deflate, gzip, br, zstd');
  if (o.referer !== null) add('Referer', o.referer);
  if (o.cookie !== null) add('Cookie', o.cookie);
  for (const line of o.headers) {
    if (/^host:/i.test(line)) continue;
    // `Name:` takes a field away, `Name;` sends one without a value.
    if (/^[^:]+;\s*$/.test(line)) lines.push(line.replace(/;\s*$/, ':'));
    else if (!/^[^:]+:\s*$/.test(line)) lines.push(line);
  }
  if (data !== null) {
    add('Content-Length', String(data.length));
    add('Content-Type', 'application/x-www-form-urlencoded');
  }
  const head = `${lines.join('\r\n')}\r\n\r\n`;
  const first = latin1(head);
  if (data === null) return { head, sends: [first] };
  if (data.length <= INITIAL_POST_MAX) return { head, sends: [concat(first, data)] };
  const sends = [first];
  for (let at = 0; at < data.length; at += UPLOAD_SIZE) sends.push(data.subarray(at, at + UPLOAD_SIZE));
  return { head, sends };
}
