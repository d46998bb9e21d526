// Proves kubectl's tables, messages and exit statuses over a cluster.

import { describe, expect, it } from 'vitest';
import { loadScenario, runScenario } from '../../../src/scenario/index.ts';

const HEAD = `apiVersion: podwire.dev/v1
kind: Scenario
metadata: {name: test}
cluster: {nodes: 2}
pods:
  - {apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {nodeName: node-2, containers: [{name: nginx}, {name: side}]}}
  - {apiVersion: v1, kind: Pod, metadata: {name: a-rather-long-name}, spec: {nodeName: node-1}}
  - {apiVersion: v1, kind: Pod, metadata: {name: web, namespace: prod}, spec: {nodeName: node-1}}
`;

interface Said {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number | null;
}

async function kubectl(...commands: string[]): Promise<Said[]> {
  const steps = commands.map((c) => `  - {run: ${JSON.stringify(`kubectl ${c}`)}}\n`).join('');
  const { scenario, problems } = loadScenario(`${HEAD}steps:\n${steps}`, 'test.yaml');
  expect(problems).toEqual([]);
  const result = await runScenario(scenario!, { capture: null, overwrite: false });
  return result.steps.map(({ stdout, stderr, exit }) => ({ stdout, stderr, exit }));
}

describe('kubectl get', () => {
  it('lists pods by name, three blanks apart, of one namespace or of all', async () => {
    const [some, all, wide] = await kubectl('get pods', 'get po -A', 'get pods -n prod -o wide');
    expect(some!.stdout).toBe(
      [
        'NAME                 READY   STATUS    RESTARTS   AGE',
        'a-rather-long-name   1/1     Running   0          0s',
        'web                  2/2     Running   0          0s',
        '',
      ].join('\n'),
    );
    expect(all!.stdout).toContain('NAMESPACE   NAME ');
    expect(all!.stdout).toContain('prod        web ');
    expect(wide!.stdout).toBe(
      [
        'NAME   READY   STATUS    RESTARTS   AGE   IP           NODE     NOMINATED NODE   READINESS GATES',
        'web    1/1     Running   0          0s    10.244.0.3   node-1   <none>           <none>',
        '',
      ].join('\n'),
    );
  });

  it('lists nodes', async () => {
    const [nodes, wide] = await kubectl('get nodes', 'get nodes -o wide --no-headers');
    expect(nodes!.stdout).toMatch(
      /^NAME {5}STATUS {3}ROLES {4}AGE {3}VERSION\nnode-1 {3}Ready {4}<none> {3}0s {4}v1\.\d+\.\d+\n/,
    );
    expect(wide!.stdout.split('\n')[1]).toMatch(/^node-2 +Ready +<none> +0s +\S+ +10\.0\.1\.2 +<none> /);
  });

  it('says what is not there, and ends with 1', async () => {
    const [pod, node, kind, empty, format] = await kubectl(
      'get pod x',
      'get node/x',
      'get cakes',
      'get pods -n none',
      'get pods -o yaml',
    );
    expect(pod).toEqual({ stdout: '', stderr: 'Error from server (NotFound): pods "x" not found\n', exit: 1 });
    expect(node!.stderr).toBe('Error from server (NotFound): nodes "x" not found\n');
    expect(kind).toEqual({ stdout: '', stderr: 'error: the server doesn\'t have a resource type "cakes"\n', exit: 1 });
    expect(empty).toEqual({ stdout: '', stderr: 'No resources found in none namespace.\n', exit: 0 });
    expect(format!.exit).toBe(1);
  });
});

