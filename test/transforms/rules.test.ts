import t from 'tap'
import type { JsonObject } from '../../src/record/json.ts'
import { dedupe } from '../../src/transforms/dedupe.ts'
import { filter } from '../../src/transforms/filter.ts'
import { measure } from '../../src/transforms/measure/measure.ts'
import { reduce } from '../../src/transforms/reduce/reduce.ts'
import { route } from '../../src/transforms/route.ts'
import { sample } from '../../src/transforms/sample.ts'
import { throttle } from '../../src/transforms/throttle.ts'
import { recordsOf } from '../context.ts'
import { running } from './running.ts'

const numbers = (from: number, to: number): JsonObject[] =>
  Array.from({ length: to - from + 1 }, (_, i) => ({ n: from + i }))

t.test('every transform settles the lease of every batch exactly once', async t => {
  const cases = [
    { transform: filter, options: { where: 'n > 2' } },
    { transform: filter, options: { where: 'n > 100' } },
    { transform: filter, options: { where: 'n > 0' } },
    { transform: route, options: { routes: { low: 'n < 3', high: 'n > 5' } } },
    { transform: route, options: { routes: { low: 'n < 6', even: 'n % 2 == 0' }, match: 'all' } },
    { transform: sample, options: { ratio: 0.5 } },
    { transform: sample, options: { rate: 1_000_000 } },
    { transform: sample, options: { rate: 2, key: 'n', sample_rate_field: 'rate' } },
    { transform: throttle, options: { events: 4, summary: true } },
    { transform: dedupe, options: { fields: ['n'] } },
    { transform: dedupe, options: {} },
    { transform: measure, options: { metrics: [{ name: 'm', type: 'counter', where: 'n < 4' }] } },
    { transform: measure, options: { metrics: [{ name: 'm', type: 'gauge', value: 'absent' }] } },
    { transform: reduce, options: { emit: { n: 'count()' } } },
    { transform: reduce, options: { emit: { e: 'count()' }, event_time: true, group_by: ['n'] } },
  ]
  for (const { transform, options } of cases) {
    const it = running(t, transform as never, options)
    for (let round = 0; round < 5; round++) {
      it.send(numbers(1, 9))
      it.send(numbers(5, 5))
      it.send([{ other: true }, { n: 'text', _time: round * 1e6 }])
      it.clock.advance(700)
    }
    // A second hold that is released too often would throw; one that is left would not settle.
    it.take()
    it.clock.advance(60_000)
    it.take()
    it.end()
    it.take()
    t.equal(it.outcomes.length, 15, `${transform.name} ${JSON.stringify(options)}`)
    t.ok(
      it.output.values.every(batch => batch.count > 0),
      'no batch is empty',
    )
    t.ok(it.output.completed)
    t.equal(it.output.error, undefined)
  }
})

t.test('the examples of every transform are valid', async t => {
  const { parse } = await import('yaml')
  for (const { name, options, examples } of [
    filter,
    route,
    sample,
    throttle,
    dedupe,
    measure,
    reduce,
  ]) {
    for (const example of examples) {
      const { type, ...rest } = parse(example.yaml)
      t.equal(type, name)
      t.doesNotThrow(() => options.parse(rest), `${name}: ${example.title}`)
    }
  }
})

t.test('filter keeps matching lines byte for byte and counts the others', async t => {
  const it = running(t, filter as never, { where: 'status >= 500' })
  it.send(['{"status":503, "big":9007199254740993}', '{"status":200}', '{}', '{"status":"x"}'])
  const [batch] = it.batches()
  t.equal(batch?.toBuffer().toString(), '{"status":503, "big":9007199254740993}\n')
  batch?.release('delivered')
  t.same(it.discarded(), { filtered: 3 })
  t.equal(it.context.totals.get('missing_total'), 2)
  it.send(['{"status":1}'])
  t.same(it.outcomes, ['delivered', 'discarded'])
})

t.test('route sends an event to the first output that matches, the rest to _rest', async t => {
  const options = { routes: { bad: 'n >= 500', slow: 'ms > 100' } }
  t.same(route.outputs?.(route.options.parse(options)), ['bad', 'slow', '_rest'])
  const it = running(t, route as never, options)
  it.send([
    { n: 500, ms: 200 },
    { n: 200, ms: 200 },
    { n: 200, ms: 1 },
    { n: 503, ms: 1 },
  ])
  const left = () => it.batches().map(batch => [batch.output, recordsOf([batch])] as const)
  const batches = left()
  t.same(batches, [
    [
      'bad',
      [
        { n: 500, ms: 200 },
        { n: 503, ms: 1 },
      ],
    ],
    ['slow', [{ n: 200, ms: 200 }]],
    ['_rest', [{ n: 200, ms: 1 }]],
  ])
  for (const batch of it.output.values) batch.release('delivered')
  t.same(it.outcomes, ['delivered'])
  it.send([{ n: 1 }])
  t.same(left(), [['_rest', [{ n: 1 }]]])
  t.equal(it.context.totals.get('missing_total{"output":"slow"}'), 1)
})

