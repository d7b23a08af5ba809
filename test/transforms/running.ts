/** A transform at work on a virtual clock: records go in, records come out, and leases are followed. */
import { Subject } from 'rxjs'
import type { Batch } from '../../src/batch/batch.ts'
import type { Outcome } from '../../src/batch/lease.ts'
import type { Transform } from '../../src/component/define.ts'
import { VirtualClock } from '../../src/component/virtual-clock.ts'
import type { JsonObject } from '../../src/record/json.ts'
import { batchOf, collect, recordsOf, testContext } from '../context.ts'

export interface Running {
  readonly context: ReturnType<typeof testContext>
  readonly clock: VirtualClock
  /** What became of each batch that was sent, once its lease has settled. */
  readonly outcomes: Outcome[]
  readonly output: ReturnType<typeof collect<Batch>>
  send(records: (JsonObject | string)[]): void
  end(): void
  /** The batches that have come out since the last call, still held. */
  batches(): Batch[]
  /** Their records; the batches are delivered. */
  take(): JsonObject[]
  /** How many events ended here, by reason. */
  discarded(): Record<string, number>
}

/** @param options as a user writes them */
export function running(
  t: { teardown(callback: () => void): unknown },
  transform: Transform<never>,
  options: unknown,
): Running {
  const clock = new VirtualClock()
  const context = testContext({ clock })
  t.teardown(() => context.clean())
  const input = new Subject<Batch>()
  const outcomes: Outcome[] = []
  const component = transform as unknown as Transform
  const output = collect(input.pipe(component.create(component.options.parse(options), context)))
  let taken = 0
  const batches = () => {
    const fresh = output.values.slice(taken)
    taken = output.values.length
    return fresh
  }
  return {
    context,
    clock,
    outcomes,
    output,
    send: records => input.next(batchOf(records, outcomes)),
    end: () => input.complete(),
    batches,
    take() {
      const fresh = batches()
      const records = recordsOf(fresh)
      for (const batch of fresh) batch.release('delivered')
      return records
    },
    discarded() {
      const counts: Record<string, number> = {}
      for (const { reason, events } of context.discards) {
        counts[reason] = (counts[reason] ?? 0) + events
      }
      return counts
    },
  }
}
