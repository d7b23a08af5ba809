/**
 * One file that is followed: where it was read to, where its last whole line ended, what its contents
 * were known by, and how much of what was read has been dealt with.
 */
import { closeSync, fstatSync, readSync } from 'node:fs'
import { z } from 'zod'
import type { DecodedBlock, LineDecoder } from '../../codec/line-decoder.ts'
import {
  type Fingerprint,
  fingerprint,
  HEAD_BYTES,
  holdsMark,
  markOf,
  NOTHING,
  startsWith,
} from './fingerprint.ts'
import { Progress } from './progress.ts'
import { type Found, readRange } from './regular-file.ts'
import type { Start } from './start.ts'

const fingerprintShape = z.object({ bytes: z.int().nonnegative(), hash: z.string() })

/** What a checkpoint keeps of a file that is read by lines. */
export const tailEntry = z.object({
  path: z.string(),
  /** Device and inode, as one word. */
  key: z.string(),
  offset: z.int().nonnegative(),
  /** Of the first bytes of the file, up to 1 KiB. */
  head: fingerprintShape,
  /** Of the bytes right before the offset. */
  mark: fingerprintShape,
  /** When it was last found, in milliseconds since the epoch. */
  seen: z.number(),
})

export type TailEntry = z.output<typeof tailEntry>

/** Whole lines that were read (none, if all were rejected or blank), and how the file is marked after them. */
export type TakeLines = (block: DecodedBlock | undefined, end: number, mark: Fingerprint) => void

/** Bytes of an unfinished line that are held while its end is awaited; of more the file is the memory. */
const MOST_HELD = 16 * 1024
const NEWLINE = 0x0a
const NUL = 0x00

export class Tail {
  readonly key: string
  fd: number | undefined
  progress: Progress
  /** Whether there may be bytes that were not read yet. */
  unread = true
  /** Whether it waits for its turn to be read. */
  queued = false
  /** Since when it is no longer where the patterns look, or was last seen to grow there; monotonic. */
  goneSince: number | undefined
  /** Whether no name leads to it any more, as far as is known. */
  deleted = false
  /** NUL bytes that were left out since someone set this to 0. */
  skipped = 0
  #place: Omit<Found, 'stats'>
  readonly #longest: number
  readonly #makeDecoder: (path: string) => LineDecoder
  readonly #onMoved: () => void
  #decoder: LineDecoder
  #head: Fingerprint
  /** Of the bytes right before `#lineEnd`. */
  #mark: Fingerprint
  #position: number
  /** Where the last whole line ended, or where a hole begins whose end is not known. */
  #lineEnd: number
  /** Whether all bytes from `#lineEnd` to `#position` are NUL. */
  #inHole = false
  #size = 0
  #changed = 0n
  #gaveUp = false
  #seen = 0

  /**
   * @param longest bytes that a line may have; of a longer one the decoder holds next to nothing
   * @param makeDecoder gives the decoder for a file of that path, at a line's start
   * @param onMoved called whenever more of the file has been dealt with
   */
  constructor(
    key: string,
    place: Omit<Found, 'stats'>,
    head: Fingerprint,
    start: Start,
    longest: number,
    makeDecoder: (path: string) => LineDecoder,
    onMoved: () => void,
  ) {
    this.key = key
    this.#place = place
    this.#longest = longest
    this.#makeDecoder = makeDecoder
    this.#onMoved = onMoved
    this.#decoder = makeDecoder(place.path)
    this.#head = head
    this.#mark = start.mark
    this.#position = start.offset
    this.#lineEnd = start.offset
    this.progress = new Progress(start.offset, start.mark, onMoved)
  }

  get place(): Omit<Found, 'stats'> {
    return this.#place
  }

  get path(): string {
    return this.#place.path
  }

  get position(): number {
    return this.#position
  }

  get size(): number {
    return this.#size
  }

  /** What its head is known by, as one word. Empty files have none. */
  get headKey(): string | undefined {
    return this.#head.bytes > 0 ? `${this.#head.bytes}:${this.#head.hash}` : undefined
  }

  /** It was found, perhaps by a new name. Says whether it has changed since the last look. */
  meet(found: Found, now: number): boolean {
    this.#place = found
    this.goneSince = undefined
    this.#seen = now
    return this.#notice(Number(found.stats.size), found.stats.mtimeNs)
  }

  /** It was not found where the patterns look. Says whether it has changed since the last look. */
  miss(now: number): boolean {
    if (this.goneSince === undefined) {
      this.goneSince = now
      this.unread = true
    }
    const stats = fstatSync(this.fd as number, { bigint: true })
    this.deleted = stats.nlink === 0n
    const changed = this.#notice(Number(stats.size), stats.mtimeNs)
    if (changed) this.goneSince = now
    return changed
  }

