/**
 * A sink's queue: the bounded seam that keeps a slow sink from slowing the others. A batch that it
 * takes is on the queue's account, not the source's, until the sink's receipt. The memory queue is
 * the one there is; a disk queue has the same interface.
 *
 *   push ─► [ backlog: still on the source's budget ] ─► [ queued ] ─► output, `window` bytes at once
 *           only with when_full: block                              ◄─ settle(receipt)
 */
import { type Observable, Subject } from 'rxjs'
import type { Batch } from '../batch/batch.ts'
import { Budget, type Lease } from '../batch/lease.ts'
import type { Receipt } from '../batch/receipt.ts'

export type WhenFull = 'block' | 'drop_oldest' | 'drop_newest'

export interface Queue {
  /** What the sink subscribes to. */
  readonly output: Observable<Batch>
  /** Events and bytes of memory held: waiting, in flight, and in the backlog. */
  readonly events: number
  readonly bytes: number
  /** Begins to give out batches; until then they wait. */
  open(): void
  /** Takes a batch with one hold of its lease. */
  push(batch: Batch): void
  /** The sink's receipt: releases the hold and lets more out. */
  settle(receipt: Receipt): void
  /** No more batches: `output` completes when the last one is out. */
  complete(): void
  /** Gives up what is held: every lease is released as aborted. Returns how many events that were. */
  abort(): number
  /** Ends at once and hands over what is held, with its leases, the oldest first. */
  surrender(): Batch[]
  /** Changes how many bytes it may hold; what it holds stays, even when it is more. */
  resize(maxBytes: number): void
  /** Takes what another queue surrendered, before all that it has itself, whether it has room or not. */
  inherit(batches: readonly Batch[]): void
}

export interface MemoryQueueOptions {
  /** As batches take memory, which for short ones is more than their lines. */
  readonly maxBytes: number
  readonly whenFull: WhenFull
  /** Bytes that may be at the sink without a receipt. One batch may always be. */
  readonly window: number
  /** Told how many events a full queue cost. */
  readonly onDropped: (events: number) => void
  /**
   * Told when batches begin or cease to wait in the backlog that are on no source's account, such as
   * a reduced window: nothing stops more of them from coming but a stop of all sources.
   */
  readonly onUnclaimed?: (waiting: boolean) => void
}

export class MemoryQueue implements Queue {
  readonly #options: MemoryQueueOptions
  readonly #output = new Subject<Batch>()
  readonly #budget: Budget
  /** By the queue's own lease. */
  readonly #inFlight = new Map<Lease, Batch>()
  #queued: Batch[] = []
  #head = 0
  /** With the leases they came with. */
  #backlog: Batch[] = []
  #flightBytes = 0
  #events = 0
  #backlogBytes = 0
  #unclaimed = 0
  #opened = false
  #completing = false
  #emitting = false
  #done = false
  #aborted = false

  constructor(options: MemoryQueueOptions) {
    this.#options = options
    this.#budget = new Budget(options.maxBytes)
  }

  get output(): Observable<Batch> {
    return this.#output
  }

  get events(): number {
    return this.#events
  }

  get bytes(): number {
    return this.#budget.used + this.#backlogBytes
  }

  open(): void {
    this.#opened = true
    this.#emit()
  }

