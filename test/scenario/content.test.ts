// Proves that valid YAML with wrong content is refused, one error each at its place, all at once (bad-inputs.md 36), that
// absurd sizes are refused when the file is read (37), and that names cannot be used as paths (38).

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of scenarios

import { describe, expect, it } from 'vitest';
import { loadScenario } from '../../src/scenario/load.ts';
import { changed, problemsOf, SOUND } from './text.ts';

const step = (yaml: string): string => changed(['  - {wait: 1s}', `  - ${yaml}`]);

describe('a step with a wrong value', () => {
  it('has its references checked all the same', () => {
    expect(problemsOf(step('{run: ip route, on: node-7, after: soon}'))).toEqual([
      expect.stringContaining('there is no node "node-7"'),
      expect.stringContaining('steps[1].after is "soon"'),
    ]);
    expect(problemsOf(step('{run: "ping ${pod-z.ip}", expect: {exit: many}}'))).toHaveLength(2);
  });

  it('gives no second complaint about what only the wrong value was for', () => {
    expect(problemsOf(step('{wait: soon}'))).toHaveLength(1);
    expect(problemsOf(step('{run: ip route, on: 5}'))).toHaveLength(1);
    expect(problemsOf(step('{fault: {link: node-1, loss: 150%}}'))).toHaveLength(1);
  });
});

describe('an MTU that the underlay cannot carry', () => {
  it('is refused with the word that lets it through', () => {
    const { problems } = loadScenario(changed(['port: 8472', 'mtu: 1500']), 'test.yaml');
    expect(problems[0]!.mend).toContain('allowOversizedMTU: true');
  });

  it('is let through with a warning that names the sizes', () => {
    const { scenario, problems } = loadScenario(
      changed(['port: 8472', 'mtu: 1500, allowOversizedMTU: true']),
      'test.yaml',
    );
    expect(problems).toEqual([]);
    expect(scenario!.warnings).toHaveLength(1);
    expect(scenario!.warnings[0]).toContain('packets between nodes of 1451 to 1500 bytes');
  });

  it('gives no warning when it fits, and impossible MTUs stay mistakes', () => {
    const fits = changed(['port: 8472', 'mtu: 1450, allowOversizedMTU: true']);
    expect(loadScenario(fits, 'test.yaml').scenario!.warnings).toEqual([]);
    for (const mtu of [67, 70_000]) {
      expect(problemsOf(changed(['port: 8472', `mtu: ${mtu}, allowOversizedMTU: true`]))).toEqual([
        `9:42 cluster.network.mtu is ${mtu}`,
      ]);
    }
  });
});

