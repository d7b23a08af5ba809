/**
 * The ledger: whatever graph of components, whatever batches, stalls and losses, every event that a
 * component received is counted as sent or as discarded, every lease is settled exactly once, every
 * budget is empty in the end, and one path keeps its order.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { Observable } from 'rxjs'
import t from 'tap'
import { z } from 'zod'
import { Batch } from '../../src/batch/batch.ts'
import type { Receipt } from '../../src/batch/receipt.ts'
import type { Context } from '../../src/component/context.ts'
import { defineSink, defineSource, type Transform } from '../../src/component/define.ts'
import type { InputRef, PlannedSink, PlannedTransform } from '../../src/component/plan.ts'
import { VirtualClock } from '../../src/component/virtual-clock.ts'
import { Edge } from '../../src/pipeline/edge.ts'
import { Log } from '../../src/pipeline/log.ts'
import type { JsonObject } from '../../src/record/json.ts'
import { transforms } from '../../src/transforms/index.ts'
import { plan, plannedSource, tally } from './toys.ts'

const words = { summary: '', description: '', options: z.strictObject({}), examples: [] }

/** Transforms as users would write them; those that make other events of events are `converts`. */
const TRANSFORMS: { type: string; options: object; converts?: true }[] = [
  { type: 'filter', options: { where: 'n % 3 != 0' } },
  { type: 'filter', options: { where: 'n > 1000000' } },
  { type: 'route', options: { routes: { even: 'n % 2 == 0', big: 'n > 40' } } },
  { type: 'sample', options: { rate: 2 } },
  { type: 'throttle', options: { events: 5, every: '10s' } },
  { type: 'dedupe', options: { fields: ['k'], window: '5s' } },
  { type: 'set', options: { fields: { seen: { expression: 'n + 1' } } } },
  { type: 'remove', options: { fields: ['text'] } },
  { type: 'redact', options: {} },
  { type: 'parse', options: { format: 'json', field: 'text', on_error: 'reject' } },
  {
    type: 'reduce',
    options: { every: '7s', group_by: ['k'], emit: { c: 'count()' } },
    converts: true,
  },
  {
    type: 'measure',
    options: { metrics: [{ name: 'm', type: 'counter', where: 'n % 2 == 0' }] },
    converts: true,
  },
]

const graph = fc.record({
  sources: fc.integer({ min: 1, max: 3 }),
  transforms: fc.array(
    fc.record({
      kind: fc.integer({ min: 0, max: TRANSFORMS.length }),
      inputs: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
    }),
    { maxLength: 6, size: 'max' },
  ),
  sinks: fc.array(
    fc.record({
      inputs: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
      maxBytes: fc.integer({ min: 50, max: 15_000 }),
      window: fc.integer({ min: 1, max: 8000 }),
      whenFull: fc.constantFrom('block' as const, 'drop_newest' as const, 'drop_oldest' as const),
    }),
    { minLength: 1, maxLength: 3 },
  ),
})

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      which: fc.nat(),
      records: fc.array(
        fc.record({
          k: fc.integer({ min: 0, max: 3 }),
          text: fc.constantFrom('{"a":1}', 'jo@example.com', 'poison', 'x'.repeat(100)),
        }),
        { minLength: 1, maxLength: 8 },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stall' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resume' as const), which: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      which: fc.nat(),
      at: fc.nat(),
      outcome: fc.constantFrom('delivered' as const, 'dropped' as const, 'some' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.integer({ min: 1, max: 9000 }),
    }),
  },
)

interface Tap {
  stalled: boolean
  held: Batch[]
  numbers: Map<string, number[]>
  answer(batch: Batch, outcome: 'delivered' | 'dropped' | 'some'): void
}

/** A sink that is stalled, and answers in any order, as the test says. */
function playedSink(sinks: Map<string, Tap>, windows: Map<string, number>, id: string) {
  return defineSink({
    ...words,
    name: 'played',
    window: () => windows.get(id) as number,
    create: (_options, context) => batches =>
      new Observable<Receipt>(subscriber => {
        let ending = false
        const played: Tap = {
          stalled: false,
          held: [],
          numbers: new Map(),
          answer(batch, outcome) {
            if (outcome === 'dropped') subscriber.next({ batch, outcome, reason: 'refused' })
            else if (outcome === 'delivered') subscriber.next({ batch, outcome })
            else {
              context.meters.discarded('refused', 1, false)
              subscriber.next({ batch, outcome: 'delivered', events: batch.count - 1 })
            }
            if (ending && played.held.length === 0) subscriber.complete()
          },
        }
        sinks.set(context.id, played)
        return batches.subscribe({
          next(batch) {
            for (let row = 0; row < batch.count; row++) {
              const { source, n } = batch.record(row) as { source?: string; n?: number }
              const numbers = played.numbers.get(String(source)) ?? []
              played.numbers.set(String(source), numbers)
              if (n !== undefined) numbers.push(n)
            }
            if (played.stalled) played.held.push(batch)
            else played.answer(batch, 'delivered')
          },
          complete() {
            ending = true
            if (played.held.length === 0) subscriber.complete()
          },
        })
      }),
  })
}

