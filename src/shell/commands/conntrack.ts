// conntrack(8) 1.4.7: lists, watches and deletes the connections of the namespace. Creating entries by hand (-I) and the
// expectation table (helpers) are not emulated.

import { CtMessage } from '../../netfilter/conntrack/conntrack-event.ts';
import type { NfConn } from '../../netfilter/conntrack/nf-conn.ts';
import { netfilterOf } from '../../stack/netfilter-host.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { type ConntrackCall, ConntrackUsage, parseConntrack } from './conntrack-filter.ts';
import { type EntryFormat, entryText, messageText } from './conntrack-format.ts';

const VERSION = 'conntrack v1.4.7 (conntrack-tools)';
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** Processors of the machine that `-S` lists; a choice: one thread of packets. */
const PROCESSORS = 1;
/** signal(7) */
const SIGKILL = 9;

function failed(ctx: ShellContext, text: string, status: number): number {
  ctx.err(`${VERSION}: ${text}\n`);
  if (status === EXIT_USAGE) ctx.err("Try `conntrack -h' or 'conntrack --help' for more information.\n");
  return status;
}

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  let call: ConntrackCall;
  try {
    call = parseConntrack(args);
  } catch (error) {
    if (error instanceof ConntrackUsage) return failed(ctx, error.message, EXIT_USAGE);
    throw error;
  }
  const { conntrack } = netfilterOf(ctx.netns);
  const chosen = (): NfConn[] =>
    call.table === 'conntrack' ? conntrack.list().filter((ct) => call.tests.every((test) => test(ct))) : [];
  switch (call.command) {
    case 'L': {
      const found = chosen();
      if (call.table === 'expect') ctx.err(`${VERSION}: 0 expectations have been shown.\n`);
      else if (call.output.has('xml') || call.output.has('save')) {
        return failed(ctx, `podwire does not write this output format yet`, EXIT_FAILED);
      } else showCount(ctx, found.length, 'shown');
      for (const ct of found) ctx.out(`${entryText(ct, formatOf(call, null))}\n`);
      return 0;
    }
    case 'D': {
      const found = chosen();
      showCount(ctx, found.length, 'deleted');
      for (const ct of found) {
        ctx.out(`${entryText(ct, formatOf(call, null))}\n`);
        conntrack.kill(ct, true);
      }
      return found.length > 0 ? 0 : EXIT_FAILED;
    }
    case 'U': {
      const found = chosen();
      showCount(ctx, found.length, 'updated');
      for (const ct of found) {
        if (call.mark !== null) ct.mark = (ct.mark & ~call.mark.mask) | call.mark.value;
        ctx.out(`${held(entryText(ct, formatOf(call, null)))}\n`);
      }
      return found.length > 0 ? 0 : EXIT_FAILED;
    }
    case 'G': {
      const found = chosen()[0];
      if (found === undefined) return failed(ctx, "Operation failed: such conntrack doesn't exist", EXIT_FAILED);
      showCount(ctx, 1, 'shown');
      ctx.out(`${held(entryText(found, formatOf(call, null)))}\n`);
      return 0;
    }
    case 'F':
      conntrack.killAll(() => true, true);
      ctx.err(`${VERSION}: connection tracking table has been emptied.\n`);
      return 0;
    case 'C':
      ctx.out(`${conntrack.count}\n`);
      return 0;
    case 'S':
      for (let cpu = 0; cpu < PROCESSORS; cpu++) {
        const counters = Object.entries(conntrack.stats).map(([name, value]) => `${name}=${value}`);
        ctx.out(`cpu=${String(cpu).padEnd(4)}\t${counters.join(' ')} \n`);
      }
      return 0;
    case 'E':
      return watch(call, ctx);
    case 'V':
      ctx.out(`${VERSION}\n`);
      return 0;
    case 'I':
    case 'A':
      return failed(ctx, 'podwire does not emulate entries made by hand yet', EXIT_FAILED);
    default:
      ctx.out(
        'Usage: conntrack [commands] [options]\n\nCommands:\n' +
          '  -L  list, -G  get, -D  delete, -U  update mark, -E  show events, -F  flush, -C  count, -S  statistics\n',
      );
      return 0;
  }
}

/** An entry that is asked for by itself is held by the one who asks while it is written. */
function held(text: string): string {
  return text.replace('use=1', 'use=2');
}

function formatOf(call: ConntrackCall, event: CtMessage | null): EntryFormat {
  return { id: call.output.has('id'), extended: call.output.has('extended'), event };
}

function showCount(ctx: ShellContext, count: number, what: string): void {
  ctx.err(`${VERSION}: ${count} flow entries have been ${what}.\n`);
}

/** -E: until a signal ends it; then it says how many events there were. */
function watch(call: ConntrackCall, ctx: ShellContext): Promise<number> {
  const { conntrack } = netfilterOf(ctx.netns);
  let shown = 0;
  return ctx.process.wait<number>((resume) => {
    const stop = conntrack.listen((message, ct, byUser) => {
      if (!isWanted(call, message) || !call.tests.every((test) => test(ct))) return;
      shown++;
      const stamp = call.output.has('timestamp') ? `[${timestamp(ctx)}]\t` : '';
      const user = byUser ? ' [USERSPACE]' : '';
      ctx.out(`${stamp}${messageText(message)}${entryText(ct, formatOf(call, message))}${user}\n`);
    });
    return (signal) => {
      stop();
      if (signal === SIGKILL) return;
      ctx.err(`${VERSION}: ${shown} flow events have been shown.\n`);
      resume(0);
    };
  });
}

function isWanted(call: ConntrackCall, message: CtMessage): boolean {
  const { messages } = call;
  if (messages.size === 0 || messages.has('ALL')) return true;
  return messages.has(message === CtMessage.UPDATE ? 'UPDATES' : message) || messages.has(message);
}

/** Seconds and microseconds of the wall clock. */
function timestamp(ctx: ShellContext): string {
  const us = ctx.wallClock() / 1000n;
  return `${us / 1_000_000n}.${String(us % 1_000_000n).padStart(6, '0')}`;
}

const conntrack: ShellCommand = { name: 'conntrack', summary: 'list, watch and delete tracked connections', run };

export const commands: readonly ShellCommand[] = [conntrack];
