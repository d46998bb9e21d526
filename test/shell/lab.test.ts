// Proves what `podwire lab` promises besides the network: a script sees nothing of the host, its exit status is podwire's,
// limits and mistakes end in one clear line, a case runs setup, settling time and stimuli, and a run repeats exactly.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CaptureReader } from '../../src/capture/reader.ts';
import { registerLab } from '../../src/cli/lab.ts';
import { createProgram, runProgram } from '../../src/cli/program.ts';

let directory = '';
let written = '';
let errors = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-lab-'));
  written = '';
  errors = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    errors += String(text);
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true });
});

async function lab(...args: string[]): Promise<number> {
  written = '';
  errors = '';
  process.exitCode = undefined;
  const program = createProgram([registerLab]);
  program.exitOverride();
  const status = await runProgram(program, ['node', 'podwire', 'lab', ...args], (text) => {
    errors += text;
  });
  process.exitCode = undefined;
  return status;
}

function script(source: string, name = 'script.sh'): string {
  const path = join(directory, name);
  writeFileSync(path, source);
  return path;
}

function caseDirectory(setup: string, topology: unknown, files: Readonly<Record<string, string>> = {}): string {
  const path = join(directory, 'case');
  mkdirSync(path);
  writeFileSync(join(path, 'setup.sh'), setup);
  writeFileSync(join(path, 'topology.json'), typeof topology === 'string' ? topology : JSON.stringify(topology));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  return path;
}

describe('podwire lab SCRIPT', () => {
  it('ends with the exit status of the script', async () => {
    expect(await lab(script('echo out; echo err >&2; exit 5'))).toBe(5);
    expect([written, errors]).toEqual(['out\n', 'err\n']);
    expect(await lab(script('true'))).toBe(0);
  });

  it('shows the script nothing of the host but itself, and writes nothing there', async () => {
    script('secret', 'beside.txt');
    const path = script(
      `cat beside.txt ${directory}/beside.txt /etc/passwd; echo "$PWD $(ls)"; echo x > ${directory}/new; cat $0 | head -c 3`,
    );
    await lab(path);
    expect(written).toMatch(/^\/lab\/podwire-lab-\w+ script\.sh\ncat$/);
    expect(errors.match(/No such file or directory/g)).toHaveLength(3);
    expect(readdirSync(directory).sort()).toEqual(['beside.txt', 'script.sh']);
  });

  it('goes on after a command that does not exist', async () => {
    expect(await lab(script('no-such-thing\necho still here'))).toBe(0);
    expect([written, errors]).toEqual(['still here\n', 'bash: no-such-thing: command not found\n']);
  });

  it('is ended by --max-time and --max-events, with a line about it and status 1', async () => {
    const endless = script('echo begin; while true; do sleep 1; done');
    expect(await lab(endless, '--max-time', '30s')).toBe(1);
    expect([written, errors]).toEqual(['begin\n', 'podwire: stopped at 30 s of virtual time (--max-time)\n']);
    await lab(endless, '--max-events', '20');
    expect(errors).toMatch(/^podwire: stopped after 20 events \(--max-events\) at \d+\.\d+ s of virtual time\n$/);
  });

  it('ends a loop that takes no virtual time, with a line about it', async () => {
    expect(await lab(script('while :; do :; done'))).toBe(126);
    expect(errors).toMatch(/^bash: while loop: /);
  });

  it('ends a function that calls itself for ever, also in a job and in a substitution, in words of its own', async () => {
    for (const call of ['f', 'f & wait', 'x=$(f)', '( f )', 'bash -c "g() { g; }; g"']) {
      await lab(script(`f() { f; }; ${call}`));
      expect(errors).toMatch(/^bash: [fg]: stopped at 100 calls within one another, .* calls itself without end\n$/);
      errors = '';
    }
  });

  it('is stopped in the middle of a loop that only prints (^C)', async () => {
    const began = new Promise<void>((resolve) => {
      vi.mocked(process.stdout.write).mockImplementation(() => {
        resolve();
        return true;
      });
    });
    const running = lab(script('while :; do echo x; done'));
    await began;
    await new Promise((resolve) => setImmediate(resolve));
    process.emit('SIGINT');
    expect(await running).toBe(130);
    expect(errors).toContain('interrupted at 0 s of virtual time');
  });

  it('runs the filters of text that allocate by what is left of a limit', async () => {
    expect(await lab(script('echo hi | od -An -tx1; echo hi | gzip | gunzip'))).toBe(0);
    expect(written.replace(/ +/g, ' ')).toMatch(/68 69 0a\nhi\n|150 151 012\nhi\n/);
  });

  it('prints one JSON object with --json', async () => {
    expect(await lab(script('echo a; echo b >&2; sleep 2; exit 3'), '--json', '--seed', '9')).toBe(3);
    const report = JSON.parse(written) as Record<string, unknown>;
    expect(report).toMatchObject({
      seed: 9,
      status: 3,
      end: 'done',
      stdout: 'a\n',
      stderr: 'b\n',
      problems: [],
      captures: [],
    });
    expect(report.virtual_time_ns).toBeGreaterThanOrEqual(2e9);
  });

  it('refuses what is no script, with status 2 and one line', async () => {
    expect(await lab(join(directory, 'nowhere.sh'))).toBe(2);
    expect(errors).toMatch(/^podwire: .*nowhere\.sh: no such file or directory\n$/);
    writeFileSync(join(directory, 'large'), Buffer.alloc(65 * 1024 * 1024));
    expect(await lab(directory)).toBe(2);
    expect(errors).toMatch(/^podwire: .*: no setup\.sh in this directory: [^\n]*\n$/);
    rmSync(join(directory, 'large'));
    writeFileSync(join(directory, 'bytes.sh'), Buffer.from([0x65, 0xff, 0xfe, 0x00]));
    expect(await lab(join(directory, 'bytes.sh'))).toBe(2);
    expect(errors).toMatch(/not UTF-8/);
    for (const wrong of [
      ['--seed', '-1'],
      ['--seed', 'abc'],
      ['--max-time', 'soon'],
      ['--max-events', '0'],
      ['--nope'],
    ]) {
      expect(await lab(script('true'), ...wrong)).toBe(2);
      expect(errors).not.toContain('    at ');
    }
  });
});

