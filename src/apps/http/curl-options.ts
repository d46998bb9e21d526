// What curl is told by its command line, as values, and what a transfer leaves behind for --write-out.

import type { Ipv4 } from '../../addr/ipv4.ts';
import type { Ns } from '../../sim/sim.ts';

export interface CurlTarget {
  readonly url: string;
  /** null: standard output */
  readonly output: string | null;
}

export interface CurlOptions {
  readonly targets: readonly CurlTarget[];
  readonly silent: boolean;
  readonly showError: boolean;
  readonly verbose: boolean;
  /** -i */
  readonly include: boolean;
  /** -I */
  readonly head: boolean;
  /** -f */
  readonly fail: boolean;
  /** --fail-with-body */
  readonly failWithBody: boolean;
  /** -L */
  readonly location: boolean;
  readonly maxRedirs: number;
  /** -m; 0: none */
  readonly maxTime: Ns;
  readonly connectTimeout: Ns;
  /** --local-port: first and last; 0: any */
  readonly localPort: readonly [number, number];
  /** --interface: an address or the name of a device, or null */
  readonly interface: string | null;
  /** --resolve: `host:port` to addresses */
  readonly resolve: ReadonlyMap<string, readonly Ipv4[]>;
  readonly http10: boolean;
  /** -X, or null */
  readonly method: string | null;
  /** -H, as given */
  readonly headers: readonly string[];
  /** -d ..., or null */
  readonly data: Uint8Array | null;
  /** '' : no such field */
  readonly userAgent: string;
  readonly referer: string | null;
  readonly cookie: string | null;
  /** `user:password`, or null */
  readonly user: string | null;
  readonly range: string | null;
  readonly compressed: boolean;
  readonly retry: number;
  readonly retryDelay: Ns;
  readonly retryConnrefused: boolean;
  /** -w, or null */
  readonly writeOut: string | null;
  readonly keepAlive: boolean;
}

/** What --write-out can tell of a transfer; times in ns since its begin, 0: not reached. */
export interface CurlReport {
  url: string;
  effectiveUrl: string;
  method: string;
  status: number;
  minor: number;
  scheme: string;
  contentType: string | null;
  downloaded: number;
  uploaded: number;
  headerBytes: number;
  requestBytes: number;
  connects: number;
  redirects: number;
  redirectUrl: string;
  localIp: string;
  localPort: number;
  remoteIp: string;
  remotePort: number;
  nameTime: Ns;
  connectTime: Ns;
  preTime: Ns;
  startTime: Ns;
  totalTime: Ns;
  redirectTime: Ns;
  exitCode: number;
  error: string;
  fileName: string;
  number: number;
}

export function newReport(url: string, number: number): CurlReport {
  return {
    url,
    effectiveUrl: url,
    method: '',
    status: 0,
    minor: 0,
    scheme: '',
    contentType: null,
    downloaded: 0,
    uploaded: 0,
    headerBytes: 0,
    requestBytes: 0,
    connects: 0,
    redirects: 0,
    redirectUrl: '',
    localIp: '',
    localPort: 0,
    remoteIp: '',
    remotePort: 0,
    nameTime: 0,
    connectTime: 0,
    preTime: 0,
    startTime: 0,
    totalTime: 0,
    redirectTime: 0,
    exitCode: 0,
    error: '',
    fileName: '',
    number,
  };
}
