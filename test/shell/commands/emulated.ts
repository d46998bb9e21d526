// Runs command lines against an emulated machine without a shell: enough for commands that answer at once.

import type { ShellCommand, ShellContext } from '../../../src/shell/command.ts';
import { Machine } from '../../../src/stack/machine.ts';
import type { NetNamespace } from '../../../src/stack/netns.ts';
import { World } from '../../../src/stack/world.ts';

const MODULES = ['ip', 'bridge', 'brctl', 'arp', 'sysctl', 'ethtool', 'ifconfig', 'nstat', 'ipvsadm', 'nft'] as const;

const found = new Map<string, ShellCommand>();

async function command(name: string): Promise<ShellCommand | null> {
  if (found.size === 0) {
    for (const module of MODULES) {
      const { commands } = (await import(`../../../src/shell/commands/${module}.ts`)) as {
        commands: readonly ShellCommand[];
      };
      for (const c of commands) found.set(c.name, c);
    }
  }
  return found.get(name) ?? null;
}

export interface Answer {
  readonly out: string;
  readonly status: number;
}

export class EmulatedMachine {
  readonly world = new World(1);
  readonly machine = new Machine(this.world, 'host');

  /** Lets virtual time pass. */
  pass(seconds: number): void {
    this.world.sim.runUntil(this.world.sim.now + Math.round(seconds * 1e9), 1_000_000);
  }

  /** One command line, words separated by spaces or in single quotes; both streams together. */
  run(line: string, netns: NetNamespace = this.machine.root): Promise<Answer> {
    const words = (line.match(/(?:[^\s']|'[^']*')+/g) ?? []).map((word) => word.replaceAll("'", ''));
    return this.#argv(words, netns);
  }

  async #argv(words: readonly string[], netns: NetNamespace): Promise<Answer> {
    let out = '';
    const c = await command(words[0] ?? '');
    if (words[0] === 'sleep') {
      this.pass(Number(words[1]));
      return { out: '', status: 0 };
    }
    if (c === null) return { out: `${words[0]}: no such command\n`, status: 127 };
    const ctx = {
      machine: this.machine,
      netns,
      sim: this.world.sim,
      name: words[0],
      env: new Map(),
      out: (text: string) => {
        out += text;
      },
      err: (text: string) => {
        out += text;
      },
      runIn: async (inner: NetNamespace, argv: readonly string[]) => {
        const answer = await this.#argv(argv, inner);
        out += answer.out;
        return answer.status;
      },
    } as unknown as ShellContext;
    const status = await c.run(words.slice(1), ctx);
    return { out, status };
  }
}
