// Proves that no text makes the loader throw or hang: a sound scenario with pieces cut, doubled, swapped and replaced by what
// YAML stumbles over. Every problem points into the text.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { loadScenario } from '../../src/scenario/load.ts';
import { formatProblem } from '../../src/scenario/problem.ts';
import { SOUND } from './text.ts';

const BAITS = [
  '{',
  '}',
  '[',
  ']',
  ': ',
  '- ',
  '"',
  "'",
  '|',
  '>',
  '&a',
  '*a',
  '!!x ',
  '\t',
  '#',
  '---',
  '...',
  '%YAML 9',
  '? ',
  '<<: ',
  '\u0000',
  '\ud800',
  '0x',
  '.inf',
  '~',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a placeholder of scenarios
  '${a.b}',
  '__proto__: ',
  ',',
];

const edit = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(SOUND.length), text: fc.constantFrom(...BAITS) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(SOUND.length), length: fc.nat(40) }),
  fc.record({ kind: fc.constant('double' as const), at: fc.nat(SOUND.length), length: fc.nat(80) }),
  fc.record({
    kind: fc.constant('value' as const),
    at: fc.nat(60),
    text: fc.constantFrom('~', '[]', '{}', '-1', '1e99', 'yes', '""', '[[]]', '{a: {b: c}}'),
  }),
);

function apply(text: string, e: typeof edit extends fc.Arbitrary<infer T> ? T : never): string {
  if (e.kind === 'insert') return text.slice(0, e.at) + e.text + text.slice(e.at);
  if (e.kind === 'cut') return text.slice(0, e.at) + text.slice(e.at + e.length);
  if (e.kind === 'double') return text.slice(0, e.at) + text.slice(e.at, e.at + e.length) + text.slice(e.at);
  let n = 0;
  return text.replace(/(: )([^{},\n]+)/g, (whole, colon: string) => (n++ === e.at ? colon + e.text : whole));
}

it('whatever is done to a scenario, the loader answers with a scenario or with problems in the text', () => {
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      const text = edits.reduce(apply, SOUND);
      const { scenario, problems } = loadScenario(text, 'x.yaml');
      expect(scenario === null).toBe(problems.length > 0);
      const lines = text.split('\n');
      for (const p of problems) {
        expect(p.line).toBeGreaterThanOrEqual(1);
        expect(p.line).toBeLessThanOrEqual(lines.length);
        expect(p.column).toBeLessThanOrEqual(lines[p.line - 1]!.length + 1);
        expect(formatProblem(p).split('\n')).toHaveLength(3);
      }
    }),
    { numRuns: 1500 },
  );
});
