// Proves how a run goes: steps on the virtual clock, background commands, faults and their healing, limits that end it,
// and expectations that fail with evidence whose frame numbers are those of the capture.

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of scenarios

import { describe, expect, it } from 'vitest';
import { CaptureReader } from '../../src/capture/reader.ts';
import { MemorySink } from '../../src/capture/sink.ts';
import { formatStep, loadScenario, type RunOptions, type RunResult, runScenario } from '../../src/scenario/index.ts';

const HEAD = `apiVersion: podwire.dev/v1
kind: Scenario
metadata: {name: test}
cluster: {nodes: 2}
pods:
  - {apiVersion: v1, kind: Pod, metadata: {name: pod-a}, spec: {nodeName: node-1}}
  - {apiVersion: v1, kind: Pod, metadata: {name: pod-b}, spec: {nodeName: node-2}}
`;

async function run(rest: string, options: Partial<RunOptions> = {}): Promise<RunResult & { bytes: Uint8Array }> {
  const { scenario, problems } = loadScenario(HEAD + rest, 'test.yaml');
  expect(problems).toEqual([]);
  const sink = new MemorySink();
  const result = await runScenario(scenario!, { capture: { kind: 'sink', sink }, overwrite: false, ...options });
  return { ...result, bytes: sink.bytes };
}

const failures = (result: RunResult): string[] =>
  result.steps.flatMap((s) => s.judgements.filter((j) => !j.passed).map((j) => `${j.expected} -- ${j.came}`));

describe('steps', () => {
  it('begin at their time, after the step above, or when it has ended', async () => {
    const { steps, passed } = await run(`steps:
  - {at: 1s, wait: 500ms}
  - {wait: 1s}
  - {after: 250ms, run: echo hello}
  - {at: 5s, wait: 1ms}
`);
    expect(steps.map((s) => s.started)).toEqual([1e9, 1.5e9, 2.75e9, 5e9]);
    expect(passed).toBe(true);
  });

  it('that begin late say by how much', async () => {
    const { steps } = await run('steps:\n  - {wait: 3s}\n  - {at: 2s, wait: 1ms}\n');
    expect(steps[1]!.late).toBe(1_010_000_000);
  });

  it('run scripts with pipes, loops and variables of their own', async () => {
    const { steps } = await run('steps:\n  - run: x=3; for i in $(seq 1 $x); do echo "n$i"; done | grep -c n\n');
    expect(steps[0]!.stdout).toBe('3\n');
  });

  it('run on a node in its namespace and on its machine', async () => {
    const { steps } = await run(
      'steps:\n  - {run: ip netns list | wc -l, on: node-1}\n  - {run: ip -br link show eth0, on: node-2}\n',
    );
    expect(steps[0]!.stdout.trim()).toBe('1');
    expect(steps[1]!.stdout).toMatch(/^eth0 +UP/);
  });

  it('in the background go on while others run, and are judged when the run ends', async () => {
    const result = await run(`steps:
  - {name: ping, run: "kubectl exec pod-a -- ping -c 3 \${pod-b.ip}", background: true, expect: {exit: 0, stdout: {contains: 3 received}}}
  - {wait: 5s}
`);
    expect(failures(result)).toEqual([]);
    expect(result.steps[0]!.exit).toBe(0);
  });

  it('in the background that never end are cut short without a failure, and are said to be running still', async () => {
    const result = await run(`steps:
  - {run: kubectl exec pod-a -- udpecho.py 7, background: true}
  - {run: kubectl exec pod-a -- udpecho.py 8, background: true, expect: {exit: 0}}
  - {run: bash -c 'kill -9 $$; sleep 1', background: true}
  - {wait: 1s}
`);
    const [first, second, third] = result.steps;
    expect(failures(result)).toEqual(['exit status 0 -- it was still running when the scenario ended']);
    expect([first!.exit, second!.exit]).toEqual([null, null]);
    expect(first!.stderr).toBe('');
    expect(formatStep(first!, (_style, text) => text)).toContain('still running when the scenario ended');
    // Another's signal is an end of its own.
    expect(third!.exit).toBe(137);
    expect(formatStep(third!, (_style, text) => text)).not.toContain('still running');
  });

  it('expect exit status 0 unless they say otherwise', async () => {
    const result = await run("steps:\n  - {run: 'false'}\n  - {run: 'false', expect: {exit: 1}}\n");
    expect(failures(result)).toEqual(['exit status 0 -- exit status 1']);
    expect(result.steps.map((s) => s.status)).toEqual(['failed', 'passed']);
  });
});

