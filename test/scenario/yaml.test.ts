// Proves that hostile and sloppy YAML ends in a clear message at its place (bad-inputs.md 35): limits with their numbers,
// duplicate keys, tabs, tags, numbers that are none, and keys that are names of JavaScript.

import { describe, expect, it } from 'vitest';
import { loadScenario } from '../../src/scenario/load.ts';
import { YAML_LIMITS } from '../../src/scenario/yaml-source.ts';
import { changed, printed, problemsOf, SOUND } from './text.ts';

describe('a sound file', () => {
  it('loads without a problem, frozen', () => {
    const { scenario, problems } = loadScenario(SOUND, 'test.yaml');
    expect(problems).toEqual([]);
    expect(Object.isFrozen(scenario!.cluster.nodes[0])).toBe(true);
    expect(scenario!.steps.map((s) => s.title)).toEqual(['first', 'wait 1 s']);
  });

  it('loads with a byte order mark and with CRLF line ends', () => {
    expect(problemsOf(`\ufeff${SOUND}`)).toEqual([]);
    expect(problemsOf(SOUND.replaceAll('\n', '\r\n'))).toEqual([]);
  });
});

describe('limits', () => {
  it('refuses an alias bomb before it is composed', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 12; i++) lines.push(`a${i}: &a${i} [${new Array(10).fill(`*a${i - 1}`).join(', ')}]`);
    expect(problemsOf(lines.join('\n'))).toEqual(
      ['12:6 more than 100 aliases'].map(() => expect.stringContaining('more than 100 aliases')),
    );
  });

  it('counts values after aliases are followed', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 9; i++) lines.push(`a${i}: &a${i} [${new Array(9).fill(`*a${i - 1}`).join(', ')}]`);
    expect(problemsOf(lines.join('\n'))).toContainEqual(
      expect.stringContaining(`more than ${YAML_LIMITS.nodes} values once aliases are followed`),
    );
  });

  it('refuses nesting of 10,000 levels', () => {
    expect(problemsOf('['.repeat(10_000))).toEqual(['1:65 nested more than 64 levels deep']);
    const block = Array.from({ length: 10_000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n');
    expect(problemsOf(block.slice(0, 1_000_000))).toEqual([expect.stringContaining('nested more than 64 levels deep')]);
  });

  it('refuses a file over its bytes without reading it', () => {
    expect(problemsOf(`# ${'x'.repeat(YAML_LIMITS.bytes)}`)).toEqual([
      `1:1 the file has ${YAML_LIMITS.bytes + 2} bytes`,
    ]);
  });

  it('refuses a million tokens', () => {
    expect(problemsOf(`a: [${'1,'.repeat(500_000)}1]`)).toEqual([expect.stringContaining('more than 400000 tokens')]);
  });

  it('refuses a second document, and 200,000 of them', () => {
    expect(problemsOf(`${SOUND}---\na: 1\n`)).toEqual([expect.stringContaining('a second YAML document')]);
    expect(problemsOf('---\na: 1\n'.repeat(200_000))).toHaveLength(1);
  });

  it('refuses an alias that holds itself', () => {
    expect(
      problemsOf(changed(['metadata: {name: sound}', 'metadata: &m {name: sound, description: *m}'])),
    ).toContainEqual(expect.stringContaining('the alias *m holds itself'));
  });

  it('refuses merge keys, which could be a bomb of their own', () => {
    expect(problemsOf(changed(['metadata: {name: sound}', 'metadata: {<<: {name: sound}}']))).toContainEqual(
      expect.stringContaining('merge keys (<<) are not part of YAML 1.2'),
    );
  });
});

describe('sloppy YAML', () => {
  it.each([
    [
      'a key that stands twice',
      changed(['kind: Scenario', 'kind: Scenario\nkind: Scenario']),
      '3:1 the key "kind" stands twice in this map',
    ],
    ['a tab as indentation', changed(['  podCIDR', '\tpodCIDR']), '5:1 a tab is used as indentation'],
    ['a tag', changed(['name: sound', 'name: !!js/function sound']), '3:18 the tag "!!js/function" is not known'],
    ['an unknown alias', changed(['name: sound', 'name: *who']), '3:18 the alias *who names nothing'],
    ['not a number', changed(['vni: 1', 'vni: .nan']), '9:34 .nan is not a finite number'],
    ['a number beyond all numbers', changed(['vni: 1', 'vni: 1e400']), '9:34 1e400 is not a finite number'],
    ['a leading zero', changed(['vni: 1', 'vni: 012']), '9:34 012 reads as 12 in YAML 1.2 and as 10 in YAML 1.1'],
    ['yes as a boolean', changed(['vni: 1', 'directRouting: yes']), '9:44 cluster.network.directRouting is "yes"'],
    ['__proto__ as a key', SOUND.concat('__proto__: {a: 1}\n'), '18:1 unknown key "__proto__"'],
    ['constructor as a key', SOUND.concat('constructor: 1\n'), '18:1 unknown key "constructor"'],
    ['an open bracket', 'a: [1,', '1:7 the indentation does not fit what stands above'],
    ['a text instead of a map', 'hello', '1:1 the file holds no scenario'],
    ['nothing', '', '1:1 the file holds no scenario'],
  ] as const)('%s', (_name, text, problem) => {
    expect(problemsOf(text)).toContainEqual(problem);
  });

  it('reads 0o17 as 15, as YAML 1.2 has it', () => {
    const { scenario } = loadScenario(changed(['vni: 1', 'vni: 0o17']), 'test.yaml');
    expect(scenario!.cluster.network.vni).toBe(15);
  });
});

describe('a broken line', () => {
  it('is told once, without what follows from it', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a placeholder of scenarios
    const text = changed(['{wait: 1s}', '{run: ping ${pod-a.ip}, name: x, background: true}']);
    expect(printed(text).split('\n')[0]).toBe(
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a placeholder of scenarios
      'test.yaml:17:17: unexpected "{"; expected the map or list above to go on (a text with ${...} inside { } or [ ] needs quotes)',
    );
    expect(problemsOf(text)).toHaveLength(1);
  });
});

describe('a message', () => {
  it('names file, line and column, shows the line with a caret, says what was expected and how to mend it', () => {
    expect(printed(changed(['backend: vxlan', 'backned: vxlan']))).toBe(
      [
        'test.yaml:9:13: unknown key "backned" in cluster.network; expected one of plugin, backend, vni, port, directRouting, mtu, allowOversizedMTU (did you mean backend?)',
        '  9 |   network: {backned: vxlan, vni: 1, port: 8472}',
        '    |             ^',
      ].join('\n'),
    );
  });

  it('shows control characters of the line as dots and cuts long ones around the place', () => {
    const text = printed(changed(['name: sound', `name: "${'x'.repeat(300)}\u001b[31m"`]));
    expect(text).not.toContain('\u001b');
    for (const line of text.split('\n').slice(1)) expect(line.length).toBeLessThan(130);
  });
});
