// Where a run's capture goes when nothing exists may be overwritten: the first free name of captures/<name>.pcapng,
// captures/<name>-2.pcapng, ... (or such directories, with one file for each interface). Names of scenarios are DNS labels,
// so they are safe as file names.

import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectory } from '../capture/directory.ts';
import type { CaptureOutput } from '../capture/recorder.ts';
import { CaptureOutputError } from '../capture/sink.ts';
import type { Scenario } from './scenario.ts';

/** Choice: whoever has that many runs of one scenario lying about is told so. */
const NAMES_MAX = 10_000;

/**
 * @param directory made when missing
 * @param overwrite take the plain name, whether it exists or not
 * @throws CaptureOutputError
 */
export function captureOutput(scenario: Scenario, directory: string, overwrite: boolean): CaptureOutput {
  makeDirectory(directory);
  const perInterface = scenario.capture.file === 'per-interface';
  const ending = perInterface ? '' : `.${scenario.capture.format}`;
  for (let n = 1; n <= NAMES_MAX; n++) {
    const path = join(directory, `${scenario.name}${n === 1 ? '' : `-${n}`}${ending}`);
    const kind = kindOf(path);
    if (kind === 'link') throw new CaptureOutputError(`${path}: is a symbolic link; captures do not follow links`);
    if (kind !== 'nothing' && !overwrite) continue;
    if (perInterface) makeDirectory(path);
    return { kind: perInterface ? 'directory' : 'file', path };
  }
  throw new CaptureOutputError(`${directory}: ${NAMES_MAX} captures of ${scenario.name} are there already`);
}

function kindOf(path: string): 'nothing' | 'link' | 'something' {
  try {
    return lstatSync(path).isSymbolicLink() ? 'link' : 'something';
  } catch {
    return 'nothing';
  }
}
