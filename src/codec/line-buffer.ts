/**
 * Cuts a byte stream where lines begin: chunks go in, blocks that start at a line's start come out.
 * The beginning of a line whose end has not come is kept here, in memory bounded by the longest line
 * that is allowed; of a longer one only the head is kept, and it is told once, when it has ended.
 * Streams that share an allowance cannot hold more than that together, however many there are.
 */
import type { Origin } from '../batch/batch.ts'
import { Budget } from '../batch/lease.ts'
import type { Context } from '../component/context.ts'

/** How much of a line that is too long is kept to be looked at. */
const HEAD = 4096
/** What a stream may keep between two lines. */
const SMALL = 1024
const NEWLINE = 0x0a

export class LineBuffer {
  readonly #limit: number
  readonly #tooLong: (head: Buffer, length: number, crowded: boolean) => void
  readonly #allowance: Budget | undefined
  /** Grows by doubling, so that a line that comes byte by byte is copied a bounded number of times. */
  #kept = Buffer.alloc(0)
  #length = 0
  /** True length so far of a line that is being thrown away; 0 when none is. */
  #skipping = 0
  #crowded = false

  /**
   * @param limit longest line, in bytes without its newline
   * @param tooLong called for each line that is longer, with its first bytes (a copy) and true length;
   *   `crowded` when it was not the line itself that was too long, but all unfinished ones together
   * @param allowance bytes that all streams of a source may keep together; its limit is at least `limit`
   */
  constructor(
    limit: number,
    tooLong: (head: Buffer, length: number, crowded: boolean) => void,
    allowance?: Budget,
  ) {
    this.#limit = limit
    this.#tooLong = tooLong
    this.#allowance = allowance
  }

  /** Bytes of an unfinished line that are held, or were thrown away. */
  get pending(): number {
    return this.#skipping || this.#length
  }

  /**
   * Takes over a chunk (the caller must not write to it again). When it holds a newline the result is
   * everything from the start of a line on, its last line perhaps unfinished: give what was not used
   * back to `keep`. Without a newline the result is undefined.
   */
  push(chunk: Buffer): Buffer | undefined {
    const newline = chunk.indexOf(NEWLINE)
    if (newline < 0) {
      this.keep(chunk)
      return undefined
    }
    if (this.#skipping > 0) {
      this.#tell(this.#skipping + newline)
      return chunk.subarray(newline + 1)
    }
    if (this.#length === 0) return chunk
    if (this.#length + newline > this.#limit + 1) {
      this.#skip(chunk.subarray(0, newline))
      this.#tell(this.#skipping)
      return chunk.subarray(newline + 1)
    }
    const block = Buffer.allocUnsafeSlow(this.#length + chunk.length)
    this.#kept.copy(block, 0, 0, this.#length)
    chunk.copy(block, this.#length)
    this.#length = 0
    this.#release(SMALL)
    return block
  }

  /** Like `push`, with several chunks in order; they are copied into one block. */
  pushAll(chunks: readonly Buffer[]): Buffer | undefined {
    const newline = (chunks[0] as Buffer).indexOf(NEWLINE)
    const plain = this.#skipping === 0 && newline >= 0 && this.#length + newline <= this.#limit + 1
    if (!plain) return this.push(Buffer.concat(chunks))
    let size = this.#length
    for (const chunk of chunks) size += chunk.length
    const block = Buffer.allocUnsafeSlow(size)
    let at = this.#kept.copy(block, 0, 0, this.#length)
    for (const chunk of chunks) at += chunk.copy(block, at)
    this.#length = 0
    this.#release(SMALL)
    return block
  }

  /** Keeps bytes, none of them a newline, until the rest of their line comes. They are copied. */
  keep(bytes: Buffer): void {
    if (bytes.length === 0) return
    if (this.#skipping > 0) this.#skipping += bytes.length
    // One byte more than the limit is let through: it may be the carriage return before a newline.
    else if (this.#length + bytes.length > this.#limit + 1) this.#skip(bytes)
    else if (!this.#reserve(this.#length + bytes.length)) {
      this.#crowded = true
      this.#skip(bytes)
    } else {
      bytes.copy(this.#kept, this.#length)
      this.#length += bytes.length
    }
  }

  /** The unfinished line at the end of the stream, if one is left and it is not too long. */
  end(): Buffer | undefined {
    if (this.#skipping > 0) {
      this.#tell(this.#skipping)
      return undefined
    }
    const rest = this.#length > 0 ? Buffer.from(this.#kept.subarray(0, this.#length)) : undefined
    this.#length = 0
    this.#release(0)
    return rest
  }

  /** Tells of a whole line within a block that was found to be too long. */
  tooLong(line: Buffer): void {
    this.#tooLong(Buffer.from(line.subarray(0, HEAD)), line.length, false)
  }

  #skip(bytes: Buffer): void {
    this.#skipping = this.#length + bytes.length
    const head = Buffer.concat([this.#kept.subarray(0, this.#length), bytes.subarray(0, HEAD)])
    this.#release(0)
    this.#kept = Buffer.from(head.subarray(0, HEAD))
    this.#length = this.#kept.length
    this.#allowance?.take(this.#length)
  }

  #tell(length: number): void {
    const head = this.#kept.subarray(0, this.#length)
    const crowded = this.#crowded
    this.#release(0)
    this.#length = 0
    this.#skipping = 0
    this.#crowded = false
    this.#tooLong(head, length, crowded)
  }

  #reserve(length: number): boolean {
    if (length <= this.#kept.length) return true
    const size = Math.min(Math.max(length, this.#kept.length * 2, 256), this.#limit + 1)
    const more = size - this.#kept.length
    if (this.#allowance && this.#allowance.used + more > this.#allowance.limit) return false
    this.#allowance?.take(more)
    const larger = Buffer.allocUnsafeSlow(size)
    this.#kept.copy(larger, 0, 0, this.#length)
    this.#kept = larger
    return true
  }

  /** Gives memory back unless it is small: quiet connections should cost little. */
  #release(small: number): void {
    if (this.#kept.length <= small) return
    this.#allowance?.give(this.#kept.length)
    this.#kept = Buffer.alloc(0)
  }
}

/** An allowance for all streams of one source, for lines of up to `limit` bytes. */
export function allowanceFor(limit: number): Budget {
  return new Budget(Math.max(32 * 1024 * 1024, 4 * limit))
}

/** Rejects lines that are too long, in the words that all stream sources share. */
export function tellTooLong(limit: number, origin: () => Origin, context: Pick<Context, 'reject'>) {
  return (head: Buffer, length: number, crowded: boolean): void => {
    context.reject({
      reason: crowded ? 'too_many_unfinished_lines' : 'line_too_long',
      explanation: crowded
        ? `The line of ${length} bytes could not be kept until it was whole: too many connections hold long unfinished lines at once. Lower max_connections or max_line_bytes.`
        : `The line is ${length} bytes long; max_line_bytes allows ${limit}.`,
      bytes: head,
      length,
      origin: origin(),
    })
  }
}