describe('kubectl exec', () => {
  it('runs in the namespace of the pod', async () => {
    const [one, other] = await kubectl(
      'exec a-rather-long-name -- ip -br addr show eth0',
      'exec -n prod -it pod/web -- ip -br addr show eth0',
    );
    expect(one!.stdout).toContain('10.244.0.2/24');
    expect(other!.stdout).toContain('10.244.0.3/24');
  });

  it('hands on the exit status, and says it', async () => {
    const [said] = await kubectl("exec a-rather-long-name -- bash -c 'echo out; exit 7'");
    expect(said).toEqual({ stdout: 'out\n', stderr: 'command terminated with exit code 7\n', exit: 7 });
  });

  it('names the container that it takes', async () => {
    const [first, chosen, wrong] = await kubectl(
      'exec web -- true',
      'exec web -c side -- true',
      'exec web -c none -- true',
    );
    expect(first!.stderr).toBe('Defaulted container "nginx" out of: nginx, side\n');
    expect(chosen!.stderr).toBe('');
    expect(wrong).toEqual({
      stdout: '',
      stderr: 'Error from server (BadRequest): container none is not valid for pod web\n',
      exit: 1,
    });
  });

  it('refuses what kubectl refuses', async () => {
    const [none, bare, command, flag, verb] = await kubectl(
      'exec nobody -- true',
      'exec web true',
      'exec web --',
      'exec --wat web -- true',
      'apply -f x',
    );
    expect(none!.stderr).toBe('Error from server (NotFound): pods "nobody" not found\n');
    expect(bare!.stderr).toContain('exec [POD] [COMMAND] is not supported anymore');
    expect(command!.stderr).toBe('error: you must specify at least one command for the container\n');
    expect(flag!.stderr).toContain('unknown flag: --wat');
    expect(verb!.stderr).toContain('apply is not emulated by podwire yet');
    expect([none, bare, command, flag, verb].map((s) => s!.exit)).toEqual([1, 1, 1, 1, 1]);
  });
});

describe('what a node and a pod call themselves', () => {
  it('gives a pod its own name and address, and a node its own', async () => {
    const steps = [
      'run: kubectl exec web -- hostname',
      "run: kubectl exec -n prod web -- sh -c 'hostname; uname -n'",
      'run: kubectl exec web -- hostname -i',
      'run: kubectl exec web -- hostname -I',
      'run: hostname, on: node-2',
      'run: hostname -i, on: node-2',
      'run: uname -n, on: node-1',
      'run: hostname, expect: {stdout: {equals: workstation}}',
    ];
    const text = `${HEAD}steps:\n${steps.map((s) => `  - {${s}}\n`).join('')}`;
    const { scenario, problems } = loadScenario(text, 'test.yaml');
    expect(problems).toEqual([]);
    const result = await runScenario(scenario!, { capture: null, overwrite: false });
    expect(result.steps.map((s) => s.stdout)).toEqual([
      'web\n',
      'web\nweb\n',
      '10.244.1.2\n',
      '10.244.1.2 \n',
      'node-2\n',
      '10.0.1.2\n',
      'node-1\n',
      'workstation\n',
    ]);
  });

  it('shows the card of a node without a far end, and a veth of a pod with one', async () => {
    const steps = [
      'ip -o link show eth0',
      'ip -j link show eth0',
      'ip -o link show type veth',
      'ip -br addr',
      'ip -d link',
    ];
    const text = `${HEAD}steps:\n${steps.map((s) => `  - {run: ${s}, on: node-1}\n`).join('')}`;
    const { scenario } = loadScenario(text, 'test.yaml');
    const result = await runScenario(scenario!, { capture: null, overwrite: false });
    const [one, json, veths, brief, details] = result.steps.map((s) => s.stdout);
    expect(one).toMatch(/^\d+: eth0: </);
    expect(JSON.parse(json!)[0]).not.toHaveProperty('link');
    expect(JSON.parse(json!)[0]).not.toHaveProperty('link_index');
    expect(veths).toMatch(/veth[0-9a-f]+@if\d+: /);
    expect(veths).not.toContain('eth0');
    // One for each of its two pods, none for eth0.
    expect(details!.match(/^ +veth .*$/gm)).toHaveLength(2);
    expect(brief).toMatch(/^eth0 +UP +10\.0\.1\.1\/24/m);
  });
});