describe('wrong content', () => {
  it.each([
    [
      "a pod CIDR that overlaps another node's",
      changed(['1.1/24}', '1.1/24, podCIDR: 10.244.0.0/23}'], ['1.2/24}', '1.2/24, podCIDR: 10.244.1.0/24}']),
      '8:53 10.244.1.0/24 overlaps 10.244.0.0/23 of cluster.nodes[0]',
    ],
    [
      "a pod CIDR outside of the cluster's",
      changed(['1.2/24}', '1.2/24, podCIDR: 10.245.1.0/24}']),
      '8:53 10.245.1.0/24 is not in the pod CIDR of the cluster',
    ],
    [
      'an address twice',
      changed(['10.0.1.2/24', '10.0.1.1/24']),
      '8:31 10.0.1.1 is the address of cluster.nodes[0] too',
    ],
    [
      'a MAC twice',
      changed(['1.1/24}', '1.1/24, mac: "02:00:00:00:00:01"}'], ['1.2/24}', '1.2/24, mac: "02:00:00:00:00:01"}']),
      '8:49 02:00:00:00:00:01 is the mac of cluster.nodes[0] too',
    ],
    [
      'a group MAC',
      changed(['1.2/24}', '1.2/24, mac: "01:00:5e:00:00:01"}']),
      '8:49 cluster.nodes[1].mac is "01:00:5e:00:00:01"',
    ],
    [
      'a name twice',
      changed(['name: node-2', 'name: node-1'], ['nodeName: node-2', 'nodeName: node-1']),
      '8:14 "node-1" is the name of cluster.nodes[0] too',
    ],
    [
      'an address out of the subnet',
      changed(['10.0.1.2/24', '10.0.2.2/24']),
      '8:31 10.0.2.2/24 is not in the subnet of the underlay',
    ],
    [
      'a broadcast address',
      changed(['10.0.1.2/24', '10.0.1.255/24']),
      '8:31 10.0.1.255/24 is the broadcast address of its subnet',
    ],
    [
      'an address that is none',
      changed(['10.0.1.2/24', '10.0.1.256/24']),
      '8:31 cluster.nodes[1].address is "10.0.1.256/24"',
    ],
    ['host bits in a prefix', changed(['10.244.0.0/16', '10.244.1.0/16']), '5:12 cluster.podCIDR is "10.244.1.0/16"'],
    [
      'pods and underlay in one another',
      changed(['10.244.0.0/16', '10.0.0.0/16']),
      '5:12 the pod CIDR 10.0.0.0/16 overlaps the underlay 10.0.1.0/24',
    ],
    ['an MTU of 67', changed(['port: 8472', 'mtu: 67']), '9:42 cluster.network.mtu is 67'],
    ['an MTU of 70000', changed(['port: 8472', 'mtu: 70000']), '9:42 cluster.network.mtu is 70000'],
    [
      'VXLAN without its 50 bytes',
      changed(['port: 8472', 'mtu: 1500']),
      "9:42 pods with an MTU of 1500 do not fit the underlay's 1500",
    ],
    ['an unknown node of a pod', changed(['nodeName: node-2', 'nodeName: node-3']), '12:75 there is no node "node-3"'],
    [
      'an unknown node of a cable',
      changed(['node: node-1, latency', 'node: node-9, latency']),
      '14:12 there is no node "node-9"',
    ],
    ['an unknown node of a step', changed(['on: node-1', 'on: node-9']), '16:38 there is no node "node-9"'],
    ['port 0', changed(['port: 8472', 'port: 0']), '9:43 cluster.network.port is 0'],
    ['port 65536', changed(['port: 8472', 'port: 65536']), '9:43 cluster.network.port is 65536'],
    [
      "a VNI that makes the name of flannel's device too long",
      changed(['vni: 1', 'vni: 16777215']),
      "9:34 flannel's device would be called flannel.16777215: 16 characters, and the kernel takes 15",
    ],
    ['a VNI of 2^24', changed(['vni: 1', 'vni: 16777216']), '9:34 cluster.network.vni is 16777216'],
    ['a negative time', changed(['latency: 1ms', 'latency: -1ms']), '14:29 cables[0].latency is "-1ms"'],
    ['a time of 10^9 s', changed(['wait: 1s', 'wait: 1000000000s']), '17:12 steps[1].wait is "1000000000s"'],
    ['a time without a unit', changed(['wait: 1s', 'wait: 5']), '17:12 steps[1].wait is 5'],
    ['a probability of 1.5', changed(['latency: 1ms', 'loss: 1.5']), '14:26 cables[0].loss is 1.5'],
    ['a probability of 150%', changed(['latency: 1ms', 'loss: 150%']), '14:26 cables[0].loss is "150%"'],
    [
      'a jitter above the latency',
      changed(['latency: 1ms', 'latency: 1ms, jitter: 2ms']),
      '14:42 the jitter is greater than the latency',
    ],
    ['reordering without latency', changed(['latency: 1ms', 'reorder: 1%']), '14:20 reorder without latency'],
    ['a queue without a rate', changed(['latency: 1ms', 'queue: 10']), '14:20 queue without rate'],
    [
      'a cable twice',
      changed(['steps:', '  - {node: node-1}\nsteps:']),
      '15:12 the cable of node-1 is described in cables[0] already',
    ],
    ['a pod twice', changed(['name: pod-b', 'name: pod-a']), '12:50 a second pod "pod-a" in the namespace default'],
    ['a pod called like a node', changed(['name: pod-b', 'name: node-1']), '12:50 "node-1" is the name of a node too'],
    [
      'a node called like the switch',
      changed(['name: node-2', 'name: underlay'], ['nodeName: node-2', 'nodeName: underlay']),
      '8:14 "underlay" is the name of the switch between the nodes',
    ],
    [
      'another kind',
      changed(['kind: Pod, metadata: {name: pod-a}', 'kind: Deployment, metadata: {name: pod-a}']),
      '11:28 pods[0].kind is "Deployment"',
    ],
    [
      'too many nodes for the CIDR',
      changed(['10.244.0.0/16', '10.244.0.0/24']),
      '8:7 no pod CIDR for node node-2: failed to allocate cidr from cluster cidr at idx:0: CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range',
    ],
    [
      'a node mask wider than the cluster',
      changed(['podCIDR: 10.244.0.0/16', 'podCIDR: 10.244.0.0/25']),
      '5:3 a node mask of /24 does not fit the pod CIDR 10.244.0.0/25',
    ],
    ['a step without an action', step('{name: nothing}'), '17:5 this step does nothing'],
    ['two actions', step('{wait: 1s, run: x}'), '17:6 run and wait in one step'],
    ['at and after', step('{at: 1s, after: 1s, wait: 1s}'), '17:14 both at and after'],
    [
      'a time that runs backwards',
      changed(['  - {wait: 1s}', '  - {at: 2s, wait: 1s}\n  - {at: 1s, wait: 1s}']),
      '18:10 this step begins before the one above',
    ],
    [
      'an exit status of a wait',
      step('{wait: 1s, expect: {exit: 0}}'),
      '17:25 exit is expected of a step that runs nothing',
    ],
    [
      'a broken regular expression',
      step('{run: x, expect: {stdout: {matches: "("}}}'),
      '17:41 not a regular expression: Unterminated group',
    ],
    [
      'an unknown field',
      step('{expect: {packets: [{interface: node-1/eth0, filter: {udp.dport: 1}}]}}'),
      '17:59 "udp.dport" is no field that podwire reads',
    ],
    [
      'a protocol with a value',
      step('{expect: {packets: [{interface: node-1/eth0, filter: {arp: 1}}]}}'),
      '17:64 "arp" is a protocol',
    ],
    [
      'an interface of nobody',
      step('{expect: {packets: [{interface: node-7/eth0}]}}'),
      '17:37 no interface can be called "node-7/eth0"',
    ],
    [
      'a capture of nothing',
      SOUND.concat('capture: {interfaces: [node-1/wlan0]}\n'),
      '18:24 no interface can be called "node-1/wlan0"',
    ],
    [
      'an unknown reason',
      step('{expect: {drops: [{reason: NEIGH_FAIL}]}}'),
      '17:32 steps[1].expect.drops[0].reason is "NEIGH_FAIL"',
    ],
    ['an unknown step', step('{expect: {drops: [{since: frist}]}}'), '17:31 no step above is called "frist"'],
    ['min above max', step('{expect: {drops: [{count: {min: 2, max: 1}}]}}'), '17:31 min is greater than max'],
    ['a latency of nothing', step('{expect: {latency: [{min: 1ms}]}}'), '17:25 it is not said what the latency is of'],
    ['a fault of nothing', step('{fault: {}}'), '17:13 it is not said what fails'],
    [
      'a fault of an unknown link',
      step('{fault: {link: node-9, action: down}}'),
      '17:20 there is no node or pod "node-9"',
    ],
    ['a node in two groups', step('{fault: {partition: [[node-1], [node-1]]}}'), '17:37 "node-1" is in two groups'],
    ['a placeholder of nobody', step('{run: "ping ${pod-z.ip}"}'), '17:17 ${pod-z.ip} names no pod and no node'],
    ['a placeholder of nothing', step('{run: "ping ${pod-a.address}"}'), '17:17 a pod has no "address"'],
    [
      'a manifest that is absolute',
      SOUND.concat('manifests: [/etc/passwd]\n'),
      '18:13 "/etc/passwd": the path is not relative',
    ],
    [
      'a manifest out of the directory',
      SOUND.concat('manifests: [a/../../b.yaml]\n'),
      '18:13 "a/../../b.yaml": the path leads out of the directory of the scenario',
    ],
    [
      'a manifest that is not there',
      SOUND.concat('manifests: [b.yaml]\n'),
      '18:13 "b.yaml": no files can be read here',
    ],
  ] as const)('%s', (_name, text, problem) => {
    expect(problemsOf(text)).toEqual([problem]);
  });

  it('tells all of them at once, in the order of the file', () => {
    const text = changed(
      ['kind: Scenario', 'kind: Scenarios'],
      ['10.0.1.2/24', '10.0.1.1/24'],
      ['port: 8472', 'port: 0'],
      ['nodeName: node-2', 'nodeName: node-3'],
      ['latency: 1ms', 'loss: 2'],
      ['on: node-1', 'on: node-9'],
    );
    expect(problemsOf(text).map((p) => p.split(':')[0])).toEqual(['2', '8', '9', '12', '14', '16']);
  });

  it('does not blame references for a node that is wrong itself', () => {
    expect(problemsOf(changed(['{name: node-2, ', '{name: node-2, sped: 1, ']))).toEqual([
      '8:22 unknown key "sped" in cluster.nodes[1]',
    ]);
  });
});

