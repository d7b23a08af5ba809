/**
 * Cuts a byte stream where lines begin: chunks go in, blocks that start at a line's start come out.
 * The beginning of a line whose end has not come is kept here, in memory bounded by the longest line
 * that is allowed; of a longer one only the head is kept, and it is told once, when it has ended.
 */

/** How much of a line that is too long is kept to be looked at. */
const HEAD = 4096
const NEWLINE = 0x0a

export class LineBuffer {
  readonly #limit: number
  readonly #tooLong: (head: Buffer, length: number) => void
  /** Grows by doubling, so that a line that comes byte by byte is copied a bounded number of times. */
  #kept = Buffer.alloc(0)
  #length = 0
  /** True length so far of a line that is being thrown away; 0 when none is. */
  #skipping = 0

  /**
   * @param limit longest line, in bytes without its newline
   * @param tooLong called for each line that is longer, with its first bytes (a copy) and true length
   */
  constructor(limit: number, tooLong: (head: Buffer, length: number) => void) {
    this.#limit = limit
    this.#tooLong = tooLong
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
    this.#release()
    return block
  }

  /** Keeps bytes, none of them a newline, until the rest of their line comes. They are copied. */
  keep(bytes: Buffer): void {
    if (bytes.length === 0) return
    if (this.#skipping > 0) this.#skipping += bytes.length
    // One byte more than the limit is let through: it may be the carriage return before a newline.
    else if (this.#length + bytes.length > this.#limit + 1) this.#skip(bytes)
    else {
      this.#reserve(this.#length + bytes.length)
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
    this.#release()
    return rest
  }

  /** Tells of a whole line within a block that was found to be too long. */
  tooLong(line: Buffer): void {
    this.#tooLong(Buffer.from(line.subarray(0, HEAD)), line.length)
  }

  #skip(bytes: Buffer): void {
    this.#skipping = this.#length + bytes.length
    const head = Buffer.concat([this.#kept.subarray(0, this.#length), bytes.subarray(0, HEAD)])
    this.#kept = Buffer.from(head.subarray(0, HEAD))
    this.#length = this.#kept.length
  }

  #tell(length: number): void {
    const head = this.#kept.subarray(0, this.#length)
    this.#kept = Buffer.alloc(0)
    this.#length = 0
    this.#skipping = 0
    this.#tooLong(head, length)
  }

  #reserve(length: number): void {
    if (length <= this.#kept.length) return
    const size = Math.min(Math.max(length, this.#kept.length * 2, 256), this.#limit + 1)
    const larger = Buffer.allocUnsafeSlow(size)
    this.#kept.copy(larger, 0, 0, this.#length)
    this.#kept = larger
  }

  /** Gives back the memory of an unusually long line, so that quiet connections cost little. */
  #release(): void {
    if (this.#kept.length > 65_536) this.#kept = Buffer.alloc(0)
  }
}
