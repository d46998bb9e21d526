// Proves that containers run what their image or command says, each answering as its program does, and that an image that is
// not known serves nobody.

import { describe, expect, it } from 'vitest';
import { loadScenario, runScenario } from '../../src/scenario/index.ts';

interface Case {
  readonly what: string;
  readonly container: string;
  readonly command: string;
  /** what the client prints, with the pod's address as IP */
  readonly out: string | RegExp;
}

const CASES: readonly Case[] = [
  {
    what: 'nginx on port 80',
    container: '{name: c, image: "docker.io/library/nginx:1.22.1@sha256:0123"}',
    command: 'curl -s http://IP/ | grep -c "Welcome to nginx!"',
    out: '2\n',
  },
  {
    what: 'nginx on the ports that it names',
    container: '{name: c, image: nginx, ports: [{containerPort: 8081}]}',
    command: 'curl -sI http://IP:8081/ | head -2',
    out: 'HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n',
  },
  {
    what: 'agnhost, which says the name of its pod',
    container: '{name: c, image: "registry.k8s.io/e2e-test-images/agnhost:2.47"}',
    command: 'curl -s http://IP:8080/hostname',
    out: 'server',
  },
  {
    what: 'agnhost on another port, which says who asks',
    container: '{name: c, image: agnhost, args: [netexec, --http-port=81]}',
    command: 'curl -s --local-port 5000 http://IP:81/clientip',
    out: /^10\.244\.\d+\.\d+:5000$/,
  },
  {
    what: 'http-echo with its text',
    container: '{name: c, image: hashicorp/http-echo, args: ["-text=hello", "-listen=:80"]}',
    command: 'curl -s http://IP/anything',
    out: 'hello\n',
  },
  {
    what: 'a command instead of the image',
    container: '{name: c, image: python:3, command: [python3, -m, http.server, "8000"]}',
    command: 'curl -s -o /dev/null -w "%{http_code}" http://IP:8000/nothing',
    out: '404',
  },
  {
    what: 'a TCP echo on the ports that it names',
    container: '{name: c, image: podwire/tcp-echo, ports: [{containerPort: 7000}]}',
    command: 'printf abc | nc -N IP 7000',
    out: 'abc',
  },
  {
    what: 'a UDP echo on port 7',
    container: '{name: c, image: podwire/udp-echo}',
    command: 'udpsend.py IP 7 --sizes 4',
    out: 'sent 4 bytes -> reply 4 bytes from IP:7 same=True\n',
  },
  {
    what: 'nothing that is known: the port is closed',
    container: '{name: c, image: postgres}',
    command: 'curl -s -o /dev/null -w "%{exitcode}" http://IP/',
    out: '7',
  },
  {
    what: 'a command that is not known, whatever the image',
    container: '{name: c, image: nginx, command: [sleep, infinity]}',
    command: 'curl -s -o /dev/null -w "%{exitcode}" http://IP/',
    out: '7',
  },
];

async function ask(container: string, command: string): Promise<string> {
  const { scenario, problems } = loadScenario(
    `apiVersion: podwire.dev/v1
kind: Scenario
metadata: {name: containers}
cluster: {nodes: 1}
pods:
  - {apiVersion: v1, kind: Pod, metadata: {name: client}}
  - {apiVersion: v1, kind: Pod, metadata: {name: server}, spec: {containers: [${container}]}}
steps:
  - run: ${JSON.stringify(`kubectl exec client -- bash -c '${command.replaceAll('IP', '10.244.0.3')}'`)}
`,
    'test.yaml',
  );
  expect(problems).toEqual([]);
  const result = await runScenario(scenario!, { capture: null, overwrite: false });
  return result.steps[0]!.stdout.replaceAll('10.244.0.3', 'IP');
}

describe('a container runs', () => {
  it.each(CASES)('$what', async ({ container, command, out }) => {
    const told = await ask(container, command);
    if (typeof out === 'string') expect(told).toBe(out);
    else expect(told.replaceAll('IP', '10.244.0.3')).toMatch(out);
  });
});
