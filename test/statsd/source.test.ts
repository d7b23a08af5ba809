import { execFileSync, spawn } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import HotShots from 'hot-shots'
import t, { type Test } from 'tap'
import type { z } from 'zod'
import type { VirtualClock } from '../../src/component/virtual-clock.ts'
import type { JsonObject } from '../../src/record/json.ts'
import { Framer } from '../../src/sources/statsd/framing.ts'
import { statsd } from '../../src/sources/statsd/statsd.ts'
import { kernelDrops } from '../../src/sources/statsd/udp.ts'
import { eventually } from '../context.ts'
import { endpoint, type Running, run } from '../sources/running.ts'

const SAMPLES = join(import.meta.dirname, '../samples')
const UDP = 'udp://127.0.0.1:0'
const TCP = 'tcp://127.0.0.1:0'
let sockets = 0
const unixAddress = () => `unix://${join(tmpdir(), `scopeline-${process.pid}-${sockets++}.sock`)}`

/** Runs the source for the time of one test. */
async function start(
  t: Test,
  options: z.input<typeof statsd.options>,
  settings?: Parameters<typeof run>[2],
): Promise<Running> {
  const running = await run(statsd, options, settings)
  t.teardown(() => running.clean())
  return running
}

function port(running: Running): number {
  return (endpoint(running.context.bound[0] as string) as { port: number }).port
}

/** Sends datagrams and waits until the source has read them all. */
async function datagrams(running: Running, ...payloads: (string | Buffer)[]) {
  const socket = dgram.createSocket('udp4')
  for (const payload of payloads) {
    await new Promise(resolve => socket.send(payload, port(running), '127.0.0.1', resolve))
  }
  socket.close()
  // On loopback they are in the source's socket already; it reads some in every turn.
  for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
}

function clockOf(running: Running): VirtualClock {
  return running.context.clock as VirtualClock
}

/** Name, type, and value or values of each record, in order. */
function brief(records: JsonObject[]) {
  return records.map(r => [r['_metric'], r['_metric_type'], r['_value'] ?? r['_values']])
}

t.test('each line of a datagram is a record at once where nothing is aggregated', async t => {
  const running = await start(t, { listen: UDP, aggregate: false })
  await datagrams(running, 'a:1|c|#k:v\nb:2|g\n', 'broken\nc:3|ms|@0.5', '_e{1,1}:t|x')
  clockOf(running).advance(20)
  t.same(
    running.records().map(r => r['_metric'] ?? r['source']),
    ['a', 'b', 'c', 'statsd.event'],
  )
  t.equal(running.records()[0]?.['k'], 'v')
  t.same(
    running.context.rejects.map(r => [r.reason, r.bytes.toString()]),
    [['no_value', 'broken']],
  )
  t.equal(running.batches.length, 1, 'datagrams that come together leave together')
  t.equal(running.context.totals.get('payloads_received_total'), 3)
})

t.test('an interval puts together what came in it', async t => {
  const running = await start(t, { listen: UDP, flush_interval: '10s' })
  await datagrams(
    running,
    'c:3|c|#a:1,b:2\nc:2|c|@0.5|#b:2,a:1\ng:42|g\ng:+8|g',
    's:x|s\ns:y|s\ns:x|s',
    't:80|ms\nt:120|ms\nt:7|ms|@0.1\nd:1:2|d\nd:3|d',
    'late:5|c|T1700000000',
  )
  clockOf(running).advance(5000)
  t.same(brief(running.records()), [['late', 'counter', 5]], 'a metric with a time does not wait')
  clockOf(running).advance(5000)
  t.same(brief(running.records().slice(1)), [
    ['c', 'counter', 7],
    ['g', 'gauge', 50],
    ['s', 'set', ['x', 'y']],
    ['t', 'timer', [80, 120]],
    ['t', 'timer', 7],
    ['d', 'distribution', [1, 2, 3]],
  ])
  t.equal(running.records()[5]?.['_rate'], 0.1)
  t.match(running.records()[1], { a: '1', b: '2' })
  clockOf(running).advance(10_000)
  t.equal(running.records().length, 7, 'nothing came, nothing leaves')

  await datagrams(running, 'c:1|c\ng:-10|g')
  clockOf(running).advance(10_000)
  t.same(brief(running.records().slice(7)), [
    ['g', 'gauge', 40],
    ['c', 'counter', 1],
  ])
})

t.test(
  'a gauge is remembered as long as its ttl, and repeated where that is asked for',
  async t => {
    const running = await start(t, {
      listen: UDP,
      flush_interval: '10s',
      gauge_ttl: '30s',
      repeat_gauges: true,
    })
    await datagrams(running, 'g:5|g')
    clockOf(running).advance(20_000)
    t.same(brief(running.records()), [
      ['g', 'gauge', 5],
      ['g', 'gauge', 5],
    ])
    clockOf(running).advance(60_000)
    const before = running.records().length
    await datagrams(running, 'g:+1|g')
    clockOf(running).advance(10_000)
    t.same(brief(running.records().slice(before)), [['g', 'gauge', 1]], 'its base is forgotten')
  },
)

