// Names of the small numbers that routes and addresses carry: scopes, tables, protocols (/etc/iproute2/rt_scopes, rt_tables,
// rt_protos as Debian has them).

import { RouteType, Scope, Table } from '../../stack/fib.ts';
import { parseNumber } from './ip-arguments.ts';

const SCOPES: readonly (readonly [string, number])[] = [
  ['global', Scope.GLOBAL],
  ['site', Scope.SITE],
  ['link', Scope.LINK],
  ['host', Scope.HOST],
  ['nowhere', Scope.NOWHERE],
];

const TABLES: readonly (readonly [string, number])[] = [
  ['unspec', 0],
  ['default', Table.DEFAULT],
  ['main', Table.MAIN],
  ['local', Table.LOCAL],
];

const PROTOCOLS: readonly (readonly [string, number])[] = [
  ['none', 0],
  ['redirect', 1],
  ['kernel', 2],
  ['boot', 3],
  ['static', 4],
  ['gated', 8],
  ['ra', 9],
  ['mrt', 10],
  ['zebra', 11],
  ['bird', 12],
  ['dnrouted', 13],
  ['xorp', 14],
  ['ntk', 15],
  ['dhcp', 16],
  ['keepalived', 18],
  ['babel', 42],
  ['openr', 99],
  ['bgp', 186],
  ['isis', 187],
  ['ospf', 188],
  ['rip', 189],
  ['eigrp', 192],
];

function nameIn(list: readonly (readonly [string, number])[], value: number): string {
  return list.find(([, v]) => v === value)?.[0] ?? String(value);
}

function valueIn(list: readonly (readonly [string, number])[], word: string, max: number): number | null {
  return list.find(([name]) => name === word)?.[1] ?? parseNumber(word, max);
}

export function scopeName(scope: number): string {
  return nameIn(SCOPES, scope);
}

export function parseScope(word: string): number | null {
  return valueIn(SCOPES, word, 255);
}

export function tableName(table: number): string {
  return nameIn(TABLES, table);
}

export function parseTable(word: string): number | null {
  return valueIn(TABLES, word, 0xffff_ffff);
}

/** A protocol is kept by its name, or by its number as text when it has none; null when it is neither. */
export function parseProtocol(word: string): string | null {
  const value = valueIn(PROTOCOLS, word, 255);
  return value === null ? null : nameIn(PROTOCOLS, value);
}

/** rtnl_rtntype_a2n() */
export function parseRouteType(word: string): RouteType | null {
  return Object.values(RouteType).find((type) => type === word) ?? null;
}
