/**
 * Columns: the values at fixed paths of a batch, one for each row. From the native engine they come
 * without a JavaScript object or string being made until one is asked for; without it they are read
 * from the parsed records. Both answer the same.
 */
import type { JsonObject, JsonValue } from '../record/json.ts'
import { formatPath, type Path } from '../record/path.ts'
import { type Reader, readerOf } from '../record/reader.ts'
import { engine, Kind, type PathTable, type Columns as Raw } from './engine.ts'

/** A text to compare with, and its UTF-8 where it has one (a lone surrogate has none). */
export interface Needle {
  readonly text: string
  readonly bytes: Uint8Array | undefined
}

/** Prepares a text that many values will be compared with. */
export function needleOf(text: string): Needle {
  const bytes = Buffer.from(text)
  return { text, bytes: bytes.toString() === text ? bytes : undefined }
}

/** The values at one path, by row. */
export interface Column {
  /** Undefined where the field is missing. */
  value(row: number): JsonValue | undefined
  /** Says whether the field is there, if only as null. */
  has(row: number): boolean
  /** NaN where there is no number. */
  number(row: number): number
  /** Says whether the value is that text; undefined where the field is missing. */
  equals(row: number, needle: Needle): boolean | undefined
  /** Says whether the value starts with that text; undefined where it is no text. */
  startsWith(row: number, needle: Needle): boolean | undefined
}

/** The longest path that the native engine takes. */
const LONGEST = 1000

/** The paths that somebody reads from every batch, prepared once. An empty path is the whole record. */
export class Fields {
  readonly paths: readonly Path[]
  /** How each path is written: fields of the same name share their column. */
  readonly names: readonly string[]
  readonly readers: readonly Reader[]
  /** For the native engine; undefined where it is not there or cannot take the paths. */
  readonly table: PathTable | undefined

  constructor(paths: readonly Path[]) {
    this.paths = paths
    this.names = paths.map(formatPath)
    this.readers = paths.map(readerOf)
    const fits = paths.every(path => path.length > 0 && path.length <= LONGEST)
    this.table = paths.length > 0 && fits ? engine?.compile(paths) : undefined
  }

  /** The fields of several that read the same batch, each once. */
  static union(...parts: readonly { readonly paths: readonly Path[] }[]): Fields {
    const paths = new Map<string, Path>()
    for (const part of parts) for (const path of part.paths) paths.set(formatPath(path), path)
    return new Fields([...paths.values()])
  }
}

/** Columns of lines that are known to be JSON objects; undefined where the native engine cannot do it. */
export function spanColumns(
  fields: Fields,
  bytes: Buffer,
  lines: Uint32Array,
): SpanColumn[] | undefined {
  if (!engine || !fields.table) return undefined
  const raw = engine.extract(fields.table, bytes, lines)
  const rows = lines.length >>> 1
  const columns: SpanColumn[] = []
  for (let base = 0; base < raw.kinds.length; base += rows) {
    columns.push(new SpanColumn(bytes, raw, base))
  }
  return columns
}

/** A column that knows where in the block its values stand. */
export class SpanColumn implements Column {
  /** Whether on some line a value was found, in this or a column beside it, that a later one hides. */
  readonly repeated: boolean
  readonly #bytes: Buffer
  readonly #kinds: Uint8Array
  readonly #numbers: Float64Array
  readonly #spans: Uint32Array
  readonly #base: number

  constructor(bytes: Buffer, { kinds, numbers, spans, repeated }: Raw, base: number) {
    this.repeated = repeated
    this.#bytes = bytes
    this.#kinds = kinds
    this.#numbers = numbers
    this.#spans = spans
    this.#base = base
  }

  /** One of `Kind`. */
  kind(row: number): number {
    return this.#kinds[this.#base + row] as number
  }

  /** Where the text of the value starts in the batch's bytes; of a string without its quotes. */
  start(row: number): number {
    return this.#spans[(this.#base + row) * 2] as number
  }

  /** Where it ends. */
  end(row: number): number {
    return this.#spans[(this.#base + row) * 2 + 1] as number
  }

  value(row: number): JsonValue | undefined {
    const cell = this.#base + row
    switch (this.#kinds[cell]) {
      case Kind.null:
        return null
      case Kind.false:
        return false
      case Kind.true:
        return true
      case Kind.number:
        return this.#numbers[cell] as number
      case Kind.string:
        return this.#text(cell)
      case Kind.escapedString:
        return JSON.parse(`"${this.#text(cell)}"`) as string
      case Kind.object:
      case Kind.array:
        return JSON.parse(this.#text(cell)) as JsonValue
      default:
        return undefined
    }
  }

  has(row: number): boolean {
    return this.#kinds[this.#base + row] !== Kind.missing
  }

  number(row: number): number {
    const cell = this.#base + row
    return this.#kinds[cell] === Kind.number ? (this.#numbers[cell] as number) : Number.NaN
  }

  equals(row: number, { text, bytes }: Needle): boolean | undefined {
    const cell = this.#base + row
    const kind = this.#kinds[cell]
    if (kind === Kind.string) {
      const start = this.#spans[cell * 2] as number
      const length = (this.#spans[cell * 2 + 1] as number) - start
      return bytes !== undefined && bytes.length === length && isAt(this.#bytes, start, bytes)
    }
    if (kind === Kind.missing) return undefined
    return kind === Kind.escapedString && this.value(row) === text
  }

  startsWith(row: number, { text, bytes }: Needle): boolean | undefined {
    const cell = this.#base + row
    const kind = this.#kinds[cell]
    if (kind === Kind.string && bytes !== undefined) {
      const start = this.#spans[cell * 2] as number
      const length = (this.#spans[cell * 2 + 1] as number) - start
      return bytes.length <= length && isAt(this.#bytes, start, bytes)
    }
    if (kind !== Kind.string && kind !== Kind.escapedString) return undefined
    return (this.value(row) as string).startsWith(text)
  }

  #text(cell: number): string {
    return this.#bytes.toString('utf8', this.#spans[cell * 2], this.#spans[cell * 2 + 1])
  }
}

function isAt(block: Buffer, start: number, bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (block[start + i] !== bytes[i]) return false
  return true
}

/** Whatever has parsed records, or can make them. */
export interface Rows {
  record(row: number): JsonObject
}

/** A column read from records. */
export class RecordColumn implements Column {
  readonly #rows: Rows
  readonly #read: Reader

  constructor(rows: Rows, read: Reader) {
    this.#rows = rows
    this.#read = read
  }

  value(row: number): JsonValue | undefined {
    return this.#read(this.#rows.record(row))
  }

  has(row: number): boolean {
    return this.value(row) !== undefined
  }

  number(row: number): number {
    const value = this.value(row)
    return typeof value === 'number' ? value : Number.NaN
  }

  equals(row: number, { text }: Needle): boolean | undefined {
    const value = this.value(row)
    return value === undefined ? undefined : value === text
  }

  startsWith(row: number, { text }: Needle): boolean | undefined {
    const value = this.value(row)
    return typeof value === 'string' ? value.startsWith(text) : undefined
  }
}
