/** Every file of config/ is run as a user would run it, with real senders and receivers. */

import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { StatsD } from 'hot-shots'
import t from 'tap'
import { eventually } from '../context.ts'
import { startFakeS3 } from '../fake-s3/server.ts'
import { freePort, linesOf, ROOT, recordsOf, SAMPLES, sendTcp, startEdge } from './running.ts'

/** What the examples want to be told. */
const PLACES = {
  AWS_ACCESS_KEY_ID: 'key',
  AWS_SECRET_ACCESS_KEY: 'secret',
  DEMO_DIR: '/tmp/demo',
  DEMO_LISTEN: 'tcp://127.0.0.1:10',
}

t.test('every example is right, and the tests that it holds pass', async t => {
  for (const name of readdirSync(join(ROOT, 'config')).filter(name => name !== 'scope.yml')) {
    for (const verb of ['check', 'test']) {
      const { status, stdout, stderr } = spawnSync(
        join(ROOT, 'bin/scope'),
        [verb, join('config', name)],
        { cwd: ROOT, env: { ...process.env, ...PLACES }, encoding: 'utf8' },
      )
      t.equal(status, 0, `scope ${verb} ${name} ${stdout} ${stderr}`)
    }
  }
})

t.test(
  'the default edge takes AppScope events and StatsD, and writes one file a program',
  async t => {
    const events = await freePort()
    const statsd = await freePort()
    const edge = await startEdge(t, {
      file: 'config/edge.yml',
      env: {
        SCOPE_EDGE_EVENTS: `tcp://127.0.0.1:${events}`,
        SCOPE_EDGE_STATSD: `udp://127.0.0.1:${statsd}`,
      },
    })
    const sample = join(SAMPLES, 'appscope-redis.ndjson')
    const bodies = (await recordsOf(sample)).filter(message => message['body'])
    await sendTcp(events, readFileSync(sample, 'utf8'))
    const client = new StatsD({ host: '127.0.0.1', port: statsd })
    client.increment('page.views', 3, { env: 'test' })
    await new Promise<void>(resolve => client.close(() => resolve()))
    await eventually(() => edge.log().includes('ready'), 'the edge')
    t.equal(await edge.stop(), 0, edge.log())
    const out = join(edge.directory, 'out')
    const files = readdirSync(out)
    const redis = files.filter(name => name.startsWith('redis-server-'))
    const written = await recordsOf(...redis.map(name => join(out, name)))
    t.equal(written.filter(event => event['source'] !== 'process.start').length, bodies.length)
    t.same(written.filter(event => event['source'] !== 'process.start')[5], bodies[5]?.['body'])
    const metrics = files.filter(name => name.startsWith('metrics-'))
    const counted = await recordsOf(...metrics.map(name => join(out, name)))
    t.match(counted, [{ _metric: 'page.views', _metric_type: 'counter', _value: 3, env: 'test' }])
  },
)

t.test('StatsD goes on to a Datadog agent, summed and tagged', async t => {
  const port = await freePort()
  const agent = createSocket('udp4')
  await new Promise<void>(resolve => agent.bind(0, '127.0.0.1', resolve))
  const received: string[] = []
  agent.on('message', message => received.push(...message.toString().trim().split('\n')))
  t.teardown(() => agent.close())
  const edge = await startEdge(t, {
    file: 'config/statsd-to-datadog.yml',
    env: {
      SCOPE_EDGE_LISTEN: `udp://127.0.0.1:${port}`,
      DATADOG_STATSD: `udp://127.0.0.1:${agent.address().port}`,
      HOSTNAME: 'here',
      SCOPE_EDGE_FLUSH: '300ms',
    },
  })
  const send = createSocket('udp4')
  send.send('hits:1|c|#proc:shop\nhits:2|c|#proc:shop\nhits:9|c|#proc:load-test\nt:5|ms', port)
  await eventually(() => received.length >= 2, 'the agent')
  send.close()
  t.equal(await edge.stop(), 0)
  t.strictSame(received.toSorted(), ['hits:3|c|#proc:shop,edge:here', 't:5|ms|#edge:here'])
})

