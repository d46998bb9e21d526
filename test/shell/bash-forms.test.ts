// Proves that scripts do in the emulated shell what they do in a real bash: output of both streams and exit status.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { BASH_FORMS, type BashForm } from './bash-forms.ts';
import { runShell } from './rig.ts';

const hasBash = spawnSync('bash', ['--version']).status === 0;
if (!hasBash) console.warn('SKIPPED: there is no bash on this machine to compare with');
const directory = mkdtempSync(join(tmpdir(), 'podwire-forms-'));
afterAll(() => rmSync(directory, { recursive: true }));

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
}

function real(form: BashForm): Outcome {
  const script = join(directory, 'script.sh');
  writeFileSync(script, form.source);
  const { stdout, stderr, status } = spawnSync('bash', [script, ...(form.args ?? [])], {
    encoding: 'utf8',
    cwd: directory,
  });
  return { stdout, stderr, status };
}

/** Messages begin with where they come from; only whether there are any is compared. */
const said = (stderr: string): boolean => stderr !== '';

describe.skipIf(!hasBash)('a script does what bash does', () => {
  for (const form of BASH_FORMS) {
    it(form.name, async () => {
      const expected = real(form);
      const ran = await runShell(form.source, {
        argv0: '/lab/forms/script.sh',
        files: { '/lab/forms/script.sh': form.source },
        args: form.args ?? [],
      });
      expect({ stdout: ran.stdout, status: ran.status, said: form.reports === true || said(ran.stderr) }).toEqual({
        stdout: expected.stdout,
        status: expected.status,
        said: form.reports === true || said(expected.stderr),
      });
    });
  }
});
