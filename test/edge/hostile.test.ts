/** The edge against hostile peers: real processes and sockets, and what a user then finds in metrics and files. */
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { eventually } from '../context.ts'
import { freePort, linesOf, type RunningEdge, startEdge } from './running.ts'

const MIB = 1024 * 1024
/** What the edge promises: its `memory` and 64 MiB. */
const MOST_MEMORY = 256 + 64

const EDGE = (tcp: number, scopeTcp: number, statsd: number) => `
data_dir: '@DIR@/data'
memory: 256MiB
api: { listen: 'tcp://127.0.0.1:0' }
sources:
  tcp: { type: tcp, listen: 'tcp://127.0.0.1:${tcp}' }
  unix: { type: unix, listen: 'unix://@DIR@/in.sock' }
  scope: { type: scope, listen: ['unix://@DIR@/scope.sock', 'tcp://127.0.0.1:${scopeTcp}'] }
  statsd: { type: statsd, listen: ['udp://127.0.0.1:${statsd}', 'tcp://127.0.0.1:${statsd}'], aggregate: false }
transforms:
  numbered: { type: filter, inputs: [tcp, unix, scope], where: 'n >= 0' }
  clean: { type: redact, inputs: [numbered], patterns: [email] }
  marked: { type: set, inputs: [clean], fields: { edge: e1 } }
sinks:
  plain_tcp: { type: ndjson, inputs: [tcp], path: '@DIR@/tcp.ndjson' }
  plain_unix: { type: ndjson, inputs: [unix], path: '@DIR@/unix.ndjson' }
  plain_scope: { type: ndjson, inputs: [scope], path: '@DIR@/scope.ndjson' }
  plain_statsd: { type: ndjson, inputs: [statsd], path: '@DIR@/statsd.ndjson' }
  worked: { type: ndjson, inputs: [marked], path: '@DIR@/worked.ndjson' }
`

interface Hostile {
  readonly edge: RunningEdge
  readonly ports: { tcp: number; scope: number; statsd: number }
  /** The lines of an output so far. */
  out(name: string): string[]
  /** Rejected events of a source, by reason. */
  counted(source: string): Promise<Record<string, number>>
  /** Resolves when so many events were rejected for a reason. */
  rejected(source: string, reason: string, count: number): Promise<void>
  /** What was kept of the input that a source rejected. */
  kept(source: string): Record<string, unknown>[]
}

async function startHostile(t: Test): Promise<Hostile> {
  const ports = { tcp: await freePort(), scope: await freePort(), statsd: await freePort() }
  const edge = await startEdge(t, { yaml: EDGE(ports.tcp, ports.scope, ports.statsd) })
  const counted = async (source: string) => {
    const { body } = await edge.get('/metrics')
    const reasons: Record<string, number> = {}
    const line = new RegExp(
      `^component_rejected_events_total\\{component_id="${source}",.*reason="(\\w+)"\\} (\\d+)$`,
      'gm',
    )
    for (const [, reason = '', count] of body.matchAll(line)) reasons[reason] = Number(count)
    return reasons
  }
  return {
    edge,
    ports,
    counted,
    out: name => linesOf(join(edge.directory, `${name}.ndjson`)),
    rejected: (source, reason, count) =>
      eventually(
        async () => ((await counted(source))[reason] ?? 0) >= count,
        `${count} rejected as ${reason}`,
        30_000,
      ),
    kept: source =>
      linesOf(join(edge.directory, 'data', 'rejected', `${source}.ndjson`)).map(line =>
        JSON.parse(line),
      ),
  }
}

/** An open connection; what the edge does to it is no error of the test. */
function open(where: NetConnectOpts): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(where, () => {
      socket.off('error', reject)
      socket.on('error', () => {})
      resolve(socket)
    })
    socket.once('error', reject)
    socket.resume()
  })
}

/** Writes, waiting wherever the edge does not take more. */
async function write(socket: Socket, bytes: Buffer | string): Promise<void> {
  await new Promise<void>(resolve => socket.write(bytes, () => resolve()))
}

/** The most memory that the edge ever had, in MiB. */
function peakMemory(edge: RunningEdge): number {
  const status = readFileSync(`/proc/${edge.process.pid}/status`, 'latin1')
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024
}

