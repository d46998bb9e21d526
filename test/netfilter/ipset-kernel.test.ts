// Proves that ipset answers as ipset 7.17 does on a real kernel: output, words and exit statuses, call by call. Members of
// hash types are listed here in the order in which they came and there by a secret hash: both are sorted before they are
// compared, and the hash's secret and the memory it takes are left out.

import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { runIpset } from '../../src/netfilter/ipset/ipset-run.ts';
import { IpTables } from '../../src/netfilter/xtables/ip-tables.ts';
import { splitWords } from '../../src/netfilter/xtables/iptables-restore.ts';
import { runIptables } from '../../src/netfilter/xtables/iptables-run.ts';
import { kernelTablesMissing } from './kernel-tables.ts';
import { SETS } from './random-rules.ts';
import { TestHost } from './test-host.ts';

const missing = kernelTablesMissing();
if (missing !== null) console.warn(`ipset-kernel.test: skipped (${missing})`);

const CALLS: readonly (readonly [line: string, stdin?: string])[] = [
  ...[
    'ipset create a hash:ip',
    'ipset create b hash:ip family inet hashsize 2048 maxelem 100 timeout 300 counters comment',
    'ipset create c hash:net',
    'ipset create d hash:ip,port',
    'ipset create e hash:ip,port,ip',
    'ipset create f hash:ip,port,net',
    'ipset create g hash:net,port',
    'ipset create h bitmap:port range 0-65535',
    'ipset create i list:set size 8',
    'ipset create j hash:ip netmask 24',
    'ipset create q bitmap:port range 100-200 timeout 10',
    'ipset create a hash:ip',
    'ipset create -exist a hash:ip',
    'ipset create -exist a hash:net',
    'ipset create zz hash:foo',
    'ipset create zz hash:ip foo',
    'ipset create zz',
    'ipset create zz bitmap:port',
    'ipset create aaaaaaaaaabbbbbbbbbbccccccccccdd hash:ip',
    'ipset add a 10.0.0.1',
    'ipset add a 10.0.0.1',
    'ipset -exist add a 10.0.0.1',
    'ipset add a 10.0.0.4-10.0.0.6',
    'ipset add a 10.0.1.0/30',
    'ipset add a foo',
    'ipset add a 0.0.0.0',
    'ipset add a 10.0.0.1,tcp:80',
    'ipset add nope 1.1.1.1',
    'ipset add b 10.0.0.4 timeout 0 packets 5 bytes 7',
    'ipset add b 10.0.0.5 timeout 0 comment "hello w"',
    'ipset add a 10.0.0.9 timeout 5',
    'ipset add c 10.0.0.0/8',
    'ipset add c 10.1.0.0/16 nomatch',
    'ipset add c 1.2.3.4',
    'ipset add c 0.0.0.0/0',
    'ipset add c 10.2.3.4/16',
    'ipset add d 10.0.0.1,80',
    'ipset add d 10.0.0.1,tcp:80',
    'ipset add d 10.0.0.1,udp:53',
    'ipset add d 10.0.0.1,sctp:5',
    'ipset add d 10.0.0.1,http',
    'ipset add d 10.0.0.1,tcp:100-102',
    'ipset add d 10.0.0.1,icmp:8/0',
    'ipset add d 10.0.0.1',
    'ipset add d 10.0.0.1,foo:5',
    'ipset add e 10.0.0.1,tcp:80,10.0.0.2',
    'ipset add f 10.0.0.1,tcp:80,10.0.0.0/24',
    'ipset add g 10.0.0.0/24,tcp:80',
    'ipset add h 80',
    'ipset add h 100-103',
    'ipset add h tcp:85',
    'ipset add q 50',
    'ipset add q 150 timeout 0',
    'ipset add i a',
    'ipset add i c',
    'ipset add i nope',
    'ipset add i a',
    'ipset add j 10.0.0.77',
    'ipset test a 10.0.0.1',
    'ipset test a 10.0.0.2',
    'ipset test c 10.5.5.5',
    'ipset test c 10.1.5.5',
    'ipset test d 10.0.0.1,udp:53',
    'ipset test d 10.0.0.1,udp:54',
    'ipset test f 10.0.0.1,tcp:80,10.0.0.9',
    'ipset test g 10.0.0.9,tcp:80',
    'ipset test h 80',
    'ipset test i a',
    'ipset test i q',
    'ipset test nope 1.1.1.1',
    'ipset del a 10.0.0.1',
    'ipset del a 10.0.0.1',
    'ipset -exist del a 10.0.0.1',
    'ipset del d 10.0.0.1,tcp:80',
    'ipset list',
    'ipset list -n',
    'ipset list -t',
    'ipset list a',
    'ipset list nope',
    'ipset save',
    'ipset save d',
    'ipset swap a nope',
    'ipset swap a c',
    'ipset rename j jj',
    'ipset rename jj a',
    'ipset rename nope x',
    'ipset flush nope',
    'ipset destroy c',
    'ipset destroy nope',
    'iptables -A INPUT -m set --match-set d src,dst -j ACCEPT',
    'iptables -A INPUT -m set ! --match-set d dst,dst --return-nomatch',
    'iptables -A INPUT -j SET --add-set a src --exist --timeout 60',
    'iptables -A INPUT -j SET --del-set a src',
    'iptables -A INPUT -j SET',
    'iptables -A INPUT -m set --match-set a src,dst,src,dst,src,dst,src',
    'iptables -A INPUT -m set --match-set a foo',
    'iptables -A INPUT -m set --match-set a',
    'iptables -A INPUT -m set --match-set nope src',
    'iptables -S INPUT',
    'iptables -L INPUT -n',
    'ipset destroy d',
    'ipset list d',
    'ipset rename d ddd',
    'ipset destroy',
    'ipset flush',
    'ipset list h',
  ].map((line) => [line] as const),
  ['ipset restore', SETS],
  ['ipset save'],
  ['ipset restore', 'create x hash:ip\nadd x 1.1.1.1\n\n# c\nadd x 2.2.2.2\nadd x foo\n'],
  ['ipset restore', 'create y hash:ip\nadd y 1.1.1.1\nadd y 1.1.1.1\n'],
  ['ipset restore -exist', 'create y hash:ip\nadd y 1.1.1.1\nadd y 1.1.1.1\n'],
  ['ipset'],
  ['ipset foo'],
  ['ipset version'],
  ['ipset -N yy iphash'],
  ['ipset -L yy'],
  ['ipset -X yy'],
  ['ipset create big hash:ip maxelem 1'],
  ['ipset add big 1.1.1.1'],
  ['ipset add big 1.1.1.2'],
];

