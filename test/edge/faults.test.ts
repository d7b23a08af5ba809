/** Faults as users meet them: receivers that are down, full disks, kill -9, wrong configurations, taken ports. */
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { eventually } from '../context.ts'
import { type FakeS3, startFakeS3 } from '../fake-s3/server.ts'
import { freePort, linesOf, ROOT, type RunningEdge, sendTcp, startEdge } from './running.ts'

const HEAD = `
data_dir: '@DIR@/data'
api: { listen: 'tcp://127.0.0.1:0' }
`

/** Lines `{"n":from}` up to, but without, `{"n":to}`. */
function numbered(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => `{"n":${from + i}}\n`).join('')
}

const numbersOf = (lines: readonly string[]) => lines.map(line => JSON.parse(line).n as number)
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)
const sorted = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b)

/** A server that keeps the whole lines it gets; `onLine` may do something to the connection. */
async function receiver(
  t: Test,
  port: number,
  onLine: (count: number, socket: Socket) => void = () => {},
): Promise<{ lines: string[]; server: Server }> {
  const lines: string[] = []
  const server = createServer(socket => {
    let rest = ''
    socket.on('error', () => {})
    socket.setEncoding('utf8').on('data', text => {
      const parts = (rest + text).split('\n')
      rest = parts.pop() ?? ''
      for (const line of parts) {
        lines.push(line)
        onLine(lines.length, socket)
        if (socket.destroyed) return
      }
    })
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { lines, server }
}

const notReady = (edge: RunningEdge, why: RegExp) =>
  eventually(async () => {
    const { status, body } = await edge.get('/readyz')
    return status === 503 && why.test(body)
  }, `/readyz says ${why}`)

const ready = (edge: RunningEdge) =>
  eventually(async () => (await edge.get('/readyz')).status === 200, '/readyz is well again')

/** Runs an edge that should not come up; what it says on stderr, without its log. */
function failToStart(yaml: string): { status: number | null; said: string[] } {
  const directory = mkdtempSync(join(tmpdir(), 'scopeline-e2e-'))
  const file = join(directory, 'edge.yml')
  writeFileSync(file, yaml.replaceAll('@DIR@', directory))
  const { status, stderr } = spawnSync(join(ROOT, 'bin/scope'), ['edge', file], {
    env: { ...process.env, XDG_RUNTIME_DIR: directory },
    encoding: 'utf8',
    timeout: 30_000,
  })
  rmSync(directory, { recursive: true, force: true })
  return { status, said: stderr.split('\n').filter(line => line && !line.startsWith('{')) }
}

t.test('a TCP receiver that comes later gets everything', async t => {
  const [input, output] = [await freePort(), await freePort()]
  const edge = await startEdge(t, {
    yaml: `${HEAD}
sources: { in: { type: tcp, listen: 'tcp://127.0.0.1:${input}' } }
sinks:
  out: { type: tcp, inputs: [in], address: 'tcp://127.0.0.1:${output}', retry: { initial: 20ms, max: 100ms } }
`,
  })
  await sendTcp(input, numbered(0, 1000))
  await notReady(edge, new RegExp(`127.0.0.1:${output}: nobody listens there`))
  t.equal((await edge.get('/healthz')).status, 200, 'the edge itself is well')
  const { lines } = await receiver(t, output)
  await eventually(() => lines.length >= 1000, 'all lines')
  await ready(edge)
  t.equal(await edge.stop(), 0)
  t.strictSame(numbersOf(lines), upTo(1000), 'in order and once')
})

t.test('a TCP receiver that resets its connections loses nothing', async t => {
  const [input, output] = [await freePort(), await freePort()]
  const { lines } = await receiver(t, output, (count, socket) => {
    if ([4000, 9000, 15_000].includes(count)) socket.resetAndDestroy()
  })
  const edge = await startEdge(t, {
    yaml: `${HEAD}
sources: { in: { type: tcp, listen: 'tcp://127.0.0.1:${input}' } }
sinks:
  out: { type: tcp, inputs: [in], address: 'tcp://127.0.0.1:${output}', retry: { initial: 20ms, max: 100ms } }
`,
  })
  await sendTcp(input, numbered(0, 20_000))
  await eventually(() => new Set(lines).size >= 20_000, 'all lines', 30_000)
  t.equal(await edge.stop(), 0)
  t.strictSame(sorted(new Set(numbersOf(lines))), upTo(20_000), 'some may have come twice')
  t.match(edge.log(), 'unconfirmed events are sent again')
})

t.test('a full disk makes the ndjson sink wait, and nothing is lost', async t => {
  const disk = mkdtempSync(join(tmpdir(), 'scopeline-full-'))
  t.teardown(() => rmSync(disk, { recursive: true, force: true }))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'scopeline-test', disk])
  if (mounted.status !== 0) {
    t.pass('skipped: no right to mount a small file system')
    return
  }
  t.teardown(() => spawnSync('umount', [disk]))
  const filler = join(disk, 'filler')
  writeFileSync(filler, Buffer.alloc(200 * 1024))
  const input = await freePort()
  const edge = await startEdge(t, {
    yaml: `${HEAD}
sources: { in: { type: tcp, listen: 'tcp://127.0.0.1:${input}' } }
sinks:
  full: { type: ndjson, inputs: [in], path: '${disk}/full.ndjson' }
  other: { type: ndjson, inputs: [in], path: '@DIR@/other.ndjson' }
`,
  })
  await sendTcp(input, numbered(0, 10_000))
  await notReady(edge, /full\.ndjson cannot be written: the disk is full/)
  const other = join(edge.directory, 'other.ndjson')
  await eventually(() => linesOf(other).length === 10_000, 'the other route goes on')
  rmSync(filler)
  await eventually(() => linesOf(join(disk, 'full.ndjson')).length >= 10_000, 'all lines')
  await ready(edge)
  t.equal(await edge.stop(), 0)
  t.strictSame(numbersOf(linesOf(join(disk, 'full.ndjson'))), upTo(10_000))
})