describe('absurd sizes', () => {
  it('refuses a million nodes', () => {
    const nodes = /nodes:\n.*\n.*\n/;
    expect(problemsOf(SOUND.replace(nodes, 'nodes: 1000000\n'))).toContainEqual('6:10 cluster.nodes is 1000000');
  });

  it('refuses more pods than fit, with their number', () => {
    const pods = Array.from({ length: 5001 }, (_, i) => `  - {apiVersion: v1, kind: Pod, metadata: {name: p${i}}}`);
    const text = SOUND.replace(/pods:\n.*\n.*\n/, `pods:\n${pods.join('\n')}\n`);
    expect(problemsOf(text)[0]).toBe('11:3 pods has 5001 entries');
  });

  it('refuses the pod after the last address of its node', () => {
    const pods = Array.from(
      { length: 254 },
      (_, i) => `  - {apiVersion: v1, kind: Pod, metadata: {name: p${i}}, spec: {nodeName: node-1}}`,
    );
    const text = SOUND.replace(/pods:\n.*\n.*\n/, `pods:\n${pods.join('\n')}\n`);
    expect(problemsOf(text)).toEqual(['264:5 node node-1 has no address left for pod "p253"']);
  });
});

describe('names as paths', () => {
  it.each([
    '../../etc/x',
    '/abs',
    'C:\\\\x',
    'a\\0b',
    'x'.repeat(5000),
    'a\\nb',
    '$(rm)',
    'p\u043ed',
    '-rf',
    'Upper',
    'a.b',
    '',
  ])('refuses %j as the name of a scenario, a node and a pod', (name) => {
    for (const [from, to] of [
      ['name: sound', `name: "${name}"`],
      ['{name: node-2', `{name: "${name}"`],
      ['{name: pod-b}', `{name: "${name}"}`],
    ] as const) {
      const problems = loadScenario(changed([from, to]), 'test.yaml').problems;
      expect(problems.some((p) => p.expected?.startsWith('a DNS label') === true)).toBe(true);
    }
  });
});

