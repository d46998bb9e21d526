// A rule as text, the two ways iptables writes it: as iptables-save does (which is what iptables takes), and as a line of
// iptables -L (iptables 1.8.9 iptables/xshared.c save_ipv4_addr, print_rule_details; nft-shared.c).

import { formatIpv4, type Ipv4, maskIpv4 } from '../../addr/ipv4.ts';
import { protocolName } from './protocol-names.ts';
import { ANY_PROTOCOL, type Rule } from './rule.ts';

/** The options of a rule as iptables-save writes them (`counts` of -S -v stand before the target), a blank in front: ` -s 10.0.0.0/8 -p tcp -m tcp --dport 80 -j ACCEPT`. */
export function saveRule(rule: Rule, counts = ''): string {
  let text =
    address('-s', rule.source, rule.sourceMask, rule.sourceInverted) +
    address('-d', rule.destination, rule.destinationMask, rule.destinationInverted);
  if (rule.inInterface !== '') text += `${not(rule.inInverted)} -i ${rule.inInterface}`;
  if (rule.outInterface !== '') text += `${not(rule.outInverted)} -o ${rule.outInterface}`;
  if (rule.protocol !== ANY_PROTOCOL) {
    text += `${not(rule.protocolInverted)} -p ${protocolName(rule.protocol) ?? rule.protocol}`;
  }
  if (rule.fragment) text += `${not(rule.fragmentInverted)} -f`;
  for (const match of rule.matches) text += ` -m ${match.name}${match.save()}`;
  text += counts;
  if (rule.jump !== '') text += ` -${rule.goto ? 'g' : 'j'} ${rule.jump}`;
  if (rule.target !== null) text += rule.target.save();
  return text;
}

function not(inverted: boolean): string {
  return inverted ? ' !' : '';
}

function address(option: string, a: Ipv4, mask: Ipv4, inverted: boolean): string {
  if (a === 0 && mask === 0 && !inverted) return '';
  const length = prefixLength(mask);
  return `${not(inverted)} ${option} ${formatIpv4(a)}/${length ?? formatIpv4(mask)}`;
}

/** Length of a contiguous mask, null for others. */
export function prefixLength(mask: Ipv4): number | null {
  for (let length = 32; length >= 0; length--) if (maskIpv4(length) === mask) return length;
  return null;
}

export interface ListOptions {
  readonly verbose: boolean;
  readonly numeric: boolean;
  readonly exact: boolean;
  readonly lineNumbers: boolean;
}

/** A line of iptables -L, with its newline. @param number of the rule in its chain, from 1 */
export function listRule(rule: Rule, number: number, options: ListOptions): string {
  const { numeric } = options;
  let text = options.lineNumbers ? `${String(number).padEnd(4)} ` : '';
  if (options.verbose) text += counters(rule.packets, rule.bytes, options.exact);
  text += `${(rule.target?.listName ?? rule.jump).padEnd(9)} ${rule.protocolInverted ? '!' : ' '}`;
  text += `${protocolOf(rule, numeric).padEnd(4)} `;
  text += `${rule.fragment ? (rule.fragmentInverted ? '!f' : '-f') : '--'} `;
  if (options.verbose) {
    text += ` ${oneInterface(rule.inInterface, rule.inInverted, numeric).padEnd(6)} `;
    text += `${oneInterface(rule.outInterface, rule.outInverted, numeric).padEnd(6)} `;
  }
  text += addressColumn(rule.source, rule.sourceMask, rule.sourceInverted, numeric);
  text += addressColumn(rule.destination, rule.destinationMask, rule.destinationInverted, numeric);
  if (rule.goto) text += '[goto] ';
  for (const match of rule.matches) text += match.list(numeric);
  if (rule.target !== null) text += rule.target.list(numeric);
  return `${text}\n`;
}

/** -n of 1.8.9 writes protocols as numbers. */
function protocolOf(rule: Rule, numeric: boolean): string {
  if (numeric) return String(rule.protocol);
  return rule.protocol === ANY_PROTOCOL ? 'all' : (protocolName(rule.protocol) ?? String(rule.protocol));
}

function oneInterface(name: string, inverted: boolean, numeric = true): string {
  return `${inverted ? '!' : ''}${name === '' ? (numeric ? '*' : 'any') : name}`;
}

function oneAddress(a: Ipv4, mask: Ipv4, inverted: boolean, numeric = true): string {
  if (mask === 0 && !numeric) return `${inverted ? '!' : ''}anywhere`;
  const length = prefixLength(mask);
  const name = !numeric && a === 0x7f000001 && mask === -1 ? 'localhost' : formatIpv4(a);
  return `${inverted ? '!' : ''}${name}${length === 32 ? '' : `/${length ?? formatIpv4(mask)}`}`;
}

function addressColumn(a: Ipv4, mask: Ipv4, inverted: boolean, numeric: boolean): string {
  const text = oneAddress(a, mask, inverted, numeric);
  return inverted ? `!${text.slice(1).padEnd(19)} ` : ` ${text.padEnd(19)} `;
}

/** What -v says of a rule that goes in or out: a line without counters (print_rule_details with FMT_PRINT_RULE). */
export function listRuleDetails(rule: Rule): string {
  const protocol = `${rule.protocolInverted ? '!' : ''}${protocolOf(rule, false)}`;
  const fragment = rule.fragment ? (rule.fragmentInverted ? '!f' : '-f') : '--';
  let text = `${rule.jump}  ${protocol} opt ${fragment} in ${oneInterface(rule.inInterface, rule.inInverted)} out ${oneInterface(
    rule.outInterface,
    rule.outInverted,
  )}  `;
  text += `${oneAddress(rule.source, rule.sourceMask, rule.sourceInverted)}  -> `;
  text += `${oneAddress(rule.destination, rule.destinationMask, rule.destinationInverted)}  `;
  if (rule.goto) text += '[goto] ';
  for (const match of rule.matches) text += match.list(true);
  if (rule.target !== null) text += rule.target.list(true);
  return `${text}\n`;
}

/** xtables_print_num: five columns with K, M, G, T (powers of 1000), or eight exact; `plain`: without columns. */
export function counters(packets: number, bytes: number, exact: boolean, plain = false): string {
  const text = `${printNumber(packets, exact)}${printNumber(bytes, exact)}`;
  return plain ? `${printNumber(packets, exact).trim()} packets, ${printNumber(bytes, exact).trim()} bytes` : text;
}

function printNumber(n: number, exact: boolean): string {
  if (exact) return `${String(n).padStart(8)} `;
  if (n <= 99_999) return `${String(n).padStart(5)} `;
  let value = Math.floor((n + 500) / 1000);
  for (const unit of ['K', 'M', 'G', 'T']) {
    if (value <= 9999 || unit === 'T') return `${String(value).padStart(4)}${unit} `;
    value = Math.floor((value + 500) / 1000);
  }
  return '';
}
