// kubectl, as far as there is something for it to act on: `exec` into a pod, `get`, and `delete pod`. Messages and
// tables are kubectl's (pkg/printers/internalversion, cli-runtime: minimum width 6, padding 3).

import { formatIpv4 } from '../../addr/ipv4.ts';
import { type Cluster, type ClusterNode, clusterOf, type Pod } from '../../kube/cluster.ts';
import { DEFAULT_NAMESPACE } from '../../kube/cluster-spec.ts';
import { deletePod, GRACE_PERIOD } from '../../kube/pod-lifecycle.ts';
import { NS_PER_S } from '../../sim/sim.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { Signal } from '../process.ts';
import { getEndpointSlices, getEndpoints, getServices } from './kubectl-services.ts';
import { type Arguments, age, choose, fail, labelFilter, missing, order, print, shownName } from './kubectl-table.ts';

/** What `kubectl get nodes` says of the kubelets. Choice: the release whose sources the emulation follows. */
const KUBELET_VERSION = 'v1.34.0';
/** What nodes report beside it: the golden captures' machine. */
const OS_IMAGE = 'Debian GNU/Linux 12 (bookworm)';
const KERNEL_VERSION = '6.18.44';
const CONTAINER_RUNTIME = 'containerd://2.1.4';

/** How soon `kubectl delete` learns that a pod is gone (it watches). Choice. */
const DELETE_POLL = NS_PER_S / 10;

/** Options of all subcommands that take a value. */
const WITH_VALUE: ReadonlyMap<string, string> = new Map([
  ['-n', 'namespace'],
  ['--namespace', 'namespace'],
  ['-c', 'container'],
  ['--container', 'container'],
  ['-o', 'output'],
  ['--output', 'output'],
  ['--grace-period', 'grace-period'],
  ['-l', 'selector'],
  ['--selector', 'selector'],
]);
const FLAGS: ReadonlyMap<string, string> = new Map([
  ['-A', 'all'],
  ['--all-namespaces', 'all'],
  ['-i', 'stdin'],
  ['--stdin', 'stdin'],
  ['-t', 'tty'],
  ['--tty', 'tty'],
  ['-it', 'tty'],
  ['-ti', 'tty'],
  ['-q', 'quiet'],
  ['--quiet', 'quiet'],
  ['--no-headers', 'no-headers'],
  ['--force', 'force'],
  ['--now', 'now'],
  ['--wait', 'wait'],
  ['--wait=true', 'wait'],
  ['--wait=false', 'no-wait'],
]);

const SUBCOMMANDS: readonly string[] = ['delete', 'exec', 'get'];

const kubectl: ShellCommand = {
  name: 'kubectl',
  summary: 'run a command in a pod; list pods, nodes, Services and endpoints; delete pods',
  run: async (args, ctx) => {
    const named = args.find((a) => !a.startsWith('-'));
    if (named !== undefined && !SUBCOMMANDS.includes(named) && args[0] === named) {
      return fail(ctx, `kubectl: ${named} is not emulated by podwire yet (${SUBCOMMANDS.join(', ')} are)`);
    }
    const parsed = parse(args);
    if (typeof parsed === 'string') return fail(ctx, `error: ${parsed}\nSee 'kubectl --help' for usage.`);
    const cluster = clusterOf(ctx.machine.world);
    if (cluster === null) {
      return fail(
        ctx,
        'The connection to the server localhost:8080 was refused - did you specify the right host or port?',
      );
    }
    const [verb, ...rest] = parsed.words;
    if (verb === 'exec') return exec(cluster, { ...parsed, words: rest }, ctx);
    if (verb === 'delete') return remove(cluster, { ...parsed, words: rest }, ctx);
    if (verb === 'get') return get(cluster, { ...parsed, words: rest }, ctx);
    return fail(ctx, `error: ${SUBCOMMANDS.join(', ')} are what podwire has of kubectl`);
  },
};

export const commands: readonly ShellCommand[] = [kubectl];

/** The arguments, or what is wrong with them. */
function parse(args: readonly string[]): Arguments | string {
  const words: string[] = [];
  const options = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === '--') return { words, options, command: args.slice(i + 1) };
    const equals = arg.startsWith('--') ? arg.indexOf('=') : -1;
    const name = equals < 0 ? arg : arg.slice(0, equals);
    const key = WITH_VALUE.get(name);
    if (key !== undefined) {
      const value = equals < 0 ? args[++i] : arg.slice(equals + 1);
      if (value === undefined) return `flag needs an argument: '${name.replace(/^-+/, '')}' in ${name}`;
      options.set(key, value);
    } else if (FLAGS.has(arg)) options.set(FLAGS.get(arg)!, 'true');
    else if (/^-[nocl]./.test(arg)) options.set(WITH_VALUE.get(arg.slice(0, 2))!, arg.slice(2).replace(/^=/, ''));
    else if (arg.startsWith('-'))
      return arg.startsWith('--') ? `unknown flag: ${name}` : `unknown shorthand flag: '${arg[1]}' in ${arg}`;
    else words.push(arg);
  }
  return { words, options, command: null };
}

