/** Our sink's output read by StatsD servers that others wrote: etsy's, and collectd. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Subject } from 'rxjs'
import t, { type Test } from 'tap'
import type { Batch } from '../../src/batch/batch.ts'
import { systemClock } from '../../src/component/system-clock.ts'
import type { JsonObject } from '../../src/record/json.ts'
import { statsd } from '../../src/sinks/statsd/statsd.ts'
import { batchOf, collect, eventually, testContext } from '../context.ts'

/** What came into our edge as c:3 and c:2|@0.5, g:42 and g:+8, ms 80 and 120, with tags. */
const RECORDS: JsonObject[] = [
  { _metric: 'edge.hits', _metric_type: 'counter', _value: 3, host: 'h' },
  { _metric: 'edge.hits', _metric_type: 'counter', _value: 4, host: 'h' },
  { _metric: 'edge.level', _metric_type: 'gauge', _value: 42, unit: 'byte' },
  { _metric: 'edge.level', _metric_type: 'gauge', _value: 8, _relative: true },
  { _metric: 'edge.depth', _metric_type: 'gauge', _value: -5 },
  { _metric: 'edge.took', _metric_type: 'timer', _values: [80, 120], _timestamped: true },
  { _metric: 'edge.spread', _metric_type: 'distribution', _values: [10, 30] },
  { _metric: 'edge.users', _metric_type: 'set', _values: ['anna', 'bert', 'anna'] },
]

async function freePort(kind: 'udp' | 'tcp'): Promise<number> {
  if (kind === 'udp') {
    const socket = dgram.createSocket('udp4')
    await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
    const { port } = socket.address()
    await new Promise<void>(resolve => socket.close(() => resolve()))
    return port
  }
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

/** Sends the records by our sink, once. */
async function send(t: Test, address: string, dialect: 'statsd' | 'graphite') {
  const context = testContext({ clock: systemClock })
  t.teardown(() => context.clean())
  const batches = new Subject<Batch>()
  const options = statsd.options.parse({ address, dialect })
  const receipts = collect(statsd.create(options, context)(batches))
  batches.next(batchOf(RECORDS))
  batches.complete()
  await eventually(() => receipts.completed)
  t.equal(receipts.values[0]?.outcome, 'delivered')
}

function stopAfter(t: Test, child: ChildProcess) {
  t.teardown(async () => {
    if (child.exitCode !== null) return
    const gone = once(child, 'exit')
    child.kill()
    await gone
  })
}

/** Asks a server with a line protocol for one answer. */
async function ask(port: number, question: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', data => {
    answer += data
  })
  try {
    await once(socket, 'connect')
    socket.write(`${question}\n`)
    await eventually(() => answer.includes('END'))
  } catch {
    return ''
  } finally {
    socket.destroy()
  }
  return answer
}

async function etsy(t: Test, server: 'udp' | 'tcp') {
  const directory = mkdtempSync(join(tmpdir(), 'scopeline-etsy-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const [port, management] = [await freePort(server), await freePort('tcp')]
  const config = {
    servers: [{ server: `./servers/${server}`, address: '127.0.0.1', port }],
    mgmt_address: '127.0.0.1',
    mgmt_port: management,
    flushInterval: 600_000,
    backends: [],
  }
  writeFileSync(join(directory, 'config.js'), `(${JSON.stringify(config)})`)
  const main = join(
    dirname(createRequire(import.meta.url).resolve('statsd/package.json')),
    'stats.js',
  )
  const child = spawn(process.execPath, [main, join(directory, 'config.js')], { stdio: 'pipe' })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', data => {
      output += data
    })
  }
  stopAfter(t, child)
  await eventually(async () => (await ask(management, 'counters')) !== '', 'etsy statsd is up')
  return { port, management, output: () => output }
}