  /** Whether the open file still holds what was read from it. */
  intact(): boolean {
    const fd = this.fd as number
    if (this.#size < this.#position) return false
    const head = readRange(fd, 0, HEAD_BYTES)
    if (!startsWith(head, this.#head) || !holdsMark(fd, this.#lineEnd, this.#mark)) return false
    return true
  }

  /** The file was truncated or rewritten: it is another one now, from its beginning. */
  restart(): void {
    this.#decoder = this.#makeDecoder(this.path)
    this.#head = NOTHING
    this.#mark = NOTHING
    this.#position = 0
    this.#lineEnd = 0
    this.#inHole = false
    this.progress = new Progress(0, NOTHING, this.#onMoved)
    this.unread = this.#size > 0
  }

  /**
   * Reads one chunk into a buffer that is given away, and decodes what lines it ends.
   * @returns how many bytes were read; fewer than asked for at the end of the file
   */
  read(allocate: (fill: (into: Buffer) => number) => Buffer, take: TakeLines): number {
    const from = this.#position
    const chunk = allocate(into => readSync(this.fd as number, into, 0, into.length, from))
    this.#position += chunk.length
    // Copytruncate and lost power leave runs of NULs where lines should begin: no part of a line.
    if (this.#inHole || chunk.includes(NUL)) this.#takeAroundHoles(chunk, from, take)
    else if (chunk.length > 0) this.#take(chunk, from, take)
    this.#learnHead()
    return chunk.length
  }

  /** The end was reached, for now. What is better read again than held is forgotten. */
  rest(): void {
    this.unread = false
    const held = this.#position - this.#lineEnd
    const large = held > MOST_HELD && held <= this.#longest && this.goneSince === undefined
    if (large) this.#decoder = this.#makeDecoder(this.path)
    if (large || this.#inHole) this.#position = this.#lineEnd
    this.#inHole = false
  }

  /** It cannot be read at the moment: the next look tries again. */
  giveUp(): void {
    this.unread = false
    this.#gaveUp = true
  }

  /** The file is gone and quiet: what stands after its last newline is its last line. */
  finish(take: TakeLines): void {
    if (this.#position > this.#lineEnd) {
      this.#lineEnd = this.#position
      take(this.#decoder.end(), this.#position, NOTHING)
    }
    this.close()
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd)
    this.fd = undefined
  }

  /** The same as if all that was read had been dealt with. */
  entryAsRead(): TailEntry {
    return { ...this.entry(), offset: this.#lineEnd, mark: this.#mark }
  }

  entry(): TailEntry {
    const { offset, mark } = this.progress
    return { path: this.path, key: this.key, offset, head: this.#head, mark, seen: this.#seen }
  }

  /** Only of what was read as whole lines: the rest may still be written over. */
  #learnHead(): void {
    const bytes = Math.min(HEAD_BYTES, this.#lineEnd)
    if (this.fd === undefined || this.#head.bytes >= bytes) return
    this.#head = fingerprint(readRange(this.fd, 0, bytes))
  }

  #notice(size: number, changed: bigint): boolean {
    if (size === this.#size && changed === this.#changed && !this.#gaveUp) return false
    this.#gaveUp = false
    this.#size = size
    this.#changed = changed
    this.unread = true
    return true
  }

  #take(piece: Buffer, from: number, take: TakeLines): void {
    const end = piece.lastIndexOf(NEWLINE) + 1
    const block = this.#decoder.push(piece)
    if (end === 0) return
    this.#lineEnd = from + end
    this.#mark = markOf(piece.subarray(0, end))
    take(block, this.#lineEnd, this.#mark)
  }

  /** Leaves out runs of NULs that stand where a line should begin, once something follows them. */
  #takeAroundHoles(chunk: Buffer, from: number, take: TakeLines): void {
    let at = 0
    while (at < chunk.length) {
      if ((this.#inHole || from + at === this.#lineEnd) && chunk[at] === NUL) {
        this.#inHole = true
        while (chunk[at] === NUL) at++
        if (at === chunk.length) return
      }
      if (this.#inHole) {
        this.skipped += from + at - this.#lineEnd
        this.#lineEnd = from + at
        this.#mark = NOTHING
        this.#inHole = false
      }
      const hole = chunk.indexOf('\n\0', at)
      const end = hole < 0 ? chunk.length : hole + 1
      this.#take(chunk.subarray(at, end), from + at, take)
      at = end
    }
  }
}
