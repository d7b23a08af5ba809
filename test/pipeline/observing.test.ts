/** The parts through which an edge is watched: log, meters, rejects. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../src/component/system-clock.ts'
import { VirtualClock } from '../../src/component/virtual-clock.ts'
import { Log } from '../../src/pipeline/log.ts'
import { MeterStore } from '../../src/pipeline/meters.ts'
import { RejectStore } from '../../src/pipeline/rejects.ts'
import { startReport } from '../../src/pipeline/report.ts'
import { runTest } from '../../src/pipeline/unit-test.ts'
import type { JsonObject } from '../../src/record/json.ts'
import { eventually } from '../context.ts'
import { plan, plannedTransform, tally } from './toys.ts'

t.test('a message that repeats is written once in ten seconds, with how often it came', async t => {
  const clock = new VirtualClock()
  const lines: string[] = []
  const log = new Log({
    level: 'info',
    format: 'json',
    write: line => lines.push(line),
    clock,
  })
  const records: JsonObject[] = []
  log.onRecord(record => records.push(record))
  const own = log.for('web')
  for (let i = 0; i < 50; i++) own.warn('the peer is gone', { port: i })
  own.debug('not shown at this level')
  t.equal(lines.length, 1)
  clock.advance(10_001)
  own.warn('the peer is gone', { port: 7 })
  t.equal(lines.length, 2)
  t.match(JSON.parse(lines[1] ?? ''), { repeated: 49, component: 'web', data: { port: 7 } })
  t.equal(records.length, 2, 'listeners get what is written')
})

t.test('text for people is one line with its facts behind it', async t => {
  const lines: string[] = []
  const log = new Log({
    level: 'info',
    format: 'text',
    write: line => lines.push(line),
    clock: new VirtualClock(),
  })
  log.for('web').info('ready', { on: 'tcp://127.0.0.1:1' })
  t.same(lines, ['2026-01-01T00:00:00.000Z info  web: ready {"on":"tcp://127.0.0.1:1"}\n'])
})

t.test('what a peer has chosen cannot command a terminal or forge a line', async t => {
  const clock = new VirtualClock()
  for (const format of ['text', 'json'] as const) {
    const lines: string[] = []
    const log = new Log({ level: 'info', format, write: line => lines.push(line), clock })
    log.for('a').info('\u001b[2J\u009b1m\u202e\r', { peer: '\u009b\u007f\u001b' })
    log.for('a').info('two\n2026-01-01T00:00:00.000Z error edge: forged')
    log.for('a').info('tab\there')
    const text = lines.join('')
    t.notMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/, format)
    if (format === 'json') t.equal(JSON.parse(lines[0] ?? '').data.peer, '\u009b\u007f\u001b')
    else t.notMatch(text, /^2026-01-01T00:00:00.000Z error/m)
  }
})

t.test('a log goes on with another level and format', async t => {
  const lines: string[] = []
  const write = (line: string) => lines.push(line)
  const log = new Log({ level: 'error', format: 'text', write, clock: new VirtualClock() })
  const logger = log.for('a')
  logger.info('not yet')
  log.adjust({ level: 'info', format: 'json' })
  logger.info('now')
  t.match(
    lines.map(line => JSON.parse(line)),
    [{ message: 'now' }],
  )
})

t.test('metrics are rendered in the form that Prometheus reads', async t => {
  const meters = new MeterStore()
  meters.add('component_errors_total', { component_id: 'a', error_code: 'x"y\\\n' }, 2)
  meters.set('buffer_size_bytes', { component_id: 'a' }, 7)
  meters.observe('component_latency_seconds', { component_id: 'a' }, 0.02)
  meters.observe('component_latency_seconds', { component_id: 'a' }, 1000)
  const text = meters.prometheus()
  t.match(text, 'component_errors_total{component_id="a",error_code="x\\"y\\\\\\n"} 2\n')
  t.match(text, '# TYPE buffer_size_bytes gauge\nbuffer_size_bytes{component_id="a"} 7\n')
  t.match(text, 'component_latency_seconds_bucket{component_id="a",le="0.01"} 0\n')
  t.match(text, 'component_latency_seconds_bucket{component_id="a",le="0.05"} 1\n')
  t.match(text, 'component_latency_seconds_bucket{component_id="a",le="300"} 1\n')
  t.match(text, 'component_latency_seconds_bucket{component_id="a",le="+Inf"} 2\n')
  t.match(text, 'component_latency_seconds_sum{component_id="a"} 1000.02\n')
  t.match(text, 'component_latency_seconds_count{component_id="a"} 2\n')
  meters.forget({ component_id: 'a' })
  t.notMatch(meters.prometheus(), 'component_id="a"')
})

t.test("the edge's own metrics reach a StatsD server, counters as what was added", async t => {
  const server = createSocket('udp4')
  const received: string[] = []
  server.on('message', message => received.push(...message.toString().trim().split('\n')))
  await new Promise<void>(resolve => server.bind(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const clock = new VirtualClock()
  const log = new Log({ level: 'info', format: 'json', write: line => t.fail(line), clock })
  const meters = new MeterStore()
  const end = startReport(
    {
      statsd: { scheme: 'udp', host: '127.0.0.1', port: server.address().port },
      prefix: 'edge.',
      interval: 10_000,
      tags: { site: 'a' },
    },
    () => meters.records(0),
    clock,
    log.for('edge'),
  )
  meters.add('component_sent_events_total', { component_id: 'web' }, 5)
  meters.set('buffer_size_bytes', { component_id: 'web' }, 7)
  clock.advance(10_000)
  meters.add('component_sent_events_total', { component_id: 'web' }, 2)
  await end()
  await eventually(() => received.length >= 4)
  t.same(received, [
    'edge.component_sent_events_total:5|c|#site:a,component_id:web',
    'edge.buffer_size_bytes:7|g|#site:a,component_id:web',
    'edge.component_sent_events_total:2|c|#site:a,component_id:web',
    'edge.buffer_size_bytes:7|g|#site:a,component_id:web',
  ])
})

t.test('a StatsD server that nobody runs is said once, and ends nothing', async t => {
  for (const statsd of [
    { scheme: 'tcp', host: '127.0.0.1', port: 1 },
    { scheme: 'unix', path: '/nonexistent/statsd.sock' },
  ] as const) {
    const lines: string[] = []
    const write = (line: string) => lines.push(line)
    const log = new Log({ level: 'info', format: 'json', write, clock: new VirtualClock() })
    const planned = { statsd, prefix: '', interval: 10, tags: {} }
    const metrics = () => [{ _metric: 'a', _metric_type: 'gauge', _value: 1 }]
    const end = startReport(planned, metrics, systemClock, log.for('edge'))
    await new Promise(resolve => setTimeout(resolve, 100))
    await end()
    t.match(lines.join(''), "the edge's own metrics could not be sent", statsd.scheme)
    t.ok(lines.length < 10, lines.join(''))
  }
})

t.test('a StatsD server that comes late, over TCP, gets the metrics from then on', async t => {
  const gone = net.createServer().listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const { port } = gone.address() as net.AddressInfo
  gone.close()
  const clock = new VirtualClock()
  const lines: string[] = []
  const log = new Log({ level: 'info', format: 'json', write: line => lines.push(line), clock })
  const meters = new MeterStore()
  const end = startReport(
    { statsd: { scheme: 'tcp', host: '127.0.0.1', port }, prefix: '', interval: 10_000, tags: {} },
    () => meters.records(0),
    clock,
    log.for('edge'),
  )
  await eventually(() => lines.length > 0)
  t.match(lines[0], `could not be sent to tcp://127.0.0.1:${port}`)
  let received = ''
  const server = net.createServer(socket =>
    socket.on('data', data => {
      received += data
    }),
  )
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  meters.set('uptime_seconds', {}, 20)
  clock.advance(10_000)
  await end()
  await eventually(() => received.includes('uptime_seconds:20|g'))
  t.equal(lines.length, 1)
})

t.test('rejects are kept in private files of bounded size, as text or base64', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'scopeline-rejects-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const store = new RejectStore(directory, 1500, new VirtualClock())
  const reject = (bytes: Buffer) => ({
    reason: 'invalid_json',
    explanation: 'it is not JSON',
    bytes,
    origin: { source: 'web', peer: '127.0.0.1:5' },
  })
  store.add('web', reject(Buffer.from('{"a":')))
  store.add('web', reject(Buffer.from([0, 255, 1])))
  await store.flush()
  const path = join(directory, 'web.ndjson')
  const kept = readFileSync(path, 'utf8').trim().split('\n')
  t.match(JSON.parse(kept[0] ?? ''), { reason: 'invalid_json', text: '{"a":', peer: '127.0.0.1:5' })
  t.match(JSON.parse(kept[1] ?? ''), { base64: 'AP8B', length: 3 })
  t.equal(statSync(path).mode & 0o777, 0o600)
  for (let i = 0; i < 50; i++) {
    store.add('web', reject(Buffer.alloc(100, 'x')))
    await store.flush()
  }
  t.ok(statSync(path).size <= 1500)
  t.ok(statSync(`${path}.1`).size <= 1500)
  store.add('web', reject(Buffer.alloc(10_000, 'y')))
  await store.flush()
  const last = JSON.parse(readFileSync(path, 'utf8').trim().split('\n').at(-1) ?? '')
  t.equal(last.text.length, 4096)
  t.equal(last.length, 10_000)
})

t.test('a unit test of a configuration leaves nothing behind', async t => {
  const directory = join(t.testdir(), 'gone')
  const rejecting = plannedTransform(tally, 'count', ['a'])
  const whole = plan(directory, { transforms: [rejecting] })
  const test = {
    name: 'poison',
    inserts: [{ at: 'count', events: [], lines: ['{"poison":true}'] }],
    advance: 0,
    expectations: [],
    line: 1,
  }
  t.same(runTest(whole, test, directory).mismatches, [])
  await new Promise(resolve => setTimeout(resolve, 50))
  t.notOk(existsSync(directory))
})