describe('expectations', () => {
  it('on output: contains, matches, excludes, equals, empty', async () => {
    const result = await run(`steps:
  - run: printf 'one \\ntwo\\n'
    expect:
      stdout: {contains: [one, three], matches: ['^two$', '^one$'], excludes: [two, four], equals: "one\\ntwo", empty: true}
      stderr: {empty: true}
`);
    expect(failures(result)).toEqual([
      'stdout contains "three" -- it does not',
      'stdout matches /^one$/ -- it does not',
      'stdout does not contain "two" -- it does',
      'stdout is empty -- it is not',
    ]);
  });

  it('on frames name the frames that came, with their numbers in the capture', async () => {
    const result = await run(`steps:
  - run: kubectl exec pod-a -- ping -c 1 \${pod-b.ip}
    expect:
      packets:
        - {interface: node-1/eth0, direction: out, filter: {icmp.type: 8}, count: 2}
`);
    const failed = result.steps[0]!.judgements.find((j) => !j.passed)!;
    expect(failed.came).toBe('1');
    const number = Number(/^frame (\d+) \(node-1\/eth0 out/.exec(failed.evidence[0]!)![1]);
    const reader = new CaptureReader(result.bytes);
    let packet = reader.next();
    while (packet !== null && packet.number !== number) packet = reader.next();
    expect(reader.interfaces[packet!.interfaceIndex]!.name).toBe('node-1/eth0');
    // Outer Ethernet, IPv4, UDP, VXLAN, inner Ethernet, IPv4: then the echo request.
    expect(packet!.bytes[14 + 20 + 8 + 8 + 14 + 20]).toBe(8);
    expect(packet!.direction).toBe(2);
  });

  it('number frames rightly when the capture begins with the cluster standing, and not at all without a single file', async () => {
    const step = `steps:
  - run: kubectl exec pod-a -- ping -c 1 \${pod-b.ip}
    expect: {packets: [{interface: node-1/eth0, direction: out, filter: {icmp.type: 8}, count: 2}]}
`;
    const result = await run(`capture: {interfaces: ["node-1/eth0", "\${pod-a.node}/\${pod-a.veth}"]}\n${step}`);
    const evidence = result.steps[0]!.judgements.find((j) => !j.passed)!.evidence[0]!;
    const number = Number(/^frame (\d+) /.exec(evidence)![1]);
    const reader = new CaptureReader(result.bytes);
    let packet = reader.next();
    while (packet !== null && packet.number !== number) packet = reader.next();
    expect(reader.interfaces[packet!.interfaceIndex]!.name).toBe('node-1/eth0');
    expect(packet!.bytes[14 + 20 + 8 + 8 + 14 + 20]).toBe(8);
    const none = await run(step, { capture: null });
    expect(none.steps[0]!.judgements.find((j) => !j.passed)!.evidence[0]).toMatch(
      /^frame \(node-1\/eth0 out, packet \d+\)/,
    );
  });

  it('on drops show what was dropped, where and why', async () => {
    const result = await run(`steps:
  - run: kubectl exec pod-a -- ping -c 1 192.0.2.1
    expect:
      exit: 1
      drops: [{reason: IP_INNOROUTES, where: node-2/*}]
`);
    const failed = result.steps[0]!.judgements.find((j) => !j.passed)!;
    expect(failed.expected).toBe('at least 1 drops for IP_INNOROUTES at node-2/*');
    expect(failed.evidence.join('\n')).toMatch(
      /dropped at node-1\/\S+ \(IP_INNOROUTES: .*10\.244\.0\.2 → 192\.0\.2\.1/,
    );
  });

  it('on latency fail with the frames that took too long', async () => {
    const result = await run(`cables:
  - {node: node-1, latency: 50ms}
steps:
  - run: kubectl exec pod-a -- ping -c 1 \${pod-b.ip}
    expect:
      latency:
        - {of: ping, max: 1ms}
        - {from: node-1/eth0, to: node-2/eth0, filter: {icmp.type: 8}, min: 50ms, max: 51ms}
        - {from: node-1/eth0, to: node-2/eth0, filter: {icmp.type: 13}, max: 1ms}
`);
    const [ping, exact, none] = result.steps[0]!.judgements.slice(1);
    expect(ping!.passed).toBe(false);
    expect(exact!.passed).toBe(true);
    expect(none!.came).toBe('no frame was seen at both');
  });

  it('on state run a command then and there', async () => {
    const result = await run(`steps:
  - expect:
      state:
        - {on: node-1, run: ip route show 10.244.1.0/24, contains: flannel.1}
        - {on: node-1, run: ip route show 10.244.1.0/24, contains: wlan0}
`);
    expect(failures(result)).toEqual(['`ip route show 10.244.1.0/24` on node-1 contains "wlan0" -- it does not']);
  });

  it('since a step, since the start, since their own beginning', async () => {
    const ping = 'run: "kubectl exec pod-a -- ping -c 1 ${pod-b.ip}"';
    const packets = (more: string): string =>
      `packets: [{interface: pod-b/eth0, direction: in, filter: {icmp.type: 8}, ${more}}]`;
    const result = await run(`steps:
  - {name: one, ${ping}}
  - {name: two, ${ping}, expect: {${packets('count: 1')}}}
  - {name: three, expect: {${packets('count: 2')}}}
  - {name: four, wait: 1ms, expect: {${packets('count: 1, since: two')}}}
  - {name: five, wait: 1ms, expect: {${packets('count: 2, since: start')}}}
`);
    expect(failures(result)).toEqual([]);
  });
});

describe('faults', () => {
  it('heal back to what the file says of the cable', async () => {
    const result = await run(`cables:
  - {node: node-1, latency: 10ms}
steps:
  - {run: "kubectl exec pod-a -- ping -c 1 \${pod-b.ip}"}
  - {fault: {link: node-1, latency: 100ms}}
  - {run: "kubectl exec pod-a -- ping -c 1 \${pod-b.ip}", expect: {latency: [{of: ping, min: 200ms, max: 201ms}]}}
  - {fault: {heal: node-1}}
  - {run: "kubectl exec pod-a -- ping -c 1 \${pod-b.ip}", expect: {latency: [{of: ping, min: 20ms, max: 21ms}]}}
`);
    expect(failures(result)).toEqual([]);
  });

  it('hit the link of a pod as well', async () => {
    const result = await run(`steps:
  - {fault: {link: pod-a, action: down}}
  - run: kubectl exec pod-a -- ping -c 1 -W 1 \${pod-b.ip}
    expect: {exit: 1}
  - {fault: {heal: all}}
  - run: kubectl exec pod-a -- ping -c 1 \${pod-b.ip}
`);
    expect(failures(result)).toEqual([]);
  });
});

describe('limits', () => {
  it('end a run after its events, name the limit, and leave the rest undone', async () => {
    const text = 'steps:\n  - {run: "kubectl exec pod-a -- ping -c 1000000000 ${pod-b.ip}"}\n  - {wait: 1s}\n';
    const result = await run(text, { maxEvents: 5000 });
    expect(result.end).toBe('max-events');
    expect(result.problem).toContain('stopped after 5000 events');
    expect(result.passed).toBe(false);
    expect(result.steps.map((s) => s.status)).toEqual(['failed', 'not-run']);
    // What was recorded up to then is a whole file.
    const reader = new CaptureReader(result.bytes);
    let count = 0;
    while (reader.next() !== null) count++;
    expect(reader.error).toBeNull();
    expect(count).toBe(result.capture!.recorded);
  });

  it('end a run at its virtual time', async () => {
    const result = await run('limits: {maxTime: 10s}\nsteps:\n  - {wait: 1h}\n');
    expect([result.end, result.now, result.passed]).toEqual(['max-time', 10e9, false]);
  });

  it('are told to the command line before the file', async () => {
    const result = await run('limits: {maxTime: 10s}\nsteps:\n  - {wait: 1h}\n', { maxTime: 2e9 });
    expect(result.now).toBe(2e9);
  });
});

describe('the capture', () => {
  it('holds only the interfaces that the scenario chooses, cut to its snap length', async () => {
    const result = await run(`capture: {interfaces: ["*/flannel.1", "\${pod-a.node}/\${pod-a.veth}"], snaplen: 64}
steps:
  - {run: "kubectl exec pod-a -- ping -c 1 \${pod-b.ip}"}
`);
    const reader = new CaptureReader(result.bytes);
    let longest = 0;
    for (let p = reader.next(); p !== null; p = reader.next()) longest = Math.max(longest, p.bytes.length);
    expect(longest).toBe(64);
    const names = reader.interfaces.map((i) => i.name!.replace(/veth[0-9a-f]{8}/, 'veth'));
    expect(new Set(names)).toEqual(new Set(['node-1/flannel.1', 'node-2/flannel.1', 'node-1/veth']));
  });

  it('ends at its size limit, and the run goes on', async () => {
    const result = await run(
      'capture: {maxSize: 8K}\nsteps:\n  - {run: "kubectl exec pod-a -- ping -c 20 ${pod-b.ip}"}\n',
    );
    expect(result.passed).toBe(true);
    expect(result.capture!.limitReached).toBe(true);
    expect(result.bytes.length).toBeLessThanOrEqual(8192);
  });
});
