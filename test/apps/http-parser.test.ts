// Proves that HTTP messages are read the same however the stream is cut, and that bad input ends with a reason, never with
// an exception or an endless loop.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GrowingBytes } from '../../src/apps/growing-bytes.ts';
import {
  concat,
  fromLatin1,
  join,
  LAST_CHUNK,
  latin1,
  writeChunk,
  writeHead,
} from '../../src/apps/http/http-message.ts';
import { HttpRequestParser, HttpResponseParser } from '../../src/apps/http/http-parser.ts';

interface Seen {
  /** one entry for each head, body (joined) and end */
  readonly events: string[];
  readonly error: number | null;
  readonly complete: boolean;
}

function joined(events: string[], body: string): void {
  const last = events.at(-1);
  if (last?.startsWith('body ') === true) events[events.length - 1] = last + body;
  else events.push(`body ${body}`);
}

function requests(pieces: readonly Uint8Array[], limits?: ConstructorParameters<typeof HttpRequestParser>[1]): Seen {
  const events: string[] = [];
  const parser = new HttpRequestParser(
    {
      head: (h, body) =>
        events.push(
          `${h.method} ${h.target} 1.${h.minor} ${h.fields.map((f) => `${f.name}=${f.value}`).join('|')} ${body.kind}`,
        ),
      body: (bytes) => joined(events, fromLatin1(bytes)),
      end: () => events.push('end'),
    },
    limits,
  );
  for (const piece of pieces) parser.push(piece);
  const complete = parser.end();
  return { events, error: parser.error?.status ?? null, complete };
}

function responses(text: string, method = 'GET'): Seen {
  const events: string[] = [];
  const parser = new HttpResponseParser({
    head: (h, body) => events.push(`${h.status} ${h.reason} ${body.kind}`),
    body: (bytes) => joined(events, fromLatin1(bytes)),
    end: () => events.push('end'),
  });
  parser.method = method;
  parser.push(latin1(text));
  const complete = parser.end();
  return { events, error: parser.error?.status ?? null, complete };
}

