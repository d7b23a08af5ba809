import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Plan } from '../../src/component/plan.ts'
import { systemClock } from '../../src/component/system-clock.ts'
import { Edge } from '../../src/pipeline/edge.ts'
import { Log } from '../../src/pipeline/log.ts'
import {
  type Feed,
  feedSource,
  parity,
  plan,
  plannedSink,
  plannedSource,
  plannedTransform,
  type Store,
  storeSink,
  tally,
} from './toys.ts'

function setUp(t: { teardown(work: () => void): void }) {
  const directory = mkdtempSync(join(tmpdir(), 'scopeline-edge-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const feeds = new Map<string, Feed>()
  const stores = new Map<string, Store>()
  const failing = new Set<string>()
  const lines: string[] = []
  const failures: Error[] = []
  const feed = feedSource(feeds, failing)
  const store = storeSink(stores)
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
  const at = (id: string) => stores.get(id) as Store
  const from = (id: string) => feeds.get(id) as Feed
  return { directory, feed, store, stores, edge, failing, lines, failures, at, from }
}

t.test('records go from sources through transforms to every sink that reads them', async t => {
  const { feed, store, edge, at, from } = setUp(t)
  const it = edge({
    sources: [plannedSource(feed, 'a'), plannedSource(feed, 'b')],
    transforms: [plannedTransform(tally, 'count', ['a', 'b'])],
    sinks: [plannedSink(store, 'all', ['count']), plannedSink(store, 'raw', ['a'])],
  })
  await it.start()
  from('a').send([{ n: 1 }, { n: 2 }])
  from('b').send([{ n: 3 }])
  t.same(at('all').records, [
    { n: 1, seen: 2 },
    { n: 2, seen: 2 },
    { n: 3, seen: 3 },
  ])
  t.same(at('raw').records, [{ n: 1 }, { n: 2 }])
  t.equal(from('a').context?.budget.used, 0, 'the leases are back')
  t.same(await it.drain(), { left: 0 })
  t.ok(at('all').completed)
  const labels = { component_id: 'all', component_kind: 'sink', component_type: 'store' }
  t.equal(it.meters.value('component_sent_events_total', labels), 3)
})

t.test('what left by a named output goes on through any transform behind it', async t => {
  const { feed, store, edge, at, from } = setUp(t)
  const it = edge({
    sources: [plannedSource(feed, 'a')],
    transforms: [
      plannedTransform(parity, 'parts', ['a']),
      plannedTransform(tally, 'count', ['parts.even']),
      plannedTransform(parity, 'again', ['parts.odd']),
      plannedTransform(tally, 'last', ['again.odd']),
    ],
    sinks: [plannedSink(store, 'evens', ['count']), plannedSink(store, 'odds', ['last'])],
  })
  await it.start()
  from('a').send([{ n: 1 }, { n: 2 }, { n: 3 }])
  t.same(at('evens').records, [{ n: 2, seen: 1 }])
  t.same(at('odds').records, [
    { n: 1, seen: 2 },
    { n: 3, seen: 2 },
  ])
  t.equal(from('a').context?.budget.used, 0, 'the leases are back')
  await it.drain()
})

t.test('a stopped sink stops its source and no other route', async t => {
  const { feed, store, edge, at, from } = setUp(t)
  const it = edge({
    sources: [plannedSource(feed, 'a'), plannedSource(feed, 'b')],
    sinks: [plannedSink(store, 'slow', ['a']), plannedSink(store, 'fast', ['b'])],
  })
  await it.start()
  at('slow').stopped = true
  let sent = 0
  while (from('a').send([{ text: 'x'.repeat(80), sent }])) sent++
  t.ok(sent >= 18 && sent <= 22, `source buffer and queue of 11 kB each took ${sent}`)
  for (let i = 0; i < 500; i++) t.ok(from('b').send([{ i }]))
  t.equal(at('fast').records.length, 500)
  at('slow').resume()
  t.equal(at('slow').records.length, sent, 'nothing is lost')
  t.same(
    at('slow').records.map(record => record['sent']),
    Array.from({ length: sent }, (_, i) => i),
    'order is kept',
  )
  t.ok(from('a').send([{ again: true }]))
  await it.drain()
})

t.test(
  'a full queue drops the newest or the oldest when it is told to, and counts them',
  async t => {
    const { feed, store, edge, at, from } = setUp(t)
    const queue = { type: 'memory', maxBytes: 4300 } as const
    const it = edge({
      sources: [plannedSource(feed, 'a', { buffer: 1e6 })],
      sinks: [
        plannedSink(store, 'newest', ['a'], { queue: { ...queue, whenFull: 'drop_newest' } }),
        plannedSink(store, 'oldest', ['a'], { queue: { ...queue, whenFull: 'drop_oldest' } }),
        plannedSink(store, 'healthy', ['a']),
      ],
    })
    await it.start()
    at('newest').stopped = at('oldest').stopped = true
    for (let i = 0; i < 100; i++) from('a').send([{ i, pad: 'x'.repeat(30) }])
    t.equal(at('healthy').records.length, 100, 'the sink with room gets all')
    at('newest').resume()
    at('oldest').resume()
    const numbers = (id: string) => at(id).records.map(record => record['i'])
    t.same(numbers('newest'), [0, 1, 2, 3])
    t.same(numbers('oldest'), [0, 97, 98, 99], 'one was in flight, the newest were queued')
    for (const id of ['newest', 'oldest']) {
      const labels = { component_id: id, component_kind: 'sink', component_type: 'store' }
      const lost = { ...labels, reason: 'queue_full', intentional: 'false' }
      t.equal(it.meters.value('component_discarded_events_total', lost), 96)
    }
    await it.drain()
  },
)

t.test('a transform that throws loses that batch alone, and keeps it to be looked at', async t => {
  const { directory, feed, store, edge, at, from } = setUp(t)
  const it = edge({
    sources: [plannedSource(feed, 'a')],
    transforms: [plannedTransform(tally, 'count', ['a'])],
    sinks: [plannedSink(store, 'all', ['count'])],
  })
  await it.start()
  from('a').send([{ n: 1 }])
  from('a').send([{ n: 2, poison: true }])
  from('a').send([{ n: 3 }])
  t.same(at('all').records, [
    { n: 1, seen: 1 },
    { n: 3, seen: 1 },
  ])
  t.equal(from('a').context?.budget.used, 0)
  await it.drain()
  const rejected = readFileSync(join(directory, 'rejected', 'count.ndjson'), 'utf8')
  t.match(JSON.parse(rejected), { reason: 'transform_failed', explanation: 'poisoned' })
})

t.test('a drain that takes too long ends with the number of events that are left', async t => {
  const { feed, store, edge, at, from } = setUp(t)
  const it = edge({
    drainTimeout: 20,
    sources: [plannedSource(feed, 'a')],
    sinks: [plannedSink(store, 'slow', ['a'])],
  })
  await it.start()
  at('slow').stopped = true
  from('a').send([{ n: 1 }, { n: 2 }])
  t.same(await it.drain(), { left: 2 })
})

t.test('a source that cannot start ends the start with its reason', async t => {
  const { feed, store, edge, failing, from } = setUp(t)
  failing.add('b')
  const it = edge({
    sources: [plannedSource(feed, 'a'), plannedSource(feed, 'b')],
    sinks: [plannedSink(store, 'all', ['a', 'b'])],
  })
  await t.rejects(it.start(), { message: 'b cannot start' })
  t.ok(from('a').ended, 'what had started is closed')
})

t.test('a reload keeps what has not changed, replaces the rest and loses nothing', async t => {
  const { directory, feed, store, edge, at, from } = setUp(t)
  const it = edge({
    sources: [plannedSource(feed, 'a'), plannedSource(feed, 'b')],
    transforms: [plannedTransform(tally, 'count', ['a', 'b'])],
    sinks: [plannedSink(store, 'all', ['count'])],
  })
  await it.start()
  from('a').send([{ n: 1 }])
  from('b').send([{ n: 2 }])
  await it.reload(
    plan(directory, {
      sources: [plannedSource(feed, 'a'), plannedSource(feed, 'b', { signature: 'changed' })],
      transforms: [plannedTransform(tally, 'count', ['a', 'b'])],
      sinks: [plannedSink(store, 'all', ['count']), plannedSink(store, 'raw', ['a', 'b'])],
    }),
  )
  t.equal(from('a').opened, 1, 'an unchanged source stays open')
  t.equal(from('b').opened, 2, 'a changed one is opened anew')
  from('a').send([{ n: 3 }])
  from('b').send([{ n: 4 }])
  t.same(
    at('all').records.map(record => record['seen']),
    [1, 2, 3, 4],
    'an unchanged transform keeps its state',
  )
  t.same(at('raw').records, [{ n: 3 }, { n: 4 }])
  await it.drain()
})

t.test('a reload that fails leaves the old pipeline running', async t => {
  const { directory, feed, store, edge, failing, failures, at, from } = setUp(t)
  const it = edge({
    sources: [plannedSource(feed, 'a'), plannedSource(feed, 'b')],
    sinks: [plannedSink(store, 'all', ['a', 'b'])],
  })
  await it.start()
  failing.add('c')
  const next = plan(directory, {
    sources: [plannedSource(feed, 'a'), plannedSource(feed, 'c')],
    sinks: [plannedSink(store, 'all', ['a', 'c']), plannedSink(store, 'other', ['a'])],
  })
  await t.rejects(it.reload(next), { message: 'c cannot start' })
  from('a').send([{ n: 1 }])
  t.ok(from('b').send([{ n: 2 }]), 'the source that was to go is back')
  t.same(at('all').records, [{ n: 1 }, { n: 2 }])
  t.equal(at('other').records.length, 0)
  t.same(failures, [])
  await it.drain()
})
