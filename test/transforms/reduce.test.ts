import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { hash64 } from '../../src/record/hash.ts'
import type { JsonObject, JsonValue } from '../../src/record/json.ts'
import { isObject } from '../../src/record/json.ts'
import { parseAggregate } from '../../src/transforms/reduce/aggregate.ts'
import { HyperLogLog } from '../../src/transforms/reduce/hyperloglog.ts'
import { reduce } from '../../src/transforms/reduce/reduce.ts'
import { EXACT_LIMIT } from '../../src/transforms/reduce/unique.ts'
import { batchOf } from '../context.ts'
import { running } from './running.ts'

const START = Date.UTC(2026, 0, 1) / 1000

/** What an aggregate makes of records. */
function aggregated(text: string, records: readonly JsonObject[]): JsonValue | undefined {
  const aggregate = parseAggregate(text)
  const accumulator = aggregate.start()
  const read = aggregate.over(batchOf([...records]))
  for (const row of records.keys()) accumulator.add(read(row))
  return accumulator.result()
}

t.test('aggregates take what fits and leave the rest', async t => {
  const records: JsonObject[] = [
    { x: 4, s: 'a' },
    {},
    { x: 1 },
    { x: 'no' },
    { x: 7, s: 'a' },
    { s: 3 },
  ]
  const expected: [string, JsonValue | undefined, JsonValue | undefined][] = [
    ['count()', 6, 0],
    ['count(x > 3)', 2, 0],
    ['sum(x)', 12, 0],
    ['sum(x * 2)', 24, 0],
    ['min(x)', 1, undefined],
    ['max(x)', 7, undefined],
    ['mean(x)', 4, undefined],
    ['first(x)', 4, undefined],
    ['last(x)', 7, undefined],
    ['last(s)', 3, undefined],
    ['unique(s)', 2, 0],
    ['unique(x)', 4, 0],
    ['quantile(x, 0)', 1, undefined],
    ['quantile(x, 1)', 7, undefined],
  ]
  for (const [text, value, ofNothing] of expected) {
    const result = aggregated(text, records)
    if (text.startsWith('quantile'))
      t.ok(Math.abs((result as number) / (value as number) - 1) < 0.011)
    else t.equal(result, value, text)
    t.equal(aggregated(text, []), ofNothing, `${text} of nothing`)
  }
})

t.test('quantiles are within one percent of the true ones', async t => {
  const arrays = fc.array(fc.double({ min: 0.001, max: 1e9, noNaN: true }), {
    minLength: 1,
    maxLength: 500,
  })
  fc.assert(
    fc.property(arrays, fc.constantFrom(0, 0.5, 0.9, 0.99, 1), (values, q) => {
      const sorted = [...values].sort((a, b) => a - b)
      const rank = q * (values.length - 1)
      const low = sorted[Math.floor(rank)] as number
      const high = sorted[Math.ceil(rank)] as number
      const got = aggregated(
        `quantile(x, ${q})`,
        values.map(x => ({ x })),
      ) as number
      return got >= low * 0.989 && got <= high * 1.011
    }),
    { numRuns: 200 },
  )
  t.ok(
    Math.abs((aggregated('quantile(x, 0.5)', [{ x: -5 }, { x: 0 }, { x: 9 }]) as number) - 0) < 0.1,
  )
})

t.test('unique counts exactly up to its limit and within two percent beyond', async t => {
  const different = (n: number) => Array.from({ length: n }, (_, i) => ({ x: `user-${i}` }))
  const repeated = (n: number) => [...different(n), ...different(n)]
  t.equal(aggregated('unique(x)', repeated(EXACT_LIMIT)), EXACT_LIMIT)
  for (const n of [EXACT_LIMIT + 1, 2000, 5000, 20_000, 50_000, 200_000]) {
    const estimate = aggregated('unique(x)', repeated(n)) as number
    t.ok(Math.abs(estimate / n - 1) <= 0.02, `${estimate} for ${n}`)
  }
  t.equal(aggregated('unique(x)', [{ x: 1 }, { x: '1' }, { x: null }, { x: [1] }, { x: [1] }]), 4)
  const long = 'x'.repeat(10_000)
  t.equal(aggregated('unique(x)', [{ x: long }, { x: long }, { x: `${long}y` }]), 2)
})

