/**
 * Work in small steps for as long as the budget has space: a step at a time, in slices short enough
 * that the rest of the edge has its turn in between.
 */
import type { Cancel, Context } from '../../component/context.ts'

/** What is done in one go, in bytes and milliseconds. */
const SLICE_BYTES = 16 * 1024 * 1024
const SLICE_MS = 20

export class Pump {
  readonly #context: Context
  readonly #step: () => number | undefined
  #running = false
  #waiting = false
  #stopped = false
  #soon: Cancel | undefined

  /** @param step does a little and says how many bytes it came to; undefined when nothing is to be done */
  constructor(context: Context, step: () => number | undefined) {
    this.#context = context
    this.#step = step
  }

  /** There may be something to do. */
  run(): void {
    if (this.#running) return
    this.#running = true
    const { budget, clock } = this.#context
    const began = clock.monotonic()
    for (let bytes = 0; !this.#stopped; ) {
      if (budget.full) {
        this.#whenSpace()
        break
      }
      if (bytes >= SLICE_BYTES || clock.monotonic() - began > SLICE_MS) {
        this.#runSoon()
        break
      }
      const done = this.#step()
      if (done === undefined) break
      bytes += done
    }
    this.#running = false
  }

  stop(): void {
    this.#stopped = true
    this.#soon?.()
  }

  #whenSpace(): void {
    if (this.#waiting) return
    this.#waiting = true
    this.#context.budget.whenSpace(() => {
      this.#waiting = false
      this.#runSoon()
    })
  }

  #runSoon(): void {
    if (this.#stopped) return
    this.#soon?.()
    this.#soon = this.#context.clock.after(0, () => this.run())
  }
}
