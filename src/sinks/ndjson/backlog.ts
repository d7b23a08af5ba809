/** The lines that wait for one file, in order, and who is told when they are written. */

/** Lines that wait to be written, and what to do once they are. */
export interface Piece {
  /** What is still to be written; whole lines. */
  data: Buffer
  /** Called once, with the bytes that were written to the disk for it. */
  readonly written: (bytes: number) => void
}

const NEWLINE = 0x0a
/** Buffers that go into one write; the system takes 1024. */
const BUFFERS = 512

export class Backlog {
  #pieces: Piece[] = []
  #bytes = 0
  /** What the first piece has taken on the disk so far. */
  #out = 0

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes
  }

  add(piece: Piece): void {
    this.#pieces.push(piece)
    this.#bytes += piece.data.length
  }

  /** The first line, however long it is. */
  firstLine(): Buffer {
    const { data } = this.#pieces[0] as Piece
    return data.subarray(0, data.indexOf(NEWLINE) + 1)
  }

  /**
   * The buffers of whole lines that wait, in order: at most `limit` bytes together, and no further
   * buffer once there are `enough`.
   */
  take(limit: number, enough = limit): Buffer[] {
    const buffers: Buffer[] = []
    let room = limit
    for (const { data } of this.#pieces) {
      if (data.length > room) {
        const whole = room > 0 ? data.lastIndexOf(NEWLINE, room - 1) + 1 : 0
        if (whole > 0) buffers.push(data.subarray(0, whole))
        break
      }
      buffers.push(data)
      room -= data.length
      if (limit - room >= enough || buffers.length === BUFFERS) break
    }
    return buffers
  }

  /** Takes bytes off what waits and answers for each piece that is written to its end. */
  commit(bytes: number, onDisk: number): void {
    const ratio = onDisk / bytes
    let left = bytes
    let done = 0
    while (left > 0) {
      const piece = this.#pieces[done] as Piece
      const part = Math.min(left, piece.data.length)
      left -= part
      this.#out += part * ratio
      if (part < piece.data.length) {
        piece.data = piece.data.subarray(part)
      } else {
        done++
        piece.written(Math.round(this.#out))
        this.#out = 0
      }
    }
    this.#pieces.splice(0, done)
    this.#bytes -= bytes
  }
}