t.test('the sketch of unique has no weak range', async t => {
  t.equal(new HyperLogLog().estimate(), 0)
  const sketch = new HyperLogLog()
  let worst = 0
  for (let n = 1; n <= 300_000; n++) {
    sketch.add(hash64(`value ${n}`))
    if (n % 5000 === 0) worst = Math.max(worst, Math.abs(sketch.estimate() / n - 1))
  }
  t.ok(worst < 0.02, `worst ${worst}`)
  for (let n = 1; n <= 300_000; n++) sketch.add(hash64(`value ${n}`))
  t.ok(Math.abs(sketch.estimate() / 300_000 - 1) < 0.02, 'repetitions do not count')
})

t.test('an aggregate that cannot be is refused where it stands', async t => {
  const faults: [string, number, RegExp][] = [
    ['sum', 0, /one call/],
    ['x + 1', 0, /one call/],
    ['cuont()', 0, /no aggregate "cuont"; did you mean count\(\)/],
    ['stddev(x)', 0, /write one of count, sum/],
    ['sum()', 0, /write sum\(expression\)/],
    ['quantile(x)', 0, /write quantile/],
    ['quantile(x, 99)', 12, /from 0 to 1/],
    ['quantile(x, y)', 12, /from 0 to 1/],
    ['sum(x.foo())', 6, /no function/],
    ['count("x")', 6, /true or false/],
    ['sum(x', 5, /expected/],
  ]
  for (const [text, offset, message] of faults) {
    const result = reduce.options.safeParse({ emit: { a: text } })
    const [issue] = result.error?.issues ?? []
    t.match(issue?.message, message, text)
    t.match(issue, { path: ['emit', 'a'], params: { offset } }, text)
  }
  for (const options of [
    { emit: {} },
    { emit: { _time: 'count()' } },
    { emit: { proc: 'count()' }, group_by: ['proc'] },
    { emit: { n: 'count()' }, group_by: ['a.overflow'] },
    { emit: { n: 'count()' }, group_by: ['proc', 'proc'] },
    { emit: { n: 'count()' }, every: '0s' },
  ]) {
    t.notOk(reduce.options.safeParse(options).success, JSON.stringify(options))
  }
})

t.test('a window gives one record for each group at its end, aligned to the clock', async t => {
  const it = running(t, reduce as never, {
    every: '10s',
    group_by: ['proc', 'source'],
    emit: { events: 'count()', bytes: 'sum(data.net_bytes_recv)' },
  })
  it.clock.advance(3000)
  it.send([
    { proc: 'nginx', source: 'net.rx', data: { net_bytes_recv: 10 } },
    { proc: 'nginx', source: 'fs.open', data: {} },
  ])
  it.clock.advance(6999)
  it.send([{ proc: 'nginx', source: 'net.rx', data: { net_bytes_recv: 5 } }, { source: 'net.rx' }])
  t.same(it.take(), [])
  t.same(it.outcomes, [])
  it.clock.advance(1)
  t.same(it.take(), [
    {
      proc: 'nginx',
      source: 'net.rx',
      events: 2,
      bytes: 15,
      _time: START + 10,
      window_seconds: 10,
    },
    {
      proc: 'nginx',
      source: 'fs.open',
      events: 1,
      bytes: 0,
      _time: START + 10,
      window_seconds: 10,
    },
    { source: 'net.rx', events: 1, bytes: 0, _time: START + 10, window_seconds: 10 },
  ])
  t.same(it.outcomes, ['delivered', 'delivered'])
  it.clock.advance(60_000)
  t.same(it.take(), [], 'an empty window gives nothing')
  it.send([{ proc: 'a' }])
  it.end()
  t.same(it.take(), [{ proc: 'a', events: 1, bytes: 0, _time: START + 80, window_seconds: 10 }])
  t.ok(it.output.completed)
  t.equal(it.outcomes.length, 3)
})

t.test(
  'batches are acknowledged when their window is, and give their bytes back before',
  async t => {
    const it = running(t, reduce as never, { emit: { n: 'count()' } })
    it.send([{ a: 1 }])
    it.send([{ a: 2 }])
    it.clock.advance(10_000)
    const [batch] = it.batches()
    t.same(it.outcomes, [])
    batch?.release('dropped')
    t.same(it.outcomes, ['dropped', 'dropped'])
    it.send([{ a: 3 }])
    it.output.stop()
    t.same(it.outcomes.slice(2), ['aborted'], 'what was in an open window has to come again')
  },
)

