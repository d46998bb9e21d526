// One call of `ip` or `bridge`: where it runs and what its options ask for.

import type { Machine } from '../../stack/machine.ts';
import type { NetNamespace } from '../../stack/netns.ts';
import type { ShellContext } from '../command.ts';
import { CommandFailure, EXIT_USAGE } from './ip-arguments.ts';
import { Printer } from './ip-printer.ts';

export interface IpOptions {
  /** -4 */
  inet: boolean;
  /** how many -s */
  stats: number;
  details: boolean;
  brief: boolean;
  json: boolean;
  pretty: boolean;
  oneLine: boolean;
  numeric: boolean;
  /** -a: `ip -all netns exec` */
  all: boolean;
}

export class IpCall {
  readonly ctx: ShellContext;
  readonly netns: NetNamespace;
  readonly options: Readonly<IpOptions>;

  constructor(ctx: ShellContext, netns: NetNamespace, options: Readonly<IpOptions>) {
    this.ctx = ctx;
    this.netns = netns;
    this.options = options;
  }

  get machine(): Machine {
    return this.ctx.machine;
  }

  printer(): Printer {
    const { json, pretty, oneLine } = this.options;
    return new Printer({ json, pretty, oneLine, out: (text) => this.ctx.out(text) });
  }
}

/** The namespace of a name, with the refusal of netns_switch(). */
export function openNamespace(machine: Machine, name: string): NetNamespace {
  const netns = machine.namespace(name);
  if (netns === null) {
    throw new CommandFailure(`Cannot open network namespace "${name}": No such file or directory`, EXIT_USAGE);
  }
  return netns;
}

/** Runs a command's body; a failure becomes its text and status. */
export async function guarded(ctx: ShellContext, body: () => Promise<number> | number): Promise<number> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    if (error.message !== '') ctx.err(`${error.message}\n`);
    return error.status;
  }
}