/** Pieces of the bytes, cut at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...[...places].map((p) => p % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

const request = fc
  .record({
    method: fc.constantFrom('GET', 'POST', 'PUT'),
    target: fc.constantFrom('/', '/a?b=c', '/%20x'),
    fields: fc.array(fc.tuple(fc.stringMatching(/^[A-Za-z-]{1,8}$/), fc.stringMatching(/^[!-~]{0,12}$/)), {
      maxLength: 5,
    }),
    body: fc.uint8Array({ maxLength: 40 }),
    chunks: fc.boolean(),
  })
  .map(({ method, target, fields, body, chunks }) => {
    const own = fields.filter(([name]) => !/^(content-length|transfer-encoding)$/i.test(name));
    const framing: [string, string] = chunks
      ? ['Transfer-Encoding', 'chunked']
      : ['Content-Length', String(body.length)];
    const head = writeHead(`${method} ${target} HTTP/1.1`, [...own, framing]);
    const half = body.length >> 1;
    const sent = chunks
      ? concat(writeChunk(body.subarray(0, half)), writeChunk(body.subarray(half)), LAST_CHUNK)
      : body;
    return { bytes: concat(head, sent), body: fromLatin1(body) };
  });

describe('requests', () => {
  it('come out the same however the stream is cut, bodies whole', () => {
    fc.assert(
      fc.property(
        fc.array(request, { minLength: 1, maxLength: 3 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (all, places) => {
          const bytes = concat(...all.map((r) => r.bytes));
          const whole = requests([bytes]);
          expect(whole.error).toBe(null);
          expect(whole.complete).toBe(true);
          expect(whole.events.filter((e) => e === 'end')).toHaveLength(all.length);
          expect(whole.events.filter((e) => e.startsWith('body ')).map((e) => e.slice(5))).toEqual(
            all.map((r) => r.body).filter((body) => body !== ''),
          );
          expect(requests(cut(bytes, places))).toEqual(whole);
          expect(requests([...bytes].map((b) => Uint8Array.of(b)))).toEqual(whole);
        },
      ),
    );
  });

  it('of any bytes end or fail, and take no more after that', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(), { maxLength: 5 }), (bytes, places) => {
        expect(requests(cut(bytes, places)).error).toBe(requests([bytes]).error);
      }),
    );
  });

  it.each([
    ['no HTTP at all', 'hello\r\n\r\n', 400],
    ['a method that is no token', 'G@T / HTTP/1.1\r\n\r\n', 400],
    ['another major version', 'GET / HTTP/2.0\r\n\r\n', 505],
    ['a version that is none', 'GET / HTTP/x\r\n\r\n', 400],
    ['a field without a colon', 'GET / HTTP/1.1\r\nHost\r\n\r\n', 400],
    ['a space in front of the colon', 'GET / HTTP/1.1\r\nHost : x\r\n\r\n', 400],
    ['a control character in a value', 'GET / HTTP/1.1\r\nX: a\x01b\r\n\r\n', 400],
    ['a length that is no number', 'GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n', 400],
    ['two lengths that differ', 'GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    [
      'a length beside a transfer coding',
      'POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
    ],
    ['a transfer coding that is not known', 'POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n', 501],
    ['a chunk size that is none', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', 400],
    ['a chunk size beyond all sense', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n', 400],
    ['a chunk longer than its size', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n', 400],
    ['a request line without an end', `GET /${'a'.repeat(70_000)}`, 414],
    ['a field line without an end', `GET / HTTP/1.1\r\nX: ${'a'.repeat(70_000)}`, 431],
    ['too many fields', `GET / HTTP/1.1\r\n${'X: y\r\n'.repeat(101)}\r\n`, 431],
  ])('%s', (_what, text, status) => {
    const seen = requests([latin1(text)]);
    expect(seen.error).toBe(status);
    expect(seen.events.filter((e) => e === 'end')).toEqual([]);
  });

  it('without end are held to a limit of bytes', () => {
    const limits = { line: 100, fields: 1_000_000, head: 1_000 };
    const endless = Array.from({ length: 1_000 }, () => latin1('X: y\r\n'));
    expect(requests([latin1('GET / HTTP/1.1\r\n'), ...endless], limits).error).toBe(431);
    expect(
      requests(
        Array.from({ length: 1_000 }, () => latin1('\r\n')),
        limits,
      ).error,
    ).toBe(400);
  });

  it('of HTTP/0.9 are one line', () => {
    expect(requests([latin1('GET /x\r\n')]).events).toEqual(['GET /x 1.9  none', 'end']);
  });
});

describe('responses', () => {
  it.each([
    [
      'end with the stream without a length',
      'HTTP/1.0 200 OK\r\n\r\nabc',
      'GET',
      ['200 OK until-close', 'body abc', 'end'],
      true,
    ],
    ['have no body after HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HEAD', ['200 OK none', 'end'], true],
    [
      'have no body when nothing changed',
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
      'GET',
      ['304 Not Modified none', 'end'],
      true,
    ],
    [
      'come behind interim ones',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204\r\n\r\n',
      'POST',
      ['100 Continue none', 'end', '204  none', 'end'],
      true,
    ],
    [
      'take chunks over a length',
      'HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: z\r\n\r\n',
      'GET',
      ['200 OK chunked', 'body abc', 'end'],
      true,
    ],
    [
      'are incomplete when the stream ends early',
      'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc',
      'GET',
      ['200 OK length', 'body abc'],
      false,
    ],
    [
      'are incomplete without the last chunk',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
      'GET',
      ['200 OK chunked', 'body abc'],
      false,
    ],
  ] as const)('%s', (_what, text, method, events, complete) => {
    const seen = responses(text, method);
    expect(seen.events).toEqual(events);
    expect(seen.complete).toBe(complete);
    expect(seen.error).toBe(null);
  });
});

describe('folded lines', () => {
  const request = (folds: string): Uint8Array[] => [latin1(`GET / HTTP/1.1\r\nX: a\r\n${folds}\r\n`)];

  it('are counted: many of them would be copied again and again', () => {
    expect(requests(request(' b\r\n'.repeat(100))).error).toBeNull();
    expect(requests(request(' b\r\n'.repeat(101))).error).toBe(431);
  });
  it('carry no control characters either', () => expect(requests(request(' \x1b[31m\r\n')).error).toBe(400));
});

describe('pieces', () => {
  it('are joined however many there are', () => {
    const list = Array.from({ length: 300_000 }, (_, i) => Uint8Array.of(i & 255));
    const bytes = new GrowingBytes();
    for (const piece of list) bytes.push(piece);
    const joinedBytes = join(list);
    expect(joinedBytes.length).toBe(list.length);
    expect(Buffer.from(bytes.take()).equals(joinedBytes)).toBe(true);
    expect(bytes.length).toBe(0);
  });
});
