// Proves that the configuration commands print and exit as the real ones do: each script runs on the real kernel, in
// namespaces of its own, and in the emulator; answers are compared line by line. Masked: random MACs (by order of first
// appearance), running timers, and the order of neighbours (the kernel's is by hash).

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EmulatedMachine } from './emulated.ts';
import { kernelMissing, runOnKernel } from './kernel.ts';

const missing = kernelMissing();
if (missing !== null) console.warn(`against-kernel: skipped: ${missing}`);

/** Masks what is drawn at random or runs with the clock; each side has its own numbering. */
function masker(script: string): (command: string, text: string) => string {
  const macs = new Map<string, string>();
  const fixed = /^(00:00:00:00|01:00:5e|01:80:c2|33:33|ff:ff:ff)/;
  const given = (full: string): boolean => fixed.test(full) || script.includes(full);
  const mac = (word: string): string => {
    const full = word
      .split(':')
      .map((byte) => byte.padStart(2, '0'))
      .join(':');
    if (given(full)) return word;
    if (!macs.has(full)) macs.set(full, `MAC${macs.size}`);
    return macs.get(full)!;
  };
  return (command, text) => {
    const masked = text
      .replaceAll(
        /\b([0-9a-f]{4})\.([0-9a-f]{1,2}(?::[0-9a-f]{1,2}){5})\b/g,
        (_, p: string, m: string) => `${p}.${mac(m)}`,
      )
      .replaceAll(
        /\b([0-9a-f]{4})\.([0-9a-f]{12})\b/g,
        (_, p: string, m: string) => `${p}.${mac(m.match(/../g)!.join(':'))}`,
      )
      .replaceAll(/\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b/g, mac)
      // Seconds since use: a busy host lets one more pass.
      .replaceAll(/\bused \d+\/\d+/g, 'used T/T')
      .replaceAll(/(gc_timer|forward_delay_timer)("?:?) ?\s*\d+\.\d\d/g, '$1$2 T');
    return / (n|neigh)( |$)|^arp/.test(command) ? sorted(masked) : masked;
  };
}

/** Lines, or the entries of a JSON list, in order. */
function sorted(text: string): string {
  return text
    .split(/\n|(?<=\}),(?=\{)/)
    .map((part) => part.replace(/^\[(?=\{)|(?<=\})\]$/g, ''))
    .sort()
    .join('\n');
}

describe.skipIf(missing !== null)('the commands answer as the real ones', () => {
  it.each(['refusals', 'words', 'topology', 'bridges'])('%s', { timeout: 60_000 }, async (name) => {
    const text = readFileSync(new URL(`scripts/${name}.txt`, import.meta.url), 'utf8');
    const lines = text.split('\n').filter((line) => line !== '');
    const real = runOnKernel(lines);
    const machine = new EmulatedMachine();
    await machine.run('sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1');
    const maskReal = masker(text);
    const maskOurs = masker(text);
    const expected: string[] = [];
    const found: string[] = [];
    for (const [i, line] of lines.entries()) {
      const ours = await machine.run(line);
      machine.pass(0.005);
      expected.push(`$ ${line} [${real[i]!.status}]\n${maskReal(line, real[i]!.out)}`);
      found.push(`$ ${line} [${ours.status}]\n${maskOurs(line, ours.out)}`);
    }
    expect(found).toEqual(expected);
  });
});
