import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { map, NEVER, Observable } from 'rxjs'
import t from 'tap'
import { z } from 'zod'
import type { Batch } from '../../src/batch/batch.ts'
import { Budget } from '../../src/batch/lease.ts'
import type { Receipt } from '../../src/batch/receipt.ts'
import type { Context } from '../../src/component/context.ts'
import { defineSink, defineSource, defineTransform } from '../../src/component/define.ts'
import { holding } from '../../src/component/operator.ts'
import type { Plan } from '../../src/component/plan.ts'
import { systemClock } from '../../src/component/system-clock.ts'
import { Edge } from '../../src/pipeline/edge.ts'
import { Log } from '../../src/pipeline/log.ts'
import { startTap } from '../../src/pipeline/tap.ts'
import { eventually } from '../context.ts'
import {
  type Feed,
  feedSource,
  plan,
  plannedSink,
  plannedSource,
  plannedTransform,
  type Store,
  storeSink,
} from './toys.ts'

const words = { summary: '', description: '', options: z.strictObject({}), examples: [] }

function setUp(t: { teardown(work: () => void): void }) {
  const directory = mkdtempSync(join(tmpdir(), 'scopeline-life-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const feeds = new Map<string, Feed>()
  const stores = new Map<string, Store>()
  const failing = new Set<string>()
  const failures: Error[] = []
  const lines: string[] = []
  const log = new Log({
    level: 'debug',
    format: 'json',
    write: line => lines.push(line),
    clock: systemClock,
  })
  const edge = (parts: Partial<Plan>) =>
    new Edge({
      plan: plan(directory, parts),
      clock: systemClock,
      log,
      onFailure: error => failures.push(error),
    })
  return {
    edge,
    directory,
    feed: feedSource(feeds, failing),
    store: storeSink(stores),
    failing,
    failures,
    lines,
    at: (id: string) => stores.get(id) as Store,
    from: (id: string) => feeds.get(id) as Feed,
    next: (parts: Partial<Plan>) => plan(directory, parts),
  }
}

/** A source that is never ready, and ends only when it is closed. */
const silent = defineSource({ ...words, name: 'silent', create: () => NEVER })
/** A source that is ready, and does not end when it is asked to. */
const stubborn = defineSource({
  ...words,
  name: 'stubborn',
  create: (_options, context) => {
    context.ready()
    return NEVER
  },
})
/** Keeps batches until its input ends. */
function keeper(closed: string[] = []) {
  return defineTransform({
    ...words,
    name: 'keeper',
    create: (_options, context) =>
      holding(emit => {
        const held: Batch[] = []
        return {
          next: batch => void held.push(batch),
          complete: () => held.splice(0).forEach(emit),
          close: () => void closed.push(context.id),
        }
      }),
  })
}

t.test('an edge that could not start is drained at once', async t => {
  const { edge, feed, store, failing } = setUp(t)
  failing.add('a')
  const it = edge({
    drainTimeout: 60_000,
    sources: [plannedSource(feed, 'a')],
    sinks: [plannedSink(store, 'all', ['a'])],
  })
  await t.rejects(it.start())
  t.same(await it.drain(), { left: 0 })
})

t.test('a source that never gets ready holds up neither the stop of a starting edge', async t => {
  const { edge, store } = setUp(t)
  const it = edge({
    sources: [plannedSource(silent, 'a')],
    sinks: [plannedSink(store, 'all', ['a'])],
  })
  const starting = it.start()
  starting.catch(() => {})
  t.same(await it.drain(), { left: 0 })
  await t.rejects(starting, { message: 'the edge was told to stop' })
})

t.test('… nor the stop of an edge that reloads', async t => {
  const { edge, feed, store, next, from, at } = setUp(t)
  const it = edge({
    sources: [plannedSource(feed, 'a')],
    sinks: [plannedSink(store, 'all', ['a'])],
  })
  await it.start()
  const reloading = it.reload(
    next({
      sources: [plannedSource(feed, 'a'), plannedSource(silent, 'b')],
      sinks: [plannedSink(store, 'all', ['a', 'b'])],
    }),
  )
  reloading.catch(() => {})
  from('a').send([{ n: 1 }])
  t.same(await it.drain(), { left: 0 })
  await t.rejects(reloading)
  t.same(at('all').records, [{ n: 1 }])
})

t.test('an edge that starts or stops does not reload', async t => {
  const { edge, feed, store, next, from } = setUp(t)
  const parts = {
    sources: [plannedSource(feed, 'a')],
    sinks: [plannedSink(store, 'all', ['a'])],
  }
  const it = edge(parts)
  await t.rejects(it.reload(next(parts)), /not started yet/)
  const starting = it.start()
  await t.rejects(it.reload(next(parts)), /not started yet/)
  await starting
  t.equal(from('a').opened, 1)
  const draining = it.drain()
  const changed = { ...parts, sources: [plannedSource(feed, 'a', { signature: 'b' })] }
  await t.rejects(it.reload(next(changed)), /is stopping/)
  await draining
  t.equal(from('a').opened, 1)
})

t.test('a source that does not end leaves transforms and sinks the time to deliver', async t => {
  const { edge, feed, store, from, at, lines } = setUp(t)
  const it = edge({
    drainTimeout: 100,
    sources: [plannedSource(feed, 'a'), plannedSource(stubborn, 'b')],
    transforms: [plannedTransform(keeper(), 'kept', ['a', 'b'])],
    sinks: [plannedSink(store, 'all', ['kept'])],
  })
  await it.start()
  from('a').send([{ n: 1 }])
  t.same(await it.drain(), { left: 0 })
  t.same(at('all').records, [{ n: 1 }])
  t.match(lines.join(''), 'did not end in time')
})

t.test(
  'transforms of a reload that failed are closed, those of a running edge at its end',
  async t => {
    const { edge, feed, store, failing, next } = setUp(t)
    const closed: string[] = []
    const it = edge({
      sources: [plannedSource(feed, 'a')],
      transforms: [plannedTransform(keeper(closed), 'first', ['a'])],
      sinks: [plannedSink(store, 'all', ['first'])],
    })
    await it.start()
    failing.add('b')
    await t.rejects(
      it.reload(
        next({
          sources: [plannedSource(feed, 'a'), plannedSource(feed, 'b')],
          transforms: [plannedTransform(keeper(closed), 'second', ['a', 'b'])],
          sinks: [plannedSink(store, 'all', ['second'])],
        }),
      ),
    )
    t.same(closed, ['second'])
    await it.drain()
    t.same(closed, ['second', 'first'])
  },
)

t.test(
  'a replaced sink starts when the one before has ended, and goes on with the rest',
  async t => {
    const { edge, feed, next, from, failures } = setUp(t)
    /** One after the other, what each sink was given; the first does not answer. */
    const got: number[][] = []
    let open = 0
    let most = 0
    const sink = defineSink({
      ...words,
      name: 'exclusive',
      window: () => 1,
      create: () => batches =>
        new Observable<Receipt>(subscriber => {
          most = Math.max(most, ++open)
          const mine: number[] = []
          got.push(mine)
          const mute = got.length === 1
          const subscription = batches.subscribe({
            next: batch => {
              mine.push(batch.record(0)['n'] as number)
              if (!mute) subscriber.next({ batch, outcome: 'delivered' })
            },
            complete: () => subscriber.complete(),
          })
          return () => {
            open--
            subscription.unsubscribe()
          }
        }),
    })
    const parts = (signature: string): Partial<Plan> => ({
      drainTimeout: 50,
      sources: [plannedSource(feed, 'a')],
      sinks: [plannedSink(sink, 'out', ['a'], { signature })],
    })
    const it = edge(parts('a'))
    await it.start()
    for (let n = 0; n < 3; n++) from('a').send([{ n }])
    const reloading = it.reload(next(parts('b')))
    await eventually(() => from('a').send([{ n: 3 }]))
    await reloading
    from('a').send([{ n: 4 }])
    t.same(got, [[0], [0, 1, 2, 3, 4]])
    t.equal(most, 1, 'never two at a time with one state')
    t.equal(from('a').context?.budget.used, 0)
    t.same(await it.drain(), { left: 0 })
    t.same(failures, [])
  },
)

t.test('what a reload removed is neither unhealthy nor counted any more', async t => {
  const { edge, feed, store, next, from } = setUp(t)
  let health: Context['healthy'] = () => {}
  const ill = defineSink({
    ...words,
    name: 'ill',
    create: (_options, context) => batches => {
      health = context.healthy
      health(false, 'no route')
      return batches.pipe(map(batch => ({ batch, outcome: 'delivered' as const })))
    },
  })
  const it = edge({
    sources: [plannedSource(feed, 'a'), plannedSource(feed, 'b')],
    sinks: [plannedSink(ill, 'out', ['a', 'b']), plannedSink(store, 'all', ['a', 'b'])],
  })
  await it.start()
  from('b').send([{ n: 1 }])
  it.measure()
  t.same([...it.health], [['out', { ok: false, why: 'no route' }]])
  await it.reload(
    next({ sources: [plannedSource(feed, 'a')], sinks: [plannedSink(store, 'all', ['a'])] }),
  )
  health(false, 'still')
  t.same([...it.health], [])
  it.measure()
  const text = it.meters.prometheus().replace(/component_healthy.*/g, '')
  t.notMatch(text, 'component_id="out"')
  t.notMatch(text, 'component_id="b"')
  t.match(text, 'component_id="all"')
  await it.drain()
})

t.test('a sink that fails while it is replaced does not end the edge', async t => {
  const { edge, feed, store, next, failures, lines } = setUp(t)
  const failing = defineSink({
    ...words,
    name: 'failing',
    create: () => batches =>
      new Observable<Receipt>(subscriber =>
        batches.subscribe({ complete: () => subscriber.error(new Error('cannot flush')) }),
      ),
  })
  const it = edge({
    sources: [plannedSource(feed, 'a')],
    sinks: [plannedSink(failing, 'out', ['a'])],
  })
  await it.start()
  await it.reload(
    next({ sources: [plannedSource(feed, 'a')], sinks: [plannedSink(store, 'all', ['a'])] }),
  )
  t.same(failures, [])
  t.match(lines.join(''), 'failed while it was being replaced: cannot flush')
  await it.drain()
})

t.test('a new sink that fails at once makes the reload fail, not the edge', async t => {
  const { edge, feed, store, next, failures, from, at } = setUp(t)
  const broken = defineSink({
    ...words,
    name: 'broken',
    create: () => () =>
      new Observable<Receipt>(subscriber => subscriber.error(new Error('no such bucket'))),
  })
  const it = edge({
    sources: [plannedSource(feed, 'a')],
    sinks: [plannedSink(store, 'all', ['a'])],
  })
  await it.start()
  await t.rejects(
    it.reload(
      next({
        sources: [plannedSource(feed, 'a')],
        sinks: [plannedSink(store, 'all', ['a']), plannedSink(broken, 'out', ['a'])],
      }),
    ),
    { message: 'out: no such bucket' },
  )
  from('a').send([{ n: 1 }])
  t.same(at('all').records, [{ n: 1 }])
  t.same(failures, [])
  await it.drain()
})

t.test('a sink that ends before its input is a failure of the edge', async t => {
  const { edge, feed, failures, from } = setUp(t)
  const brief = defineSink({
    ...words,
    name: 'brief',
    create: () => batches =>
      new Observable<Receipt>(subscriber =>
        batches.subscribe(batch => {
          subscriber.next({ batch, outcome: 'delivered' })
          subscriber.complete()
        }),
      ),
  })
  const it = edge({
    sources: [plannedSource(feed, 'a')],
    sinks: [plannedSink(brief, 'out', ['a'])],
  })
  await it.start()
  from('a').send([{ n: 1 }])
  t.match(failures[0]?.message, 'out: it ended although')
  await it.drain()
})

t.test(
  'a dead sink behind a transform that takes events off the account stops the source',
  async t => {
    const { edge, feed, store, from, at } = setUp(t)
    /** As reduce does: the acknowledgement waits, the bytes do not. */
    const off = defineTransform({
      ...words,
      name: 'off',
      create: () =>
        map((batch: Batch) =>
          batch.under(batch.lease.transfer(new Budget(Number.POSITIVE_INFINITY), 0)),
        ),
    })
    const it = edge({
      sources: [plannedSource(feed, 'a'), plannedSource(feed, 'b')],
      transforms: [plannedTransform(off, 'off', ['a'])],
      sinks: [plannedSink(store, 'slow', ['off']), plannedSink(store, 'fast', ['b'])],
    })
    await it.start()
    at('slow').stopped = true
    let sent = 0
    while (sent < 10_000 && from('a').send([{ text: 'x'.repeat(80), sent }])) sent++
    t.ok(sent < 30, `a queue of 11 kB took ${sent}`)
    t.ok(from('b').send([{ n: 1 }]), 'the other route goes on')
    at('slow').resume()
    t.ok(from('a').send([{ again: true }]))
    t.equal(at('slow').records.length, sent + 1)
    t.same(await it.drain(), { left: 0 })
  },
)

t.test('a transform that throws after it gave its batch away loses only that', async t => {
  const { edge, feed, store, from, at } = setUp(t)
  const hasty = defineTransform({
    ...words,
    name: 'hasty',
    create: () =>
      map((batch: Batch) => {
        if (batch.record(0)['n'] !== 1) return batch
        batch.release('discarded')
        throw new Error('too late')
      }),
  })
  const it = edge({
    sources: [plannedSource(feed, 'a')],
    transforms: [plannedTransform(hasty, 'hasty', ['a'])],
    sinks: [plannedSink(store, 'all', ['hasty'])],
  })
  await it.start()
  for (let n = 0; n < 3; n++) from('a').send([{ n }])
  t.same(at('all').records, [{ n: 0 }, { n: 2 }])
  t.equal(from('a').context?.budget.used, 0)
  await it.drain()
})

t.test(
  'a tap goes on when a reload replaces what it looks at, and counts what it skips',
  async t => {
    const { edge, feed, store, next, from } = setUp(t)
    const parts = (signature: string): Partial<Plan> => ({
      sources: [plannedSource(feed, 'a', { signature })],
      sinks: [plannedSink(store, 'all', ['a'])],
    })
    const it = edge(parts('a'))
    await it.start()
    const shown: unknown[] = []
    let ready = true
    let tick = () => {}
    const clock = {
      ...systemClock,
      every: (_period: number, work: () => void) => {
        tick = work
        return () => {}
      },
    }
    const show = (line: string) => ready && shown.push(JSON.parse(line)) > 0
    const end = startTap(it, { components: ['a'], rate: 10, clock, show })
    from('a').send([{ n: 1 }])
    await it.reload(next(parts('b')))
    from('a').send([{ n: 2 }])
    ready = false
    from('a').send([{ n: 3 }, { n: 4 }])
    ready = true
    tick()
    t.same(shown, [
      { component: 'a', event: { n: 1 } },
      { component: 'a', event: { n: 2 } },
      { component: 'a', skipped: 2 },
    ])
    end?.()
    from('a').send([{ n: 5 }])
    t.equal(shown.length, 3)
    await it.drain()
  },
)

t.test('what a reload keeps gets the share of memory that the new plan gives it', async t => {
  const { edge, feed, store, next, from, at } = setUp(t)
  const parts = (bytes: number): Partial<Plan> => ({
    sources: [plannedSource(feed, 'a', { buffer: bytes })],
    sinks: [
      plannedSink(store, 'all', ['a'], {
        queue: { type: 'memory', maxBytes: bytes, whenFull: 'block' },
      }),
    ],
  })
  const it = edge(parts(11_000))
  await it.start()
  at('all').stopped = true
  const fill = () => {
    let sent = 0
    while (from('a').send([{ text: 'x'.repeat(80) }])) sent++
    return sent
  }
  const first = fill()
  await it.reload(next(parts(22_000)))
  const second = fill()
  t.ok(second >= first - 2 && second <= first + 2, `${second} more where ${first} were`)
  await it.reload(next(parts(5000)))
  t.notOk(from('a').send([{ n: 1 }]))
  at('all').resume()
  t.equal(at('all').records.length, first + second)
  t.equal(from('a').opened, 1)
  await it.drain()
})
