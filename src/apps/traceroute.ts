// traceroute (2.1.2): probes with growing TTL, up to 16 at a time; the answers are printed in the order of the probes.
//
// The loop sends until enough probes are out, without looking at what comes back, then polls until the next probe expires
// or an answer is there. A probe waits MAX seconds, but no longer than HERE times what another probe of its hop took, or
// NEAR times what a later one took.

import { formatIpv4 } from '../addr/ipv4.ts';
import { NS_PER_MS, NS_PER_S, type Ns, type Timer } from '../sim/sim.ts';
import { Program, type ProgramHost, SEND_INTERVAL, WAKE_LATENCY } from './program.ts';
import { IcmpMethod, type MethodOptions, type ProbeMethod, UdpMethod } from './traceroute-method.ts';
import { createProbe, type Probe } from './traceroute-probe.ts';

/** Added to a round trip before it is multiplied (DEF_WAIT_PREC). */
const WAIT_PRECISION: Ns = NS_PER_MS;

export interface TracerouteOptions extends MethodOptions {
  /** as it was typed */
  readonly target: string;
  readonly icmp: boolean;
  /** -n: addresses only */
  readonly numeric: boolean;
  readonly firstHop: number;
  readonly maxHops: number;
  /** probes per hop */
  readonly queries: number;
  /** probes under way at a time */
  readonly simultaneous: number;
  readonly wait: { readonly maxS: number; readonly here: number; readonly near: number };
  /** least time between two probes */
  readonly sendWait: Ns;
}

export class Traceroute extends Program {
  readonly #o: TracerouteOptions;
  readonly #probes: Probe[] = [];
  #method: ProbeMethod | null = null;
  #start: number;
  #end: number;
  #lastSent: Ns = -1;
  #polling: Timer | null = null;
  #waking = false;

  constructor(host: ProgramHost, options: TracerouteOptions) {
    super(host);
    this.#o = options;
    for (let i = 0; i < options.maxHops * options.queries; i++) {
      this.#probes.push(createProbe(i, Math.floor(i / options.queries) + 1));
    }
    this.#start = (options.firstHop - 1) * options.queries;
    this.#end = this.#probes.length;
  }

  protected begin(): void {
    const o = this.#o;
    const { netns, pid } = this.host;
    const onAnswer = (): void => this.#answered();
    if (o.icmp) {
      const method = new IcmpMethod(netns, o, pid, onAnswer);
      this.#method = method;
      const refusal = method.check();
      if (refusal !== null) {
        this.#fail(refusal);
        return;
      }
    } else {
      this.#method = new UdpMethod(netns, o, onAnswer);
    }
    this.host.out(
      `traceroute to ${o.target} (${formatIpv4(o.destination)}), ${o.maxHops} hops max, ${o.length} byte packets`,
    );
    this.#scan(this.#start, 0, -1);
  }

  protected release(): void {
    this.#method?.close();
  }

  #fail(message: string): void {
    this.host.err(`\n${message}\n`);
    this.exit(1);
  }

  /** From probe `n` on: expires, prints, sends; `out` probes are under way and the first expires at `next` (-1: none). */
  #scan(from: number, outstanding: number, nextDue: Ns): void {
    const o = this.#o;
    let out = outstanding;
    let next = nextDue;
    const now = this.host.sim.now;
    for (let n = from; n < this.#end; n++) {
      const probe = this.#probes[n]!;
      if (!probe.done && probe.sentAt >= 0) {
        const due = probe.sentAt + this.#timeout(probe);
        if (due <= now) {
          probe.done = true;
          this.#method!.forget(probe);
        } else if (next < 0 || due < next) next = due;
      }
      if (probe.done) {
        if (n === this.#start) {
          this.#print(probe);
          this.#start++;
        }
        if (probe.final) this.#end = (Math.floor(n / o.queries) + 1) * o.queries;
        continue;
      }
      if (probe.sentAt < 0) {
        if (o.sendWait > 0 && this.#lastSent >= 0 && now - this.#lastSent < o.sendWait) {
          const due = this.#lastSent + o.sendWait;
          if (next < 0 || due < next) next = due;
          break;
        }
        probe.sentAt = now;
        this.#lastSent = now;
        const failure = this.#method!.send(probe);
        if (failure !== null) {
          this.#fail(failure);
          return;
        }
        const due = now + this.#timeout(probe);
        if (next < 0 || due < next) next = due;
        if (out + 1 >= o.simultaneous) break;
        const rest = next;
        this.after(SEND_INTERVAL, () => this.#scan(n + 1, out + 1, rest));
        return;
      }
      if (++out >= o.simultaneous) break;
    }
    this.#poll(next);
  }

  #poll(until: Ns): void {
    if (this.#start >= this.#end) {
      this.host.out('\n');
      this.exit(0);
      return;
    }
    if (this.#method!.pending) {
      this.after(WAKE_LATENCY, () => this.#again());
      return;
    }
    this.#polling = this.after(Math.max(until - this.host.sim.now, 0), () => this.#again());
  }

  #answered(): void {
    if (this.#polling === null || this.#waking) return;
    this.#waking = true;
    this.after(WAKE_LATENCY, () => this.#again());
  }

  #again(): void {
    if (this.#polling !== null) this.cancel(this.#polling);
    this.#polling = null;
    this.#waking = false;
    this.#method!.collect();
    this.#scan(this.#start, 0, -1);
  }

  /** get_timeout() */
  #timeout(probe: Probe): Ns {
    const { wait, queries } = this.#o;
    const max = Math.round(wait.maxS * NS_PER_S);
    const within = (other: Probe, factor: number): Ns | null => {
      const took = other.receivedAt - other.sentAt;
      return other.done && other.receivedAt >= 0 && took > 0
        ? Math.min(Math.round((took + WAIT_PRECISION) * factor), max)
        : null;
    };
    if (wait.here > 0) {
      const first = probe.index - (probe.index % queries);
      for (let i = first; i < first + queries; i++) {
        const value = within(this.#probes[i]!, wait.here);
        if (value !== null) return value;
      }
    }
    if (wait.near > 0) {
      for (let i = probe.index + 1; i < this.#probes.length && this.#probes[i]!.sentAt >= 0; i++) {
        const value = within(this.#probes[i]!, wait.near);
        if (value !== null) return value;
      }
    }
    return max;
  }

  #print(probe: Probe): void {
    const { queries, numeric } = this.#o;
    const first = probe.index - (probe.index % queries);
    let text = probe.index === first ? `\n${String(probe.ttl).padStart(2)} ` : '';
    if (probe.from === null) text += ' *';
    else {
      // The address is printed again only when it differs from the last one of this hop.
      let before = probe.index - 1;
      while (before >= first && this.#probes[before]!.from === null) before--;
      if (before < first || this.#probes[before]!.from !== probe.from) {
        const address = formatIpv4(probe.from);
        text += numeric ? ` ${address}` : ` ${address} (${address})`;
      }
    }
    if (probe.receivedAt >= 0) {
      const us = Math.round((probe.receivedAt - probe.sentAt) / 1000);
      text += `  ${Math.floor(us / 1000)}.${String(us % 1000).padStart(3, '0')} ms`;
    }
    if (probe.mark !== '') text += ` ${probe.mark}`;
    this.host.out(text);
  }
}
