// The connection of a script: how its numbers (sequence numbers from 0, time stamps from where it likes) lie over the
// live ones. Inbound packets are translated from script to wire, outbound ones compared with what the wire shows.

import type { TcpOptionSpec, TcpPacketSpec } from './syntax.ts';
import { pattern, patternBytes } from './system.ts';
import { LOCAL, REMOTE } from './tun.ts';
import { ACK, FIN, flagLetters, optionText, PSH, RST, type Segment, SYN } from './wire.ts';

const u32 = (v: number): number => v >>> 0;

/**
 * How wide a window is follows from the memory that received segments take, and that from the device: an skb of tun is not
 * one of veth. A recording's window is met within an eighth; closed is closed.
 */
function sameWindow(wanted: number, got: number, recorded: boolean): boolean {
  if (!recorded) return wanted === got;
  return (wanted === 0) === (got === 0) && Math.abs(wanted - got) <= Math.max(wanted, got) / 8;
}

export class Flow {
  readonly localPort: number;
  readonly remotePort: number;
  /** first sequence number of ours: live minus script */
  #localShift = 0;
  #remoteShift = 0;
  /** live sequence numbers of the SYNs, for the places of payload bytes; -1: not seen */
  #localIsn = -1;
  #remoteIsn = -1;
  /** The first time stamp that we sent, live and in the script, and when. */
  #stamp: { readonly live: number; readonly script: number } | null = null;

  readonly #recorded: boolean;

  /** @param recorded the script is a recording of the kernel: its windows are near enough when they are near */
  constructor(localPort: number, remotePort: number, recorded = false) {
    this.localPort = localPort;
    this.remotePort = remotePort;
    this.#recorded = recorded;
  }

  /** True when a segment that left belongs to this connection. */
  owns(s: Segment): boolean {
    return s.sourcePort === this.localPort && s.destinationPort === this.remotePort;
  }

