/** Toy components and plans for tests of the pipeline: a source that is fed by hand, a sink that answers when told. */
import { concatMap, map, Observable } from 'rxjs'
import { z } from 'zod'
import { Batch } from '../../src/batch/batch.ts'
import type { Receipt } from '../../src/batch/receipt.ts'
import type { Context } from '../../src/component/context.ts'
import { defineSink, defineSource, defineTransform } from '../../src/component/define.ts'
import type {
  Plan,
  PlannedSink,
  PlannedSource,
  PlannedTransform,
} from '../../src/component/plan.ts'
import type { JsonObject } from '../../src/record/json.ts'

export interface Feed {
  context?: Context
  opened: number
  ended: boolean
  /** Sends one batch; false when the budget is full and it was not sent. */
  send(records: JsonObject[]): boolean
}

/** A source that sends what the test gives it. */
export function feedSource(feeds: Map<string, Feed>, failing = new Set<string>()) {
  return defineSource({
    name: 'feed',
    summary: 'Fed by a test.',
    description: '',
    options: z.strictObject({}),
    examples: [],
    create: (_options, context) =>
      new Observable<Batch>(subscriber => {
        if (failing.has(context.id)) throw new Error(`${context.id} cannot start`)
        const feed: Feed = {
          context,
          opened: (feeds.get(context.id)?.opened ?? 0) + 1,
          ended: false,
          send(records) {
            if (context.budget.full) return false
            const size = JSON.stringify(records).length
            const batch = Batch.ofRecords(records, { source: context.id }, context.lease(size))
            subscriber.next(batch)
            return true
          },
        }
        feeds.set(context.id, feed)
        const end = () => {
          feed.ended = true
          subscriber.complete()
        }
        context.signal.addEventListener('abort', end)
        context.ready()
        return () => {
          feed.ended = true
        }
      }),
  })
}

export interface Store {
  records: JsonObject[]
  /** While true, batches are held without a receipt. */
  stopped: boolean
  resume(): void
  completed: boolean
}

/** A sink that keeps what it gets and can be stopped. */
export function storeSink(stores: Map<string, Store>) {
  return defineSink({
    name: 'store',
    summary: 'Keeps records for a test.',
    description: '',
    options: z.strictObject({}),
    examples: [],
    window: () => 1,
    create: (_options, context) => batches =>
      new Observable<Receipt>(subscriber => {
        const held: Batch[] = []
        let ending = false
        const store: Store = stores.get(context.id) ?? {
          records: [],
          stopped: false,
          completed: false,
          resume() {},
        }
        stores.set(context.id, store)
        const deliver = (batch: Batch) => {
          for (let row = 0; row < batch.count; row++) store.records.push(batch.record(row))
          subscriber.next({ batch, outcome: 'delivered' })
        }
        const finish = () => {
          if (!ending || held.length > 0) return
          store.completed = true
          subscriber.complete()
        }
        store.resume = () => {
          store.stopped = false
          for (let batch = held.shift(); batch; batch = held.shift()) deliver(batch)
          finish()
        }
        return batches.subscribe({
          next: batch => (store.stopped ? void held.push(batch) : deliver(batch)),
          complete: () => {
            ending = true
            finish()
          },
        })
      }),
  })
}

/** A transform that keeps count of what it saw, throws on a poisoned record, and flushes a summary. */
export const tally = defineTransform({
  name: 'tally',
  summary: 'Counts.',
  description: '',
  options: z.strictObject({}),
  examples: [],
  create: () => {
    let seen = 0
    return map((batch: Batch) => {
      for (let row = 0; row < batch.count; row++) {
        if (batch.record(row)['poison'] === true) throw new Error('poisoned')
      }
      seen += batch.count
      return batch.replace(
        Array.from({ length: batch.count }, (_, row) =>
          JSON.stringify({ ...batch.record(row), seen }),
        ),
      )
    })
  },
})

/** A transform with two named outputs, one for even and one for odd `n`. */
export const parity = defineTransform({
  name: 'parity',
  summary: 'Parts.',
  description: '',
  options: z.strictObject({}),
  examples: [],
  outputs: () => ['even', 'odd'],
  create: () =>
    concatMap((batch: Batch) => {
      const rows = Array.from({ length: batch.count }, (_, row) => row)
      const even = rows.filter(row => Number(batch.record(row)['n']) % 2 === 0)
      const odd = rows.filter(row => !even.includes(row))
      batch.lease.retain(1)
      return [batch.select(even).to('even'), batch.select(odd).to('odd')]
    }),
})

export function plannedSource(
  component: PlannedSource['component'],
  id: string,
  more: Partial<PlannedSource> = {},
): PlannedSource {
  return { id, component, options: {}, buffer: 11_000, signature: 'a', ...more }
}

export function plannedTransform(
  component: PlannedTransform['component'],
  id: string,
  inputs: string[],
  more: Partial<PlannedTransform> = {},
): PlannedTransform {
  const refs = inputs.map(input => {
    const [id = '', output] = input.split('.')
    return output === undefined ? { id } : { id, output }
  })
  return { id, component, options: {}, inputs: refs, outputs: [], signature: 'a', ...more }
}

export function plannedSink(
  component: PlannedSink['component'],
  id: string,
  inputs: string[],
  more: Partial<PlannedSink> = {},
): PlannedSink {
  return {
    id,
    component,
    options: {},
    inputs: inputs.map(input => ({ id: input })),
    queue: { type: 'memory', maxBytes: 11_000, whenFull: 'block' },
    signature: 'a',
    ...more,
  }
}

export function plan(dataDir: string, parts: Partial<Plan>): Plan {
  return {
    file: 'test.yml',
    dataDir,
    memory: 1e6,
    drainTimeout: 1000,
    log: { level: 'info', format: 'json' },
    api: { listen: undefined, token: undefined },
    telemetry: undefined,
    rejects: { maxBytes: 1e6 },
    sources: [],
    transforms: [],
    sinks: [],
    tests: [],
    ...parts,
  }
}
