/**
 * When an event happened, read from its line without making an object of it where that is certain to
 * give the same answer. Files and objects are named by it, so it is asked for every event.
 */
import type { Batch } from '../batch/batch.ts'
import type { JsonObject, JsonValue } from '../record/json.ts'

/** The first second that has no four-digit year any more: times beyond are mistakes of the sender. */
const YEAR_10000 = 253_402_300_800

const valid = (seconds: number) => seconds >= 0 && seconds < YEAR_10000

/** `_time` in seconds since the epoch, or undefined where there is none that can be one. */
export function timeOf(record: JsonObject): number | undefined {
  return Object.hasOwn(record, '_time') ? timeIn(record['_time']) : undefined
}

/** The same, given what stands in `_time`. */
export function timeIn(value: JsonValue | undefined): number | undefined {
  const seconds =
    typeof value === 'number' ? value : typeof value === 'string' && value !== '' ? +value : -1
  return valid(seconds) ? seconds : undefined
}

const KEY = Buffer.from('"_time":')
const BACKSLASH = 0x5c
const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/

/** `_time` of one row, as timeOf gives it. */
export function eventTime(batch: Batch, row: number): number | undefined {
  const line = batch.line(row)
  const at = line.indexOf(KEY)
  // An unescaped `"_time":` is always a key. It is a key of the record itself when no other object or
  // array begins before it, and the one that counts when it does not come again.
  if (at > 0 && line[at - 1] !== BACKSLASH && line.lastIndexOf(KEY) === at) {
    let nested = false
    for (let i = 1; i < at && !nested; i++) nested = line[i] === 0x7b || line[i] === 0x5b
    const number = NUMBER.exec(
      line.toString('latin1', at + KEY.length, Math.min(line.length, at + KEY.length + 24)),
    )
    if (!nested && number && number[0].length < 24) {
      const seconds = Number(number[0])
      return valid(seconds) ? seconds : undefined
    }
  }
  return timeOf(batch.record(row))
}
