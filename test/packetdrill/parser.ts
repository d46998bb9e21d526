// packetdrill scripts parsed by recursive descent. It knows the language, not the scripts at hand: what it cannot read is
// a SyntaxFault with its line, what it can read but these tests cannot play is said later, by the runner.

import { TcpFlag } from '../../src/wire/tcp.ts';
import { parseExpression } from './expression.ts';
import { Scanner } from './scanner.ts';
import type { Action, Event, IpSpec, PacketSpec, Script, SystemCall, TcpOptionSpec, When } from './syntax.ts';

const NUMBER = /\d+\.\d+|\.\d+|\d+/y;
const SEQUENCE = /(\d+):(\d+)\((\d+)\)/y;

/** @throws SyntaxFault */
export function parseScript(text: string): Script {
  const s = new Scanner(text);
  const options = new Map<string, string>();
  const setup: string[] = [];
  const events: Event[] = [];
  while (!s.done) {
    const option = s.take(/--(\w+)(?:[ \t]*=[ \t]*(?:"([^"]*)"|([^\s`]+)))?/y);
    if (option !== null) {
      options.set(option[1]!, option[2] ?? option[3] ?? '');
      continue;
    }
    const line = s.line;
    if (s.take(/`/y) !== null) {
      const command = s.until('`');
      if (events.length === 0) setup.push(command);
      else {
        const action = { kind: 'shell', text: command } as const;
        events.push({ line, when: { kind: 'relative', at: 0 }, action, source: `\`${command}\`` });
      }
      continue;
    }
    const when = parseWhen(s);
    s.skip();
    const { at } = s;
    const action = parseAction(s);
    events.push({ line, when, action, source: s.since(at) });
  }
  return { options, setup, events };
}

function parseTime(s: Scanner): number {
  return Math.round(Number(s.need(NUMBER, 'a time')[0]) * 1e6);
}

function parseWhen(s: Scanner): When {
  if (s.take(/\*/y) !== null) return { kind: 'any' };
  const relative = s.take(/\+/y) !== null;
  const at = parseTime(s);
  if (s.take(/~/y) === null) return { kind: relative ? 'relative' : 'absolute', at };
  s.take(/\+/y);
  return { kind: 'range', relative, from: at, to: parseTime(s) };
}

function parseAction(s: Scanner): Action {
  if (s.take(/`/y) !== null) return { kind: 'shell', text: s.until('`') };
  if (s.take(/%\{/y) !== null) return { kind: 'python', text: s.until('}%') };
  const way = s.take(/[<>]/y);
  if (way !== null) return parsePacket(s, way[0] === '>');
  const ends = s.take(/\.\.\./y) === null ? null : parseTime(s);
  return parseCall(s, ends);
}

function parseCall(s: Scanner, ends: number | null): SystemCall {
  const name = s.need(/[a-z_][a-z0-9_]*/y, 'a system call')[0];
  s.need(/\(/y, '(');
  const args = [];
  while (s.take(/\)/y) === null) {
    args.push(parseExpression(s));
    if (!s.sees(/\)/y)) s.need(/,/y, ', or )');
  }
  s.need(/=/y, '=');
  const result = parseExpression(s);
  const errno = s.take(/E[A-Z0-9]+/y)?.[0] ?? null;
  // A remark: (Operation now in progress), (flags O_RDWR).
  s.take(/\([^)]*\)/y);
  return { kind: 'call', name, args, result, errno, ends };
}

/** The flags of a segment as packetdrill writes them; 0x100 is AE (Accurate ECN). */
const FLAGS: Readonly<Record<string, number>> = {
  F: TcpFlag.FIN,
  S: TcpFlag.SYN,
  R: TcpFlag.RST,
  P: TcpFlag.PSH,
  '.': TcpFlag.ACK,
  U: TcpFlag.URG,
  E: TcpFlag.ECE,
  W: TcpFlag.CWR,
  C: TcpFlag.CWR,
  A: 0x100,
};
const ECN: Readonly<Record<string, number>> = { noecn: 0, ect1: 1, ect0: 2, ce: 3 };

function parsePacket(s: Scanner, out: boolean): PacketSpec {
  const encapsulated = s.take(/(?:ipv4|ipv6|gre|mpls)\b[^\n]*/y);
  if (encapsulated !== null) return { kind: 'other', out, what: encapsulated[0] };
  let ip: IpSpec = { ecn: null, tos: null, ttl: null };
  let quoted: { sequence: number; length: number } | null = null;
  while (s.take(/[[(]/y) !== null) {
    const sequence = s.take(SEQUENCE);
    if (sequence !== null) quoted = { sequence: Number(sequence[1]), length: Number(sequence[3]) };
    else if (s.take(/udp\s*\(\d+\)/y) === null) ip = parseIp(s, ip);
    s.need(/[\])]/y, ']');
  }
  if (s.take(/icmp\b/y) !== null) return parseIcmp(s, out, ip, quoted);
  const udp = s.take(/udp\b[^\n]*/y);
  if (udp !== null) return { kind: 'other', out, what: udp[0] };
  const ports = s.take(/(\d+)\s*>\s*(\d+)/y);
  const letters = s.need(/[FSRPEWCUA.]+(?=\s)|-(?=\s)/y, 'flags')[0];
  let flags = 0;
  for (const letter of letters) flags |= FLAGS[letter] ?? 0;
  const sequence = s.need(SEQUENCE, 'first:last(length)');
  const value = (word: RegExp): number | null => {
    const m = s.take(word);
    return m === null ? null : Number(m[1]);
  };
  const ack = value(/ack\s+(\d+)/y);
  const window = value(/win\s+(\d+)/y);
  const urgent = value(/urg\s+(\d+)/y);
  return {
    kind: 'tcp',
    out,
    ip,
    ports: ports === null ? null : [Number(ports[1]), Number(ports[2])],
    flags,
    sequence: Number(sequence[1]),
    length: Number(sequence[3]),
    ack,
    window,
    urgent,
    options: parseOptions(s),
  };
}

function parseIp(s: Scanner, before: IpSpec): IpSpec {
  let ip = before;
  do {
    const ecn = s.take(/noecn|ect0|ect1|ce/y);
    const tos = s.take(/tos\s+(0x[0-9a-fA-F]+|\d+)/y);
    const ttl = s.take(/ttl\s+(\d+)/y);
    if (ecn !== null) ip = { ...ip, ecn: ECN[ecn[0]]! };
    else if (tos !== null) ip = { ...ip, tos: Number(tos[1]) };
    else if (ttl !== null) ip = { ...ip, ttl: Number(ttl[1]) };
    else s.need(/flowlabel\s+(0x[0-9a-fA-F]+|\d+)/y, 'noecn, ect0, ect1, ce, tos, ttl or flowlabel');
  } while (s.take(/,/y) !== null);
  return ip;
}

function parseIcmp(
  s: Scanner,
  out: boolean,
  ip: IpSpec,
  before: { sequence: number; length: number } | null,
): PacketSpec {
  const type = s.need(/[a-z_0-9]+/y, 'an ICMP type')[0];
  const code = s.take(/(?!mtu\b)(?:[a-z_]+|\d+(?!\.|~))\b/y)?.[0] ?? null;
  const mtu = Number(s.take(/mtu\s+(\d+)/y)?.[1] ?? 0);
  let quoted = before;
  if (s.take(/\[/y) !== null) {
    const m = s.need(SEQUENCE, 'first:last(length)');
    quoted = { sequence: Number(m[1]), length: Number(m[3]) };
    s.need(/\]/y, ']');
  }
  return { kind: 'icmp', out, ip, type, code, mtu, quoted };
}

function parseOptions(s: Scanner): readonly TcpOptionSpec[] | null {
  if (s.take(/</y) === null) return [];
  if (s.take(/\.\.\.\s*>/y) !== null) return null;
  const options: TcpOptionSpec[] = [];
  while (s.take(/>/y) === null) {
    options.push(parseOption(s));
    if (!s.sees(/>/y)) s.need(/,/y, ', or >');
  }
  return options;
}

function parseOption(s: Scanner): TcpOptionSpec {
  const plain = s.take(/nop|eol|sackOK/y);
  if (plain !== null) return { kind: plain[0] as 'nop' | 'eol' | 'sackOK' };
  const valued = s.take(/(mss|wscale)\s+(\d+)/y);
  if (valued !== null) return { kind: valued[1] as 'mss' | 'wscale', value: Number(valued[2]) };
  const stamps = s.take(/TS\s+val\s+(\d+)\s+ecr\s+(\d+)/y);
  if (stamps !== null) return { kind: 'TS', value: Number(stamps[1]), echo: Number(stamps[2]) };
  if (s.take(/sack\b/y) !== null) {
    const blocks: [number, number][] = [];
    for (let m = s.take(/(\d+):(\d+)/y); m !== null; m = s.take(/(\d+):(\d+)/y)) {
      blocks.push([Number(m[1]), Number(m[2])]);
    }
    return { kind: 'sack', blocks };
  }
  const fastOpen = s.take(/FO(EXP)?\b\s*([0-9a-f]*)/y);
  if (fastOpen !== null) return { kind: 'FO', experimental: fastOpen[1] !== undefined, cookie: fastOpen[2]! };
  return s.fail('a TCP option expected');
}
