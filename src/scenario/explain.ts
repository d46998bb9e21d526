// Turns what zod finds into problems that a person can mend: where, what stands there, what was expected, the nearest name.

import type { z } from 'zod';
import { nearestName } from './nearest.ts';
import type { Problem } from './problem.ts';
import type { Path, PlainValue, YamlTree } from './yaml-value.ts';

type Issue = z.core.$ZodIssue;

/** Choice: what fits a line; longer texts are cut. */
const SHOWN = 60;
/** Choice: names that fit a line or two; of more, the nearest is named. */
const CHOICES_SHOWN = 20;

/** The problems of a failed parse, each at its place. `base` is the path of the parsed part within the file. */
export function explainIssues(tree: YamlTree, schema: z.ZodType, issues: readonly Issue[], base: Path = []): Problem[] {
  return issues.flatMap((issue) => explainIssue(tree, schema, issue, base));
}

function explainIssue(tree: YamlTree, schema: z.ZodType, issue: Issue, base: Path): Problem[] {
  const inner = issue.path.filter((p) => typeof p !== 'symbol') as (string | number)[];
  const path = [...base, ...inner];
  const value = valueAt(tree.value, path);
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, inner);
    return issue.keys.map((key) => {
      const near = nearestName(key, known);
      return tree.keyProblem([...path, key], {
        what: `unknown key ${quoted(key)}${at(path)}`,
        expected: known.length > 0 ? `one of ${known.join(', ')}` : undefined,
        mend: near === null ? undefined : `did you mean ${near}?`,
      });
    });
  }
  if (issue.code === 'invalid_union') {
    const branch = likelyBranch(issue.errors);
    if (branch !== null) {
      return branch.flatMap((i) =>
        explainIssue(tree, schema, { ...i, path: [...issue.path, ...i.path] } as Issue, base),
      );
    }
  }
  const name = pathName(path);
  if (value === undefined) {
    return [tree.problem(path, { what: `${name} is missing`, expected: expectation(issue) })];
  }
  if (issue.code === 'too_big' && issue.origin === 'array') {
    const length = Array.isArray(value) ? value.length : 0;
    return [
      tree.problem(path, {
        what: `${name} has ${length} entries`,
        expected: `at most ${issue.maximum}`,
        mend: 'a run of this size would not fit into one process',
      }),
    ];
  }
  if (issue.code === 'too_small' && issue.origin === 'array') {
    return [tree.problem(path, { what: `${name} is empty`, expected: 'at least one entry' })];
  }
  const written = tree.written(path);
  const shown = describe(value, written);
  let mend: string | undefined;
  if (issue.code === 'invalid_value' && typeof value === 'string') {
    const near = nearestName(value, issue.values.map(String));
    if (near !== null) mend = `did you mean ${near}?`;
  } else if (issue.code === 'invalid_type' && issue.expected === 'boolean' && typeof value === 'string') {
    if (/^(y|yes|no|n|on|off)$/i.test(value)) mend = `in YAML 1.2 ${value} is a text`;
  }
  return [tree.problem(path, { what: `${name} is ${shown}`, expected: expectation(issue), mend })];
}

/** What the schema wants here, in words. */
function expectation(issue: Issue): string {
  // A schema's own words stand in the message; zod's default ones begin with these.
  if (!/^(Invalid|Too|Unrecognized)/.test(issue.message)) return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      return KIND_WORDS[issue.expected] ?? issue.expected;
    case 'invalid_value':
      if (issue.values.length > CHOICES_SHOWN) {
        return `one of the ${issue.values.length} names that \`podwire schema\` lists here`;
      }
      return issue.values.length === 1 ? String(issue.values[0]) : `one of ${issue.values.join(', ')}`;
    case 'too_big':
      return `at most ${issue.maximum}${issue.origin === 'string' ? ' characters' : ''}`;
    case 'too_small':
      return issue.origin === 'string' ? 'a text that is not empty' : `at least ${issue.minimum}`;
    default:
      return 'something else';
  }
}

const KIND_WORDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of keys and values',
  record: 'a map of keys and values',
};

/** The one branch of a union that the value was meant for: the only one that does not fail at its root. */
function likelyBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | null {
  const deep = branches.filter((issues) =>
    issues.every(
      (i) => i.path.length > 0 || i.code === 'unrecognized_keys' || i.code === 'too_big' || i.code === 'too_small',
    ),
  );
  return deep.length === 1 ? deep[0]! : null;
}

interface SchemaDefinition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
}

/** Known keys of the object at the path. */
function keysAt(schema: z.ZodType, path: readonly (string | number)[]): string[] {
  let candidates: z.ZodType[] = [schema];
  for (const key of [...path, null]) {
    candidates = candidates.flatMap(unwrap);
    if (key === null) break;
    candidates = candidates.flatMap((s) => {
      const d = definition(s);
      if (d.shape !== undefined) return d.shape[String(key)] ?? [];
      return d.element ?? d.valueType ?? [];
    });
  }
  return candidates.flatMap((s) => Object.keys(definition(s).shape ?? {}));
}

function definition(schema: z.ZodType): SchemaDefinition {
  return schema._zod.def as unknown as SchemaDefinition;
}

function unwrap(schema: z.ZodType): z.ZodType[] {
  const d = definition(schema);
  if (d.innerType !== undefined) return unwrap(d.innerType);
  if (d.type === 'pipe' && d.in !== undefined) return unwrap(d.in);
  if (d.options !== undefined) return d.options.flatMap(unwrap);
  return [schema];
}

function valueAt(value: PlainValue, path: Path): PlainValue | undefined {
  let v: PlainValue | undefined = value;
  for (const key of path) {
    if (v === null || typeof v !== 'object') return undefined;
    v = (v as { [key: string]: PlainValue })[key];
  }
  return v;
}

/** `cluster.nodes[1].podCIDR` */
export function pathName(path: Path): string {
  let out = '';
  for (const key of path) {
    out += typeof key === 'number' ? `[${key}]` : out === '' ? key : `.${key}`;
  }
  return out === '' ? 'the file' : out;
}

function at(path: Path): string {
  return path.length === 0 ? '' : ` in ${pathName(path)}`;
}

/** A text of people in quotes: cut, and without control characters. */
export function quoted(text: string): string {
  const cut = text.length > SHOWN ? `${text.slice(0, SHOWN)}\u2026` : text;
  return JSON.stringify(cut);
}

function describe(value: PlainValue, written: string | null): string {
  if (value === null) return 'empty';
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number' || typeof value === 'boolean') return (written ?? String(value)).slice(0, SHOWN);
  return Array.isArray(value) ? 'a list' : 'a map';
}
