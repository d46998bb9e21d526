// How the tests run. What they are judged by, and when a judge may be missing: CONTRIBUTING.md.

import { defineConfig } from 'vitest/config';
import { MissingJudges } from './test/project/missing-judges.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // No test asserts a time; this only ends one that hangs. Two cores, with tshark beside the tests, can be slow.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // More than there are cores on a small machine: resolvers and kernels that are asked make their tests wait.
    maxWorkers: 3,
    reporters: ['default', new MissingJudges()],
  },
});
