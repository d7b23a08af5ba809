/**
 * Measures the edge beside rsyslog, syslog-ng and the floor, on the same input in the same run, each
 * in a fresh process, variants taking turns. Prints the table of bench/README.md.
 *
 *   npm run bench -- [--lines 200000] [--runs 5] [--task relay,filter]
 *
 * Time: from the first byte sent to the last line out. CPU and peak memory: the collector's own.
 */
import { createSocket } from 'node:dgram'
import {
  createReadStream,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { startFakeS3 } from '../test/fake-s3/server.ts'
import { statsdDatagrams, writeEvents } from './input.ts'
import { accepting, pause, Subject } from './process.ts'
import { type Place, type Task, tasks, type Variant } from './tasks.ts'

const { values } = parseArgs({
  options: {
    lines: { type: 'string', default: '200000' },
    runs: { type: 'string', default: '5' },
    task: { type: 'string' },
  },
})
const LINES = Number(values.lines)
const RUNS = Number(values.runs)
const WAIT_MS = 120_000

interface Measure {
  readonly seconds: number
  readonly cpu: number
  readonly peakRss: number
  /** Of what was sent, how much came out; 1 unless datagrams were lost. */
  readonly arrived: number
}

const work = mkdtempSync(join(process.env['BENCH_WORK'] ?? tmpdir(), 'scopeline-bench-'))
const events = join(work, 'events.ndjson')
writeEvents(events, LINES)
const bytes = statSync(events).size
const lines = readFileSync(events, 'utf8').trim().split('\n')

const chosen = values.task?.split(',')
const write = (name: string, text: string) => {
  const path = join(work, name)
  writeFileSync(path, text)
  return path
}
const results = new Map<string, Measure[]>()
const unpacked = new WeakMap<object, number>()
const all = tasks(write).filter(task => !chosen || chosen.includes(task.name))
for (let run = 0; run < RUNS; run++) {
  for (const task of all) {
    for (const variant of task.variants) {
      const measure = await measureOnce(task, variant)
      const key = `${task.name}/${variant.name}`
      results.set(key, [...(results.get(key) ?? []), measure])
      process.stderr.write(
        `${run + 1}/${RUNS} ${key}: ${(bytes / 1e6 / measure.seconds).toFixed(0)} MB/s\n`,
      )
    }
  }
}
process.stdout.write(`${table()}\n`)
rmSync(work, { recursive: true, force: true })
process.exit(0)

async function measureOnce(task: Task, variant: Variant): Promise<Measure> {
  const directory = mkdtempSync(join(work, 'run-'))
  const receiver = task.output === 'tcp' ? await startReceiver() : undefined
  const s3 = task.output === 's3' ? await startFakeS3({ buckets: ['bench'] }) : undefined
  const place: Place = {
    directory,
    inPort: await freePort(),
    outPort: receiver?.port ?? 0,
    out: join(directory, 'out.ndjson'),
  }
  const { command, env } = variant.command(place)
  const subject = new Subject(command, {
    ...env,
    ...(s3 && {
      BENCH_S3: s3.url,
      BENCH_S3_ACCESS_KEY: s3.keys.accessKey,
      BENCH_S3_SECRET_KEY: s3.keys.secretKey,
    }),
  })
  try {
    if (variant.silent) await pause(1500)
    else await accepting(place.inPort)
    await pause(200)
    const before = subject.usage()
    const start = performance.now()
    let arrived = 1
    if (task.input === 'statsd') arrived = await sendStatsd(place)
    else {
      await pipeline(createReadStream(events, { highWaterMark: 1 << 18 }), connect(place.inPort))
      const wanted = task.expected(lines)
      if (receiver) await until(() => receiver.lines() >= wanted)
      else if (s3) await until(() => stored(s3.objects()) >= wanted)
      else await until(() => task.tally(readOut(place.out)) >= wanted)
    }
    const seconds = (performance.now() - start) / 1000
    const usage = subject.usage()
    return { seconds, cpu: usage.cpu - before.cpu, peakRss: usage.peakRss, arrived }
  } finally {
    await subject.stop()
    receiver?.server.close()
    await s3?.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

function readOut(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + WAIT_MS
  while (!condition()) {
    if (performance.now() > end) throw new Error('the output did not become complete')
    await pause(10)
  }
}

/** Lines in the objects that have been stored; each object is unpacked once. */
function stored(objects: ReadonlyMap<string, { body: Buffer }>): number {
  let sum = 0
  for (const object of objects.values()) {
    let count = unpacked.get(object)
    if (count === undefined) {
      count = gunzipSync(object.body).toString('latin1').split('\n').length - 1
      unpacked.set(object, count)
    }
    sum += count
  }
  return sum
}

/** A TCP server that counts lines and throws them away. */
async function startReceiver() {
  let count = 0
  const server = createServer(socket => {
    socket.on('data', chunk => {
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) count++
    })
    socket.on('error', () => {})
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return { server, port, lines: () => count }
}

/** Sends datagrams at a steady pace and gives the share of counted lines that came out. */
async function sendStatsd(place: Place): Promise<number> {
  const datagrams = statsdDatagrams(1000)
  const socket = createSocket('udp4')
  const rounds = 40
  const perMillisecond = 10
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < datagrams.length; i += perMillisecond) {
      for (const datagram of datagrams.slice(i, i + perMillisecond)) {
        socket.send(datagram, place.inPort, '127.0.0.1')
      }
      await pause(1)
    }
  }
  socket.close()
  await pause(2500)
  let sent = 0
  for (const datagram of datagrams) {
    for (const match of datagram.toString().matchAll(/:(\d+)\|c/g)) sent += Number(match[1])
  }
  let counted = 0
  for (const line of readOut(place.out).trim().split('\n')) {
    const metric = JSON.parse(line || '{}')
    if (metric._metric_type === 'counter') counted += metric._value
  }
  return counted / (sent * rounds)
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

function spread(numbers: number[], digits: number): string {
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)]
  return `${median(numbers).toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`
}

function table(): string {
  const floor = results.get('floor/floor: node reads, throws away')
  const rate = (measure: Measure) => bytes / 1e6 / measure.seconds
  const floorRate = floor && median(floor.map(rate))
  const rows = [
    `${cpus()[0]?.model.trim()}, ${cpus().length} cores, Node ${process.version}; ${LINES} events of ${Math.round(bytes / LINES)} bytes, ${RUNS} runs, median (least–most).`,
    '',
    '| task | collector | MB/s | k events/s | CPU-s/GB | peak RSS MiB | of the floor |',
    '| --- | --- | --- | --- | --- | --- | --- |',
  ]
  for (const task of all) {
    for (const variant of task.variants) {
      const measures = results.get(`${task.name}/${variant.name}`) ?? []
      const rss = median(measures.map(measure => measure.peakRss)).toFixed(0)
      if (task.input === 'statsd') {
        const metrics = 40 * 1000 * 20
        const cpu = measures.map(({ cpu }) => (cpu / metrics) * 1e6)
        const lost = Math.max(...measures.map(({ arrived }) => 1 - arrived))
        rows.push(
          `| ${task.title} | ${variant.name} | | paced at most 200 | ${spread(cpu, 2)} µs a line | ${rss} | lost at most ${(lost * 100).toFixed(2)} % |`,
        )
        continue
      }
      const rates = measures.map(rate)
      const events = measures.map(({ seconds }) => LINES / 1000 / seconds)
      const cpu = measures.map(({ cpu }) => cpu / (bytes / 1e9))
      const share = floorRate ? (median(rates) / floorRate).toFixed(2) : ''
      rows.push(
        `| ${task.title} | ${variant.name} | ${spread(rates, 0)} | ${spread(events, 0)} | ${spread(cpu, 1)} | ${rss} | ${share} |`,
      )
    }
  }
  return rows.join('\n')
}
