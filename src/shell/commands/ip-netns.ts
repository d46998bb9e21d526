// `ip netns`: add, del, list, exec, identify, pids of named namespaces (iproute2 6.1 ip/ipnetns.c).

import { deleteNamespace, knownNetnsId } from '../../stack/link-control.ts';
import { CommandFailure, EXIT_FAILED, EXIT_USAGE, matches, notEmulated, usageError } from './ip-arguments.ts';
import { type IpCall, openNamespace } from './ip-call.ts';

const USAGE = `Usage: ip netns [ list ]
       ip netns { add | delete | pids } NAME
       ip [ -all ] netns exec [ NAME ] COMMAND ...
       ip netns identify`;

export async function ipNetns(call: IpCall, words: readonly string[]): Promise<number> {
  const verb = words[0] ?? 'list';
  const rest = words.slice(1);
  if (matches(verb, 'list') || matches(verb, 'show') || verb === 'lst') return list(call);
  if (matches(verb, 'list-id')) throw notEmulated('ip', 'netns list-id');
  if (matches(verb, 'help')) throw usageError(USAGE);
  if (matches(verb, 'add')) return add(call, rest);
  if (matches(verb, 'delete')) return remove(call, rest);
  if (matches(verb, 'exec')) return exec(call, rest);
  if (matches(verb, 'identify')) {
    call.ctx.out(`${call.machine.nameOf(call.netns) ?? ''}\n`);
    return 0;
  }
  if (matches(verb, 'pids')) throw notEmulated('ip', 'netns pids');
  if (['set', 'attach', 'monitor'].some((v) => matches(verb, v))) throw notEmulated('ip', `netns ${verb}`);
  throw usageError(`Command "${verb}" is unknown, try "ip netns help".`);
}

/** Newest first, as readdir(3) gives the directory back. */
function list(call: IpCall): number {
  const p = call.printer();
  p.list(() => {
    for (const [name, netns] of [...call.machine.namespaces].reverse()) {
      p.object(null, () => {
        p.put('name', name, name);
        const id = knownNetnsId(call.netns, netns);
        if (id !== null) p.put('id', id, ` (id: ${id})`);
      });
      p.text('\n');
    }
  });
  return 0;
}

function add(call: IpCall, words: readonly string[]): number {
  const name = words[0];
  if (name === undefined) throw new CommandFailure('No netns name specified', EXIT_USAGE);
  if (name === '' || name.includes('/') || name === '.' || name === '..' || name.length > 255) {
    throw usageError(`Invalid netns name "${name}"`);
  }
  if (call.machine.namespace(name) !== null) {
    throw new CommandFailure(`Cannot create namespace file "/run/netns/${name}": File exists`, EXIT_FAILED);
  }
  call.machine.addNamespace(name);
  return 0;
}

function remove(call: IpCall, words: readonly string[]): number {
  if (call.options.all) {
    for (const name of [...call.machine.namespaces.keys()]) deleteNamespace(call.machine, name);
    return 0;
  }
  const name = words[0];
  if (name === undefined) throw new CommandFailure('No netns name specified', EXIT_USAGE);
  if (!deleteNamespace(call.machine, name)) {
    throw new CommandFailure(
      `Cannot remove namespace file "/run/netns/${name}": No such file or directory`,
      EXIT_FAILED,
    );
  }
  return 0;
}

async function exec(call: IpCall, words: readonly string[]): Promise<number> {
  if (call.options.all) {
    if (words.length === 0) throw new CommandFailure('No command specified', EXIT_FAILED);
    let status = 0;
    for (const [name, netns] of [...call.machine.namespaces].reverse()) {
      call.ctx.out(`\nnetns: ${name}\n`);
      status = await call.ctx.runIn(netns, words);
    }
    return status;
  }
  const [name, ...argv] = words;
  if (name === undefined) throw new CommandFailure('No netns name specified', EXIT_FAILED);
  if (argv.length === 0) throw new CommandFailure('No command specified', EXIT_FAILED);
  return call.ctx.runIn(openNamespace(call.machine, name), argv);
}
