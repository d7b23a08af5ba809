/**
 * The junction: where the batches of one component fan out to everyone that reads it. It counts what
 * leaves, gives each receiver a hold of the lease, and shows batches to taps in passing.
 */
import type { Batch } from '../batch/batch.ts'
import type { Labels, MeterStore } from './meters.ts'

export interface Receiver {
  receive(batch: Batch): void
}

export class Junction {
  readonly #meters: MeterStore
  readonly #labels: Labels
  readonly #sentEvents: { add(amount: number): void }
  readonly #sentBytes: { add(amount: number): void }
  /** Receivers by output name; the unnamed output is the empty string. */
  #receivers: ReadonlyMap<string, readonly Receiver[]> = new Map()
  readonly #taps = new Set<(batch: Batch) => void>()

  constructor(meters: MeterStore, labels: Labels) {
    this.#meters = meters
    this.#labels = labels
    this.#sentEvents = meters.counter('component_sent_events_total', labels)
    this.#sentBytes = meters.counter('component_sent_event_bytes_total', labels)
  }

  /** Replaces all receivers at once; between two batches, so nothing is lost or doubled. */
  connect(receivers: ReadonlyMap<string, readonly Receiver[]>): void {
    this.#receivers = receivers
  }

  /** Shows every batch to a listener until the result is called. The listener keeps no bytes. */
  tap(listener: (batch: Batch) => void): () => void {
    this.#taps.add(listener)
    return () => void this.#taps.delete(listener)
  }

  send(batch: Batch): void {
    const { count } = batch
    if (count === 0) {
      batch.release('discarded')
      return
    }
    for (const tap of this.#taps) tap(batch)
    const receivers = this.#receivers.get(batch.output ?? '')
    if (!receivers || receivers.length === 0) {
      this.#meters.add(
        'component_discarded_events_total',
        { ...this.#labels, reason: 'unread_output', intentional: 'true' },
        count,
      )
      batch.release('discarded')
      return
    }
    this.#sentEvents.add(count)
    this.#sentBytes.add(batch.size)
    if (receivers.length > 1) batch.lease.retain(receivers.length - 1)
    // The name has done its work: a transform behind would else send the batch by it once more.
    const arrived = batch.output === undefined ? batch : batch.to(undefined)
    for (const receiver of receivers) receiver.receive(arrived)
  }
}
