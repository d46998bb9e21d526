// The parsed script of just-bash: small questions about its nodes, and small pieces of it.

import type { CommandNode, SimpleCommandNode, StatementNode, WordNode } from 'just-bash';
import { parse } from 'just-bash';

export type FunctionDefNode = Extract<CommandNode, { type: 'FunctionDef' }>;
export type GroupNode = Extract<CommandNode, { type: 'Group' }>;
export type IfNode = Extract<CommandNode, { type: 'If' }>;
export type Redirection = SimpleCommandNode['redirections'][number];
export type WordPart = WordNode['parts'][number];

/** The statements of a text that we wrote ourselves. */
export function statementsOf(source: string): StatementNode[] {
  return parse(source).statements;
}

export function functionsIn(node: unknown, found: FunctionDefNode[] = []): FunctionDefNode[] {
  if (Array.isArray(node)) for (const child of node) functionsIn(child, found);
  else if (node !== null && typeof node === 'object') {
    if ((node as { type?: string }).type === 'FunctionDef') found.push(node as FunctionDefNode);
    for (const child of Object.values(node)) functionsIn(child, found);
  }
  return found;
}

/**
 * Puts redirections in front of those of every command whose streams are the ones around it.
 * @param each told of a simple command that is a whole pipeline, before it is changed
 */
export function prepend(
  statements: readonly StatementNode[],
  redirections: Redirections,
  each: (command: SimpleCommandNode) => void,
): void {
  for (const statement of statements) {
    for (const { commands } of statement.pipelines) {
      const only = commands.length === 1 ? commands[0]! : null;
      const inside = only === null ? null : ownBodies(only);
      if (inside !== null) {
        for (const body of inside) prepend(body, redirections, each);
        continue;
      }
      commands.forEach((command, i) => {
        if (command.type === 'FunctionDef' || (command.type === 'SimpleCommand' && command.name === null)) return;
        if (command.type === 'SimpleCommand' && command === only) each(command);
        command.redirections.unshift(...redirections(i === commands.length - 1));
      });
    }
  }
}

/** What is put in front of the last command of a pipeline, and of the others. */
export type Redirections = (last: boolean) => Redirection[];

/** The statement lists inside a compound command; null for what has none. */
export function bodiesOf(command: CommandNode): StatementNode[][] | null {
  switch (command.type) {
    case 'Group':
    case 'Subshell':
    case 'For':
    case 'CStyleFor':
      return [command.body];
    case 'While':
    case 'Until':
      return [command.condition, command.body];
    case 'If': {
      const parts = command.clauses.flatMap((clause) => [clause.condition, clause.body]);
      return command.elseBody === null ? parts : [...parts, command.elseBody];
    }
    case 'Case':
      return command.items.map((item) => item.body);
    default:
      return null;
  }
}

/** The same for a compound command that has no redirections of its own. */
export function ownBodies(command: CommandNode): StatementNode[][] | null {
  if (command.type === 'SimpleCommand' || command.type === 'FunctionDef' || command.redirections.length > 0)
    return null;
  return bodiesOf(command);
}

/** The word's text when it is nothing but text, else null. */
export function literal(word: WordNode | null | undefined): string | null {
  if (word === null || word === undefined) return null;
  let text = '';
  for (const part of word.parts) {
    if (part.type !== 'Literal' && part.type !== 'SingleQuoted') return null;
    text += part.value;
  }
  return text;
}

/** The word has a slash of its own: as a command name it is a path. */
export function hasSlash(word: WordNode): boolean {
  return word.parts.some((part) => {
    if (part.type === 'Literal' || part.type === 'SingleQuoted') return part.value.includes('/');
    return part.type === 'DoubleQuoted' && hasSlash({ type: 'Word', parts: part.parts });
  });
}

export function literalWord(text: string): WordNode {
  return { type: 'Word', parts: [{ type: 'Literal', value: text }] };
}

export function append(fd: number, path: string): Redirection {
  return appendTo(fd, literalWord(path));
}

export function appendTo(fd: number, target: WordNode): Redirection {
  return { type: 'Redirection', fd, operator: '>>', target: structuredClone(target) };
}

/** The word runs a command, which must not be run twice. */
export function hasSubstitution(word: WordNode): boolean {
  return JSON.stringify(word).includes('Substitution"');
}

/** No redirection but 2>&1, and nothing in the words that is run before the command itself. */
export function isPlain(command: SimpleCommandNode): boolean {
  return command.redirections.every(isErrorToOutput) && !command.args.some(hasSubstitution);
}

export function isErrorToOutput(r: Redirection): boolean {
  return r.fd === 2 && r.operator === '>&' && r.target.type === 'Word' && literal(r.target) === '1';
}

export function isOutputToFile(r: Redirection): boolean {
  return (r.fd === null || r.fd === 1) && (r.operator === '>' || r.operator === '>>' || r.operator === '>|');
}

export function errorToOutput(): Redirection {
  return { type: 'Redirection', fd: 2, operator: '>&', target: literalWord('1') };
}

export function isBoth(r: Redirection): boolean {
  return r.operator === '&>' || r.operator === '&>>';
}

/** Standard error ends where standard output ends. */
export function isMerged(redirections: readonly Redirection[]): boolean {
  const errors = redirections.findIndex(isErrorToOutput);
  return redirections.some(isBoth) || (errors >= 0 && redirections.findLastIndex(isOutputToFile) < errors);
}
