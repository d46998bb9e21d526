// What no schema can say of steps: one action each, times that do not run backwards, names that exist, filters and
// regular expressions that mean something.

import { matchesLabel } from '../capture/glob.ts';
import { UNDERLAY } from '../kube/underlay.ts';
import { checkImpairment } from './check-cables.ts';
import type { Draft } from './draft.ts';
import { quoted } from './explain.ts';
import { nearestName } from './nearest.ts';
import { FILTER_NAMES, filterMistake } from './packet-filter.ts';
import {
  HOST_FIELDS,
  NODE_FIELDS,
  POD_FIELDS,
  placeholders,
  SERVICE_FIELDS,
  SERVICE_PREFIX,
  substitute,
} from './placeholder.ts';
import type { Problem } from './problem.ts';
import type { Filter, OutputExpectation, StepInput } from './schema-step.ts';
import type { Path, PlainValue } from './yaml-value.ts';

/** What steps may refer to. */
export interface Known {
  readonly nodes: readonly string[];
  /** machines outside the cluster */
  readonly hosts: readonly string[];
  readonly pods: readonly string[];
  readonly services: readonly string[];
  /** pods that live in the namespace of their node: they have no cable */
  readonly hostNetwork: readonly string[];
  readonly backend: 'vxlan' | 'host-gw';
  readonly vni: number;
}

/** Since this word: from the beginning of the run. */
export const SINCE_START = 'start';

export function checkSteps(draft: Draft, known: Known): Problem[] {
  const problems: Problem[] = [];
  const check = new StepCheck(draft, known, problems);
  check.patterns(draft.capture?.interfaces ?? [], ['capture', 'interfaces']);
  check.placeholdersOf(draft.tree.value, []);
  const names = new Map<string, number>();
  let last = -1;
  draft.steps.forEach((step, i) => {
    const at = draft.times[i] ?? null;
    if (at !== null) {
      if (at < last) {
        problems.push(
          draft.tree.problem(['steps', i, 'at'], {
            what: 'this step begins before the one above',
            expected: 'times of `at` that do not decrease',
          }),
        );
      }
      last = Math.max(last, at);
    }
    if (step === null) return;
    check.step(step, ['steps', i], names);
    if (step.name === undefined) return;
    const first = names.get(step.name);
    if (first === undefined) names.set(step.name, i);
    else {
      problems.push(
        draft.tree.problem(['steps', i, 'name'], {
          what: `steps[${first}] is called ${quoted(step.name)} too`,
          expected: 'a name of its own',
        }),
      );
    }
  });
  return problems;
}

const ACTIONS = ['run', 'fault', 'pod', 'wait'] as const;

class StepCheck {
  readonly #draft: Draft;
  readonly #known: Known;
  readonly #problems: Problem[];
  /** Labels that interfaces will have; the random names of veths stand as veth00000000. */
  readonly #labels: readonly string[];

