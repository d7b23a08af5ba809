import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { leaveContact } from '../../src/cli/control.ts'
import type { Io } from '../../src/cli/io.ts'
import type { Address } from '../../src/component/address.ts'
import { systemClock } from '../../src/component/system-clock.ts'
import { Edge } from '../../src/pipeline/edge.ts'
import { Log } from '../../src/pipeline/log.ts'
import { startServer } from '../../src/web/server.ts'
import { eventually } from '../context.ts'
import {
  type Feed,
  feedSource,
  plan,
  plannedSink,
  plannedSource,
  storeSink,
} from '../pipeline/toys.ts'
import { ROOT } from './running.ts'

async function setUp(t: Test, listen: Address = { scheme: 'tcp', host: '127.0.0.1', port: 0 }) {
  const feeds = new Map<string, Feed>()
  const log = new Log({ level: 'error', format: 'json', write: () => {}, clock: systemClock })
  const edge = new Edge({
    plan: plan(t.testdir(), {
      sources: [plannedSource(feedSource(feeds), 'a')],
      sinks: [plannedSink(storeSink(new Map()), 'all', ['a'])],
    }),
    clock: systemClock,
    log,
    onFailure: error => t.fail(error.message),
  })
  await edge.start()
  const server = await startServer({
    edge,
    clock: systemClock,
    listen,
    token: 'secret',
    reload: async () => {},
  })
  t.teardown(() => server.close())
  const ask = (path: string, method = 'GET', host = 'localhost') =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const { address } = server
      const where =
        'path' in address
          ? { socketPath: address.path }
          : { host: address.host, port: address.port }
      const headers = { host, authorization: 'Bearer secret' }
      request({ ...where, path, method, headers }, resolve)
        .on('error', reject)
        .end()
    })
  return { server, ask, from: () => feeds.get('a') as Feed }
}

