/**
 * Telling records apart by some of their fields: the key under which a window, a bucket or a cache
 * keeps them, and the fields that a summary of a group carries.
 */
import { compactKey } from './hash.ts'
import type { JsonObject } from './json.ts'
import { formatPath, type Path } from './path.ts'
import { type Reader, readerOf } from './reader.ts'

export class Grouping {
  /** What each field is called in a summary, in the order of the paths. */
  readonly names: readonly string[]
  readonly #readers: readonly Reader[]

  constructor(paths: readonly Path[]) {
    this.names = groupNames(paths)
    this.#readers = paths.map(readerOf)
  }

  /** The same text for records that agree in all fields (a missing field agrees with a missing one). */
  key(record: JsonObject): string {
    let key = ''
    for (const read of this.#readers) {
      const value = read(record)
      if (typeof value === 'string') key += `s${value.length}:${value}`
      else if (value !== undefined) key += `${JSON.stringify(value)};`
      else key += '-'
    }
    return compactKey(key)
  }

  /** The fields of a group, from any record of it; those that it does not have are left out. */
  fields(record: JsonObject): JsonObject {
    const fields: JsonObject = {}
    for (let i = 0; i < this.names.length; i++) {
      const value = this.#readers[i]?.(record)
      if (value !== undefined) fields[this.names[i] as string] = value
    }
    return fields
  }

  /** True when a record has none of the fields. */
  absent(record: JsonObject): boolean {
    return this.#readers.every(read => read(record) === undefined)
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
