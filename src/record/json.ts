/** JSON values as they travel in a record; the only shapes that a batch line can hold. */
export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject

/** A JSON object. Own keys only: records are never looked up through a prototype. */
export interface JsonObject {
  [key: string]: JsonValue
}

/** Says whether a parsed value is a JSON object (not an array, not null). */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
