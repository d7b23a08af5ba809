/**
 * The Batch: the unit that moves through a pipeline. A block of NDJSON bytes, the lines of it that
 * are meant, where it came from, and the lease that it holds. Immutable: a transform returns another
 * batch, which may share the bytes. Fields are fetched as columns; objects are parsed from a line only
 * when a stage asks for them.
 *
 *   bytes  {"a":1}\n{"a":2}\n{"a":3}\n
 *   lines  [0,7,  16,23]                 two of three lines selected: start, end without the newline
 */
import type { JsonObject } from '../record/json.ts'
import { assemble, type Patch } from './assemble.ts'
import { type Column, type Fields, RecordColumn, spanColumns } from './columns.ts'
import type { Lease, Outcome } from './lease.ts'

/** Where the lines of a batch came from. Order is kept within one origin. */
export interface Origin {
  /** Name of the source component. */
  readonly source: string
  /** The connection, file or peer within that source, in words a user would recognise. */
  readonly peer?: string
  /** Facts about the sender that its first message told, such as host, proc and pid. */
  readonly process?: JsonObject
}

const NEWLINE = 0x0a

/**
 * Bytes that a batch takes beside its lines (objects, leases, the buffer's own account), as measured:
 * without them a queue of short batches would take many times the memory that it may.
 */
export const BATCH_COST = 1000

export class Batch {
  /** The block. Bytes outside `lines` are not part of the batch. */
  readonly bytes: Buffer
  /** Start and end offsets of each line, in order: `[start0, end0, start1, end1, …]`. */
  readonly lines: Uint32Array
  readonly origin: Origin
  readonly lease: Lease
  /** Which named output of a transform this batch leaves by; undefined for the only one. */
  readonly output: string | undefined
  #records: (JsonObject | undefined)[] | undefined
  #columns: Map<string, Column> | undefined
  #size = -1

  constructor(
    bytes: Buffer,
    lines: Uint32Array,
    origin: Origin,
    lease: Lease,
    records?: (JsonObject | undefined)[],
    output?: string,
  ) {
    this.bytes = bytes
    this.lines = lines
    this.origin = origin
    this.lease = lease
    this.output = output
    this.#records = records
  }

  /** A batch of whole lines of text, each a JSON object without line breaks. */
  static ofLines(lines: readonly string[], origin: Origin, lease: Lease): Batch {
    const bytes = Buffer.from(lines.length > 0 ? `${lines.join('\n')}\n` : '')
    return new Batch(bytes, indexLines(bytes), origin, lease)
  }

  /** A batch of objects, written as JSON. */
  static ofRecords(records: readonly JsonObject[], origin: Origin, lease: Lease): Batch {
    const batch = Batch.ofLines(
      records.map(record => JSON.stringify(record)),
      origin,
      lease,
    )
    batch.#records = [...records]
    return batch
  }

  /** How many lines the batch has. */
  get count(): number {
    return this.lines.length >>> 1
  }

  /** How many bytes the lines take when written out, newlines included. */
  get size(): number {
    if (this.#size < 0) {
      let size = 0
      for (let i = 0; i < this.lines.length; i += 2) {
        size += (this.lines[i + 1] as number) - (this.lines[i] as number) + 1
      }
      this.#size = size
    }
    return this.#size
  }

  /** How many bytes of memory the batch takes while it is kept. */
  get footprint(): number {
    return this.size + this.lines.byteLength + BATCH_COST
  }

  /** The bytes of one line, without its newline. Shares memory with the batch. */
  line(row: number): Buffer {
    return this.bytes.subarray(this.lines[row * 2], this.lines[row * 2 + 1])
  }

  /** One line as text. */
  text(row: number): string {
    return this.bytes.toString('utf8', this.lines[row * 2], this.lines[row * 2 + 1])
  }

  /** One line as an object, parsed once. Do not change it: other routes may hold the same. */
  record(row: number): JsonObject {
    this.#records ??= new Array(this.count)
    let record = this.#records[row]
    if (record === undefined) {
      record = JSON.parse(this.text(row)) as JsonObject
      this.#records[row] = record
    }
    return record
  }

  /**
   * The values of fields, in the order of their paths. Whoever has several things to read from a batch
   * asks for the fields of all of them first: the native engine goes over the lines for each question
   * that asks for a field which was not fetched before.
   */
  columns(fields: Fields): readonly Column[] {
    this.#columns ??= new Map()
    const known: Column[] = []
    for (const name of fields.names) {
      const column = this.#columns.get(name)
      if (column === undefined) return this.#fetch(fields, this.#columns)
      known.push(column)
    }
    return known
  }

