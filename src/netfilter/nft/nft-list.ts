// Tables of nftables as nft 1.0.6 lists them.

import type { Ns } from '../../sim/sim.ts';
import type { NftChain, NftRule } from './nft-chain.ts';
import type { NftListOptions } from './nft-command.ts';
import { durationText } from './nft-duration.ts';
import { NFT_HOOKS, NFT_PRIORITIES } from './nft-priority.ts';
import type { NftElement, NftSet } from './nft-set.ts';
import type { NftTable } from './nft-tables.ts';
import type { NftType } from './nft-type.ts';

type How = NftListOptions & { readonly now: Ns };

/** A named priority is written with a difference of at most this. */
const PRIORITY_RANGE = 10;
/** How many elements stand on a line, by the type of a key of one field (calculate_delim). */
const PER_LINE: Readonly<Record<NftType, number>> = { ipv4_addr: 2, inet_proto: 5, inet_service: 5, mark: 1 };

export function listNftRuleset(tables: readonly NftTable[], how: How): string {
  return tables.map((table) => listNftTable(table, how)).join('');
}

function handle(n: number, how: How): string {
  return how.handles ? ` # handle ${n}` : '';
}

function tableHead(table: NftTable, how: How, comments = true): string {
  const comment = table.comment === '' || !comments ? '' : `\tcomment "${table.comment}"\n`;
  return `table ${table.family} ${table.name} {${handle(table.handle, how)}\n${comment}`;
}

export function listNftTable(table: NftTable, how: How): string {
  const blocks = [
    ...[...table.sets.values()].map((set) => setBlock(table, set, how)),
    ...[...table.chains.values()].map((chain) => chainBlock(chain, how)),
  ];
  return `${tableHead(table, how)}${blocks.join('\n')}}\n`;
}

export function listNftChain(table: NftTable, chain: NftChain, how: How): string {
  return `${tableHead(table, how, false)}${chainBlock(chain, how)}}\n`;
}

export function listNftSet(table: NftTable, set: NftSet, how: How): string {
  return `${tableHead(table, how, false)}${setBlock(table, set, how)}}\n`;
}

function chainBlock(chain: NftChain, how: How): string {
  let out = `\tchain ${chain.name} {${handle(chain.handle, how)}\n`;
  if (chain.comment !== '') out += `\t\tcomment "${chain.comment}"\n`;
  if (chain.base !== null) {
    const { type, policy } = chain.base;
    const hook = Object.keys(NFT_HOOKS).find((name) => NFT_HOOKS[name] === chain.base!.hook)!;
    out += `\t\ttype ${type} hook ${hook} priority ${priorityText(chain.base.priority, hook)}; policy ${policy};\n`;
  }
  for (const rule of chain.rules) out += `\t\t${ruleText(rule, how)}${handle(rule.handle, how)}\n`;
  return `${out}\t}\n`;
}

function ruleText(rule: NftRule, how: How): string {
  const parts = rule.parts.map((p) => p.text());
  const shown = how.stateless ? parts.map((text) => text.replace(/^counter packets .*$/, 'counter')) : parts;
  return shown.join(' ') + (rule.comment === '' ? '' : ` comment "${rule.comment}"`);
}

/** dstnat is a name at prerouting only, srcnat at postrouting only. */
function priorityText(priority: number, hook: string): string {
  for (const [name, value] of Object.entries(NFT_PRIORITIES)) {
    if (name === 'dstnat' && hook !== 'prerouting') continue;
    if (name === 'srcnat' && hook !== 'postrouting') continue;
    const difference = priority - value;
    if (difference === 0) return name;
    if (Math.abs(difference) <= PRIORITY_RANGE) return `${name} ${difference < 0 ? '-' : '+'} ${Math.abs(difference)}`;
  }
  return String(priority);
}

function setBlock(table: NftTable, set: NftSet, how: How): string {
  const { name, types, valueType, flags, timeout, gcInterval, comment } = set.options;
  const word = valueType === null ? 'set' : 'map';
  let out = `\t${word} ${name} {${handle(table.setHandles.get(name) ?? 0, how)}\n`;
  out += `\t\ttype ${types.join(' . ')}${valueType === null ? '' : ` : ${valueType}`}\n`;
  if (set.declaredSize !== 0) out += `\t\tsize ${set.declaredSize}\n`;
  if (flags.length > 0) out += `\t\tflags ${flags.join(',')}\n`;
  if (timeout !== 0) out += `\t\ttimeout ${durationText(timeout)}\n`;
  if (gcInterval !== 0) out += `\t\tgc-interval ${durationText(gcInterval)}\n`;
  if (comment !== '') out += `\t\tcomment "${comment}"\n`;
  const elements = set.elements().filter((e) => e.expires < 0 || e.expires > how.now);
  if (elements.length > 0) {
    const perLine = types.length === 1 ? PER_LINE[types[0]!] : 1;
    const texts = elements.map((e) => elementText(set, e, how));
    const lines: string[] = [];
    for (let i = 0; i < texts.length; i += perLine) lines.push(texts.slice(i, i + perLine).join(', '));
    out += `\t\telements = { ${lines.join(',\n\t\t\t     ')} }\n`;
  }
  return `${out}\t}\n`;
}

function elementText(set: NftSet, element: NftElement, how: How): string {
  let out = set.keyText(element);
  if (element.expires >= 0 && !how.stateless) {
    if (set.options.timeout === 0) out += ' timeout';
    out += ` expires ${durationText(element.expires - how.now)}`;
  }
  if (element.comment !== '') out += ` comment "${element.comment}"`;
  return element.value === '' ? out : `${out} : ${element.value}`;
}
