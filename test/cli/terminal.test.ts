// Proves that escape sequences reach a terminal only where colours are wanted, and never out of a packet; and that the
// progress line stays off what is no terminal.

import { describe, expect, it } from 'vitest';
import { Progress } from '../../src/cli/progress.ts';
import { painter, printable, wantsColour } from '../../src/cli/terminal.ts';

const tty = { isTTY: true };
const file = {};

describe('colours', () => {
  it.each([
    ['on a terminal', tty, {}, true],
    ['into a file', file, {}, false],
    ['on a terminal with NO_COLOR', tty, { NO_COLOR: '1' }, false],
    ['on a terminal with an empty NO_COLOR', tty, { NO_COLOR: '' }, true],
    ['into a file with FORCE_COLOR', file, { FORCE_COLOR: '1' }, true],
    ['on a terminal with FORCE_COLOR=0', tty, { FORCE_COLOR: '0' }, false],
    ['with both: FORCE_COLOR wins', file, { FORCE_COLOR: '', NO_COLOR: '1' }, true],
    ['on a dumb terminal', tty, { TERM: 'dumb' }, false],
  ])('%s', (_name, stream, env, expected) => {
    expect(wantsColour(stream, env)).toBe(expected);
    expect(painter(stream, env)('red', 'x')).toBe(expected ? '\x1b[31mx\x1b[39m' : 'x');
  });
});

describe('printable', () => {
  it('turns control characters of a wire into text', () => {
    expect(printable('a\x1b[2J\nb\0\x7f\x9b')).toBe('a\\x1b[2J\\x0ab\\x00\\x7f\\x9b');
  });

  it('leaves letters of every script alone', () => {
    expect(printable('pöd-日本')).toBe('pöd-日本');
  });
});

describe('Progress', () => {
  class Screen {
    written = '';
    readonly isTTY: boolean;
    readonly columns = 30;
    constructor(isTTY: boolean) {
      this.isTTY = isTTY;
    }
    write(text: string): void {
      this.written += text;
    }
  }

  it('writes nothing, and makes no text, where there is no terminal', () => {
    const screen = new Screen(false);
    const progress = new Progress(screen, () => 0);
    progress.update(() => {
      throw new Error('made for nobody');
    });
    progress.clear();
    expect(screen.written).toBe('');
  });

  it('rewrites its line not more often than every 100 ms, cut to the width, and removes it', () => {
    const screen = new Screen(true);
    let now = 0;
    const progress = new Progress(screen, () => now);
    progress.update(() => 'one');
    now = 99;
    progress.update(() => 'two');
    now = 100;
    progress.update(() => 'x'.repeat(40));
    progress.clear();
    progress.clear();
    expect(screen.written).toBe(`\r\x1b[Kone\r\x1b[K${'x'.repeat(28)}…\r\x1b[K`);
  });
});
