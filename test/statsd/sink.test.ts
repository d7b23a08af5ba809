import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Subject } from 'rxjs'
import t, { type Test } from 'tap'
import type { z } from 'zod'
import type { Batch } from '../../src/batch/batch.ts'
import type { Clock } from '../../src/component/context.ts'
import { systemClock } from '../../src/component/system-clock.ts'
import { VirtualClock } from '../../src/component/virtual-clock.ts'
import type { JsonObject } from '../../src/record/json.ts'
import { statsd } from '../../src/sinks/statsd/statsd.ts'
import { statsd as statsdSource } from '../../src/sources/statsd/statsd.ts'
import { batchOf, collect, eventually, recordsOf, testContext } from '../context.ts'
import { run } from '../sources/running.ts'
import { readDatagram } from './dogstatsd-grammar.ts'

/** Runs the sink for the time of one test, on the clock of the machine unless told. */
function start(t: Test, options: z.input<typeof statsd.options>, clock: Clock = systemClock) {
  const context = testContext({ clock })
  const batches = new Subject<Batch>()
  const receipts = collect(statsd.create(statsd.options.parse(options), context)(batches))
  t.teardown(() => {
    receipts.stop()
    context.clean()
  })
  return { context, batches, receipts }
}

/** A UDP receiver for one test. */
async function receiver(t: Test) {
  const datagrams: Buffer[] = []
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
  socket.on('message', datagram => datagrams.push(datagram))
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  const { port } = socket.address()
  let open = true
  const close = () => {
    if (open) socket.close()
    open = false
  }
  t.teardown(close)
  return { datagrams, port, close }
}

const counter = (name: string, value = 1): JsonObject => ({
  _metric: name,
  _metric_type: 'counter',
  _value: value,
  host: 'h',
  _time: 1_700_000_000,
})

t.test('datagrams are packed, strict, and no longer than allowed', async t => {
  const { datagrams, port } = await receiver(t)
  const { batches, receipts, context } = start(t, {
    address: `udp://127.0.0.1:${port}`,
    dialect: 'dogstatsd',
    tags: ['env:test'],
    prefix: 'edge.',
  })
  const records = Array.from({ length: 500 }, (_, i) => counter(`metric.${i}`, i))
  const batch = batchOf([...records, { message: 'no metric' }, { message: 'nor this' }])
  batches.next(batch)
  await eventually(() => receipts.values.length === 1)
  t.equal(receipts.values[0]?.outcome, 'delivered')
  await eventually(() => datagrams.join('\n').split('\n').length === 500)
  t.equal(
    receipts.values[0]?.bytes,
    datagrams.reduce((sum, d) => sum + d.length, 0),
  )
  t.ok(datagrams.length < 25, `${datagrams.length} datagrams`)
  const read = datagrams.flatMap(datagram => readDatagram(datagram, 1432))
  t.match(read[7], { name: 'edge.metric.7', values: ['7'], tags: ['host:h', 'env:test'] })
  t.same(context.discards, [{ reason: 'not_a_metric', events: 2, intentional: false }])
  t.equal(context.logged.filter(l => l.level === 'warn').length, 1)
  t.equal(receipts.values[0]?.events, 500, 'sent and discarded make up what came')

  batches.next(batchOf([{ message: 'nothing to send' }]))
  t.equal(receipts.values.length, 2, 'a batch without metrics has its receipt at once')
  t.equal(context.logged.filter(l => l.level === 'warn').length, 1, 'said only once')
  batches.complete()
  t.ok(receipts.completed)
})

t.test('a metric too long for a datagram is rejected with all of its tags', async t => {
  const { datagrams, port } = await receiver(t)
  const { batches, receipts, context } = start(t, {
    address: `udp://127.0.0.1:${port}`,
    dialect: 'dogstatsd',
  })
  batches.next(batchOf([{ ...counter('long'), args: 'x'.repeat(2000) }, counter('short')]))
  await eventually(() => datagrams.length === 1)
  t.same(datagrams.map(String), ['short:1|c|#host:h'])
  t.equal(receipts.values[0]?.outcome, 'delivered')
  t.match(context.rejects, [{ reason: 'too_long' }])
  t.equal(receipts.values[0]?.events, 1)
  t.same(context.discards, [{ reason: 'too_long', events: 1, intentional: false }])
  t.match(context.rejects[0]?.bytes.toString(), /"_metric":"long"/)
})

t.test('datagrams keep the pace that was set', async t => {
  const { datagrams, port } = await receiver(t)
  const clock = new VirtualClock()
  const { batches, receipts } = start(
    t,
    {
      address: `udp://127.0.0.1:${port}`,
      max_packet_bytes: 20,
      max_packets_per_second: 200,
    },
    clock,
  )
  await new Promise(resolve => setTimeout(resolve, 20)) // until its socket is open
  batches.next(batchOf(Array.from({ length: 41 }, (_, i) => counter(`metric.${i}`))))
  const pass = async (milliseconds: number) => {
    for (let i = 0; i < milliseconds; i++) {
      clock.advance(1)
      for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
    }
  }
  await pass(100)
  t.ok(datagrams.length >= 18 && datagrams.length <= 21, `${datagrams.length} in 100 ms`)
  t.same(receipts.values, [])
  await pass(150)
  t.equal(datagrams.length, 41)
  t.equal(receipts.values.length, 1)
})

