/** A clock that stands still until it is told to go on: for tests of components and for `scope test`. */
import type { Cancel, Clock } from './context.ts'

interface Timer {
  at: number
  readonly order: number
  readonly period: number | undefined
  readonly callback: () => void
}

export class VirtualClock implements Clock {
  #now = 0
  readonly #epoch: number
  #order = 0
  readonly #timers = new Set<Timer>()

  /** @param epoch wall-clock milliseconds at the start; 2026-01-01T00:00:00Z unless told */
  constructor(epoch = Date.UTC(2026, 0, 1)) {
    this.#epoch = epoch
  }

  now(): number {
    return this.#epoch + this.#now
  }

  monotonic(): number {
    return this.#now
  }

  after(delay: number, callback: () => void): Cancel {
    return this.#add(delay, undefined, callback)
  }

  every(period: number, callback: () => void): Cancel {
    return this.#add(period, Math.max(period, 1), callback)
  }

  /** Moves time on by so many milliseconds and runs, in order, every timer that falls due. */
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds
    for (;;) {
      let next: Timer | undefined
      for (const timer of this.#timers) {
        if (timer.at > end) continue
        if (!next || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) {
          next = timer
        }
      }
      if (!next) break
      this.#now = next.at
      if (next.period === undefined) this.#timers.delete(next)
      else next.at += next.period
      next.callback()
    }
    this.#now = end
  }

  #add(delay: number, period: number | undefined, callback: () => void): Cancel {
    const timer = { at: this.#now + Math.max(delay, 0), order: this.#order++, period, callback }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }
}
