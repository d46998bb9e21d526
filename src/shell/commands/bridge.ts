// bridge(8): its options and objects; `bridge vlan` of a bridge that does not filter VLANs (iproute2 6.1 bridge/bridge.c).

import type { ShellCommand, ShellContext } from '../command.ts';
import { bridgeFdb } from './bridge-fdb.ts';
import { bridgeLink } from './bridge-link.ts';
import { readOptions } from './ip.ts';
import { matches, notEmulated, usageError } from './ip-arguments.ts';
import { guarded, IpCall, openNamespace } from './ip-call.ts';

const USAGE = `Usage: bridge [ OPTIONS ] OBJECT { COMMAND | help }
OBJECT := { link | fdb | vlan }
OPTIONS := { -s[tatistics] | -d[etails] | -o[neline] | -j[son] | -p[retty] | -n[etns] NAME | -V[ersion] }`;

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  return guarded(ctx, () => {
    const { options, netns: name, words, version } = readOptions('bridge', args);
    if (version) {
      ctx.out('bridge utility, 6.1.0\n');
      return 0;
    }
    const object = words[0];
    if (object === undefined || object === 'help') throw usageError(USAGE);
    const netns = name === null ? ctx.netns : openNamespace(ctx.machine, name);
    const call = new IpCall(ctx, netns, options);
    if (matches(object, 'link')) return bridgeLink(call, words.slice(1));
    if (matches(object, 'fdb')) return bridgeFdb(call, words.slice(1));
    if (matches(object, 'mdb')) throw notEmulated('bridge', 'the object mdb');
    if (matches(object, 'vlan')) return bridgeVlan(call, words.slice(1));
    if (matches(object, 'vni') || matches(object, 'monitor')) throw notEmulated('bridge', `the object ${object}`);
    throw usageError(`Object "${object}" is unknown, try "bridge help".`);
  });
}

/** No bridge here filters VLANs, so there is none to show and none to change. */
function bridgeVlan(call: IpCall, words: readonly string[]): number {
  const verb = words[0] ?? 'show';
  if (!['show', 'lst', 'list'].some((v) => matches(verb, v))) throw notEmulated('bridge', `vlan ${verb}`);
  const p = call.printer();
  p.list(() => p.text('port              vlan-id  \n'));
  return 0;
}

const bridge: ShellCommand = {
  name: 'bridge',
  summary: 'show and change bridge ports and forwarding databases (of bridges and of VXLAN devices)',
  run,
};

export const commands: readonly ShellCommand[] = [bridge];
