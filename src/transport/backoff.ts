/** How long to wait before the next try: exponential with full jitter, so that many edges do not knock in step. */

export interface BackoffOptions {
  /** Upper bound of the first wait, milliseconds. */
  initial: number
  /** Upper bound of every wait, milliseconds. */
  max: number
  /** A number from 0 up to 1; Math.random unless told. */
  random?: () => number
}

export class Backoff {
  readonly #initial: number
  readonly #max: number
  readonly #random: () => number
  #bound: number

  constructor(options: BackoffOptions) {
    this.#initial = options.initial
    this.#max = options.max
    this.#random = options.random ?? Math.random
    this.#bound = options.initial
  }

  /** The next wait, in whole milliseconds: anywhere from 1 to a bound that doubles from call to call. */
  next(): number {
    const bound = Math.min(this.#bound, this.#max)
    this.#bound = Math.min(this.#bound * 2, this.#max)
    return Math.max(1, Math.round(this.#random() * bound))
  }

  /** Starts over, after a success. */
  reset(): void {
    this.#bound = this.#initial
  }
}