t.test('groups beyond the limit are gathered in one and counted', async t => {
  const it = running(t, reduce as never, { group_by: ['n'], emit: { e: 'count()' }, max_groups: 2 })
  it.send([1, 2, 3, 4, 3, 1].map(n => ({ n })))
  it.clock.advance(10_000)
  const own = { _time: START + 10, window_seconds: 10 }
  t.same(it.take(), [
    { n: 1, e: 2, ...own },
    { n: 2, e: 1, ...own },
    { e: 3, overflow: true, ...own },
  ])
  t.equal(it.context.totals.get('overflow_events_total'), 3)
  it.send([{ n: 3 }])
  it.clock.advance(10_000)
  t.match(it.take(), [{ n: 3, e: 1 }], 'the next window has room again')
})

t.test('a window of many groups leaves in several batches that settle together', async t => {
  const it = running(t, reduce as never, { group_by: ['n'], emit: { e: 'count()' } })
  it.send(Array.from({ length: 2500 }, (_, n) => ({ n })))
  it.end()
  const batches = it.batches()
  t.same(
    batches.map(batch => batch.count),
    [1000, 1000, 500],
  )
  for (const batch of batches) {
    t.same(it.outcomes, [])
    batch.release('delivered')
  }
  t.same(it.outcomes, ['delivered'])
})

t.test('by event time, a window ends when the events have gone past it', async t => {
  const it = running(t, reduce as never, {
    every: '10s',
    event_time: true,
    lateness: '5s',
    emit: { n: 'count()', last: 'last(id)' },
  })
  const at = (seconds: number, id = 0) => ({ _time: START - 1000 + seconds, id })
  it.send([at(1), at(11), at(9), at(14)])
  t.same(it.take(), [])
  it.send([at(2, 1), at(15)])
  t.same(it.take(), [{ n: 3, last: 1, _time: START - 990, window_seconds: 10 }])
  t.same(it.outcomes, [], 'the first batch is in the next window too')
  it.send([at(3), at(12)])
  t.same(it.discarded(), { late: 1 })
  it.send([at(4)])
  t.same(it.outcomes, ['discarded'], 'all of it was late')
  it.clock.advance(20_000)
  t.same(it.take(), [{ n: 4, last: 0, _time: START - 980, window_seconds: 10 }])
  t.equal(it.outcomes.length, 4)
})

t.test('by event time, a sender whose clock is ahead makes no one late', async t => {
  const it = running(t, reduce as never, { event_time: true, emit: { n: 'count()' } })
  it.send([{ _time: START + 1e6 }, { _time: START }, { no: 'time' }, { _time: -1 }])
  it.end()
  t.same(it.discarded(), {})
  t.same(
    it.take().map(record => [record['n'], record['_time']]),
    [
      [3, START + 10],
      [1, START + 1e6 + 10],
    ],
  )
})

t.test('by event time, ever other times do not fill the memory', async t => {
  const it = running(t, reduce as never, {
    event_time: true,
    emit: { n: 'count()' },
    max_groups: 5,
  })
  for (let i = 0; i < 50; i++)
    it.send([{ _time: START + 1e6 - i * 1000 }, { _time: START + 2e6 + i * 1000 }])
  t.ok((it.context.totals.get('groups') ?? 0) <= 5)
  it.end()
  t.equal(
    it.take().reduce((sum, record) => sum + (record['n'] as number), 0),
    100,
    'every event is in some record',
  )
  t.equal(it.outcomes.length, 50)
})

t.test('sums over real events agree with sums made by hand', async t => {
  const lines = readFileSync(
    new URL('../samples/appscope-nginx-wrk.ndjson', import.meta.url),
    'utf8',
  ).split('\n')
  const bodies = lines
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as JsonObject)
    .map(message => message['body'])
    .filter(isObject)
  const it = running(t, reduce as never, {
    group_by: ['proc', 'source'],
    emit: { events: 'count()', bytes: 'sum(data.net_bytes_recv)' },
  })
  for (let i = 0; i < bodies.length; i += 100) it.send(bodies.slice(i, i + 100))
  it.end()
  const expected = new Map<string, { events: number; bytes: number }>()
  for (const body of bodies) {
    const key = JSON.stringify([body['proc'], body['source']])
    const group = expected.get(key) ?? { events: 0, bytes: 0 }
    group.events++
    const bytes = isObject(body['data']) ? body['data']['net_bytes_recv'] : undefined
    if (typeof bytes === 'number') group.bytes += bytes
    expected.set(key, group)
  }
  const got = it.take()
  t.equal(got.length, expected.size)
  for (const { proc, source, events, bytes } of got) {
    t.same({ events, bytes }, expected.get(JSON.stringify([proc, source])))
  }
})
