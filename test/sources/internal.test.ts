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
  let rounds = 0
  const context: Context = {
    ...base,
    telemetry: {
      metrics: () => [{ _metric: 'uptime_seconds', _metric_type: 'gauge', _value: ++rounds }],
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
  return { base, clock, result, log, listeners, records: () => recordsOf(result.values) }
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

t.test('metrics and log can each be switched off', async t => {
  const { base, clock, result, listeners } = start({ metrics: false, logs: false })
  t.teardown(base.clean)
  clock.advance(60_000)
  base.stop()
  t.same(result.values, [])
  t.equal(listeners.size, 0)
  t.ok(result.completed)
})
