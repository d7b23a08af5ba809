/**
 * How far a file has been dealt with: up to the first piece whose batch nobody has answered for yet.
 * Pieces settle in any order; the offset moves only over those that lie side by side.
 */
import type { Outcome } from '../../batch/lease.ts'
import type { Fingerprint } from './fingerprint.ts'

interface Piece {
  readonly end: number
  readonly mark: Fingerprint
  settled: boolean
}

export class Progress {
  /** Everything in front of it is delivered, discarded by a rule, or dropped and counted. */
  offset: number
  /** Of the bytes right before `offset`. */
  mark: Fingerprint
  /** Called whenever the offset has moved. */
  onMoved: () => void
  #pieces: Piece[] = []
  #first = 0

  constructor(offset: number, mark: Fingerprint, onMoved: () => void) {
    this.offset = offset
    this.mark = mark
    this.onMoved = onMoved
  }

  /** Whether some piece is still on its way. */
  get pending(): boolean {
    return this.#first < this.#pieces.length
  }

  /** A piece that ends at an offset went out; the result is to be called with what became of it. */
  add(end: number, mark: Fingerprint): (outcome: Outcome) => void {
    const piece: Piece = { end, mark, settled: false }
    this.#pieces.push(piece)
    return outcome => {
      // Not handled, because the edge stopped first: it will be read again.
      if (outcome === 'aborted') return
      piece.settled = true
      if (this.#pieces[this.#first] === piece) this.#move()
    }
  }

  #move(): void {
    let piece = this.#pieces[this.#first]
    while (piece?.settled) {
      this.offset = piece.end
      this.mark = piece.mark
      piece = this.#pieces[++this.#first]
    }
    if (this.#first > 64 && this.#first * 2 > this.#pieces.length) {
      this.#pieces = this.#pieces.slice(this.#first)
      this.#first = 0
    }
    this.onMoved()
  }
}