describe('a network made by a script', () => {
  const NETWORK = `
    set -e
    for n in a b; do ip netns add $n; ip -n $n link set lo up; done
    ip -n a link add eth0 type veth peer name eth0 netns b
    ip -n a addr add 192.0.2.1/24 dev eth0; ip -n b addr add 192.0.2.2/24 dev eth0
    ip -n a link set eth0 up; ip -n b link set eth0 up
    ip netns exec b $TOOLS/udpecho.py 9000 & E=$!
    ip netns exec a ping -c 3 192.0.2.2 > /tmp/ping.txt & P=$!
    sleep 1.5
    grep -c "bytes from" /tmp/ping.txt
    ip netns exec a $TOOLS/udpsend.py 192.0.2.2 9000 --sport 40000 --sizes 1,20 --df dont --tos 8 --ttl 9 --wait 1
    wait $P; echo "rc $?"; tail -2 /tmp/ping.txt | head -1
    kill $E
    ip netns exec a tcpdump -i eth0 || echo "no tcpdump"
  `;

  it('begins when the machine has been up for as long as --uptime says', async () => {
    const path = script('date +%s.%N', 'when.sh');
    expect(await lab(path)).toBe(0);
    const cold = Number(written);
    expect(await lab(path, '--uptime', '1h')).toBe(0);
    expect(Math.round(Number(written) - cold)).toBe(3600);
  });

  it('carries ping and UDP, is captured with --out, and repeats to the byte', async () => {
    const path = script(NETWORK, 'net.sh');
    expect(await lab(path, '--out', join(directory, 'one'))).toBe(0);
    const first = written;
    expect(first.split('\n')).toEqual([
      '2',
      'sent 1 bytes -> reply 1 bytes from 192.0.2.2:9000 same=True',
      'sent 20 bytes -> reply 20 bytes from 192.0.2.2:9000 same=True',
      'rc 0',
      expect.stringContaining('3 packets transmitted, 3 received, 0% packet loss'),
      'no tcpdump',
      '',
    ]);
    expect(errors).toContain('tcpdump: podwire does not emulate this command yet\n');
    expect(await lab(path, '--out', join(directory, 'two'))).toBe(0);
    expect(written).toBe(first);
    const bytes = readFileSync(join(directory, 'one', 'net.pcapng'));
    expect(readFileSync(join(directory, 'two', 'net.pcapng')).equals(bytes)).toBe(true);
    const reader = new CaptureReader(bytes);
    let packets = 0;
    while (reader.next() !== null) packets++;
    expect(reader.error).toBeNull();
    expect(reader.interfaces.map((i) => i.name)).toEqual(['a/eth0', 'b/eth0']);
    // At each end: one ARP exchange, three pings, two datagrams, each with its answer.
    expect(packets).toBeGreaterThanOrEqual(2 * 2 * (1 + 3 + 2));
  });
});

