/**
 * Finds long runs of a class of characters without looking at most of the text: of a run of n, every
 * n-th character of the text must hit one.
 */

import type { PatternRange } from '../pattern.ts'

/** Classes of ASCII characters, as bits. */
export const DIGIT_GROUPS = 1
export const HEX_AND_COLON = 2
export const BASE64 = 4

const CLASSES = new Uint8Array(128)
for (let code = 0; code < 128; code++) {
  const char = String.fromCharCode(code)
  if (/[0-9 -]/.test(char)) CLASSES[code] = (CLASSES[code] as number) | DIGIT_GROUPS
  if (/[0-9A-Fa-f:]/.test(char)) CLASSES[code] = (CLASSES[code] as number) | HEX_AND_COLON
  if (/[0-9A-Za-z+/]/.test(char)) CLASSES[code] = (CLASSES[code] as number) | BASE64
}

function isIn(text: string, at: number, mask: number): boolean {
  const code = text.charCodeAt(at)
  return code < 128 && ((CLASSES[code] as number) & mask) !== 0
}

/** Says whether a text has a run of at least so many characters of a class that passes a test. */
export function hasRun(
  text: string,
  mask: number,
  length: number,
  test?: (run: string) => boolean,
): boolean {
  for (let at = 0; ; ) {
    const run = nextRun(text, mask, length, at)
    if (!run) return false
    if (!test || test(text.slice(run.start, run.end))) return true
    at = run.end
  }
}

/** The first whole run of at least so many characters of a class, from a position on. */
export function nextRun(
  text: string,
  mask: number,
  length: number,
  from: number,
): PatternRange | undefined {
  let at = from + length - 1
  while (at < text.length) {
    if (!isIn(text, at, mask)) {
      at += length
      continue
    }
    let start = at
    while (start > from && isIn(text, start - 1, mask)) start--
    let end = at + 1
    while (end < text.length && isIn(text, end, mask)) end++
    if (end - start >= length) return { start, end }
    at = end + length
  }
  return undefined
}
