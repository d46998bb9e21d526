// A YAML document as plain values, and the way back from a path of keys to its place in the text. Maps have no prototype,
// so `__proto__` and `constructor` are keys like any other; aliases are followed within a limit.

import { type Document, isAlias, isMap, isScalar, isSeq, type Node } from 'yaml';
import type { Problem, SourceText } from './problem.ts';
import { YAML_LIMITS } from './yaml-source.ts';

export type Path = readonly (string | number)[];
export type PlainValue = null | boolean | number | string | PlainValue[] | { [key: string]: PlainValue };

/** YAML 1.1 read these as octal, sexagesimal or boolean; 1.2 does not. Whoever writes one means one or the other. */
const OCTAL_LOOK = /^[-+]?0\d+$/;

export class YamlTree {
  readonly source: SourceText;
  readonly #document: Document;
  readonly problems: Problem[] = [];
  readonly value: PlainValue;
  #nodes = 0;

  constructor(source: SourceText, document: Document) {
    this.source = source;
    this.#document = document;
    this.value = this.#convert(document.contents as Node | null, []);
  }

  #convert(node: Node | null, via: readonly Node[]): PlainValue {
    if (node === null) return null;
    if (++this.#nodes > YAML_LIMITS.nodes) {
      if (this.#nodes === YAML_LIMITS.nodes + 1) {
        this.#complain(node, {
          what: `more than ${YAML_LIMITS.nodes} values once aliases are followed`,
          expected: 'a smaller file',
        });
      }
      return null;
    }
    if (isAlias(node)) {
      const target = node.resolve(this.#document);
      if (target === undefined) {
        this.#complain(node, { what: `the alias *${node.source} names nothing`, expected: `&${node.source} above it` });
        return null;
      }
      if (via.includes(target)) {
        this.#complain(node, { what: `the alias *${node.source} holds itself`, expected: 'a value that ends' });
        return null;
      }
      return this.#convert(target, [...via, target]);
    }
    if (isMap(node)) {
      const map = Object.create(null) as { [key: string]: PlainValue };
      for (const pair of node.items) {
        const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
        if (key === '<<') {
          this.#complain(pair.key as Node, {
            what: 'merge keys (<<) are not part of YAML 1.2',
            expected: 'the keys written out',
          });
          continue;
        }
        map[key] = this.#convert(pair.value as Node | null, via);
      }
      return map;
    }
    if (isSeq(node)) return node.items.map((item) => this.#convert(item as Node | null, via));
    return this.#scalar(node);
  }

  #scalar(node: Node): PlainValue {
    const value: unknown = isScalar(node) ? node.value : null;
    const written = isScalar(node) ? (node.source ?? '') : '';
    if (typeof value === 'number') {
      if (!Number.isFinite(value)) {
        this.#complain(node, { what: `${written} is not a finite number`, expected: 'a number' });
        return 0;
      }
      if (OCTAL_LOOK.test(written)) {
        this.#complain(node, {
          what: `${written} reads as ${value} in YAML 1.2 and as ${Number.parseInt(written, 8)} in YAML 1.1`,
          expected: 'a number without leading zeros',
          mend: 'or put it in quotes if it is a text',
        });
      }
      return value;
    }
    if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
    this.#complain(node, {
      what: 'a value of a kind that is not read here',
      expected: 'a text, number, true or false',
    });
    return null;
  }

  #complain(node: Node, complaint: { what: string; expected?: string; mend?: string }): void {
    this.problems.push(this.source.at(node.range?.[0] ?? 0, complaint));
  }

  /** The node at the path, or null; aliases are followed on the way. */
  #node(path: Path): Node | null {
    let node = this.#document.contents as Node | null;
    for (const key of path) {
      if (node !== null && isAlias(node)) node = node.resolve(this.#document) ?? null;
      if (isMap(node)) {
        const pair = node.items.find((p) => isScalar(p.key) && String(p.key.value) === String(key));
        node = (pair?.value as Node | null | undefined) ?? null;
      } else if (isSeq(node)) node = (node.items[Number(key)] as Node | undefined) ?? null;
      else return null;
      if (node === null) return null;
    }
    return node;
  }

  /** Offset of the value at the path; of its nearest ancestor when it is not there. */
  offset(path: Path): number {
    for (let n = path.length; n >= 0; n--) {
      const node = this.#node(path.slice(0, n));
      if (node?.range != null) {
        // A value that is missing behind its key: point at the key.
        if (n < path.length) return this.keyOffset(path.slice(0, n + 1)) ?? node.range[0];
        return node.range[0];
      }
    }
    return 0;
  }

  /** Offset of the last key of the path, or null when there is no such key. */
  keyOffset(path: Path): number | null {
    const last = path[path.length - 1];
    let parent = this.#node(path.slice(0, -1));
    if (parent !== null && isAlias(parent)) parent = parent.resolve(this.#document) ?? null;
    if (!isMap(parent)) return null;
    const pair = parent.items.find((p) => isScalar(p.key) && String(p.key.value) === String(last));
    const key = pair?.key as Node | undefined;
    return key?.range?.[0] ?? null;
  }

  /** What stands there, as written (for messages), or null. */
  written(path: Path): string | null {
    const node = this.#node(path);
    return isScalar(node) ? (node.source ?? null) : null;
  }

  /** Offset of `needle` within the value at the path; the value's own offset when it is not found literally. */
  offsetWithin(path: Path, needle: string): number {
    const node = this.#node(path);
    if (node?.range == null) return this.offset(path);
    const at = this.source.text.indexOf(needle, node.range[0]);
    return at >= 0 && at < node.range[2] ? at : node.range[0];
  }

  problem(path: Path, complaint: { what: string; expected?: string | undefined; mend?: string | undefined }): Problem {
    return this.source.at(this.offset(path), complaint);
  }

  keyProblem(
    path: Path,
    complaint: { what: string; expected?: string | undefined; mend?: string | undefined },
  ): Problem {
    return this.source.at(this.keyOffset(path) ?? this.offset(path), complaint);
  }
}
