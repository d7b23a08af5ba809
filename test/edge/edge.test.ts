/** The edge as a whole: a real process, real senders, and what an independent program says of the result. */
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { eventually } from '../context.ts'
import {
  freePort,
  linesOf,
  ROOT,
  recordsOf,
  SAMPLES,
  sendTcp,
  startEdge,
  without,
} from './running.ts'

const samples = readdirSync(SAMPLES).filter(name => name.endsWith('.ndjson'))

/** A file as jq reads and writes it, keys sorted: what two programs must agree on. */
function canonical(file: string, program = '.'): string[] {
  const { stdout, status, stderr } = spawnSync('jq', ['-cS', program, file], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status !== 0) throw new Error(stderr)
  return stdout.trim().split('\n')
}

t.test(
  'every line that nc sends over TCP is in the file, as jq reads it',
  without('jq', 'nc'),
  async t => {
    const port = await freePort()
    const edge = await startEdge(t, {
      file: 'config/tcp-to-file.yml',
      env: { SCOPE_EDGE_LISTEN: `tcp://127.0.0.1:${port}` },
    })
    const expected: string[] = []
    for (const sample of samples) {
      const path = join(SAMPLES, sample)
      const nc = spawnSync('sh', ['-c', `nc -N 127.0.0.1 ${port} < '${path}'`])
      t.equal(nc.status, 0, sample)
      expected.push(...canonical(path))
    }
    const out = join(edge.directory, 'out', 'events.ndjson')
    await eventually(() => linesOf(out).length >= expected.length, 'all lines')
    t.equal(await edge.stop(), 0)
    t.strictSame(canonical(out), expected)
    t.equal(
      readFileSync(out, 'utf8'),
      `${samples.map(name => readFileSync(join(SAMPLES, name), 'utf8').trimEnd()).join('\n')}\n`,
      'not one byte has changed',
    )
    t.equal(statSync(out).mode & 0o777, 0o600)
  },
)

t.test(
  'filtered and redacted lines are those that a jq program computes',
  without('jq', 'socat'),
  async t => {
    const port = await freePort()
    const edge = await startEdge(t, {
      file: 'config/tcp-filter-redact.yml',
      env: { SCOPE_EDGE_LISTEN: `tcp://127.0.0.1:${port}` },
    })
    const input = join(edge.directory, 'input.ndjson')
    const planted = [
      { http_target: '/?to=jo.doe+x@mail.example.org&card=4111111111111111', n: 1 },
      { http_target: '/clean', http_authorization: 'Bearer abcdefghijklmnopqrstuvwxyz0123456789' },
    ].map(data =>
      JSON.stringify({ type: 'evt', body: { sourcetype: 'http', source: 'http.req', data } }),
    )
    const sent = [...samples.map(name => readFileSync(join(SAMPLES, name), 'utf8')), ...planted, '']
    writeFileSync(input, `${sent.map(text => text.trimEnd()).join('\n')}\n`)
    const socat = spawnSync('socat', ['-u', `OPEN:${input}`, `TCP:127.0.0.1:${port}`])
    t.equal(socat.status, 0)
    const expected = canonical(
      input,
      `select(.body.sourcetype == "http" and (.body.source == "http.req" or .body.source == "http.resp"))
     | walk(if type == "string" then
         gsub("jo\\\\.doe\\\\+x@mail\\\\.example\\\\.org"; "<email>") | gsub("4111111111111111"; "<card>")
         | gsub("Bearer abcdefghijklmnopqrstuvwxyz0123456789"; "Bearer <bearer>")
       else . end)`,
    )
    const out = join(edge.directory, 'out', 'http.ndjson')
    await eventually(() => linesOf(out).length >= expected.length, 'all lines')
    t.equal(await edge.stop(), 0)
    t.strictSame(canonical(out), expected)
    t.ok(expected.length > 200, `${expected.length} lines were compared`)
  },
)