t.test('an aggregator that is full is flushed early, so that nothing is lost', async t => {
  const running = await start(t, { listen: UDP, max_contexts: 100 })
  const lines = Array.from({ length: 1000 }, (_, i) => `n${i}:1|c\nn${i}:2|g`)
  for (let i = 0; i < lines.length; i += 50) {
    await datagrams(running, lines.slice(i, i + 50).join('\n'))
  }
  clockOf(running).advance(10_000)
  const counters = running.records().filter(r => r['_metric_type'] === 'counter')
  t.equal(counters.length, 1000)
  t.ok((running.context.totals.get('aggregation_overflows_total') ?? 0) > 5)

  const small = await start(t, { listen: UDP, max_aggregate_bytes: '64KiB' })
  for (let i = 0; i < 100; i++) await datagrams(small, `d:${'1:'.repeat(999)}1|d`)
  clockOf(small).advance(10_000)
  const samples = small.records().flatMap(r => r['_values'] as number[])
  t.equal(samples.length, 100_000)
  t.ok((small.context.totals.get('aggregation_overflows_total') ?? 0) > 5)
  t.ok(small.records().every(r => (r['_values'] as number[]).length <= 1000))
})

t.test('a source that stops gives out what it holds', async t => {
  const running = await start(t, { listen: [UDP, TCP], flush_interval: '1h' })
  await datagrams(running, 'a:1|c')
  running.context.stop()
  await eventually(() => running.state.completed)
  t.same(brief(running.records()), [['a', 'counter', 1]])
})

t.test('lines over TCP and unix streams are found wherever the bytes are cut', async t => {
  const text = 'a:1|c|#k:ü\nb:2|g\nbad\nc:3|ms'
  for (const listen of [TCP, unixAddress()]) {
    const bytes = Buffer.from(text)
    const running = await start(t, { listen, aggregate: false })
    for (let cut = 1; cut < bytes.length; cut += 3) {
      await running.send(bytes.subarray(0, cut), bytes.subarray(cut))
    }
    const times = Math.ceil((bytes.length - 1) / 3)
    await eventually(() => running.records().length === 3 * times)
    t.equal(running.context.rejects.length, times)
  }
})

/** A payload as Datadog clients frame it on streams. */
function frame(payload: string): Buffer {
  const bytes = Buffer.from(payload)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([length, bytes])
}

t.test('both framings are told apart by the first bytes, wherever they are cut', async t => {
  const frames = Buffer.concat([frame('a:1|c\nb:2|c'), frame(''), frame('c:3|c\n')])
  for (let cut = 0; cut <= frames.length; cut++) {
    const payloads: string[] = []
    const problems: string[] = []
    const framer = new Framer({
      framing: 'auto',
      maxBytes: 100,
      payload: bytes => payloads.push(bytes.toString()),
      problem: ({ reason }) => problems.push(reason),
    })
    framer.push(frames.subarray(0, cut))
    framer.push(frames.subarray(cut))
    framer.end()
    t.same(payloads, ['a:1|c\nb:2|c', 'c:3|c\n'])
    t.same(problems, [])
  }
  const running = await start(t, { listen: unixAddress() })
  await running.send(frame('a:1|c'), frame('a:2|c'))
  await running.send('a:4|c\n')
  running.context.stop()
  await eventually(() => running.state.completed)
  t.same(brief(running.records()), [['a', 'counter', 7]])
})

t.test('streams that break the framing are rejected without harm to others', async t => {
  const running = await start(t, { listen: TCP, aggregate: false, max_line_bytes: 1000 })
  await running.send('a:1|c\n', `${'x'.repeat(5000)}`, `${'x'.repeat(5000)}\n`, 'b:1|c\n')
  const huge = frame('c:1|c')
  const lie = Buffer.from([0xff, 0xff, 0xff, 0x00, 0x61])
  await running.send(huge, lie)
  await running.send(frame('d:1|c').subarray(0, 7))
  const socket = await running.connect()
  socket.write('e:1|c\nf:1|c')
  await eventually(() => running.records().some(r => r['_metric'] === 'e'))
  socket.resetAndDestroy()
  await eventually(() => running.context.rejects.length >= 4)
  t.same(
    running.context.rejects.map(r => r.reason),
    ['line_too_long', 'frame_too_long', 'truncated', 'truncated'],
  )
  t.same(
    running.records().map(r => r['_metric']),
    ['a', 'b', 'c', 'e'],
  )
})

