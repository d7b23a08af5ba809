/**
 * Fingerprints: whether a file still begins with, and still holds at a place, the bytes that it held
 * when it was read. Inodes are used again and files are rewritten in place; contents tell.
 */
import { createHash } from 'node:crypto'
import { readRange } from './regular-file.ts'

/** A hash of some bytes of a file; which ones is known from where it stands. */
export interface Fingerprint {
  readonly bytes: number
  readonly hash: string
}

/** Bytes at the start of a file that it is known by. */
export const HEAD_BYTES = 1024
/** Bytes right before a position that show that all before it is still the same. */
export const MARK_BYTES = 256

export function fingerprint(bytes: Buffer): Fingerprint {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 32)
  return { bytes: bytes.length, hash }
}

export const NOTHING = fingerprint(Buffer.alloc(0))

/** The fingerprint of the last bytes of a piece. */
export function markOf(piece: Buffer): Fingerprint {
  return fingerprint(piece.subarray(Math.max(0, piece.length - MARK_BYTES)))
}

/** Whether a file's first bytes are those of a fingerprint, or begin with them. */
export function startsWith(head: Buffer, known: Fingerprint): boolean {
  if (head.length < known.bytes) return false
  return fingerprint(head.subarray(0, known.bytes)).hash === known.hash
}

/** Whether the bytes right before a position are those of a mark. */
export function holdsMark(fd: number, position: number, mark: Fingerprint): boolean {
  if (mark.bytes === 0) return true
  if (position < mark.bytes) return false
  const bytes = readRange(fd, position - mark.bytes, mark.bytes)
  return bytes.length === mark.bytes && fingerprint(bytes).hash === mark.hash
}
