// The filter expressions of ss(8): `state`, `exclude`, and conditions on addresses and ports joined by and, or, not.

import { type Ipv4, maskIpv4, parseIpv4 } from '../../addr/ipv4.ts';
import { servicePort } from '../../netfilter/xtables/protocol-names.ts';

export interface SsEndpoints {
  readonly local: Ipv4;
  readonly localPort: number;
  readonly remote: Ipv4;
  readonly remotePort: number;
}

export type SsCondition = (endpoints: SsEndpoints) => boolean;

const ALL = [
  ...['ESTAB', 'SYN-SENT', 'SYN-RECV', 'FIN-WAIT-1', 'FIN-WAIT-2', 'TIME-WAIT', 'UNCONN', 'CLOSE-WAIT', 'LAST-ACK'],
  ...['LISTEN', 'CLOSING'],
] as const;
export type SsState = (typeof ALL)[number];

const without = (...states: SsState[]): SsState[] => ALL.filter((s) => !states.includes(s));

const STATES: Readonly<Record<string, readonly SsState[]>> = {
  all: ALL,
  established: ['ESTAB'],
  'syn-sent': ['SYN-SENT'],
  'syn-recv': ['SYN-RECV'],
  'fin-wait-1': ['FIN-WAIT-1'],
  'fin-wait-2': ['FIN-WAIT-2'],
  'time-wait': ['TIME-WAIT'],
  closed: ['UNCONN'],
  unconnected: ['UNCONN'],
  'close-wait': ['CLOSE-WAIT'],
  'last-ack': ['LAST-ACK'],
  listening: ['LISTEN'],
  listen: ['LISTEN'],
  closing: ['CLOSING'],
  connected: without('UNCONN', 'LISTEN'),
  synchronized: without('UNCONN', 'LISTEN', 'SYN-SENT'),
  bucket: ['SYN-RECV', 'TIME-WAIT'],
  big: without('SYN-RECV', 'TIME-WAIT'),
};
/** What ss shows without -a, and with -l. */
export const CONNECTED_STATES: readonly SsState[] = without('LISTEN', 'UNCONN', 'TIME-WAIT', 'SYN-RECV');
export const LISTENING_STATES: readonly SsState[] = ['LISTEN', 'UNCONN'];
export const ALL_STATES: readonly SsState[] = ALL;

export interface SsFilter {
  /** null: the options decide */
  readonly states: readonly SsState[] | null;
  readonly condition: SsCondition;
}

/** @returns the filter, or what is wrong with it */
export function parseSsFilter(words: readonly string[]): SsFilter | string {
  let states: SsState[] | null = null;
  let i = 0;
  for (; words[i] === 'state' || words[i] === 'exclude'; i += 2) {
    const named = STATES[words[i + 1] ?? ''];
    if (named === undefined) return `wrong state name: ${words[i + 1] ?? ''}`;
    if (words[i] === 'state') states = [...new Set([...(states ?? []), ...named])];
    else states = (states ?? [...ALL]).filter((s) => !named.includes(s));
  }
  const tokens = words
    .slice(i)
    .join(' ')
    .replace(/([()!]|&&|\|\||[<>=]=?|!=)/g, ' $1 ')
    .replace(/! =/g, '!=')
    .split(/\s+/)
    .filter((token) => token !== '');
  if (tokens.length === 0) return { states, condition: () => true };
  const parser = new ExpressionParser(tokens);
  const condition = parser.parse();
  return condition === null ? `syntax error near "${parser.rest}"` : { states, condition };
}

const OPERATORS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '=': (a, b) => a === b,
  '==': (a, b) => a === b,
  eq: (a, b) => a === b,
  '!=': (a, b) => a !== b,
  ne: (a, b) => a !== b,
  neq: (a, b) => a !== b,
  '>': (a, b) => a > b,
  gt: (a, b) => a > b,
  '<': (a, b) => a < b,
  lt: (a, b) => a < b,
  '>=': (a, b) => a >= b,
  ge: (a, b) => a >= b,
  geq: (a, b) => a >= b,
  '<=': (a, b) => a <= b,
  le: (a, b) => a <= b,
  leq: (a, b) => a <= b,
};
/** Nesting of parentheses. Choice. */
const DEPTH_MAX = 20;

class ExpressionParser {
  readonly #tokens: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  get rest(): string {
    return this.#tokens.slice(this.#at).join(' ');
  }

  parse(): SsCondition | null {
    const condition = this.#or();
    return this.#at === this.#tokens.length ? condition : null;
  }

  #or(): SsCondition | null {
    let left = this.#and();
    while (left !== null && /^(or|\|\|?)$/.test(this.#tokens[this.#at] ?? '')) {
      this.#at++;
      const [a, b]: [SsCondition, SsCondition | null] = [left, this.#and()];
      left = b === null ? null : (e) => a(e) || b(e);
    }
    return left;
  }

  #and(): SsCondition | null {
    let left = this.#not();
    for (;;) {
      const next = this.#tokens[this.#at];
      if (left === null || next === undefined || /^(or|\|\|?|\))$/.test(next)) return left;
      if (/^(and|&&?)$/.test(next)) this.#at++;
      const [a, b]: [SsCondition, SsCondition | null] = [left, this.#not()];
      left = b === null ? null : (e) => a(e) && b(e);
    }
  }

  #not(): SsCondition | null {
    const token = this.#tokens[this.#at];
    if (token === 'not' || token === '!') {
      this.#at++;
      const inner = this.#not();
      return inner === null ? null : (e) => !inner(e);
    }
    if (token !== '(') return this.#primary();
    if (++this.#depth > DEPTH_MAX) return null;
    this.#at++;
    const inner = this.#or();
    if (this.#tokens[this.#at] !== ')') return null;
    this.#at++;
    this.#depth--;
    return inner;
  }

  #primary(): SsCondition | null {
    const what = this.#tokens[this.#at++] ?? '';
    if (!['sport', 'dport', 'src', 'dst'].includes(what)) return null;
    const compare = OPERATORS[this.#tokens[this.#at] ?? ''];
    if (compare !== undefined) this.#at++;
    const value = this.#tokens[this.#at++];
    if (value === undefined) return null;
    const local = what === 'sport' || what === 'src';
    if (what === 'sport' || what === 'dport') {
      const port = portOf(value.replace(/^:/, ''));
      const test = compare ?? OPERATORS['=']!;
      return port === null ? null : (e) => test(local ? e.localPort : e.remotePort, port);
    }
    const match = /^([\d.]+|\*)?(?:\/(\d{1,2}))?(?::(.+))?$/.exec(value);
    const port = match?.[3] === undefined || match[3] === '*' ? undefined : portOf(match[3]);
    const any = match?.[1] === undefined || match[1] === '*';
    const address = any ? 0 : parseIpv4(match[1]!);
    const length = any ? 0 : Number(match?.[2] ?? 32);
    if (match === null || port === null || address === null || length > 32) return null;
    const mask = maskIpv4(length);
    const negative = compare !== undefined && !compare(0, 0);
    return (e) => {
      const [a, p] = local ? [e.local, e.localPort] : [e.remote, e.remotePort];
      const matches = ((a ^ address) & mask) === 0 && (port === undefined || p === port);
      return matches !== negative;
    };
  }
}

function portOf(text: string): number | null {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  return servicePort(text, 0);
}
