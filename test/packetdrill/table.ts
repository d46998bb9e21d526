// Plays scripts and keeps the table of how they ended.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseScript } from './parser.ts';
import { type Outcome, runScript } from './run.ts';
import { SyntaxFault } from './syntax.ts';

/** Set in the environment: play only scripts whose names hold this. */
const ONLY = process.env.PACKETDRILL ?? '';

/** Names of the scripts in a directory, without their ending. */
export function scriptsIn(directory: string): string[] {
  return readdirSync(directory)
    .filter((f) => f.endsWith('.pkt') && f.includes(ONLY))
    .map((f) => f.slice(0, -4))
    .sort();
}

/** What gVisor's own runner gives packetdrill (test/packetdrill/packetdrill_test.sh). */
const GVISOR_OPTIONS = '--tolerance_usecs=100000\n';

export class Table {
  readonly #directory: string;
  readonly #rows: { readonly name: string; readonly outcome: Outcome }[] = [];

  constructor(directory: string) {
    this.#directory = directory;
  }

  play(name: string, exact = false): Outcome {
    let outcome: Outcome;
    const text = readFileSync(join(this.#directory, `${name}.pkt`), 'utf8');
    try {
      outcome = runScript(parseScript(name.startsWith('gvisor-') ? GVISOR_OPTIONS + text : text), exact);
    } catch (e) {
      if (!(e instanceof SyntaxFault)) throw e;
      outcome = { verdict: 'failed', why: e.message };
    }
    this.#rows.push({ name, outcome });
    return outcome;
  }

  print(title: string): void {
    const count = (verdict: string): number => this.#rows.filter((r) => r.outcome.verdict === verdict).length;
    const sums = ['passed', 'failed', 'not applicable'].map((v) => `${count(v)} ${v}`).join(', ');
    const rows = this.#rows.map((r) => {
      const { verdict, why } = r.outcome;
      return `${verdict.padEnd(15)}${r.name}${why === '' ? '' : `\n               ${why}`}`;
    });
    console.info(`${title}: ${sums}\n${rows.join('\n')}`);
  }
}
