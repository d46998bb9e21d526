// What just-bash does not do, done by changing the parsed script before it runs:
//
//   CMD &            becomes  __podwire_bg=$(__job N "$@")     a process of its own (shell/jobs.ts); N names the statement
//   $! $0            become   $__podwire_bg $__podwire_0       just-bash has 0 and "bash" there
//   wait, trap       become   __wait, __trap                   just-bash's own do nothing and cannot be replaced
//   exec CMD         becomes  { CMD; exit $?; }
//   time PIPELINE    becomes  a group that reads the virtual clock before and after
//   $RANDOM $SECONDS ...      become command substitutions that ask the seed and the virtual clock
//
// And output: just-bash gives a script's output when all of it has ended, standard error apart. So every command whose
// standard output is the terminal's gets redirections to the session's terminal devices (shell/emulated-fs.ts) in front of
// its own; what it writes then comes out at once and in order. Function bodies are left alone: their caller is redirected.
//
// Variables that start with __podwire_ in front of one of our commands tell it what just-bash does not say about its
// standard streams: LIVE (it is the terminal itself), MERGE (2>&1), TEE (a file: others may read what is there so far).

import type { CommandNode, PipelineNode, ScriptNode, SimpleCommandNode, StatementNode, WordNode } from 'just-bash';
import { parse } from 'just-bash';

export type FunctionDefNode = Extract<CommandNode, { type: 'FunctionDef' }>;
type Redirection = SimpleCommandNode['redirections'][number];
type WordPart = WordNode['parts'][number];

export const Mark = { LIVE: '__podwire_live', MERGE: '__podwire_merge', TEE: '__podwire_tee' } as const;
export const BACKGROUND_PID = '__podwire_bg';
export const ARGV0 = '__podwire_0';

/** A statement that runs in the background, and the functions that it may call. */
export interface JobBody {
  readonly statement: StatementNode;
  readonly functions: readonly FunctionDefNode[];
}

/** Paths of the terminal devices; the same for both when standard error goes where standard output goes. */
export interface Terminal {
  readonly stdout: string;
  readonly stderr: string;
}

export interface RewriteHost {
  /** Functions that exist already. */
  readonly functions: readonly FunctionDefNode[];
  /** True for the names that our own commands answer to. */
  isCommand(name: string): boolean;
  /** Keeps the body of a job and returns its number. */
  addJob(body: JobBody): number;
}

/** Shell variables whose value must not come from the host: name -> the command that prints it. */
const DYNAMIC: ReadonlyMap<string, string> = new Map(
  ['RANDOM', 'SRANDOM', 'SECONDS', 'EPOCHSECONDS', 'EPOCHREALTIME'].map((name) => [name, `__variable ${name}`]),
);
const RENAMED: ReadonlyMap<string, string> = new Map([
  ['!', BACKGROUND_PID],
  ['0', ARGV0],
  ['BASH_SOURCE', ARGV0],
  ['BASH_SOURCE[0]', ARGV0],
]);

/** Changes the script in place. Its output goes to the terminal, or, with null, to whoever asked just-bash to run it. */
export function rewriteScript(script: ScriptNode, host: RewriteHost, terminal: Terminal | null): void {
  const rewriter = new Rewriter(host, [...host.functions, ...functionsIn(script)], terminal);
  rewriter.walk(script);
  if (terminal !== null && !rewriter.redirectsShell) rewriter.toTerminal(script.statements);
}

/** Redirects statements that have been rewritten before. */
export function toTerminal(statements: readonly StatementNode[], host: RewriteHost, terminal: Terminal): void {
  new Rewriter(host, host.functions, terminal).toTerminal(statements);
}

/** The statements of a text that we wrote ourselves. */
export function statementsOf(source: string): StatementNode[] {
  return parse(source).statements;
}

function functionsIn(node: unknown, found: FunctionDefNode[] = []): FunctionDefNode[] {
  if (Array.isArray(node)) for (const child of node) functionsIn(child, found);
  else if (node !== null && typeof node === 'object') {
    if ((node as { type?: string }).type === 'FunctionDef') found.push(node as FunctionDefNode);
    for (const child of Object.values(node)) functionsIn(child, found);
  }
  return found;
}

