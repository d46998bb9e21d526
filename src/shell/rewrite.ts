// What just-bash does not do, done by changing the parsed script before it runs:
//
//   CMD &            becomes  __podwire_bg=$(__job N "$@")     a process of its own (shell/jobs.ts); N names the statement
//   $! $0            become   $__podwire_bg $__podwire_0       just-bash has 0 and "bash" there
//   exit             becomes  { __snapshot "$?"; exit; }       where a trap may want the variables
//   wait, trap, help become   __wait, __trap, __help           just-bash's own do less and cannot be replaced
//   DIR/CMD          becomes  __path DIR/CMD                   so that scripts get shells of ours, and more than 9 arguments
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
import {
  append,
  appendTo,
  bodiesOf,
  errorToOutput,
  type FunctionDefNode,
  functionsIn,
  type GroupNode,
  hasSlash,
  hasSubstitution,
  type IfNode,
  isBoth,
  isErrorToOutput,
  isMerged,
  isOutputToFile,
  isPlain,
  literal,
  literalWord,
  prepend,
  type Redirection,
  statementsOf,
  type WordPart,
} from './script-ast.ts';

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
  const hasTrap = JSON.stringify(script).includes('"value":"trap"');
  const rewriter = new Rewriter(host, [...host.functions, ...functionsIn(script)], terminal, hasTrap);
  rewriter.walk(script);
  if (terminal !== null && !rewriter.redirectsShell) rewriter.toTerminal(script.statements);
}

/** Redirects statements that have been rewritten before. */
export function toTerminal(statements: readonly StatementNode[], host: RewriteHost, terminal: Terminal): void {
  new Rewriter(host, host.functions, terminal).toTerminal(statements);
}

class Rewriter {
  readonly #host: RewriteHost;
  readonly #functions: readonly FunctionDefNode[];
  readonly #terminal: Terminal;
  /** `exec > FILE`: the script redirects itself, and our redirections would undo that. */
  redirectsShell = false;
  /** The script sets a trap, whose handler needs the variables as they are at the end. */
  readonly #hasTrap: boolean;
  /** The script has array variables, which a job must be given as text. */
  #usesArrays = false;

  constructor(host: RewriteHost, functions: readonly FunctionDefNode[], terminal: Terminal | null, hasTrap = false) {
    this.#hasTrap = hasTrap;
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
    this.#guard(statement);
    if (!statement.background) return;
    streamToFile(statement);
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

  /** `F || B` becomes if F; then :; else B; fi: just-bash lets set -e act inside the function or group F otherwise. */
  #guard(statement: StatementNode): void {
    const [first, second] = statement.pipelines;
    const only = first?.commands.length === 1 ? first.commands[0]! : null;
    if (only === null || second === undefined || statement.operators.join() !== '||') return;
    const isCall = only.type === 'SimpleCommand' && this.#isFunction(literal(only.name) ?? '');
    if (!isCall && bodiesOf(only) === null) return;
    const guarded = statementsOf('if :; then :; else :; fi')[0]!;
    const choice = guarded.pipelines[0]!.commands[0]! as IfNode;
    choice.clauses[0]!.condition[0]!.pipelines = [first!];
    choice.elseBody![0]!.pipelines = [second];
    statement.pipelines = guarded.pipelines;
    statement.operators = [];
  }

