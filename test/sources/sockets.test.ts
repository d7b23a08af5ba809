import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { nativeAddon } from '../../src/batch/addon.ts'
import { systemClock } from '../../src/component/system-clock.ts'
import { VirtualClock } from '../../src/component/virtual-clock.ts'
import { generate } from '../../src/sources/generate/generate.ts'
import { readLines, stdin } from '../../src/sources/stdin.ts'
import { tcp } from '../../src/sources/tcp.ts'
import { unix } from '../../src/sources/unix.ts'
import { collect, eventually, recordsOf, testContext } from '../context.ts'
import { closed, run } from './running.ts'

const ANY = 'tcp://127.0.0.1:0'
const MiB = 1024 * 1024
setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

t.test('lines of several connections become events, in order within each', async t => {
  const source = await run(tcp, { listen: ANY })
  t.teardown(source.clean)
  const names = ['a', 'b', 'c']
  const sockets = await Promise.all(names.map(source.connect))
  for (let n = 0; n < 500; n++) {
    // Each line goes out in two writes, the connections taking turns between them.
    for (const [i, socket] of sockets.entries()) socket.write(`{"from":"${names[i]}",`)
    for (const socket of sockets) socket.write(`"n":${n}}\n`)
    if (n % 50 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  for (const socket of sockets) socket.end()
  await eventually(() => source.texts.length === 1500)
  for (const name of names) {
    const own = source.records().filter(({ from }) => from === name)
    t.same(
      own.map(({ n }) => n),
      Array.from({ length: 500 }, (_, n) => n),
    )
  }
  t.equal(new Set(source.batches.map(({ origin }) => origin.peer)).size, 3)
  t.match(source.batches[0]?.origin.peer, /^127\.0\.0\.1:\d+$/)
  t.equal(source.context.totals.get('connections_total'), 3)
  await eventually(() => source.context.totals.get('open_connections') === 0)
})

/** An abstract name, where this checkout has the native addon that it needs. */
const abstract = typeof nativeAddon() === 'string' ? [] : [`unix://@scopeline-test-${process.pid}`]

t.test('a unix socket, an abstract one, and text lines', async t => {
  for (const listen of ['unix://DIR/deep/in.sock', ...abstract]) {
    const context = testContext()
    const source = await run(unix, {
      listen: listen.replace('DIR', context.directory),
      format: 'lines',
    })
    t.teardown(() => {
      source.clean()
      context.clean()
    })
    await source.send('hello\nworld\r\n')
    await eventually(() => source.texts.length === 2)
    t.same(
      source.records().map(({ message }) => message),
      ['hello', 'world'],
    )
    t.match(source.batches[0]?.origin.peer, /^unix #1$/)
    // A name filled up with zero bytes, which this shows as @, is one that no other program calls.
    const sockets = readFileSync('/proc/net/unix', 'utf8')
    if (listen === abstract[0]) t.match(sockets, ` ${listen.slice('unix://'.length)}\n`)
  }
})

t.test('bad lines are told of, the other lines of the connection are unharmed', async t => {
  const source = await run(tcp, { listen: ANY, max_line_bytes: '64KiB' })
  t.teardown(source.clean)
  const deep = `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`
  const bad: [string, Buffer | string][] = [
    ['invalid_json', 'GET / HTTP/1.1'],
    ['invalid_utf8', Buffer.from('{"a":"\xff"}', 'latin1')],
    ['invalid_json', '{"a":"\0"}'],
    ['not_an_object', '[1]'],
    ['too_deep', deep],
    ['line_too_long', 'x'.repeat(100_000)],
  ]
  const chunks = bad.flatMap(([, line], n) => [`{"ok":${n}}\n`, line, '\n'])
  const exact = '{"n":9007199254740993,"f":1.0,"n":9007199254740993}'
  await source.send(...chunks, `${exact}\n`, '{"cut":')
  await eventually(() => source.context.rejects.length === bad.length + 1)
  t.same(source.texts, [...bad.map((_, n) => `{"ok":${n}}`), exact])
  t.same(
    source.context.rejects.map(({ reason }) => reason).sort(),
    [...bad.map(([reason]) => reason), 'truncated'].sort(),
  )
  for (const { explanation, bytes } of source.context.rejects) {
    t.match(explanation, /^The .*\.$/)
    t.ok(bytes.length <= 4096)
  }
})

t.test('a line of 100 MiB is thrown away in bounded memory', async t => {
  const source = await run(tcp, { listen: ANY })
  t.teardown(source.clean)
  const socket = await source.connect()
  const other = await source.connect()
  const chunk = Buffer.alloc(MiB, 'x')
  let most = 0
  collectGarbage()
  const before = process.memoryUsage().arrayBuffers
  for (let n = 0; n < 100; n++) {
    if (!socket.write(chunk)) await once(socket, 'drain')
    if (n === 50) other.write('{"other":1}\n')
    if (n % 10 !== 9) continue
    collectGarbage()
    most = Math.max(most, process.memoryUsage().arrayBuffers)
  }
  socket.end('\n{"after":1}\n')
  await eventually(() => source.texts.length === 2)
  t.same(source.texts.sort(), ['{"after":1}', '{"other":1}'])
  t.equal(source.context.rejects.length, 1)
  t.equal(source.context.rejects[0]?.length, 100 * MiB)
  t.ok(most - before < 32 * MiB, `the buffers grew by ${most - before} bytes`)
  t.ok(source.context.budget.peak < 4096)
})

t.test('many long unfinished lines cannot fill the memory', async t => {
  const source = await run(tcp, { listen: ANY, max_line_bytes: '8MiB' })
  t.teardown(source.clean)
  const sockets = await Promise.all(Array.from({ length: 6 }, source.connect))
  const long = `{"a":"${'x'.repeat(7 * MiB)}`
  for (const socket of sockets) socket.write(long)
  await eventually(
    () => source.context.totals.get('stream_bytes_received_total') === 6 * long.length,
  )
  for (const socket of sockets) socket.end('"}\n{"ok":1}\n')
  await eventually(() => source.texts.filter(text => text === '{"ok":1}').length === 6)
  const whole = source.texts.filter(text => text.length > MiB).length
  t.ok(whole >= 3, 'as many as there is room for are taken')
  t.equal(source.context.rejects.length, 6 - whole)
  t.ok(source.context.rejects.every(({ reason }) => reason === 'too_many_unfinished_lines'))
})

t.test('a peer that sends single bytes is as good as any', async t => {
  const source = await run(tcp, { listen: ANY })
  t.teardown(source.clean)
  const socket = await source.connect()
  socket.setNoDelay(true)
  for (const byte of Buffer.from('{"slow":"é"}\nbad\n{"slow":2}\n')) {
    socket.write(Buffer.from([byte]))
    await new Promise(resolve => setImmediate(resolve))
  }
  await eventually(() => source.texts.length === 2)
  t.same(source.texts, ['{"slow":"é"}', '{"slow":2}'])
  t.equal(source.context.rejects.length, 1)
  socket.destroy()
})

t.test('a spent budget stops the reading, and nothing is lost when it goes on', async t => {
  const source = await run(tcp, { listen: ANY }, { budget: 64 * 1024, hold: true })
  t.teardown(source.clean)
  const sockets = await Promise.all([source.connect(), source.connect()])
  const lines = Array.from({ length: 40_000 }, (_, n) => `{"n":${n},"pad":"${'x'.repeat(400)}"}\n`)
  const text = lines.join('')
  for (const socket of sockets) {
    socket.write(text)
    socket.end()
  }
  await eventually(() => source.context.budget.full)
  // What the kernel's buffers do not hold stays with the sender for as long as nobody lets go.
  let before = -1
  await eventually(async () => {
    const settled = source.texts.length === before
    before = source.texts.length
    await new Promise(resolve => setTimeout(resolve, 50))
    return settled
  })
  t.ok(
    sockets.every(socket => socket.writableLength > 0),
    'the senders wait',
  )
  t.ok(source.context.budget.peak < 64 * 1024 + 3 * 65_536, `${source.context.budget.peak}`)
  t.ok(source.texts.length < 1000)
  const pump = setInterval(source.release, 1)
  await eventually(() => source.texts.length === 80_000)
  clearInterval(pump)
  t.equal(source.context.budget.peak < 64 * 1024 + 3 * 65_536, true)
  for (const peer of new Set(source.batches.map(({ origin }) => origin.peer))) {
    const own = source.batches.filter(({ origin }) => origin.peer === peer)
    const numbers = recordsOf(own).map(({ n }) => n as number)
    t.ok(numbers.every((n, i) => n === i) && numbers.length === 40_000, 'in order, none missing')
  }
})

t.test('a stop reads what has arrived, then ends the stream', async t => {
  const source = await run(tcp, { listen: ANY })
  t.teardown(source.clean)
  const socket = await source.connect()
  await eventually(() => source.context.totals.get('open_connections') === 1)
  socket.write(`${'{"a":1}\n'.repeat(10_000)}{"half":`)
  const end = closed(socket)
  // The bytes are in the kernel, and the edge has not read them yet.
  source.context.stop()
  await eventually(() => source.state.completed)
  t.equal(source.texts.length, 10_000)
  t.same(
    source.context.rejects.map(({ reason }) => reason),
    ['truncated'],
  )
  await end
  const late = await source.connect().catch(error => error.code)
  t.equal(late, 'ECONNREFUSED')
})

t.test('a stop waits for space, so that what has arrived is not lost', async t => {
  const source = await run(tcp, { listen: ANY }, { budget: 1024, hold: true })
  t.teardown(source.clean)
  await source.send('{"a":1}\n'.repeat(1000))
  await eventually(() => source.context.budget.full)
  source.context.stop()
  await new Promise(resolve => setTimeout(resolve, 20))
  const pump = setInterval(source.release, 1)
  await eventually(() => source.state.completed)
  clearInterval(pump)
  t.equal(source.texts.length, 1000)
})

t.test('unsubscribing closes the listener and the connections at once', async t => {
  const source = await run(tcp, { listen: ANY })
  t.teardown(source.clean)
  const socket = await source.connect()
  const end = closed(socket)
  await eventually(() => source.context.totals.get('open_connections') === 1)
  source.unsubscribe()
  await end
  t.equal(await source.connect().catch(error => error.code), 'ECONNREFUSED')
})

t.test('connections beyond the limit are refused and counted', async t => {
  const source = await run(tcp, { listen: ANY, max_connections: 2 })
  t.teardown(source.clean)
  const kept = [await source.connect(), await source.connect()]
  await eventually(() => source.context.totals.get('open_connections') === 2)
  const refused = await source.connect()
  await closed(refused)
  t.equal(source.context.totals.get('connections_refused_total'), 1)
  t.match(source.context.logged.at(-1)?.message, /max_connections/)
  kept[0]?.end('{"a":1}\n')
  await eventually(() => source.context.totals.get('open_connections') === 1)
  await source.send('{"a":2}\n')
  await eventually(() => source.texts.length === 2)
  kept[1]?.destroy()
})

t.test(
  'a silent connection is closed after the idle time, one that waits for space is not',
  async t => {
    const clock = new VirtualClock()
    const source = await run(
      tcp,
      { listen: ANY, idle_timeout: '1m' },
      { clock, budget: 8, hold: true },
    )
    t.teardown(source.clean)
    const socket = await source.connect()
    socket.resume()
    await eventually(() => source.context.totals.get('open_connections') === 1)
    clock.advance(40_000)
    socket.write('{"a":12}\n')
    await eventually(() => source.texts.length === 1)
    clock.advance(300_000)
    t.equal(source.context.totals.get('open_connections'), 1, 'it waits for space')
    source.release()
    clock.advance(40_000)
    t.equal(source.context.totals.get('open_connections'), 1)
    clock.advance(40_000)
    await closed(socket)
    t.equal(source.context.totals.get('connections_idle_total'), 1)
  },
)

t.test('a connection that breaks keeps its whole lines and is logged once for a host', async t => {
  const source = await run(tcp, { listen: ANY })
  t.teardown(source.clean)
  for (let n = 1; n <= 3; n++) {
    const socket = await source.connect()
    socket.write('{"a":1}\n{"b":')
    await eventually(() => source.texts.length === n)
    socket.resetAndDestroy()
    await eventually(() => source.context.rejects.length === n)
  }
  t.equal(source.context.errors.get('connection_read'), 3)
  t.equal(source.context.logged.filter(({ message }) => /ECONNRESET/.test(message)).length, 1)
})

t.test('a token is asked for before anything else', async t => {
  const clock = new VirtualClock()
  const source = await run(tcp, { listen: ANY, token: 's3cret' }, { clock })
  t.teardown(source.clean)
  await source.send('token s3cret\n{"n":1}\n')
  await source.send('token s3', 'cret\r\n', '{"n":2}\n')
  await source.send('{"authToken":"s3cret","format":"ndjson"}\n{"n":3}\n')
  await eventually(() => source.texts.length === 3)
  t.same(source.texts, ['{"n":1}', '{"n":2}', '{"n":3}'])
  for (const wrong of ['token s3cre\n', '{"n":4}\n', '{"authToken":7}\n', 'x'.repeat(300_000)]) {
    await source.send(`${wrong}{"n":5}\n`)
  }
  await eventually(() => source.context.errors.get('wrong_token') === 4)
  const silent = await source.connect()
  silent.write('token s3cre')
  await eventually(() => source.context.totals.get('open_connections') === 1)
  clock.advance(10_000)
  await closed(silent)
  t.equal(source.context.errors.get('wrong_token'), 5)
  t.equal(source.texts.length, 3)
  t.notMatch(JSON.stringify([source.context.logged, source.context.rejects]), /s3cre/)
  t.match(
    source.context.logged[0]?.message,
    /127\.0\.0\.1:\d+ was closed: it did not show the right token/,
  )
})

t.test('standard input ends the source when it ends', async t => {
  const context = testContext({ budget: 64 })
  t.teardown(context.clean)
  const input = new PassThrough()
  const options = stdin.options.parse({ format: 'lines' })
  const result = collect(readLines(input, options, context))
  input.write('one\ntwo\nthr')
  await eventually(() => result.values.length === 1)
  t.ok(context.budget.full)
  input.write('ee\n')
  input.end('four')
  await new Promise(resolve => setImmediate(resolve))
  t.equal(result.values.length, 1, 'it waits for space')
  for (let held = 0; !result.completed; ) {
    while (held < result.values.length) result.values[held++]?.release('delivered')
    await new Promise(resolve => setImmediate(resolve))
  }
  t.same(
    recordsOf(result.values).map(({ message }) => message),
    ['one', 'two', 'three', 'four'],
  )
})

t.test('made-up events: the same seed gives the same ones', async t => {
  const make = async (options: object) => {
    const source = await run(generate, { count: 1000, ...options })
    await eventually(() => source.state.completed)
    source.clean()
    return source
  }
  const one = await make({ seed: 7 })
  const two = await make({ seed: 7 })
  const other = await make({ seed: 8 })
  t.equal(one.texts.length, 1000)
  t.same(one.texts, two.texts)
  t.not(one.texts.join(), other.texts.join())
  t.same(
    one
      .records()
      .slice(0, 4)
      .map(({ sourcetype, _metric_type }) => sourcetype ?? typeof _metric_type),
    ['http', 'fs', 'net', 'string'],
  )
  const lines = await make({ count: 2, lines: ['{"n":{{n}},"t":{{time}}}'] })
  const time = Date.UTC(2026, 0, 1) / 1000
  t.same(lines.texts, [`{"n":1,"t":${time}}`, `{"n":2,"t":${time}}`])
})

t.test('made-up events keep their pace and wait for space', async t => {
  const clock = new VirtualClock()
  const source = await run(generate, { rate: 100 }, { clock, budget: 2000, hold: true })
  t.teardown(source.clean)
  t.equal(source.texts.length, 1)
  clock.advance(30)
  t.equal(source.texts.length, 3, 'the events of 0, 10 and 20 ms')
  clock.advance(1000)
  const most = source.texts.length
  t.ok(most < 20, 'the budget is spent')
  clock.advance(60_000)
  t.equal(source.texts.length, most)
  source.release()
  clock.advance(40)
  const after = source.texts.length
  t.ok(after > most && after <= most + 5, 'what was missed is not made up for')
  source.context.stop()
  t.ok(source.state.completed)
})

t.test('as fast as possible means as fast as there is space', async t => {
  const source = await run(
    generate,
    { count: 5000 },
    { clock: systemClock, budget: 10_000, hold: true },
  )
  t.teardown(source.clean)
  const pump = setInterval(source.release, 1)
  await eventually(() => source.state.completed)
  clearInterval(pump)
  t.equal(source.texts.length, 5000)
  t.throws(() => generate.options.parse({ rate: 1, interval: '1s' }), /say the same thing/)
  t.throws(() => generate.options.parse({ lines: ['not json'] }), /not a JSON object/)
})
