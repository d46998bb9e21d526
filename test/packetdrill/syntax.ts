// What a packetdrill script says, as data (the language: github.com/google/packetdrill, gtests/net/packetdrill/parser.y).

/** When an event is due; microseconds. */
export type When =
  | { readonly kind: 'absolute' | 'relative'; readonly at: number }
  | { readonly kind: 'any' }
  | { readonly kind: 'range'; readonly relative: boolean; readonly from: number; readonly to: number };

/** An argument of a system call, unevaluated. */
export type Expression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'ellipsis' }
  | { readonly kind: 'or'; readonly parts: readonly Expression[] }
  | { readonly kind: 'list'; readonly items: readonly Expression[] }
  | { readonly kind: 'struct'; readonly fields: readonly Field[] }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[] };

/** `name=value`, `name(length)=value`, or a bare value. */
export interface Field {
  readonly name: string | null;
  readonly length: Expression | null;
  readonly value: Expression;
}

export interface SystemCall {
  readonly kind: 'call';
  readonly name: string;
  readonly args: readonly Expression[];
  readonly result: Expression;
  /** `= -1 EAGAIN` */
  readonly errno: string | null;
  /** a call that blocks: when it returns, in microseconds and in the terms of the event's own time; null: at once */
  readonly ends: number | null;
}

export type TcpOptionSpec =
  | { readonly kind: 'nop' | 'eol' | 'sackOK' }
  | { readonly kind: 'mss' | 'wscale'; readonly value: number }
  | { readonly kind: 'TS'; readonly value: number; readonly echo: number }
  | { readonly kind: 'sack'; readonly blocks: readonly (readonly [number, number])[] }
  | { readonly kind: 'FO'; readonly experimental: boolean; readonly cookie: string };

/** What stands in brackets before the flags: bits of the IPv4 header. */
export interface IpSpec {
  /** the two ECN bits, or null for unsaid */
  readonly ecn: number | null;
  readonly tos: number | null;
  readonly ttl: number | null;
}

export interface TcpPacketSpec {
  readonly kind: 'tcp';
  readonly out: boolean;
  readonly ip: IpSpec;
  /** source and destination port as on the wire, or null for the flow of the script */
  readonly ports: readonly [number, number] | null;
  /** wire/tcp.ts TcpFlag bits, and 0x100 for AE */
  readonly flags: number;
  readonly sequence: number;
  readonly length: number;
  readonly ack: number | null;
  readonly window: number | null;
  readonly urgent: number | null;
  /** null: `<...>`, whatever they are */
  readonly options: readonly TcpOptionSpec[] | null;
}

export interface IcmpPacketSpec {
  readonly kind: 'icmp';
  readonly out: boolean;
  readonly ip: IpSpec;
  readonly type: string;
  readonly code: string | null;
  readonly mtu: number;
  /** sequence and length of the segment it quotes */
  readonly quoted: { readonly sequence: number; readonly length: number } | null;
}

/** A packet of a protocol that these tests do not play. */
export interface OtherPacketSpec {
  readonly kind: 'other';
  readonly out: boolean;
  readonly what: string;
}

export type PacketSpec = TcpPacketSpec | IcmpPacketSpec | OtherPacketSpec;

export type Action =
  | PacketSpec
  | SystemCall
  | { readonly kind: 'shell'; readonly text: string }
  | { readonly kind: 'python'; readonly text: string };

export interface Event {
  readonly line: number;
  readonly when: When;
  readonly action: Action;
  /** as it stands in the script, behind its time */
  readonly source: string;
}

export interface Script {
  /** `--name=value` lines; a flag without a value has '' */
  readonly options: ReadonlyMap<string, string>;
  /** Shell commands before the first event. */
  readonly setup: readonly string[];
  readonly events: readonly Event[];
}

/** The script is not in the language, as far as the parser knows it. */
export class SyntaxFault extends Error {
  readonly line: number;
  constructor(line: number, what: string) {
    super(`line ${line}: ${what}`);
    this.line = line;
  }
}
