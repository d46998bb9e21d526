// Writes flag-answers.json: `npx tsx test/packetdrill/record-flags.ts [STATE/FLAGS/LENGTH ...]` (root, a kernel with
// /dev/net/tun, python3). With names only those are asked anew.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type Answers, FLAGS, LENGTHS, probes, STATES } from './flag-scripts.ts';
import { parseScript } from './parser.ts';
import { Recorder } from './recorder.ts';

/** Kernels asked at the same time. */
const WORKERS = 4;
const PATIENCE_MS = 2000;
const LINGER_MS = 10;

const FILE = `${import.meta.dirname}/flag-answers.json`;
const names = process.argv.slice(2);
const wanted = Object.keys(STATES)
  .flatMap((state) => FLAGS.flatMap((flags) => LENGTHS.map((length) => [state, flags, length] as const)))
  .filter((w) => names.length === 0 || names.includes(w.join('/')));
const known = existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Answers) : {};
const answers = new Map<string, Answers[string]>(Object.entries(known));

/** One answer, or null when the machine was too slow for the script's times: a packet of the way there is missing. */
async function ask(state: string, flags: string, length: number): Promise<Answers[string] | null> {
  const [odd, after] = probes(state, flags, length);
  const way = STATES[state]![0];
  const recorder = new Recorder();
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), PATIENCE_MS));
  const lines = await Promise.race([recorder.record(parseScript(`${way}${odd}\n${after}\n`), LINGER_MS), late]);
  recorder.end();
  if (lines === null || lines.indexOf(odd) !== way.split('\n').length - 1) return null;
  const left = (from: string, to: string | null): string[] => {
    const end = to === null ? lines.length : lines.indexOf(to);
    return lines.slice(lines.indexOf(from) + 1, end).map((l) => l.replace(/^[\d.~]+ /, ''));
  };
  return [left(odd, after), left(after, null)];
}

async function work(): Promise<void> {
  for (let next = wanted.shift(); next !== undefined; next = wanted.shift()) {
    const answer = await ask(...next);
    if (answer === null) wanted.push(next);
    else answers.set(`${next[0]}/${next[1]}/${next[2]}`, answer);
  }
}

await Promise.all(Array.from({ length: WORKERS }, work));
const sorted = [...answers]
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([k, v]) => `  ${JSON.stringify(k)}: ${JSON.stringify(v)}`);
writeFileSync(FILE, `{\n${sorted.join(',\n')}\n}\n`);
