// socat: the command around apps/socat.ts.

import { Socat } from '../../apps/socat.ts';
import { parseSocatAddress } from '../../apps/socat-address.ts';
import { NS_PER_S } from '../../sim/sim.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { runWithFiles } from './program-files.ts';

/** socat's default for -t */
const END_WAIT_S = 0.5;
/** Longest wait that virtual time tells to the nanosecond. */
const SECONDS_MAX = 1_000_000;

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  const fail = (text: string): number => {
    ctx.err(`socat[${ctx.pid}] E ${text}\n`);
    return 1;
  };
  let oneWay = false;
  let reversed = false;
  let endWait = END_WAIT_S;
  let idle = 0;
  const addresses: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (addresses.length > 0 || word === '-' || !word.startsWith('-')) {
      addresses.push(word);
      continue;
    }
    const timed = /^-([tT])(.*)$/.exec(word);
    if (timed !== null) {
      const text = timed[2] !== '' ? timed[2]! : (args[++i] ?? '');
      if (!/^\d*\.?\d+$/.test(text)) return fail(`-${timed[1]}: no time in "${text}"`);
      const seconds = Math.min(Number(text), SECONDS_MAX);
      if (timed[1] === 't') endWait = seconds;
      else idle = seconds;
    } else if (word === '-u') oneWay = true;
    else if (word === '-U') reversed = true;
    else if (!/^-(d+|v|x|4|s)$/.test(word)) return fail(`unknown option "${word}"; use option "-h" for help`);
  }
  if (addresses.length !== 2)
    return fail(`exactly 2 addresses required (there are ${addresses.length}); use option "-h" for help`);
  const [first, second] = addresses.map(parseSocatAddress);
  if (typeof first === 'string') return fail(first);
  if (typeof second === 'string') return fail(second);
  return runWithFiles(
    ctx,
    (files) =>
      new Socat(ctx, {
        left: reversed ? second! : first!,
        right: reversed ? first! : second!,
        oneWay: oneWay || reversed,
        endWait: Math.round(endWait * NS_PER_S),
        idle: Math.round(idle * NS_PER_S),
        input: new TextEncoder().encode(ctx.stdin),
        files,
        resolvePath: (path) => ctx.resolve(path),
      }),
  );
}

export const commands: readonly ShellCommand[] = [{ name: 'socat', summary: 'joins two addresses', run }];
