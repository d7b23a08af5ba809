/**
 * Budgets and leases: the back-pressure that RxJS lacks, and the road on which acknowledgements go
 * back. A batch holds a lease on a budget of bytes; a source whose budget is spent stops reading.
 *
 *   source budget      queue budget                        holds   bytes taken from
 *   ┌───────────┐      ┌────────────┐   lease of a batch     1      the source
 *   │ 3 leases  │      │ 1 lease    │   … sent to 2 routes   2      the source
 *   └───────────┘      └────────────┘   … one queued         2      both (once the other route is
 *                                                                   queued too: the queues alone)
 *   settled: when the last hold is released, with the worst of their outcomes.
 */

/**
 * What became of the events of a batch at one end of one route, from good to bad:
 * `delivered` (a sink has written it or has its acknowledgement), `discarded` (a rule took it out),
 * `dropped` (lost or dead-lettered, and counted), `aborted` (the edge stopped first: not handled).
 */
export type Outcome = 'delivered' | 'discarded' | 'dropped' | 'aborted'

const SEVERITY: Record<Outcome, number> = { discarded: 0, delivered: 1, dropped: 2, aborted: 3 }

/** A number of bytes that may be held at once. Never blocks: the one who takes must look at `full`. */
export class Budget {
  #limit: number
  #used = 0
  #peak = 0
  #waiting: (() => void)[] = []
  #stops = 0

  /** @param limit bytes; Infinity for no limit. */
  constructor(limit: number) {
    this.#limit = limit
  }

  get limit(): number {
    return this.#limit
  }

  /** Changes the limit; what is held stays, even when it is more. */
  resize(limit: number): void {
    this.#limit = limit
    this.#wake()
  }

  /** Bytes held now. */
  get used(): number {
    return this.#used
  }

  /** The most bytes that were ever held at once. */
  get peak(): number {
    return this.#peak
  }

  /** True when a source must stop reading. One batch may always be taken, whatever its size. */
  get full(): boolean {
    return this.#stops > 0 || this.#used >= this.#limit
  }

  /** Makes the budget full, whatever is used, until the result is called. Stops may overlap. */
  stop(): () => void {
    let over = false
    this.#stops++
    return () => {
      if (over) return
      over = true
      this.#stops--
      this.#wake()
    }
  }

  /** Takes bytes; may overrun the limit by the one batch that is being made. */
  take(bytes: number): void {
    this.#used += bytes
    if (this.#used > this.#peak) this.#peak = this.#used
  }

  /** Gives bytes back and, if there is space again, wakes everyone who waits. */
  give(bytes: number): void {
    this.#used -= bytes
    this.#wake()
  }

  /**
   * Calls back once, as soon as there is space: at once if there is now. The callback may run inside
   * of whatever freed the bytes, so it must not emit a batch itself: order would be lost. It starts
   * to read again, or sees to it in a turn of its own.
   */
  whenSpace(resume: () => void): void {
    if (this.full) this.#waiting.push(resume)
    else resume()
  }

  #wake(): void {
    if (this.full || this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }
}

/** The claim of one batch, shared by every route the batch goes to. Starts with one hold. */
export class Lease {
  readonly #budget: Budget
  readonly #bytes: number
  readonly #onSettled: ((outcome: Outcome) => void) | undefined
  #holds = 1
  #loaded = 1
  #worst: Outcome = 'discarded'

  /**
   * @param budget the budget that the bytes are taken from, at once
   * @param bytes how many
   * @param onSettled called once, when every hold has been released
   */
  constructor(budget: Budget, bytes: number, onSettled?: (outcome: Outcome) => void) {
    this.#budget = budget
    this.#bytes = bytes
    this.#onSettled = onSettled
    budget.take(bytes)
  }

  /** A lease on nothing, for records that no one waits for. */
  static none(): Lease {
    return new Lease(new Budget(Number.POSITIVE_INFINITY), 0)
  }

  /** One lease for a batch made of many (a reduced window, an object): settles them all as it settles. */
  static join(
    parents: readonly Lease[],
    budget = new Budget(Number.POSITIVE_INFINITY),
    bytes = 0,
  ): Lease {
    return new Lease(budget, bytes, outcome => {
      for (const parent of parents) parent.release(outcome)
    })
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Adds holds, before the batch is handed to that many more receivers. */
  retain(more = 1): void {
    this.#holds += more
    this.#loaded += more
  }

  /** Ends one hold. The caller must not touch the batch's bytes again. */
  release(outcome: Outcome): void {
    this.#unload()
    this.#settle(outcome)
  }

  /**
   * Moves one hold to another budget: the bytes leave this one, the acknowledgement follows the new
   * lease. Used by whoever keeps a batch on its own account: a queue, a window, a staging file.
   */
  transfer(to: Budget, bytes: number): Lease {
    this.#unload()
    return new Lease(to, bytes, outcome => this.#settle(outcome))
  }

  #unload(): void {
    if (this.#loaded === 0) throw new Error('lease released more often than it was retained')
    if (--this.#loaded === 0) this.#budget.give(this.#bytes)
  }

  #settle(outcome: Outcome): void {
    if (SEVERITY[outcome] > SEVERITY[this.#worst]) this.#worst = outcome
    if (--this.#holds === 0) this.#onSettled?.(this.#worst)
  }
}
