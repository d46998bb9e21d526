// What wget prints: GNU Wget 1.21.3, and busybox 1.35.

import { NS_PER_S, type Ns } from '../../sim/sim.ts';
import type { ProgramHost } from '../program.ts';
import { millisecondsOf } from './http-date.ts';
import type { HttpResponseHead } from './http-message.ts';
import { authority, type HttpUrl } from './url.ts';

export interface WgetResult {
  readonly name: string;
  readonly url: string;
  readonly received: number;
  readonly length: number | null;
  readonly time: Ns;
}

export interface WgetText {
  badUrl(text: string, scheme: string | null): string;
  begin(url: string, attempt: number): string;
  resolving(name: string): string;
  resolved(addresses: readonly string[]): string;
  unresolved(why: string): string;
  badHost(name: string): string;
  connecting(url: HttpUrl, address: string, literal: boolean): string;
  connected(): string;
  refused(why: string, address: string): string;
  requested(): string;
  status(head: HttpResponseHead, fieldsFollow: boolean): string;
  fields(head: HttpResponseHead): string;
  length(bytes: number | null, type: string | null): string;
  saving(name: string): string;
  saved(result: WgetResult): string;
  terse(result: WgetResult): string;
  spider(): string;
  redirect(location: string): string;
  tooMany(limit: number): string;
  error(head: HttpResponseHead): string;
  malformed(): string;
  empty(why: string | null): string;
  cut(at: number): string;
  silent(): string;
}

const KIB = 1024;
const DOTS = 50;

/** Bytes per second with a unit, three digits. */
function rate(bytes: number, time: Ns): { readonly value: string; readonly unit: string } {
  let perSecond = time === 0 ? 0 : (bytes * NS_PER_S) / time;
  const units = ['B', 'KB', 'MB', 'GB'];
  let i = 0;
  while (perSecond >= KIB && i < units.length - 1) {
    perSecond /= KIB;
    i++;
  }
  const digits = perSecond >= 99.95 ? 0 : perSecond >= 9.995 ? 1 : 2;
  return { value: perSecond.toFixed(digits), unit: units[i]! };
}

function seconds(time: Ns): string {
  const s = time / NS_PER_S;
  if (s < 0.0005) return '0s';
  if (s < 1) return `${Number(s.toPrecision(1))}s`;
  return `${s.toFixed(s < 10 ? 1 : 0)}s`;
}

/** 2048 as `2048 (2.0K)` */
function size(bytes: number): string {
  if (bytes < KIB) return String(bytes);
  const units = ['K', 'M', 'G'];
  let value = bytes / KIB;
  let i = 0;
  while (value >= KIB && i < units.length - 1) {
    value /= KIB;
    i++;
  }
  return `${bytes} (${value.toFixed(value < 10 ? 1 : 0)}${units[i]})`;
}

/** The meter of dots: a row for each 50 KiB. */
function dots({ received, length, time }: WgetResult): string {
  const full = Math.floor(received / KIB);
  const rows = Math.max(1, Math.ceil(full / DOTS));
  const { value, unit } = rate(received, time);
  const speed = `${value}${unit[0] === 'B' ? '' : unit[0]}`.padStart(5);
  let text = '\n';
  for (let row = 0; row < rows; row++) {
    const here = Math.min(full - row * DOTS, DOTS);
    text += `${String(row * DOTS).padStart(6)}K`;
    for (let i = 0; i < DOTS; i++) text += `${i % 10 === 0 ? ' ' : ''}${i < here ? '.' : ' '}`;
    const last = row === rows - 1;
    const done = last ? received : (row + 1) * DOTS * KIB;
    if (length !== null) text += `${String(length === 0 ? 100 : Math.floor((done * 100) / length)).padStart(3)}%`;
    text += ` ${speed}${last ? `=${seconds(time)}` : ''}\n`;
  }
  return `${text}\n`;
}

function statusLine(head: HttpResponseHead): string {
  return head.text.split(/\r?\n/, 1)[0]!;
}

