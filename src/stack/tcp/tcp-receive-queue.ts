// What the bytes in the receive ring cost (sk_receive_queue without the data): one entry per skb, with the sequence number
// behind it and the memory that is free again when the program has read up to there. A segment that follows the last skb is
// joined to it (tcp_try_coalesce): it then costs its payload only, up to MAX_SKB_FRAGS segments. The receive buffer bounds
// how many entries there are.

/** MAX_SKB_FRAGS */
const FRAGMENTS_MAX = 17;

export class ReceiveQueue {
  #ends: number[] = [];
  #sizes: number[] = [];
  /** fragments of the last skb */
  #fragments = 0;
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#ends.length;
  }

  /**
   * Adds what lies up to `endSeq`.
   * @param length bytes of payload
   * @param overhead what an skb of its own costs beside them
   * @returns memory that it takes, bytes
   */
  push(endSeq: number, length: number, overhead: number): number {
    if (!this.isEmpty && this.#fragments < FRAGMENTS_MAX) {
      const last = this.#ends.length - 1;
      this.#ends[last] = endSeq;
      this.#sizes[last] = this.#sizes[last]! + length;
      this.#fragments++;
      return length;
    }
    this.#ends.push(endSeq);
    this.#sizes.push(length + overhead);
    this.#fragments = 1;
    return length + overhead;
  }

  /** Adds an skb whose memory is known and that nothing is joined to. */
  pushWhole(endSeq: number, truesize: number): void {
    this.#ends.push(endSeq);
    this.#sizes.push(truesize);
    this.#fragments = FRAGMENTS_MAX;
  }

  /** The sequence number behind the first skb, which must be there. */
  get firstEnd(): number {
    return this.#ends[this.#head]!;
  }

  /** The program has read up to `seq`. @returns the memory that is free again */
  release(seq: number): number {
    let freed = 0;
    while (this.#head < this.#ends.length && ((this.#ends[this.#head]! - seq) | 0) <= 0)
      freed += this.#sizes[this.#head++]!;
    if (this.isEmpty) this.clear();
    else if (this.#head > 1024 && this.#head * 2 > this.#ends.length) {
      this.#ends.splice(0, this.#head);
      this.#sizes.splice(0, this.#head);
      this.#head = 0;
    }
    return freed;
  }

  clear(): void {
    this.#ends.length = 0;
    this.#sizes.length = 0;
    this.#fragments = 0;
    this.#head = 0;
  }
}
