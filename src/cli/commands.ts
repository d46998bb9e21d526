// The commands there are, in the order in which help lists them.

import { registerDecode } from './decode.ts';
import { registerLab } from './lab.ts';
import type { Register } from './program.ts';
import { registerRun } from './run.ts';
import { registerSchema } from './schema.ts';

export const COMMANDS: readonly Register[] = [registerRun, registerLab, registerDecode, registerSchema];
