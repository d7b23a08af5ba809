/**
 * The edge's own log: one record a line on a stream, as text for people or JSON for machines, and to
 * whoever listens (the `internal` source). A message that repeats is written once in ten seconds,
 * with the number of times that it was held back, so that a broken peer cannot fill a disk.
 */
import type { Cancel, Clock, Logger } from '../component/context.ts'
import type { JsonObject } from '../record/json.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const QUIET_MS = 10_000
/** Different messages remembered at once; beyond it the oldest memory goes. */
const REMEMBERED = 500

export interface LogOptions {
  readonly level: LogLevel
  readonly format: 'json' | 'text'
  readonly write: (line: string) => void
  readonly clock: Clock
}

export class Log {
  #options: LogOptions
  readonly #listeners = new Set<(record: JsonObject) => void>()
  readonly #repeats = new Map<string, { until: number; held: number }>()

  constructor(options: LogOptions) {
    this.#options = options
  }

  /** Goes on with another level or format. */
  adjust(options: Pick<LogOptions, 'level' | 'format'>): void {
    this.#options = { ...this.#options, ...options }
  }

  /** A logger whose records carry the name of a component. */
  for(component: string): Logger {
    const at = (level: LogLevel) => (message: string, facts?: JsonObject) =>
      this.#write(level, component, message, facts)
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }

  /** Subscribes to records of every level that is written. */
  onRecord(listener: (record: JsonObject) => void): Cancel {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #write(level: LogLevel, component: string, message: string, facts?: JsonObject): void {
    const { level: least, format, write, clock } = this.#options
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(least)) return
    const held = this.#heldBack(`${level}\u0000${component}\u0000${message}`)
    if (held === undefined) return
    const record: JsonObject = {
      _time: clock.now() / 1000,
      sourcetype: 'edge',
      source: 'edge.log',
      level,
      component,
      message,
      ...(held > 0 && { repeated: held }),
      ...(facts && { data: facts }),
    }
    if (format === 'json') write(`${harmless(JSON.stringify(record))}\n`)
    else {
      const time = new Date(clock.now()).toISOString()
      const more = facts ? ` ${JSON.stringify(facts)}` : ''
      const times = held > 0 ? ` (and ${held} more like it)` : ''
      // A line that a message goes on with is indented: nobody can forge a record of the log.
      const text = `${message}${times}${more}`.split('\n').map(harmless).join('\n  ')
      write(`${time} ${level.padEnd(5)} ${component}: ${text}\n`)
    }
    for (const listener of this.#listeners) listener(record)
  }

  /** How many equal messages were held back since the last; undefined if this one is to be, too. */
  #heldBack(key: string): number | undefined {
    const now = this.#options.clock.monotonic()
    const repeat = this.#repeats.get(key)
    if (repeat && now < repeat.until) {
      repeat.held++
      return undefined
    }
    this.#repeats.delete(key)
    if (this.#repeats.size >= REMEMBERED) {
      this.#repeats.delete(this.#repeats.keys().next().value as string)
    }
    this.#repeats.set(key, { until: now + QUIET_MS, held: 0 })
    return repeat?.held ?? 0
  }
}

/** Text in which no peer can play tricks on a terminal: control characters shown as JSON escapes. */
function harmless(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