t.test('the books are right for every component of any graph', async t => {
  let leases = 0
  await fc.assert(
    fc.asyncProperty(
      graph,
      fc.array(step, { maxLength: 60, size: 'max' }),
      async (shape, steps) => {
        const directory = mkdtempSync(join(tmpdir(), 'scopeline-ledger-'))
        const clock = new VirtualClock()
        const open = new Map<number, string>()
        let sent = 0
        const senders = new Map<string, (records: JsonObject[]) => void>()
        const contexts: Context[] = []
        const source = defineSource({
          ...words,
          name: 'fed',
          create: (_options, context) =>
            new Observable<Batch>(subscriber => {
              contexts.push(context)
              senders.set(context.id, records => {
                if (context.budget.full) return
                const mine = leases++
                open.set(mine, context.id)
                const lease = context.lease(JSON.stringify(records).length, () => {
                  if (!open.delete(mine)) throw new Error('settled twice')
                })
                subscriber.next(Batch.ofRecords(records, { source: context.id }, lease))
              })
              context.signal.addEventListener('abort', () => subscriber.complete())
              context.ready()
            }),
        })

        const outputs: InputRef[] = []
        const sources = Array.from({ length: shape.sources }, (_, i) => {
          outputs.push({ id: `in${i}` })
          return plannedSource(source, `in${i}`, { buffer: 16_000 })
        })
        const kinds = new Map<string, { converts?: true }>()
        const parents = new Map<string, readonly InputRef[]>()
        const pick = (numbers: readonly number[]): InputRef[] => {
          const picked = numbers.map(n => outputs[n % outputs.length] as InputRef)
          return picked.filter((ref, i) => picked.indexOf(ref) === i)
        }
        const plannedTransforms = shape.transforms.map(({ kind, inputs }, i): PlannedTransform => {
          const id = `t${i}`
          const chosen = TRANSFORMS[kind]
          const component = chosen
            ? (transforms.find(({ name }) => name === chosen.type) as Transform)
            : tally
          const options = component.options.parse(chosen?.options ?? {})
          const refs = pick(inputs)
          const names = component.outputs?.(options as never) ?? []
          kinds.set(id, chosen ?? {})
          parents.set(id, refs)
          outputs.push(...(names.length > 0 ? names.map(output => ({ id, output })) : [{ id }]))
          return { id, component, options, inputs: refs, outputs: names, signature: 'a' }
        })
        const played = new Map<string, Tap>()
        const windows = new Map<string, number>()
        const plannedSinks = shape.sinks.map(({ inputs, window, ...queue }, i): PlannedSink => {
          const id = `out${i}`
          windows.set(id, window)
          const refs = pick(inputs)
          parents.set(id, refs)
          return {
            id,
            component: playedSink(played, windows, id),
            options: {},
            inputs: refs,
            signature: 'a',
            queue: { type: 'memory', ...queue },
          }
        })

        const edge = new Edge({
          plan: plan(directory, { sources, transforms: plannedTransforms, sinks: plannedSinks }),
          clock,
          log: new Log({ level: 'error', format: 'json', write: () => {}, clock }),
          onFailure: error => {
            throw error
          },
        })
        await edge.start()
        const sinkAt = (which: number) => played.get(`out${which % shape.sinks.length}`) as Tap
        const resume = (sink: Tap) => {
          sink.stalled = false
          for (let b = sink.held.shift(); b; b = sink.held.shift()) sink.answer(b, 'delivered')
        }
        for (const one of steps) {
          if (one.do === 'send') {
            const id = `in${one.which % shape.sources}`
            senders.get(id)?.(
              one.records.map(record => ({
                ...record,
                ...(record.text === 'poison' && { poison: true }),
                n: sent++,
                source: id,
              })),
            )
          } else if (one.do === 'stall') sinkAt(one.which).stalled = true
          else if (one.do === 'resume') resume(sinkAt(one.which))
          else if (one.do === 'answer') {
            const sink = sinkAt(one.which)
            const [batch] = sink.held.splice(one.at % Math.max(sink.held.length, 1), 1)
            if (batch) sink.answer(batch, one.outcome)
          } else clock.advance(one.ms)
        }
        for (const sink of played.values()) resume(sink)
        const { left } = await edge.drain()
        rmSync(directory, { recursive: true, force: true })

        const books = new Map<string, { received: number; sent: number; discarded: number }>()
        edge.measure()
        for (const metric of edge.meters.records(0)) {
          const id = metric['component_id'] as string
          const book = books.get(id) ?? { received: 0, sent: 0, discarded: 0 }
          books.set(id, book)
          const value = metric['_value'] as number
          if (metric['_metric'] === 'component_received_events_total') book.received += value
          if (metric['_metric'] === 'component_sent_events_total') book.sent += value
          if (metric['_metric'] === 'component_discarded_events_total') book.discarded += value
          if (metric['_metric'] === 'buffer_size_bytes' && value !== 0) {
            throw new Error(`${id} still holds ${value} bytes`)
          }
        }
        for (const [id, { received, sent, discarded }] of books) {
          if (kinds.get(id)?.converts) continue
          if (received !== sent + discarded) {
            throw new Error(`${id}: ${received} received, ${sent} sent, ${discarded} discarded`)
          }
        }
        if (left !== 0) throw new Error(`${left} events left`)
        if (open.size > 0) throw new Error(`${open.size} leases were never settled`)
        for (const { id } of plannedSinks) {
          let chain = parents.get(id)
          while (chain?.length === 1) chain = parents.get((chain[0] as InputRef).id) ?? []
          if (chain?.length !== 0) continue
          for (const numbers of played.get(id)?.numbers.values() ?? []) {
            if (numbers.some((n, i) => i > 0 && n <= (numbers[i - 1] as number))) {
              throw new Error(`${id} got ${numbers.join(' ')}`)
            }
          }
        }
      },
    ),
    { numRuns: Number(process.env['LEDGER_RUNS'] ?? 150) },
  )
  t.ok(leases > 1000, `${leases} batches`)
})
