/** Reading one field of many records: what expressions and groupings do most, so made once per path. */
import type { JsonObject, JsonValue } from './json.ts'
import { type Path, valueAt } from './path.ts'

/** Reads one place of a record; undefined where it is missing. */
export type Reader = (record: JsonObject) => JsonValue | undefined

/**
 * A reader for a path. Field names that nothing inherits can be looked up without asking whether the
 * object owns them, which is several times faster; `constructor`, `length` and `0` take the long way.
 */
export function readerOf(path: Path): Reader {
  if (path.length > 0 && path.every(isPlain)) {
    const [first, second, third] = path as readonly string[]
    if (path.length === 1) return record => record[first as string]
    if (path.length === 2) return record => step(record[first as string], second as string)
    if (path.length === 3) {
      return record => step(step(record[first as string], second as string), third as string)
    }
  }
  return record => valueAt(record, path)
}

/** Says whether `value[name]` can only be an own field of a JSON object. */
function isPlain(name: string | number): name is string {
  if (typeof name === 'number' || /^\d+$/.test(name)) return false
  return !INHERITING.some(prototype => name in prototype)
}

const INHERITING: readonly object[] = [
  Object.prototype,
  Array.prototype,
  String.prototype,
  Number.prototype,
  Boolean.prototype,
]

function step(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return value === undefined || value === null ? undefined : (value as JsonObject)[name]
}
