// HTTP/1.x messages as values (RFC 9112): heads with their fields, and how they are written. Bytes are Latin-1 on both ways,
// so that what a field holds comes out as it went in. Reading is http-parser.ts.

/** A field as it stood in the message: name as written, value without the white space around it. */
export interface HttpField {
  readonly name: string;
  readonly value: string;
}

export interface HttpRequestHead {
  readonly method: string;
  readonly target: string;
  /** minor version of HTTP/1.x; 9: a request of HTTP/0.9, which has no fields */
  readonly minor: number;
  readonly fields: readonly HttpField[];
}

export interface HttpResponseHead {
  readonly minor: number;
  readonly status: number;
  /** '' when there is none */
  readonly reason: string;
  readonly fields: readonly HttpField[];
  /** the status line and the fields as they came, with the empty line */
  readonly text: string;
}

/** The value of the first field of this name, or null. */
export function field(head: { readonly fields: readonly HttpField[] }, name: string): string | null {
  const wanted = name.toLowerCase();
  return head.fields.find((f) => f.name.toLowerCase() === wanted)?.value ?? null;
}

/** All values of this name, as one list (RFC 9110 section 5.3), in lower case. */
export function tokens(head: { readonly fields: readonly HttpField[] }, name: string): string[] {
  const wanted = name.toLowerCase();
  return head.fields
    .filter((f) => f.name.toLowerCase() === wanted)
    .flatMap((f) => f.value.split(','))
    .map((token) => token.trim().toLowerCase())
    .filter((token) => token !== '');
}

/** True when the connection goes on after this message (RFC 9112 section 9.3). */
export function persists(head: { readonly minor: number; readonly fields: readonly HttpField[] }): boolean {
  const options = tokens(head, 'Connection');
  if (options.includes('close')) return false;
  return head.minor === 1 || options.includes('keep-alive');
}

export function latin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

const DECODE_STEP = 8_192;

export function fromLatin1(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += DECODE_STEP) {
    text += String.fromCharCode(...bytes.subarray(at, at + DECODE_STEP));
  }
  return text;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return join(parts);
}

/** The same of a list of any length: the arguments of a call are limited. */
export function join(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Status line or request line, fields and the empty line. */
export function writeHead(line: string, fields: readonly (readonly [name: string, value: string])[]): Uint8Array {
  return latin1(`${line}\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
}

/** One chunk of a chunked body (RFC 9112 section 7.1); an empty one would end it and is not written. */
export function writeChunk(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return bytes;
  return concat(latin1(`${bytes.length.toString(16)}\r\n`), bytes, latin1('\r\n'));
}

/** The chunk that ends a body without trailer fields. */
export const LAST_CHUNK: Uint8Array = latin1('0\r\n\r\n');