  #pipeline(pipeline: PipelineNode): void {
    pipeline.commands = pipeline.commands.map((command) => {
      if (command.type === 'SimpleCommand') return this.#simpleCommand(command);
      this.#mergeInside(command);
      return command;
    });
  }

  #simpleCommand(command: SimpleCommandNode): CommandNode {
    if (command.name !== null && hasSlash(command.name)) {
      command.args.unshift(command.name);
      command.name = literalWord('__path');
    }
    const name = literal(command.name);
    if (name === null) return command;
    if ((name === 'wait' || name === 'trap' || name === 'help') && !this.#isFunction(name)) {
      command.name = literalWord(`__${name}`);
      return command;
    }
    if (name === 'exit' && this.#hasTrap) {
      const group = statementsOf('{ __snapshot "$?"; :; }')[0]!.pipelines[0]!.commands[0]!;
      const body = group as GroupNode;
      body.body[1]!.pipelines[0]!.commands = [command];
      return body;
    }
    if (name === 'exec') {
      const first = command.args[0];
      if (first === undefined) {
        this.redirectsShell = true;
        return command;
      }
      if (literal(first)?.startsWith('-') === true) return command;
      const group = statementsOf('{ :; exit $?; }')[0]!;
      const body = group.pipelines[0]!.commands[0]! as GroupNode;
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
    return !this.#isFunction(name) && this.#host.isCommand(name);
  }

  /** Redirects every command of these statements that writes to the terminal. */
  toTerminal(statements: readonly StatementNode[]): void {
    const { stdout, stderr } = this.#terminal;
    const redirections = (last: boolean): Redirection[] =>
      last ? [append(1, stdout), append(2, stderr)] : [append(2, stderr)];
    prepend(statements, redirections, (command) => {
      const name = literal(command.name);
      if (name !== null && this.#isOurs(name) && isPlain(command)) mark(command, Mark.LIVE);
    });
  }

  /** just-bash puts standard error behind the standard output of a whole compound command: 2>&1 goes to its parts. */
  #mergeInside(command: CommandNode): void {
    if (command.type === 'SimpleCommand' || command.type === 'FunctionDef' || !isMerged(command.redirections)) return;
    const bodies = bodiesOf(command);
    for (const body of bodies ?? [])
      prepend(
        body,
        (last) => (last ? [errorToOutput()] : []),
        () => {},
      );
  }
}

/**
 * A compound command in the background whose output goes to a file: its parts append to the file one by one, so that
 * others can read what is there so far.
 */
function streamToFile(statement: StatementNode): void {
  const command = statement.pipelines.length === 1 ? statement.pipelines[0]!.commands[0]! : null;
  if (command === null || statement.pipelines[0]!.commands.length > 1) return;
  if (command.type === 'SimpleCommand' || command.type === 'FunctionDef') return;
  const [output, errors, ...others] = command.redirections;
  const bodies = bodiesOf(command);
  if (bodies === null || output === undefined || others.length > 0) return;
  if (!isOutputToFile(output) || output.target.type !== 'Word' || hasSubstitution(output.target)) return;
  if (errors !== undefined && !isErrorToOutput(errors)) return;
  const { target } = output;
  const toFile = (last: boolean): Redirection[] => [
    ...(last ? [appendTo(1, target)] : []),
    ...(errors !== undefined ? [appendTo(2, target)] : []),
  ];
  for (const body of bodies) prepend(body, toFile, () => {});
  command.redirections = [];
  // The file is made, or emptied, as the redirection would have done it.
  const start = statementsOf('{ :; :; }')[0]!;
  const group = start.pipelines[0]!.commands[0]! as GroupNode;
  (group.body[0]!.pipelines[0]!.commands[0]! as SimpleCommandNode).redirections = [output];
  group.body[1]!.pipelines = statement.pipelines;
  statement.pipelines = start.pipelines;
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
  const group = outer.commands[0]! as GroupNode;
  group.body[1]!.pipelines = [{ ...pipeline, timed: false }];
  return outer;
}

function mark(command: SimpleCommandNode, name: string, value: WordNode = literalWord('1')): void {
  command.assignments.push({ type: 'Assignment', name, value, append: false, array: null });
}

function markStreams(command: SimpleCommandNode): void {
  const { redirections } = command;
  if (isMerged(redirections)) mark(command, Mark.MERGE);
  const file = redirections.find(isBoth) ?? redirections.findLast(isOutputToFile);
  if (file === undefined || file.operator.endsWith('>>') || file.target.type !== 'Word') return;
  const path = literal(file.target);
  if (path?.startsWith('/dev/') === true || hasSubstitution(file.target)) return;
  mark(command, Mark.TEE, structuredClone(file.target));
}
