/**
 * Finds email addresses, also where a URL has written the at sign as `%40`: from each at sign as far
 * as a name goes to the left and a domain with at least one dot to the right.
 */
import type { PatternRange } from '../pattern.ts'

const AT = /@|%40/g
const LOCAL = /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}0-9._%+'~-]/u
const DOMAIN = /[\p{L}\p{N}.-]{1,255}/uy
const TOP = /^(?:\p{L}{2,63}|xn--[A-Za-z0-9-]{1,59})$/u

/** How long the part before the at sign may be. */
const LONGEST_LOCAL = 64

/** Ranges of addresses. Linear: at most 64 characters before and 255 after each at sign are read. */
export function findEmails(value: string): PatternRange[] {
  const ranges: PatternRange[] = []
  let floor = 0
  AT.lastIndex = 0
  for (;;) {
    const sign = AT.exec(value)
    if (!sign) return ranges
    const after = AT.lastIndex
    const start = localStart(value, sign.index, Math.max(floor, sign.index - LONGEST_LOCAL))
    if (start === sign.index) continue
    const end = domainEnd(value, after)
    if (end < 0) continue
    ranges.push({ start, end })
    floor = end
    AT.lastIndex = end
  }
}

function localStart(value: string, end: number, floor: number): number {
  let start = end
  while (start > floor && LOCAL.test(value.charAt(start - 1))) start--
  // Quotation marks, dashes and stops before a name belong to the sentence around it.
  while (start < end && /[.'~-]/.test(value.charAt(start))) start++
  return start
}

function domainEnd(value: string, start: number): number {
  DOMAIN.lastIndex = start
  const domain = DOMAIN.exec(value)?.[0]
  if (domain === undefined) return -1
  const labels = domain.split('.')
  const empty = labels.indexOf('')
  if (empty >= 0) labels.length = empty
  // What follows a sentence's stop may look like a label: the last that can be a top domain counts.
  while (labels.length > 1 && !TOP.test((labels.at(-1) as string).replace(/-+$/, ''))) labels.pop()
  if (labels.length < 2) return -1
  return start + labels.join('.').replace(/-+$/, '').length
}
