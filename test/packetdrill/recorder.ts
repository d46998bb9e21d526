// Has the real kernel play a script (kernel.py) and tells what left: the script's events at absolute times with the
// packets between them, in the script's numbers.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Flow } from './flow.ts';
import type { Event, Expression, Script, SystemCall } from './syntax.ts';
import { PORT, patternBytes } from './system.ts';
import { LOCAL, REMOTE } from './tun.ts';
import { field, itemsOf, nameOf, numberOf } from './values.ts';
import { ACK, icmpNumbers, readSegment, SYN, writeIcmp, writeSegment } from './wire.ts';

/** What follows within this time follows at once, ms. */
const AT_ONCE_MS = 3;

interface Answer {
  readonly result: number | readonly number[];
  readonly errno: string | null;
  /** ms */
  readonly at: number;
}

/** CLOCK_MONOTONIC, which kernel.py stamps with too, ms. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** A line of kernel.py; `at` in ns. */
interface Message {
  readonly at: number;
  readonly out?: string;
  readonly ready?: boolean;
  readonly answer?: number;
  readonly result?: number | readonly number[];
  readonly errno?: string | null;
}

/** kernel.py in a network namespace of its own. */
class Kernel {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, (a: Answer) => void>();
  #ready: (() => void) | null = null;
  #number = 0;
  readonly sent: { readonly at: number; readonly bytes: Uint8Array }[] = [];

