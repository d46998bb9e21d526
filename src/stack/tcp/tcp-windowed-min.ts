// The least value of a sliding window of time, kept in three samples: how TCP remembers the smallest round trip of the
// last net.ipv4.tcp_min_rtt_wlen seconds (lib/win_minmax.c, after Kathleen Nichols' filter).
//
//   best  <=  second  <=  third      in value; each was seen later than the one before it
//
// A new best replaces all three. Otherwise the second and third choice are renewed as a quarter and a half of the window
// pass without one, so that when the best grows old there is a recent one to follow it. Exact within a window's quarter.

/** Nothing measured yet (~0U). */
export const NO_MINIMUM = 0xffffffff;

export class WindowedMin {
  #best = NO_MINIMUM;
  #bestAt = 0;
  #second = NO_MINIMUM;
  #secondAt = 0;
  #third = NO_MINIMUM;
  #thirdAt = 0;

  /** The minimum, NO_MINIMUM before the first sample (minmax_get). */
  get value(): number {
    return this.#best;
  }

  /** Forgets all but this sample (minmax_reset). */
  reset(at: number, value: number): void {
    this.#best = this.#second = this.#third = value;
    this.#bestAt = this.#secondAt = this.#thirdAt = at;
  }

  /**
   * Takes a sample (minmax_running_min).
   * @param window length of the window, in the unit of `at`
   */
  add(window: number, at: number, value: number): void {
    if (value <= this.#best || at - this.#thirdAt > window) {
      this.reset(at, value);
      return;
    }
    if (value <= this.#second) {
      this.#second = this.#third = value;
      this.#secondAt = this.#thirdAt = at;
    } else if (value <= this.#third) {
      this.#third = value;
      this.#thirdAt = at;
    }
    this.#age(window, at, value);
  }

  /** minmax_subwin_update */
  #age(window: number, at: number, value: number): void {
    const passed = at - this.#bestAt;
    if (passed > window) {
      // The best is out of the window: the others move up; the second may be too old as well.
      this.#moveUp(at, value);
      if (at - this.#bestAt > window) this.#moveUp(at, value);
    } else if (this.#secondAt === this.#bestAt && passed > Math.floor(window / 4)) {
      this.#second = this.#third = value;
      this.#secondAt = this.#thirdAt = at;
    } else if (this.#thirdAt === this.#secondAt && passed > Math.floor(window / 2)) {
      this.#third = value;
      this.#thirdAt = at;
    }
  }

  #moveUp(at: number, value: number): void {
    this.#best = this.#second;
    this.#bestAt = this.#secondAt;
    this.#second = this.#third;
    this.#secondAt = this.#thirdAt;
    this.#third = value;
    this.#thirdAt = at;
  }
}
