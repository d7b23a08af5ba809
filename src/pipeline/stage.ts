/**
 * The running parts of a pipeline: a source, transform or sink of a plan with its context, its
 * counters and its place between the junctions. A stage knows its own component and nothing of the
 * graph; the edge connects stages and ends them.
 */
import { type Observable, type OperatorFunction, Subject, Subscription } from 'rxjs'
import type { Batch } from '../batch/batch.ts'
import type { Budget } from '../batch/lease.ts'
import type { Receipt } from '../batch/receipt.ts'
import type { Context } from '../component/context.ts'
import type { PlannedSink, PlannedSource, PlannedTransform } from '../component/plan.ts'
import { Junction, type Receiver } from './junction.ts'
import type { Labels, MeterStore } from './meters.ts'
import { MemoryQueue, type Queue } from './queue.ts'

/** Bytes at a sink without a receipt, unless it wants another number. */
const DEFAULT_WINDOW = 1024 * 1024

/** What a component said last of its own health. */
export interface Health {
  readonly ok: boolean
  readonly why?: string
}

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

export interface SinkParts extends StageParts {
  /** Where the sink's context writes what the sink says of its health. */
  readonly said: { health?: Health }
  /** The sink failed for good. */
  readonly onFailure: (error: unknown) => void
}

/** A running source. */
export class SourceStage {
  planned: PlannedSource
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

  /** What it may hold in flight. */
  get budget(): Budget {
    return this.#parts.context.budget
  }

  get labels(): Labels {
    return this.#parts.labels
  }

  /** Goes on under another plan, in which its declaration is the same and its share may not be. */
  adopt(planned: PlannedSource): void {
    this.planned = planned
    this.budget.resize(planned.buffer)
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
  #subscription = new Subscription()
  #current: Batch | undefined

  constructor(planned: PlannedTransform, parts: StageParts) {
    this.planned = planned
    this.#parts = parts
    this.output = new Junction(parts.meters, parts.labels)
    this.#received = parts.meters.counter('component_received_events_total', parts.labels)
    this.#receivedBytes = parts.meters.counter('component_received_event_bytes_total', parts.labels)
    this.#start()
  }

  get labels(): Labels {
    return this.#parts.labels
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

  /** Closes the transform at once: its timers end, and what it holds is released as aborted. */
  kill(): void {
    this.#subscription.unsubscribe()
  }

  #start(): void {
    const options = this.planned.options as never
    const operator: OperatorFunction<Batch, Batch> = this.planned.component.create(
      options,
      this.#parts.context,
    )
    this.#subscription = this.#input.pipe(operator).subscribe({
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
      this.#drop(batch)
    }
    this.#input = new Subject<Batch>()
    this.#start()
  }

  #drop(batch: Batch): void {
    try {
      batch.release('dropped')
    } catch {
      // The transform had already released it, or taken its lease over, before it threw.
    }
  }
}

/** A running sink behind its queue. */
export class SinkStage implements Receiver {
  planned: PlannedSink
  readonly queue: Queue
  /** Resolves when the sink has flushed and ended, or has been closed. */
  readonly ended: Promise<void>
  readonly #parts: SinkParts
  readonly #received: { add(amount: number): void }
  readonly #receivedBytes: { add(amount: number): void }
  readonly #taps = new Set<(batch: Batch) => void>()
  readonly #receipts: Observable<Receipt>
  readonly #subscription = new Subscription()
  #opened = false
  #completing = false
  #end = () => {}
  /** Budgets of the sources whose events can come here. */
  #upstream: readonly Budget[] = []
  #restart: (() => void)[] | undefined

  constructor(planned: PlannedSink, parts: SinkParts) {
    this.planned = planned
    this.#parts = parts
    const { meters, labels, context } = parts
    this.#received = meters.counter('component_received_events_total', labels)
    this.#receivedBytes = meters.counter('component_received_event_bytes_total', labels)
    const options = planned.options as never
    this.queue = new MemoryQueue({
      maxBytes: planned.queue.maxBytes,
      whenFull: planned.queue.whenFull,
      window: planned.component.window?.(options) ?? DEFAULT_WINDOW,
      onDropped: events => context.meters.discarded('queue_full', events, false),
      onUnclaimed: waiting => (waiting ? this.#stopSources() : this.#restartSources()),
    })
    this.ended = new Promise(resolve => {
      this.#end = resolve
    })
    this.#receipts = planned.component.create(options, context)(this.queue.output)
  }

  get labels(): Labels {
    return this.#parts.labels
  }

  get health(): Health | undefined {
    return this.#parts.said.health
  }

  get opened(): boolean {
    return this.#opened
  }

  /** Goes on under another plan, in which its declaration is the same and its share may not be. */
  adopt(planned: PlannedSink): void {
    this.planned = planned
    this.queue.resize(planned.queue.maxBytes)
  }

  /** Starts the sink, once. Until then what it receives waits in its queue. */
  open(): void {
    if (this.#opened) return
    this.#opened = true
    const { meters, labels, context, onFailure } = this.#parts
    const sent = meters.counter('component_sent_events_total', labels)
    const sentBytes = meters.counter('component_sent_event_bytes_total', labels)
    this.#subscription.add(
      this.#receipts.subscribe({
        next: receipt => {
          const events = receipt.events ?? receipt.batch.count
          if (receipt.outcome === 'delivered') {
            sent.add(events)
            sentBytes.add(receipt.bytes ?? receipt.batch.size)
          } else if (events > 0) {
            context.meters.discarded(receipt.reason ?? 'undeliverable', events, false)
          }
          this.queue.settle(receipt)
        },
        error: error => {
          this.#end()
          onFailure(error)
        },
        complete: () => {
          this.#end()
          if (!this.#completing) onFailure(new Error('it ended although it was to get more'))
        },
      }),
    )
    this.queue.open()
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

  /** Names the budgets of all sources that it reads, directly or through transforms. */
  readsFrom(budgets: readonly Budget[]): void {
    this.#upstream = budgets
    if (!this.#restart) return
    const before = this.#restart
    this.#stopSources()
    for (const restart of before) restart()
  }

  /** Ends the input: the queue runs empty, the sink flushes and ends. */
  complete(): void {
    this.#completing = true
    this.queue.complete()
  }

  /** Closes the sink at once. Returns how many events had no receipt. */
  kill(): number {
    this.#close()
    return this.queue.abort()
  }

  /** Closes the sink at once; another one goes on with what had no receipt. */
  killInFavourOf(successor: SinkStage): void {
    this.#close()
    successor.queue.inherit(this.queue.surrender())
  }

  #close(): void {
    this.#completing = true
    this.#subscription.unsubscribe()
    this.#end()
  }

  #stopSources(): void {
    this.#restart = this.#upstream.map(budget => budget.stop())
  }

  #restartSources(): void {
    const restart = this.#restart ?? []
    this.#restart = undefined
    for (const one of restart) one()
  }
}