async function unharmed(t: Test, hostile: Hostile): Promise<void> {
  const peak = peakMemory(hostile.edge)
  t.ok(peak < MOST_MEMORY, `peak memory ${peak.toFixed(0)} MiB is below ${MOST_MEMORY} MiB`)
  t.equal((await hostile.edge.get('/healthz')).status, 200)
  t.equal(await hostile.edge.stop(), 0)
}

const START =
  '{"authToken":"s3cret","format":"ndjson","info":{"process":{"pid":7,"hostname":"vm","procname":"curl","id":"vm-curl"}}}\n'
const EVENT = (n: number) => `{"type":"evt","id":"vm-curl","_channel":"1","body":{"n":${n}}}\n`

/** A bad line, the reason that it is rejected for, and what the explanation says. */
const BAD_LINES: [string, Buffer, string, RegExp][] = [
  [
    'invalid UTF-8',
    Buffer.from('{"n":1,"s":"caf\xe9 \xff\xfe"}', 'latin1'),
    'invalid_utf8',
    /UTF-8/,
  ],
  ['a NUL', Buffer.from('{"n":1,\0"s":2}'), 'invalid_json', /NUL/],
  ['only NULs', Buffer.alloc(1000), 'invalid_json', /NUL/],
  ['10,000 levels of arrays', deep('['), 'too_deep', /1000 levels/],
  ['10,000 levels of objects', deep('{"a":'), 'too_deep', /1000 levels/],
  ['100,000 brackets that nobody closes', Buffer.from('['.repeat(1e5)), 'invalid_json', /JSON/],
  ['half a line of JSON', Buffer.from('{"n":1,"s":"x'), 'invalid_json', /JSON/],
  ['an array', Buffer.from('[{"n":1}]'), 'not_an_object', /object/],
  ['a number beyond all numbers alone', Buffer.from('1e999'), 'not_an_object', /number/],
  ['JavaScript', Buffer.from("{n:1,s:'x'}"), 'invalid_json', /JSON/],
]

function deep(opening: string): Buffer {
  const closing = opening === '[' ? ']' : '}'
  return Buffer.from(`{"n":1,"deep":${opening.repeat(10_000)}1${closing.repeat(10_000)}}`)
}

/** Lines that are odd but right: each passes byte for byte. */
const ODD_LINES = [
  '{"n":1,"big":9007199254740993,"one":1.0,"e":1E+2,"mail":"jo@example.com"}',
  '{"n":1,"n":2,"k":"first","k":"second"}',
  '{"__proto__":{"n":9},"constructor":1,"n":3,"nul":"\\u0000","lone":"\\ud800"}',
  '{"n":18446744073709551616,"z":-0.0,"":"","long":0.1000000000000000055511151231257827}',
  ` \t{ "n" : 4 , "deep" : ${'['.repeat(900)}${']'.repeat(900)} }`,
]

