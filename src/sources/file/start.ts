/** Where to begin in a file: right after the end of a line, known by what stands before it. */
import {
  type Fingerprint,
  holdsMark,
  MARK_BYTES,
  markOf,
  NOTHING,
  startsWith,
} from './fingerprint.ts'
import { readRange } from './regular-file.ts'

export interface Start {
  readonly offset: number
  /** Of the bytes right before the offset. */
  readonly mark: Fingerprint
}

export const BEGINNING: Start = { offset: 0, mark: NOTHING }

const NEWLINE = 0x0a

/** Whether an open file still begins with, and still holds, what is known of one. */
export function stillHolds(
  fd: number,
  head: Buffer,
  size: number,
  known: Start & { readonly head: Fingerprint },
): boolean {
  return (
    size >= known.offset && startsWith(head, known.head) && holdsMark(fd, known.offset, known.mark)
  )
}

/** The end of the last whole line, so that what is read begins with a line's beginning. */
export function lastLineEnd(fd: number, size: number, longest: number): Start {
  const from = Math.max(0, size - longest)
  const newline = readRange(fd, from, size - from).lastIndexOf(NEWLINE)
  if (newline < 0 && from === 0) return BEGINNING
  const offset = newline < 0 ? size : from + newline + 1
  const before = Math.min(offset, MARK_BYTES)
  return { offset, mark: markOf(readRange(fd, offset - before, before)) }
}
