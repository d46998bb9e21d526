// Proves that Services in a scenario are refused with the place and the reason when they cannot be, that what the API server
// would fill in is filled in, and what happens to a pod by steps: unready, deleted, gone.

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of scenarios

import { describe, expect, it } from 'vitest';
import { framesInUse } from '../../src/link/frame.ts';
import { loadScenario, type RunResult, runScenario } from '../../src/scenario/index.ts';

const HEAD = `apiVersion: podwire.dev/v1
kind: Scenario
metadata: {name: services}
cluster: {nodes: 2}
pods:
  - {apiVersion: v1, kind: Pod, metadata: {name: client}, spec: {nodeName: node-1}}
  - {apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: web}}, spec: {nodeName: node-2}}
`;
/** Line 9 of the file. */
const service = (spec: string, rest = ''): string =>
  `${HEAD}services:\n  - {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ${spec}}${rest}}\nsteps: [{wait: 1s}]\n`;

function complaints(text: string): string[] {
  return loadScenario(text, 'test.yaml').problems.map((p) => `${p.line} ${p.what}`);
}

describe('a Service that cannot be', () => {
  it.each([
    [
      'an address outside',
      'clusterIP: 10.95.255.255, ports: [{port: 80}]',
      'the provided IP (10.95.255.255) is not in the valid range',
    ],
    [
      'the first address',
      'clusterIP: 10.96.0.1, ports: [{port: 80}]',
      '10.96.0.1 is the address of kubernetes already',
    ],
    ['no ports', 'type: ClusterIP', 'a Service without ports'],
    ['ports without names', 'ports: [{port: 80}, {port: 81}]', 'a port without a name among several'],
    ['a name twice', 'ports: [{name: a, port: 80}, {name: a, port: 81}]', 'a second port "a"'],
    ['a port twice', 'ports: [{name: a, port: 80}, {name: b, port: 80}]', '80/TCP stands here twice'],
    ['a node port of a ClusterIP', 'ports: [{port: 80, nodePort: 30080}]', 'a node port of a ClusterIP'],
    ['a node port out of range', 'type: NodePort, ports: [{port: 80, nodePort: 8080}]', '8080 is no node port'],
    ['an ExternalName without a name', 'type: ExternalName', 'an ExternalName without a name'],
    ['a headless NodePort', 'type: NodePort, clusterIP: None, ports: [{port: 80}]', 'a NodePort cannot be headless'],
    [
      'an external policy without an outside',
      'externalTrafficPolicy: Local, ports: [{port: 80}]',
      'a ClusterIP takes nothing from outside',
    ],
    [
      'source ranges of a NodePort',
      'type: NodePort, loadBalancerSourceRanges: [10.0.0.0/8], ports: [{port: 80}]',
      'loadBalancerSourceRanges of a NodePort',
    ],
    [
      'a health check that nobody asks for',
      'type: LoadBalancer, healthCheckNodePort: 30001, ports: [{port: 80}]',
      'no health check is asked for',
    ],
    [
      'a time-out without affinity',
      'sessionAffinityConfig: {clientIP: {timeoutSeconds: 5}}, ports: [{port: 80}]',
      'there is no session affinity to configure',
    ],
  ])('%s', (_name, spec, complaint) => {
    const found = complaints(service(spec));
    expect(found).toEqual(expect.arrayContaining([expect.stringContaining(complaint)]));
    expect(found.every((f) => f.startsWith('9 '))).toBe(true);
  });

  it.each([
    ['a port that is none', 'ports: [{port: 0}]', 'services[0].spec.ports[0].port is 0'],
    ['a protocol that is none', 'ports: [{port: 80, protocol: tcp}]', 'services[0].spec.ports[0].protocol is "tcp"'],
    [
      'an affinity of two days',
      'sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 172800}}, ports: [{port: 80}]',
      'timeoutSeconds is 172800',
    ],
    ['a target port with an underscore', 'ports: [{port: 80, targetPort: web_ui}]', 'targetPort is "web_ui"'],
  ])('%s (its shape)', (_name, spec, complaint) => {
    expect(complaints(service(spec))).toEqual([expect.stringContaining(complaint)]);
  });

  it('two with one address, one node port, one name', () => {
    const two = `${HEAD}services:
  - {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {type: NodePort, clusterIP: 10.96.0.9, ports: [{port: 80, nodePort: 30080}]}}
  - {apiVersion: v1, kind: Service, metadata: {name: b}, spec: {type: NodePort, clusterIP: 10.96.0.9, ports: [{port: 80, nodePort: 30080}]}}
  - {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80}]}}
steps: [{wait: 1s}]
`;
    expect(complaints(two)).toEqual([
      '10 10.96.0.9 is the address of a already',
      '10 30080 is a node port of a already',
      '11 a second Service "a" in the namespace default',
    ]);
  });

  it('prefixes that overlap, a mode that is none, a range that is none', () => {
    const cluster = (settings: string): string =>
      service('ports: [{port: 80}]').replace('{nodes: 2}', `{nodes: 2, ${settings}}`);
    expect(complaints(cluster('serviceCIDR: 10.244.128.0/20'))).toEqual([
      '4 the service CIDR 10.244.128.0/20 overlaps the pod CIDR 10.244.0.0/16',
    ]);
    expect(complaints(cluster('serviceCIDR: 10.0.0.0/12'))).toEqual([expect.stringContaining('overlaps the underlay')]);
    expect(complaints(cluster('serviceCIDR: 172.16.0.0/8'))[0]).toContain('serviceCIDR');
    expect(complaints(cluster('kubeProxy: {mode: userspace}'))).toEqual(['4 cluster.kubeProxy.mode is "userspace"']);
    expect(complaints(cluster('nodePortRange: 40000-30000'))[0]).toContain('nodePortRange');
    expect(
      complaints(cluster('hosts: [{name: node-1, address: 10.0.1.9/24}, {name: x, address: 10.0.2.1/24}]')),
    ).toEqual(['4 "node-1" is the name of something else', '4 10.0.2.1/24 is not in the subnet of the nodes']);
  });

  it('a slice of a Service that is not there, a placeholder of one, a pod step of nobody', () => {
    const text = `${HEAD}endpointSlices:
  - {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: x, labels: {kubernetes.io/service-name: db}}, endpoints: []}
steps:
  - {run: "echo \${svc/db.ip} \${svc/kubernetes.size}"}
  - {pod: {name: wbe, action: unready, gracePeriod: 1s}}
`;
    expect(complaints(text)).toEqual([
      '9 there is no Service "db"',
      '11 ${svc/db.ip} names no pod and no node and no Service',
      '11 a Service has no "size"',
      '12 there is no pod "wbe"',
      '12 a grace period of a pod that is not deleted',
    ]);
  });
});

