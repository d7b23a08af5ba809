/**
 * One window of time: what its groups have gathered, and the leases of the batches that went in,
 * which settle as the records made of the window do.
 */
import { Batch } from '../../batch/batch.ts'
import type { Grouping } from '../../batch/grouping.ts'
import { Budget, Lease } from '../../batch/lease.ts'
import type { JsonObject } from '../../record/json.ts'
import type { Accumulator } from './aggregate.ts'
import type { Aggregates } from './aggregates.ts'

/** Records of a window that travel in one batch. */
const CHUNK = 1000

interface Group {
  readonly fields: JsonObject
  readonly accumulators: readonly Accumulator[]
}

/** What all windows of one transform share. */
export interface Reduction {
  readonly grouping: Grouping
  readonly aggregates: Aggregates
  /** Length of a window in milliseconds. */
  readonly every: number
  /** Groups that one more may still be added to. */
  hasRoom(): boolean
  /** A group was added (1) or went (-n). */
  grown(by: number): void
  /** An event went to the overflow group. */
  overflowed(): void
}

export class Window {
  /** Milliseconds since the epoch. */
  readonly end: number
  /** When an event last went in, on the monotonic clock. */
  touched = 0
  readonly #reduction: Reduction
  readonly #groups = new Map<string, Group>()
  #overflow: Group | undefined
  #leases: Lease[] = []

  constructor(reduction: Reduction, end: number) {
    this.#reduction = reduction
    this.end = end
  }

  /** Adds a row of the batch that the grouping and the aggregates are looking at. */
  add(row: number): void {
    this.#reduction.aggregates.add(row, this.#group(row).accumulators)
  }

  /** Adds a hold to a batch, without its bytes: its acknowledgement waits for this window too. */
  hold(lease: Lease): void {
    lease.retain()
    this.#leases.push(lease.transfer(new Budget(Number.POSITIVE_INFINITY), 0))
  }

  /** Ends the window: its records, in batches that settle what was held. */
  close(source: string): Batch[] {
    const records = [...this.#groups.values()].map(group => this.#record(group))
    if (this.#overflow) records.push({ ...this.#record(this.#overflow), overflow: true })
    this.#reduction.grown(-this.#groups.size)
    const lease = Lease.join(this.#leases)
    this.#leases = []
    const batches: Batch[] = []
    for (let from = 0; from < records.length; from += CHUNK) {
      batches.push(Batch.ofRecords(records.slice(from, from + CHUNK), { source }, lease))
    }
    if (batches.length > 1) lease.retain(batches.length - 1)
    return batches
  }

  /** Forgets what was gathered: the batches will have to come again. */
  abort(): void {
    for (const lease of this.#leases) lease.release('aborted')
    this.#leases = []
  }

  #group(row: number): Group {
    const { grouping, aggregates } = this.#reduction
    const key = grouping.key(row)
    const known = this.#groups.get(key)
    if (known) return known
    if (!this.#reduction.hasRoom()) {
      this.#reduction.overflowed()
      this.#overflow ??= { fields: {}, accumulators: aggregates.start() }
      return this.#overflow
    }
    const group = { fields: grouping.summary(row), accumulators: aggregates.start() }
    this.#groups.set(key, group)
    this.#reduction.grown(1)
    return group
  }

  #record(group: Group): JsonObject {
    const { aggregates, every } = this.#reduction
    const record: JsonObject = { ...group.fields }
    for (const [i, name] of aggregates.names.entries()) {
      const value = group.accumulators[i]?.result()
      if (value !== undefined) record[name] = value
    }
    record['_time'] = this.end / 1000
    record['window_seconds'] = every / 1000
    return record
  }
}
