// Manifest files: YAML with Kubernetes objects, of which Pods are understood. A path in a scenario is relative to it and
// stays below its directory; the reader that the caller gives looks after links out of it.

import { type Document, isScalar } from 'yaml';
import type { PodDraft } from './draft.ts';
import { explainIssues, pathName, quoted } from './explain.ts';
import type { Problem } from './problem.ts';
import { podManifest } from './schema.ts';
import { parseYaml } from './yaml-source.ts';
import { YamlTree } from './yaml-value.ts';

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

/** Pods of one manifest file: of each of its documents, one object or a List. Empty documents count for nothing. */
export function parseManifest(text: string, file: string): { pods: (PodDraft | null)[]; problems: Problem[] } {
  const { source, documents, problems, sound } = parseYaml(text, file, 'many');
  if (documents.length === 0 || !sound) return { pods: [], problems: [...problems] };
  const filled = documents.filter((d) => !isEmpty(d));
  const parts = (filled.length > 0 ? filled : documents.slice(0, 1)).map((d) => podsOf(new YamlTree(source, d)));
  return { pods: parts.flatMap((p) => p.pods), problems: [...problems, ...parts.flatMap((p) => p.problems)] };
}

function isEmpty({ contents }: Document): boolean {
  return contents === null || (isScalar(contents) && contents.value === null);
}

function podsOf(tree: YamlTree): { pods: (PodDraft | null)[]; problems: Problem[] } {
  const all = [...tree.problems];
  const root = tree.value;
  const isList = root !== null && typeof root === 'object' && !Array.isArray(root) && root.kind === 'List';
  const items = isList && Array.isArray(root.items) ? root.items : [root];
  const pods = items.map((item, i): PodDraft | null => {
    const path = isList ? ['items', i] : [];
    const kind = item !== null && typeof item === 'object' && !Array.isArray(item) ? item.kind : null;
    if (typeof kind === 'string' && kind !== 'Pod') {
      all.push(
        tree.problem([...path, 'kind'], {
          what: `${pathName([...path, 'kind'])} is ${quoted(kind)}`,
          expected: 'Pod: no other kind is emulated yet',
        }),
      );
      return null;
    }
    const result = podManifest.safeParse(item);
    if (result.success) return { tree, path, pod: result.data };
    all.push(...explainIssues(tree, podManifest, result.error.issues, path));
    return null;
  });
  return { pods, problems: all };
}