describe('a Service that may surprise', () => {
  it('one whose selector picks nobody is taken with a warning', () => {
    const { scenario, problems } = loadScenario(
      service('ports: [{port: 80}]').replace('{app: web}, ports', '{app: wbe}, ports'),
      'x',
    );
    expect(problems).toEqual([]);
    expect(scenario!.warnings).toEqual(['the selector of the Service web picks no pod: it begins without endpoints']);
  });

  it('one without a selector, as a misspelt one leaves it, is taken with a warning when no slice is its own', () => {
    const misspelt = service('ports: [{port: 80}]').replace('selector:', 'selctor:');
    const { scenario, problems } = loadScenario(misspelt, 'x');
    expect(problems).toEqual([]);
    expect(scenario!.warnings).toEqual(['the Service web has no selector and no EndpointSlice: it has no endpoints']);
    const slice = `
endpointSlices:
  - apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
    addressType: IPv4
    ports: [{port: 80}]
    endpoints: [{addresses: [10.244.9.9]}]
`;
    expect(loadScenario(misspelt + slice, 'x').scenario!.warnings).toEqual([]);
  });

  it('a mistake of kube-proxy that its mode cannot make is taken with a warning', () => {
    const proxy = (settings: string): string =>
      service('ports: [{port: 80}]').replace('{nodes: 2}', `{nodes: 2, kubeProxy: {${settings}}}`);
    const warnings = (settings: string) => loadScenario(proxy(settings), 'x').scenario!.warnings;
    expect(warnings('mode: ipvs, bugs: [forward-invalid, stale-udp-conntrack]')).toEqual([
      'kubeProxy.bugs: forward-invalid means nothing in the mode ipvs',
    ]);
    expect(warnings('bugs: [forward-invalid]')).toEqual([]);
  });

  it('without any there is no service network, with kubeProxy none there is one that nobody serves', () => {
    const load = (text: string) => loadScenario(text, 'x').scenario!.cluster.services;
    expect(load(`${HEAD}steps: [{wait: 1s}]\n`)).toBeNull();
    expect(load(service('ports: [{port: 80}]'))!.kubeProxy!.mode).toBe('iptables');
    const none = service('ports: [{port: 80}]').replace('{nodes: 2}', '{nodes: 2, kubeProxy: {mode: none}}');
    expect(load(none)!.kubeProxy).toBeNull();
  });
});

