/** Warnings that are worth one line in the log, not one line at every poll. */
import type { Context } from '../../component/context.ts'
import type { JsonObject } from '../../record/json.ts'

/** Enough for every file that a person could look into; then the oldest may be told again. */
const MOST_REMEMBERED = 10_000

export class Once {
  readonly #context: Context
  readonly #told = new Set<string>()

  constructor(context: Context) {
    this.#context = context
  }

  /**
   * Warns about a path and counts the error, the first time that it happens.
   * @param code counter of the error, such as `open_failed`
   */
  warn(code: string, path: string, message: string, facts: JsonObject = {}): void {
    const key = `${code} ${path}`
    if (this.#told.has(key)) return
    if (this.#told.size >= MOST_REMEMBERED) {
      for (const oldest of this.#told) {
        this.#told.delete(oldest)
        break
      }
    }
    this.#told.add(key)
    this.#context.meters.error(code)
    this.#context.log.warn(message, { path, ...facts })
  }

  /** The trouble is over: if it comes again, it is news. */
  over(code: string, path: string): void {
    this.#told.delete(`${code} ${path}`)
  }
}

/** What went wrong, in the words of the system. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The system's code for an error, such as ENOENT; empty if there is none. */
export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? ''
}
