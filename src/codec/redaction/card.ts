/**
 * Finds payment card numbers: 13 to 19 digits, in groups with single blanks or hyphens between them or
 * in one, whose check digit is right. Numbers that start with 0 or 1 are left: no card that is in
 * common use does, and every timestamp in milli-, micro- or nanoseconds would be a candidate.
 */
import type { PatternRange } from '../pattern.ts'
import { DIGIT_GROUPS, nextRun } from './runs.ts'

const SHORTEST = 13
const LONGEST = 19

/** Ranges of card numbers in a text. Linear: from each group of digits at most 19 more are read. */
export function findCards(text: string): PatternRange[] {
  const ranges: PatternRange[] = []
  for (let from = 0; ; ) {
    // All of a card lies in one run of digits, blanks and hyphens, and most texts have no such run.
    const run = nextRun(text, DIGIT_GROUPS, SHORTEST, from)
    if (!run) return ranges
    findIn(text, run, ranges)
    from = run.end
  }
}

function findIn(text: string, { start, end: stop }: PatternRange, ranges: PatternRange[]): void {
  let at = start
  while (at < stop) {
    if (!isDigit(text, at)) {
      at++
      continue
    }
    const end = isStart(text, at) ? cardEnd(text, at) : -1
    if (end > 0) {
      ranges.push({ start: at, end })
      at = end
    } else {
      // A number starts where a group of digits does.
      while (isDigit(text, at)) at++
    }
  }
}

/** Says whether an integer's digits are those of a card. */
export function isCardNumber(digits: string): boolean {
  return (
    digits.length >= SHORTEST &&
    digits.length <= LONGEST &&
    isStart(digits, 0) &&
    cardEnd(digits, 0) === digits.length
  )
}

/** The end of the longest card number that starts at `start`, or -1. */
function cardEnd(text: string, start: number): number {
  let longest = -1
  let count = 0
  // Luhn: from the right every second digit is doubled. Which ones, depends on how many there will be.
  let sumIfEven = 0
  let sumIfOdd = 0
  let at = start
  while (count < LONGEST) {
    const digit = text.charCodeAt(at) - 0x30
    const doubled = digit > 4 ? digit * 2 - 9 : digit * 2
    sumIfEven += count % 2 === 0 ? doubled : digit
    sumIfOdd += count % 2 === 0 ? digit : doubled
    count++
    at++
    if (isDigit(text, at)) continue
    const sum = count % 2 === 0 ? sumIfEven : sumIfOdd
    if (count >= SHORTEST && sum % 10 === 0 && isEnd(text, at)) longest = at
    const separator = text[at]
    if ((separator !== ' ' && separator !== '-') || !isDigit(text, at + 1)) break
    at++
  }
  return longest
}

/** Not within a word such as a digest in hex, nor behind a decimal point. */
function isStart(text: string, at: number): boolean {
  const first = text.charCodeAt(at) - 0x30
  if (first < 2) return false
  if (at === 0) return true
  if (text[at - 1] === '.' && isDigit(text, at - 2)) return false
  return !/[A-Za-z0-9]/.test(text.charAt(at - 1))
}

function isEnd(text: string, at: number): boolean {
  if (text[at] === '.' && isDigit(text, at + 1)) return false
  return !/[A-Za-z]/.test(text.charAt(at))
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code >= 0x30 && code <= 0x39
}
