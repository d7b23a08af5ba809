/**
 * The running parts of a pipeline: a source, transform or sink of a plan with its context, its
 * counters and its place between the junctions. A stage knows its own component and nothing of the
 * graph; the edge connects stages and ends them.
 */
import { type Observable, type OperatorFunction, Subject, Subscription } from 'rxjs'
import type { Batch } from '../batch/batch.ts'
import type { Receipt } from '../batch/receipt.ts'
import type { Context } from '../component/context.ts'
import type { PlannedSink, PlannedSource, PlannedTransform } from '../component/plan.ts'
import { Junction, type Receiver } from './junction.ts'
import type { Labels, MeterStore } from './meters.ts'
import { MemoryQueue, type Queue } from './queue.ts'

/** Bytes at a sink without a receipt, unless it wants another number. */
const DEFAULT_WINDOW = 1024 * 1024

export interface StageParts {
  readonly context: Context
  readonly meters: MeterStore
  readonly labels: Labels
}

export interface SourceParts extends StageParts {
  /** Ends the source in order. */
  readonly abort: AbortController
  /** The source failed after it had been ready. */
  readonly onFailure: (error: unknown) => void
}

/** A running source. */
export class SourceStage {
  readonly planned: PlannedSource
  readonly output: Junction
  /** Resolves when the source has said that it is ready, or has ended; rejects if it fails before. */
  readonly ready: Promise<void>
  /** Resolves when the source has ended, for whatever reason. */
  readonly ended: Promise<void>
  readonly #parts: SourceParts
  readonly #subscription = new Subscription()
  #opened = false
  #isReady = false
  #end = () => {}
  #becomeReady = () => {}
  #failToStart: (error: unknown) => void = () => {}

  constructor(planned: PlannedSource, parts: SourceParts) {
    this.planned = planned
    this.#parts = parts
    this.output = new Junction(parts.meters, parts.labels)
    this.ended = new Promise(resolve => {
      this.#end = resolve
    })
    this.ready = new Promise((resolve, reject) => {
      this.#becomeReady = resolve
      this.#failToStart = reject
    })
    // Whoever starts the edge awaits `ready`; a failure nobody waits for must not end the process.
    this.ready.catch(() => {})
  }

  /** Begins to read, once: after the output has been connected. */
  open(): void {
    if (this.#opened) return
    this.#opened = true
    const { context, meters, labels } = this.#parts
    const received = meters.counter('component_received_events_total', labels)
    const receivedBytes = meters.counter('component_received_event_bytes_total', labels)
    // Options were made by this component's own schema; only it knows their type.
    const options = this.planned.options as never
    const batches = this.planned.component.create(options, context)
    this.#subscription.add(
      batches.subscribe({
        next: batch => {
          received.add(batch.count)
          receivedBytes.add(batch.size)
          this.output.send(batch)
        },
        error: error => {
          if (this.#isReady) this.#parts.onFailure(error)
          else this.#failToStart(error)
          this.#end()
        },
        complete: () => {
          this.nowReady()
          this.#end()
        },
      }),
    )
  }

  /** The source has said that it is ready. */
  nowReady(): void {
    this.#isReady = true
    this.#becomeReady()
  }

  /** Asks the source to end its stream in order. */
  stop(): void {
    this.#parts.abort.abort()
    if (!this.#opened) this.#end()
  }

  /** Closes the source at once. */
  kill(): void {
    this.#subscription.unsubscribe()
    this.#end()
  }
}

/** A running transform. */
export class TransformStage implements Receiver {
  readonly planned: PlannedTransform
  readonly output: Junction
  readonly #parts: StageParts
  readonly #received: { add(amount: number): void }
  readonly #receivedBytes: { add(amount: number): void }
  #input = new Subject<Batch>()
  #current: Batch | undefined

  constructor(planned: PlannedTransform, parts: StageParts) {
    this.planned = planned
    this.#parts = parts
    this.output = new Junction(parts.meters, parts.labels)
    this.#received = parts.meters.counter('component_received_events_total', parts.labels)
    this.#receivedBytes = parts.meters.counter('component_received_event_bytes_total', parts.labels)
    this.#start()
  }

  receive(batch: Batch): void {
    this.#received.add(batch.count)
    this.#receivedBytes.add(batch.size)
    this.#current = batch
    this.#input.next(batch)
    this.#current = undefined
  }

  /** Ends the input: the transform gives out what it still holds. */
  complete(): void {
    this.#input.complete()
  }

  #start(): void {
    const options = this.planned.options as never
    const operator: OperatorFunction<Batch, Batch> = this.planned.component.create(
      options,
      this.#parts.context,
    )
    this.#input.pipe(operator).subscribe({
      next: batch => this.output.send(batch),
      error: error => this.#recover(error),
    })
  }

  /** A transform that throws loses the batch it threw on, which is kept as a reject, and its state. */
  #recover(error: unknown): void {
    const { context } = this.#parts
    const batch = this.#current
    const why = error instanceof Error ? error.message : String(error)
    context.log.error(`the transform failed: ${why}; it starts anew without this batch`)
    context.meters.error('transform_failed')
    if (batch) {
      context.reject({
        reason: 'transform_failed',
        explanation: why,
        bytes: batch.toBuffer(),
        origin: batch.origin,
        events: batch.count,
      })
      batch.release('dropped')
    }
    this.#input = new Subject<Batch>()
    this.#start()
  }
}

