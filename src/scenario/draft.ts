// A scenario that may be half wrong: every part that its schema accepts, null for the others. The checks of references and
// overlaps (check-*.ts) run over it, so that a mistake in one place does not hide those in another.

import type { z } from 'zod';
import { DEFAULT_NAMESPACE, podLabel } from '../kube/cluster-spec.ts';
import { explainIssues } from './explain.ts';
import type { Problem } from './problem.ts';
import { parseTime } from './quantity.ts';
import { type PodManifest, podManifest, type ScenarioInput, scenario } from './schema.ts';
import { type CableSpec, type CaptureSpec, type ClusterInput, cable, capture, cluster } from './schema-cluster.ts';
import {
  type EndpointSliceManifest,
  endpointSliceManifest,
  type ServiceManifest,
  serviceManifest,
} from './schema-service.ts';
import { type StepInput, step } from './schema-step.ts';
import type { Path, PlainValue, YamlTree } from './yaml-value.ts';

type NodeInput = Exclude<ClusterInput['nodes'], number>[number];

/** A pod manifest and where it stands. */
export interface PodDraft {
  readonly tree: YamlTree;
  readonly path: Path;
  readonly pod: PodManifest;
}

/** A Service manifest and where it stands. */
export interface ServiceDraft {
  readonly tree: YamlTree;
  readonly path: Path;
  readonly service: ServiceManifest;
}

/** An EndpointSlice manifest and where it stands. */
export interface SliceDraft {
  readonly tree: YamlTree;
  readonly path: Path;
  readonly slice: EndpointSliceManifest;
}

export interface Draft {
  readonly tree: YamlTree;
  /** settings of the cluster; those that are wrong stand at their default */
  readonly cluster: Omit<ClusterInput, 'nodes'>;
  /** a number of nodes, or the list of them; null where one is wrong */
  readonly nodes: number | readonly (NodeInput | null)[];
  readonly pods: readonly (PodDraft | null)[];
  readonly services: readonly (ServiceDraft | null)[];
  readonly endpointSlices: readonly (SliceDraft | null)[];
  readonly cables: readonly (CableSpec | null)[];
  readonly capture: CaptureSpec | null;
  readonly steps: readonly (StepInput | null)[];
  /** names of all of this file, even of those that are wrong elsewhere: references to them are no mistake */
  readonly named: {
    readonly nodes: readonly string[];
    readonly hosts: readonly string[];
    readonly pods: readonly string[];
    readonly services: readonly string[];
  };
  /** texts of `at`, even of steps that are wrong elsewhere */
  readonly times: readonly (number | null)[];
}

export interface Parsed {
  readonly draft: Draft;
  /** the whole, when no part is wrong */
  readonly input: ScenarioInput | null;
  readonly problems: readonly Problem[];
}

/** Settings of the cluster that stand at their default when they are wrong. */
const SETTINGS = [
  'podCIDR',
  'nodeCIDRMaskSize',
  'hosts',
  'network',
  'underlay',
  'serviceCIDR',
  'nodePortRange',
  'kubeProxy',
  'dns',
  'kernelBugs',
  'packetTime',
] as const;

export function parseDraft(tree: YamlTree): Parsed {
  const whole = scenario.safeParse(tree.value);
  const problems = whole.success ? [] : explainIssues(tree, scenario, whole.error.issues);
  const raw = asMap(tree.value);
  const rawCluster = asMap(raw.cluster ?? null);
  const shape = cluster.shape;
  const settings = Object.create(null) as Record<string, unknown>;
  for (const key of SETTINGS) {
    settings[key] = lenient(shape[key], rawCluster[key]);
  }
  const steps = asList(raw.steps ?? null);
  return {
    input: whole.success ? whole.data : null,
    problems,
    draft: {
      tree,
      cluster: settings as unknown as Draft['cluster'],
      nodes: parseNodes(rawCluster.nodes ?? null),
      pods: asList(raw.pods ?? null).map((value, i) => {
        const pod = parsePart(podManifest, value);
        return pod === null ? null : { tree, path: ['pods', i], pod };
      }),
      services: asList(raw.services ?? null).map((value, i) => {
        const service = parsePart(serviceManifest, value);
        return service === null ? null : { tree, path: ['services', i], service };
      }),
      endpointSlices: asList(raw.endpointSlices ?? null).map((value, i) => {
        const slice = parsePart(endpointSliceManifest, value);
        return slice === null ? null : { tree, path: ['endpointSlices', i], slice };
      }),
      cables: asList(raw.cables ?? null).map((value) => parsePart(cable, value)),
      capture: parsePart(capture, raw.capture ?? {}),
      steps: steps.map(parseStep),
      named: {
        nodes: asList(rawCluster.nodes ?? null).flatMap((n) => text(asMap(n).name)),
        hosts: asList(rawCluster.hosts ?? null).flatMap((n) => text(asMap(n).name)),
        pods: asList(raw.pods ?? null).flatMap((p) => podName(asMap(asMap(p).metadata ?? null))),
        services: asList(raw.services ?? null).flatMap((p) => podName(asMap(asMap(p).metadata ?? null))),
      },
      times: steps.map((value) => {
        const at = asMap(value).at;
        return typeof at === 'string' ? parseTime(at) : null;
      }),
    },
  };
}

function parseNodes(value: PlainValue): Draft['nodes'] {
  const whole = cluster.shape.nodes.safeParse(value);
  if (whole.success) return whole.data;
  const element = nodeSchema();
  return asList(value).map((node) => parsePart(element, node));
}

/** The schema of one node, out of the union of list and number. */
function nodeSchema(): z.ZodType<NodeInput> {
  const list = cluster.shape.nodes.options[0];
  return list.element as unknown as z.ZodType<NodeInput>;
}

function parsePart<T>(schema: z.ZodType<T>, value: unknown): T | null {
  const result = schema.safeParse(value);
  return result.success ? result.data : null;
}

/** Keys without which a step is still the same step: nothing else in the file is judged by them. */
const DISPENSABLE: ReadonlySet<unknown> = new Set(['at', 'after', 'expect']);

/** A step without those of its times and expectations that are wrong, so that what it refers to is checked; else null. */
function parseStep(value: PlainValue): StepInput | null {
  const whole = step.safeParse(value);
  if (whole.success) return whole.data;
  const wrong = new Set(whole.error.issues.map((issue) => issue.path[0]));
  const left = Object.fromEntries(Object.entries(asMap(value)).filter(([key]) => !wrong.has(key)));
  const acts = left.run !== undefined || left.fault !== undefined || left.wait !== undefined || left.pod !== undefined;
  return acts && [...wrong].every((key) => DISPENSABLE.has(key)) ? parsePart(step, left) : null;
}

/** The value, or the schema's default when it is wrong. */
function lenient(schema: z.ZodType, value: unknown): unknown {
  const result = schema.safeParse(value);
  return result.success ? result.data : schema.parse(undefined);
}

function asMap(value: PlainValue): { [key: string]: PlainValue } {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {};
}

function asList(value: PlainValue): PlainValue[] {
  return Array.isArray(value) ? value : [];
}

function text(value: PlainValue | undefined): string[] {
  return typeof value === 'string' ? [value] : [];
}

function podName(metadata: { [key: string]: PlainValue }): string[] {
  const { name, namespace } = metadata;
  if (typeof name !== 'string') return [];
  return [podLabel({ name, namespace: typeof namespace === 'string' ? namespace : DEFAULT_NAMESPACE })];
}
