// A test whose judge is missing (tshark, root, the shared folder) skips itself and says why. On a developer's machine
// that is fine; in CI (PODWIRE_CI=1) a judge that did not judge is a failure, or the skip would hide for ever. Without
// the shared folder beside the checkout what needs it cannot run anywhere: then skips are listed and pass.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';

const SHARED = resolve(import.meta.dirname, '../../../shared');

export class MissingJudges implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    if (process.env.PODWIRE_CI !== '1') return;
    const skipped: string[] = [];
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) count[test.result().state]++;
      for (const test of module.children.allTests('skipped'))
        skipped.push(`${module.relativeModuleId}: ${test.fullName}`);
    }
    console.log(`\ntests: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
    if (skipped.length === 0) return;
    const allowed = !existsSync(SHARED);
    console.log(`\n${skipped.length} tests were skipped in CI${allowed ? ' (there is no shared folder here)' : ''}:`);
    for (const name of skipped.slice(0, 50)) console.log(`  ${name}`);
    if (skipped.length > 50) console.log(`  ... and ${skipped.length - 50} more`);
    if (!allowed) {
      console.log('In CI every judge has to be there: this run fails.');
      process.exitCode = 1;
    }
  }
}
