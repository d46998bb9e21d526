// What ping counts and how it sums up (iputils ping_common.c: gather_statistics, acknowledge, finish).

/** Sequence numbers remembered to find duplicates (MAX_DUP_CHK). */
const DUPLICATES_MAX = 0x10000;
/** Half of the 16-bit sequence space: a difference beyond it is negative. */
const HALF = 0x7fff;

export class PingStatistics {
  transmitted = 0;
  received = 0;
  duplicates = 0;
  errors = 0;
  /** largest number of requests in flight when an answer came */
  pipe = -1;
  /** round trips in microseconds */
  min = Number.POSITIVE_INFINITY;
  max = 0;
  sum = 0;
  sumOfSquares = 0;
  /** eight times the moving average, microseconds */
  rtt8 = 0;
  #acknowledged = 0;
  readonly #seen = new Uint8Array(DUPLICATES_MAX / 8);

  inFlight(): number {
    const diff = (this.transmitted - this.#acknowledged) & 0xffff;
    return diff <= HALF ? diff : this.transmitted - this.received - this.errors;
  }

  /** The next request goes out: its sequence number, not yet counted. */
  get nextSequence(): number {
    return (this.transmitted + 1) & 0xffff;
  }

  advance(): void {
    this.transmitted++;
    // The number may come round again: it is no duplicate then.
    this.#clear(this.transmitted & 0xffff);
    if (((this.transmitted - this.#acknowledged) & 0xffff) > HALF) {
      this.#acknowledged = (this.transmitted + 1) & 0xffff;
    }
  }

  acknowledge(sequence: number): void {
    const diff = (this.transmitted - sequence) & 0xffff;
    if (diff > HALF) return;
    if (diff + 1 > this.pipe) this.pipe = diff + 1;
    const ahead = (sequence - this.#acknowledged) & 0xffff;
    if ((ahead > 0 && ahead <= HALF) || ((this.transmitted - this.#acknowledged) & 0xffff) > HALF) {
      this.#acknowledged = sequence;
    }
  }

  /**
   * Counts a reply.
   * @param rttUs round trip in microseconds, or null when the request carried no time
   * @returns true when it is a duplicate
   */
  reply(sequence: number, rttUs: number | null): boolean {
    this.received++;
    this.acknowledge(sequence);
    if (rttUs !== null) {
      this.sum += rttUs;
      this.sumOfSquares += rttUs * rttUs;
      this.min = Math.min(this.min, rttUs);
      this.max = Math.max(this.max, rttUs);
      this.rtt8 = this.rtt8 === 0 ? rttUs * 8 : this.rtt8 + rttUs - Math.trunc(this.rtt8 / 8);
    }
    if (!this.hasAnswer(sequence)) {
      this.#seen[sequence >> 3]! |= 1 << (sequence & 7);
      return false;
    }
    this.duplicates++;
    this.received--;
    return true;
  }

  hasAnswer(sequence: number): boolean {
    return ((this.#seen[sequence >> 3]! >> (sequence & 7)) & 1) !== 0;
  }

  #clear(sequence: number): void {
    this.#seen[sequence >> 3]! &= ~(1 << (sequence & 7));
  }

  /**
   * The block behind the last reply, from its empty line on.
   * @param elapsedNs from the start to the last request
   */
  summary(target: string, elapsedNs: number, timing: boolean, showGap: boolean): string {
    const parts = [`${this.transmitted} packets transmitted`, `${this.received} received`];
    if (this.duplicates > 0) parts.push(`+${this.duplicates} duplicates`);
    if (this.errors > 0) parts.push(`+${this.errors} errors`);
    if (this.transmitted > 0) {
      const loss = Math.fround(((this.transmitted - this.received) * 100) / this.transmitted);
      parts.push(`${general(loss)}% packet loss`, `time ${Math.floor((elapsedNs + 500_000) / 1_000_000)}ms`);
    }
    const tail: string[] = [];
    if (this.received > 0 && timing) tail.push(this.#roundTrips());
    if (this.pipe > 1) tail.push(`pipe ${this.pipe}`);
    if (this.received > 0 && showGap && this.transmitted > 1) {
      const gapUs = Math.floor(Math.floor(elapsedNs / 1000) / (this.transmitted - 1));
      tail.push(`ipg/ewma ${milliseconds(gapUs)}/${milliseconds(Math.trunc(this.rtt8 / 8))} ms`);
    }
    return `\n--- ${target} ping statistics ---\n${parts.join(', ')}\n${tail.join(', ')}\n`;
  }

  #roundTrips(): string {
    const total = this.received + this.duplicates;
    const average = Math.trunc(this.sum / total);
    // The order of the divisions is the tool's: it decides the last digit.
    const variance =
      this.sum < 0x7fffffff
        ? Math.trunc((this.sumOfSquares - Math.trunc((this.sum * this.sum) / total)) / total)
        : Math.trunc(this.sumOfSquares / total) - average * average;
    const deviation = Math.floor(Math.sqrt(Math.max(variance, 0)));
    const values = [this.min, average, this.max, deviation].map(milliseconds);
    return `rtt min/avg/max/mdev = ${values.join('/')} ms`;
  }
}

/** Microseconds as milliseconds with three decimals. */
function milliseconds(us: number): string {
  return `${Math.trunc(us / 1000)}.${String(us % 1000).padStart(3, '0')}`;
}

/** printf("%g"): six significant digits, no trailing zeros. */
function general(x: number): string {
  return String(Number(x.toPrecision(6)));
}

/** One round trip as ping prints it: three significant digits below 100 ms. */
export function roundTripText(us: number): string {
  if (us >= 99_950) return `${Math.trunc((us + 500) / 1000)}`;
  if (us >= 9_995) return `${Math.trunc((us + 50) / 1000)}.${Math.trunc(((us + 50) % 1000) / 100)}`;
  if (us >= 1_000)
    return `${Math.trunc((us + 5) / 1000)}.${String(Math.trunc(((us + 5) % 1000) / 10)).padStart(2, '0')}`;
  return milliseconds(us);
}
