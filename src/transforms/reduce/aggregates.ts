/** The aggregates of a reduction, side by side: what each reads of a row goes to its accumulator. */
import type { Batch } from '../../batch/batch.ts'
import type { JsonValue } from '../../record/json.ts'
import type { Path } from '../../record/path.ts'
import type { Accumulator, Aggregate } from './aggregate.ts'

export class Aggregates {
  /** The fields that the results are written to, in order. */
  readonly names: readonly string[]
  /** Every field that is read. */
  readonly paths: readonly Path[]
  readonly #aggregates: readonly Aggregate[]
  #reads: readonly ((row: number) => JsonValue | undefined)[] = []

  constructor(emit: Readonly<Record<string, Aggregate>>) {
    this.names = Object.keys(emit)
    this.#aggregates = Object.values(emit)
    this.paths = this.#aggregates.flatMap(({ paths }) => paths)
  }

  /** From now on the rows are those of this batch. */
  of(batch: Batch): void {
    this.#reads = this.#aggregates.map(aggregate => aggregate.over(batch))
  }

  /** Accumulators for a new group, one for each aggregate. */
  start(): Accumulator[] {
    return this.#aggregates.map(aggregate => aggregate.start())
  }

  /** Adds what a row has to the accumulators of its group. */
  add(row: number, accumulators: readonly Accumulator[]): void {
    for (let i = 0; i < accumulators.length; i++) {
      accumulators[i]?.add(this.#reads[i]?.(row))
    }
  }
}
