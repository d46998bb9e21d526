// Writes random-recordings.txt: `npx tsx test/packetdrill/record-random.ts FIRST COUNT` (root, a kernel with /dev/net/tun,
// python3) has the real kernel play the random scripts of these seeds, twice. A script is kept when both recordings agree but
// for the times, and when no timer fired so near an event that the order of the two is chance.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseScript } from './parser.ts';
import { randomScript } from './random-script.ts';
import { Recorder } from './recorder.ts';

const FILE = process.env.RECORDINGS ?? `${import.meta.dirname}/random-recordings.txt`;
const WORKERS = 4;
const LINGER_MS = 60;
const PATIENCE_MS = 10_000;

const [first = 1, count = 10] = process.argv.slice(2).map(Number);
const seeds = Array.from({ length: count }, (_, i) => first + i);
const kept = new Map<number, string>();
if (existsSync(FILE)) {
  for (const part of readFileSync(FILE, 'utf8').split('#### seed ').slice(1)) {
    const end = part.indexOf('\n');
    kept.set(Number(part.slice(0, end)), part.slice(end + 1));
  }
}

async function record(seed: number): Promise<string[] | null> {
  const recorder = new Recorder();
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), PATIENCE_MS));
  const lines = await Promise.race([recorder.record(parseScript(randomScript(seed)), LINGER_MS), late]);
  recorder.end();
  return lines;
}

const timeless = (lines: readonly string[]): string =>
  lines.map((l) => (/^[\d.]+~/.test(l) ? l.replace(/^\S+/, '~') : l)).join('\n');

/** True when an event lies within the time in which a timer's packet may leave. */
function chancy(lines: readonly string[]): boolean {
  const events = lines.filter((l) => !/^\S+ >/.test(l)).map((l) => Number.parseFloat(l));
  return lines.some((l) => {
    const m = /^([\d.]+)~([\d.]+) >/.exec(l);
    return m !== null && events.some((e) => e > Number(m[1]) - 0.002 && e < Number(m[2]) + 0.002);
  });
}

async function work(): Promise<void> {
  for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
    const one = await record(seed);
    const two = one === null || chancy(one) ? null : await record(seed);
    if (one === null || two === null || timeless(one) !== timeless(two) || chancy(two)) continue;
    kept.set(seed, `\`sysctl -q net.ipv4.tcp_congestion_control=reno\`\n${one.join('\n')}\n\n`);
  }
}

await Promise.all(Array.from({ length: WORKERS }, work));
const sorted = [...kept].sort(([a], [b]) => a - b);
writeFileSync(FILE, sorted.map(([seed, text]) => `#### seed ${seed}\n${text}`).join(''));
console.info(`${sorted.length} kept`);
