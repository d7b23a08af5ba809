/**
 * The values that expressions work on: what JSON has, plus instants and spans of time. Absent and
 * failed are both `undefined`, the third value beside true and false.
 */
import type { JsonValue } from '../record/json.ts'

/** A point in time, as milliseconds since the epoch (fractional). */
export class Timestamp {
  readonly ms: number
  constructor(ms: number) {
    this.ms = ms
  }
}

/** Years 1 to 9999, as CEL bounds them. */
const FIRST_MS = -62_135_596_800_000
const LAST_MS = 253_402_300_799_999

/** A timestamp, unless it would lie outside of the years that CEL knows. */
export function timestampAt(ms: number): Timestamp | undefined {
  return ms >= FIRST_MS && ms <= LAST_MS ? new Timestamp(ms) : undefined
}

/** A span of time in milliseconds (fractional, may be negative). */
export class Duration {
  readonly ms: number
  constructor(ms: number) {
    this.ms = ms
  }
}

export type Value =
  | string
  | number
  | boolean
  | null
  | Timestamp
  | Duration
  | readonly Value[]
  | { readonly [key: string]: Value }

/** Names as `type()` gives them. A JSON number is an int when it has no fraction. */
export type Kind =
  | 'bool'
  | 'int'
  | 'double'
  | 'string'
  | 'list'
  | 'map'
  | 'null_type'
  | 'timestamp'
  | 'duration'

export const KINDS: ReadonlySet<string> = new Set<Kind>([
  'bool',
  'int',
  'double',
  'string',
  'list',
  'map',
  'null_type',
  'timestamp',
  'duration',
])

/** The type of a value. */
export function kindOf(value: Value): Kind {
  switch (typeof value) {
    case 'string':
      return 'string'
    case 'boolean':
      return 'bool'
    case 'number':
      return Number.isInteger(value) ? 'int' : 'double'
    default:
      if (value === null) return 'null_type'
      if (Array.isArray(value)) return 'list'
      if (value instanceof Timestamp) return 'timestamp'
      return value instanceof Duration ? 'duration' : 'map'
  }
}

/** Says whether a value is a list. */
export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

/** Says whether a value is a map. */
export function isMap(value: Value): value is { readonly [key: string]: Value } {
  return kindOf(value) === 'map'
}

/** CEL's equality: numbers by size, lists and maps by their parts; values of different types differ. */
export function equal(a: Value, b: Value): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (isList(a)) {
    if (!isList(b) || a.length !== b.length) return false
    return a.every((item, i) => equal(item, b[i] as Value))
  }
  if (isList(b)) return false
  if (a instanceof Timestamp) return b instanceof Timestamp && a.ms === b.ms
  if (a instanceof Duration) return b instanceof Duration && a.ms === b.ms
  if (!isMap(a) || !isMap(b)) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every(key => Object.hasOwn(b, key) && equal(a[key] as Value, b[key] as Value))
}

/** Below zero, zero or above; undefined where the two have no order. */
export function compare(a: Value, b: Value): number | undefined {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  if (a instanceof Timestamp && b instanceof Timestamp) return a.ms - b.ms
  if (a instanceof Duration && b instanceof Duration) return a.ms - b.ms
  return undefined
}

/** A value as JSON: timestamps in RFC 3339, durations in seconds (`1.5s`). */
export function toJson(value: Value): JsonValue {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Timestamp || value instanceof Duration) return timeText(value)
  if (isList(value)) return value.map(toJson)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]))
}

/** How a time is written. */
export function timeText(time: Timestamp | Duration): string {
  return time instanceof Timestamp ? new Date(time.ms).toISOString() : `${time.ms / 1000}s`
}