  constructor(draft: Draft, known: Known, problems: Problem[]) {
    this.#draft = draft;
    this.#known = known;
    this.#problems = problems;
    const ofNode = ['lo', 'eth0', 'cni0', `flannel.${known.vni}`, 'veth00000000'];
    this.#labels = [
      ...known.nodes.flatMap((n) => ofNode.map((i) => `${n}/${i}`)),
      ...[...known.pods, ...known.hosts].flatMap((p) => [`${p}/lo`, `${p}/eth0`]),
      `${UNDERLAY}/br0`,
      ...[...known.nodes, ...known.hosts].map((n) => `${UNDERLAY}/p-${n}`.slice(0, UNDERLAY.length + 16)),
    ];
  }

  /** Where commands can run, and what has a cable to the switch. */
  get #machines(): readonly string[] {
    return [...this.#known.nodes, ...this.#known.hosts];
  }

  step(step: StepInput, path: Path, names: ReadonlyMap<string, number>): void {
    const actions = ACTIONS.filter((a) => step[a] !== undefined);
    if (actions.length > 1) {
      this.#key(
        [...path, actions[1]!],
        `${actions.join(' and ')} in one step`,
        'one action in a step',
        'make two steps of it',
      );
    }
    if (actions.length === 0 && step.expect === undefined) {
      this.#value(path, 'this step does nothing', 'one of run, fault, pod, wait or expect');
    }
    if (step.at !== undefined && step.after !== undefined) {
      this.#key([...path, 'after'], 'both at and after', 'one of the two');
    }
    if (step.on !== undefined) {
      this.#name(step.on, this.#machines, [...path, 'on'], 'node');
      if (step.run === undefined) this.#key([...path, 'on'], 'on without run', 'a command to run there');
    }
    if (step.background === true && step.run === undefined) {
      this.#key([...path, 'background'], 'background without run', 'a command that goes on while others run');
    }
    if (step.fault !== undefined) this.#fault(step.fault, [...path, 'fault']);
    if (step.pod !== undefined) {
      this.#name(step.pod.name, this.#known.pods, [...path, 'pod', 'name'], 'pod');
      if (step.pod.gracePeriod !== undefined && step.pod.action !== 'delete') {
        this.#key([...path, 'pod', 'gracePeriod'], 'a grace period of a pod that is not deleted', 'action: delete');
      }
    }
    if (step.expect !== undefined) this.#expect(step, [...path, 'expect'], names);
  }

  #expect(step: StepInput, path: Path, names: ReadonlyMap<string, number>): void {
    const expect = step.expect!;
    for (const key of ['exit', 'stdout', 'stderr'] as const) {
      if (expect[key] !== undefined && step.run === undefined) {
        this.#key([...path, key], `${key} is expected of a step that runs nothing`, 'a run in this step');
      }
    }
    if (Object.keys(expect).length === 0) this.#value(path, 'nothing is expected', 'at least one expectation');
    this.#output(expect.stdout, [...path, 'stdout']);
    this.#output(expect.stderr, [...path, 'stderr']);
    expect.state?.forEach((state, i) => {
      const at = [...path, 'state', i];
      if (state.on !== undefined) this.#name(state.on, this.#machines, [...at, 'on'], 'node');
      this.#output(state, at);
    });
    expect.packets?.forEach((packets, i) => {
      const at = [...path, 'packets', i];
      this.#observed(packets.filter, packets.since, at, names);
      this.patterns([packets.interface], at, 'interface');
      this.#amount(packets.count, [...at, 'count']);
    });
    expect.drops?.forEach((drops, i) => {
      const at = [...path, 'drops', i];
      this.#observed({}, drops.since, at, names);
      if (drops.where !== undefined) this.#where(drops.where, [...at, 'where']);
      this.#amount(drops.count, [...at, 'count']);
    });
    expect.latency?.forEach((latency, i) => {
      const at = [...path, 'latency', i];
      this.#observed(latency.filter, latency.since, at, names);
      const ends = latency.from !== undefined && latency.to !== undefined;
      if (latency.of === undefined ? !ends : latency.from !== undefined || latency.to !== undefined) {
        this.#value(at, 'it is not said what the latency is of', '`of: ping`, or both `from` and `to`');
      }
      if (latency.of === 'ping' && step.run === undefined) {
        this.#key([...at, 'of'], 'the latency of a ping in a step that runs none', 'a run in this step');
      }
      if (latency.from !== undefined) this.patterns([latency.from], at, 'from');
      if (latency.to !== undefined) this.patterns([latency.to], at, 'to');
      if (latency.min === undefined && latency.max === undefined) {
        this.#value(at, 'a latency without a bound', 'min, max or both');
      } else this.#amount(latency, at);
    });
  }

  #observed(filter: Filter, since: string | undefined, path: Path, names: ReadonlyMap<string, number>): void {
    if (since !== undefined && since !== SINCE_START && !names.has(since)) {
      const near = nearestName(since, [...names.keys(), SINCE_START]);
      this.#value(
        [...path, 'since'],
        `no step above is called ${quoted(since)}`,
        `${SINCE_START}, or the name of a step above`,
        near,
      );
    }
    for (const [name, value] of Object.entries(filter)) {
      const mistake = filterMistake(name, value);
      const at = [...path, 'filter', name];
      if (mistake === 'name') {
        const near = nearestName(name, FILTER_NAMES);
        this.#key(
          at,
          `${quoted(name)} is no field that podwire reads`,
          "a field in Wireshark's spelling",
          near === null ? undefined : `did you mean ${near}?`,
        );
      } else if (mistake === 'layer') {
        this.#value(
          at,
          `${quoted(name)} is a ${typeof value === 'boolean' ? 'field' : 'protocol'}`,
          typeof value === 'boolean' ? 'a value' : 'true or false',
        );
      } else if (mistake === 'value') this.#value(at, 'there is nothing to compare with', 'a value');
    }
  }

  #fault(fault: NonNullable<StepInput['fault']>, path: Path): void {
    const subjects = (['link', 'partition', 'heal'] as const).filter((k) => fault[k] !== undefined);
    if (subjects.length !== 1) {
      this.#value(
        path,
        subjects.length === 0 ? 'it is not said what fails' : `${subjects.join(' and ')} in one fault`,
        'one of link, partition or heal',
      );
    }
    const { link, action, partition, heal, ...rest } = fault;
    const settings = Object.entries(rest).filter(([, v]) => v !== undefined);
    const ends = [...this.#machines, ...this.#known.pods];
    for (const [key, name] of Object.entries({ link, heal })) {
      if (name === undefined || !this.#known.hostNetwork.includes(name)) continue;
      this.#value(
        [...path, key],
        `pod ${quoted(name)} has no link of its own: it uses its node's (hostNetwork)`,
        'the node',
      );
    }
    if (link !== undefined) {
      this.#name(link, ends, [...path, 'link'], 'node or pod');
      if (action === undefined && settings.length === 0) {
        this.#value(path, 'the link stays as it is', 'an action (down, up), or settings such as loss and latency');
      }
      this.#problems.push(...checkImpairment(this.#draft, path, rest));
    } else {
      for (const key of [...(action === undefined ? [] : ['action']), ...settings.map(([k]) => k)]) {
        this.#key([...path, key], `${key} without link`, 'the node or pod whose link it is');
      }
    }
    if (heal !== undefined && heal !== 'all') this.#name(heal, ends, [...path, 'heal'], 'node or pod');
    const seen = new Set<string>();
    partition?.forEach((group, g) => {
      group.forEach((name, i) => {
        const at = [...path, 'partition', g, i];
        this.#name(name, this.#known.nodes, at, 'node');
        if (seen.has(name)) this.#value(at, `${quoted(name)} is in two groups`, 'each node once');
        seen.add(name);
      });
    });
  }

  #output(output: OutputExpectation | undefined, path: Path): void {
    const matches = output?.matches;
    if (matches === undefined) return;
    const list = typeof matches === 'string' ? [matches] : matches;
    list.forEach((pattern, i) => {
      try {
        new RegExp(pattern, 'm');
      } catch (error) {
        const why = (error as Error).message.replace(/^.*: /s, '');
        this.#value(
          [...path, 'matches', ...(typeof matches === 'string' ? [] : [i])],
          `not a regular expression: ${why}`,
          'a regular expression of JavaScript',
        );
      }
    });
  }

  #amount(amount: { min?: number | undefined; max?: number | undefined }, path: Path): void {
    if (amount.min !== undefined && amount.max !== undefined && amount.min > amount.max) {
      this.#value(path, 'min is greater than max', 'min at most max');
    }
  }

  /** Patterns of interface names: each must be able to match one. */
  patterns(patterns: readonly string[], path: Path, key?: string): void {
    patterns.forEach((pattern, i) => {
      const plain = substitute(pattern, (subject, field) => this.#example(subject, field));
      if (this.#labels.some((label) => matchesLabel([plain], label))) return;
      // The random name of a veth, written out: known only once the cluster stands.
      if (/\/veth[0-9a-f]{8}$/.test(plain) && this.#known.nodes.includes(plain.slice(0, plain.indexOf('/')))) return;
      const near = nearestName(plain, this.#labels);
      this.#value(
        [...path, key ?? i],
        `no interface can be called ${quoted(pattern)}`,
        'node/interface or pod/interface, such as node-1/eth0',
        near,
      );
    });
  }

  #where(pattern: string, path: Path): void {
    const owners = [...this.#machines, ...this.#known.pods, UNDERLAY];
    const plain = substitute(pattern, (subject, field) => this.#example(subject, field));
    if ([...owners, ...this.#labels].some((label) => matchesLabel([plain], label))) return;
    this.#value(
      path,
      `nothing can be dropped at ${quoted(pattern)}`,
      'a node, a pod, or one of their interfaces',
      nearestName(plain, [...owners, ...this.#labels]),
    );
  }

  #example(subject: string, field: string): string | null {
    if (field === 'veth') return 'veth00000000';
    if (field === 'node') return this.#known.nodes[0] ?? null;
    const { pods, nodes, services } = this.#known;
    const known =
      pods.includes(subject) || nodes.includes(subject) || services.some((s) => SERVICE_PREFIX + s === subject);
    return known ? 'x' : null;
  }

  /** Every placeholder in every text of the steps and of the capture. */
  placeholdersOf(value: PlainValue, path: Path): void {
    if (path.length === 1 && path[0] !== 'steps' && path[0] !== 'capture') return;
    if (typeof value === 'string') {
      for (const p of placeholders(value)) this.#placeholder(p, path);
    } else if (Array.isArray(value)) {
      for (const [i, v] of value.entries()) this.placeholdersOf(v, [...path, i]);
    } else if (value !== null && typeof value === 'object') {
      for (const [key, v] of Object.entries(value)) this.placeholdersOf(v, [...path, key]);
    }
  }

  #placeholder(p: { text: string; subject: string; field: string }, path: Path): void {
    const { tree } = this.#draft;
    const { nodes, pods } = this.#known;
    const at = tree.offsetWithin(path, p.text);
    const services = this.#known.services.map((s) => SERVICE_PREFIX + s);
    const isPod = pods.includes(p.subject);
    const isService = services.includes(p.subject);
    const { hosts } = this.#known;
    const isHost = hosts.includes(p.subject);
    if (!isPod && !isService && !isHost && !nodes.includes(p.subject)) {
      const near = nearestName(p.subject, [...pods, ...nodes, ...hosts, ...services]);
      this.#problems.push(
        tree.source.at(at, {
          what: `${p.text} names no pod and no node${services.length > 0 ? ' and no Service' : ''}`,
          expected: `one of ${[...pods, ...nodes, ...hosts, ...services].join(', ')}`,
          mend: near === null ? undefined : `did you mean ${near}?`,
        }),
      );
      return;
    }
    const fields: readonly string[] = isPod
      ? POD_FIELDS
      : isService
        ? SERVICE_FIELDS
        : isHost
          ? HOST_FIELDS
          : NODE_FIELDS;
    if (fields.includes(p.field)) {
      const why = this.#valueless(p);
      if (why !== null) this.#problems.push(tree.source.at(at, { what: `${p.text} has no value: ${why}` }));
      return;
    }
    const near = nearestName(p.field, fields);
    this.#problems.push(
      tree.source.at(at, {
        what: `a ${isPod ? 'pod' : isService ? 'Service' : isHost ? 'host' : 'node'} has no ${quoted(p.field)}`,
        expected: `one of ${fields.join(', ')}`,
        mend: near === null ? undefined : `did you mean ${near}?`,
      }),
    );
  }

  /** Why a placeholder of a known name stands for nothing, or null. */
  #valueless(p: { subject: string; field: string }): string | null {
    const { hostNetwork, backend } = this.#known;
    if (p.field === 'veth' && hostNetwork.includes(p.subject)) return 'the pod uses the network of its node';
    return p.field === 'vtepMac' && backend === 'host-gw' ? 'with host-gw there is no flannel device' : null;
  }

  #name(name: string, known: readonly string[], path: Path, kind: string): void {
    if (known.includes(name) || known.length === 0) return;
    this.#value(path, `there is no ${kind} ${quoted(name)}`, `one of ${known.join(', ')}`, nearestName(name, known));
  }

  #value(path: Path, what: string, expected: string, near: string | null = null): void {
    this.#problems.push(
      this.#draft.tree.problem(path, { what, expected, mend: near === null ? undefined : `did you mean ${near}?` }),
    );
  }

  #key(path: Path, what: string, expected: string, mend?: string): void {
    this.#problems.push(this.#draft.tree.keyProblem(path, { what, expected, mend }));
  }
}
