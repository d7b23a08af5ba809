/**
 * Bytes to records: the `format` that stream sources share. `ndjson` passes lines that are JSON
 * objects, byte for byte; `lines` makes a record of each line of any text.
 */
import { isUtf8 } from 'node:buffer'
import { indexLines, type Origin } from '../batch/batch.ts'
import type { Budget } from '../batch/lease.ts'
import type { Context } from '../component/context.ts'
import type { JsonObject } from '../record/json.ts'
import { JsonLines, withoutReturn } from './json-lines.ts'
import { allowanceFor, LineBuffer, tellTooLong } from './line-buffer.ts'

export interface DecoderOptions {
  format: 'ndjson' | 'lines'
  /** Longest line, in bytes without its line break. A longer one is rejected, in bounded memory. */
  maxLineBytes: number
  /** Deepest nesting of objects and arrays; 1000 unless told. */
  maxDepth?: number
  /** Bytes of unfinished lines that all streams of a source may hold together. */
  allowance?: Budget
}

/** Whole lines that passed, in order. */
export interface DecodedBlock {
  bytes: Buffer
  /** Start and end offsets of each line, as a Batch keeps them. */
  lines: Uint32Array
  /** The parsed lines, where parsing was needed anyway. */
  records?: (JsonObject | undefined)[]
}

const NEWLINE = 0x0a

export class LineDecoder {
  readonly #options: DecoderOptions
  readonly #origin: Origin
  readonly #context: Context
  readonly #buffer: LineBuffer
  readonly #json: JsonLines

  constructor(options: DecoderOptions, origin: Origin, context: Context) {
    this.#options = options
    this.#origin = origin
    this.#context = context
    this.#json = new JsonLines(context, options.maxDepth)
    this.#buffer = new LineBuffer(
      options.maxLineBytes,
      tellTooLong(options.maxLineBytes, () => origin, context),
      options.allowance,
    )
  }

  /** Bytes of an unfinished line that are held, or were thrown away. */
  get pending(): number {
    return this.#buffer.pending
  }

  /**
   * Takes over a chunk (the caller must not write to it again) and gives the whole lines so far that
   * passed; undefined when there are none.
   */
  push(chunk: Buffer): DecodedBlock | undefined {
    return this.#take(this.#buffer.push(chunk))
  }

  /** Like `push`, with several chunks at once. */
  pushAll(chunks: readonly Buffer[]): DecodedBlock | undefined {
    return this.#take(this.#buffer.pushAll(chunks))
  }

  #take(block: Buffer | undefined): DecodedBlock | undefined {
    if (!block) return undefined
    const end = block.lastIndexOf(NEWLINE) + 1
    this.#buffer.keep(block.subarray(end))
    return this.#scan(block.subarray(0, end)) ?? this.#decode(block.subarray(0, end), false)
  }

  /**
   * The last line when the stream ended without a newline after it. It passes if it is whole; one that
   * was cut off is rejected as `truncated`.
   */
  end(): DecodedBlock | undefined {
    const rest = this.#buffer.end()
    return rest && this.#decode(rest, true)
  }

  /** All lines of a block at once; undefined if that does not do. */
  #scan(block: Buffer): DecodedBlock | undefined {
    if (this.#options.format !== 'ndjson') return undefined
    const lines = this.#json.scan(block, this.#options.maxLineBytes)
    return lines && lines.length > 0 ? { bytes: block, lines } : undefined
  }

  #decode(block: Buffer, open: boolean): DecodedBlock | undefined {
    const lines: number[] = []
    const limit = this.#options.maxLineBytes
    for (let start = 0, next = 0; start < block.length; start = next) {
      const newline = block.indexOf(NEWLINE, start)
      const stop = newline < 0 ? block.length : newline
      next = stop + 1
      const end = withoutReturn(block, start, stop)
      if (end - start > limit) this.#buffer.tooLong(block.subarray(start, end))
      else if (end > start) lines.push(start, end)
    }
    if (lines.length === 0) return undefined
    return this.#options.format === 'ndjson'
      ? this.#objects(block, lines, open)
      : this.#texts(block, lines)
  }

  #objects(block: Buffer, found: number[], open: boolean): DecodedBlock | undefined {
    const records: JsonObject[] = []
    const lines: number[] = []
    this.#json.enter(block)
    for (let i = 0; i < found.length; i += 2) {
      const start = found[i] as number
      const end = found[i + 1] as number
      const record = this.#json.read(block, start, end, this.#origin, open)
      if (record === undefined) continue
      lines.push(start, end)
      records.push(record)
    }
    return records.length > 0 ? { bytes: block, lines: new Uint32Array(lines), records } : undefined
  }

  #texts(block: Buffer, found: number[]): DecodedBlock {
    const valid = isUtf8(block)
    const time = this.#context.clock.now() / 1000
    const records: JsonObject[] = []
    const texts: string[] = []
    for (let i = 0; i < found.length; i += 2) {
      const start = found[i] as number
      const end = found[i + 1] as number
      const record: JsonObject = { message: block.toString('utf8', start, end), _time: time }
      if (!valid && !isUtf8(block.subarray(start, end))) {
        record['message_base64'] = block.toString('base64', start, end)
      }
      records.push(record)
      texts.push(JSON.stringify(record))
    }
    const bytes = Buffer.from(`${texts.join('\n')}\n`)
    return { bytes, lines: indexLines(bytes), records }
  }
}

/** Makes a decoder for each stream of one source; they share an allowance for unfinished lines. */
export function lineDecoders(
  options: { format: 'ndjson' | 'lines'; max_line_bytes: number },
  context: Context,
) {
  const { format, max_line_bytes: maxLineBytes } = options
  const allowance = allowanceFor(maxLineBytes)
  return (origin: Origin, emit: (block: DecodedBlock, origin: Origin) => void) => {
    const decoder = new LineDecoder({ format, maxLineBytes, allowance }, origin, context)
    const pass = (block: DecodedBlock | undefined) => {
      if (block) emit(block, origin)
    }
    return {
      push: (chunk: Buffer) => pass(decoder.push(chunk)),
      pushAll: (chunks: readonly Buffer[]) => pass(decoder.pushAll(chunks)),
      end: () => pass(decoder.end()),
    }
  }
}