export function gnuText(host: ProgramHost): WgetText {
  const now = (): string => new Date(millisecondsOf(host.wallClock())).toISOString().replace('T', ' ').slice(0, 19);
  return {
    badUrl: (text, scheme) =>
      scheme === null ? `${text}: Invalid host name.\n` : `${text}: Unsupported scheme ‘${scheme}’.\n`,
    begin: (url, attempt) => `--${now()}--  ${attempt > 1 ? `(try:${String(attempt).padStart(2)})  ` : ''}${url}\n`,
    resolving: (name) => `Resolving ${name} (${name})... `,
    resolved: (addresses) => `${addresses.join(', ')}\n`,
    unresolved: (why) => `failed: ${why}.\n`,
    badHost: (name) => `wget: unable to resolve host address ‘${name}’\n`,
    connecting: (url, address, literal) =>
      `Connecting to ${literal ? url.host : `${url.host} (${url.host})|${address}|`}:${url.port}... `,
    connected: () => 'connected.\n',
    refused: (why) => `failed: ${why}.\n`,
    requested: () => 'HTTP request sent, awaiting response... ',
    status: (head, fieldsFollow) => (fieldsFollow ? '\n' : `${head.status} ${head.reason}\n`),
    fields: (head) => `  ${head.text.replace(/\r/g, '').trimEnd().replaceAll('\n', '\n  ')}\n`,
    length: (bytes, type) =>
      `Length: ${bytes === null ? 'unspecified' : size(bytes)}${type === null ? '' : ` [${type.split(';', 1)[0]}]`}\n`,
    saving: (name) => `Saving to: ‘${name === '-' ? 'STDOUT' : name}’\n`,
    saved: (r) => {
      const { value, unit } = rate(r.received, r.time);
      const bytes = r.length === null ? `${r.received}` : `${r.received}/${r.length}`;
      const what = r.name === '-' ? 'written to stdout' : `‘${r.name}’ saved`;
      return `${dots(r)}${now()} (${value} ${unit}/s) - ${what} [${bytes}]\n\n`;
    },
    terse: (r) =>
      `${now()} URL:${r.url} [${r.received}${r.length === null ? '' : `/${r.length}`}] -> "${r.name}" [1]\n`,
    spider: () =>
      'Remote file exists and could contain further links,\nbut recursion is disabled -- not retrieving.\n\n',
    redirect: (location) => `Location: ${location} [following]\n`,
    tooMany: (limit) => `${limit} redirections exceeded.\n`,
    error: (head) => `${now()} ERROR ${head.status}: ${head.reason}.\n\n`,
    malformed: () => `${now()} ERROR -1: Malformed status line.\n\n`,
    empty: (why) => (why === null ? 'No data received.\n' : `Read error (${why}) in headers.\n`),
    cut: (at) => `\n${now()} - Connection closed at byte ${at}. `,
    silent: () => 'Read error (Connection timed out) in headers.\n',
  };
}

export function busyboxText(): WgetText {
  const none = (): string => '';
  return {
    badUrl: (text) => `wget: not an http or ftp url: ${text}\n`,
    begin: none,
    resolving: none,
    resolved: none,
    unresolved: none,
    badHost: (name) => `wget: bad address '${name}'\n`,
    connecting: (url, address) => `Connecting to ${authority(url)} (${address}:${url.port})\n`,
    connected: none,
    refused: (why, address) => `wget: can't connect to remote host (${address}): ${why}\n`,
    requested: none,
    status: (head, fieldsFollow) =>
      fieldsFollow ? `  ${head.text.replace(/\r/g, '').trimEnd().replaceAll('\n', '\n  ')}\n  \n` : '',
    fields: (head) => `  ${head.text.replace(/\r/g, '').trimEnd().replaceAll('\n', '\n  ')}\n  \n`,
    length: none,
    saving: (name) => (name === '-' ? 'writing to stdout\n' : `saving to '${name}'\n`),
    saved: (r) => {
      const name = (r.name === '-' ? '-' : r.name).slice(0, 20).padEnd(20);
      const meter = `${name} 100% |${'*'.repeat(32)}| ${String(r.received).padStart(5)}  0:00:00 ETA\n`;
      return `${meter}${r.name === '-' ? 'written to stdout' : `'${r.name}' saved`}\n`;
    },
    terse: none,
    spider: () => 'remote file exists\n',
    redirect: none,
    tooMany: () => 'wget: too many redirections\n',
    error: (head) => `wget: server returned error: ${statusLine(head)}\n`,
    malformed: () => 'wget: bad header line\n',
    empty: (why) => `wget: error getting response${why === null ? '' : `: ${why}`}\n`,
    cut: () => 'wget: connection closed prematurely\n',
    silent: () => 'wget: download timed out\n',
  };
}
