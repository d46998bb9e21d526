// Interface names of rules (ip_packet_match, nf_ip ifname_compare): a packet has indexes, a rule has a name or the begin
// of one (`cali+`). The answer for a pattern and an index is kept; a device that was renamed gets a new answer, because
// before each packet its name is compared with the one that the answers were made for.

import type { NetfilterHost } from '../netfilter-host.ts';

/** No device of this index was looked at yet. */
const UNKNOWN = 0;
const NO = 1;
const YES = 2;

export class InterfacePattern {
  readonly #text: string;
  readonly #prefix: boolean;
  /** by ifindex */
  answers = new Uint8Array(16);

  constructor(text: string) {
    this.#prefix = text.endsWith('+');
    this.#text = this.#prefix ? text.slice(0, -1) : text;
  }

  matchesName(name: string): boolean {
    return this.#prefix ? name.startsWith(this.#text) : name === this.#text;
  }

  /** Index 0 (no device) has the empty name: only a lone `+` matches it. */
  matches(index: number, host: NetfilterHost): boolean {
    const known = index < this.answers.length ? this.answers[index]! : UNKNOWN;
    if (known !== UNKNOWN) return known === YES;
    if (index >= this.answers.length) {
      const grown = new Uint8Array(Math.max(index + 1, this.answers.length * 2));
      grown.set(this.answers);
      this.answers = grown;
    }
    const yes = this.matchesName(index === 0 ? '' : host.deviceName(index));
    this.answers[index] = yes ? YES : NO;
    return yes;
  }
}

/** All patterns of a namespace's rules. */
export class InterfacePatterns {
  readonly #host: NetfilterHost;
  readonly #patterns = new Map<string, InterfacePattern>();
  readonly #names: string[] = [''];

  constructor(host: NetfilterHost) {
    this.#host = host;
  }

  pattern(text: string): InterfacePattern {
    let p = this.#patterns.get(text);
    if (p === undefined) {
      p = new InterfacePattern(text);
      this.#patterns.set(text, p);
    }
    return p;
  }

  /** To be called before patterns are asked about this device. */
  refresh(index: number): void {
    if (index === 0 || this.#patterns.size === 0) return;
    const name = this.#host.deviceName(index);
    if (this.#names[index] === name) return;
    while (this.#names.length < index) this.#names.push('');
    this.#names[index] = name;
    for (const p of this.#patterns.values()) if (index < p.answers.length) p.answers[index] = UNKNOWN;
  }
}
