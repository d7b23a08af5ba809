/**
 * Names made from events: file paths and object keys such as `{proc}/%Y-%m-%d/{data.level}.ndjson`.
 * A template is read once; what an event puts into it can never add a directory, climb out of one, or
 * grow without bound.
 */
import { z } from 'zod'
import type { Batch } from '../batch/batch.ts'
import { Fields } from '../batch/columns.ts'
import { problem } from '../component/options.ts'
import type { JsonObject, JsonValue } from '../record/json.ts'
import { type Path, PathError, parsePath, valueAt } from '../record/path.ts'
import { eventTime, timeIn, timeOf } from './event-time.ts'

export interface TemplateOptions {
  /** What stands in for a field that is missing, empty, null, an object or an array. `unknown` if absent. */
  fallback?: string
  /** Whose time `%Y` and the like show: the event's `_time`, or the moment of arrival. `event` if absent. */
  time?: 'event' | 'arrival'
}

export interface Template {
  /** The text as written. */
  readonly source: string
  /** True when the name is the same for every event. */
  readonly static: boolean
  /** True when the name depends on fields other than `_time`. */
  readonly fields: boolean
  /** The text before the first field or time; the whole name when static. */
  readonly prefix: string
  /** Whose time is shown. */
  readonly time: 'event' | 'arrival'
  /** Seconds that share a name: 1, 60, 3600, 86400; Infinity when no time is shown. */
  readonly grain: number
  /** The name for a record. `now`: milliseconds since the epoch, used when the record has no `_time`. */
  render(record: JsonObject, now: number): string
  /** The name by row of a batch, as `render` gives it. */
  over(batch: Batch, now: number): (row: number) => string
  /** The name at a time, for a template without fields. `seconds` since the epoch. */
  renderAt(seconds: number): string
}

/** A template that could not be read; `offset` and `length` count UTF-16 units. */
export class TemplateError extends Error {
  readonly offset: number
  readonly length: number
  constructor(message: string, offset: number, length = 1) {
    super(message)
    this.name = 'TemplateError'
    this.offset = offset
    this.length = length
  }
}

/** Longest value and longest part between slashes, in UTF-8 bytes; a file name may have 255. */
const VALUE_BYTES = 120
const SEGMENT_BYTES = 200

type Part = { readonly text: string } | { readonly path: Path } | { readonly directive: string }

const TIME: Path = ['_time']

const two = (n: number) => String(n).padStart(2, '0')
const four = (n: number) => String(n).padStart(4, '0')
const date = (d: Date) =>
  `${four(d.getUTCFullYear())}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`
const clock = (d: Date) =>
  `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`

/** What each directive writes (UTC), and how many seconds share the same text. */
const DIRECTIVES: Record<string, { grain: number; write(d: Date): string }> = {
  Y: { grain: 86400, write: d => four(d.getUTCFullYear()) },
  m: { grain: 86400, write: d => two(d.getUTCMonth() + 1) },
  d: { grain: 86400, write: d => two(d.getUTCDate()) },
  j: {
    grain: 86400,
    write: d =>
      String(
        (Date.UTC(d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate()) -
          Date.UTC(d.getUTCFullYear(), 0, 1)) /
          86_400_000 +
          1,
      ).padStart(3, '0'),
  },
  F: { grain: 86400, write: date },
  H: { grain: 3600, write: d => two(d.getUTCHours()) },
  M: { grain: 60, write: d => two(d.getUTCMinutes()) },
  S: { grain: 1, write: d => two(d.getUTCSeconds()) },
  s: { grain: 1, write: d => String(Math.floor(d.getTime() / 1000)) },
  T: { grain: 1, write: clock },
}

/** The closing brace of a field that starts at `from`; quotes may hold braces. -1 if there is none. */
function closingBrace(text: string, from: number): number {
  let quote = ''
  for (let i = from; i < text.length; i++) {
    const char = text[i] as string
    if (quote !== '') {
      if (char === '\\') i++
      else if (char === quote) quote = ''
    } else if (char === '"' || char === "'") quote = char
    else if (char === '}') return i
  }
  return -1
}

