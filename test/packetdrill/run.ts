// Plays a packetdrill script against the emulated TCP, on virtual time: events in order, each at its time; packets that
// should leave are waited for, blocked system calls go on beside the events, as in google/packetdrill's run.c.

import { Machine } from '../../src/stack/machine.ts';
import { World } from '../../src/stack/world.ts';
import { Flow } from './flow.ts';
import { AssertionFailed, runPython, UnknownPython, type Value } from './python.ts';
import { Shell } from './shell.ts';
import type { Event, IcmpPacketSpec, Script, SystemCall, TcpPacketSpec, When } from './syntax.ts';
import { PORT, type Result, System, sameErrno } from './system.ts';
import { LOCAL, REMOTE, type Sent, Tun } from './tun.ts';
import { numberOf } from './values.ts';
import { NotApplicable, ScriptFailed } from './verdict.ts';
import { ACK, icmpNumbers, readSegment, SYN, writeIcmp, writeSegment } from './wire.ts';

/** packetdrill's --tolerance_usecs where a script says none. */
const TOLERANCE_US = 4000;
/** How long past its time a packet that should leave, or a call that should end, is waited for. */
const PATIENCE_NS = 5e9;
/**
 * The script's time 0: not the kernel's, and not on a tick. Where it lies among the ticks decides how late the timer wheel
 * is, up to an eighth of a delay; scripts that allow less need luck on a real machine too, and have it here.
 */
const START_NS = 100e9 + 23_300_000;
/**
 * packetdrill is a program: it does nothing at the very nanosecond, and a packet takes it a moment to read. Without that two
 * round trips of a script would be equal, which those of a machine never are, and "more than a millisecond ago" never true.
 */
const LATENESS_NS = 20_000;
const READING_NS = 5_000;
/** Events in one script; a choice: the longest has 45 lines. */
const EVENTS_MAX = 1_000_000;
const FIRST_PORT = 40_001;

export interface Outcome {
  readonly verdict: 'passed' | 'failed' | 'not applicable';
  /** where and why; '' when passed */
  readonly why: string;
}

interface Pending {
  readonly event: Event;
  readonly call: SystemCall;
  readonly attempt: () => Result | null;
  /** ns; when it should return */
  readonly ends: number;
}

/** @param exact a recording of the kernel: nothing may be left over at the end (packetdrill itself does not look) */
export function runScript(script: Script, exact = false): Outcome {
  if (script.options.get('ip_version') !== undefined && script.options.get('ip_version') !== 'ipv4') {
    return { verdict: 'not applicable', why: 'IPv6: the stack has TCP over IPv4 only' };
  }
  const player = new Player(script, exact);
  try {
    player.play();
    return { verdict: 'passed', why: '' };
  } catch (e) {
    const where = player.line > 0 ? `line ${player.line}: ` : '';
    if (e instanceof ScriptFailed || e instanceof AssertionFailed) {
      return { verdict: 'failed', why: where + e.message };
    }
    if (e instanceof NotApplicable || e instanceof UnknownPython) {
      return { verdict: 'not applicable', why: where + e.message };
    }
    throw e;
  } finally {
    player.end();
  }
}

class Player {
  readonly #script: Script;
  readonly #world = new World(1);
  readonly #tun: Tun;
  readonly #system: System;
  readonly #shell: Shell;
  readonly #strict: boolean;
  readonly #tolerance: number;
  /** ticks of the TS clock, or null: time stamps are not compared */
  readonly #stampTolerance: number | null;
  readonly #exact: boolean;
  #flow: Flow;
  #flows = 0;
  #pending: Pending | null = null;
  #ids = 0;
  /** line of the event in progress */
  line = 0;

  constructor(script: Script, exact: boolean) {
    this.#script = script;
    this.#exact = exact;
    this.#flow = new Flow(PORT, FIRST_PORT, exact);
    const { options } = script;
    const netns = new Machine(this.#world, 'lab').addNamespace('tested');
    netns.loopback.dev.setUp(true);
    this.#tun = new Tun(netns, Number(options.get('mtu') ?? 1500));
    this.#system = new System(netns);
    this.#shell = new Shell(netns, (mtu) => this.#tun.dev.setMtu(mtu));
    this.#strict = options.has('strict_segments');
    this.#tolerance = Number(options.get('tolerance_usecs') ?? TOLERANCE_US) * 1000;
    const tick = Number(options.get('tcp_ts_tick_usecs') ?? 0);
    this.#stampTolerance = tick === 0 ? null : Math.ceil(this.#tolerance / 1000 / tick);
  }

  end(): void {
    this.#system.closeAll();
    this.#world.dispose();
  }

  get #now(): number {
    return this.#world.sim.now;
  }

