/**
 * Where the metrics of the statsd source go: straight into batches, or through the aggregator and
 * into batches at each flush. Either way it says when reading must stop.
 */
import { Batch, indexLines, type Origin } from '../../batch/batch.ts'
import {
  metricRecord,
  type ParserOptions,
  StatsdParser,
  type Visitor,
} from '../../codec/statsd/parse.ts'
import type { Cancel, Context } from '../../component/context.ts'
import type { JsonObject } from '../../record/json.ts'
import { Aggregator } from './aggregate.ts'

export interface OutletOptions {
  parser: ParserOptions
  aggregate: boolean
  /** Milliseconds. */
  flushInterval: number
  maxContexts: number
  maxBytes: number
  gaugeTtl: number
  repeatGauges: boolean
}

/** A batch is closed at so many records, */
const RECORDS_PER_BATCH = 1000
/** or when its first record is so old, milliseconds. */
const LINGER = 10
/** So much of a rejected line is kept. */
const REJECT_BYTES = 4096

export class Outlet {
  readonly #context: Context
  readonly #emit: (batch: Batch) => void
  readonly #parser: StatsdParser
  readonly #aggregator: Aggregator | undefined
  readonly #all: Origin
  readonly #cancelFlush: Cancel | undefined
  #cancelLinger: Cancel | undefined
  /** Records that are not in a batch yet, and whose they are. */
  #pending: JsonObject[] = []
  #pendingOrigin: Origin
  #payloads = 0
  #skipped = 0
  /** When the payload came that is being read: seconds since the epoch, and on the clock that never jumps. */
  #now = 0
  #monotonic = 0

  constructor(options: OutletOptions, context: Context, emit: (batch: Batch) => void) {
    this.#context = context
    this.#emit = emit
    this.#parser = new StatsdParser(options.parser)
    this.#all = { source: context.id }
    this.#pendingOrigin = this.#all
    if (options.aggregate) {
      this.#aggregator = new Aggregator({ ...options, nameTags: this.#parser.nameTags })
      this.#cancelFlush = context.clock.every(options.flushInterval, () => this.#due())
    }
  }

  /** True when nothing more can be taken until the budget has space. */
  get full(): boolean {
    return this.#context.budget.full && (this.#aggregator?.full ?? true)
  }

  /** A visitor for everything that one peer, or one datagram socket, sends. */
  visitor(peer: string): Visitor {
    const context = this.#context
    const origin: Origin = { source: context.id, peer }
    const aggregator = this.#aggregator
    // What bypasses the aggregator joins the others at the flush, in the order in which it came.
    const kept = aggregator ? this.#all : origin
    const { nameTags } = this.#parser
    return {
      metric: (name, value, relative, shape) => {
        if (aggregator && shape.time === undefined) {
          aggregator.add(name, value, relative, shape, this.#monotonic)
          if (aggregator.full && !context.budget.full) this.#overflow()
          return
        }
        this.#take(metricRecord(name, value, relative, shape, this.#now, nameTags), kept)
      },
      message: record => this.#take(record, kept),
      reject: ({ reason, explanation }, line) =>
        context.reject({
          reason,
          explanation,
          bytes: line.subarray(0, REJECT_BYTES),
          length: line.length,
          origin,
        }),
      skipped: fields => {
        this.#skipped += fields
      },
    }
  }

  /** Reads one payload. */
  read(payload: Buffer, visitor: Visitor): void {
    const { clock } = this.#context
    this.#payloads++
    this.#now = clock.now() / 1000
    this.#monotonic = clock.monotonic()
    this.#parser.parse(payload, this.#now, visitor)
  }

  /** Gives out everything, and no more after that. */
  close(): void {
    this.#flush()
    this.cancel()
  }

  /** Ends its timers. */
  cancel(): void {
    this.#cancelFlush?.()
    this.#cancelLinger?.()
  }

  /** Closes the batch that is being made. */
  settle(): void {
    this.#cancelLinger?.()
    this.#cancelLinger = undefined
    if (this.#pending.length > 0) {
      const records = this.#pending
      this.#pending = []
      this.#send(records, this.#pendingOrigin)
    }
    const { meters } = this.#context
    if (this.#payloads > 0) meters.add('payloads_received_total', this.#payloads)
    if (this.#skipped > 0) meters.add('fields_skipped_total', this.#skipped)
    this.#payloads = 0
    this.#skipped = 0
  }

  #take(record: JsonObject, origin: Origin): void {
    if (this.#pendingOrigin !== origin) {
      this.settle()
      this.#pendingOrigin = origin
    }
    this.#pending.push(record)
    if (this.#pending.length >= RECORDS_PER_BATCH) this.settle()
    else this.#cancelLinger ??= this.#context.clock.after(LINGER, () => this.settle())
  }

  /** The interval is over. Without space the interval goes on, as long as the aggregator has room. */
  #due(): void {
    if (this.#context.budget.full) this.#context.meters.add('flushes_postponed_total', 1)
    else this.#flush()
  }

  #overflow(): void {
    this.#context.meters.add('aggregation_overflows_total', 1)
    this.#flush()
  }

  #flush(): void {
    this.settle()
    if (!this.#aggregator) return
    const { clock, meters } = this.#context
    meters.set('aggregated_contexts', this.#aggregator.contexts)
    const records = this.#aggregator.flush(clock.now() / 1000, clock.monotonic())
    for (let start = 0; start < records.length; start += RECORDS_PER_BATCH) {
      this.#send(records.slice(start, start + RECORDS_PER_BATCH), this.#all)
    }
  }

  #send(records: JsonObject[], origin: Origin): void {
    let text = ''
    for (const record of records) text += `${JSON.stringify(record)}\n`
    const bytes = Buffer.from(text)
    const lease = this.#context.lease(bytes.length)
    this.#emit(new Batch(bytes, indexLines(bytes), origin, lease, records))
  }
}
