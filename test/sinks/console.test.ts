import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { Subject } from 'rxjs'
import t from 'tap'
import type { Batch } from '../../src/batch/batch.ts'
import { VirtualClock } from '../../src/component/virtual-clock.ts'
import { blackhole } from '../../src/sinks/blackhole.ts'
import { consoleOn, prettyLine } from '../../src/sinks/console.ts'
import { batchOf, collect, eventually, testContext } from '../context.ts'

function start(test: { teardown(fn: () => void): void }, stream: Writable, input: object = {}) {
  const context = testContext()
  test.teardown(() => context.clean())
  const batches = new Subject<Batch>()
  const sink = consoleOn(() => stream)
  const receipts = collect(sink.create(sink.options.parse(input), context)(batches))
  return { context, batches, receipts }
}

t.test('console writes events as they are, and answers when the stream has taken them', async t => {
  const taken: (() => void)[] = []
  let text = ''
  const slow = new Writable({
    write(chunk, _encoding, done) {
      text += chunk
      taken.push(done)
    },
  })
  const { batches, receipts } = start(t, slow)
  batches.next(batchOf(['{"n":9007199254740993, "x" : 1.0}', { a: 1 }]))
  batches.next(batchOf([{ b: 2 }]))
  batches.complete()
  t.same(receipts.values, [])
  t.notOk(receipts.completed)
  taken.shift()?.()
  await eventually(() => taken.length === 1)
  t.equal(receipts.values.length, 1)
  taken.shift()?.()
  await eventually(() => receipts.completed)
  t.equal(text, '{"n":9007199254740993, "x" : 1.0}\n{"a":1}\n{"b":2}\n')
  t.same(
    receipts.values.map(({ outcome, bytes }) => [outcome, bytes]),
    [
      ['delivered', 42],
      ['delivered', 8],
    ],
  )
})

t.test('pretty lines tell the main things first, and cannot play tricks on a terminal', async t => {
  const _time = Date.UTC(2026, 0, 2, 3, 4, 5.678) / 1000
  const event = {
    sourcetype: 'http',
    _time,
    source: 'http.resp',
    host: 'h1',
    proc: 'nginx',
    cmd: 'nginx -g',
    pid: 7,
    data: { http_status_code: 200, http_target: '/a b', evil: '\u001b[2J\n' },
    extra: [1],
  }
  t.equal(
    prettyLine(event, false),
    '03:04:05.000 h1 nginx[7] http.resp http_status_code=200 http_target="/a b" evil="\\u001b[2J\\n" extra=[1]',
  )
  t.equal(
    prettyLine(
      { _metric: 'fs.read', _metric_type: 'counter', _value: 3, _time, proc: 'x', unit: 'b' },
      false,
    ),
    '03:04:05.000 x fs.read 3 counter unit=b',
  )
  t.equal(
    prettyLine({ message: 'a\u001b[31mred\nline', level: 'error' }, false),
    '--:--:--.--- a\\x1b[31mred\\x0aline level=error',
  )
  t.match(prettyLine(event, true), /\u001b\[36mnginx\[7\]\u001b\[0m/)
  const stream = new PassThrough()
  const { batches } = start(t, stream, { format: 'pretty' })
  batches.next(batchOf([event, event]))
  t.equal(
    String(stream.read()),
    `${prettyLine(event, false)}\n`.repeat(2),
    'no colours: it is no terminal',
  )
})

t.test('a reader that has gone makes the sink unhealthy, and what follows is counted', async t => {
  const broken = new Writable({
    write: (_chunk, _encoding, done) =>
      done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
  })
  const { batches, receipts, context } = start(t, broken)
  batches.next(batchOf([{ a: 1 }]))
  await eventually(() => receipts.values.length === 1)
  batches.next(batchOf([{ a: 2 }]))
  batches.complete()
  t.match(receipts.values, [
    { outcome: 'dropped', reason: 'output_closed' },
    { outcome: 'dropped', reason: 'output_closed' },
  ])
  t.ok(receipts.completed)
  t.match(context.health, [{ ok: false, why: /reader is gone/ }])
})

t.test('a program that writes to head survives it', async t => {
  const file = join(import.meta.dirname, 'console-writer.ts')
  const child = spawn('sh', ['-c', `${process.execPath} --import=tsx ${file} | head -2; :`])
  let out = ''
  let told = ''
  child.stdout.on('data', data => {
    out += data
  })
  child.stderr.on('data', data => {
    told += data
  })
  await new Promise(resolve => child.once('close', resolve))
  t.equal(out, '{"i":0}\n{"i":1}\n')
  t.match(told, /delivered [1-9]\d* dropped [1-9]/)
})

t.test('blackhole takes all at once, or later, or slowly', async t => {
  const clock = new VirtualClock()
  const context = testContext({ clock })
  t.teardown(() => context.clean())
  const run = (input: object) => {
    const batches = new Subject<Batch>()
    const receipts = collect(blackhole.create(blackhole.options.parse(input), context)(batches))
    return { batches, receipts, count: () => receipts.values.length }
  }
  const fast = run({})
  fast.batches.next(batchOf([{ a: 1 }]))
  t.equal(fast.count(), 1)

  const late = run({ delay: '100ms' })
  late.batches.next(batchOf([{ a: 1 }]))
  clock.advance(99)
  t.equal(late.count(), 0)
  clock.advance(1)
  t.equal(late.count(), 1)

  const slow = run({ rate: '10B' })
  for (let i = 0; i < 4; i++) slow.batches.next(batchOf(['{"abc":1}']))
  clock.advance(1000)
  t.equal(slow.count(), 1)
  clock.advance(1500)
  t.equal(slow.count(), 2)
  slow.batches.complete()
  t.equal(slow.count(), 4, 'what waits is answered at the end')
  t.ok(slow.receipts.completed)
  t.notOk(blackhole.options.safeParse({ rate: 0 }).success)

  const talking = run({ print_interval: '10s' })
  talking.batches.next(batchOf([{ a: 1 }, { a: 2 }]))
  clock.advance(10_000)
  t.match(context.logged.at(-1), { level: 'info', facts: { events: 2, bytes: 16 } })
  talking.receipts.stop()
  const { length } = context.logged
  clock.advance(60_000)
  t.equal(context.logged.length, length)
})