for (const kind of ['tcp', 'unix'] as const) {
  t.test(`${kind}: bad lines are counted and explained, and harm no other line`, async t => {
    const hostile = await startHostile(t)
    const { edge, ports, out } = hostile
    const where = kind === 'tcp' ? { port: ports.tcp } : { path: join(edge.directory, 'in.sock') }
    const socket = await open(where)
    const good: string[] = []
    const say = (line: string) => {
      good.push(line)
      return write(socket, `${line}\n`)
    }
    const expected: Record<string, number> = {}
    for (const [, bytes, reason] of BAD_LINES) {
      await say(`{"n":${good.length}}`)
      await write(socket, Buffer.concat([bytes, Buffer.from('\r\n')]))
      expected[reason] = (expected[reason] ?? 0) + 1
    }
    for (const line of ODD_LINES) await say(line)

    // A line of 100 MiB, in pieces as a peer sends them, and an ordinary one behind it.
    const piece = Buffer.alloc(MIB, 'x')
    await write(socket, '{"n":1,"s":"')
    for (let i = 0; i < 100; i++) await write(socket, piece)
    await write(socket, '"}\n')
    expected['line_too_long'] = 1
    await say('{"n":5,"after":"the long line"}')
    await eventually(() => out(kind).length >= good.length, 'all good lines', 30_000)

    // The end comes in the middle of a line, in order here, with a reset there.
    socket.end('{"n":6,"cut":tr')
    await hostile.rejected(kind, 'truncated', 1)
    const reset = await open(where)
    await write(reset, '{"n":7}\n{"n":8,"cut')
    good.push('{"n":7}')
    await eventually(() => out(kind).length >= good.length, 'the line before the cut')
    // Only TCP knows a reset; a unix socket is closed without a word.
    if (kind === 'tcp') reset.resetAndDestroy()
    else reset.destroy()
    await hostile.rejected(kind, 'truncated', 2)
    expected['truncated'] = 2

    t.strictSame(out(kind), good, 'every good line is there, byte for byte and in order')
    t.same(await hostile.counted(kind), expected)
    // Counted at once, written a little later.
    await eventually(() => hostile.kept(kind).length >= BAD_LINES.length + 3, 'all kept')
    const kept = hostile.kept(kind)
    t.equal(kept.length, BAD_LINES.length + 3)
    for (const [i, [name, bytes, reason, explanation]] of BAD_LINES.entries()) {
      const { text, base64, ...facts } = kept[i] as { text?: string; base64?: string }
      const head = text === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text)
      t.match(facts, { component: kind, reason, explanation, length: bytes.length }, name)
      t.ok(bytes.subarray(0, 4096).equals(head), `${name}: its first bytes are kept`)
    }
    const long = kept.find(({ reason }) => reason === 'line_too_long')
    t.match(long, { length: 100 * MIB + 14, explanation: /max_line_bytes/ })

    const worked = out('worked')
    t.match(
      worked.find(line => line.includes('big')),
      '{"n":1,"big":9007199254740993,"one":1.0,"e":1E+2,"mail":"<email>","edge":"e1"}',
      'filter, redact and set leave a number beyond 2^53 its digits',
    )
    t.ok(
      worked.includes('{"n":1,"n":2,"k":"first","k":"second","edge":"e1"}'),
      'and keys their doubles',
    )
    await unharmed(t, hostile)
  })
}

t.test('peers that send byte by byte make whole lines', async t => {
  const hostile = await startHostile(t)
  const { edge, ports, out } = hostile
  const arrived = async (source: string) => {
    const { body } = await edge.get('/metrics')
    const line = new RegExp(
      `^stream_bytes_received_total\\{component_id="${source}",.*\\} (\\d+)$`,
      'm',
    )
    return Number(line.exec(body)?.[1] ?? 0)
  }
  const lines = '{"n":1,"s":"ä€😀"}\n{"n":2}\r\n'
  const read = ['{"n":1,"s":"ä€😀"}', '{"n":2}']
  const trickle = async (source: string, where: NetConnectOpts, text: string) => {
    const socket = await open(where)
    const bytes = Buffer.from(text)
    for (let i = 0; i < bytes.length; i++) {
      await write(socket, bytes.subarray(i, i + 1))
      await eventually(async () => (await arrived(source)) === i + 1, `byte ${i + 1}`)
    }
    socket.destroy()
  }
  await Promise.all([
    trickle('tcp', { port: ports.tcp }, lines),
    trickle('unix', { path: join(edge.directory, 'in.sock') }, lines),
    trickle('scope', { port: ports.scope }, EVENT(1) + EVENT(2)),
    trickle('statsd', { port: ports.statsd }, 'ä.b:1|c|#k:v\nc:2|g\n'),
  ])
  await eventually(() => out('statsd').length + out('scope').length === 4, 'metrics and events')
  t.strictSame(out('tcp'), read)
  t.strictSame(out('unix'), read)
  t.strictSame(out('scope'), ['{"n":1}', '{"n":2}'])
  t.strictSame(
    out('statsd').map(line => JSON.parse(line)._metric),
    ['ä.b', 'c'],
  )
  for (const source of ['tcp', 'unix', 'scope', 'statsd']) {
    t.same(await hostile.counted(source), {}, `nothing of ${source} was rejected`)
  }
  await unharmed(t, hostile)
})

