/**
 * Telling the rows of batches apart by some of their fields: the key under which a window, a bucket
 * or a cache keeps them, and the fields that a summary of a group carries.
 */
import { compactKey } from '../record/hash.ts'
import type { JsonObject } from '../record/json.ts'
import { formatPath, type Path } from '../record/path.ts'
import type { Batch } from './batch.ts'
import { type Column, Fields } from './columns.ts'
import { KnownKeys } from './known-keys.ts'

export class Grouping {
  /** What each field is called in a summary, in the order of the paths. */
  readonly names: readonly string[]
  readonly fields: Fields
  readonly #known = new KnownKeys()
  #columns: readonly Column[] = []

  constructor(paths: readonly Path[]) {
    this.names = groupNames(paths)
    this.fields = new Fields(paths)
  }

  /** From now on the rows are those of this batch. */
  of(batch: Batch): void {
    this.#columns = batch.columns(this.fields)
    this.#known.of(this.#columns, batch.bytes)
  }

  /** The same text for rows that agree in all fields (a missing field agrees with a missing one). */
  key(row: number): string {
    return this.#known.find(row) ?? this.#known.keep(row, this.#key(row))
  }

  /** The fields of a group, from any row of it; those that it does not have are left out. */
  summary(row: number): JsonObject {
    const fields: JsonObject = {}
    for (let i = 0; i < this.names.length; i++) {
      const value = this.#columns[i]?.value(row)
      if (value !== undefined) fields[this.names[i] as string] = value
    }
    return fields
  }

  /** True when a row has none of the fields. */
  absent(row: number): boolean {
    for (const column of this.#columns) if (column.has(row)) return false
    return true
  }

  #key(row: number): string {
    let key = ''
    for (const column of this.#columns) {
      const value = column.value(row)
      if (typeof value === 'string') key += `s${value.length}:${value}`
      else if (value !== undefined) key += `${JSON.stringify(value)};`
      else key += '-'
    }
    return compactKey(key)
  }
}

/**
 * Names for fields taken out of their places: the last part of the path (`data.http_target` gives
 * `http_target`), or the whole path as written where two would have the same name.
 */
export function groupNames(paths: readonly Path[]): string[] {
  const last = paths.map(path => {
    const part = path.at(-1)
    return typeof part === 'string' ? part : formatPath(path)
  })
  return paths.map((path, i) =>
    last.indexOf(last[i] as string) === last.lastIndexOf(last[i] as string)
      ? (last[i] as string)
      : formatPath(path),
  )
}