t.test('route with match all sends an event to every output that matches', async t => {
  const it = running(t, route as never, {
    routes: { a: 'n > 1', b: 'n > 2', c: 'n > 99' },
    match: 'all',
  })
  it.send(numbers(1, 3))
  t.same(
    it.batches().map(batch => [batch.output, recordsOf([batch]).map(r => r['n'])]),
    [
      ['a', [2, 3]],
      ['b', [3]],
      ['_rest', [1]],
    ],
  )
})

t.test('route refuses names that inputs could not be written with', async t => {
  for (const name of ['_rest', 'a.b', '', '1x']) {
    t.notOk(route.options.safeParse({ routes: { [name]: 'true' } }).success, name)
  }
  t.notOk(route.options.safeParse({ routes: {} }).success)
})

t.test('sample keeps about its share', async t => {
  const it = running(t, sample as never, { rate: 10 })
  for (let i = 0; i < 100; i++) it.send(numbers(1, 1000))
  const kept = it.take().length
  // Five standard deviations of a binomial distribution.
  t.ok(Math.abs(kept - 10_000) < 500, `${kept} of 100000 at 1 in 10`)
  t.equal(kept + (it.discarded()['sampled'] ?? 0), 100_000)
})

t.test(
  'sample with a key keeps all events of a key or none, and the same ones anywhere',
  async t => {
    const runs = [1, 2].map(() => {
      const it = running(t, sample as never, { ratio: 0.25, key: 'n' })
      for (let i = 0; i < 4; i++) it.send(numbers(1, 4000))
      it.send(numbers(1, 2000).map(record => ({ ...record, more: true })))
      return it.take()
    })
    t.same(runs[0], runs[1])
    const counts = new Map<unknown, number>()
    for (const record of runs[0] ?? []) {
      if (!record['more']) counts.set(record['n'], (counts.get(record['n']) ?? 0) + 1)
    }
    t.ok([...counts.values()].every(count => count === 4))
    t.ok(Math.abs(counts.size - 1000) < 150, `${counts.size} of 4000 keys at 0.25`)
  },
)

t.test(
  'sample keeps what is excluded, and writes the rate into the rest without touching it',
  async t => {
    const it = running(t, sample as never, {
      rate: 1,
      exclude: 'status >= 500',
      sample_rate_field: 'meta.rate',
    })
    it.send(['{"status":500, "x":1.0}', '{"status":200, "x":1.0}'])
    const [batch] = it.batches()
    t.same(batch?.text(0), '{"status":500, "x":1.0}')
    t.match(batch?.text(1), /^\{"status":200, "x":1\.0,\s?"meta":\{"rate":1\}\}$/)
    const share = running(t, sample as never, {
      ratio: 0.000001,
      key: '"always the same"',
      exclude: 'true',
    })
    share.send(numbers(1, 50))
    t.equal(share.take().length, 50)
    t.equal(share.context.totals.get('missing_total'), undefined)
  },
)

t.test('sample wants either a rate or a ratio', async t => {
  t.notOk(sample.options.safeParse({}).success)
  t.notOk(sample.options.safeParse({ rate: 2, ratio: 0.5 }).success)
  t.notOk(sample.options.safeParse({ ratio: 0 }).success)
})

t.test('throttle lets a burst through, then as much as the time allows, for each key', async t => {
  const it = running(t, throttle as never, { events: 10, every: '1s', burst: 20, key: ['proc'] })
  const a = Array.from({ length: 30 }, () => ({ proc: 'a' }))
  const b = [{ proc: 'b' }]
  it.send([...a, ...b])
  t.equal(it.take().length, 21)
  it.clock.advance(500)
  it.send([...a, ...b])
  t.equal(it.take().length, 6, 'five for half a second, and the other key')
  it.clock.advance(60_000)
  it.send(a)
  t.equal(it.take().length, 20, 'never more than the burst')
  t.same(it.discarded(), { throttled: 10 + 25 + 10 })
})

t.test(
  'throttle bounds its keys: quiet ones are forgotten, else new ones share a bucket',
  async t => {
    const it = running(t, throttle as never, { events: 1, every: '1s', key: ['n'], max_keys: 3 })
    it.send(numbers(1, 6))
    t.same(
      it.take().map(record => record['n']),
      [1, 2, 3, 4],
      'four to six share one bucket',
    )
    t.equal(it.context.totals.get('overflow_events_total'), 3)
    t.equal(it.context.totals.get('keys'), 3)
    it.clock.advance(5000)
    it.send(numbers(4, 6))
    t.equal(it.take().length, 3)
    t.equal(it.context.totals.get('overflow_events_total'), 3)
  },
)