  play(): void {
    for (const command of this.#script.setup) this.#shell.run(command);
    this.#advance(START_NS);
    for (const event of this.#script.events) {
      this.line = event.line;
      this.#event(event);
    }
    this.#finishPending();
    if (!this.#exact) return;
    for (const sent of this.#tun.sent) {
      const s = readSegment(sent.bytes);
      if (typeof s === 'string' || this.#flow.owns(s)) throw new ScriptFailed(`not expected: ${this.#show(sent)}`);
    }
  }

  #event(event: Event): void {
    const { when, action } = event;
    const base = this.#now;
    if (action.kind === 'tcp' && action.out) {
      this.#expect(action, when, base);
      return;
    }
    if (when.kind === 'range') this.#advance((when.relative ? base : START_NS) + when.from * 1000 + LATENESS_NS);
    else if (when.kind !== 'any') this.#advance(dueAt(when, base) + LATENESS_NS);
    switch (action.kind) {
      case 'tcp':
        this.#inject(action);
        break;
      case 'icmp':
        this.#icmp(action, when, base);
        break;
      case 'other':
        throw new NotApplicable(`a packet of another protocol: ${action.what}`);
      case 'shell':
        this.#shell.run(action.text);
        break;
      case 'python':
        runPython(action.text, (name) => this.#name(name));
        break;
      case 'call':
        this.#call(event, action, base);
    }
    // What follows from the event at this very moment happens before the next one.
    this.#advance(this.#now);
  }

  /** Runs the world up to a time, looking after a blocked call at every step. */
  #advance(time: number): void {
    const { sim } = this.#world;
    for (let i = 0; i < EVENTS_MAX; i++) {
      this.#lookAfterPending();
      const next = sim.nextTime();
      if (next < 0 || next > time) {
        if (sim.now < time) {
          sim.after(time - sim.now, () => {});
          sim.runUntil(time, 1);
        }
        return;
      }
      sim.runUntil(time, 1);
    }
    throw new ScriptFailed('the emulated kernel does not come to rest');
  }

  // -- system calls ------------------------------------------------------------------------------------------------

  #call(event: Event, call: SystemCall, base: number): void {
    this.#finishPending();
    const attempt = this.#system.begin(call);
    const result = attempt();
    if (call.ends === null) {
      if (result === null) throw new ScriptFailed(`${call.name}() blocks`);
      this.#judge(call, result);
    } else {
      const ends = (event.when.kind === 'relative' ? base : START_NS) + call.ends * 1000;
      if (result === null) this.#pending = { event, call, attempt, ends };
      else {
        this.#judge(call, result);
        this.#judgeTime('returned', this.#now, ends, ends);
      }
    }
    if (call.name === 'connect' && this.#system.connecting) {
      this.#system.connecting = false;
      const local = this.#system.subject?.localPort ?? PORT;
      this.#flow = new Flow(local, this.#system.subject?.remotePort || PORT, this.#exact);
    }
  }

  #lookAfterPending(): void {
    const p = this.#pending;
    if (p === null) return;
    const result = p.attempt();
    if (result === null) return;
    this.#pending = null;
    const { line } = this;
    this.line = p.event.line;
    this.#judge(p.call, result);
    this.#judgeTime(`${p.call.name}() returned`, this.#now, p.ends, p.ends);
    this.line = line;
  }

  #finishPending(): void {
    const p = this.#pending;
    if (p === null) return;
    this.#advance(Math.max(this.#now, p.ends + this.#tolerance));
    if (this.#pending === null) return;
    this.line = p.event.line;
    throw new ScriptFailed(`${p.call.name}() still blocks`);
  }