const S3 = (url: string, keys: FakeS3['keys']) =>
  `type: s3, endpoint: '${url}', bucket: bucket, path_style: true, retry: { initial: 20ms, max: 100ms }, batch: { age: 200ms }, key: 'e/{id}.ndjson', compression: gzip, credentials: { access_key_id: ${keys.accessKey}, secret_access_key: ${keys.secretKey} }`

/** The numbers in all objects. */
function stored(s3: FakeS3): number[] {
  return [...s3.objects().values()].flatMap(({ body }) =>
    numbersOf(gunzipSync(body).toString('utf8').split('\n').filter(Boolean)),
  )
}

t.test('an S3 server that is down: events wait on disk, also over the end of the edge', async t => {
  const [input, port] = [await freePort(), await freePort()]
  const keys = { accessKey: 'key', secretKey: 'secret' }
  const setting = {
    yaml: `${HEAD}
sources: { in: { type: tcp, listen: 'tcp://127.0.0.1:${input}' } }
sinks: { out: { inputs: [in], ${S3(`http://127.0.0.1:${port}`, keys)} } }
`,
  }
  const edge = await startEdge(t, setting)
  await sendTcp(input, numbered(0, 500))
  await notReady(edge, /out/)
  t.equal(await edge.stop(), 0, 'what is on disk is safe')

  const again = await startEdge(t, { ...setting, directory: edge.directory })
  await sendTcp(input, numbered(500, 1000))
  await notReady(again, /out/)
  const s3 = await startFakeS3({ port, keys })
  t.teardown(() => s3.close())
  await eventually(() => stored(s3).length >= 1000, 'all events', 30_000)
  await ready(again)
  await s3.close()
  await sendTcp(input, numbered(1000, 1500))
  await notReady(again, /out/)
  const back = await startFakeS3({ port, keys })
  t.teardown(() => back.close())
  await eventually(() => stored(back).length >= 500, 'what came while it was down', 30_000)
  t.equal(await again.stop(), 0)
  t.strictSame(sorted([...stored(s3), ...stored(back)]), upTo(1500), 'each once')
})

t.test('kill -9 at any point: after the next start no line of a file is missing', async t => {
  const s3 = await startFakeS3()
  t.teardown(() => s3.close())
  const seed = Date.now() % 1000
  t.comment(`seed ${seed}`)
  // The fractional parts of multiples of the golden ratio lie evenly everywhere.
  const random = (i: number) => ((seed + i) * 0.6180339887) % 1
  const ROUNDS = 6
  const CHUNKS = 20
  const CHUNK = 250
  const setting = {
    yaml: `${HEAD}
sources:
  log: { type: file, include: ['@DIR@/in.log'], poll_interval: 20ms, checkpoint_interval: 50ms }
sinks:
  file: { type: ndjson, inputs: [log], path: '@DIR@/out.ndjson' }
  packed: { type: ndjson, inputs: [log], path: '@DIR@/packed.ndjson', compression: gzip, frame_age: 20ms, rotate: { size: 16KiB } }
  s3: { inputs: [log], ${S3(s3.url, s3.keys)} }
`,
  }
  let directory: string | undefined
  let edge: RunningEdge | undefined
  let out = ''
  for (let round = 0; round < ROUNDS; round++) {
    edge = await startEdge(t, { ...setting, ...(directory !== undefined && { directory }) })
    directory = edge.directory
    out = join(directory, 'out.ndjson')
    const input = join(directory, 'in.log')
    const first = round * CHUNKS * CHUNK
    const distinct = () => new Set(linesOf(out)).size
    // Killed while a chunk is on its way; what is not written yet comes while no edge runs.
    const fatal = Math.floor(random(round) * CHUNKS)
    for (let chunk = 0; chunk < CHUNKS; chunk++) {
      const from = first + chunk * CHUNK
      if (chunk <= fatal) await eventually(() => distinct() >= from, 'the chunk before', 30_000)
      appendFileSync(input, numbered(from, from + CHUNK))
      if (chunk === fatal) await eventually(() => distinct() > from, 'a part of it', 30_000)
    }
    if (round < ROUNDS - 1) t.equal(await edge.stop('SIGKILL'), 'SIGKILL')
  }
  const total = ROUNDS * CHUNKS * CHUNK
  await eventually(() => new Set(linesOf(out)).size >= total, 'all lines in the file', 30_000)
  await eventually(() => new Set(stored(s3)).size >= total, 'all events in objects', 30_000)
  t.equal(await edge?.stop(), 0)
  const numbers = numbersOf(linesOf(out))
  t.strictSame(sorted(new Set(numbers)), upTo(total), 'no line is missing, and none is broken')
  t.strictSame(sorted(new Set(stored(s3))), upTo(total), 'no event is missing in S3')
  const { stdout } = spawnSync('sh', ['-c', `cat '${directory}'/packed*.gz | gzip -dc`], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  const packed = numbersOf(stdout.split('\n').filter(Boolean))
  t.strictSame(sorted(new Set(packed)), upTo(total), 'no line is missing in the packed files')
  t.comment(`twice in the file: ${numbers.length - total}, in S3: ${stored(s3).length - total}`)
})

t.test('SIGTERM waits no longer than drain_timeout, and says what is left', async t => {
  const [input, output] = [await freePort(), await freePort()]
  const edge = await startEdge(t, {
    yaml: `${HEAD}
drain_timeout: 500ms
sources: { in: { type: tcp, listen: 'tcp://127.0.0.1:${input}' } }
sinks:
  down: { type: tcp, inputs: [in], address: 'tcp://127.0.0.1:${output}' }
  file: { type: ndjson, inputs: [in], path: '@DIR@/out.ndjson' }
`,
  })
  await sendTcp(input, numbered(0, 700))
  const out = join(edge.directory, 'out.ndjson')
  await eventually(() => linesOf(out).length === 700, 'the lines in the file')
  const before = performance.now()
  t.equal(await edge.stop(), 1)
  t.ok(performance.now() - before >= 490, 'it did wait')
  const said = edge
    .log()
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line))
  t.match(said.at(-1), {
    level: 'error',
    message: 'stopped before everything was delivered',
    data: { events_left: 700 },
  })
  t.match(said.at(-2), { component: 'down', data: { events: 700 } })
})

t.test('SIGTERM delivers all that has arrived, windows and frames included', async t => {
  const [input, metrics] = [await freePort(), await freePort()]
  const edge = await startEdge(t, {
    yaml: `${HEAD}
sources:
  in: { type: tcp, listen: 'tcp://127.0.0.1:${input}' }
  metrics: { type: statsd, listen: 'tcp://127.0.0.1:${metrics}', flush_interval: 1h }
transforms:
  sum: { type: reduce, inputs: [in], every: 1h, emit: { count: count() } }
sinks:
  file: { type: ndjson, inputs: [in], path: '@DIR@/out.ndjson' }
  packed: { type: ndjson, inputs: [in], path: '@DIR@/packed.ndjson', compression: gzip, frame_age: 1h, frame_size: 100MiB }
  sums: { type: ndjson, inputs: [sum, metrics], path: '@DIR@/sums.ndjson' }
`,
  })
  const write = (port: number, text: string) =>
    new Promise<Socket>(resolve => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text, () => resolve(socket)))
      socket.on('error', () => {})
    })
  await write(metrics, 'a:1|c\na:2|c\n')
  const sockets = await Promise.all(
    upTo(10).map(i => write(input, numbered(i * 1000, (i + 1) * 1000))),
  )
  t.equal(await edge.stop(), 0, 'with the connections still open')
  for (const socket of sockets) socket.destroy()
  t.strictSame(sorted(numbersOf(linesOf(join(edge.directory, 'out.ndjson')))), upTo(10_000))
  const packed = gunzipSync(readFileSync(join(edge.directory, 'packed.ndjson.gz')))
  t.strictSame(sorted(numbersOf(packed.toString('utf8').split('\n').filter(Boolean))), upTo(10_000))
  const sums = linesOf(join(edge.directory, 'sums.ndjson')).map(line => JSON.parse(line))
  t.match(sums, [{ _metric: 'a', _value: 3 }, { count: 10_000 }])
  t.match(edge.log(), 'everything that was taken has been delivered')
  t.notOk(existsSync(join(edge.directory, 'data/edge.lock')), 'the data directory is free again')
})

t.test('SIGHUP with a wrong file changes nothing; with a right one it is taken', async t => {
  const input = await freePort()
  const config = (name: string) => `${HEAD}
sources: { in: { type: tcp, listen: 'tcp://127.0.0.1:${input}' } }
sinks: { out: { type: ndjson, inputs: [in], path: '@DIR@/${name}.ndjson' } }
`
  const edge = await startEdge(t, { yaml: config('one') })
  const put = (text: string) =>
    writeFileSync(join(edge.directory, 'edge.yml'), text.replaceAll('@DIR@', edge.directory))
  await sendTcp(input, '{"n":0}\n')
  const refusals = () => edge.log().split('the reload was refused').length - 1

  put(config('two').replace('type: ndjson', 'type: ndjsno'))
  edge.process.kill('SIGHUP')
  await eventually(() => refusals() === 1, 'the first refusal')
  t.match(edge.log(), /edge\.yml:\d+:\d+: error: .*ndjsno/)
  // Right by itself, but it cannot be started: the old source has to come back.
  const { server } = await receiver(t, 0)
  const { port: taken } = server.address() as { port: number }
  put(config('two').replace(`:${input}`, `:${taken}`))
  edge.process.kill('SIGHUP')
  await eventually(() => refusals() === 2, 'the second refusal')
  t.match(edge.log(), `another process already uses port ${taken}`)
  await sendTcp(input, '{"n":1}\n')
  await eventually(() => linesOf(join(edge.directory, 'one.ndjson')).length === 2, 'the old route')

  put(config('two').replace('@DIR@/data', '@DIR@/data-2'))
  edge.process.kill('SIGHUP')
  await eventually(() => refusals() === 3, 'the third refusal')
  t.match(edge.log(), 'data_dir cannot change while the edge runs')
  put(config('two'))
  edge.process.kill('SIGHUP')
  await eventually(() => edge.log().includes('"reloaded"'), 'the reload')
  await sendTcp(input, '{"n":2}\n')
  await eventually(() => linesOf(join(edge.directory, 'two.ndjson')).length === 1, 'the new route')
  t.equal(linesOf(join(edge.directory, 'one.ndjson')).length, 2)
  t.equal(await edge.stop(), 0)
})

t.test('a taken port ends the start with one sentence', async t => {
  const { server } = await receiver(t, 0)
  const { port } = server.address() as { port: number }
  const config = (api: string, listen: string) => `
data_dir: '@DIR@/data'
api: { listen: '${api}' }
sources: { in: { type: tcp, listen: '${listen}' } }
sinks: { out: { type: blackhole, inputs: [in] } }
`
  const source = failToStart(config('tcp://127.0.0.1:0', `tcp://127.0.0.1:${port}`))
  t.equal(source.status, 1)
  t.strictSame(source.said, [
    `scope: cannot listen on tcp://127.0.0.1:${port}: another process already uses port ${port}; stop it (see: ss -ltnp 'sport = :${port}') or choose another port`,
  ])
  const api = failToStart(config(`tcp://127.0.0.1:${port}`, 'tcp://127.0.0.1:0'))
  t.equal(api.status, 1)
  t.strictSame(api.said, [
    `scope: api: cannot listen on tcp://127.0.0.1:${port}: another process already uses port ${port}; stop it (see: ss -ltnp 'sport = :${port}') or choose another port in api.listen`,
  ])
})

t.test('a data directory has one edge; what a killed one left behind is taken over', async t => {
  const input = await freePort()
  const yaml = `
data_dir: '@DIR@/data'
api: { listen: 'unix://@DIR@/api.sock' }
sources: { in: { type: unix, listen: 'unix://@DIR@/in.sock' } }
sinks: { out: { type: ndjson, inputs: [in], path: '@DIR@/out.ndjson' } }
`
  const first = await startEdge(t, { yaml })
  const second = failToStart(`
data_dir: '${first.directory}/data'
api: { listen: false }
sources: { in: { type: tcp, listen: 'tcp://127.0.0.1:${input}' } }
sinks: { out: { type: blackhole, inputs: [in] } }
`)
  t.equal(second.status, 1)
  t.strictSame(second.said, [
    `scope: the data directory ${first.directory}/data belongs to another edge that runs, with process id ${first.process.pid}; stop it first, or give this one its own data_dir`,
  ])
  t.equal(await first.stop('SIGKILL'), 'SIGKILL')
  const lock = join(first.directory, 'data/edge.lock')
  t.ok(existsSync(lock))
  const third = await startEdge(t, { yaml, directory: first.directory })
  t.equal(
    JSON.parse(readFileSync(lock, 'utf8')).pid,
    third.process.pid,
    'sockets and lock are taken over',
  )
  t.equal(third.scope('top', '--once', '--interval', '0.1').status, 0)
  t.equal(await third.stop('SIGKILL'), 'SIGKILL')
  // A process of today may have the id of one that is long gone.
  writeFileSync(lock, JSON.stringify({ pid: process.pid, started: 1 }))
  const fourth = await startEdge(t, { yaml, directory: first.directory })
  t.equal(await fourth.stop(), 0)
  writeFileSync(lock, '{"pid":')
  const fifth = await startEdge(t, { yaml, directory: first.directory })
  t.equal(await fifth.stop(), 0)
  t.notOk(existsSync(lock))
})
