// Manifest files: YAML with Kubernetes objects, of which Pods, Services and EndpointSlices are understood. A path in a scenario is relative to it and
// stays below its directory; the reader that the caller gives looks after links out of it.

import { type Document, isScalar } from 'yaml';
import type { z } from 'zod';
import type { PodDraft, ServiceDraft, SliceDraft } from './draft.ts';
import { explainIssues, pathName, quoted } from './explain.ts';
import type { Problem } from './problem.ts';
import { podManifest } from './schema.ts';
import { endpointSliceManifest, serviceManifest } from './schema-service.ts';
import { parseYaml } from './yaml-source.ts';
import { type Path, type PlainValue, YamlTree } from './yaml-value.ts';

/** The text of a manifest, or one clause on why it cannot be read. */
export type ReadManifest = (path: string) => { readonly text: string } | { readonly error: string };

/** Why a path may not be used, or null. */
export function pathMistake(path: string): string | null {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters have no place in a file name
  if (/[\x00-\x1f\x7f]/.test(path)) return 'the path holds a control character';
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path) || path.includes('\\')) return 'the path is not relative';
  if (path.split('/').includes('..')) return 'the path leads out of the directory of the scenario';
  return null;
}

/** What manifests hold; null stands for an object with mistakes. */
export interface Objects {
  readonly pods: (PodDraft | null)[];
  readonly services: (ServiceDraft | null)[];
  readonly endpointSlices: (SliceDraft | null)[];
  readonly problems: Problem[];
}

export function noObjects(): Objects {
  return { pods: [], services: [], endpointSlices: [], problems: [] };
}

/** Puts the objects of one file behind those of others. */
export function addObjects(to: Objects, from: Objects): void {
  to.pods.push(...from.pods);
  to.services.push(...from.services);
  to.endpointSlices.push(...from.endpointSlices);
  to.problems.push(...from.problems);
}

/** Objects of one manifest file: of each of its documents, one object or a List. Empty documents count for nothing. */
export function parseManifest(text: string, file: string): Objects {
  const { source, documents, problems, sound } = parseYaml(text, file, 'many');
  const objects = noObjects();
  objects.problems.push(...problems);
  if (documents.length === 0 || !sound) return objects;
  const filled = documents.filter((d) => !isEmpty(d));
  for (const document of filled.length > 0 ? filled : documents.slice(0, 1)) {
    readDocument(new YamlTree(source, document), objects);
  }
  return objects;
}

function isEmpty({ contents }: Document): boolean {
  return contents === null || (isScalar(contents) && contents.value === null);
}

const KINDS = ['Pod', 'Service', 'EndpointSlice'];

function readDocument(tree: YamlTree, objects: Objects): void {
  objects.problems.push(...tree.problems);
  const root = tree.value;
  const isList = root !== null && typeof root === 'object' && !Array.isArray(root) && root.kind === 'List';
  const items = isList && Array.isArray(root.items) ? root.items : [root];
  for (const [i, item] of items.entries()) readObject(tree, isList ? ['items', i] : [], item, objects);
}

function readObject(tree: YamlTree, path: Path, item: PlainValue, objects: Objects): void {
  const kind = item !== null && typeof item === 'object' && !Array.isArray(item) ? item.kind : null;
  if (typeof kind === 'string' && !KINDS.includes(kind)) {
    objects.problems.push(
      tree.problem([...path, 'kind'], {
        what: `${pathName([...path, 'kind'])} is ${quoted(kind)}`,
        expected: 'Pod, Service or EndpointSlice: no other kind is emulated yet',
      }),
    );
    return;
  }
  const read = <T>(schema: z.ZodType<T>): T | null => {
    const result = schema.safeParse(item);
    if (result.success) return result.data;
    objects.problems.push(...explainIssues(tree, schema, result.error.issues, path));
    return null;
  };
  if (kind === 'Service') {
    const service = read(serviceManifest);
    objects.services.push(service === null ? null : { tree, path, service });
  } else if (kind === 'EndpointSlice') {
    const slice = read(endpointSliceManifest);
    objects.endpointSlices.push(slice === null ? null : { tree, path, slice });
  } else {
    const pod = read(podManifest);
    objects.pods.push(pod === null ? null : { tree, path, pod });
  }
}
