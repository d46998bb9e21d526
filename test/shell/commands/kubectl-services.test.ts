// Proves the tables of kubectl get svc, endpoints and endpointslices, as kubectl's printers have them.

import { describe, expect, it } from 'vitest';
import { loadScenario, runScenario } from '../../../src/scenario/index.ts';

const pods = [1, 2, 3, 4, 5].map(
  (n) => `  - {apiVersion: v1, kind: Pod, metadata: {name: web-${n}, labels: {app: web}}, spec: {nodeName: node-1}}\n`,
);
const service = (name: string, spec: string, more = ''): string =>
  `  - {apiVersion: v1, kind: Service, metadata: {name: ${name}${more}}, spec: {${spec}}}\n`;
const HEAD = `apiVersion: podwire.dev/v1
kind: Scenario
metadata: {name: test}
cluster: {nodes: 1, kubeProxy: {mode: none}}
pods:
${pods.join('')}services:
${service('web', 'clusterIP: 10.96.0.10, selector: {tier: front, app: web}, ports: [{port: 80, targetPort: 8080}]')}${service('all', 'clusterIP: 10.96.0.11, type: NodePort, selector: {app: web}, externalIPs: [192.0.2.1], ports: [{name: a, port: 80, nodePort: 30080}, {name: b, port: 53, protocol: UDP, nodePort: 30053}]')}${service('lb', 'clusterIP: 10.96.0.12, type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}]')}  - {apiVersion: v1, kind: Service, metadata: {name: lb2}, spec: {clusterIP: 10.96.0.13, type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}]}, status: {loadBalancer: {ingress: [{ip: 203.0.113.10}, {ip: 203.0.113.11}]}}}
${service('ext', 'type: ExternalName, externalName: example.com')}${service('headless', 'clusterIP: None, selector: {app: web}', ', namespace: prod')}`;

async function kubectl(...commands: string[]): Promise<{ stdout: string; stderr: string; exit: number | null }[]> {
  const steps = commands.map((c) => `  - {run: ${JSON.stringify(`kubectl ${c}`)}}\n`).join('');
  const { scenario, problems } = loadScenario(`${HEAD}steps:\n${steps}`, 'test.yaml');
  expect(problems).toEqual([]);
  const result = await runScenario(scenario!, { capture: null, overwrite: false });
  return result.steps.map(({ stdout, stderr, exit }) => ({ stdout, stderr, exit }));
}

const lines = (...text: string[]): string => `${text.join('\n')}\n`;

describe('kubectl get services', () => {
  it('shows types, addresses and ports; what is long is cut, what is missing has its word', async () => {
    const [all] = await kubectl('get svc');
    expect(all!.stdout).toBe(
      lines(
        'NAME         TYPE           CLUSTER-IP   EXTERNAL-IP        PORT(S)                     AGE',
        'all          NodePort       10.96.0.11   192.0.2.1          80:30080/TCP,53:30053/UDP   0s',
        'ext          ExternalName   <none>       example.com        <none>                      0s',
        'kubernetes   ClusterIP      10.96.0.1    <none>             443/TCP                     0s',
        'lb           LoadBalancer   10.96.0.12   <pending>          80/TCP                      0s',
        'lb2          LoadBalancer   10.96.0.13   203.0.113.10,...   80/TCP                      0s',
        'web          ClusterIP      10.96.0.10   <none>             80/TCP                      0s',
      ),
    );
  });

  it('-o wide adds selectors, sorted, and the whole of the addresses; -A the namespace', async () => {
    const [wide, everywhere, name] = await kubectl(
      'get services lb2 web -o wide',
      'get svc -A',
      'get svc -o name -n prod',
    );
    expect(wide!.stdout).toBe(
      lines(
        'NAME   TYPE           CLUSTER-IP   EXTERNAL-IP                 PORT(S)   AGE   SELECTOR',
        'lb2    LoadBalancer   10.96.0.13   203.0.113.10,203.0.113.11   80/TCP    0s    <none>',
        'web    ClusterIP      10.96.0.10   <none>                      80/TCP    0s    app=web,tier=front',
      ),
    );
    expect(everywhere!.stdout).toMatch(/^NAMESPACE {3}NAME /);
    expect(everywhere!.stdout).toMatch(/^prod +headless +ClusterIP +None +<none> +<none> +0s$/m);
    expect(name!.stdout).toBe('service/headless\n');
  });

  it('says which is not there', async () => {
    const [missing, empty] = await kubectl('get svc web nope', 'get svc -n nowhere');
    expect(missing!.exit).toBe(1);
    expect(missing!.stderr).toBe('Error from server (NotFound): services "nope" not found\n');
    expect(empty!.stderr).toBe('No resources found in nowhere namespace.\n');
  });
});

describe('kubectl get of several kinds, and of some labels', () => {
  it('one table after the other, names with their kind', async () => {
    const [both] = await kubectl('get svc,pods web web-1');
    expect(both!.stdout).toBe(
      lines(
        'NAME          TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)   AGE',
        'service/web   ClusterIP   10.96.0.10   <none>        80/TCP    0s',
        '',
        'NAME        READY   STATUS    RESTARTS   AGE',
        'pod/web-1   1/1     Running   0          0s',
      ),
    );
    expect(both!.exit).toBe(1);
  });

  it('-l picks by labels', async () => {
    const [some, none, wrong] = await kubectl(
      'get pods -l app=web,x!=y -o name',
      'get pods -lapp=db',
      'get pods -l ,,',
    );
    expect(some!.stdout.trim().split('\n')).toHaveLength(5);
    expect(none!.stderr).toContain('No resources found');
    expect(wrong!.stderr).toBe('error: unable to parse requirement: \n');
  });
});

describe('kubectl get endpoints and endpointslices', () => {
  it('show three and how many more, and warn that Endpoints are deprecated', async () => {
    const [endpoints, slices] = await kubectl('get ep all web', 'get endpointslices');
    expect(endpoints!.stdout).toBe(
      lines(
        'NAME   ENDPOINTS                                               AGE',
        'all    10.244.0.2:80,10.244.0.3:80,10.244.0.4:80 + 7 more...   0s',
        'web    <none>                                                  0s',
      ),
    );
    expect(endpoints!.stderr).toMatch(/^Warning: v1 Endpoints is deprecated in v1\.33\+/);
    expect(slices!.stdout).toMatch(
      /^all-\w{5} +IPv4 +80,53 +10\.244\.0\.2,10\.244\.0\.3,10\.244\.0\.4 \+ 2 more\.\.\. +0s$/m,
    );
    expect(slices!.stdout).toMatch(/^web-\w{5} +IPv4 +<unset> +<unset> +0s$/m);
    expect(slices!.stdout).toMatch(/^kubernetes +IPv4 +6443 +10\.0\.1\.1 +0s$/m);
  });
});
