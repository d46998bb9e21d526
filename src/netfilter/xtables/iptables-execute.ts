// What iptables does with a table (iptables 1.8.9 iptables/nft.c): one command on a draft. The words of refusals are those
// of nft_strerror and of nf_tables' error report.

import type { Chain, Policy } from './chain.ts';
import { RuleError, RuleErrorKind } from './extension-option.ts';
import { extensionTypes } from './extensions.ts';
import { type IptablesCall, STANDARD_TARGETS } from './iptables-call.ts';
import { listChain } from './iptables-list.ts';
import { notEmulated } from './option-text.ts';
import type { Rule } from './rule.ts';
import { listRuleDetails, saveRule } from './rule-text.ts';
import type { TableDraft } from './table-draft.ts';

/** A command that the kernel side refused; the text is nft_strerror's, without its full stop. */
export class CommandRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CommandRefused';
  }
}

/** The kernel refused the transaction: "RULE_APPEND failed (Invalid argument): rule in chain INPUT". */
export class TransactionRefused extends Error {
  constructor(operation: string, reason: string, what: string) {
    super(`${operation} failed (${reason}): ${what}`);
    this.name = 'TransactionRefused';
  }
}

const NO_CHAIN = 'No chain/target/match by that name';
const BAD_RULE = 'Bad rule (does a matching rule exist in that chain?)';
const BUSY = 'Device or resource busy';

export interface ExecuteOptions {
  /** Look through the whole table after each rule that comes in. */
  readonly validate: boolean;
  /** -c of iptables-restore, or iptables itself: counters of `-c` are taken over */
  readonly counters: boolean;
  /** by iptables-restore: some words differ */
  readonly restore: boolean;
  /** The kernel has the table. */
  readonly made: boolean;
  readonly out: (text: string) => void;
}

/**
 * Does one command.
 * @throws RuleError, CommandRefused, TransactionRefused
 */
export function executeCall(draft: TableDraft, call: IptablesCall, options: ExecuteOptions): void {
  const say = (text: string): void => {
    if (call.verbose > 0) options.out(text);
  };
  for (const rule of call.rules) {
    checkSets(draft, rule);
    checkJump(draft, rule);
  }
  switch (call.command) {
    case 'A':
    case 'I':
      needChain(draft, call.chain);
      for (const rule of call.rules) {
        if (!options.counters) clearCounters(rule);
        checkKernel(draft, call.chain, rule, call.command === 'A' ? 'RULE_APPEND' : 'RULE_INSERT');
        say(listRuleDetails(rule));
        if (call.command === 'A') draft.append(call.chain, rule);
        else {
          const index = call.number - 1;
          if (index > draft.chain(call.chain)!.rules.length) throw new CommandRefused('Index of insertion too big');
          draft.insert(call.chain, index, rule);
        }
        validate(draft, call.chain, call.command === 'A' ? 'RULE_APPEND' : 'RULE_INSERT', options);
      }
      break;
    case 'R': {
      const chain = needChain(draft, call.chain);
      if (call.number > chain.rules.length) throw new CommandRefused('Index of replacement too big');
      const [rule] = call.rules;
      checkKernel(draft, call.chain, rule!, 'RULE_REPLACE');
      say(listRuleDetails(rule!));
      draft.removeRule(call.chain, call.number - 1);
      draft.insert(call.chain, call.number - 1, rule!);
      validate(draft, call.chain, 'RULE_REPLACE', options);
      break;
    }
    case 'D':
      if (call.number > 0) {
        const chain = needChain(draft, call.chain);
        if (call.number > chain.rules.length) {
          throw new CommandRefused(options.made ? 'Index of deletion too big' : NO_CHAIN);
        }
        draft.removeRule(call.chain, call.number - 1);
        break;
      }
      needChain(draft, call.chain);
      for (const rule of call.rules) {
        say(listRuleDetails(rule));
        const index = find(draft.chain(call.chain)!, rule);
        if (index < 0) throw new CommandRefused(BAD_RULE);
        draft.removeRule(call.chain, index);
      }
      break;
    case 'C':
      for (const rule of call.rules) {
        say(listRuleDetails(rule));
        if (find(needChain(draft, call.chain), rule) < 0) throw new CommandRefused(BAD_RULE);
      }
      break;
    case 'F':
      for (const chain of chosen(draft, call.chain)) {
        say(`Flushing chain \`${chain.name}'\n`);
        draft.flush(chain.name);
      }
      break;
    case 'Z':
      zero(draft, call, say);
      break;
    case 'N':
      if (draft.chain(call.chain) !== null) throw new CommandRefused('Chain already exists');
      draft.add(call.chain);
      break;
    case 'X':
      deleteChains(draft, call.chain, say);
      break;
    case 'E':
      if (draft.chain(call.newName) !== null) throw new CommandRefused('File exists');
      if (needChain(draft, call.chain).hook !== null) throw notEmulated('renaming a built-in chain');
      draft.rename(call.chain, call.newName);
      break;
    case 'P':
      setPolicy(draft, call.chain, call.policy, !options.restore);
      break;
    case 'L':
      list(draft, call, options.out);
      if (call.zero) zero(draft, call, say);
      break;
    case 'S':
      listRules(draft, call, options.out);
      if (call.zero) zero(draft, call, say);
      break;
  }
}

function needChain(draft: TableDraft, name: string): Chain {
  const chain = draft.chain(name);
  if (chain === null) throw new CommandRefused(NO_CHAIN);
  return chain;
}

/** A jump to a chain that is not there; iptables-restore says the line of COMMIT. */
export class NoSuchChain extends RuleError {}