function parse(source: string): Part[] {
  const parts: Part[] = []
  let text = ''
  const flush = () => {
    if (text !== '') parts.push({ text })
    text = ''
  }
  for (let i = 0; i < source.length; ) {
    const char = source[i] as string
    const next = source[i + 1] ?? ''
    if ((char === '{' || char === '}' || char === '%') && next === char) {
      text += char
      i += 2
    } else if (char === '%') {
      if (!Object.hasOwn(DIRECTIVES, next)) {
        const known = Object.keys(DIRECTIVES).map(name => `%${name}`)
        throw new TemplateError(
          `"%${next}" is no time that a name can show; write one of ${known.join(' ')}, or %% for a percent sign`,
          i,
          1 + next.length,
        )
      }
      flush()
      parts.push({ directive: next })
      i += 2
    } else if (char === '{') {
      const end = closingBrace(source, i + 1)
      if (end < 0) {
        throw new TemplateError(
          'this "{" has no "}"; write {field} for a value of the event, or {{ for a brace',
          i,
        )
      }
      try {
        const path = parsePath(source.slice(i + 1, end))
        flush()
        parts.push({ path })
      } catch (error) {
        if (!(error instanceof PathError)) throw error
        throw new TemplateError(error.message, i + 1 + error.offset)
      }
      i = end + 1
    } else if (char === '}') {
      throw new TemplateError('this "}" closes nothing; write }} for a brace', i)
    } else {
      const code = char.charCodeAt(0)
      if (code < 0x20 || code === 0x7f) {
        throw new TemplateError('a name may not hold control characters', i)
      }
      text += char
      i++
    }
  }
  flush()
  refuseClimbing(source, parts)
  return parts
}

/** `..` may stand in the fixed beginning, which the user chose, but not behind what events choose. */
function refuseClimbing(source: string, parts: readonly Part[]): void {
  const shape = parts.map(part => ('text' in part ? part.text : '\0')).join('')
  const variable = shape.indexOf('\0')
  if (
    variable >= 0 &&
    /(^|\/)\.\.?(\/|$)/.test(shape.slice(shape.lastIndexOf('/', variable) + 1))
  ) {
    const at = Math.max(source.lastIndexOf('/..'), source.lastIndexOf('/.'))
    throw new TemplateError(
      'a name may not go up with ".." (or stay with ".") behind a field or a time',
      at + 1,
      2,
    )
  }
}

const UNSAFE = /[/\u0000-\u001f\u007f-\u009f]|^\.|\.\./
const REPLACED = /[/\u0000-\u001f\u007f-\u009f]|^\.|\.(?=\.)|(?<=\.)\./g

/** FNV-1a: tells names apart that were cut to the same beginning. Not for secrets. */
function fingerprint(text: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return (hash >>> 0).toString(16).padStart(8, '0')
}

/** Cuts a text to so many UTF-8 bytes, ending it with a fingerprint of the whole. */
function shorten(text: string, bytes: number): string {
  if (text.length * 3 <= bytes || Buffer.byteLength(text) <= bytes) return text
  const whole = Buffer.from(text)
  let end = bytes - 9
  while (end > 0 && ((whole[end] as number) & 0xc0) === 0x80) end--
  return `${whole.toString('utf8', 0, end)}~${fingerprint(text)}`
}

/** A value in the form in which it may stand in a name, or undefined where the fallback has to. */
function nameOf(value: JsonValue | undefined): string | undefined {
  if (value === undefined || value === null || typeof value === 'object') return undefined
  const text = typeof value === 'string' ? value : String(value)
  if (text === '') return undefined
  return shorten(UNSAFE.test(text) ? text.replace(REPLACED, '_') : text, VALUE_BYTES)
}

/** Cuts parts between slashes that several long values made longer than a file system takes. */
function limitSegments(name: string): string {
  if (name.length * 3 <= SEGMENT_BYTES) return name
  return name
    .split('/')
    .map(segment => shorten(segment, SEGMENT_BYTES))
    .join('/')
}

/**
 * Reads a template: literal text, `{field.path}`, `%Y %m %d %H %M %S %j %s %F %T` in UTC, and
 * `{{ }} %%` for the characters themselves. Throws TemplateError with the offset of what does not fit.
 */