  constructor() {
    this.#process = spawn('unshare', ['-n', 'python3', `${import.meta.dirname}/kernel.py`]);
    this.#process.stderr.pipe(process.stderr);
    createInterface({ input: this.#process.stdout }).on('line', (line) => this.#hear(JSON.parse(line) as Message));
  }

  #hear(m: Message): void {
    const at = m.at / 1e6;
    if (m.out !== undefined) this.sent.push({ at, bytes: Buffer.from(m.out, 'hex') });
    else if (m.ready === true) {
      this.#ready?.();
    } else if (m.answer !== undefined) {
      this.#waiting.get(m.answer)?.({ result: m.result ?? 0, errno: m.errno ?? null, at });
      this.#waiting.delete(m.answer);
    }
  }

  #say(command: object): void {
    // After end() whoever still plays the script talks to nobody.
    if (this.#process.stdin.writable) this.#process.stdin.write(`${JSON.stringify(command)}\n`);
  }

  begin(mtu: number): Promise<void> {
    this.#say({ mtu });
    return new Promise((resolve) => (this.#ready = resolve));
  }

  sysctl(name: string, value: string): void {
    this.#say({ sysctl: name, value });
  }

  inject(bytes: Uint8Array): void {
    this.#say({ inject: Buffer.from(bytes).toString('hex') });
  }

  call(name: string, fd: number, args: readonly unknown[], blocks: boolean): Promise<Answer> {
    const number = ++this.#number;
    this.#say({ number, call: name, fd, args, blocks });
    return new Promise((resolve) => this.#waiting.set(number, resolve));
  }

  end(): void {
    this.#process.stdin.end();
    this.#process.kill('SIGKILL');
  }
}

/** Numbers of socket options on Linux (x86-64): level and name. */
const OPTIONS: Readonly<Record<string, readonly [number, number]>> = {
  SO_REUSEADDR: [1, 2],
  SO_ERROR: [1, 4],
  SO_SNDBUF: [1, 7],
  SO_RCVBUF: [1, 8],
  SO_KEEPALIVE: [1, 9],
  SO_OOBINLINE: [1, 10],
  SO_LINGER: [1, 13],
  SO_REUSEPORT: [1, 15],
  SO_RCVLOWAT: [1, 18],
  IP_TOS: [0, 1],
  IP_TTL: [0, 2],
  IP_MTU_DISCOVER: [0, 10],
  TCP_NODELAY: [6, 1],
  TCP_MAXSEG: [6, 2],
  TCP_CORK: [6, 3],
  TCP_KEEPIDLE: [6, 4],
  TCP_KEEPINTVL: [6, 5],
  TCP_KEEPCNT: [6, 6],
  TCP_SYNCNT: [6, 7],
  TCP_LINGER2: [6, 8],
  TCP_DEFER_ACCEPT: [6, 9],
  TCP_QUICKACK: [6, 12],
  TCP_CONGESTION: [6, 13],
  TCP_USER_TIMEOUT: [6, 18],
  TCP_NOTSENT_LOWAT: [6, 25],
};
const IOCTLS: Readonly<Record<string, number>> = { SIOCINQ: 0x541b, SIOCOUTQ: 0x5411, SIOCOUTQNSD: 0x894b };

/** A system call of a script as kernel.py knows it. */
function translate(c: SystemCall, written: Map<number, number>): [name: string, fd: number, args: unknown[]] {
  const arg = (i: number): Expression => c.args[i]!;
  const at = (i: number): number => numberOf(arg(i));
  const to = (e: Expression): number => (e.kind === 'ellipsis' ? PORT : numberOf(field(e, 'sin_port')!));
  const expected = c.result.kind === 'number' ? c.result.value : 0;
  const send = (length: number, flags: number): [string, number, unknown[]] => {
    const from = written.get(at(0)) ?? 0;
    if (expected > 0) written.set(at(0), from + expected);
    return ['send', at(0), [Buffer.from(patternBytes(from, length)).toString('hex'), flags]];
  };
  const option = (): readonly [number, number] => OPTIONS[nameOf(arg(2))]!;
  switch (c.name) {
    case 'socket':
      return ['socket', expected, [expected]];
    case 'bind':
    case 'connect':
      return [c.name, at(0), [to(arg(1))]];
    case 'accept':
      return ['accept', at(0), [expected]];
    case 'write':
      return send(at(2), 0);
    case 'send':
      return send(at(2), at(3));
    case 'read':
      return ['recv', at(0), [at(2), 0]];
    case 'recv':
      return ['recv', at(0), [at(2), at(3)]];
    case 'fcntl':
      return ['blocking', at(0), [(at(2) & 0o4000) === 0]];
    case 'setsockopt': {
      const e = arg(3);
      const value =
        e.kind === 'struct'
          ? e.fields.map((f) => numberOf(f.value))
          : itemsOf(e).map((i) => (i.kind === 'string' ? i.value : numberOf(i)));
      return ['setsockopt', at(0), [...option(), typeof value[0] === 'string' ? value[0] : value]];
    }
    case 'getsockopt':
      return ['getsockopt', at(0), [...option()]];
    case 'ioctl':
      return ['ioctl', at(0), [IOCTLS[nameOf(arg(1))]]];
    default:
      return [c.name, at(0), c.args.slice(1).map(numberOf)];
  }
}

const seconds = (ms: number): string => (Math.max(0, ms) / 1000).toFixed(3);

export class Recorder {
  readonly #kernel = new Kernel();
  readonly #written = new Map<number, number>();
  #flow = new Flow(PORT, 40_001);
  #flows = 0;
  #listening = false;
  #connecting = false;
  #ids = 0;
  #start = 0;
  #lines: string[] = [];
  #reported = 0;
  /** when the last event was really carried out, ms since the start */
  #acted = 0;

  /** @param linger how long after the last event the kernel is listened to, ms */
  async record(script: Script, linger: number): Promise<string[]> {
    const { options, setup, events } = script;
    await this.#kernel.begin(Number(options.get('mtu') ?? 1500));
    for (const text of setup) {
      for (const m of text.matchAll(/([\w./]+)=("[^"]*"|\S+)/g)) {
        this.#kernel.sysctl(m[1]!.replaceAll('/', '.'), m[2]!.replaceAll('"', ''));
      }
    }
    await sleepUntil(now() + 20);
    this.#start = now();
    let due = 0;
    let before = 0;
    for (const event of events) {
      const { when, action } = event;
      if (action.kind === 'tcp' && action.out) continue;
      if (when.kind === 'absolute') due = when.at / 1000;
      else if (when.kind === 'relative') due += when.at / 1000;
      await sleepUntil(this.#start + due);
      this.#report(before);
      before = due;
      await this.#event(event, due);
    }
    await sleepUntil(now() + linger);
    this.#report(due);
    this.end();
    return this.#lines;
  }

  end(): void {
    this.#kernel.end();
  }

  async #event(event: Event, due: number): Promise<void> {
    const { action } = event;
    this.#acted = now() - this.#start;
    this.#lines.push(`${seconds(due)} ${event.source}`);
    if (action.kind === 'tcp') {
      if ((action.flags & (SYN | ACK)) === SYN && this.#listening) {
        this.#listening = false;
        this.#flow = new Flow(PORT, 40_001 + this.#flows++);
      }
      this.#kernel.inject(writeSegment(this.#flow.inbound(action, ++this.#ids))!);
    } else if (action.kind === 'icmp') {
      const quoted = writeSegment({
        ...this.#flow.inbound({ ...NOTHING, length: action.quoted?.length ?? 0 }, 1),
        source: LOCAL,
        destination: REMOTE,
        sourcePort: this.#flow.localPort,
        destinationPort: this.#flow.remotePort,
        sequence: this.#flow.live(action.quoted?.sequence ?? 1),
      })!;
      this.#kernel.inject(writeIcmp(REMOTE, LOCAL, icmpNumbers(action.type, action.code)!, action.mtu, quoted));
    } else if (action.kind === 'call') {
      if (action.name === 'listen') this.#listening = true;
      if (action.name === 'connect') this.#connecting = true;
      const blocks = action.ends !== null;
      const answer = this.#kernel.call(...translate(action, this.#written), blocks);
      if (!blocks) {
        const a = await answer;
        if (action.result.kind === 'ellipsis') this.#learn(action, a);
        else this.#compare(event, action, a);
      } else void answer.then((a) => this.#compare(event, action, a));
    } else if (action.kind === 'python') {
      // Compared on our side only; told, so that a script can be written by it.
      const { result } = await this.#kernel.call('info', 4, [], false);
      const info = Buffer.from(result as number[]);
      const word = (at: number): number => info.readUInt32LE(at);
      const fields = `ca_state ${info[1]} unacked ${word(24)} rtt ${word(68)} ssthresh ${word(76)} cwnd ${word(80)}`;
      console.info(`line ${event.line}: tcp_info: ${fields}`);
    } else throw new Error(`cannot record ${event.source}`);
    // The kernel answers at once, but in its own thread.
    const quiet = action.kind === 'call' && SILENT_CALLS.includes(action.name);
    if (!quiet) await sleepUntil(now() + AT_ONCE_MS);
    this.#report(due);
  }

  /** A result that the script leaves open: what the kernel gave is written down. */
  #learn(c: SystemCall, a: Answer): void {
    if (c.name === 'write' && a.result !== -1) {
      const fd = numberOf(c.args[0]!);
      this.#written.set(fd, (this.#written.get(fd) ?? 0) + (a.result as number));
    }
    const result = `${a.result}${a.errno === null ? '' : ` ${a.errno}`}`;
    this.#lines.push(this.#lines.pop()!.replace(/= \.\.\.$/, `= ${result}`));
  }

  #compare(event: Event, c: SystemCall, a: Answer): void {
    if (c.name === 'ioctl' || c.name === 'getsockopt') {
      const wanted = itemsOf(c.args[c.name === 'ioctl' ? 2 : 3]!)[0]!;
      if (wanted.kind !== 'ellipsis' && numberOf(wanted) !== a.result) {
        console.error(`line ${event.line}: ${event.source}: the kernel says ${a.result}`);
      }
      return;
    }
    const expected = c.result.kind === 'number' ? c.result.value : a.result;
    if (expected !== a.result || (c.errno ?? null) !== a.errno) {
      console.error(`line ${event.line}: ${event.source}: the kernel says ${a.result} ${a.errno ?? ''}`);
    }
    if (c.ends !== null) console.error(`line ${event.line}: returned after ${(a.at - this.#start).toFixed(1)} ms`);
  }

  /** Writes what left since the last look, after the event at `due` ms. */
  #report(due: number): void {
    for (; this.#reported < this.#kernel.sent.length; this.#reported++) {
      const { at, bytes } = this.#kernel.sent[this.#reported]!;
      const s = readSegment(bytes);
      if (typeof s === 'string') {
        console.error(`a packet with ${s}`);
        continue;
      }
      if (this.#connecting && (s.flags & SYN) !== 0) {
        this.#connecting = false;
        this.#flow = new Flow(s.sourcePort, s.destinationPort);
      }
      if (!this.#flow.owns(s)) continue;
      this.#flow.outbound({ ...NOTHING, flags: s.flags }, s, 0, false, null);
      const elapsed = at - this.#start;
      const after = elapsed - this.#acted;
      // The wheel is late by up to an eighth and two ticks of 4 ms; earlier than asked it never is.
      const when =
        after < AT_ONCE_MS ? seconds(due) : `${seconds(due + after * 0.885 - 8)}~${seconds(due + after * 1.13 + 8)}`;
      this.#lines.push(`${when} ${this.#flow.show(s)}`);
    }
  }
}

/** Calls after which nothing leaves. */
const SILENT_CALLS = ['socket', 'bind', 'listen', 'accept', 'fcntl', 'getsockopt', 'ioctl'];

const NOTHING = {
  kind: 'tcp',
  out: true,
  ip: { ecn: null, tos: null, ttl: null },
  ports: null,
  flags: ACK,
  sequence: 0,
  length: 0,
  ack: null,
  window: null,
  urgent: null,
  options: null,
} as const;

function sleepUntil(time: number): Promise<void> {
  const left = time - now();
  return left <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, left));
}