async function exec(cluster: Cluster, args: Arguments, ctx: ShellContext): Promise<number> {
  const [target, ...more] = args.words;
  if (target === undefined) {
    return fail(
      ctx,
      "error: pod, type/name or --filename must be specified\nSee 'kubectl exec -h' for help and examples",
    );
  }
  if (more.length > 0) {
    return fail(
      ctx,
      "error: exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\nSee 'kubectl exec -h' for help and examples",
    );
  }
  const { command } = args;
  if (command === null || command.length === 0) {
    return fail(ctx, 'error: you must specify at least one command for the container');
  }
  const name = target.replace(/^(?:pods?|po)\//, '');
  const pod = cluster.pod(name, args.options.get('namespace') ?? DEFAULT_NAMESPACE);
  if (pod === null) return fail(ctx, `Error from server (NotFound): pods "${name}" not found`);
  const containers = containersOf(pod);
  const container = args.options.get('container');
  if (container !== undefined && !containers.includes(container)) {
    return fail(ctx, `Error from server (BadRequest): container ${container} is not valid for pod ${name}`);
  }
  if (pod.problem !== null) {
    const wanted = container ?? containers[0]!;
    return fail(ctx, `error: Internal error occurred: unable to upgrade connection: container not found ("${wanted}")`);
  }
  if (container === undefined && containers.length > 1) {
    ctx.err(`Defaulted container "${containers[0]}" out of: ${containers.join(', ')}\n`);
  }
  // The container ends with its pod, and with it what was started in it.
  const stop = (): void => ctx.process.signal(Signal.KILL);
  pod.programs.add(stop);
  const status = await ctx.runIn(pod.netns, command);
  pod.programs.delete(stop);
  // Who is killed says nothing any more.
  if (status !== 0 && ctx.process.killedBy === null) ctx.err(`command terminated with exit code ${status}\n`);
  return status;
}

/** A manifest without containers is completed, as a pod always has one. */
function containersOf(pod: Pod): readonly string[] {
  return pod.spec.containers.length > 0 ? pod.spec.containers : ['main'];
}

function get(cluster: Cluster, args: Arguments, ctx: ShellContext): number {
  const [kindWord, ...names] = args.words;
  if (kindWord === undefined) return fail(ctx, 'error: you must specify the type of resource to get');
  const slash = kindWord.indexOf('/');
  const kind = slash < 0 ? kindWord : kindWord.slice(0, slash);
  if (slash >= 0) names.unshift(kindWord.slice(slash + 1));
  const output = args.options.get('output') ?? '';
  if (!['', 'wide', 'name'].includes(output)) {
    return fail(ctx, `kubectl: -o ${output} is not emulated by podwire yet (wide and name are)`);
  }
  if (kind.includes(',') || kind === 'all') return getSeveral(cluster, kind, args, ctx);
  if (typeof labelFilter(args) === 'string') return fail(ctx, `error: ${labelFilter(args)}`);
  if (['pods', 'pod', 'po'].includes(kind)) return getPods(cluster, { ...args, words: names }, ctx);
  const isNode = ['nodes', 'node', 'no'].includes(kind);
  if (isNode && args.options.has('selector')) {
    return fail(ctx, 'kubectl: labels of nodes are not emulated by podwire');
  }
  if (isNode) return getNodes(cluster, { ...args, words: names }, ctx);
  if (['services', 'service', 'svc'].includes(kind)) return getServices(cluster, { ...args, words: names }, ctx);
  if (['endpoints', 'ep'].includes(kind)) return getEndpoints(cluster, { ...args, words: names }, ctx);
  if (['endpointslices', 'endpointslice'].includes(kind)) {
    return getEndpointSlices(cluster, { ...args, words: names }, ctx);
  }
  return fail(ctx, `error: the server doesn't have a resource type "${kind}"`);
}

/** `kubectl delete pod NAME...`: says so, then waits until each is gone. */
async function remove(cluster: Cluster, args: Arguments, ctx: ShellContext): Promise<number> {
  const { options } = args;
  const names = [...args.words];
  const [kindWord] = names.splice(0, 1);
  if (kindWord === undefined)
    return fail(ctx, 'error: You must provide one or more resources by argument or filename.');
  const slash = kindWord.indexOf('/');
  if (slash >= 0) names.unshift(kindWord.slice(slash + 1));
  const kind = slash < 0 ? kindWord : kindWord.slice(0, slash);
  if (!['pods', 'pod', 'po'].includes(kind))
    return fail(ctx, `kubectl: delete ${kind} is not emulated by podwire (pods are)`);
  if (names.length === 0) return fail(ctx, 'error: resource(s) were provided, but no name was specified');
  const namespace = options.get('namespace') ?? DEFAULT_NAMESPACE;
  const given = options.get('grace-period');
  const seconds = options.has('now') ? 1 : options.has('force') ? Number(given ?? 0) : Number(given ?? -1);
  if (!Number.isInteger(seconds)) {
    return fail(
      ctx,
      `error: invalid argument "${given}" for "--grace-period" flag: strconv.ParseInt: parsing "${given}": invalid syntax`,
    );
  }
  if (seconds === 0 && !options.has('force')) return fail(ctx, 'error: --grace-period=0 needs --force');
  const lost: string[] = [];
  for (const name of names) {
    const pod = cluster.pod(name, namespace);
    if (pod === null) {
      lost.push(name);
      continue;
    }
    deletePod(cluster, pod, seconds < 0 ? GRACE_PERIOD : seconds * NS_PER_S);
    ctx.out(`pod "${name}" ${options.has('force') ? 'force ' : ''}deleted from ${namespace} namespace\n`);
    while (!options.has('no-wait') && cluster.pods.get(pod.label) === pod) await ctx.process.sleep(DELETE_POLL);
  }
  return missing(ctx, 'pods', lost);
}

/** `get svc,ep`, `get all`: one table after the other, names with their kind in front. */
function getSeveral(cluster: Cluster, kinds: string, args: Arguments, ctx: ShellContext): number {
  const list = kinds === 'all' ? ['pods', 'services'] : kinds.split(',').filter((k) => k !== '');
  const options = new Map([...args.options, ['several', 'true'] as const]);
  let status = 0;
  list.forEach((kind, i) => {
    if (i > 0) ctx.out('\n');
    status = get(cluster, { ...args, words: [kind, ...args.words.slice(1)], options }, ctx) || status;
  });
  return status;
}

function getPods(cluster: Cluster, args: Arguments, ctx: ShellContext): number {
  const all = args.options.has('all');
  const namespace = args.options.get('namespace') ?? DEFAULT_NAMESPACE;
  const filter = labelFilter(args);
  const fits = typeof filter === 'string' ? () => false : filter;
  const pods = [...cluster.pods.values()]
    .filter((p) => (all || p.spec.namespace === namespace) && fits(p.spec.labels))
    .sort((a, b) => order(a.spec.namespace, b.spec.namespace) || order(a.spec.name, b.spec.name));
  const chosen = choose(pods, (p) => p.spec.name, args.words);
  const wide = args.options.get('output') === 'wide';
  const now = ctx.sim.now;
  const header = ['NAME', 'READY', 'STATUS', 'RESTARTS', 'AGE'];
  const rows = chosen.found.map((pod) => {
    const count = containersOf(pod).length;
    const row = [shownName(args, 'pod', pod.spec.name), `${pod.problem === null && pod.ready ? count : 0}/${count}`];
    const running = pod.deleted !== null ? 'Terminating' : 'Running';
    row.push(pod.problem === null ? running : 'ContainerCreating', '0', age(now - pod.created));
    if (wide) row.push(pod.ip === null ? '<none>' : formatIpv4(pod.ip), pod.node.name, '<none>', '<none>');
    return all ? [pod.spec.namespace, ...row] : row;
  });
  if (wide) header.push('IP', 'NODE', 'NOMINATED NODE', 'READINESS GATES');
  if (all) header.unshift('NAMESPACE');
  if (rows.length === 0 && chosen.missing.length === 0) {
    ctx.err(all ? 'No resources found\n' : `No resources found in ${namespace} namespace.\n`);
    return 0;
  }
  if (args.options.get('output') === 'name') for (const p of chosen.found) ctx.out(`pod/${p.spec.name}\n`);
  else print(ctx, args, header, rows);
  return missing(ctx, 'pods', chosen.missing);
}

function getNodes(cluster: Cluster, args: Arguments, ctx: ShellContext): number {
  const nodes = [...cluster.nodes.values()].sort((a, b) => order(a.name, b.name));
  const chosen = choose(nodes, (n) => n.name, args.words);
  const wide = args.options.get('output') === 'wide';
  const header = ['NAME', 'STATUS', 'ROLES', 'AGE', 'VERSION'];
  if (wide) header.push('INTERNAL-IP', 'EXTERNAL-IP', 'OS-IMAGE', 'KERNEL-VERSION', 'CONTAINER-RUNTIME');
  const rows = chosen.found.map((node: ClusterNode) => {
    const row = [
      shownName(args, 'node', node.name),
      node.problem === null ? 'Ready' : 'NotReady',
      '<none>',
      age(ctx.sim.now),
      KUBELET_VERSION,
    ];
    if (wide) row.push(formatIpv4(node.spec.address), '<none>', OS_IMAGE, KERNEL_VERSION, CONTAINER_RUNTIME);
    return row;
  });
  if (args.options.get('output') === 'name') for (const n of chosen.found) ctx.out(`node/${n.name}\n`);
  else print(ctx, args, header, rows);
  return missing(ctx, 'nodes', chosen.missing);
}