  /** A packet of the script's remote side as it goes on the wire. */
  inbound(p: TcpPacketSpec, id: number): Segment {
    const sequence = u32(p.sequence + this.#remoteShift);
    if ((p.flags & SYN) !== 0 && this.#remoteIsn < 0) this.#remoteIsn = sequence;
    const options = p.options ?? [];
    return {
      source: REMOTE,
      destination: LOCAL,
      sourcePort: p.ports?.[0] ?? this.remotePort,
      destinationPort: p.ports?.[1] ?? this.localPort,
      sequence,
      ack: p.ack === null ? 0 : u32(p.ack + this.#localShift),
      flags: p.flags,
      window: p.window ?? 0,
      urgent: p.urgent ?? 0,
      options: options.map((o) => this.#inboundOption(o)),
      payload: patternBytes(this.#remoteIsn < 0 ? 0 : u32(sequence - this.#remoteIsn - 1), p.length),
      tos: p.ip.tos ?? p.ip.ecn ?? 0,
      ttl: p.ip.ttl ?? 255,
      id,
      fragment: 0x4000,
    };
  }

  #inboundOption(o: TcpOptionSpec): TcpOptionSpec {
    if (o.kind === 'sack') {
      return { kind: 'sack', blocks: o.blocks.map(([a, b]) => [u32(a + this.#localShift), u32(b + this.#localShift)]) };
    }
    if (o.kind === 'TS' && this.#stamp !== null && o.echo !== 0) {
      return { ...o, echo: u32(o.echo - this.#stamp.script + this.#stamp.live) };
    }
    return o;
  }

  /**
   * Compares a segment that left with what the script expects from `done` bytes of its payload on.
   * @returns how many bytes of payload it covers, or in words how it differs
   */
  outbound(
    p: TcpPacketSpec,
    s: Segment,
    done: number,
    strict: boolean,
    stampTolerance: number | null,
  ): number | string {
    if ((s.flags & SYN) !== 0) {
      this.#localShift = u32(s.sequence - p.sequence);
      this.#localIsn = s.sequence;
    }
    const shown = this.show(s);
    const last = done + s.payload.length >= p.length;
    const differs = (what: string): string => `${what}: ${shown}`;
    if (strict ? s.payload.length !== p.length : done + s.payload.length > p.length) return differs('another length');
    if (!last && s.payload.length === 0) return differs('no payload');
    // In the middle of what the script sees as one segment PSH may stand or not, FIN not.
    const ignored = last ? 0 : PSH | FIN;
    if ((s.flags & ~ignored) !== (p.flags & ~ignored)) return differs('other flags');
    if (!last && (s.flags & FIN) !== 0) return differs('a FIN too early');
    const orphan = (s.flags & RST) !== 0 && s.sequence === 0 && p.sequence === 0;
    if (!orphan && s.sequence !== u32(p.sequence + done + this.#localShift)) return differs('another sequence number');
    const ack = p.ack === null ? ((p.flags & ACK) !== 0 ? null : 0) : u32(p.ack + this.#remoteShift);
    if (ack !== null && s.ack !== ack) return differs('another acknowledgement');
    if (p.window !== null && !sameWindow(p.window, s.window, this.#recorded)) return differs('another window');
    if (p.urgent !== null && s.urgent !== p.urgent) return differs('another urgent pointer');
    if (p.ip.ecn !== null && (s.tos & 3) !== p.ip.ecn) return differs(`ECN bits ${s.tos & 3}`);
    if (p.ip.tos !== null && s.tos !== p.ip.tos) return differs(`TOS ${s.tos}`);
    if (p.ip.ttl !== null && s.ttl !== p.ip.ttl) return differs(`TTL ${s.ttl}`);
    const wrong = this.#compareOptions(p, s, stampTolerance);
    if (wrong !== null) return differs(wrong);
    const place = this.#localIsn < 0 ? -1 : u32(s.sequence - this.#localIsn - 1);
    if (place >= 0 && s.payload.some((b, i) => b !== pattern(place + i))) return differs('other bytes in the payload');
    return s.payload.length;
  }

  #compareOptions(p: TcpPacketSpec, s: Segment, tolerance: number | null): string | null {
    const live = s.options.find((o) => o.kind === 'TS');
    const script = p.options?.find((o) => o.kind === 'TS');
    if (live?.kind === 'TS' && this.#stamp === null) {
      this.#stamp = { live: live.value, script: script?.kind === 'TS' ? script.value : 0 };
    }
    if (p.options === null) return null;
    if (p.options.length !== s.options.length) return 'other options';
    for (const [i, want] of p.options.entries()) {
      const got = s.options[i]!;
      if (got.kind !== want.kind) return 'other options';
      if (want.kind === 'TS' && got.kind === 'TS') {
        const off = (got.value - this.#stamp!.live - (want.value - this.#stamp!.script)) | 0;
        if (tolerance !== null && Math.abs(off) > tolerance) return `TS val off by ${off}`;
        if (got.echo !== want.echo) return `TS ecr ${got.echo}`;
      } else if (want.kind === 'sack' && got.kind === 'sack') {
        const shifted = want.blocks.map(([a, b]) => [u32(a + this.#remoteShift), u32(b + this.#remoteShift)]);
        if (JSON.stringify(shifted) !== JSON.stringify(got.blocks)) return 'other SACK blocks';
      } else if (JSON.stringify(want) !== JSON.stringify(got)) return `${want.kind} differs`;
    }
    return null;
  }

  /** A segment that left, in the script's words and numbers. */
  show(s: Segment): string {
    // A RST for a segment without ACK has the sequence number 0, whatever connection there is.
    const orphan = (s.flags & RST) !== 0 && s.sequence === 0;
    const sequence = orphan ? 0 : u32(s.sequence - this.#localShift);
    const ack = (s.flags & ACK) !== 0 || s.ack !== 0 ? ` ack ${u32(s.ack - this.#remoteShift)}` : '';
    const options = s.options.map((o): TcpOptionSpec => {
      if (o.kind === 'sack') {
        return {
          kind: 'sack',
          blocks: o.blocks.map(([a, b]) => [u32(a - this.#remoteShift), u32(b - this.#remoteShift)]),
        };
      }
      if (o.kind === 'TS' && this.#stamp !== null) {
        return { ...o, value: u32(o.value - this.#stamp.live + this.#stamp.script) };
      }
      return o;
    });
    const n = s.payload.length;
    return `> ${flagLetters(s.flags)} ${sequence}:${u32(sequence + n)}(${n})${ack} win ${s.window}${optionText(options)}`;
  }

  /** The live sequence number of ours that the script calls `sequence`. */
  live(sequence: number): number {
    return u32(sequence + this.#localShift);
  }
}