/** The object that etsy's management port prints: JavaScript, not JSON. */
function printed(answer: string): JsonObject {
  const text = answer.slice(0, answer.lastIndexOf('END'))
  return JSON.parse(text.replaceAll("'", '"').replace(/([{,]\s*)(\w+):/g, '$1"$2":')) as JsonObject
}

for (const server of ['udp', 'tcp'] as const) {
  t.test(`etsy statsd reads what we send over ${server}`, async t => {
    const { port, management, output } = await etsy(t, server)
    await send(t, `${server}://127.0.0.1:${port}`, 'statsd')
    await eventually(async () => /edge.spread/.test(await ask(management, 'timers')))
    t.equal(printed(await ask(management, 'counters'))['edge.hits'], 7)
    t.match(printed(await ask(management, 'gauges')), { 'edge.level': 50, 'edge.depth': -5 })
    t.match(printed(await ask(management, 'timers')), {
      'edge.took': [80, 120],
      'edge.spread': [10, 30],
    })
    t.match(await ask(management, 'stats'), /messages.bad_lines_seen: 0/)
    t.notMatch(output(), /Bad line/)
  })
}

t.test('etsy statsd reads tags in names, as Graphite has them', async t => {
  const { port, management } = await etsy(t, 'udp')
  await send(t, `udp://127.0.0.1:${port}`, 'graphite')
  await eventually(async () => /edge.spread/.test(await ask(management, 'timers')))
  t.equal(printed(await ask(management, 'counters'))['edge.hits;host=h'], 7)
  t.match(await ask(management, 'stats'), /messages.bad_lines_seen: 0/)
})

const collectd = ['/usr/sbin/collectd', '/usr/bin/collectd'].find(existsSync)
const absent = collectd === undefined && 'collectd is not installed (Debian package collectd-core)'

t.test('collectd reads what we send', { skip: absent }, async t => {
  const directory = mkdtempSync(join(tmpdir(), 'scopeline-collectd-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const port = await freePort('udp')
  const log = join(directory, 'log')
  writeFileSync(
    join(directory, 'collectd.conf'),
    `
Hostname "test"
FQDNLookup false
BaseDir "${directory}"
PIDFile "${directory}/pid"
TypesDB "/usr/share/collectd/types.db"
Interval 1
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "${log}"
</Plugin>
LoadPlugin statsd
<Plugin statsd>
  Host "127.0.0.1"
  Port "${port}"
  TimerLower true
  TimerUpper true
  TimerCount true
  CounterSum true
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "${directory}/csv"
</Plugin>
`,
  )
  t.equal(spawnSync(collectd as string, ['-t', '-C', join(directory, 'collectd.conf')]).status, 0)
  const child = spawn(collectd as string, ['-f', '-C', join(directory, 'collectd.conf')], {
    stdio: 'ignore',
  })
  stopAfter(t, child)
  const hex = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  await eventually(() => readFileSync('/proc/net/udp', 'latin1').includes(hex), 'collectd is up')
  await send(t, `udp://127.0.0.1:${port}`, 'statsd')
  const folder = join(directory, 'csv/test/statsd')
  /** All values of the series whose name starts so, as collectd wrote them. */
  const values = (name: string) =>
    existsSync(folder)
      ? readdirSync(folder)
          .filter(file => file.startsWith(`${name}-2`))
          .flatMap(file => readFileSync(join(folder, file), 'utf8').trim().split('\n').slice(1))
          .map(line => Number(line.split(',')[1]))
      : []
  await eventually(() => values('count-edge.hits').includes(7), 'the counter')
  await eventually(() => values('gauge-edge.level').includes(50), 'the gauge')
  await eventually(() => values('gauge-edge.depth').includes(-5), 'the gauge below zero')
  const near = (name: string, wanted: number) =>
    eventually(
      () => values(name).some(v => Math.abs(v - wanted) < wanted / 20),
      `${name} ${wanted}`,
    )
  await near('latency-edge.took-lower', 0.08)
  await near('latency-edge.took-upper', 0.12)
  await near('latency-edge.spread-upper', 0.03)
  await eventually(() => values('objects-edge.users').includes(2), 'the set')
  t.notMatch(readFileSync(log, 'utf8'), /Unable to parse|[Ff]ailed/)
})
