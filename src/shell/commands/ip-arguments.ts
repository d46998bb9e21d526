// What iproute2's programs share in reading a command line (lib/utils.c): words taken one after another, keywords that may
// be shortened to any prefix, and the sentences and exit statuses of their refusals.

import type { Ipv4, Ipv4Prefix } from '../../addr/ipv4.ts';
import { parseIpv4 } from '../../addr/ipv4.ts';
import { type Mac, parseMac } from '../../addr/mac.ts';
import type { NetDevice } from '../../link/device.ts';
import { type NetlinkError, netlinkErrorText } from '../../stack/netlink-error.ts';
import type { NetNamespace } from '../../stack/netns.ts';

/** exit(-1): the command line is wrong. */
export const EXIT_USAGE = 255;
/** The command could not do it. */
export const EXIT_FAILED = 1;
/** The kernel said no. */
export const EXIT_REFUSED = 2;

/** Ends a command: its text goes to standard error. Thrown while arguments are read, caught where the command starts. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly status: number;

  constructor(text: string, status: number) {
    super(text);
    this.status = status;
  }
}

export function usageError(text: string): CommandFailure {
  return new CommandFailure(text, EXIT_USAGE);
}

/** invarg() */
export function invalid(what: string, word: string): CommandFailure {
  return usageError(`Error: argument "${word}" is wrong: ${what}`);
}

export function duplicate(keyword: string, word: string): CommandFailure {
  return usageError(`Error: duplicate "${keyword}": "${word}" is the second value.`);
}

/** duparg2(): a word that is neither a keyword nor a second name. */
export function garbage(keyword: string, word: string): CommandFailure {
  return usageError(`Error: either "${keyword}" is duplicate, or "${word}" is a garbage.`);
}

export function refused(error: NetlinkError): CommandFailure {
  return new CommandFailure(netlinkErrorText(error), EXIT_REFUSED);
}

/** Throws when the kernel said no. */
export function accept(error: NetlinkError | null): void {
  if (error !== null) throw refused(error);
}

/** A feature of the real command that podwire does not have: said, never passed over. */
export function notEmulated(command: string, what: string): CommandFailure {
  return new CommandFailure(`${command}: ${what} is not emulated by podwire yet`, EXIT_FAILED);
}

/** matches(): `word` is a beginning of `keyword`. */
export function matches(word: string, keyword: string): boolean {
  return word !== '' && keyword.startsWith(word);
}

export class Arguments {
  readonly #words: readonly string[];
  #at = 0;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  get done(): boolean {
    return this.#at >= this.#words.length;
  }

  /** The word that comes next, or ''. */
  get peek(): string {
    return this.#words[this.#at] ?? '';
  }

  get rest(): readonly string[] {
    return this.#words.slice(this.#at);
  }

  /** NEXT_ARG(): takes a word; there has to be one. */
  next(): string {
    const word = this.#words[this.#at];
    if (word === undefined) throw usageError('Command line is not complete. Try option "help"');
    this.#at++;
    return word;
  }

  /** Takes the next word when it is one of these, whole. */
  takes(...words: readonly string[]): boolean {
    if (this.done || !words.includes(this.peek)) return false;
    this.#at++;
    return true;
  }

  /** Takes the next word when it is a beginning of this keyword. */
  takesPrefix(keyword: string): boolean {
    if (this.done || !matches(this.peek, keyword)) return false;
    this.#at++;
    return true;
  }

  /** Gives the last word back. */
  back(): void {
    this.#at--;
  }
}

/** A whole number in C's notation (decimal, 0x, leading 0), within limits; null otherwise. */
export function parseNumber(word: string, max: number, min = 0): number | null {
  let value: number;
  if (/^-?(0|[1-9]\d*)$/.test(word)) value = Number(word);
  else if (/^0[xX][0-9a-fA-F]+$/.test(word)) value = Number.parseInt(word.slice(2), 16);
  else if (/^0[0-7]+$/.test(word)) value = Number.parseInt(word, 8);
  else return null;
  return value >= min && value <= max ? value : null;
}

/** A number or the refusal `Invalid "what" value`. */
export function numberOf(word: string, what: string, max: number, min = 0): number {
  const value = parseNumber(word, max, min);
  if (value === null) throw invalid(what, word);
  return value;
}

/** parse_on_off() */
export function onOff(word: string, keyword: string): boolean {
  if (word === 'on') return true;
  if (word === 'off') return false;
  throw usageError(`Error: argument of "${keyword}" must be "on" or "off", not "${word}"`);
}

/** get_addr_1(): dotted quad, or fewer numbers filled up with zeros behind. */
export function parseAddress(word: string): Ipv4 | null {
  const whole = parseIpv4(word);
  if (whole !== null) return whole;
  return /^\d+(\.\d+){0,2}$/.test(word) ? parseIpv4(`${word}${'.0'.repeat(4 - word.split('.').length)}`) : null;
}

/** get_addr32() */
export function addressOf(word: string): Ipv4 {
  const address = parseAddress(word);
  if (address !== null) return address;
  if (word.includes(':')) throw notEmulated('ip', 'IPv6');
  throw new CommandFailure(`Error: any valid address is expected rather than "${word}".`, EXIT_FAILED);
}

/** get_prefix(): "default", "all" and "any" are 0.0.0.0/0; a mask may be a netmask. Host bits are kept. */
export function prefixOf(word: string): Ipv4Prefix {
  if (word === 'default' || word === 'any' || word === 'all') return { address: 0, length: 0 };
  const [head, tail] = word.split('/', 2);
  const address = parseAddress(head!);
  const length = tail === undefined ? 32 : prefixLength(tail);
  if (address !== null && length !== null) return { address, length };
  if (word.includes(':')) throw notEmulated('ip', 'IPv6');
  throw new CommandFailure(`Error: any valid prefix is expected rather than "${word}".`, EXIT_FAILED);
}

function prefixLength(word: string): number | null {
  const number = parseNumber(word, 32);
  if (number !== null) return number;
  const mask = parseIpv4(word);
  if (mask === null) return null;
  const length = Math.clz32(~mask);
  return ((-1 << (32 - length)) | 0) === mask ? length : null;
}

/** ll_addr_a2n() */
export function macOfWord(word: string): Mac {
  const mac = /^[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}$/.test(word)
    ? parseMac(word.replaceAll(/(^|:)([0-9a-fA-F])(?=:|$)/g, '$10$2'))
    : null;
  if (mac === null) throw new CommandFailure(`"${word}" is invalid lladdr.`, EXIT_FAILED);
  return mac;
}

/** nodev() */
export function noDevice(name: string): CommandFailure {
  return new CommandFailure(`Cannot find device "${name}"`, EXIT_FAILED);
}

export function deviceOf(netns: NetNamespace, name: string): NetDevice {
  const dev = netns.device(name);
  if (dev === null) throw noDevice(name);
  return dev;
}
