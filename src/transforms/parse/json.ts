/** JSON within a string: its members keep their exact bytes. */
import { isObject } from '../../record/json.ts'
import { memberTexts, stringEnd } from '../../record/json-text.ts'
import type { Parsed } from './format.ts'

/** As deep as a line of JSON may nest when it comes in. */
const MAX_DEPTH = 1000

export function parseJson(text: string): Parsed {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'it is not valid JSON'
  }
  if (!isObject(value)) return 'it is valid JSON, but not an object'
  if (isDeep(text)) return `it nests deeper than ${MAX_DEPTH} levels`
  // Line breaks can only stand between tokens, and a record is one line.
  return memberTexts(text.replace(/[\r\n]/g, ' '))
}

function isDeep(text: string): boolean {
  let depth = 0
  for (let at = 0; at < text.length; ) {
    const char = text[at]
    if (char === '"') {
      at = stringEnd(text, at)
      continue
    }
    if (char === '{' || char === '[') {
      if (++depth > MAX_DEPTH) return true
    } else if (char === '}' || char === ']') depth--
    at++
  }
  return false
}