class Rewriter {
  readonly #host: RewriteHost;
  readonly #functions: readonly FunctionDefNode[];
  readonly #terminal: Terminal;
  /** `exec > FILE`: the script redirects itself, and our redirections would undo that. */
  redirectsShell = false;
  /** The script has array variables, which a job must be given as text. */
  #usesArrays = false;

  constructor(host: RewriteHost, functions: readonly FunctionDefNode[], terminal: Terminal | null) {
    this.#host = host;
    this.#functions = functions;
    this.#terminal = terminal ?? { stdout: '/dev/stdout', stderr: '/dev/stderr' };
  }

  /** Depth first, so that a job's body has been rewritten when the job is put aside. */
  walk(node: unknown): void {
    if (Array.isArray(node)) {
      for (const child of node) this.walk(child);
      return;
    }
    if (node === null || typeof node !== 'object') return;
    for (const child of Object.values(node)) this.walk(child);
    const typed = node as { type?: string; parts?: WordPart[] };
    if (Array.isArray(typed.parts)) typed.parts = typed.parts.map((part) => rewritePart(part));
    if (typed.type === 'Assignment' && (node as { array: unknown }).array !== null) this.#usesArrays = true;
    if (typed.type === 'Statement') this.#statement(node as StatementNode);
    else if (typed.type === 'Pipeline') this.#pipeline(node as PipelineNode);
    else if (typed.type === 'ArithVariable') rewriteArithmetic(node as { type: string; name: string });
  }

