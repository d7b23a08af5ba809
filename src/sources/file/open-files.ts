/** The files that are kept open, within a limit: beyond it, the one that was quiet for longest is closed. */
import { codeOf, type Once, reasonOf } from './once.ts'
import { type Found, openFound } from './regular-file.ts'
import type { Tail } from './tail.ts'

export class OpenFiles {
  readonly #limit: number
  readonly #once: Once
  /** The one that was read last at the end. */
  readonly #tails = new Set<Tail>()

  constructor(limit: number, once: Once) {
    this.#limit = limit
    this.#once = once
  }

  get size(): number {
    return this.#tails.size
  }

  /** Whether one more may be kept open without closing another. */
  get hasRoom(): boolean {
    return this.#tails.size < this.#limit
  }

  /** Opens a file; undefined when it is not there any more or cannot be opened, which is told once. */
  open(place: Omit<Found, 'stats'>, key: string): number | undefined {
    try {
      const fd = openFound(place, key)
      this.#once.over('open_failed', place.path)
      return fd
    } catch (error) {
      const hint =
        codeOf(error) === 'EACCES'
          ? ' Give the user that the edge runs as the right to read it.'
          : ''
      this.#once.warn(
        'open_failed',
        place.path,
        `${place.path} cannot be opened: ${reasonOf(error)}.${hint}`,
      )
      return undefined
    }
  }

  /** This one is being read. */
  use(tail: Tail): void {
    this.#tails.delete(tail)
    this.#tails.add(tail)
  }

  close(tail: Tail): void {
    tail.close()
    this.#tails.delete(tail)
  }

  /**
   * Makes room for one more, best at the cost of one that has nothing to be read. A file that is gone
   * stays open: it could not be found again.
   */
  makeRoom(): boolean {
    if (this.hasRoom) return true
    let victim: Tail | undefined
    for (const tail of this.#tails) {
      if (tail.goneSince !== undefined) continue
      victim ??= tail
      if (tail.unread) continue
      victim = tail
      break
    }
    if (victim) this.close(victim)
    return victim !== undefined
  }
}