t.test('a source without space stops reading streams, and counts what UDP brings', async t => {
  const tcp = await start(t, { listen: TCP, aggregate: false }, { budget: 20_000, hold: true })
  const socket = await tcp.connect()
  const line = `metric.name:1|c|#tag:${'v'.repeat(100)}\n`
  for (let i = 0; i < 50_000; i++) socket.write(line)
  socket.end()
  await new Promise(resolve => setTimeout(resolve, 200))
  t.ok(tcp.records().length < 20_000, 'it has stopped')
  await eventually(() => {
    tcp.release()
    return tcp.texts.length === 50_000
  }, 'all of it arrives')
  t.ok(tcp.context.budget.peak < 1024 * 1024)

  const udp = await start(t, { listen: UDP, aggregate: false }, { budget: 100, hold: true })
  await datagrams(udp, 'a:1|c\na:1|c')
  clockOf(udp).advance(20)
  await datagrams(udp, 'b:1|c\nb:2|c\n', 'c:1|c')
  t.same(udp.context.discards, [
    { reason: 'budget_full', events: 2, intentional: false },
    { reason: 'budget_full', events: 1, intentional: false },
  ])
  t.equal(udp.context.logged.filter(l => l.level === 'warn').length, 1)
  udp.release()
  await datagrams(udp, 'd:1|c')
  clockOf(udp).advance(20)
  t.same(
    udp.records().map(r => r['_metric']),
    ['a', 'a', 'd'],
  )
})

t.test('an interval without space goes on until there is some', async t => {
  const running = await start(t, { listen: UDP }, { budget: 10, hold: true })
  await datagrams(running, 'a:1|c')
  clockOf(running).advance(10_000)
  await datagrams(running, 'a:2|c')
  clockOf(running).advance(10_000)
  t.same(brief(running.records()), [['a', 'counter', 1]])
  await datagrams(running, 'a:3|c')
  running.release()
  clockOf(running).advance(10_000)
  t.same(brief(running.records()), [
    ['a', 'counter', 1],
    ['a', 'counter', 5],
  ])
})

t.test('hot-shots is understood over UDP and TCP, with all that it can send', async t => {
  for (const listen of [UDP, TCP]) {
    const running = await start(t, { listen, aggregate: false })
    const client = new HotShots({
      host: '127.0.0.1',
      port: port(running),
      protocol: listen === UDP ? 'udp' : 'tcp',
      globalTags: { env: 'test' },
      maxBufferSize: 1432,
      bufferFlushInterval: 10,
      includeDatadogTelemetry: false,
    })
    client.increment('hits')
    client.increment('hits', 3, { page: 'a|b,c' })
    client.increment('sampled', 5, 0.999999)
    client.gauge('level', 42.5)
    client.gaugeDelta('level', -2)
    client.timing('took', 120, ['slow'])
    client.histogram('size', 7)
    client.distribution('spread', 1.5)
    client.set('users', 'anna')
    // Over TCP this client writes Latin-1 whatever the text, which no receiver could read.
    const title = listen === UDP ? 'Größe €' : 'Size'
    client.event(title, 'two\nlines', { priority: 'low', alert_type: 'error' }, ['a:b'])
    client.check('redis', client.CHECKS.CRITICAL, { hostname: 'box', message: 'no answer' })
    await eventually(() => {
      clockOf(running).advance(20)
      return running.records().length >= 10
    })
    await new Promise(resolve => client.close(resolve))
    await eventually(() => {
      clockOf(running).advance(20)
      return running.records().length >= 11
    })
    const records = running.records()
    t.same(running.context.rejects, [])
    t.same(brief(records.filter(r => r['_metric'] && r['_metric'] !== 'sampled')), [
      ['hits', 'counter', 1],
      ['hits', 'counter', 3],
      ['level', 'gauge', 42.5],
      ['level', 'gauge', -2],
      ['took', 'timer', 120],
      ['size', 'histogram', 7],
      ['spread', 'distribution', 1.5],
      ['users', 'set', 'anna'],
    ])
    t.ok(records.every(r => (r['env'] ?? tagsOf(r)['env']) === 'test'))
    t.match(records[1], { page: 'a_b_c' })
    t.equal(records.find(r => r['_metric'] === 'level' && r['_relative'])?.['_value'], -2)
    t.equal(records.find(r => r['_metric'] === 'took')?.['slow'], true)
    t.match(records.find(r => r['source'] === 'statsd.event')?.['data'], {
      title,
      text: 'two\nlines',
      priority: 'low',
      alert_type: 'error',
      tags: { a: 'b' },
    })
    t.match(records.find(r => r['source'] === 'statsd.service_check')?.['data'], {
      name: 'redis',
      status: 2,
      hostname: 'box',
      message: 'no answer',
    })
  }
})

