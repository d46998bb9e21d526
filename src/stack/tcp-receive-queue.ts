// What the bytes in the receive ring cost (sk_receive_queue without the data): a FIFO of segment ends and of the memory that
// is free again when the program has read up to there. The receive buffer bounds its length.

export class ReceiveQueue {
  #ends: number[] = [];
  #sizes: number[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#ends.length;
  }

  /** @param endSeq behind the last byte. @param truesize memory, bytes */
  push(endSeq: number, truesize: number): void {
    this.#ends.push(endSeq);
    this.#sizes.push(truesize);
  }

  /** The program has read up to `seq`. @returns the memory that is free again */
  release(seq: number): number {
    let freed = 0;
    while (this.#head < this.#ends.length && ((this.#ends[this.#head]! - seq) | 0) <= 0)
      freed += this.#sizes[this.#head++]!;
    if (this.#head === this.#ends.length) this.clear();
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
    this.#head = 0;
  }
}
