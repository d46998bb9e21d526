// What a call of iptables, or a line of iptables-restore, asks for, as a value.

import type { Rule } from './rule.ts';

export const STANDARD_TARGETS: readonly string[] = ['ACCEPT', 'DROP', 'RETURN', 'QUEUE'];

/** Letters of the commands. */
export type CommandLetter = 'A' | 'D' | 'C' | 'I' | 'R' | 'L' | 'S' | 'F' | 'Z' | 'N' | 'X' | 'E' | 'P';

export interface IptablesCall {
  readonly command: CommandLetter;
  readonly table: string;
  /** '' for all chains */
  readonly chain: string;
  /** rule number from 1, 0 for none */
  readonly number: number;
  /** -A -D -C -I -R: one rule for each pair of the source and destination addresses given */
  readonly rules: readonly Rule[];
  /** -P */
  readonly policy: string;
  /** -E */
  readonly newName: string;
  /** -Z beside -L or -S */
  readonly zero: boolean;
  /** how often -v was given */
  readonly verbose: number;
  readonly numeric: boolean;
  readonly exact: boolean;
  readonly lineNumbers: boolean;
  /** a sentence for standard error before anything else, '' for none */
  readonly warning: string;
}

export interface InformationCall {
  readonly command: 'help' | 'version';
}

/** iptables -h and -V are answered without a kernel. */
export type ParsedCall = IptablesCall | InformationCall;

export function isInformation(call: ParsedCall): call is InformationCall {
  return call.command === 'help' || call.command === 'version';
}
