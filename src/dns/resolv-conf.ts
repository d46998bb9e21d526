// /etc/resolv.conf as resolv.conf(5) has it and as glibc's resolv/res_init.c reads it: `nameserver`, `search`, `domain` and
// `options`, the last `search` or `domain` wins, what is not understood is passed over.

import { type Ipv4, parseIpv4 } from '../addr/ipv4.ts';

export interface ResolvConf {
  /** in order; 127.0.0.1 when the file names none */
  readonly nameservers: readonly Ipv4[];
  /** suffixes without a dot at the end, in order */
  readonly search: readonly string[];
  readonly ndots: number;
  /** seconds that the first try waits */
  readonly timeout: number;
  readonly attempts: number;
  readonly rotate: boolean;
  readonly singleRequest: boolean;
  readonly singleRequestReopen: boolean;
  readonly useVc: boolean;
  readonly edns0: boolean;
  readonly trustAd: boolean;
  readonly noTldQuery: boolean;
}

/** MAXNS (resolv.h) */
export const NAMESERVERS_MAX = 3;
/** RES_MAXNDOTS, RES_MAXRETRANS (seconds), RES_MAXRETRY (resolv.h) */
const NDOTS_MAX = 15;
const TIMEOUT_MAX = 30;
const ATTEMPTS_MAX = 5;
/** RES_TIMEOUT (seconds), RES_DFLRETRY (resolv.h) */
const TIMEOUT = 5;
const ATTEMPTS = 2;
/** INADDR_LOOPBACK: whom res_init asks when the file names nobody */
const LOCALHOST: Ipv4 = 0x7f000001;

/** @param text the file, or null when there is none */
export function parseResolvConf(text: string | null): ResolvConf {
  const nameservers: Ipv4[] = [];
  let search: string[] = [];
  const options = new Map<string, number>();
  for (const line of (text ?? '').split('\n')) {
    // A comment begins in the first column (resolv.conf(5)).
    if (line.startsWith('#') || line.startsWith(';')) continue;
    const match = /^(nameserver|search|domain|options)[ \t]+(.*)$/.exec(line);
    if (match === null) continue;
    const words = match[2]!.split(/[ \t]+/).filter((w) => w !== '');
    switch (match[1]) {
      case 'nameserver': {
        const address = words[0] === undefined ? null : parseIpv4(words[0]);
        if (address !== null && nameservers.length < NAMESERVERS_MAX) nameservers.push(address);
        break;
      }
      case 'search':
        search = words;
        break;
      case 'domain':
        search = words.slice(0, 1);
        break;
      case 'options':
        for (const word of words) {
          const [name = '', value] = word.split(':');
          options.set(name, value === undefined ? 1 : Number.parseInt(value, 10) || 0);
        }
        break;
    }
  }
  const number = (name: string, standard: number, max: number): number => Math.min(options.get(name) ?? standard, max);
  return {
    nameservers: nameservers.length > 0 ? nameservers : [LOCALHOST],
    search: search.map((s) => s.replace(/\.$/, '')),
    ndots: number('ndots', 1, NDOTS_MAX),
    timeout: Math.max(number('timeout', TIMEOUT, TIMEOUT_MAX), 1),
    attempts: Math.max(number('attempts', ATTEMPTS, ATTEMPTS_MAX), 1),
    rotate: options.has('rotate'),
    singleRequest: options.has('single-request'),
    singleRequestReopen: options.has('single-request-reopen'),
    useVc: options.has('use-vc'),
    edns0: options.has('edns0'),
    trustAd: options.has('trust-ad'),
    noTldQuery: options.has('no-tld-query') || options.has('no_tld_query'),
  };
}