t.test('TCP goes to S3 in compressed objects', async t => {
  const s3 = await startFakeS3({ buckets: ['events'] })
  t.teardown(() => s3.close())
  const port = await freePort()
  const edge = await startEdge(t, {
    file: 'config/tcp-to-s3.yml',
    env: {
      SCOPE_EDGE_LISTEN: `tcp://127.0.0.1:${port}`,
      S3_ENDPOINT: s3.url,
      S3_BATCH_AGE: '200ms',
      AWS_ACCESS_KEY_ID: s3.keys.accessKey,
      AWS_SECRET_ACCESS_KEY: s3.keys.secretKey,
    },
  })
  const lines = Array.from({ length: 5000 }, (_, n) => JSON.stringify({ _time: 1795223889, n }))
  await sendTcp(port, `${lines.join('\n')}\n`)
  await eventually(() => s3.objects().size > 0, 'an object')
  t.equal(await edge.stop(), 0)
  const stored = [...s3.objects()].flatMap(([key, object]) => {
    t.match(key, /^events\/2026\/11\/21\/\d\d\/[^/]+\.ndjson\.gz$/)
    return gunzipSync(object.body).toString().trim().split('\n')
  })
  t.strictSame(stored.toSorted(), lines.toSorted())
})

t.test('crash files go to S3 as they are, once they have stopped growing', async t => {
  const s3 = await startFakeS3({ buckets: ['crashes'] })
  t.teardown(() => s3.close())
  const crashes = t.testdir({
    '4242': {
      info_1: readFileSync(join(SAMPLES, 'appscope-crash-sleep-info.txt')),
      backtrace_1: readFileSync(join(SAMPLES, 'appscope-crash-sleep-backtrace.txt')),
    },
  })
  const core = Buffer.alloc(6 * 1024 * 1024, 'core')
  writeFileSync(join(crashes, '4242', 'core_1'), core)
  mkdirSync(join(crashes, 'empty'))
  const edge = await startEdge(t, {
    file: 'config/crash-files-to-s3.yml',
    env: {
      CRASH_DIR: crashes,
      S3_ENDPOINT: s3.url,
      AWS_ACCESS_KEY_ID: s3.keys.accessKey,
      AWS_SECRET_ACCESS_KEY: s3.keys.secretKey,
    },
  })
  await eventually(() => s3.objects().size >= 3, 'three objects', 30_000)
  t.equal(await edge.stop(), 0)
  const named = new Map([...s3.objects()].map(([key, object]) => [key.split('/').at(-1), object]))
  t.ok(named.get('core_1')?.body.equals(core))
  t.match(named.get('info_1')?.body.toString(), 'Process name: sleep')
  t.match([...s3.objects().keys()][0], /^crash\/[^/]+\/\d{4}\/\d\d\/\d\d\/4242\//)
})

t.test('an edge feeds another edge', async t => {
  const middle = await freePort()
  const receiver = await startEdge(t, {
    file: 'config/tcp-to-file.yml',
    env: { SCOPE_EDGE_LISTEN: `tcp://127.0.0.1:${middle}` },
  })
  const first = await freePort()
  const sender = await startEdge(t, {
    file: 'config/edge-to-edge.yml',
    env: {
      SCOPE_EDGE_EVENTS: `tcp://127.0.0.1:${first}`,
      NEXT_EDGE: `tcp://127.0.0.1:${middle}`,
      SCOPE_EDGE_WINDOW: '200ms',
    },
  })
  const failure = { sourcetype: 'http', source: 'http.resp', data: { http_status_code: 503 } }
  const file = { sourcetype: 'fs', source: 'fs.open', proc: 'shop', data: {} }
  const events = [failure, file, file, { sourcetype: 'net', data: {} }]
  await sendTcp(
    first,
    ...events.map(body => `${JSON.stringify({ type: 'evt', id: 'x', _channel: 'none', body })}\n`),
  )
  const out = join(receiver.directory, 'out', 'events.ndjson')
  await eventually(() => linesOf(out).length >= 2, 'both events')
  t.equal(await sender.stop(), 0)
  t.equal(await receiver.stop(), 0)
  const got = await recordsOf(out)
  t.same(
    got.find(event => event['sourcetype'] === 'http'),
    failure,
  )
  t.match(
    got.find(event => event['source'] === 'fs.open'),
    { proc: 'shop', events: 2 },
  )
})
