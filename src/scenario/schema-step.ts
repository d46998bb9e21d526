// Shape of a scenario's steps: what is done on the virtual clock, and what is expected of it.

import { z } from 'zod';
import { type DropReasonName, dropReasons } from '../base/drop-reason.ts';
import { count, name, time } from './quantity.ts';
import { impairments } from './schema-cluster.ts';

/** Choices, against scenarios that are programs. */
export const STEPS_MAX = 10_000;
const TEXT_MAX = 10_000;

const text = z.string().max(TEXT_MAX);
const texts = z.union([text, z.array(text).min(1).max(1000)], { error: 'a text, or a list of texts' });

/** What a stream of output must be. */
const output = z.strictObject({
  contains: texts.optional(),
  matches: texts.optional().meta({ description: 'Regular expressions (JavaScript), multi-line.' }),
  equals: text
    .optional()
    .meta({ description: 'The whole output; blanks at line ends and the last newline do not count.' }),
  excludes: texts.optional().meta({ description: 'Texts that must not occur.' }),
  empty: z.boolean().optional(),
});

const COUNT_EXPECTED = 'a number, or {min, max}';
const amount = z
  .union(
    [
      z
        .int()
        .min(0)
        .transform((n) => ({ min: n, max: n })),
      z.strictObject({ min: z.int().min(0).optional(), max: z.int().min(0).optional() }),
    ],
    { error: COUNT_EXPECTED },
  )
  .meta({ description: 'How many: a number, or at least min and at most max.' });

/** Field comparisons in Wireshark's names: a value, or an operator and a value in one text. */
const filter = z
  .record(
    z.string(),
    z.union([z.string().max(300), z.number(), z.boolean()], { error: 'a value, or a text such as ">= 100"' }),
  )
  .meta({
    description:
      'Wireshark field names with the value wanted: {udp.dstport: 8472, vxlan.vni: 1}. A text may begin with ==, !=, <, <=, > or >=. A layer that repeats: any of them, or ip.src#1 for the first. A protocol name with true or false: it is there or not.',
  });

const since = text.meta({
  description: "Count from the beginning of the step of this name, or 'start'; by default this step's beginning.",
});
const interfaces = text.meta({
  description: 'Interface as captures name it, node-1/eth0 or pod-a/eth0; a glob is allowed.',
});

const packets = z.strictObject({
  interface: interfaces,
  direction: z.enum(['in', 'out']).optional(),
  filter: filter.default({}),
  count: amount.default({ min: 1 }),
  since: since.optional(),
});

const reasonNames = dropReasons()
  .map((r) => r.name)
  .filter((n) => n !== 'NOT_DROPPED') as [DropReasonName, ...DropReasonName[]];

const drops = z.strictObject({
  reason: z.enum(reasonNames).optional(),
  where: text.optional().meta({ description: 'Glob over node/interface names.' }),
  count: amount.default({ min: 1 }),
  since: since.optional(),
});

const latency = z.strictObject({
  of: z.enum(['ping']).optional().meta({ description: "The round-trip times that this step's ping prints." }),
  from: interfaces.optional(),
  to: interfaces.optional(),
  filter: filter.default({}),
  min: time.optional(),
  max: time.optional(),
  since: since.optional(),
});

const state = z.strictObject({
  on: name.optional().meta({ description: 'Node in whose shell the command runs; by default beside the cluster.' }),
  run: text.min(1),
  ...output.shape,
});

/** One or a list of them. */
function several<T extends z.ZodType>(one: T) {
  return z.array(one).min(1).max(1000);
}

export const expect = z.strictObject({
  exit: count(0, 255, 'an exit status').optional(),
  stdout: output.optional(),
  stderr: output.optional(),
  packets: several(packets).optional(),
  drops: several(drops).optional(),
  latency: several(latency).optional(),
  state: several(state).optional(),
});

const fault = z.strictObject({
  link: name.optional().meta({ description: 'The cable of this node, or of this pod.' }),
  action: z.enum(['down', 'up']).optional(),
  ...impairments.shape,
  partition: z
    .array(z.array(name).min(1))
    .min(2)
    .optional()
    .meta({ description: 'Groups of nodes; frames between groups are lost.' }),
  heal: z.union([z.literal('all'), name], { error: "'all', or a node or pod" }).optional(),
});

const POD_ACTIONS = ['ready', 'unready', 'delete'] as const;

const podAction = z.strictObject({
  name: z.string().min(1).max(130).meta({ description: 'The pod, ns/name outside the namespace default.' }),
  action: z.enum(POD_ACTIONS),
  gracePeriod: time
    .optional()
    .meta({ description: 'delete: how long its programs go on while it terminates; by default 30s, 0s: not at all.' }),
});

export const step = z.strictObject({
  name: z.string().min(1).max(200).optional(),
  at: time
    .optional()
    .meta({ description: 'Virtual time at which the step begins, not before the one above has ended.' }),
  after: time.optional().meta({ description: 'Wait this long after the step above has ended.' }),
  run: text
    .min(1)
    .optional()
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a placeholder of scenarios
    .meta({ description: 'A command line as people type it. ${pod-a.ip} stands for an address.' }),
  on: name.optional().meta({
    description: 'Node or host in whose shell the command runs; by default beside the cluster, where kubectl works.',
  }),
  background: z.boolean().optional().meta({ description: 'The next step does not wait for this one.' }),
  fault: fault.optional(),
  pod: podAction.optional().meta({ description: 'Its readiness probe begins or stops to answer, or it is deleted.' }),
  wait: time.optional(),
  expect: expect.optional(),
});

export type StepInput = z.output<typeof step>;
export type ExpectInput = z.output<typeof expect>;
export type OutputExpectation = z.output<typeof output>;
export type PacketsExpectation = z.output<typeof packets>;
export type DropsExpectation = z.output<typeof drops>;
export type LatencyExpectation = z.output<typeof latency>;
export type StateExpectation = z.output<typeof state>;
export type PodActionInput = z.output<typeof podAction>;
export type FaultInput = z.output<typeof fault>;
export type Filter = z.output<typeof filter>;
export type Amount = { readonly min?: number | undefined; readonly max?: number | undefined };
