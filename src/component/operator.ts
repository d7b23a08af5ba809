/**
 * How transforms become RxJS operators. Whatever a transform throws goes down the stream as an error,
 * where the pipeline deals with it.
 */
import { map, Observable, type OperatorFunction, pipe, filter as present } from 'rxjs'
import type { Batch } from '../batch/batch.ts'

/**
 * An operator that makes one batch or none of each.
 * @param change answers undefined for a batch that it has released
 */
export function eachBatch(
  change: (batch: Batch) => Batch | undefined,
): OperatorFunction<Batch, Batch> {
  return pipe(
    map(change),
    present(batch => batch !== undefined),
  )
}

/** A batch of which only some rows go on; one that is left empty is released as discarded. */
export function keepRows(batch: Batch, rows: readonly number[]): Batch | undefined {
  if (rows.length === batch.count) return batch
  if (rows.length > 0) return batch.select(rows)
  batch.release('discarded')
  return undefined
}

/** The inside of a transform that holds something between batches. */
export interface Holding {
  next(batch: Batch): void
  /** The input has ended: gives out what is still held. */
  complete(): void
  /** The stream is over, in order or not: stops timers and releases what is still held as aborted. */
  close(): void
}

/** An operator that may also emit between batches, when a timer says so. */
export function holding(
  start: (emit: (batch: Batch) => void) => Holding,
): OperatorFunction<Batch, Batch> {
  return source =>
    new Observable(out => {
      const inside = start(batch => out.next(batch))
      const guarded = (work: () => void) => {
        try {
          work()
        } catch (error) {
          out.error(error)
        }
      }
      out.add(() => inside.close())
      out.add(
        source.subscribe({
          next: batch => guarded(() => inside.next(batch)),
          error: error => out.error(error),
          complete: () =>
            guarded(() => {
              inside.complete()
              out.complete()
            }),
        }),
      )
    })
}
