// Has the real kernel play scripts and writes down what it does: `npx tsx test/packetdrill/record.ts SCRIPT...` (root, a
// kernel with /dev/net/tun, python3) replaces the packets that should leave by those that did. So our own scripts in
// scripts/ are the kernel's behaviour, not our opinion of it. Times become absolute; what leaves later than a few
// milliseconds after its cause gets a range, as wide as the kernel's timer wheel is coarse.

import { readFileSync, writeFileSync } from 'node:fs';
import { parseScript } from './parser.ts';
import { Recorder } from './recorder.ts';

/** How long after the last event the kernel is listened to, ms. */
const LINGER_MS = 300;

for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, 'utf8');
  const head = text.split('\n').filter((_, i, all) => all.slice(0, i + 1).every((x) => /^(\/\/|--|$|`.*`$)/.test(x)));
  const lines = await new Recorder().record(parseScript(text), LINGER_MS);
  writeFileSync(file, `${head.join('\n').trimEnd()}\n\n${lines.join('\n')}\n`);
  console.info(`${file}: ${lines.length} lines`);
}