/** A running sink behind its queue. */
export class SinkStage implements Receiver {
  readonly planned: PlannedSink
  readonly queue: Queue
  /** Resolves when the sink has flushed and ended. */
  readonly ended: Promise<void>
  readonly #received: { add(amount: number): void }
  readonly #receivedBytes: { add(amount: number): void }
  readonly #taps = new Set<(batch: Batch) => void>()
  readonly #subscription: Subscription

  constructor(planned: PlannedSink, parts: StageParts, onFailure: (error: unknown) => void) {
    this.planned = planned
    const { meters, labels, context } = parts
    this.#received = meters.counter('component_received_events_total', labels)
    this.#receivedBytes = meters.counter('component_received_event_bytes_total', labels)
    const sent = meters.counter('component_sent_events_total', labels)
    const sentBytes = meters.counter('component_sent_event_bytes_total', labels)
    const options = planned.options as never
    this.queue = new MemoryQueue({
      maxBytes: planned.queue.maxBytes,
      whenFull: planned.queue.whenFull,
      window: planned.component.window?.(options) ?? DEFAULT_WINDOW,
      onDropped: events => context.meters.discarded('queue_full', events, false),
    })
    const receipts: Observable<Receipt> = planned.component.create(
      options,
      context,
    )(this.queue.output)
    let end = () => {}
    this.ended = new Promise(resolve => {
      end = resolve
    })
    this.#subscription = receipts.subscribe({
      next: receipt => {
        if (receipt.outcome === 'delivered') {
          sent.add(receipt.batch.count)
          sentBytes.add(receipt.bytes ?? receipt.batch.size)
        } else {
          context.meters.discarded(receipt.reason ?? 'undeliverable', receipt.batch.count, false)
        }
        this.queue.settle(receipt)
      },
      error: error => {
        onFailure(error)
        end()
      },
      complete: () => end(),
    })
  }

  receive(batch: Batch): void {
    this.#received.add(batch.count)
    this.#receivedBytes.add(batch.size)
    for (const tap of this.#taps) tap(batch)
    this.queue.push(batch)
  }

  /** Shows every batch that arrives to a listener until the result is called. */
  tap(listener: (batch: Batch) => void): () => void {
    this.#taps.add(listener)
    return () => void this.#taps.delete(listener)
  }

  /** Ends the input: the queue runs empty, the sink flushes and ends. */
  complete(): void {
    this.queue.complete()
  }

  /** Closes the sink at once. Returns how many events had no receipt. */
  kill(): number {
    this.#subscription.unsubscribe()
    return this.queue.abort()
  }
}
