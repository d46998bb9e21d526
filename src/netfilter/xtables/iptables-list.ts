// iptables -L: a chain as a table for people (iptables 1.8.9 iptables/xshared.c print_header, nft.c).

import type { Chain } from './chain.ts';
import { counters, type ListOptions, listRule } from './rule-text.ts';

/** @param only number of the one rule to show, 0 for all with the header */
export function listChain(chain: Chain, references: number, only: number, options: ListOptions): string {
  let text = only === 0 ? header(chain, references, options) : '';
  chain.rules.forEach((rule, i) => {
    if (only === 0 || only === i + 1) text += listRule(rule, i + 1, options);
  });
  return text;
}

function header(chain: Chain, references: number, options: ListOptions): string {
  let text = `Chain ${chain.name}`;
  if (chain.hook === null) text += ` (${references} references)\n`;
  else {
    const counts = options.verbose ? ` ${counters(chain.packets, chain.bytes, options.exact, true)}` : '';
    text += ` (policy ${chain.policy}${counts})\n`;
  }
  if (options.lineNumbers) text += 'num  ';
  if (options.verbose) text += options.exact ? `${'pkts'.padStart(8)} ${'bytes'.padStart(10)} ` : ' pkts bytes ';
  text += `${'target'.padEnd(9)}  prot opt `;
  if (options.verbose) text += 'in     out     ';
  return `${text}source               destination         \n`;
}
