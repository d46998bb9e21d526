// A small sound scenario, and pieces of it replaced: the tests of the loader change one thing at a time.

import { loadScenario } from '../../src/scenario/load.ts';
import { formatProblem } from '../../src/scenario/problem.ts';

export const SOUND = `apiVersion: podwire.dev/v1
kind: Scenario
metadata: {name: sound}
cluster:
  podCIDR: 10.244.0.0/16
  nodes:
    - {name: node-1, address: 10.0.1.1/24}
    - {name: node-2, address: 10.0.1.2/24}
  network: {backend: vxlan, vni: 1, port: 8472}
pods:
  - {apiVersion: v1, kind: Pod, metadata: {name: pod-a}, spec: {nodeName: node-1}}
  - {apiVersion: v1, kind: Pod, metadata: {name: pod-b}, spec: {nodeName: node-2}}
cables:
  - {node: node-1, latency: 1ms}
steps:
  - {name: first, run: ip route, on: node-1}
  - {wait: 1s}
`;

/** The sound scenario with pieces replaced; each piece must be there. */
export function changed(...pieces: readonly (readonly [from: string, to: string])[]): string {
  let text = SOUND;
  for (const [from, to] of pieces) {
    if (!text.includes(from)) throw new Error(`the sound scenario has no ${JSON.stringify(from)}`);
    text = text.replace(from, to);
  }
  return text;
}

/** `line:column what` of every problem. */
export function problemsOf(text: string): string[] {
  return loadScenario(text, 'test.yaml').problems.map((p) => `${p.line}:${p.column} ${p.what}`);
}

/** The problems as people see them. */
export function printed(text: string): string {
  return loadScenario(text, 'test.yaml').problems.map(formatProblem).join('\n');
}
