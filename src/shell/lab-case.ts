// A case directory: setup.sh builds the topology, topology.json says what is captured and what is then done. The stimuli
// become one script, because they share a shell: what one starts in the background another waits for.

import { isNode, LineCounter, parseDocument } from 'yaml';
import * as z from 'zod';
import { LabInputError } from './lab-files.ts';
import { quoteWord } from './quote.ts';

/** ip-netns(8) takes file names of /run/netns; these are the ones that are also fit for the name of a capture file. */
const netns = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.@-]*$/, 'a namespace name has letters, digits, _ . @ and -');
/** dev_valid_name() (net/core/dev.c): at most 15 bytes, no slash, no colon, no white space, not . or .. */
const ifname = z
  .string()
  .max(15)
  .regex(/^(?!\.{1,2}$)[^\s/:\0]+$/, 'an interface name has no white space, / or :');
const tag = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, 'a tag has letters, digits, _ . and -');
const signal = z.string().regex(/^[A-Za-z0-9]+$/, 'a signal is a name such as TERM, or a number');

const stimulus = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('run'), netns, cmd: z.string() }),
  z.object({
    kind: z.literal('sleep'),
    seconds: z
      .number()
      .min(0)
      .max(86_400 * 100),
  }),
  z.object({ kind: z.literal('start'), tag, netns, cmd: z.string() }),
  z.object({ kind: z.literal('stop'), tag, signal }),
  z.object({ kind: z.literal('shell'), text: z.string() }),
]);

const topology = z.object({
  captures: z.array(z.object({ netns, ifname })),
  stimuli: z.array(stimulus),
});

export type Stimulus = z.infer<typeof stimulus>;

export interface LabCase {
  readonly captures: readonly { readonly netns: string; readonly ifname: string }[];
  readonly stimuli: readonly Stimulus[];
}

/** @throws LabInputError with a line for each mistake: file:line:col, where, what */
export function parseTopology(text: string, name: string): LabCase {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const [first] = parseDocument(text).errors;
    const at = first?.linePos?.[0];
    throw new LabInputError(at === undefined ? `${name}: not JSON` : `${name}:${at.line}:${at.col}: not JSON`);
  }
  const parsed = topology.safeParse(value);
  if (!parsed.success) {
    throw new LabInputError(mistakes(text, name, parsed.error.issues).join('\n'));
  }
  const issues: Mistake[] = [];
  const started = new Set<string>();
  parsed.data.stimuli.forEach((s, i) => {
    if (s.kind === 'start') started.add(s.tag);
    if (s.kind === 'stop' && !started.has(s.tag))
      issues.push({ path: ['stimuli', i, 'tag'], message: `${s.tag} has not been started before` });
  });
  if (issues.length > 0) throw new LabInputError(mistakes(text, name, issues).join('\n'));
  return parsed.data;
}

interface Mistake {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** JSON is YAML, and the YAML parser knows where things stand. */
function mistakes(text: string, name: string, found: readonly Mistake[]): string[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  return found.map(({ path, message }) => {
    let node: unknown = null;
    for (let length = path.length; length >= 0 && !isNode(node); length--)
      node = document.getIn(path.slice(0, length), true);
    const start = isNode(node) ? node.range?.[0] : undefined;
    const at = start === undefined ? null : lines.linePos(start);
    return `${name}${at === null ? '' : `:${at.line}:${at.col}`}: ${pathText(path)}: ${message}`;
  });
}

function pathText(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the whole file';
  return path.map((p, i) => (typeof p === 'number' ? `[${p}]` : `${i > 0 ? '.' : ''}${String(p)}`)).join('');
}

/**
 * Each command is announced with the virtual time, and its exit status is told with the time at which it ended; both
 * streams of a command go to standard output.
 */
const FUNCTIONS = `
__run() {
  local netns=$1 rc
  echo "### $(date +%s.%N) step [$netns] $2"
  ip netns exec "$netns" bash -c "$2" 2>&1
  rc=$?
  echo "### $(date +%s.%N) rc=$rc"
}
__stop() {
  echo "### $(date +%s.%N) kill -$2 ($1)"
  kill -"$2" "$3"
  wait "$3" 2>/dev/null
  echo "--- log of $1"
  cat "/var/tmp/bg.$1.log"
}
`;

/** The stimuli as a script. */
export function stimulusScript(stimuli: readonly Stimulus[]): string {
  const tags = new Map<string, string>();
  const lines = stimuli.map((s) => {
    switch (s.kind) {
      case 'run':
        return `__run ${quoteWord(s.netns)} ${quoteWord(s.cmd)}`;
      case 'sleep':
        return `sleep ${decimal(s.seconds)}`;
      case 'start': {
        const variable = tags.get(s.tag) ?? `__started_${tags.size}`;
        tags.set(s.tag, variable);
        return [
          `echo "### $(date +%s.%N) start [${s.netns}] (${s.tag})" ${quoteWord(s.cmd)}`,
          `ip netns exec ${quoteWord(s.netns)} bash -c ${quoteWord(`exec ${s.cmd}`)} >/var/tmp/bg.${s.tag}.log 2>&1 &`,
          `${variable}=$!`,
        ].join('\n');
      }
      case 'stop':
        return `__stop ${quoteWord(s.tag)} ${quoteWord(s.signal)} "$${tags.get(s.tag) ?? ''}"`;
      case 'shell':
        return s.text;
    }
    return '';
  });
  return `${FUNCTIONS}${lines.join('\n')}\n`;
}

/** sleep(1) takes no exponents. */
function decimal(seconds: number): string {
  return seconds.toFixed(9).replace(/\.?0+$/, '') || '0';
}
