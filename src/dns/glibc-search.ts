// res_search of glibc 2.36 (resolv/res_query.c): which names a name becomes by `search` and `ndots`, when the walk goes on
// and when it ends, and what the whole comes to.

import { DnsClass, DnsRcode } from '../wire/dns.ts';
import type { DnsMessage } from '../wire/dns-message.ts';
import { rcodeOf } from '../wire/dns-message.ts';
import { nameBytes, parseDnsName } from '../wire/dns-name.ts';
import { GlibcSend, type ResolverState, type SendResult } from './glibc-send.ts';
import type { StubNetwork } from './stub-network.ts';

/** h_errno (netdb.h) */
export type HostErrno = 'HOST_NOT_FOUND' | 'TRY_AGAIN' | 'NO_RECOVERY' | 'NO_DATA';

export interface SearchResult {
  /** for each type asked, the answer that ended the search; null where there is none */
  readonly answers: readonly (DnsMessage | null)[];
  /** the name that was found, absolute; null on failure */
  readonly name: string | null;
  readonly error: HostErrno | null;
}

export class GlibcSearch {
  readonly #network: StubNetwork;
  readonly #state: ResolverState;
  readonly #name: string;
  readonly #types: readonly number[];
  readonly #done: (result: SearchResult) => void;
  readonly #dots: number;
  readonly #trailingDot: boolean;
  /** names still to be tried, in order */
  readonly #plan: { readonly name: string; readonly asIs: boolean }[] = [];
  #sending: GlibcSend | null = null;
  #triedAsIs = false;
  #savedError: HostErrno | null = null;
  #gotNoData = false;
  #gotServFail = false;

  /** @param types A, AAAA, or both: both go out together */
  constructor(
    network: StubNetwork,
    state: ResolverState,
    question: { readonly name: string; readonly types: readonly number[] },
    done: (result: SearchResult) => void,
  ) {
    this.#network = network;
    this.#state = state;
    this.#name = question.name;
    this.#types = question.types;
    this.#done = done;
    this.#dots = [...question.name].filter((c) => c === '.').length;
    this.#trailingDot = question.name.endsWith('.');
    const { search, ndots } = state.conf;
    // The name itself comes first when it has enough dots, and is not tried again behind the list.
    const asIsFirst = this.#dots >= ndots || this.#trailingDot;
    if (asIsFirst) this.#plan.push({ name: question.name, asIs: true });
    if (!this.#trailingDot)
      for (const suffix of search) this.#plan.push({ name: `${question.name}.${suffix}`, asIs: false });
  }

  start(): void {
    this.#next();
  }

  cancel(): void {
    this.#sending?.cancel();
  }

  #next(): void {
    const step = this.#plan.shift();
    if (step !== undefined) {
      if (step.asIs) this.#triedAsIs = true;
      this.#query(step.name, (result) => (step.asIs ? this.#afterAsIs(result) : this.#afterSuffix(result)));
      return;
    }
    this.#last();
  }

  /** What is left when no suffix has answered: the name as it is, unless it was tried. */
  #last(): void {
    const allowed = this.#dots > 0 || !this.#state.conf.noTldQuery || this.#state.conf.search.length === 0;
    if (!this.#triedAsIs && allowed) {
      this.#triedAsIs = true;
      this.#query(this.#name, (result) => {
        if (result.name !== null) this.#done(result);
        else this.#fail(result.error!);
      });
      return;
    }
    this.#fail('HOST_NOT_FOUND');
  }

  /** The error of the name as it is counts most, then what the list came to. */
  #fail(last: HostErrno): void {
    let error = last;
    if (this.#savedError !== null) error = this.#savedError;
    else if (this.#gotNoData) error = 'NO_DATA';
    else if (this.#gotServFail) error = 'TRY_AGAIN';
    this.#done({ answers: this.#types.map(() => null), name: null, error });
  }

  #afterAsIs(result: Outcome): void {
    if (result.name !== null) {
      this.#done(result);
      return;
    }
    // Absolute: there is no list to go on with.
    if (this.#trailingDot) {
      this.#done(result);
      return;
    }
    this.#savedError = result.error;
    this.#next();
  }

  #afterSuffix(result: Outcome): void {
    if (result.name !== null) {
      this.#done(result);
      return;
    }
    // Nobody listens at the name server: there is no point in asking it about the next suffix.
    if (result.refused) {
      this.#done({ answers: this.#types.map(() => null), name: null, error: 'TRY_AGAIN' });
      return;
    }
    if (result.error === 'NO_DATA') this.#gotNoData = true;
    else if (result.error === 'TRY_AGAIN' && result.servFail) this.#gotServFail = true;
    // Anything else, a time-out above all, ends the walk along the list.
    else if (result.error !== 'HOST_NOT_FOUND') this.#plan.length = 0;
    this.#next();
  }

  /** res_query: asks about one name and judges what came. */
  #query(name: string, then: (result: Outcome) => void): void {
    const absolute = parseDnsName(name);
    const none = { answers: this.#types.map(() => null), name: null, refused: false, servFail: false };
    if (absolute === null || nameBytes(absolute) === null) {
      // res_mkquery refuses it; nothing is sent.
      then({ ...none, error: 'NO_RECOVERY' });
      return;
    }
    const queries = this.#types.map((type) => ({ name: absolute, type, cls: DnsClass.IN }));
    this.#sending = new GlibcSend(this.#network, this.#state, queries, (sent: SendResult) => {
      this.#sending = null;
      const servFail = sent.answers.some((a) => a !== null && rcodeOf(a.flags) === DnsRcode.SERVFAIL);
      if (sent.errno !== null) {
        then({ ...none, error: 'TRY_AGAIN', refused: sent.errno === 'ECONNREFUSED', servFail });
        return;
      }
      const found = sent.answers.some(
        (a) => a !== null && rcodeOf(a.flags) === DnsRcode.NOERROR && a.answers.length > 0,
      );
      if (found) then({ answers: sent.answers, name: absolute, error: null, refused: false, servFail: false });
      else then({ ...none, error: errorOf(sent.answers), servFail });
    });
    this.#sending.start();
  }
}

interface Outcome extends SearchResult {
  /** errno was ECONNREFUSED */
  readonly refused: boolean;
  /** the answer's rcode was SERVFAIL */
  readonly servFail: boolean;
}

/** The rcode of the first answer that is not NOERROR decides (res_query). */
function errorOf(answers: readonly (DnsMessage | null)[]): HostErrno {
  const codes = answers.flatMap((a) => (a === null ? [] : [rcodeOf(a.flags)]));
  const code = codes.find((c) => c !== DnsRcode.NOERROR) ?? DnsRcode.NOERROR;
  switch (code) {
    case DnsRcode.NOERROR:
      return 'NO_DATA';
    case DnsRcode.NXDOMAIN:
      return 'HOST_NOT_FOUND';
    case DnsRcode.SERVFAIL:
      return 'TRY_AGAIN';
    default:
      return 'NO_RECOVERY';
  }
}
