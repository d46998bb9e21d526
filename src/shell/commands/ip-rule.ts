// `ip rule`: rules that name a table for all packets. Rules that look at anything else are refused (iproute2 6.1
// ip/iprule.c, net/core/fib_rules.c).

import type { Rule } from '../../stack/fib.ts';
import { refuse } from '../../stack/netlink-error.ts';
import { Arguments, invalid, matches, notEmulated, numberOf, refused, usageError } from './ip-arguments.ts';
import type { IpCall } from './ip-call.ts';
import { parseTable, tableName } from './ip-names.ts';

const USAGE = `Usage: ip rule { add | del } [ from all ] [ pref N ] lookup TABLE
       ip rule [ show ]`;

export function ipRule(call: IpCall, words: readonly string[]): number {
  const verb = words[0] ?? 'show';
  const args = new Arguments(words.slice(1));
  if (matches(verb, 'list') || matches(verb, 'lst') || matches(verb, 'show')) return show(call, args);
  if (matches(verb, 'add')) return add(call, args);
  if (matches(verb, 'delete')) return remove(call, args);
  if (verb === 'flush' || verb === 'save' || verb === 'restore') throw notEmulated('ip', `rule ${verb}`);
  if (matches(verb, 'help')) throw usageError(USAGE);
  throw usageError(`Command "${verb}" is unknown, try "ip rule help".`);
}

function readRule(args: Arguments): { priority: number | null; table: number | null } {
  let priority: number | null = null;
  let table: number | null = null;
  while (!args.done) {
    const word = args.next();
    if (word === 'from' || word === 'to') {
      const prefix = args.next();
      if (prefix !== 'all' && prefix !== 'any' && prefix !== 'default' && prefix !== '0.0.0.0/0') {
        throw notEmulated('ip', `a rule with ${word} ${prefix}`);
      }
    } else if (matches(word, 'preference') || matches(word, 'order') || matches(word, 'priority')) {
      priority = numberOf(args.next(), 'preference value is invalid\n', 0xffff_ffff);
    } else if (matches(word, 'table') || matches(word, 'lookup')) {
      const name = args.next();
      table = parseTable(name);
      if (table === null) throw invalid('invalid table ID\n', name);
    } else {
      throw notEmulated('ip', `rule ${word}`);
    }
  }
  return { priority, table };
}

/** fib_default_rule_pref(): in front of the second rule. */
function freePriority(rules: readonly Rule[]): number {
  const second = rules[1];
  return second === undefined || second.priority === 0 ? 0 : second.priority - 1;
}

function add(call: IpCall, args: Arguments): number {
  const { priority, table } = readRule(args);
  const { fib } = call.netns;
  const rule: Rule = { priority: priority ?? freePriority(fib.rules), table: table ?? 254 };
  if (fib.rules.some((r) => r.priority === rule.priority && r.table === rule.table)) throw refused(refuse('EEXIST'));
  fib.addRule(rule);
  return 0;
}

function remove(call: IpCall, args: Arguments): number {
  const { priority, table } = readRule(args);
  const { fib } = call.netns;
  const found = fib.rules.find(
    (r) => (priority === null || r.priority === priority) && (table === null || r.table === table),
  );
  if (found === undefined) throw refused(refuse('ENOENT'));
  fib.removeRule(found);
  return 0;
}

function show(call: IpCall, args: Arguments): number {
  if (!args.done) throw notEmulated('ip', `rule filter ${args.peek}`);
  const p = call.printer();
  p.list(() => {
    for (const { priority, table } of call.netns.fib.rules) {
      p.object(null, () => {
        p.put('priority', priority, `${priority}:\t`);
        p.put('src', 'all', 'from all ');
        p.put('table', tableName(table), `lookup ${tableName(table)}`);
      });
      p.text('\n');
    }
  });
  return 0;
}