export function compileTemplate(source: string, options: TemplateOptions = {}): Template {
  const parts = parse(source)
  const time = options.time ?? 'event'
  const fallback = nameOf(options.fallback ?? 'unknown') ?? 'unknown'
  const grain = Math.min(
    Number.POSITIVE_INFINITY,
    ...parts.map(part =>
      'directive' in part
        ? (DIRECTIVES[part.directive]?.grain as number)
        : Number.POSITIVE_INFINITY,
    ),
  )
  const paths = parts.flatMap(part => ('path' in part ? [part.path] : []))
  const fields = paths.length > 0
  const read = new Fields([...paths, TIME])
  const first = parts[0]

  // The texts of the last time seen: most events of a batch share a second, a minute or a day.
  let bucket = Number.NaN
  let shown: string[] = []
  const show = (seconds: number): string[] => {
    const wanted = Math.floor(seconds / grain)
    if (wanted !== bucket) {
      const when = new Date(seconds * 1000)
      shown = parts.map(part =>
        'directive' in part ? (DIRECTIVES[part.directive]?.write(when) as string) : '',
      )
      bucket = wanted
    }
    return shown
  }
  const timed = grain !== Number.POSITIVE_INFINITY
  const write = (fieldOf: (path: Path) => JsonValue | undefined, seconds: number): string => {
    const times = timed ? show(seconds) : shown
    let name = ''
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as Part
      if ('text' in part) name += part.text
      else if ('directive' in part) name += times[i] as string
      else name += nameOf(fieldOf(part.path)) ?? fallback
    }
    return fields ? limitSegments(name) : name
  }
  return {
    source,
    static: !fields && !timed,
    fields,
    prefix: first && 'text' in first ? first.text : '',
    time,
    grain,
    render: (record, now) =>
      write(
        path => valueAt(record, path),
        (time === 'event' ? timeOf(record) : undefined) ?? now / 1000,
      ),
    over(batch, now) {
      const columns = batch.columns(read)
      const columnOf = new Map(read.paths.map((path, i) => [path, columns[i]]))
      const times = time === 'event' && timed ? columnOf.get(TIME) : undefined
      return row =>
        write(path => columnOf.get(path)?.value(row), timeIn(times?.value(row)) ?? now / 1000)
    },
    renderAt: seconds => write(() => undefined, seconds),
  }
}

/**
 * Splits a batch by the name that each of its rows renders to, in order of first appearance. The
 * parts share the batch's bytes and its lease: release the batch once, not its parts.
 * Only a template with fields looks at more of a row than its time.
 */
export function groupByTemplate(batch: Batch, template: Template, now: number): Map<string, Batch> {
  if (template.static || (!template.fields && template.time === 'arrival')) {
    return new Map([[template.renderAt(now / 1000), batch]])
  }
  const nameOfRow = template.fields ? template.over(batch, now) : undefined
  const rowsOf = new Map<string | number, number[]>()
  for (let row = 0; row < batch.count; row++) {
    const key = nameOfRow
      ? nameOfRow(row)
      : Math.floor((eventTime(batch, row) ?? now / 1000) / template.grain)
    const rows = rowsOf.get(key)
    if (rows) rows.push(row)
    else rowsOf.set(key, [row])
  }
  const groups = new Map<string, Batch>()
  for (const [key, rows] of rowsOf) {
    const name = typeof key === 'string' ? key : template.renderAt(key * template.grain)
    groups.set(name, rows.length === batch.count ? batch : batch.select(rows))
  }
  return groups
}

/** A name with fields and times of the event in it; a Template once read, with the usual fallback. */
export function pathTemplate() {
  return z
    .string()
    .min(1)
    .transform((text, context): Template => {
      try {
        return compileTemplate(text)
      } catch (error) {
        if (!(error instanceof TemplateError)) throw error
        return problem(context, error.message, error.offset, error.length)
      }
    })
    .meta({ unit: 'path template', examples: ['./data/{proc}-%Y-%m-%d.ndjson'] })
}
