// Proves that iptables, iptables-save and iptables-restore answer as iptables 1.8.9 with nf_tables does on a real kernel:
// output, words and exit statuses, call by call.

import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/rng.ts';
import { IpTables } from '../../src/netfilter/xtables/ip-tables.ts';
import { splitWords } from '../../src/netfilter/xtables/iptables-restore.ts';
import {
  parseRestoreArguments,
  runIptables,
  runIptablesRestore,
  runIptablesSave,
} from '../../src/netfilter/xtables/iptables-run.ts';
import { DELETIONS, EXTENSIONS, LISTINGS, MISTAKES, RESTORES } from './iptables-calls.ts';
import { kernelTablesMissing } from './kernel-tables.ts';
import { randomTable } from './random-rules.ts';
import { TestHost } from './test-host.ts';

const missing = kernelTablesMissing();
if (missing !== null) console.warn(`iptables-kernel.test: skipped (${missing})`);

/** argv, and what standard input holds */
interface Call {
  readonly argv: readonly string[];
  readonly stdin: string;
}

interface Answer {
  readonly call: string;
  readonly out: string;
  readonly err: string;
  readonly status: number;
}

const DATE = 'Thu Jan  1 00:00:00 1970';

function here(calls: readonly Call[]): Answer[] {
  const tables = new IpTables(new TestHost());
  return calls.map(({ argv, stdin }) => {
    const [name = '', ...rest] = argv;
    let out = '';
    let err = '';
    const io = {
      name,
      out: (text: string) => {
        out += text;
      },
      err: (text: string) => {
        err += text;
      },
    };
    let status: number;
    if (name === 'iptables-save') status = runIptablesSave(tables, rest, io, DATE);
    else if (name === 'iptables-restore') {
      const options = parseRestoreArguments(rest, io);
      status = options.status ?? runIptablesRestore(tables, stdin, options, io);
    } else status = runIptables(tables, rest, io);
    return { call: argv.join(' '), out, err, status };
  });
}

const SERVANT = `
import json, subprocess, sys
answers = []
for call in json.load(sys.stdin):
    r = subprocess.run(call['argv'], input=call['stdin'], capture_output=True, text=True)
    answers.append({'out': r.stdout, 'err': r.stderr, 'status': r.returncode})
json.dump(answers, sys.stdout)
`;

function onKernel(calls: readonly Call[]): Answer[] {
  const run = spawnSync('unshare', ['-n', 'python3', '-c', SERVANT], {
    input: JSON.stringify(calls),
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  const answers = JSON.parse(run.stdout) as Omit<Answer, 'call'>[];
  return answers.map((a, i) => ({
    call: calls[i]!.argv.join(' '),
    out: a.out.replaceAll(/ on \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/gm, ` on ${DATE}`),
    err: a.err,
    status: a.status,
  }));
}

const call = (line: string, stdin = ''): Call => ({ argv: splitWords(line).map((w) => w.text), stdin });

describe.skipIf(missing !== null)('as the real iptables', () => {
  for (const [title, lines] of [
    ['mistakes', MISTAKES],
    ['listings', LISTINGS],
    ['extensions', EXTENSIONS],
    ['deletions', DELETIONS],
  ] as const) {
    it(title, () => {
      const calls = lines.map((line) => call(line));
      expect(here(calls)).toEqual(onKernel(calls));
    }, 60_000);
  }

  it('iptables-restore', () => {
    for (const [text, options] of RESTORES) {
      const calls = [call(`iptables-restore ${options}`, text), call('iptables-save -c'), call('iptables -S')];
      expect({ text, answers: here(calls) }).toEqual({ text, answers: onKernel(calls) });
    }
  }, 60_000);

  it('random rules listed in every form', () => {
    const rng = new Rng(3, 'listed');
    // Sets are another program's; their matches are compared in ipset-kernel.test.ts.
    const without = (text: string): string =>
      text
        .split('\n')
        .filter((line) => !line.includes('match-set') && !line.includes('-set ip'))
        .join('\n');
    const text = without(
      randomTable(rng, 'mangle', 40, { stateful: true }) + randomTable(rng, 'filter', 40, { stateful: true }),
    );
    const calls = [
      call('iptables-restore', text),
      ...[
        'iptables-save',
        'iptables -L',
        'iptables -L -n -v',
        'iptables -t mangle -vL -x --line-numbers',
        'iptables -S',
      ].map((line) => call(line)),
    ];
    expect(here(calls)).toEqual(onKernel(calls));
  }, 60_000);
});