describe('podwire lab DIR', () => {
  const topology = {
    schema: 1,
    captures: [],
    stimuli: [
      { kind: 'shell', text: 'echo "$(date +%s.%N) $(cat /tmp/made) $HERE $TOOLS"; cat rules.txt' },
      { kind: 'sleep', seconds: 1 },
      { kind: 'shell', text: 'false' },
    ],
  };

  it('runs the setup, waits as the golden captures did, then the stimuli', async () => {
    const path = caseDirectory('HERE=$(cd "$(dirname "$0")" && pwd)\necho "$HERE" > /tmp/made', topology, {
      'rules.txt': 'a rule\n',
      'old.pcapng': 'not read',
    });
    expect(await lab(path, '--out', join(directory, 'out'), '--json')).toBe(0);
    const report = JSON.parse(written) as { stdout: string; virtual_time_ns: number; problems: string[] };
    expect(report.problems).toEqual([]);
    expect(report.stdout).toMatch(/^1767225603\.00\d{7} \/lab\/case \/lab\/case \/lab\/tools\na rule\n$/);
    expect(report.virtual_time_ns / 1e9).toBeCloseTo(2.6 + 0.4 + 1 + 0.4, 1);
  });

  it('stops at a setup that fails, with status 1', async () => {
    const path = caseDirectory('echo first\nfalse\necho never', topology);
    expect(await lab(path, '--out', join(directory, 'out'))).toBe(1);
    expect(written).toBe('first\n');
    expect(errors).toContain('podwire: setup.sh ended with exit status 1; the stimuli were not run\n');
  });

  it('says which interface is not there to be captured, and goes on', async () => {
    const path = caseDirectory('true', { ...topology, captures: [{ netns: 'pod-x', ifname: 'eth0' }] });
    expect(await lab(path, '--out', join(directory, 'out'))).toBe(1);
    expect(errors).toContain('pod-x.eth0: no such interface after setup.sh');
    expect(written).toContain('/lab/case');
  });

  it('refuses a bad topology.json before anything runs, every mistake with its place', async () => {
    const text = '{\n "captures": [{"netns": "a"}],\n "stimuli": [{"kind": "sleep"}]\n}\n';
    expect(await lab(caseDirectory('echo ran', text), '--out', join(directory, 'out'))).toBe(2);
    expect(written).toBe('');
    expect(errors.split('\n').map((line) => line.replace(/^.*topology\.json/, ''))).toEqual([
      ':2:15: captures[0].ifname: Invalid input: expected string, received undefined',
      ':3:14: stimuli[0].seconds: Invalid input: expected number, received undefined',
      '',
    ]);
    expect(existsSync(join(directory, 'out'))).toBe(false);
  });

  it('replaces no capture without being asked', async () => {
    const path = caseDirectory('echo ran', { ...topology, captures: [{ netns: 'a', ifname: 'eth0' }] });
    const out = join(directory, 'out');
    mkdirSync(out);
    writeFileSync(join(out, 'a.eth0.pcapng'), 'precious');
    expect(await lab(path, '--out', out)).toBe(3);
    expect([written, errors]).toEqual([
      '',
      `podwire: ${out}/a.eth0.pcapng: exists already; give --force to replace it, or another directory\n`,
    ]);
    expect(readFileSync(join(out, 'a.eth0.pcapng'), 'utf8')).toBe('precious');
  });

  it('refuses a directory without setup.sh', async () => {
    expect(await lab(directory)).toBe(2);
    expect(errors).toMatch(
      /no setup\.sh in this directory: a case has setup\.sh and topology\.json; a script is named itself\n$/,
    );
  });
});
