// The options of iptables itself (iptables 1.8.9 iptables/xtables.c original_opts, iptables/xshared.c commands_v_options).

import type { ExtensionOption } from './extension-option.ts';
import type { CommandLetter } from './iptables-call.ts';

export interface BaseOption extends ExtensionOption {
  readonly letter: string;
}

function base(letter: string, name: string, argument: ExtensionOption['argument'] = 'none'): BaseOption {
  return { letter, name, argument };
}

/** original_opts of iptables/xtables.c; letters behind 0x7f have no short form. */
export const BASE_OPTIONS: readonly BaseOption[] = [
  base('A', 'append', 'required'),
  base('D', 'delete', 'required'),
  base('C', 'check', 'required'),
  base('I', 'insert', 'required'),
  base('R', 'replace', 'required'),
  base('L', 'list', 'optional'),
  base('S', 'list-rules', 'optional'),
  base('F', 'flush', 'optional'),
  base('Z', 'zero', 'optional'),
  base('N', 'new-chain', 'required'),
  base('X', 'delete-chain', 'optional'),
  base('E', 'rename-chain', 'required'),
  base('P', 'policy', 'required'),
  base('s', 'source', 'required'),
  base('d', 'destination', 'required'),
  base('s', 'src', 'required'),
  base('d', 'dst', 'required'),
  base('p', 'protocol', 'required'),
  base('i', 'in-interface', 'required'),
  base('j', 'jump', 'required'),
  base('t', 'table', 'required'),
  base('m', 'match', 'required'),
  base('n', 'numeric'),
  base('o', 'out-interface', 'required'),
  base('v', 'verbose'),
  base('w', 'wait', 'optional'),
  base('W', 'wait-interval', 'optional'),
  base('x', 'exact'),
  base('f', 'fragments'),
  base('V', 'version'),
  base('h', 'help', 'optional'),
  base('0', 'line-numbers'),
  base('M', 'modprobe', 'required'),
  base('c', 'set-counters', 'required'),
  base('g', 'goto', 'required'),
  base('4', 'ipv4'),
  base('6', 'ipv6'),
];

export const COMMANDS = 'ADCIRLSFZNXEP';
/** Which options a command does not go with (iptables/xshared.c commands_v_options). */
export const ILLEGAL: Readonly<Record<CommandLetter, string>> = {
  I: 'nx0',
  D: 'nx0c',
  R: 'nx0',
  A: 'nx0',
  L: 'sdpjiocf',
  F: 'nsdpjxio0cf',
  Z: 'nsdpjxio0cf',
  N: 'nsdpjxio0cf',
  X: 'nsdpjxio0cf',
  P: 'nsdpjxio0f',
  E: 'nsdpjxio0cf',
  S: 'nsdpjxio0cf',
  C: 'nx0c',
};
/** -D with a rule's number */
export const ILLEGAL_BY_NUMBER = 'nsdpjxio0cf';
/** Order in which they are looked at. */
export const CHECKED = 'nsdpjvxio0cf';