  #statement(statement: StatementNode): void {
    statement.pipelines = statement.pipelines.map((p) => (p.timed === true ? timedPipeline(p) : p));
    if (!statement.background) return;
    const number = this.#host.addJob({
      statement: { ...statement, background: false },
      functions: this.#functions,
    });
    const arrays = this.#usesArrays ? '"$(declare -p)"' : "''";
    const start = statementsOf(`${BACKGROUND_PID}=$(__job ${number} ${arrays} "$@")`)[0]!;
    statement.background = false;
    statement.pipelines = start.pipelines;
    statement.operators = [];
  }

  #pipeline(pipeline: PipelineNode): void {
    pipeline.commands = pipeline.commands.map((command) =>
      command.type === 'SimpleCommand' ? this.#simpleCommand(command) : command,
    );
  }

  #simpleCommand(command: SimpleCommandNode): CommandNode {
    const name = literal(command.name);
    if (name === null) return command;
    if ((name === 'wait' || name === 'trap') && !this.#isFunction(name)) {
      command.name = literalWord(`__${name}`);
      return command;
    }
    if (name === 'exec') {
      const first = command.args[0];
      if (first === undefined) {
        this.redirectsShell = true;
        return command;
      }
      if (literal(first)?.startsWith('-') === true) return command;
      const group = statementsOf('{ :; exit $?; }')[0]!;
      const body = group.pipelines[0]!.commands[0]! as Extract<CommandNode, { type: 'Group' }>;
      const program = this.#simpleCommand({ ...command, name: first, args: command.args.slice(1) });
      body.body[0]!.pipelines[0]!.commands = [program];
      return body;
    }
    if (this.#isOurs(name)) markStreams(command);
    return command;
  }

  #isFunction(name: string): boolean {
    return this.#functions.some((f) => f.name === name);
  }

  #isOurs(name: string): boolean {
    return !this.#isFunction(name) && this.#host.isCommand(name.slice(name.lastIndexOf('/') + 1));
  }

  /** Redirects every command of these statements that writes to the terminal. */
  toTerminal(statements: readonly StatementNode[]): void {
    for (const statement of statements) for (const pipeline of statement.pipelines) this.#pipelineToTerminal(pipeline);
  }

  #pipelineToTerminal(pipeline: PipelineNode): void {
    const last = pipeline.commands.length - 1;
    const only = pipeline.commands[0];
    if (last === 0 && only !== undefined && this.#insideToTerminal(only)) return;
    pipeline.commands.forEach((command, i) => {
      if (command.type === 'FunctionDef') return;
      if (command.type === 'SimpleCommand') {
        if (command.name === null) return;
        const name = literal(command.name);
        if (i === last && last === 0 && name !== null && this.#isOurs(name) && isPlain(command))
          mark(command, Mark.LIVE);
      }
      const errors = append(2, this.#terminal.stderr);
      command.redirections.unshift(...(i === last ? [append(1, this.#terminal.stdout), errors] : [errors]));
    });
  }

  /** Goes into a compound command that has no redirections of its own. False for anything else. */
  #insideToTerminal(command: CommandNode): boolean {
    if (command.type === 'SimpleCommand' || command.type === 'FunctionDef' || command.redirections.length > 0)
      return false;
    switch (command.type) {
      case 'Group':
      case 'Subshell':
      case 'For':
      case 'CStyleFor':
        this.toTerminal(command.body);
        return true;
      case 'While':
      case 'Until':
        this.toTerminal(command.condition);
        this.toTerminal(command.body);
        return true;
      case 'If':
        for (const clause of command.clauses) {
          this.toTerminal(clause.condition);
          this.toTerminal(clause.body);
        }
        if (command.elseBody !== null) this.toTerminal(command.elseBody);
        return true;
      case 'Case':
        for (const item of command.items) this.toTerminal(item.body);
        return true;
      default:
        return false;
    }
  }
}

function rewritePart(part: WordPart): WordPart {
  if (part.type !== 'ParameterExpansion') return part;
  const command = part.operation === null ? DYNAMIC.get(part.parameter) : undefined;
  if (command !== undefined) return { type: 'CommandSubstitution', body: parse(command), legacy: false };
  const name = RENAMED.get(part.parameter);
  if (name !== undefined) part.parameter = name;
  return part;
}

function rewriteArithmetic(node: { type: string; name: string; command?: string }): void {
  const command = DYNAMIC.get(node.name);
  if (command === undefined) return;
  node.type = 'ArithCommandSubst';
  node.command = command;
}

function timedPipeline(pipeline: PipelineNode): PipelineNode {
  const posix = pipeline.timePosix === true ? '-p' : '--';
  const outer = statementsOf(`{ __podwire_t=$(__now); :; __time ${posix} "$__podwire_t" "$?"; }`)[0]!.pipelines[0]!;
  const group = outer.commands[0]! as Extract<CommandNode, { type: 'Group' }>;
  group.body[1]!.pipelines = [{ ...pipeline, timed: false }];
  return outer;
}

/** The word's text when it is nothing but text, else null. */
function literal(word: WordNode | null | undefined): string | null {
  if (word === null || word === undefined) return null;
  let text = '';
  for (const part of word.parts) {
    if (part.type !== 'Literal' && part.type !== 'SingleQuoted') return null;
    text += part.value;
  }
  return text;
}

function literalWord(text: string): WordNode {
  return { type: 'Word', parts: [{ type: 'Literal', value: text }] };
}

function append(fd: number, path: string): Redirection {
  return { type: 'Redirection', fd, operator: '>>', target: literalWord(path) };
}

function mark(command: SimpleCommandNode, name: string, value: WordNode = literalWord('1')): void {
  command.assignments.push({ type: 'Assignment', name, value, append: false, array: null });
}

/** No redirection but 2>&1, and nothing in the words that is run before the command itself. */
function isPlain(command: SimpleCommandNode): boolean {
  return (
    command.redirections.every(isErrorToOutput) &&
    !command.args.some((word) => JSON.stringify(word).includes('Substitution"'))
  );
}

function isErrorToOutput(r: Redirection): boolean {
  return r.fd === 2 && r.operator === '>&' && r.target.type === 'Word' && literal(r.target) === '1';
}

function isOutputToFile(r: Redirection): boolean {
  return (r.fd === null || r.fd === 1) && (r.operator === '>' || r.operator === '>>' || r.operator === '>|');
}

function markStreams(command: SimpleCommandNode): void {
  const { redirections } = command;
  const both = redirections.findIndex((r) => r.operator === '&>' || r.operator === '&>>');
  const errors = redirections.findIndex(isErrorToOutput);
  const output = redirections.findLastIndex(isOutputToFile);
  if (both >= 0 || (errors >= 0 && output < errors)) mark(command, Mark.MERGE);
  const file = redirections[both >= 0 ? both : output];
  if (file === undefined || file.operator.endsWith('>>') || file.target.type !== 'Word') return;
  const path = literal(file.target);
  if (path?.startsWith('/dev/') === true || JSON.stringify(file.target).includes('Substitution"')) return;
  mark(command, Mark.TEE, structuredClone(file.target));
}
