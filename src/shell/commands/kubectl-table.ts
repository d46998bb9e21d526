// What kubectl's subcommands share: their arguments, tables as cli-runtime prints them (minimum width 6, padding 3), ages.

import { NS_PER_S, type Ns } from '../../sim/sim.ts';
import type { ShellContext } from '../command.ts';

const MIN_WIDTH = 6;
const PADDING = 3;

export interface Arguments {
  readonly words: string[];
  readonly options: Map<string, string>;
  /** behind `--`, or null when there is none */
  readonly command: readonly string[] | null;
}

export function fail(ctx: ShellContext, message: string): number {
  ctx.err(`${message}\n`);
  return 1;
}

export function choose<T>(all: readonly T[], nameOf: (item: T) => string, names: readonly string[]) {
  if (names.length === 0) return { found: all, missing: [] };
  const found = names.flatMap((name) => all.filter((item) => nameOf(item) === name));
  return { found, missing: names.filter((name) => !all.some((item) => nameOf(item) === name)) };
}

/** `-l key=value,key=value` and `key!=value`; null: every label will do, or the words of the mistake. */
export function labelFilter(args: Arguments): ((labels: Readonly<Record<string, string>>) => boolean) | string {
  const text = args.options.get('selector');
  if (text === undefined) return () => true;
  const terms: { key: string; value: string; equal: boolean }[] = [];
  for (const part of text.split(',')) {
    const m = /^([\w./-]+)(==|=|!=)([\w.-]*)$/.exec(part.trim());
    if (m === null) return `unable to parse requirement: ${part}`;
    terms.push({ key: m[1]!, value: m[3]!, equal: m[2] !== '!=' });
  }
  return (labels) => terms.every(({ key, value, equal }) => (labels[key] === value) === equal);
}

/** A name, or `pod/name` where several kinds are listed. */
export function shownName(args: Arguments, kind: string, name: string): string {
  return args.options.has('several') ? `${kind}/${name}` : name;
}

export function missing(ctx: ShellContext, kind: string, names: readonly string[]): number {
  for (const name of names) ctx.err(`Error from server (NotFound): ${kind} "${name}" not found\n`);
  return names.length > 0 ? 1 : 0;
}

export function print(ctx: ShellContext, args: Arguments, header: readonly string[], rows: readonly string[][]): void {
  if (rows.length === 0) return;
  const lines = args.options.has('no-headers') ? rows : [header, ...rows];
  const widths = header.map((_, c) => Math.max(MIN_WIDTH, ...lines.map((line) => line[c]!.length + PADDING)));
  for (const line of lines) {
    ctx.out(`${line.map((cell, c) => (c === line.length - 1 ? cell : cell.padEnd(widths[c]!))).join('')}\n`);
  }
}

export function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** duration.HumanDuration (apimachinery/pkg/util/duration), up to the days that a run can last. */
export function age(ns: Ns): string {
  const seconds = Math.floor(ns / NS_PER_S);
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  return days < 8 && hours % 24 !== 0 ? `${days}d${hours % 24}h` : `${days}d`;
}
