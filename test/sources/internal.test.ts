import t from 'tap'
import type { Context } from '../../src/component/context.ts'
import { VirtualClock } from '../../src/component/virtual-clock.ts'
import type { JsonObject } from '../../src/record/json.ts'
import { internal } from '../../src/sources/internal.ts'
import { collect, eventually, recordsOf, testContext } from '../context.ts'

function start(input: object, budget?: number) {
  const clock = new VirtualClock()
  const base = testContext({ clock, ...(budget !== undefined && { budget }) })
  const listeners = new Set<(record: JsonObject) => void>()
  const totals = new Map<string, number>()
  let rounds = 0
  const context: Context = {
    ...base,
    telemetry: {
      metrics: () => [
        { _metric: 'uptime_seconds', _metric_type: 'gauge', _value: ++rounds },
        ...[...totals].map(([id, total]) => ({
          _metric: 'component_sent_events_total',
          _metric_type: 'counter',
          _value: total,
          component_id: id,
        })),
      ],
      onLog(listener) {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
    },
  }
  const result = collect(internal.create(internal.options.parse(input), context))
  const log = (level: string, message = 'x') => {
    for (const listener of listeners) listener({ source: 'edge.log', level, message })
  }
  return { base, clock, result, log, listeners, totals, records: () => recordsOf(result.values) }
}

t.test('metrics come every interval, and once more at the end', async t => {
  const { base, clock, result, records } = start({ interval: '10s' })
  t.teardown(base.clean)
  t.equal(base.bound.length, 1)
  clock.advance(25_000)
  t.same(
    records().map(({ _value }) => _value),
    [1, 2],
  )
  base.stop()
  t.ok(result.completed)
  t.equal(records().length, 3)
})

t.test('log events of the level and above come, bundled, and never within another', async t => {
  const { base, result, log, listeners, records } = start({ metrics: false, level: 'warn' })
  t.teardown(base.clean)
  for (const level of ['debug', 'info', 'warn', 'error']) log(level)
  t.equal(result.values.length, 0)
  await eventually(() => result.values.length === 1)
  t.same(
    records().map(({ level }) => level),
    ['warn', 'error'],
  )
  log('error', 'last')
  base.stop()
  t.equal(records().at(-1)?.['message'], 'last', 'what was logged before the end is told')
  t.equal(listeners.size, 0)
})

t.test('the edge never waits for its own log: what finds no space is counted', async t => {
  const { base, clock, result, log } = start({}, 10)
  t.teardown(base.clean)
  clock.advance(10_000)
  t.ok(base.budget.full)
  log('info')
  for (let n = 0; n < 1100; n++) log('error')
  const lost = () => base.discards.reduce((sum, { events }) => sum + events, 0)
  await eventually(() => lost() === 1101)
  t.ok(base.discards.every(({ reason, intentional }) => reason === 'internal_full' && !intentional))
  clock.advance(10_000)
  t.equal(base.totals.get('internal_rounds_skipped_total'), 1)
  result.values[0]?.release('delivered')
  clock.advance(10_000)
  t.equal(result.values.length, 2)
})

t.test(
  'counters tell what was added since the round before, whatever became of that round',
  async t => {
    const { base, clock, result, records, totals } = start({ logs: false }, 1000)
    t.teardown(base.clean)
    const counted = () =>
      records()
        .filter(({ _metric_type }) => _metric_type === 'counter')
        .map(({ _value }) => _value)
    totals.set('a', 5)
    clock.advance(10_000)
    t.same(counted(), [5], 'all that was there before the first round')
    clock.advance(10_000)
    t.same(counted(), [5], 'a counter that stands still is left out')
    totals.set('a', 7)
    const held = base.lease(1000)
    clock.advance(10_000)
    held.release('delivered')
    totals.set('a', 12)
    clock.advance(10_000)
    t.same(counted(), [5, 7], 'a round that was left out is in the next one')
    totals.set('a', 2)
    clock.advance(10_000)
    t.same(counted(), [5, 7, 2], 'a counter that was begun anew')
    t.ok(result.values.length > 0)
  },
)

t.test('metrics and log can each be switched off', async t => {
  const { base, clock, result, listeners } = start({ metrics: false, logs: false })
  t.teardown(base.clean)
  clock.advance(60_000)
  base.stop()
  t.same(result.values, [])
  t.equal(listeners.size, 0)
  t.ok(result.completed)
})