describe('manifests', () => {
  const read = (files: Record<string, string>) => ({
    readManifest: (path: string) => {
      const text = files[path];
      return text === undefined ? { error: 'no such file' } : { text };
    },
  });
  const text = SOUND.concat('manifests: [pods/web.yaml]\n');

  it('adds the pods of a file, and of a List', () => {
    const pod = (name: string): string => `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\n`;
    const one = loadScenario(text, 'dir/test.yaml', read({ 'pods/web.yaml': pod('web') }));
    expect(one.scenario!.cluster.pods.map((p) => p.name)).toEqual(['pod-a', 'pod-b', 'web']);
    const list =
      'kind: List\nitems:\n  - {apiVersion: v1, kind: Pod, metadata: {name: x}}\n  - {apiVersion: v1, kind: Pod, metadata: {name: y}}\n';
    const two = loadScenario(text, 'dir/test.yaml', read({ 'pods/web.yaml': list }));
    expect(two.scenario!.cluster.pods.map((p) => p.name)).toEqual(['pod-a', 'pod-b', 'x', 'y']);
  });

  it('adds the pods of every document of a file, and tells each mistake at its line', () => {
    const files = (second: string) =>
      read({
        'pods/web.yaml': `---\napiVersion: v1\nkind: Pod\nmetadata: {name: x}\n---\n# nothing\n---\napiVersion: v1\nkind: ${second}\nmetadata: {name: y}\n---\n`,
      });
    const two = loadScenario(text, 'dir/test.yaml', files('Pod'));
    expect(two.problems).toEqual([]);
    expect(two.scenario!.cluster.pods.map((p) => p.name)).toEqual(['pod-a', 'pod-b', 'x', 'y']);
    const { problems } = loadScenario(text, 'dir/test.yaml', files('ConfigMap'));
    expect(problems.map((p) => `${p.file}:${p.line}:${p.column} ${p.what}`)).toEqual([
      'dir/pods/web.yaml:9:7 kind is "ConfigMap"',
    ]);
  });

  it('counts the pods of all manifests together', () => {
    const items = Array.from({ length: 5_001 }, (_, i) => `  - {apiVersion: v1, kind: Pod, metadata: {name: p${i}}}\n`);
    const { problems } = loadScenario(
      text,
      'test.yaml',
      read({ 'pods/web.yaml': `kind: List\nitems:\n${items.join('')}` }),
    );
    expect(problems.map((p) => p.what)).toContain('5003 pods with those of the manifests');
  });

  it('tells mistakes in the file with its own name and line', () => {
    const { problems } = loadScenario(
      text,
      'dir/test.yaml',
      read({ 'pods/web.yaml': 'apiVersion: v1\nkind: ConfigMap\n' }),
    );
    expect(problems.map((p) => `${p.file}:${p.line}:${p.column} ${p.what}`)).toEqual([
      'dir/pods/web.yaml:2:7 kind is "ConfigMap"',
    ]);
  });
});