  #judge(call: SystemCall, result: Result): void {
    const errno = result.errno ?? '';
    const got = `${call.name}() = ${result.value}${errno === '' ? '' : ` ${errno}`}`;
    if (call.errno !== null ? !sameErrno(call.errno, errno) : errno !== '') {
      throw new ScriptFailed(`${got}, expected ${call.errno ?? 'no error'}`);
    }
    if (call.result.kind !== 'ellipsis' && numberOf(call.result) !== result.value) {
      throw new ScriptFailed(`${got}, expected ${numberOf(call.result)}`);
    }
    if (result.mismatch !== undefined) throw new ScriptFailed(`${call.name}(): ${result.mismatch}`);
  }

  // -- packets -----------------------------------------------------------------------------------------------------

  #inject(p: TcpPacketSpec): void {
    if ((p.flags & (SYN | ACK)) === SYN && this.#system.listening) {
      this.#system.listening = false;
      this.#flow = new Flow(p.ports?.[1] ?? PORT, p.ports?.[0] ?? FIRST_PORT + this.#flows++, this.#exact);
    }
    const bytes = writeSegment(this.#flow.inbound(p, ++this.#ids & 0xffff));
    if (bytes === null) throw new NotApplicable('TCP options that fill no whole words');
    this.#tun.inject(bytes);
  }

  #icmp(p: IcmpPacketSpec, when: When, base: number): void {
    const numbers = icmpNumbers(p.type, p.code);
    if (numbers === null) throw new NotApplicable(`ICMP ${p.type} ${p.code}`);
    if (p.out) {
      const sent = this.#next(when, base);
      if (sent.bytes[9] !== 1 || sent.bytes[20] !== numbers[0] || sent.bytes[21] !== numbers[1]) {
        throw new ScriptFailed(`expected ICMP ${p.type}, got ${this.#show(sent)}`);
      }
      return;
    }
    const quoted = writeSegment({
      source: LOCAL,
      destination: REMOTE,
      sourcePort: this.#flow.localPort,
      destinationPort: this.#flow.remotePort,
      sequence: this.#flow.live(p.quoted?.sequence ?? 1),
      ack: 0,
      flags: ACK,
      window: 0,
      urgent: 0,
      options: [],
      payload: new Uint8Array(p.quoted?.length ?? 0),
      tos: 0,
      ttl: 64,
      id: 1,
      fragment: 0x4000,
    })!;
    this.#tun.inject(writeIcmp(REMOTE, LOCAL, numbers, p.mtu, quoted));
  }

  /** Waits for the next packet to leave; one of another connection does not count. */
  #next(when: When, base: number): Sent {
    const until = when.kind === 'any' ? base + PATIENCE_NS : dueAt(when, base) + PATIENCE_NS;
    for (let i = 0; ; i++) {
      for (let sent = this.#tun.sent.shift(); sent !== undefined; sent = this.#tun.sent.shift()) {
        const s = readSegment(sent.bytes);
        if (typeof s === 'string' || this.#flow.owns(s)) return sent;
      }
      const next = this.#world.sim.nextTime();
      if (next < 0 || next > until || i > EVENTS_MAX) throw new ScriptFailed('no packet left');
      this.#lookAfterPending();
      this.#world.sim.runUntil(until, 1);
    }
  }

  #expect(p: TcpPacketSpec, when: When, base: number): void {
    let done = 0;
    do {
      const sent = this.#next(when, base);
      this.#advance(this.#now + READING_NS);
      const segment = readSegment(sent.bytes);
      if (typeof segment === 'string') throw new ScriptFailed(`a packet left with ${segment}`);
      const covered = this.#flow.outbound(p, segment, done, this.#strict, this.#stampTolerance);
      if (typeof covered === 'string') throw new ScriptFailed(covered);
      if (when.kind === 'range') {
        const from = when.relative ? base : START_NS;
        this.#judgeTime('left', sent.at, from + when.from * 1000, from + when.to * 1000);
      } else if (when.kind !== 'any') {
        this.#judgeTime('left', sent.at, dueAt(when, base), dueAt(when, base));
      }
      done += covered;
    } while (done < p.length);
  }

  #judgeTime(what: string, at: number, from: number, to: number): void {
    if (at >= from - this.#tolerance && at <= to + this.#tolerance) return;
    const off = ((at < from ? at - from : at - to) / 1e6).toFixed(3);
    throw new ScriptFailed(`${what} ${off} ms off its time`);
  }

  #show(sent: Sent): string {
    const s = readSegment(sent.bytes);
    return typeof s === 'string' ? `a packet with ${s}` : this.#flow.show(s);
  }

  // -- %{ }% ---------------------------------------------------------------------------------------------------------

  #name(name: string): Value | undefined {
    const constant = CONSTANTS[name];
    if (constant !== undefined) return constant;
    if (!name.startsWith('tcpi_')) return undefined;
    const { subject } = this.#system;
    if (subject === null) throw new ScriptFailed('no connection to ask for its tcp_info');
    const info = subject.info() as unknown as Record<string, unknown>;
    const key = name.slice(5).replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const value = info[key];
    return typeof value === 'boolean' ? (value ? 1 : 0) : (value as Value | undefined);
  }
}

const CONSTANTS: Readonly<Record<string, number>> = {
  TCP_CA_Open: 0,
  TCP_CA_Disorder: 1,
  TCP_CA_CWR: 2,
  TCP_CA_Recovery: 3,
  TCP_CA_Loss: 4,
  TCP_ESTABLISHED: 1,
  TCP_SYN_SENT: 2,
  TCP_SYN_RECV: 3,
  TCP_FIN_WAIT1: 4,
  TCP_FIN_WAIT2: 5,
  TCP_TIME_WAIT: 6,
  TCP_CLOSE: 7,
  TCP_CLOSE_WAIT: 8,
  TCP_LAST_ACK: 9,
  TCP_LISTEN: 10,
  TCP_CLOSING: 11,
};

/** ns; of a range its end. */
function dueAt(when: When, base: number): number {
  if (when.kind === 'any') return base;
  if (when.kind === 'range') return (when.relative ? base : START_NS) + when.to * 1000;
  return (when.kind === 'relative' ? base : START_NS) + when.at * 1000;
}