t.test('500 connections at once, each with a bad line among good ones', async t => {
  const hostile = await startHostile(t)
  const { ports, out } = hostile
  const sockets = await Promise.all(Array.from({ length: 500 }, () => open({ port: ports.tcp })))
  for (const [i, socket] of sockets.entries()) {
    socket.write(`{"n":${i * 10}}\n{"n":`)
    socket.write(`${i * 10 + 1}}\nnot json\n{"n":${i * 10 + 2}}\n`)
    // Every tenth breaks off in the middle of a line.
    if (i % 10 === 0) socket.write('{"n":')
    socket.end()
  }
  await eventually(() => out('tcp').length >= 1500, 'all good lines', 30_000)
  await hostile.rejected('tcp', 'truncated', 50)
  t.strictSame(
    out('tcp')
      .map(line => JSON.parse(line).n)
      .toSorted((a, b) => a - b),
    Array.from({ length: 500 }, (_, i) => [i * 10, i * 10 + 1, i * 10 + 2]).flat(),
  )
  t.same(await hostile.counted('tcp'), { invalid_json: 500, truncated: 50 })
  await unharmed(t, hostile)
})

t.test('connections that break off leave the others and themselves in order', async t => {
  const hostile = await startHostile(t)
  const { edge, ports, out } = hostile
  const steady = await open({ port: ports.tcp })
  const breaking = await Promise.all(Array.from({ length: 50 }, () => open({ port: ports.tcp })))
  for (const [i, socket] of breaking.entries()) {
    await write(steady, `{"n":${i}}\n`)
    await write(socket, `{"n":${1000 + i}}\n{"half":`)
  }
  await eventually(() => out('tcp').length === 100, 'what was sent before')
  for (const socket of breaking) socket.resetAndDestroy()
  await hostile.rejected('tcp', 'truncated', 50)
  await write(steady, '{"n":50}\n')
  await eventually(() => out('tcp').includes('{"n":50}'), 'the steady one goes on')
  const { body } = await edge.get('/metrics')
  t.match(body, /^open_connections\{component_id="tcp",.*\} 1$/m)
  steady.destroy()
  await unharmed(t, hostile)
})

/** What a peer sends that speaks AppScope's protocol badly. */
const BAD_MESSAGES: [string, string | Buffer, string, RegExp][] = [
  ['a message of no known type', '{"type":"gossip","body":{}}\n', 'unknown_message', /gossip/],
  ['an event without its body', '{"type":"evt","id":"x"}\n', 'no_body', /body/],
  ['an event whose body is text', '{"type":"evt","body":"x"}\n', 'no_body', /body/],
  ['a payload of negative length', '{"type":"payload","len":-5}\n', 'bad_payload', /len/],
  ['a payload of no number', '{"type":"payload","len":"many"}\n', 'bad_payload', /len/],
  [
    'invalid UTF-8',
    Buffer.from('{"type":"evt","body":{"s":"\xff"}}\n', 'latin1'),
    'invalid_utf8',
    /UTF-8/,
  ],
  ['NULs', Buffer.concat([Buffer.alloc(20), Buffer.from('\n')]), 'invalid_json', /NUL/],
  [
    'a deep body',
    Buffer.from(`{"type":"evt","body":${deep('[').toString()}}\n`),
    'too_deep',
    /levels/,
  ],
]