t.test('throttle tells how much it held back, at each period and at the end', async t => {
  const it = running(t, throttle as never, {
    events: 1,
    every: '10s',
    key: ['proc', 'data.proc'],
    summary: true,
  })
  const event = { proc: 'a', data: { proc: 'b' } }
  it.send([event, event, event])
  t.same(it.take(), [event])
  it.clock.advance(10_000)
  const _time = Date.UTC(2026, 0, 1, 0, 0, 10) / 1000
  t.same(it.take(), [{ proc: 'a', 'data.proc': 'b', throttled: 2, _time, window_seconds: 10 }])
  it.clock.advance(10_000)
  t.same(it.take(), [], 'nothing was held back')
  it.send([event, event])
  it.take()
  it.end()
  t.match(it.take(), [{ throttled: 1 }])
  t.ok(it.output.completed)
})

t.test('dedupe lets one of the same through in a window, counted from the first', async t => {
  const it = running(t, dedupe as never, { fields: ['a', 'b.c'], window: '10s' })
  const event = { a: 1, b: { c: 'x' }, other: 0 }
  it.send([event, { ...event, other: 1 }, { ...event, a: '1' }, { a: 1 }, { a: 1 }])
  t.equal(it.take().length, 3)
  it.clock.advance(9999)
  it.send([event])
  t.equal(it.take().length, 0)
  it.clock.advance(1)
  it.send([event, event])
  t.equal(it.take().length, 1)
  t.same(it.discarded(), { duplicate: 4 })
  it.send([{ z: 1 }, { z: 1 }])
  t.equal(it.take().length, 2, 'events without any of the fields go on')
  t.equal(it.context.totals.get('missing_total'), 2)
})

t.test('dedupe without fields compares all bytes, however many', async t => {
  const it = running(t, dedupe as never, {})
  const long = 'x'.repeat(100_000)
  it.send([{ a: 1 }, { a: 1 }, { a: 1, b: 2 }, { long }, { long }, { long: `${long}y` }])
  t.equal(it.take().length, 4)
})

t.test('dedupe forgets what has not come for longest when it is full', async t => {
  const it = running(t, dedupe as never, { fields: ['n'], max_entries: 2 })
  it.send([{ n: 1 }, { n: 2 }, { n: 1 }, { n: 3 }, { n: 1 }, { n: 2 }])
  t.same(
    it.take().map(record => record['n']),
    [1, 2, 3, 2],
  )
  t.equal(it.context.totals.get('evicted_total'), 2)
  t.equal(it.context.totals.get('entries'), 2)
})

t.test('measure makes a metric of each event and entry', async t => {
  const it = running(t, measure as never, {
    metrics: [
      {
        name: 'http.{data.method}.count',
        type: 'counter',
        tags: { status: 'data.status', ok: 'data.status < 500', none: 'data.nope', map: 'data' },
        where: 'sourcetype == "http"',
      },
      { name: 'duration', type: 'timer', value: 'data.seconds * 1000' },
      { name: 'users', type: 'set', value: 'data.user' },
    ],
  })
  it.send([
    { sourcetype: 'http', _time: 5, data: { method: 'GET', status: 200, seconds: 0.25, user: 7 } },
    { sourcetype: 'http', data: { status: 200, seconds: 'x', user: 'me' } },
    { sourcetype: 'fs', data: {} },
  ])
  const now = Date.UTC(2026, 0, 1) / 1000
  t.same(it.take(), [
    {
      _metric: 'http.GET.count',
      _metric_type: 'counter',
      _value: 1,
      _time: 5,
      status: 200,
      ok: true,
    },
    { _metric: 'duration', _metric_type: 'timer', _value: 250, _time: 5 },
    { _metric: 'users', _metric_type: 'set', _value: '7', _time: 5 },
    { _metric: 'users', _metric_type: 'set', _value: 'me', _time: now },
  ])
  t.same(it.discarded(), { not_measured: 1 })
  t.equal(it.context.totals.get('missing_total'), 4)
  t.same(it.outcomes, ['delivered'])
})

t.test('measure refuses what could not become a metric', async t => {
  const faults = [
    [{ name: 'a', type: 'gauge' }, /a gauge needs a `value`/],
    [{ name: 'a{b', type: 'counter' }, /brace/],
    [{ name: 'a}b', type: 'counter' }, /brace/],
    [{ name: 'a{}', type: 'counter' }, /may not be empty/],
    [{ name: 'a{b..c}', type: 'counter' }, /expected a name|field name/],
    [{ name: 'a', type: 'counter', tags: { _value: '1' } }, /give the tag another name/],
    [{ name: 'a', type: 'counter', tags: { x: '1 +' } }, /ends where a value should follow/],
  ] as const
  for (const [metric, message] of faults) {
    const result = measure.options.safeParse({ metrics: [metric] })
    t.match(result.error?.message, message, JSON.stringify(metric))
  }
})
