/**
 * Reads valid JSON text by position, without making objects: where a string or a value ends, what a
 * string says, what text stands at a path. Never recurses, so nesting depth costs no stack.
 */
import type { Path } from './path.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** The first position from `at` on that is not white space. */
export function skipSpace(text: string, at: number): number {
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) return at
    at++
  }
}

/** Just after the string whose opening quote stands at `at`. */
export function stringEnd(text: string, at: number): number {
  const start = at + 1
  let end = start
  for (;;) {
    end = text.indexOf('"', end)
    if (end < 0) return text.length
    let first = end
    while (first > start && text.charCodeAt(first - 1) === BACKSLASH) first--
    end++
    if (((end - 1 - first) & 1) === 0) return end
  }
}

/** Just after the number, `true`, `false` or `null` that starts at `at`. */
export function atomEnd(text: string, at: number): number {
  for (;;) {
    const code = text.charCodeAt(at)
    // NaN is what lies past the end of the text.
    if (
      code === COMMA ||
      code === CLOSE_BRACE ||
      code === CLOSE_BRACKET ||
      code <= 0x20 ||
      Number.isNaN(code)
    ) {
      return at
    }
    at++
  }
}

/** Just after the value that starts at `at`, whatever it is. */
export function valueEnd(text: string, at: number): number {
  const code = text.charCodeAt(at)
  if (code === QUOTE) return stringEnd(text, at)
  if (code !== OPEN_BRACE && code !== OPEN_BRACKET) return atomEnd(text, at)
  let depth = 0
  while (at < text.length) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = stringEnd(text, at)
        continue
      case OPEN_BRACE:
      case OPEN_BRACKET:
        depth++
        break
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        if (--depth === 0) return at + 1
        break
    }
    at++
  }
  return at
}

/** What the string between two positions, quotes included, stands for. */
export function decodeString(text: string, start: number, end: number): string {
  const inner = text.slice(start + 1, end - 1)
  return inner.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : inner
}

/** Says whether the value at `at` is an object. */
export function isObjectAt(text: string, at: number): boolean {
  return text.charCodeAt(at) === OPEN_BRACE
}

/** Says whether the value at `at` is an array. */
export function isArrayAt(text: string, at: number): boolean {
  return text.charCodeAt(at) === OPEN_BRACKET
}

/** Says whether the value at `at` is a string. */
export function isStringAt(text: string, at: number): boolean {
  return text.charCodeAt(at) === QUOTE
}

/** Says whether the container that was opened or continued before `at` is closed there. */
export function isCloseAt(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code === CLOSE_BRACE || code === CLOSE_BRACKET
}

/**
 * The text of the value at a path, as JSON.parse would find it: of duplicate keys the last. Undefined
 * where a step is missing.
 */
export function valueTextAt(text: string, path: Path): string | undefined {
  const escapes = text.includes('\\')
  let at = skipSpace(text, 0)
  for (const part of path) {
    const found =
      typeof part === 'number' ? elementAt(text, at, part) : memberAt(text, at, part, escapes)
    if (found < 0) return undefined
    at = found
  }
  return text.slice(at, valueEnd(text, at))
}

function memberAt(text: string, open: number, key: string, escapes: boolean): number {
  if (text.charCodeAt(open) !== OPEN_BRACE) return -1
  const quoted = `"${key}"`
  let found = -1
  let at = skipSpace(text, open + 1)
  while (text.charCodeAt(at) !== CLOSE_BRACE) {
    const end = stringEnd(text, at)
    const value = skipSpace(text, skipSpace(text, end) + 1)
    if (isKey(text, at, end, key, quoted, escapes)) found = value
    at = skipSpace(text, valueEnd(text, value))
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1)
  }
  return found
}

/** The members of an object's text, each with the text of its value. Of duplicate keys the last. */
export function memberTexts(text: string): Map<string, string> {
  const members = new Map<string, string>()
  let at = skipSpace(text, skipSpace(text, 0) + 1)
  while (text.charCodeAt(at) !== CLOSE_BRACE) {
    const end = stringEnd(text, at)
    const value = skipSpace(text, skipSpace(text, end) + 1)
    const stop = valueEnd(text, value)
    members.set(decodeString(text, at, end), text.slice(value, stop))
    at = skipSpace(text, stop)
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1)
  }
  return members
}

function elementAt(text: string, open: number, index: number): number {
  if (text.charCodeAt(open) !== OPEN_BRACKET) return -1
  let at = skipSpace(text, open + 1)
  for (let i = 0; text.charCodeAt(at) !== CLOSE_BRACKET; i++) {
    if (i === index) return at
    at = skipSpace(text, valueEnd(text, at))
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1)
  }
  return -1
}

/**
 * Says whether the string between two positions is a key, however it is escaped.
 * @param quoted the key between quotes, as it stands in text when nothing is escaped
 * @param escapes whether the text holds any backslash at all
 */
export function isKey(
  text: string,
  start: number,
  end: number,
  key: string,
  quoted: string,
  escapes: boolean,
): boolean {
  if (!escapes) return end - start === quoted.length && text.startsWith(quoted, start)
  // An escape only makes the text longer than what it stands for.
  if (end - start < quoted.length) return false
  return decodeString(text, start, end) === key
}

/**
 * Called for each string and number: the positions of its text (quotes included), and its path on
 * demand. Answers with the JSON text to put there, or undefined to leave it.
 */
export type ScalarVisitor = (start: number, end: number, path: () => Path) => string | undefined

/** A replacement of a range of a text. */
export interface Splice {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** The text with ranges replaced; they come in order and do not overlap. */
export function applySplices(text: string, splices: readonly Splice[]): string {
  let out = ''
  let at = 0
  for (const splice of splices) {
    out += text.slice(at, splice.start) + splice.text
    at = splice.end
  }
  return out + text.slice(at)
}

/**
 * Visits every string and number of the value that starts at `at`, at any depth, but no keys.
 * @param above the path of that value
 * @param numbers whether numbers are visited at all
 * @returns just after the value
 */
export function visitScalars(
  text: string,
  at: number,
  above: Path,
  numbers: boolean,
  visit: ScalarVisitor,
  out: Splice[],
): number {
  // One entry for each open container: where its current key starts, or ~index in an array.
  const steps: number[] = []
  const path = (): Path => [
    ...above,
    ...steps.map(step => (step < 0 ? ~step : decodeString(text, step, stringEnd(text, step)))),
  ]
  let top = -1
  do {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      const end = stringEnd(text, at)
      // Within an object, what stands before a colon is a key.
      if (top >= 0 && (steps[top] as number) >= 0) {
        const next = skipSpace(text, end)
        if (text.charCodeAt(next) === COLON) {
          steps[top] = at
          at = next + 1
          continue
        }
      }
      const replacement = visit(at, end, path)
      if (replacement !== undefined) out.push({ start: at, end, text: replacement })
      at = end
    } else if (code === COMMA) {
      if ((steps[top] as number) < 0) steps[top] = (steps[top] as number) - 1
      at++
    } else if (code === OPEN_BRACE) {
      top = steps.push(0) - 1
      at++
    } else if (code === OPEN_BRACKET) {
      top = steps.push(-1) - 1
      at++
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      steps.pop()
      top--
      at++
    } else if (code <= 0x20) {
      at++
    } else {
      const end = atomEnd(text, at)
      if (numbers && code <= 0x39) {
        const replacement = visit(at, end, path)
        if (replacement !== undefined) out.push({ start: at, end, text: replacement })
      }
      at = end
    }
  } while (top >= 0 && at < text.length)
  return at
}
