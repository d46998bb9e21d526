// Reads a scenario: text -> document with positions -> schema -> checks -> value. Every mistake of the file is reported at
// once, each at its place.

import { type Ipv4, maskIpv4 } from '../addr/ipv4.ts';
import { RESOLVER } from '../kube/cluster-dns.ts';
import { type ClusterSpec, type PodSpec, podLabel, type ServiceNetworkSpec } from '../kube/cluster-spec.ts';
import { KUBE_PROXY_DEFAULTS } from '../kube/kube-proxy-spec.ts';
import { type ClusterPlan, checkCluster, type PlannedNode } from './check-cluster.ts';
import { dnsSpec } from './check-dns.ts';
import { hasServices } from './check-services.ts';
import { checkSteps } from './check-steps.ts';
import { type Draft, type PodDraft, parseDraft } from './draft.ts';
import { quoted } from './explain.ts';
import { addObjects, noObjects, type Objects, parseManifest, pathMistake, type ReadManifest } from './manifest.ts';
import { kubeProxyOf, serviceOf, sliceOf } from './manifest-services.ts';
import { type Problem, sortProblems } from './problem.ts';
import type { Scenario, Step } from './scenario.ts';
import type { ScenarioInput } from './schema.ts';
import type { StepInput } from './schema-step.ts';
import { parseYaml } from './yaml-source.ts';
import { YamlTree } from './yaml-value.ts';

export type LoadResult =
  | { readonly scenario: Scenario; readonly problems: readonly [] }
  | { readonly scenario: null; readonly problems: readonly Problem[] };

export interface LoadOptions {
  /** Reads the files that `manifests` names; without it they are a mistake. */
  readonly readManifest?: ReadManifest;
}

/**
 * @param text of the YAML file
 * @param file its name in messages
 */
export function loadScenario(text: string, file: string, options: LoadOptions = {}): LoadResult {
  const yaml = parseYaml(text, file);
  const failed = (problems: readonly Problem[]): LoadResult => ({ scenario: null, problems: sortProblems(problems) });
  if (yaml.document === null || !yaml.sound) return failed(yaml.problems);
  const tree = new YamlTree(yaml.source, yaml.document);
  if (tree.value === null || typeof tree.value !== 'object' || Array.isArray(tree.value)) {
    const empty = {
      what: 'the file holds no scenario',
      expected: 'a map that begins with `apiVersion: podwire.dev/v1`',
    };
    return failed(yaml.problems.length > 0 ? yaml.problems : [tree.source.at(0, empty)]);
  }
  const parsed = parseDraft(tree);
  const manifests = readManifests(tree, file, options);
  const draft: Draft = {
    ...parsed.draft,
    pods: [...parsed.draft.pods, ...manifests.pods],
    services: [...parsed.draft.services, ...manifests.services],
    endpointSlices: [...parsed.draft.endpointSlices, ...manifests.endpointSlices],
  };
  const plan = checkCluster(draft);
  const hostNetwork = draft.pods.flatMap((p) => (p?.pod.spec.hostNetwork === true ? [podLabel(p.pod.metadata)] : []));
  const { backend, vni } = draft.cluster.network;
  const resolver = draft.cluster.dns === undefined ? [] : [RESOLVER];
  const hosts = [...new Set([...draft.cluster.hosts.map((h) => h.name), ...draft.named.hosts, ...resolver])];
  const known = {
    nodes: plan.nodeNames,
    hosts,
    pods: plan.podLabels,
    services: plan.services,
    hostNetwork,
    backend,
    vni,
  };
  const problems = [
    ...yaml.problems,
    ...tree.problems,
    ...parsed.problems,
    ...manifests.problems,
    ...plan.problems,
    ...checkSteps(draft, known),
  ];
  if (problems.length > 0 || parsed.input === null) return failed(problems);
  return { scenario: deepFreeze(assemble(tree, parsed.input, plan, draft)), problems: [] };
}

function readManifests(tree: YamlTree, file: string, options: LoadOptions): Objects {
  const listed = (tree.value as { manifests?: unknown }).manifests;
  const objects = noObjects();
  if (!Array.isArray(listed)) return objects;
  listed.forEach((path: unknown, i) => {
    if (typeof path !== 'string' || path === '') return;
    const at = ['manifests', i];
    const mistake = pathMistake(path);
    const read = mistake === null ? (options.readManifest?.(path) ?? { error: 'no files can be read here' }) : null;
    const error = mistake ?? (read !== null && 'error' in read ? read.error : null);
    if (error !== null || read === null || 'error' in read) {
      objects.problems.push(
        tree.problem(at, {
          what: `${quoted(path)}: ${error}`,
          expected: 'a file in the directory of the scenario or below',
        }),
      );
      return;
    }
    const slash = file.lastIndexOf('/');
    addObjects(objects, parseManifest(read.text, `${file.slice(0, slash + 1)}${path}`));
  });
  return objects;
}

/** Addresses of Services need a route on the nodes: every real node has a default one. */
function gatewayOf(node: PlannedNode, cluster: ScenarioInput['cluster'], services: boolean): Ipv4 | null {
  if (cluster.underlay.gateway !== undefined) return cluster.underlay.gateway;
  if (!services || node.prefixLength > 30) return null;
  const last = ((node.address | ~maskIpv4(node.prefixLength)) - 1) | 0;
  return last === node.address ? null : last;
}