  /** The same lines, in the order given by their row numbers, fewer or all; the lease goes along. */
  select(rows: readonly number[] | Uint32Array, lease = this.lease): Batch {
    const lines = new Uint32Array(rows.length * 2)
    const records = this.#records && new Array<JsonObject | undefined>(rows.length)
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number
      lines[i * 2] = this.lines[row * 2] as number
      lines[i * 2 + 1] = this.lines[row * 2 + 1] as number
      if (records) records[i] = this.#records?.[row]
    }
    return new Batch(this.bytes, lines, this.origin, lease, records, this.output)
  }

  /**
   * The batch with some lines replaced: `texts[row]` is the new text of a line (JSON on one line), or
   * undefined where the line stays as it is, byte for byte. Returns itself if nothing changes.
   */
  replace(texts: readonly (string | undefined)[]): Batch {
    const patches: Patch[] = []
    for (let row = 0; row < this.count; row++) {
      const text = texts[row]
      if (text === undefined) continue
      const start = this.lines[row * 2] as number
      patches.push({ row, start, end: this.lines[row * 2 + 1] as number, text })
    }
    return this.patch(patches)
  }

  /**
   * The batch with pieces of lines exchanged, given in the order of rows and of positions; all else
   * stays as it is, byte for byte. Each line must stay JSON on one line. Returns itself if there are none.
   */
  patch(patches: readonly Patch[]): Batch {
    if (patches.length === 0) return this
    const { bytes, lines } = assemble(this.bytes, this.lines, patches)
    const records = this.#records?.slice()
    if (records) for (const { row } of patches) records[row] = undefined
    return new Batch(bytes, lines, this.origin, this.lease, records, this.output)
  }

  /** The same batch leaving by a named output; undefined for the only one, or when it has arrived. */
  to(output: string | undefined): Batch {
    return this.#with(this.lease, output)
  }

  /** The same lines under another lease. */
  under(lease: Lease): Batch {
    return this.#with(lease, this.output)
  }

  /** The lines as one buffer, each ended by a newline; shares memory when they lie side by side. */
  toBuffer(): Buffer {
    const { lines } = this
    if (lines.length === 0) return Buffer.alloc(0)
    let together = true
    for (let i = 2; i < lines.length && together; i += 2) {
      together = lines[i] === (lines[i - 1] as number) + 1
    }
    const start = lines[0] as number
    const end = lines[lines.length - 1] as number
    if (together && this.bytes[end] === NEWLINE) return this.bytes.subarray(start, end + 1)
    return assemble(this.bytes, lines).bytes
  }

  /**
   * The batch as it should be kept for a while: parsed objects forgotten, and copied out of its block
   * when it uses less than half of it, so that memory held is memory counted.
   */
  compact(): Batch {
    if (this.size * 2 >= this.bytes.buffer.byteLength) {
      return new Batch(this.bytes, this.lines, this.origin, this.lease, undefined, this.output)
    }
    const { bytes, lines } = assemble(this.bytes, this.lines)
    return new Batch(bytes, lines, this.origin, this.lease, undefined, this.output)
  }

  /** Lets go of parsed objects and columns; they are made anew if they are asked for again. */
  forget(): void {
    this.#records = undefined
    this.#columns = undefined
  }

  #with(lease: Lease, output: string | undefined): Batch {
    const batch = new Batch(this.bytes, this.lines, this.origin, lease, this.#records, output)
    batch.#columns = this.#columns
    return batch
  }

  #fetch(fields: Fields, into: Map<string, Column>): readonly Column[] {
    const parsed = this.#records?.every(record => record !== undefined)
    const spans = parsed ? undefined : spanColumns(fields, this.bytes, this.lines)
    const columns = spans ?? fields.readers.map(read => new RecordColumn(this, read))
    for (const [i, column] of columns.entries()) into.set(fields.names[i] as string, column)
    return columns
  }

  /** Ends this route's hold on the lease. */
  release(outcome: Outcome): void {
    this.lease.release(outcome)
  }
}

/** Offsets of the lines of a block, as Batch keeps them. A last line without newline counts. */
export function indexLines(bytes: Buffer): Uint32Array {
  const lines: number[] = []
  let start = 0
  while (start < bytes.length) {
    const newline = bytes.indexOf(NEWLINE, start)
    const end = newline < 0 ? bytes.length : newline
    lines.push(start, end)
    start = end + 1
  }
  return Uint32Array.from(lines)
}