t.test('nobody listening at a UDP port is counted, told, and stops nothing', async t => {
  const { port, close } = await receiver(t)
  close()
  const { batches, receipts, context } = start(t, { address: `udp://127.0.0.1:${port}` })
  for (let i = 0; i < 20; i++) {
    batches.next(batchOf([counter(`m${i}`)]))
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  await eventually(() => receipts.values.length === 20)
  t.ok((context.errors.get('ECONNREFUSED') ?? 0) > 0)
  t.match(context.health.at(-1), { ok: false, why: /nobody listens/ })
  t.equal(context.logged.filter(l => /nobody listens/.test(l.message)).length, 1)
})

t.test('a name is looked up before the first datagram, and failures are tried again', async t => {
  const { datagrams, port } = await receiver(t)
  const { batches, receipts } = start(t, {
    address: `udp://localhost:${port}`,
    resolve_interval: '20ms',
  })
  for (let i = 0; i < 10; i++) {
    batches.next(batchOf([counter(`m${i}`)]))
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  await eventually(() => datagrams.length === 10)
  t.equal(receipts.values.length, 10)

  const nowhere = start(t, { address: `udp://no-such-host.invalid:${port}` })
  nowhere.batches.next(batchOf([counter('waits')]))
  await eventually(() => nowhere.context.health.some(h => !h.ok))
  t.same(nowhere.receipts.values, [], 'it waits, and is not lost')
})

t.test('streams carry lines, or frames with a length for Datadog on unix sockets', async t => {
  const received: Buffer[] = []
  const server = net.createServer(socket => socket.on('data', data => received.push(data)))
  const path = join(tmpdir(), `scopeline-sink-${process.pid}.sock`)
  server.listen(path)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = `unix://${path}`

  const plain = start(t, { address })
  plain.batches.next(batchOf([counter('a'), counter('b')]))
  plain.batches.complete()
  await eventually(() => plain.receipts.completed && received.length > 0)
  t.equal(Buffer.concat(received).toString(), 'a:1|c\nb:1|c\n')

  received.length = 0
  const framed = start(t, { address, dialect: 'dogstatsd' })
  framed.batches.next(batchOf([counter('a'), counter('b')]))
  framed.batches.complete()
  await eventually(() => framed.receipts.completed && received.length > 0)
  const bytes = Buffer.concat(received)
  t.equal(bytes.readUInt32LE(0), bytes.length - 4)
  t.equal(bytes.toString('utf8', 4), 'a:1|c|#host:h\nb:1|c|#host:h')
})

t.test('a stream that breaks is made again, and what waits is sent', async t => {
  const received: string[] = []
  const sockets: net.Socket[] = []
  const listen = (port: number) => {
    const server = net.createServer(socket => {
      sockets.push(socket)
      socket.on('error', () => {})
      socket.on('data', data => received.push(data.toString()))
    })
    server.listen(port, '127.0.0.1')
    t.teardown(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    return server
  }
  const first = listen(0)
  await once(first, 'listening')
  const { port } = first.address() as net.AddressInfo
  const { batches, receipts, context } = start(t, { address: `tcp://127.0.0.1:${port}` })
  batches.next(batchOf([counter('before')]))
  await eventually(() => received.length === 1)
  first.close()
  sockets[0]?.resetAndDestroy()
  await eventually(() => context.health.some(h => !h.ok))
  batches.next(batchOf([counter('while1')]))
  batches.next(batchOf([counter('while2')]))
  t.equal(receipts.values.length, 1, 'no receipt while there is no receiver')
  listen(port)
  await eventually(() => receipts.values.length === 3)
  await eventually(() => received.join('') === 'before:1|c\nwhile1:1|c\nwhile2:1|c\n')
  t.equal(context.health.at(-1)?.ok, true)
})

t.test('our own source reads what our sink sends, by every way', async t => {
  const records: JsonObject[] = [
    { _metric: 'c', _metric_type: 'counter', _value: 7, host: 'h', hot: true },
    { _metric: 'd', _metric_type: 'distribution', _values: [1, 2, 3], _rate: 0.5, k: ['a', 'b'] },
    { _metric: 's', _metric_type: 'set', _value: 'x:y' },
    {
      _metric: 'g',
      _metric_type: 'gauge',
      _value: 4.5,
      _container: 'ci-1',
      _external_data: 'it-false',
      _cardinality: 'low',
      _timestamped: true,
      _time: 1_700_000_000,
    },
    {
      sourcetype: 'statsd',
      source: 'statsd.event',
      _time: 1_700_000_000,
      data: { title: 'Größe', text: 'two\nlines', tags: { a: 'b' } },
    },
  ]
  for (const listen of [
    'udp://127.0.0.1:0',
    'tcp://127.0.0.1:0',
    `unix://${join(tmpdir(), `scopeline-loop-${process.pid}.sock`)}`,
  ]) {
    const source = await run(statsdSource, { listen, aggregate: false }, { clock: systemClock })
    t.teardown(() => source.clean())
    const { batches } = start(t, {
      address: source.context.bound[0] as string,
      dialect: 'dogstatsd',
    })
    batches.next(batchOf(records))
    await eventually(() => source.records().length === records.length)
    t.match(recordsOf(source.batches), records, listen)
    t.same(source.context.rejects, [])
  }
})
