// The control connection of iperf3 (src/iperf_api.h): states of one byte, JSON behind a length of four, a cookie that names
// the test to which a data connection belongs.

import type { Rng } from '../base/rng.ts';
import { GrowingBytes } from './growing-bytes.ts';
import { concat } from './http/http-message.ts';
import type { TcpStream } from './tcp-stream.ts';

export const IperfState = {
  TEST_START: 1,
  TEST_RUNNING: 2,
  TEST_END: 4,
  PARAM_EXCHANGE: 9,
  CREATE_STREAMS: 10,
  SERVER_TERMINATE: 11,
  CLIENT_TERMINATE: 12,
  EXCHANGE_RESULTS: 13,
  DISPLAY_RESULTS: 14,
  IPERF_START: 15,
  IPERF_DONE: 16,
  ACCESS_DENIED: 255,
} as const;

export const IPERF_PORT = 5201;
/** COOKIE_SIZE: 36 characters and a NUL */
export const COOKIE_SIZE = 37;
const COOKIE_LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';
/** MAX_PARAMS_JSON_STRING of the protocol is 8 KiB for parameters; results of many streams are longer. Choice. */
const JSON_MAX = 1024 * 1024;

export interface IperfParameters {
  readonly tcp: true;
  /** seconds; 0: by bytes */
  readonly time: number;
  /** bytes; 0: by time */
  readonly num: number;
  readonly parallel: number;
  readonly reverse: boolean;
  /** bytes of one write */
  readonly len: number;
  /** bits per second of each stream; 0: no limit */
  readonly bandwidth: number;
}

export interface IperfStreamResult {
  readonly bytes: number;
  /** -1: the side does not know */
  readonly retransmits: number;
  /** seconds */
  readonly endTime: number;
}

export interface IperfResults {
  readonly congestion: string;
  readonly streams: readonly IperfStreamResult[];
}

export function newCookie(rng: Rng): Uint8Array {
  const cookie = new Uint8Array(COOKIE_SIZE);
  for (let i = 0; i < COOKIE_SIZE - 1; i++) cookie[i] = COOKIE_LETTERS.charCodeAt(rng.below(COOKIE_LETTERS.length));
  return cookie;
}

/** Whole messages over a stream. Everything that goes wrong ends in `failed`, once. */
export class IperfControl {
  readonly #stream: TcpStream;
  readonly #failed: () => void;
  readonly #out: Uint8Array[] = [];
  #writing = false;
  #over = false;

  constructor(stream: TcpStream, failed: () => void) {
    this.#stream = stream;
    this.#failed = failed;
  }

  send(bytes: Uint8Array): void {
    this.#out.push(bytes);
    if (!this.#writing) this.#write();
  }

  sendState(state: number): void {
    this.send(Uint8Array.of(state));
  }

  sendJson(value: unknown): void {
    const text = new TextEncoder().encode(JSON.stringify(value));
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, text.length);
    this.send(concat(length, text));
  }

  /** The next `size` bytes. */
  read(size: number, done: (bytes: Uint8Array) => void): void {
    if (this.#over) return;
    // As much memory as has come, however long the peer says that it will be.
    const bytes = new GrowingBytes();
    const next = (): void => {
      if (bytes.length === size) {
        done(bytes.take());
        return;
      }
      this.#stream.read(size - bytes.length, 0, (result) => {
        if (this.#over) return;
        if (typeof result === 'string' || result.length === 0) {
          this.#fail();
          return;
        }
        bytes.push(result);
        next();
      });
    };
    next();
  }

  readState(done: (state: number) => void): void {
    this.read(1, (bytes) => done(bytes[0]!));
  }

  /** The next JSON object, as a record. */
  readJson(done: (value: Readonly<Record<string, unknown>>) => void): void {
    this.read(4, (head) => {
      const length = new DataView(head.buffer, head.byteOffset).getUint32(0);
      if (length > JSON_MAX) {
        this.#fail();
        return;
      }
      this.read(length, (bytes) => {
        let value: unknown = null;
        try {
          value = JSON.parse(new TextDecoder().decode(bytes));
        } catch {
          value = null;
        }
        if (value === null || typeof value !== 'object') this.#fail();
        else done(value as Record<string, unknown>);
      });
    });
  }

  /** Nothing is called any more. */
  stop(): void {
    this.#over = true;
  }

  #fail(): void {
    if (this.#over) return;
    this.#over = true;
    this.#failed();
  }

  #write(): void {
    const bytes = this.#out.shift();
    if (bytes === undefined || this.#over || this.#stream.closed) return;
    this.#writing = true;
    this.#stream.write(bytes, 0, (result) => {
      this.#writing = false;
      if (result !== null) this.#fail();
      else this.#write();
    });
  }
}

function number(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}

export const STREAMS_MAX = 128;
/** MAX_BLOCKSIZE */
export const BLOCK_MAX = 1024 * 1024;
export const BLOCK_DEFAULT = 128 * 1024;

export function parametersJson(p: IperfParameters): unknown {
  return {
    tcp: true,
    omit: 0,
    time: p.time,
    num: p.num,
    blockcount: 0,
    parallel: p.parallel,
    ...(p.reverse ? { reverse: true } : {}),
    len: p.len,
    ...(p.bandwidth > 0 ? { bandwidth: p.bandwidth } : {}),
    pacing_timer: 1000,
    client_version: '3.12',
  };
}

/** What a client asks for; null: a test that is not run here. */
export function readParameters(json: Readonly<Record<string, unknown>>): IperfParameters | null {
  if (json.tcp !== true) return null;
  const parallel = number(json.parallel, 1);
  const len = number(json.len, BLOCK_DEFAULT);
  if (parallel < 1 || parallel > STREAMS_MAX || len < 1 || len > BLOCK_MAX) return null;
  return {
    tcp: true,
    time: Math.max(0, number(json.time, 0)),
    num: Math.max(0, number(json.num, 0)),
    parallel: Math.floor(parallel),
    reverse: json.reverse === true,
    len: Math.floor(len),
    bandwidth: Math.max(0, number(json.bandwidth, 0)),
  };
}

export function resultsJson({ congestion, streams }: IperfResults, sender: boolean): unknown {
  return {
    cpu_util_total: 0,
    cpu_util_user: 0,
    cpu_util_system: 0,
    sender_has_retransmits: sender ? 1 : -1,
    congestion_used: congestion,
    streams: streams.map((s, i) => ({
      id: streamId(i),
      bytes: s.bytes,
      retransmits: s.retransmits,
      jitter: 0,
      errors: 0,
      packets: 0,
      start_time: 0,
      end_time: s.endTime,
    })),
  };
}

/** iperf_add_stream: 1, 3, 4, 5, ... */
function streamId(i: number): number {
  return i === 0 ? 1 : i + 2;
}

export function readResults(json: Readonly<Record<string, unknown>>): IperfResults {
  const list: readonly unknown[] = Array.isArray(json.streams) ? json.streams.slice(0, STREAMS_MAX) : [];
  return {
    congestion: typeof json.congestion_used === 'string' ? json.congestion_used : '',
    streams: list.map((item) => {
      const s = (item ?? {}) as Record<string, unknown>;
      return { bytes: number(s.bytes, 0), retransmits: number(s.retransmits, -1), endTime: number(s.end_time, 0) };
    }),
  };
}