t.test('the socket file of a killed edge is replaced, that of a living one is not', async t => {
  // A socket's path may have no more than 107 bytes.
  const directory = mkdtempSync(join(tmpdir(), 'scope-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'api.sock')
  const left = spawn(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ])
  await new Promise(resolve => left.on('exit', resolve))
  t.ok(lstatSync(path).isSocket(), 'a stale file is there')
  const { ask } = await setUp(t, { scheme: 'unix', path })
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal((await ask('/healthz')).statusCode, 200)

  const other = join(directory, 'other.sock')
  const living = createServer().listen(other)
  t.teardown(() => living.close())
  await new Promise(resolve => living.on('listening', resolve))
  await t.rejects(setUp(t, { scheme: 'unix', path: other }), /api: cannot listen on unix:/)
  t.ok(lstatSync(other).isSocket())
})

t.test('odd requests get an answer', async t => {
  const { ask } = await setUp(t)
  const status = async (...args: Parameters<typeof ask>) => {
    const response = await ask(...args)
    response.resume()
    return response.statusCode
  }
  t.equal(await status('//'), 404)
  t.equal(await status('//['), 404)
  t.equal(await status('/healthz', 'HEAD'), 200)
  t.equal(await status('/api/metrics', 'DELETE'), 404)
  t.equal(await status('/api/metrics', 'GET', '[::1]:80'), 200)
  t.equal(
    await status('/api/metrics', 'GET', 'edge'),
    403,
    'a name that a search domain could give',
  )
  t.equal(await status('/api/tap?component=a&rate=1e9'), 400)
})

t.test('a tap ends in order when the edge does', async t => {
  const { ask, server, from } = await setUp(t)
  const response = await ask('/api/tap?component=a')
  let text = ''
  response.setEncoding('utf8').on('data', chunk => {
    text += chunk
  })
  const ended = new Promise((resolve, reject) => {
    response.on('end', resolve).on('error', reject)
  })
  from().send([{ n: 1 }])
  await eventually(() => text !== '')
  from().send([{ n: 2 }])
  await server.close()
  await ended
  t.equal(text, '{"component":"a","event":{"n":1}}\n{"component":"a","event":{"n":2}}\n')
})

t.test(
  'a reader of a tap that does not read holds up neither the pipeline nor the end',
  async t => {
    const { ask, server, from } = await setUp(t)
    const response = await ask('/api/tap?component=a&rate=10000')
    response.on('error', () => {})
    const before = process.memoryUsage().arrayBuffers
    let sent = 0
    while (sent < 2000 && from().send([{ sent, text: 'x'.repeat(600) }])) sent++
    t.equal(sent, 2000)
    t.ok(process.memoryUsage().arrayBuffers - before < 64e6)
    await server.close()
  },
)

t.test('nobody can lay a trap where the edge leaves its contact file', async t => {
  const directory = t.testdir({ data: {}, victim: 'untouched' })
  symlinkSync(join(directory, 'victim'), join(directory, 'data', 'edge.json'))
  mkdirSync(join(directory, 'run', 'scopeline'), { recursive: true })
  writeFileSync(join(directory, 'run', 'scopeline', 'edge.json'), '{}', { mode: 0o666 })
  const io = { env: { XDG_RUNTIME_DIR: join(directory, 'run') } } as unknown as Io
  const address = { scheme: 'tcp', host: '127.0.0.1', port: 1 } as const
  const forget = leaveContact(join(directory, 'data'), address, 'secret', io)
  t.equal(readFileSync(join(directory, 'victim'), 'utf8'), 'untouched')
  for (const place of ['data', 'run/scopeline']) {
    const file = join(directory, place, 'edge.json')
    t.equal(lstatSync(file).mode & 0o777, 0o600)
    t.ok(lstatSync(file).isFile())
    t.match(JSON.parse(readFileSync(file, 'utf8')), { token: 'secret' })
  }
  forget()
  t.throws(() => lstatSync(join(directory, 'data', 'edge.json')))
})

const MAIN = [process.execPath, '--import=tsx', join(ROOT, 'src/cli/main.ts')] as const

t.test('an edge outlives the readers of its standard output and of its log', async t => {
  const directory = t.testdir()
  const file = join(directory, 'edge.yml')
  writeFileSync(
    file,
    `data_dir: ${directory}/data
api: { listen: false }
log: { level: debug }
sources: { in: { type: stdin } }
sinks:
  shown: { type: console, inputs: [in] }
  kept: { type: ndjson, inputs: [in], path: ${directory}/out.ndjson }
`,
  )
  const [node, ...args] = MAIN
  const child = spawn(node, [...args, 'edge', file], { stdio: ['pipe', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = new Promise(resolve => child.on('exit', (code, signal) => resolve(code ?? signal)))
  child.stdin.write('{"n":1}\n')
  await new Promise(resolve => child.stdout.once('data', resolve))
  child.stdout.destroy()
  child.stderr.destroy()
  for (let n = 2; n < 50; n++) {
    child.stdin.write(`{"n":${n}}\n`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  child.stdin.end()
  t.equal(await ended, 0)
  const lines = readFileSync(join(directory, 'out.ndjson'), 'utf8').trim().split('\n')
  t.equal(lines.length, 49, 'the other sink has everything')
})

t.test('a reload takes over log and telemetry, names what waits, and refuses to move', async t => {
  const directory = t.testdir()
  const file = join(directory, 'edge.yml')
  const statsd = createSocket('udp4')
  let metrics = ''
  statsd.on('message', message => {
    metrics += message
  })
  await new Promise<void>(resolve => statsd.bind(0, '127.0.0.1', resolve))
  t.teardown(() => statsd.close())
  const write = (head: string) =>
    writeFileSync(
      file,
      `${head}
sources: { in: { type: stdin } }
sinks: { out: { type: blackhole, inputs: [in] } }
`,
    )
  const data = `data_dir: ${directory}/data`
  write(`${data}\napi: { listen: false }\nlog: { level: warn }`)
  const [node, ...args] = MAIN
  const child = spawn(node, [...args, 'edge', file], { stdio: ['pipe', 'ignore', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = new Promise(resolve => child.on('exit', (code, signal) => resolve(code ?? signal)))
  let log = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    log += text
  })
  await eventually(() => existsSync(join(directory, 'data')), 'the start', 20_000)

  write(`data_dir: ${directory}/elsewhere\napi: { listen: false }`)
  child.kill('SIGHUP')
  await eventually(() => log.includes('data_dir cannot change while the edge runs'))

  write(`${data}
api: { listen: 'tcp://127.0.0.1:0' }
telemetry: { statsd: 'udp://127.0.0.1:${statsd.address().port}', interval: 20ms }`)
  child.kill('SIGHUP')
  await eventually(() => log.includes('what has changed in api.listen waits for the next start'))
  await eventually(() => log.includes('"reloaded"'), 'a message of the new level')
  await eventually(() => metrics.includes('scopeline.uptime_seconds'))
  metrics = ''
  child.stdin.end('{"n":1}\n{"n":2}\n')
  t.equal(await ended, 0, log)
  t.match(metrics, 'component_sent_events_total:2|c|#component_id:out', 'the last report has left')
})