for (const kind of ['tcp', 'unix'] as const) {
  t.test(`the scope protocol over ${kind}: bad messages and cut frames`, async t => {
    const hostile = await startHostile(t)
    const { edge, ports, out } = hostile
    const where =
      kind === 'tcp' ? { port: ports.scope } : { path: join(edge.directory, 'scope.sock') }
    const socket = await open(where)
    await write(socket, START)
    const expected: Record<string, number> = {}
    const good: string[] = []
    const say = (text: string, result: string) => {
      good.push(result)
      return write(socket, text)
    }
    for (const [, bytes, reason] of BAD_MESSAGES) {
      await say(EVENT(good.length), `{"n":${good.length}}`)
      await write(socket, bytes)
      expected[reason] = (expected[reason] ?? 0) + 1
    }
    // Raw bytes with line breaks and what looks like events are skipped, then lines go on.
    const payload = Buffer.from(`\n\0\xff${EVENT(666)}\n`, 'latin1')
    await write(
      socket,
      `{"type":"payload","id":"x","pid":7,"fd":3,"src":"netRx","len":${payload.length}}\n`,
    )
    await write(socket, payload)
    await say(
      '{"type":"evt","body":{"body":1,"n":9007199254740993,"n":9007199254740993},"_channel":"}"}\n',
      '{"body":1,"n":9007199254740993,"n":9007199254740993}',
    )
    const bodies = () => out('scope').filter(line => !line.includes('process.start'))
    await eventually(() => bodies().length >= good.length, 'all good events')
    // More is announced than ever comes.
    await write(socket, '{"type":"payload","len":9007199254740991,"src":"netTx"}\n')
    await write(socket, Buffer.alloc(MIB))
    socket.end(EVENT(667))
    await hostile.rejected('scope', 'truncated', 1)
    const cut = await open(where)
    await write(cut, START)
    cut.end(EVENT(668).slice(0, -9))
    await hostile.rejected('scope', 'truncated', 2)
    expected['truncated'] = 2

    t.strictSame(bodies(), good)
    t.same(await hostile.counted('scope'), expected)
    const kept = hostile.kept('scope')
    for (const [i, [name, , reason, explanation]] of BAD_MESSAGES.entries()) {
      t.match(kept[i], { reason, explanation }, name)
    }
    t.notMatch(JSON.stringify(kept), 's3cret')
    t.ok(out('worked').includes('{"body":1,"n":9007199254740993,"n":9007199254740993,"edge":"e1"}'))
    await unharmed(t, hostile)
  })
}

t.test('StatsD: bad lines of a datagram are rejected, the others taken', async t => {
  const hostile = await startHostile(t)
  const { ports, out } = hostile
  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  const send = (bytes: Buffer | string) =>
    new Promise<void>(resolve => socket.send(bytes, ports.statsd, '127.0.0.1', () => resolve()))
  const bad: [string, string][] = [
    ['b\xff\xfe:1|c', 'invalid_utf8'],
    ['no value at all', 'no_value'],
    [':1|c', 'empty_name'],
    ['x:1', 'no_type'],
    ['x:one|c', 'invalid_value'],
    ['x:1e999|g', 'not_finite'],
    ['\0\0\0\0', 'no_value'],
    ['{"json":"is not statsd"', 'no_type'],
    ['_e{5,2000}:title|text', 'invalid_event'],
  ]
  const expected: Record<string, number> = {}
  for (const [i, [line, reason]] of bad.entries()) {
    await send(Buffer.from(`good:${i}|c\n${line}\nalso:${i}|g`, 'latin1'))
    expected[reason] = (expected[reason] ?? 0) + 1
    await eventually(() => out('statsd').length === 2 * (i + 1), `the good lines beside ${line}`)
  }
  // Nothing, single bytes, and the largest datagram there is: one line of 65,507 bytes.
  await send('')
  await send('\n')
  await send(Buffer.alloc(65_507, 'y'))
  expected['no_value'] = (expected['no_value'] ?? 0) + 1
  await hostile.rejected('statsd', 'no_value', expected['no_value'])
  await send('last:1|c')
  await eventually(() => out('statsd').length === 2 * bad.length + 1, 'the last metric')
  t.same(await hostile.counted('statsd'), expected)
  const kept = hostile.kept('statsd')
  for (const [i, [line, reason]] of bad.entries()) {
    t.match(kept[i], { reason, explanation: /\w+ \w+/ }, JSON.stringify(line))
  }
  t.match(kept.at(-1), { reason: 'no_value', length: 65_507 })

  // A frame of Datadog's stream framing that says it is 16 MB long, and one that is cut off.
  for (const [frame, reason] of [
    [Buffer.from([0, 0, 240, 0]), 'frame_too_long'],
    [Buffer.from([20, 0, 0, 0, 0x61, 0x3a]), 'truncated'],
  ] as const) {
    const stream = await open({ port: ports.statsd })
    stream.end(frame)
    await hostile.rejected('statsd', reason, 1)
  }
  await unharmed(t, hostile)
})