  push(batch: Batch): void {
    if (this.#aborted) {
      batch.release('aborted')
      return
    }
    this.#events += batch.count
    const kept = this.#kept(batch)
    if (this.#fits(kept) && this.#backlog.length === 0) this.#enqueue(kept)
    else if (this.#options.whenFull === 'block') this.#hold(kept)
    else if (this.#options.whenFull === 'drop_newest') this.#drop(kept)
    else this.#displace(kept)
    this.#emit()
  }

  settle(receipt: Receipt): void {
    if (this.#aborted) return
    const { lease } = receipt.batch
    const batch = this.#inFlight.get(lease)
    if (batch === undefined) throw new Error('receipt for a batch that is not in flight')
    this.#inFlight.delete(lease)
    this.#flightBytes -= batch.footprint
    this.#events -= batch.count
    lease.release(receipt.outcome)
    this.#admit()
    this.#emit()
  }

  complete(): void {
    this.#completing = true
    this.#emit()
  }

  abort(): number {
    const lost = this.#events
    for (const batch of this.surrender()) batch.release('aborted')
    return lost
  }

  surrender(): Batch[] {
    const batches = [
      ...this.#inFlight.values(),
      ...this.#queued.slice(this.#head),
      ...this.#backlog,
    ]
    this.#inFlight.clear()
    this.#queued = []
    this.#head = 0
    this.#backlog = []
    this.#events = this.#flightBytes = this.#backlogBytes = 0
    this.#done = this.#aborted = true
    this.#claim(-this.#unclaimed)
    return batches
  }

  resize(maxBytes: number): void {
    this.#budget.resize(maxBytes)
    this.#admit()
    this.#emit()
  }

  inherit(batches: readonly Batch[]): void {
    for (const batch of batches) this.#events += batch.count
    const front = batches.map(batch => this.#own(batch))
    this.#queued = [...front, ...this.#queued.slice(this.#head)]
    this.#head = 0
    this.#emit()
  }

  get #waiting(): number {
    return this.#queued.length - this.#head
  }

  #fits(batch: Batch): boolean {
    return this.#budget.used === 0 || this.#budget.used + batch.footprint <= this.#budget.limit
  }

  /**
   * What goes to the sink at once may keep its parsed objects; what waits may not. Neither may keep
   * a block of which it is a small part: a window full of those would be many times what is counted.
   */
  #kept(batch: Batch): Batch {
    const direct = this.#waiting === 0 && this.#flightBytes < this.#options.window
    return direct && batch.size * 2 >= batch.bytes.buffer.byteLength ? batch : batch.compact()
  }

  #enqueue(batch: Batch): void {
    this.#queued.push(this.#own(batch))
  }

  /** The batch on this queue's account. */
  #own(batch: Batch): Batch {
    return batch.under(batch.lease.transfer(this.#budget, batch.footprint))
  }

  #hold(batch: Batch): void {
    this.#backlog.push(batch)
    this.#backlogBytes += batch.footprint
    if (batch.lease.bytes === 0) this.#claim(1)
  }

  #claim(batches: number): void {
    const before = this.#unclaimed
    this.#unclaimed += batches
    if (before > 0 !== this.#unclaimed > 0) this.#options.onUnclaimed?.(this.#unclaimed > 0)
  }

  #drop(batch: Batch): void {
    this.#events -= batch.count
    this.#options.onDropped(batch.count)
    batch.release('dropped')
  }

  /** Makes room by dropping what has waited longest; what is in flight stays. */
  #displace(batch: Batch): void {
    // Room that cannot be made is not worth the loss of what waits.
    if (this.#flightBytes > 0 && this.#flightBytes + batch.footprint > this.#budget.limit) {
      this.#drop(batch)
      return
    }
    while (!this.#fits(batch) && this.#waiting > 0) this.#drop(this.#shift())
    if (this.#fits(batch)) this.#enqueue(batch)
    else this.#drop(batch)
  }

  /** Takes over from the backlog what now fits. */
  #admit(): void {
    for (let batch = this.#backlog[0]; batch && this.#fits(batch); batch = this.#backlog[0]) {
      this.#backlog.shift()
      this.#backlogBytes -= batch.footprint
      this.#enqueue(batch)
      if (batch.lease.bytes === 0) this.#claim(-1)
    }
  }

  #shift(): Batch {
    const batch = this.#queued[this.#head] as Batch
    this.#queued[this.#head] = undefined as unknown as Batch
    this.#head++
    if (this.#head === this.#queued.length) {
      this.#queued = []
      this.#head = 0
    } else if (this.#head > 1024) {
      this.#queued = this.#queued.slice(this.#head)
      this.#head = 0
    }
    return batch
  }

  #emit(): void {
    if (this.#emitting || this.#done || !this.#opened) return
    this.#emitting = true
    while (this.#waiting > 0 && this.#flightBytes < this.#options.window) {
      const batch = this.#shift()
      this.#inFlight.set(batch.lease, batch)
      this.#flightBytes += batch.footprint
      this.#output.next(batch)
      // Objects take many times the memory of their lines, and a sink may keep a batch for long.
      batch.forget()
    }
    this.#emitting = false
    if (this.#completing && this.#waiting === 0 && this.#backlog.length === 0) {
      this.#done = true
      this.#output.complete()
    }
  }
}
