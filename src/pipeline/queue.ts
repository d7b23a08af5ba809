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
  /** Events and bytes held: waiting, in flight, and in the backlog. */
  readonly events: number
  readonly bytes: number
  /** Takes a batch with one hold of its lease. */
  push(batch: Batch): void
  /** The sink's receipt: releases the hold and lets more out. */
  settle(receipt: Receipt): void
  /** No more batches: `output` completes when the last one is out. */
  complete(): void
  /** Gives up what is held: every lease is released as aborted. Returns how many events that were. */
  abort(): number
}

export interface MemoryQueueOptions {
  readonly maxBytes: number
  readonly whenFull: WhenFull
  /** Bytes that may be at the sink without a receipt. One batch may always be. */
  readonly window: number
  /** Told how many events a full queue cost. */
  readonly onDropped: (events: number) => void
}

interface Entry {
  readonly batch: Batch
  /** The lease as it was pushed; the batch that goes out carries the queue's own. */
  readonly upstream: Lease
}

export class MemoryQueue implements Queue {
  readonly #options: MemoryQueueOptions
  readonly #output = new Subject<Batch>()
  readonly #budget: Budget
  readonly #inFlight = new Map<Lease, number>()
  #queued: Batch[] = []
  #head = 0
  #backlog: Entry[] = []
  #flightBytes = 0
  #events = 0
  #backlogBytes = 0
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

  push(batch: Batch): void {
    this.#events += batch.count
    const direct = this.#waiting === 0 && this.#flightBytes < this.#options.window
    const kept = direct ? batch : batch.compact()
    if (this.#fits(kept) && this.#backlog.length === 0) this.#enqueue(kept)
    else if (this.#options.whenFull === 'block') {
      this.#backlog.push({ batch: kept, upstream: kept.lease })
      this.#backlogBytes += kept.size
    } else if (this.#options.whenFull === 'drop_newest') this.#drop(kept)
    else this.#displace(kept)
    this.#emit()
  }

  settle(receipt: Receipt): void {
    if (this.#aborted) return
    const lease = receipt.batch.lease
    const bytes = this.#inFlight.get(lease)
    if (bytes === undefined) throw new Error('receipt for a batch that is not in flight')
    this.#inFlight.delete(lease)
    this.#flightBytes -= bytes
    this.#events -= receipt.batch.count
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
    const leases = [
      ...this.#inFlight.keys(),
      ...this.#queued.slice(this.#head).map(batch => batch.lease),
      ...this.#backlog.map(entry => entry.upstream),
    ]
    this.#inFlight.clear()
    this.#queued = []
    this.#head = 0
    this.#backlog = []
    this.#events = this.#flightBytes = this.#backlogBytes = 0
    this.#done = this.#aborted = true
    for (const lease of leases) lease.release('aborted')
    return lost
  }

  get #waiting(): number {
    return this.#queued.length - this.#head
  }

  #fits(batch: Batch): boolean {
    return this.#budget.used === 0 || this.#budget.used + batch.size <= this.#options.maxBytes
  }

  #enqueue(batch: Batch): void {
    this.#queued.push(batch.under(batch.lease.transfer(this.#budget, batch.size)))
  }

  #drop(batch: Batch): void {
    this.#events -= batch.count
    this.#options.onDropped(batch.count)
    batch.release('dropped')
  }

  /** Makes room by dropping what has waited longest; what is in flight stays. */
  #displace(batch: Batch): void {
    while (!this.#fits(batch) && this.#waiting > 0) this.#drop(this.#shift())
    if (this.#fits(batch)) this.#enqueue(batch)
    else this.#drop(batch)
  }

  /** Takes over from the backlog what now fits. */
  #admit(): void {
    let taken = 0
    for (const entry of this.#backlog) {
      if (!this.#fits(entry.batch)) break
      taken++
      this.#backlogBytes -= entry.batch.size
      this.#enqueue(entry.batch)
    }
    if (taken > 0) this.#backlog.splice(0, taken)
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
    if (this.#emitting || this.#done) return
    this.#emitting = true
    while (this.#waiting > 0 && this.#flightBytes < this.#options.window) {
      const batch = this.#shift()
      this.#inFlight.set(batch.lease, batch.size)
      this.#flightBytes += batch.size
      this.#output.next(batch)
    }
    this.#emitting = false
    if (this.#completing && this.#waiting === 0 && this.#backlog.length === 0) {
      this.#done = true
      this.#output.complete()
    }
  }
}