/** Absent when the file says nothing of Services: then nodes have no netfilter either. */
function assembleServices(cluster: ScenarioInput['cluster'], draft: Draft): ServiceNetworkSpec | null {
  if (!hasServices(draft)) return null;
  return {
    serviceCIDR: cluster.serviceCIDR,
    nodePortRange: cluster.nodePortRange,
    kubeProxy: cluster.kubeProxy === undefined ? KUBE_PROXY_DEFAULTS : kubeProxyOf(cluster.kubeProxy),
    services: draft.services.filter((s) => s !== null).map((s) => serviceOf(s.service)),
    endpointSlices: draft.endpointSlices.filter((s) => s !== null).map((s) => sliceOf(s.slice)),
  };
}

function assemblePod({ pod }: PodDraft): PodSpec {
  const { metadata, spec } = pod;
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    nodeName: spec.nodeName ?? null,
    hostNetwork: spec.hostNetwork ?? false,
    containers: (spec.containers ?? []).map((c) => c.name),
    programs: (spec.containers ?? []).map((c) => ({
      image: c.image ?? '',
      command: c.command ?? [],
      args: c.args ?? [],
      ports: (c.ports ?? []).map((p) => ({ port: p.containerPort, protocol: p.protocol ?? 'TCP' })),
    })),
    labels: metadata.labels ?? {},
    ports: (spec.containers ?? []).flatMap((c) =>
      (c.ports ?? []).map((p) => ({ name: p.name ?? '', port: p.containerPort, protocol: p.protocol ?? 'TCP' })),
    ),
    hostname: spec.hostname ?? null,
    subdomain: spec.subdomain ?? null,
    dnsPolicy: spec.dnsPolicy ?? 'ClusterFirst',
    dnsConfig:
      spec.dnsConfig === undefined
        ? null
        : {
            nameservers: spec.dnsConfig.nameservers ?? [],
            searches: spec.dnsConfig.searches ?? [],
            options: (spec.dnsConfig.options ?? []).map((o) => ({ name: o.name, value: o.value ?? null })),
          },
    hostAliases: (spec.hostAliases ?? []).map((h) => ({ ip: h.ip, hostnames: h.hostnames ?? [] })),
    ready: !(pod.status?.conditions ?? []).some((c) => c.type === 'Ready' && c.status !== 'True'),
  };
}

function assemble(tree: YamlTree, input: ScenarioInput, plan: ClusterPlan, draft: Draft): Scenario {
  const { cluster } = input;
  const narrow = new Map(input.cables.flatMap((c) => (c.mtu === undefined ? [] : [[c.node, c.mtu] as const])));
  const services = assembleServices(cluster, draft);
  const spec: ClusterSpec = {
    podCIDR: cluster.podCIDR,
    kernelBugs: cluster.kernelBugs,
    nodeCIDRMaskSize: cluster.nodeCIDRMaskSize,
    nodes: plan.nodes.map((n) => ({
      ...n,
      mtu: narrow.get(n.name) ?? cluster.underlay.mtu,
      gateway: gatewayOf(n, cluster, services !== null),
    })),
    hosts: cluster.hosts.map(({ name, address, mac }) => ({
      ...{ name, address: address.address, prefixLength: address.length, mac: mac ?? null, mtu: cluster.underlay.mtu },
    })),
    network: {
      backend: cluster.network.backend,
      vni: cluster.network.vni,
      port: cluster.network.port,
      directRouting: cluster.network.directRouting,
      mtu: cluster.network.mtu ?? null,
    },
    pods: draft.pods.filter((p) => p !== null).map(assemblePod),
    services,
    dns: dnsSpec(draft, plan.nodes),
    packetTime: cluster.packetTime,
  };
  return {
    file: tree.source.file,
    name: input.metadata.name,
    description: input.metadata.description?.trim() ?? null,
    seed: input.seed,
    cluster: spec,
    switchMtu: cluster.underlay.mtu,
    cables: input.cables,
    capture: input.capture,
    limits: { maxEvents: input.limits.maxEvents ?? null, maxTime: input.limits.maxTime ?? null },
    steps: input.steps.map((step, i) => assembleStep(tree, step, i)),
    warnings: plan.warnings,
  };
}

function assembleStep(tree: YamlTree, step: StepInput, index: number): Step {
  const { line, column } = tree.problem(['steps', index], { what: '' });
  return {
    index,
    name: step.name ?? null,
    title: step.name ?? titleOf(step),
    place: { file: tree.source.file, line, column },
    at: step.at ?? null,
    after: step.after ?? 0,
    action: actionOf(step),
    expect: step.expect ?? null,
  };
}

function actionOf(step: StepInput): Step['action'] {
  if (step.run !== undefined) {
    return { kind: 'run', command: step.run, on: step.on ?? null, background: step.background ?? false };
  }
  if (step.fault !== undefined) return { kind: 'fault', fault: step.fault };
  if (step.pod !== undefined) return { kind: 'pod', ...step.pod };
  if (step.wait !== undefined) return { kind: 'wait', time: step.wait };
  return { kind: 'expect' };
}

const POD_TITLES = { ready: 'becomes ready', unready: 'becomes unready', delete: 'is deleted' } as const;

function titleOf(step: StepInput): string {
  if (step.run !== undefined) return step.run.trim().split('\n')[0]!;
  if (step.wait !== undefined) return `wait ${step.wait / 1e9} s`;
  if (step.pod !== undefined) return `pod ${step.pod.name} ${POD_TITLES[step.pod.action]}`;
  if (step.fault === undefined) return 'expectations';
  const { link, action, heal, partition } = step.fault;
  if (partition !== undefined) return `partition ${partition.map((g) => g.join(', ')).join(' | ')}`;
  return heal !== undefined ? `heal ${heal}` : `link ${link}${action === undefined ? ' changes' : ` ${action}`}`;
}

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object' && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const v of Object.values(value)) deepFreeze(v);
  }
  return value;
}
