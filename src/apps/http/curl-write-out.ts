// curl --write-out: the variables of curl(1), and its escapes.

import { NS_PER_S, type Ns } from '../../sim/sim.ts';
import type { CurlReport } from './curl-options.ts';

const NS_PER_US = 1_000;

/** Seconds with six places, cut to microseconds as curl counts them. */
function seconds(ns: Ns): string {
  return (Math.floor(ns / NS_PER_US) / 1e6).toFixed(6);
}

/** Bytes per second, whole. */
export function speed(bytes: number, time: Ns): number {
  return time === 0 ? 0 : Math.floor((bytes * NS_PER_S) / time);
}

const VARIABLES: Readonly<Record<string, (r: CurlReport) => string>> = {
  content_type: (r) => r.contentType ?? '',
  errormsg: (r) => r.error,
  exitcode: (r) => String(r.exitCode),
  filename_effective: (r) => r.fileName,
  ftp_entry_path: () => '',
  http_code: (r) => String(r.status).padStart(3, '0'),
  http_connect: () => '000',
  http_version: (r) => (r.status === 0 ? '0' : `1.${r.minor}`.replace(/^1\.0$/, '1')),
  local_ip: (r) => r.localIp,
  local_port: (r) => String(r.localPort),
  method: (r) => r.method,
  num_connects: (r) => String(r.connects),
  num_redirects: (r) => String(r.redirects),
  redirect_url: (r) => r.redirectUrl,
  remote_ip: (r) => r.remoteIp,
  remote_port: (r) => String(r.remotePort),
  response_code: (r) => String(r.status).padStart(3, '0'),
  scheme: (r) => r.scheme.toUpperCase(),
  size_download: (r) => String(r.downloaded),
  size_header: (r) => String(r.headerBytes),
  size_request: (r) => String(r.requestBytes),
  size_upload: (r) => String(r.uploaded),
  speed_download: (r) => String(speed(r.downloaded, r.totalTime)),
  speed_upload: (r) => String(speed(r.uploaded, r.totalTime)),
  ssl_verify_result: () => '0',
  time_appconnect: () => '0.000000',
  time_connect: (r) => seconds(r.connectTime),
  time_namelookup: (r) => seconds(r.nameTime),
  time_pretransfer: (r) => seconds(r.preTime),
  time_redirect: (r) => seconds(r.redirectTime),
  time_starttransfer: (r) => seconds(r.startTime),
  time_total: (r) => seconds(r.totalTime),
  url: (r) => r.url,
  url_effective: (r) => r.effectiveUrl,
  urlnum: (r) => String(r.number),
};

/** `out` and `err` take the pieces in order: %{stderr} and %{stdout} switch between them. */
export function writeOut(
  format: string,
  report: CurlReport,
  streams: { out(text: string): void; err(text: string): void },
): void {
  let current = streams.out;
  let text = '';
  const flush = (): void => {
    if (text !== '') current(text);
    text = '';
  };
  for (let i = 0; i < format.length; i++) {
    const c = format[i]!;
    if (c === '%' && format[i + 1] === '%') {
      text += '%';
      i++;
    } else if (c === '%' && format[i + 1] === '{') {
      const end = format.indexOf('}', i);
      if (end < 0) {
        text += '%{';
        i++;
        continue;
      }
      const name = format.slice(i + 2, end);
      i = end;
      if (name === 'stdout' || name === 'stderr') {
        flush();
        current = name === 'stdout' ? streams.out : streams.err;
      } else if (name === 'onerror') {
        if (report.exitCode === 0) break;
      } else {
        const variable = Object.hasOwn(VARIABLES, name) ? VARIABLES[name] : undefined;
        if (variable === undefined) streams.err(`curl: unknown --write-out variable: '${name}'\n`);
        else text += variable(report);
      }
    } else if (c === '\\' && i + 1 < format.length) {
      const escaped = format[++i]!;
      const known: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };
      text += known[escaped] ?? `\\${escaped}`;
    } else text += c;
  }
  flush();
}