const argv = (line: string): string[] => splitWords(line).map((w) => w.text);

/** Secret and memory out, runs of members in order. */
function comparable(text: string): string {
  const lines = text
    .replaceAll(/initval 0x[0-9a-f]+/g, 'initval SECRET')
    .replaceAll(/Size in memory: \d+/g, 'Size in memory: N')
    .split('\n');
  const member = (line: string): boolean => /^(add \w+ )?\d/.test(line);
  const out: string[] = [];
  for (let i = 0; i < lines.length; ) {
    let end = i;
    while (end < lines.length && member(lines[end]!)) end++;
    if (end > i) {
      out.push(...lines.slice(i, end).sort());
      i = end;
    } else out.push(lines[i++]!);
  }
  return out.join('\n');
}

function here(): string[] {
  const tables = new IpTables(new TestHost());
  return CALLS.map(([line, stdin = '']) => {
    const [name = '', ...rest] = argv(line);
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
    const status =
      name === 'ipset' ? runIpset(tables.sets, rest, io, { input: () => stdin }) : runIptables(tables, rest, io);
    return `${line} [${status}]\n${comparable(out)}--\n${err}`;
  });
}

const SERVANT = `
import json, subprocess, sys
answers = []
for argv, stdin in json.load(sys.stdin):
    r = subprocess.run(argv, input=stdin, capture_output=True, text=True)
    answers.append([r.returncode, r.stdout, r.stderr])
json.dump(answers, sys.stdout)
`;

function onKernel(): string[] {
  const input = JSON.stringify(CALLS.map(([line, stdin = '']) => [argv(line), stdin]));
  const run = spawnSync('unshare', ['-n', 'python3', '-c', SERVANT], { input, encoding: 'utf8' });
  const answers = JSON.parse(run.stdout) as [number, string, string][];
  return answers.map(([status, out, err], i) => `${CALLS[i]![0]} [${status}]\n${comparable(out)}--\n${err}`);
}

describe.skipIf(missing !== null)('as the real ipset', () => {
  it('answers every call', () => {
    expect(here()).toEqual(onKernel());
  }, 60_000);
});
