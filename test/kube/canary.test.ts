// Proves that kube-proxy and the kubelet notice flushed tables, when they look and not before, and write what was there; and
// that nothing ticks while nothing happens.

import { describe, expect, it } from 'vitest';
import { loadScenario, runScenario } from '../../src/scenario/index.ts';

const HEAD = `apiVersion: podwire.dev/v1
kind: Scenario
metadata: {name: canary}
cluster: {nodes: 1}
pods:
  - {apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: web}}, spec: {nodeName: node-1}}
services:
  - {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
`;

async function run(steps: readonly string[]): Promise<string[]> {
  const text = `${HEAD}steps:\n${steps.map((s) => `  - {${s}, on: node-1}\n`).join('')}`;
  const { scenario, problems } = loadScenario(text, 'test.yaml');
  expect(problems).toEqual([]);
  const result = await runScenario(scenario!, { capture: null, overwrite: false });
  return result.steps.map((s) => s.stdout.trim());
}

const COUNT = 'iptables-save | grep -c KUBE-';
const flush = (table: string): string => `iptables -t ${table} -F && iptables -t ${table} -X`;

describe('flushed tables', () => {
  it('are written anew at the next look, thirty and sixty seconds after the start', async () => {
    const seen = await run([
      `run: "${COUNT}"`,
      `at: 5s, run: "${flush('mangle')}; ${flush('nat')}; ${flush('filter')}"`,
      `run: "${COUNT} || true"`,
      `at: 29s, run: "${COUNT} || true"`,
      `at: 31s, run: "iptables-save -t nat | grep -c KUBE-SVC-"`,
      `at: 61s, run: "${COUNT}"`,
    ]);
    expect(Number(seen[0])).toBeGreaterThan(50);
    expect(seen.slice(2, 4)).toEqual(['0', '0']);
    expect(Number(seen[4])).toBeGreaterThan(3);
    expect(seen[5]).toBe(seen[0]);
  });

  it('rules alone do not wake them: the canary is still there', async () => {
    const seen = await run([
      'at: 5s, run: iptables -t nat -F',
      `at: 40s, run: "iptables-save -t nat | grep -c '^-A KUBE' || true"`,
    ]);
    expect(seen[1]).toBe('0');
  });

  it("flanneld's are back within five seconds, in their order", async () => {
    const list = 'iptables-save | grep FLANNEL-';
    const seen = await run([
      `run: "${list}"`,
      'at: 6s, run: "iptables -t nat -D FLANNEL-POSTRTG 2; iptables -D FORWARD -m comment --comment \'flanneld forward\' -j FLANNEL-FWD"',
      `at: 9s, run: "${list}"`,
      `at: 11s, run: "${list}"`,
    ]);
    expect(seen[2]).not.toBe(seen[0]);
    expect(seen[3]).toBe(seen[0]);
  });

  it('one table that is left: they wait five seconds for it', async () => {
    const seen = await run([
      `at: 5s, run: "${flush('mangle')}; ${flush('nat')}"`,
      `at: 34s, run: "iptables-save -t nat | grep -c KUBE-SVC- || true"`,
      `at: 36s, run: "iptables-save -t nat | grep -c KUBE-SVC- || true"`,
    ]);
    expect(seen[1]).toBe('0');
    expect(Number(seen[2])).toBeGreaterThan(3);
  });
});
