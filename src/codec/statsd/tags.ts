/**
 * Between the tags of a line and the fields of a record: a tag whose key is one of a metric's own
 * fields gets one more underscore in front, and loses it again on the way out.
 */
import type { JsonObject, JsonValue } from '../../record/json.ts'
import { METRIC_FIELDS, type TagValue } from '../../record/metric.ts'

const OWN = [...METRIC_FIELDS].map(field => field.slice(1)).join('|')
/** Also `__proto__`, which must never be assigned to an object. */
const TAKEN = new RegExp(`^(?:_+(?:${OWN})|_*__proto__)$`)
const MOVED = new RegExp(`^_(?:_+(?:${OWN})|_*__proto__)$`)
const UNDERSCORE = 0x5f

/** The field of a record that a tag is kept in: its own key unless a metric has a field of that name. */
export function fieldOfTag(key: string): string {
  return key.charCodeAt(0) === UNDERSCORE && TAKEN.test(key) ? `_${key}` : key
}

/** The tag that a field came from; the inverse of fieldOfTag. */
export function tagOfField(field: string): string {
  return field.charCodeAt(0) === UNDERSCORE && MOVED.test(field) ? field.slice(1) : field
}

/**
 * Reads `key:value,key,…` into a map from field to value: `true` for a tag without a value, an array
 * where a key came several times, in the order they came.
 */
export function readTags(text: string, into: Map<string, TagValue>, separator = ':'): void {
  let start = 0
  while (start < text.length) {
    let end = text.indexOf(',', start)
    if (end < 0) end = text.length
    if (end > start) {
      const tag = text.slice(start, end)
      const colon = tag.indexOf(separator)
      if (colon < 0) addTag(into, tag, true)
      else addTag(into, tag.slice(0, colon), tag.slice(colon + 1))
    }
    start = end + 1
  }
}

/** Adds one tag; a second value of a key makes an array of them. */
export function addTag(into: Map<string, TagValue>, key: string, value: string | true): void {
  const field = fieldOfTag(key)
  const before = into.get(field)
  if (before === undefined) into.set(field, value)
  else if (Array.isArray(before)) before.push(value)
  else into.set(field, [before, value])
}

/** Tags as an object, for events and service checks. */
export function tagObject(tags: ReadonlyMap<string, JsonValue>): JsonObject {
  const object: JsonObject = {}
  for (const [field, value] of tags) object[field] = value
  return object
}