function tagsOf(record: JsonObject): JsonObject {
  return ((record['data'] as JsonObject | undefined)?.['tags'] ?? {}) as JsonObject
}

t.test('AppScope’s samples sent by nc and logger arrive completely', async t => {
  const running = await start(t, { listen: [UDP, TCP], aggregate: false })
  await eventually(() => running.context.bound.length === 2)
  const bound = running.context.bound.map(name => new URL(name))
  const [udp, tcp] = ['udp:', 'tcp:'].map(p => bound.find(u => u.protocol === p)?.port as string)
  let lines = 0
  for (const file of readdirSync(SAMPLES).filter(name => name.endsWith('.statsd'))) {
    const bytes = readFileSync(join(SAMPLES, file))
    lines += bytes.toString().trimEnd().split('\n').length
    const nc = spawn('nc', ['-N', '127.0.0.1', tcp as string], {
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    nc.stdin.end(bytes)
    await once(nc, 'exit')
  }
  await eventually(() => running.records().length === lines, `${lines} records over TCP`)
  execFileSync('nc', ['-u', '-w', '1', '127.0.0.1', udp as string], { input: 'one:1|c\ntwo:2|g' })
  await eventually(() => {
    clockOf(running).advance(20)
    return running.records().length === lines + 2
  }, 'the datagram of nc')
  t.same(running.context.rejects, [])
  // logger puts its own header in front: no metric, told so, and nothing else is harmed.
  execFileSync('logger', ['-n', '127.0.0.1', '-P', udp as string, '-d', '--rfc3164', 'three:3|c'])
  await datagrams(
    { ...running, context: { ...running.context, bound: [`udp://127.0.0.1:${udp}`] } },
    'four:4|c',
  )
  await eventually(() => {
    clockOf(running).advance(20)
    return running.records().some(r => r['_metric'] === 'four')
  })
})

t.test('hostile datagrams harm nobody', async t => {
  const running = await start(t, { listen: UDP, aggregate: false })
  const hostile = [
    Buffer.alloc(0),
    Buffer.alloc(60_000),
    Buffer.alloc(60_000, 0xff),
    Buffer.from('\n'.repeat(60_000)),
    Buffer.from('a:1|c|#__proto__:x,constructor:y'),
    Buffer.from(`a:1|c|#${'k:v,'.repeat(10_000)}`),
  ]
  for (const payload of hostile) await datagrams(running, payload)
  await datagrams(running, 'good:1|c')
  await eventually(() => {
    clockOf(running).advance(20)
    return running.records().some(r => r['_metric'] === 'good')
  })
  t.equal(running.records().length, 3)
  t.equal(running.context.rejects.length, 2)
  t.equal(({} as JsonObject)['x'], undefined)
})

t.test('the kernel’s drops are read from its table', async t => {
  const table = [
    '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops',
    ' 5077: 0100007F:1FBD 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 20000 2 0000000000000000 17',
    ' 5078: 00000000:1FBE 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 20001 2 0000000000000000 4',
    '',
  ].join('\n')
  t.equal(kernelDrops(table, '127.0.0.1', 8125), 17)
  t.equal(kernelDrops(table, '0.0.0.0', 8126), 4)
  t.equal(kernelDrops(table, '127.0.0.1', 8126), undefined)

  const running = await start(t, { listen: UDP, receive_buffer: 4096 })
  const socket = dgram.createSocket('udp4')
  // All in one turn: the source cannot read in between.
  await new Promise<void>(resolve => {
    for (let i = 0; i < 200; i++) socket.send('a:1|c'.padEnd(1000), port(running), '127.0.0.1')
    socket.send('a:1|c', port(running), '127.0.0.1', () => resolve())
  })
  socket.close()
  running.context.stop()
  await eventually(() => running.state.completed)
  const drops = [...running.context.totals].find(([name]) => name.startsWith('kernel_dropped'))
  t.ok((drops?.[1] ?? 0) > 0)
})

t.test('an address that is taken, or not possible yet, is refused in words', async t => {
  const first = await start(t, { listen: UDP })
  const second = await start(t, { listen: `udp://127.0.0.1:${port(first)}` })
  t.match(second.state.error?.message, /another process already uses UDP port/)
  const parsed = statsd.options.safeParse({ listen: 'unixgram:///run/dsd.sock' })
  t.match(JSON.stringify(parsed.error), /native addon/)
})

t.test('a source that is unsubscribed lets go of its sockets and timers at once', async t => {
  const running = await start(t, { listen: UDP })
  await datagrams(running, 'a:1|c')
  const taken = port(running)
  running.unsubscribe()
  clockOf(running).advance(20_000)
  t.same(running.records(), [])
  const socket = dgram.createSocket('udp4')
  await new Promise(resolve => setImmediate(resolve))
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.bind(taken, '127.0.0.1', resolve)
  })
  socket.close()
})
