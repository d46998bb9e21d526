// Comparisons over a dissected frame, in Wireshark's field names: {udp.dstport: 8472, vxlan.vni: 1, ip.src: 10.0.1.1}.
// All must hold. A field that occurs several times (inner and outer headers) holds when any of them does, as in
// Wireshark; `ip.src#1` is the first, `ip.src#2` the second.

import type { Dissection } from '../wire/dissect/dissection.ts';

/** Fields that the dissectors of the wire floor fill. */
const FIELDS = [
  'frame.len',
  'eth.dst',
  'eth.src',
  'eth.type',
  'vlan.id',
  'vlan.priority',
  'vlan.dei',
  'vlan.etype',
  'arp.hw.type',
  'arp.proto.type',
  'arp.hw.size',
  'arp.proto.size',
  'arp.opcode',
  'arp.src.hw_mac',
  'arp.src.proto_ipv4',
  'arp.dst.hw_mac',
  'arp.dst.proto_ipv4',
  'ip.version',
  'ip.hdr_len',
  'ip.dsfield',
  'ip.dsfield.dscp',
  'ip.dsfield.ecn',
  'ip.len',
  'ip.id',
  'ip.flags.df',
  'ip.flags.mf',
  'ip.frag_offset',
  'ip.ttl',
  'ip.proto',
  'ip.checksum',
  'ip.checksum.status',
  'ip.src',
  'ip.dst',
  'icmp.type',
  'icmp.code',
  'icmp.checksum',
  'icmp.checksum.status',
  'icmp.ident',
  'icmp.seq',
  'icmp.mtu',
  'icmp.redir_gw',
  'icmp.pointer',
  'udp.srcport',
  'udp.dstport',
  'udp.length',
  'udp.checksum',
  'udp.checksum.status',
  'tcp.srcport',
  'tcp.dstport',
  'tcp.len',
  'tcp.seq_raw',
  'tcp.ack_raw',
  'tcp.hdr_len',
  'tcp.flags',
  'tcp.flags.fin',
  'tcp.flags.syn',
  'tcp.flags.reset',
  'tcp.flags.push',
  'tcp.flags.ack',
  'tcp.window_size_value',
  'tcp.checksum',
  'tcp.checksum.status',
  'tcp.options.mss_val',
  'vxlan.flags',
  'vxlan.vni',
  'dns.id',
  'dns.flags',
  'dns.flags.response',
  'dns.flags.authoritative',
  'dns.flags.truncated',
  'dns.flags.recavail',
  'dns.flags.rcode',
  'dns.count.queries',
  'dns.count.answers',
  'dns.qry.name',
  'dns.qry.type',
  'dns.resp.name',
  'dns.resp.type',
  'dns.resp.ttl',
  'dns.a',
  'dns.cname',
  'dns.srv.target',
  'dns.ptr.domain_name',
  'data.data',
  'data.len',
] as const;

/** Names that stand for either of two fields, as Wireshark has them. */
const EITHER: ReadonlyMap<string, readonly string[]> = new Map([
  ['ip.addr', ['ip.src', 'ip.dst']],
  ['eth.addr', ['eth.src', 'eth.dst']],
  ['udp.port', ['udp.srcport', 'udp.dstport']],
  ['tcp.port', ['tcp.srcport', 'tcp.dstport']],
]);

/** Layers: with true the frame must have it, with false it must not. */
const LAYERS = ['eth', 'vlan', 'arp', 'ip', 'icmp', 'udp', 'tcp', 'vxlan', 'dns', 'data'] as const;

/** Every name that a filter may use. */
export const FILTER_NAMES: readonly string[] = [...LAYERS, ...EITHER.keys(), ...FIELDS];

const KNOWN = new Set(FILTER_NAMES);

type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=';

interface Comparison {
  /** as written, for reports */
  readonly text: string;
  readonly holds: (frame: FilteredFrame) => boolean;
}

/** What a filter looks at. */
export interface FilteredFrame {
  readonly length: number;
  readonly dissection: Dissection;
}

export interface PacketFilter {
  /** as one would type it into Wireshark, or 'any frame' */
  readonly text: string;
  matches(frame: FilteredFrame): boolean;
}

/** What is wrong with a name or value of a filter, or null. */
export function filterMistake(name: string, value: string | number | boolean): 'name' | 'layer' | 'value' | null {
  const { field } = splitOccurrence(name);
  if (!KNOWN.has(field)) return 'name';
  const isLayer = (LAYERS as readonly string[]).includes(field);
  if (isLayer !== (typeof value === 'boolean')) return 'layer';
  if (typeof value === 'string' && splitOperator(value).operand === '') return 'value';
  return null;
}

/** @param comparisons names and values, checked with filterMistake */
export function compileFilter(comparisons: Readonly<Record<string, string | number | boolean>>): PacketFilter {
  const all = Object.entries(comparisons).map(([name, value]) => compile(name, value));
  return {
    text: all.length === 0 ? 'any frame' : all.map((c) => c.text).join(' && '),
    matches: (frame) => all.every((c) => c.holds(frame)),
  };
}

function compile(name: string, value: string | number | boolean): Comparison {
  const { field, occurrence } = splitOccurrence(name);
  if (typeof value === 'boolean') {
    return {
      text: value ? field : `!${field}`,
      holds: ({ dissection }) => dissection.layers.some((l) => l.name === field) === value,
    };
  }
  const { operator, operand } = splitOperator(String(value));
  const names = EITHER.get(field) ?? [field];
  return {
    text: `${name} ${operator} ${operand}`,
    holds: (frame) => {
      const found = valuesOf(frame, names);
      const chosen = occurrence === 0 ? found : found.slice(occurrence - 1, occurrence);
      return chosen.some((v) => compare(v, operator, operand));
    },
  };
}

function valuesOf(frame: FilteredFrame, names: readonly string[]): string[] {
  if (names[0] === 'frame.len') return [String(frame.length)];
  return frame.dissection.layers.flatMap((layer) =>
    layer.fields.filter((f) => f.shown && names.includes(f.name)).map((f) => f.value),
  );
}

function splitOccurrence(name: string): { field: string; occurrence: number } {
  const match = /^(.*)#([1-9])$/.exec(name);
  return match === null ? { field: name, occurrence: 0 } : { field: match[1]!, occurrence: Number(match[2]) };
}

function splitOperator(text: string): { operator: Operator; operand: string } {
  const match = /^\s*(==|!=|<=|>=|<|>)?\s*(.*?)\s*$/s.exec(text)!;
  return { operator: (match[1] ?? '==') as Operator, operand: match[2]! };
}

const NUMBER = /^(?:\d+(?:\.\d+)?|0x[0-9a-f]+)$/i;

function compare(found: string, operator: Operator, wanted: string): boolean {
  const numeric = NUMBER.test(found) && NUMBER.test(wanted);
  const a = numeric ? Number(found) : found.toLowerCase();
  const b = numeric ? Number(wanted) : wanted.toLowerCase();
  switch (operator) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return numeric && a < b;
    case '<=':
      return numeric && a <= b;
    case '>':
      return numeric && a > b;
    case '>=':
      return numeric && a >= b;
  }
}