function checkSets(draft: TableDraft, rule: Rule): void {
  for (const user of [...rule.matches, rule.target]) {
    for (const name of user?.sets ?? []) {
      if (!draft.table.hasSet(name)) throw new RuleError(`Set ${name} doesn't exist.\n`);
    }
  }
}

function checkJump(draft: TableDraft, rule: Rule): void {
  if (rule.target !== null || rule.jump === '' || (!rule.goto && STANDARD_TARGETS.includes(rule.jump))) return;
  if (draft.chain(rule.jump) === null) throw new NoSuchChain(`Chain '${rule.jump}' does not exist`);
}

/** All chains, or the one of this name. */
function chosen(draft: TableDraft, name: string): readonly Chain[] {
  return name === '' ? draft.chains() : [needChain(draft, name)];
}

function clearCounters(rule: Rule): void {
  rule.packets = 0;
  rule.bytes = 0;
}

/** Checks of a single rule: the table and what the extensions' checkentry says. */
function checkKernel(draft: TableDraft, chain: string, rule: Rule, operation: string): void {
  const type = rule.target === null ? null : extensionTypes.target(rule.jump);
  const refused =
    (type?.tables !== undefined && !type.tables.includes(draft.table.name)) ||
    rule.target?.refused?.(rule) === true ||
    rule.matches.some((m) => m.refused?.(rule) === true);
  if (refused) throw new TransactionRefused(operation, 'Invalid argument', `rule in chain ${chain}`);
}

function validate(draft: TableDraft, chain: string, operation: string, options: ExecuteOptions): void {
  if (!options.validate) return;
  const problem = draft.problem();
  if (problem !== null) throw new TransactionRefused(operation, problem, `rule in chain ${chain}`);
}

/** Index of the first rule that says the same, -1 for none. */
function find(chain: Chain, rule: Rule): number {
  const text = saveRule(rule);
  return chain.rules.findIndex((r) => saveRule(r) === text);
}

function zero(draft: TableDraft, call: IptablesCall, say: (text: string) => void): void {
  for (const { name } of chosen(draft, call.chain)) {
    const chain = draft.chain(name)!;
    if (call.number > 0) {
      const rule = chain.rules[call.number - 1];
      if (rule !== undefined) clearCounters(rule);
      continue;
    }
    say(`Zeroing chain \`${name}'\n`);
    if (chain.packets !== 0 || chain.bytes !== 0) {
      const own = draft.write(name);
      own.packets = 0;
      own.bytes = 0;
    }
    for (const rule of chain.rules) clearCounters(rule);
  }
}

/** A chain goes when it is empty and nobody jumps to it; the kernel tells of the last that cannot. */
function deleteChains(draft: TableDraft, name: string, say: (text: string) => void): void {
  const going = name === '' ? draft.chains().filter((c) => c.hook === null) : [needChain(draft, name)];
  let stuck = '';
  for (const chain of going) {
    say(`Deleting chain \`${chain.name}'\n`);
    if (chain.hook !== null || chain.rules.length > 0 || draft.references(chain.name) > 0) stuck = chain.name;
  }
  if (stuck !== '') throw new TransactionRefused('CHAIN_DEL', BUSY, `chain ${stuck}`);
  for (const chain of going) draft.remove(chain.name);
}

/** @param dmesg iptables itself sends people there, iptables-restore does not */
export function setPolicy(draft: TableDraft, name: string, policy: string, dmesg = false): void {
  if (draft.chain(name) === null || draft.chain(name)!.hook === null)
    throw new CommandRefused('Bad built-in chain name');
  if (policy !== 'ACCEPT' && policy !== 'DROP')
    throw new CommandRefused(dmesg ? "Bad policy name. Run `dmesg' for more information" : 'Bad policy name');
  if (draft.chain(name)!.policy !== policy) draft.write(name).policy = policy satisfies Policy;
}

/** -L and -S of a chain that is not there are answered in these words. */
function chosenForList(draft: TableDraft, name: string): readonly Chain[] {
  if (name === '') return draft.chains();
  const chain = draft.chain(name);
  if (chain !== null) return [chain];
  throw new RuleError(
    `chain \`${name}' in table \`${draft.table.name}' is incompatible, use 'nft' tool.\n`,
    RuleErrorKind.OTHER,
  );
}

function list(draft: TableDraft, call: IptablesCall, out: (text: string) => void): void {
  const format = {
    verbose: call.verbose > 0,
    numeric: call.numeric,
    exact: call.exact,
    lineNumbers: call.lineNumbers,
  };
  chosenForList(draft, call.chain).forEach((chain, i) => {
    if (i > 0) out('\n');
    out(listChain(chain, draft.references(chain.name), call.number, format));
  });
}

function listRules(draft: TableDraft, call: IptablesCall, out: (text: string) => void): void {
  const counted = call.verbose > 0;
  const chains = chosenForList(draft, call.chain);
  const count = (packets: number, bytes: number): string => (counted ? ` -c ${packets} ${bytes}` : '');
  if (call.number === 0) {
    for (const chain of chains) {
      if (chain.hook !== null) out(`-P ${chain.name} ${chain.policy}${count(chain.packets, chain.bytes)}\n`);
      else out(`-N ${chain.name}\n`);
    }
  }
  for (const chain of chains) {
    chain.rules.forEach((rule, i) => {
      if (call.number === 0 || call.number === i + 1) {
        out(`-A ${chain.name}${saveRule(rule, count(rule.packets, rule.bytes))}\n`);
      }
    });
  }
}
