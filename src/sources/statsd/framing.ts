/**
 * Payloads out of a byte stream: lines ended by newlines, or DogStatsD's stream framing, where a
 * 32-bit little-endian length stands in front of each payload.
 */

export type Framing = 'auto' | 'newline' | 'length'

const NEWLINE = 0x0a
const PREFIX = 4

/** Why a stream, or a part of it, could not be taken. */
export interface FramingProblem {
  readonly reason: 'line_too_long' | 'frame_too_long' | 'truncated'
  readonly explanation: string
  /** The first bytes of it. */
  readonly bytes: Buffer
  /** The stream can't be followed any more. */
  readonly fatal: boolean
}

export interface FramerOptions {
  framing: Framing
  /** The longest line or frame, in bytes. */
  maxBytes: number
  /** Takes whole lines, or a whole frame. The bytes are only lent. */
  payload(bytes: Buffer): void
  problem(problem: FramingProblem): void
}

export class Framer {
  readonly #options: FramerOptions
  #framing: Framing
  /** What came since the last whole payload. */
  #parts: Buffer[] = []
  #length = 0
  /** Inside a line that is too long: everything up to the next newline is passed over. */
  #skipping = false
  #dead = false

  constructor(options: FramerOptions) {
    this.#options = options
    this.#framing = options.framing
  }

  /** Takes the next bytes of the stream. */
  push(chunk: Buffer): void {
    if (this.#dead || chunk.length === 0) return
    if (this.#framing === 'auto') {
      this.#keep(chunk)
      if (this.#length < PREFIX) return
      const start = this.#take()
      // No text has a NUL there, and no frame is as long as 16 MiB.
      this.#framing = start[PREFIX - 1] === 0 ? 'length' : 'newline'
      this.push(start)
    } else if (this.#framing === 'newline') this.#lines(chunk)
    else this.#frames(chunk)
  }

  /** The peer has ended the stream in order: a last line needs no newline. */
  end(): void {
    if (this.#dead || this.#length === 0) return
    const rest = this.#take()
    if (this.#framing !== 'length') this.#options.payload(rest)
    else {
      this.#options.problem({
        reason: 'truncated',
        explanation: 'the connection ended inside a frame',
        bytes: rest,
        fatal: true,
      })
    }
  }

  /** The stream broke off: what is not whole may be cut anywhere and is not used. */
  abort(): void {
    if (this.#dead || this.#length === 0) return
    this.#options.problem({
      reason: 'truncated',
      explanation: 'the connection broke off inside a line or frame',
      bytes: this.#take(),
      fatal: true,
    })
  }

  #lines(chunk: Buffer): void {
    let rest = chunk
    if (this.#skipping) {
      const newline = rest.indexOf(NEWLINE)
      if (newline < 0) return
      this.#skipping = false
      rest = rest.subarray(newline + 1)
    }
    const last = rest.lastIndexOf(NEWLINE)
    if (last >= 0) {
      this.#keep(rest.subarray(0, last + 1))
      this.#hand(this.#take())
      rest = rest.subarray(last + 1)
    }
    // A copy: the rest of a line would keep its whole chunk in memory.
    if (rest.length > 0) this.#keep(Buffer.from(rest))
    if (this.#length <= this.#options.maxBytes) return
    this.#skipping = true
    this.#tooLong(this.#take())
  }

  /** Hands over whole lines, without those that are too long. */
  #hand(lines: Buffer): void {
    const { maxBytes, payload } = this.#options
    let from = 0
    for (let start = 0; lines.length > maxBytes && start < lines.length; ) {
      const end = lines.indexOf(NEWLINE, start)
      if (end - start > maxBytes) {
        if (start > from) payload(lines.subarray(from, start))
        this.#tooLong(lines.subarray(start, end))
        from = end + 1
      }
      start = end + 1
    }
    if (from < lines.length) payload(from === 0 ? lines : lines.subarray(from))
  }

  #tooLong(line: Buffer): void {
    this.#options.problem({
      reason: 'line_too_long',
      explanation: `a line is longer than max_line_bytes (${this.#options.maxBytes})`,
      bytes: line,
      fatal: false,
    })
  }

  #frames(chunk: Buffer): void {
    this.#keep(chunk)
    if (this.#length < PREFIX) return
    let bytes = this.#take()
    while (bytes.length >= PREFIX) {
      const length = bytes.readUInt32LE(0)
      if (length > this.#options.maxBytes) {
        this.#dead = true
        this.#options.problem({
          reason: 'frame_too_long',
          explanation: `a frame says that it is ${length} bytes long, more than max_line_bytes (${this.#options.maxBytes}); the stream cannot be followed from here`,
          bytes,
          fatal: true,
        })
        return
      }
      if (bytes.length < PREFIX + length) break
      if (length > 0) this.#options.payload(bytes.subarray(PREFIX, PREFIX + length))
      bytes = bytes.subarray(PREFIX + length)
    }
    if (bytes.length > 0) this.#keep(Buffer.from(bytes))
  }

  #keep(part: Buffer): void {
    this.#parts.push(part)
    this.#length += part.length
    // A peer that sends byte by byte must not cost an object for each.
    if (this.#parts.length > 64) this.#parts = [Buffer.concat(this.#parts, this.#length)]
  }

  #take(): Buffer {
    const bytes =
      this.#parts.length === 1
        ? (this.#parts[0] as Buffer)
        : Buffer.concat(this.#parts, this.#length)
    this.#parts = []
    this.#length = 0
    return bytes
  }
}