t.test('a watched edge: health, readiness, metrics, tap and top', async t => {
  const port = await freePort()
  const edge = await startEdge(t, {
    file: 'config/tcp-to-file.yml',
    env: { SCOPE_EDGE_LISTEN: `tcp://127.0.0.1:${port}` },
  })
  t.same(await edge.get('/healthz'), { status: 200, body: '{"status":"ok"}\n' })
  t.equal((await edge.get('/readyz')).status, 200)
  t.equal((await edge.get('/api/metrics')).status, 401, 'data only with the token')
  t.equal((await edge.get('/api/metrics', { host: 'evil.example' })).status, 403)
  t.equal(statSync(join(edge.directory, 'data', 'edge.json')).mode & 0o777, 0o600)

  const tap = spawn(join(ROOT, 'bin/scope'), ['tap', 'lines', '-n', '2'], {
    env: { ...process.env, XDG_RUNTIME_DIR: edge.directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let shown = ''
  tap.stdout.setEncoding('utf8').on('data', text => {
    shown += text
  })
  await eventually(async () => {
    await sendTcp(port, '{"mail":"jo@example.com","big":9007199254740993}\nnot json\n')
    return shown.split('\n').length > 2
  }, 'two tapped events')
  t.equal(shown.split('\n')[0], '{"mail":"<email>","big":9007199254740993}')
  const metrics = (await edge.get('/metrics')).body
  const labels = 'component_id="lines",component_kind="source",component_type="tcp"'
  t.match(metrics, new RegExp(`component_received_events_total\\{${labels}\\} [1-9]`))
  t.match(
    metrics,
    new RegExp(`component_rejected_events_total\\{${labels},reason="invalid_json"\\}`),
  )
  t.match(metrics, /component_latency_seconds_bucket\{.*le="\+Inf"\} [1-9]/)

  const top = edge.scope('top', '--once', '--interval', '0.1')
  t.equal(top.status, 0, top.err)
  t.match(top.out, /COMPONENT +TYPE/)
  t.match(top.out, /lines +tcp/)
  const missing = edge.scope('tap', 'nothing')
  t.equal(missing.status, 1)
  t.match(missing.err, 'no component has that name; there are lines, file')
  const unlimited = edge.scope('tap', 'lines', '--limit', 'many')
  t.equal(unlimited.status, 2)
  t.match(unlimited.err, 'Write a number from 1')
  t.equal(await edge.stop('SIGINT'), 0)
})

t.test('a reload adds a sink while lines flow, and refuses a wrong file', async t => {
  const port = await freePort()
  const config = (more: string) => `
data_dir: '@DIR@/data'
api: { listen: 'tcp://127.0.0.1:0' }
sources:
  lines: { type: tcp, listen: 'tcp://127.0.0.1:${port}' }
sinks:
  one: { type: ndjson, inputs: [lines], path: '@DIR@/one.ndjson' }
${more}`
  const edge = await startEdge(t, { yaml: config('') })
  const path = join(edge.directory, 'edge.yml')
  const write = (text: string) => writeFileSync(path, text.replaceAll('@DIR@', edge.directory))

  let sending = true
  let sent = 0
  const sender = (async () => {
    while (sending) {
      const batch = Array.from({ length: 50 }, () => `{"n":${sent++}}\n`)
      await sendTcp(port, batch.join(''))
    }
  })()
  for (let i = 0; i < 5; i++) {
    const extra = `  two: { type: ndjson, inputs: [lines], path: '@DIR@/two-${i}.ndjson' }\n`
    write(config(extra))
    const done = edge.scope('edge', 'reload')
    t.equal(done.status, 0, done.err)
    write(config('  broken: { type: nothing }\n'))
    const refused = edge.scope('edge', 'reload')
    t.equal(refused.status, 1, 'a wrong file is refused')
    t.match(refused.err, 'there is no sink "nothing"', 'and the command tells why')
  }
  sending = false
  await sender
  await eventually(() => linesOf(join(edge.directory, 'one.ndjson')).length >= sent, 'all lines')
  t.equal(await edge.stop(), 0)
  const records = await recordsOf(join(edge.directory, 'one.ndjson'))
  const numbers = records.map(({ n }) => n as number)
  t.strictSame(
    numbers.toSorted((a, b) => a - b),
    Array.from({ length: sent }, (_, i) => i),
    `${sent} lines: none lost, none doubled`,
  )
  t.ok(linesOf(join(edge.directory, 'two-4.ndjson')).length > 0)
  t.match(edge.log(), 'the reload was refused, the old pipeline goes on')
})

t.test('standard input to standard output ends when the input does', async t => {
  const config = `
data_dir: ${join(process.env['TMPDIR'] ?? '/tmp', `scopeline-stdin-${process.pid}`)}
api: { listen: false }
sources: { in: { type: stdin } }
transforms: { odd: { type: filter, inputs: [in], where: 'n % 2 == 1' } }
sinks: { out: { type: console, inputs: [odd] } }
`
  const file = join(t.testdir({ 'edge.yml': config }), 'edge.yml')
  const { stdout, status } = spawnSync(join(ROOT, 'bin/scope'), ['edge', file], {
    input: '{"n":1}\n{"n":2}\n{"m":3}\n{"n":5}\n',
    encoding: 'utf8',
  })
  t.equal(status, 0)
  t.equal(stdout, '{"n":1}\n{"n":5}\n')
})