async function run(steps: string): Promise<RunResult> {
  const before = framesInUse();
  const text = `${service('clusterIP: 10.96.0.10, ports: [{port: 7, targetPort: 7000, protocol: UDP}]').replace('steps: [{wait: 1s}]\n', '')}steps:\n${steps}`;
  const { scenario, problems } = loadScenario(text, 'test.yaml');
  expect(problems).toEqual([]);
  const result = await runScenario(scenario!, { capture: null, overwrite: false });
  expect(framesInUse()).toBe(before);
  return result;
}

describe('the life of a pod', () => {
  it('unready: its Service rejects; ready again: it is served', async () => {
    const send = 'kubectl exec client -- udpsend.py --connect --recverr --sizes 4 --wait 1 ${svc/web.ip} 7';
    const result = await run(`  - {run: kubectl exec web -- udpecho.py 7000, background: true}
  - {after: 1s, run: "${send}"}
  - {pod: {name: web, action: unready}}
  - {after: 2s, run: "${send}"}
  - {pod: {name: web, action: ready}}
  - {after: 2s, run: "${send}"}
`);
    expect(result.steps[1]!.stdout).toContain('reply 4 bytes');
    expect(result.steps[3]!.stdout).toContain('ECONNREFUSED');
    expect(result.steps[5]!.stdout).toContain('reply 4 bytes');
  });

  it('deleted: it terminates, goes on for its grace period, and then is gone with its programs, its link and its address', async () => {
    const result = await run(`  - {run: kubectl exec web -- sleep 1000, background: true}
  - {after: 1s, run: ip -br link | grep -c ^veth, on: node-2}
  - {pod: {name: web, action: delete, gracePeriod: 5s}}
  - {after: 2s, run: kubectl get pod web}
  - {run: kubectl get endpointslices}
  - {wait: 4s}
  - {run: kubectl get pod web, expect: {exit: 1}}
  - {run: "ip -br link | grep -c ^veth; true", on: node-2}
  - {run: "kubectl exec web -- true", expect: {exit: 1}}
  - {run: "echo \${web.ip}"}
`);
    expect(result.steps[1]!.stdout.trim()).toBe('1');
    expect(result.steps[3]!.stdout).toContain('Terminating');
    expect(result.steps[4]!.stdout).toMatch(/web-\w{5} +IPv4 +7000 +10\.244\.1\.2/);
    expect(result.steps[6]!.stderr).toContain('pods "web" not found');
    expect(result.steps[7]!.stdout.trim()).toBe('0');
    expect(result.steps[8]!.stderr).toContain('NotFound');
    expect(result.steps[9]!.stdout.trim()).toBe('10.244.1.2');
    // The program in it was killed with it.
    expect(result.steps[0]!.exit).toBe(137);
    expect(result.passed || result.steps.every((s, i) => i === 0 || s.judgements.every((j) => j.passed))).toBe(true);
  });

  it('kubectl delete waits until it is gone, and says what kubectl says', async () => {
    const result = await run(`  - {run: kubectl delete pod web --grace-period=3}
  - {run: kubectl delete pod web, expect: {exit: 1}}
  - {run: kubectl delete pod client --force --grace-period=0}
`);
    expect(result.steps[0]!.stdout).toBe('pod "web" deleted from default namespace\n');
    expect(result.steps[0]!.ended - result.steps[0]!.started).toBeGreaterThanOrEqual(3e9);
    expect(result.steps[1]!.stderr).toContain('Error from server (NotFound): pods "web" not found');
    expect(result.steps[2]!.stdout).toContain('force deleted');
  });
});
