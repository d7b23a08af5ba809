/** Lines on their way out: how they are decoded, what they carry, and who hears what became of them. */
import { Batch } from '../../batch/batch.ts'
import { type DecodedBlock, LineDecoder } from '../../codec/line-decoder.ts'
import type { Context } from '../../component/context.ts'
import { editLine } from '../../record/edit.ts'
import type { Fingerprint } from './fingerprint.ts'
import type { FileOptions } from './options.ts'
import type { Tail } from './tail.ts'

export class LineOutlet {
  readonly #options: FileOptions
  readonly #context: Context
  readonly #emit: (batch: Batch) => void

  constructor(options: FileOptions, context: Context, emit: (batch: Batch) => void) {
    this.#options = options
    this.#context = context
    this.#emit = emit
  }

  /** A decoder for the file of that path, at a line's start. */
  decoder(path: string): LineDecoder {
    const { format, max_line_bytes: maxLineBytes } = this.#options
    const origin = { source: this.#context.id, peer: path }
    return new LineDecoder({ format, maxLineBytes }, origin, this.#context)
  }

  /**
   * Sends lines of a file, or only notes that it was read that far when none of them passed.
   * @param end offset in the file after them
   * @param mark what the file is known by there
   * @param sent called before they go out; what it gives is called when they are settled
   */
  send(
    tail: Tail,
    block: DecodedBlock | undefined,
    end: number,
    mark: Fingerprint,
    sent: () => () => void,
  ): void {
    const settle = tail.progress.add(end, mark)
    if (!block) {
      settle('discarded')
      return
    }
    const settled = sent()
    const lease = this.#context.lease(block.bytes.length + block.lines.byteLength, outcome => {
      settle(outcome)
      settled()
    })
    const origin = { source: this.#context.id, peer: tail.path }
    const batch = new Batch(block.bytes, block.lines, origin, lease, block.records)
    this.#emit(this.#withPath(batch, tail.path))
  }

  #withPath(batch: Batch, value: string): Batch {
    const path = this.#options.path_field
    if (!path) return batch
    const edits = [{ op: 'set' as const, path, value }]
    const rows = Array.from({ length: batch.count }, (_, row) => row)
    return batch.replace(rows.map(row => editLine(batch.text(row), edits)))
  }
}
