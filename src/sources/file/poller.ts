/**
 * When the directories are looked at: at every interval, which is what counts, and sooner when the
 * kernel tells of a change, which may be missing (network file systems, too many watches).
 */
import { type FSWatcher, watch } from 'node:fs'
import type { Cancel, Context } from '../../component/context.ts'
import { reasonOf } from './once.ts'

/** Directories that the kernel is asked about; the others are only polled. */
const MOST_WATCHES = 64
/** Milliseconds to gather changes before one look, at least. */
const GATHER = 20
/** A look that takes long is not repeated at every change: at most this share of time goes to it. */
const SHARE = 0.1

export class Poller {
  readonly #context: Context
  readonly #interval: number
  readonly #watching: boolean
  readonly #look: () => readonly string[]
  readonly #watches = new Map<string, FSWatcher>()
  #next: Cancel = () => {}
  /** When the next look is due, on the monotonic clock. */
  #due = 0
  #took = 0
  #stopped = false
  #told = false

  /**
   * @param interval milliseconds between looks
   * @param watching whether to ask the kernel as well
   * @param look looks at everything; gives the directories that were read
   */
  constructor(
    context: Context,
    interval: number,
    watching: boolean,
    look: () => readonly string[],
  ) {
    this.#context = context
    this.#interval = interval
    this.#watching = watching
    this.#look = look
  }

  start(): void {
    this.#schedule(0)
  }

  stop(): void {
    this.#stopped = true
    this.#next()
    for (const watcher of this.#watches.values()) watcher.close()
    this.#watches.clear()
  }

  #schedule(delay: number): void {
    this.#next()
    this.#due = this.#context.clock.monotonic() + delay
    this.#next = this.#context.clock.after(delay, () => this.#poll())
  }

  #poll(): void {
    if (this.#stopped) return
    const { clock } = this.#context
    const began = clock.monotonic()
    const directories = this.#lookSafely()
    this.#took = clock.monotonic() - began
    if (this.#stopped) return
    if (this.#watching) this.#watch(directories)
    this.#schedule(this.#interval)
  }

  /** The next look may fare better than one that met what nobody thought of. */
  #lookSafely(): readonly string[] {
    try {
      return this.#look()
    } catch (error) {
      this.#context.meters.error('look_failed')
      this.#context.log.error(
        `Looking for files failed and will be tried again: ${reasonOf(error)}.`,
      )
      return [...this.#watches.keys()]
    }
  }

  #changed(): void {
    if (this.#stopped) return
    const delay = Math.max(GATHER, this.#took / SHARE)
    if (this.#context.clock.monotonic() + delay < this.#due) this.#schedule(delay)
  }

  #watch(directories: readonly string[]): void {
    const wanted = new Set(directories.slice(0, MOST_WATCHES))
    for (const [directory, watcher] of this.#watches) {
      if (wanted.has(directory)) continue
      watcher.close()
      this.#watches.delete(directory)
    }
    for (const directory of wanted) {
      if (this.#watches.has(directory)) continue
      try {
        const watcher = watch(directory, { persistent: false }, () => this.#changed())
        watcher.on('error', error => {
          watcher.close()
          this.#watches.delete(directory)
          this.#unwatched(directory, error)
        })
        this.#watches.set(directory, watcher)
      } catch (error) {
        this.#unwatched(directory, error)
      }
    }
  }

  #unwatched(directory: string, error: unknown): void {
    if (this.#told) return
    this.#told = true
    this.#context.log.info(
      `The kernel does not tell of changes in ${directory} (${reasonOf(error)}); it is looked at every ${this.#interval} ms.`,
      { path: directory },
    )
  }
}
