import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { nativeAddon } from '../../src/batch/addon.ts'
import { allowanceFor } from '../../src/codec/line-buffer.ts'
import { VirtualClock } from '../../src/component/virtual-clock.ts'
import { isObject, type JsonObject } from '../../src/record/json.ts'
import { ScopeDecoder, type ScopeDecoderOptions } from '../../src/sources/scope/decoder.ts'
import { memberRange } from '../../src/sources/scope/member.ts'
import { scope } from '../../src/sources/scope/scope.ts'
import { eventually, testContext } from '../context.ts'
import { closed, run } from './running.ts'

const SAMPLES = join(import.meta.dirname, '..', 'samples')
const NOW = Date.UTC(2026, 0, 1) / 1000
const START =
  '{"authToken":"t0ken","format":"ndjson","info":{"process":{"libscopever":"v1.4.3","pid":77,"hostname":"vm","procname":"curl","cmd":"curl -s x","id":"vm-curl-curl -s x","uuid":"u-1"},"configuration":{"current":{"cribl":{"authtoken":"t0ken"}}},"environment":{"CRIBL_K8S_POD":"pod-1"}}}'
const STARTED: JsonObject = {
  sourcetype: 'process',
  _time: NOW,
  source: 'process.start',
  host: 'vm',
  proc: 'curl',
  cmd: 'curl -s x',
  pid: 77,
  data: {
    libscopever: 'v1.4.3',
    pid: 77,
    hostname: 'vm',
    procname: 'curl',
    cmd: 'curl -s x',
    id: 'vm-curl-curl -s x',
    uuid: 'u-1',
    environment: { CRIBL_K8S_POD: 'pod-1' },
  },
}
const EVENT = '{"type":"evt","id":"vm-curl","_channel":"12","body":{"sourcetype":"net","pid":77}}'

/** What the decoder makes of chunks on one connection. */
function decode(chunks: (Buffer | string)[], options: Partial<ScopeDecoderOptions> = {}) {
  // It touches no files; to make a directory each time would be slow.
  const context = testContext({ directory: 'none' })
  const texts: string[] = []
  const records: (JsonObject | undefined)[] = []
  const processes: (JsonObject | undefined)[] = []
  const decoder = new ScopeDecoder(
    {
      max_line_bytes: 65_536,
      envelope: false,
      process_start: true,
      payloads: 'discard',
      max_payload_bytes: 1024,
      allowance: allowanceFor(65_536),
      ...options,
    },
    { source: 'it', peer: 'p' },
    context,
    ({ bytes, lines, records: parsed }, origin) => {
      for (let i = 0; i < lines.length; i += 2) {
        const text = bytes.toString('utf8', lines[i], lines[i + 1])
        texts.push(text)
        processes.push(origin.process)
        records.push(parsed?.[i / 2] ?? (JSON.parse(text) as JsonObject))
      }
    },
  )
  for (const chunk of chunks) decoder.push(Buffer.from(chunk as string))
  decoder.end()
  const rejects = context.rejects.map(({ reason, explanation, bytes }) => ({
    reason,
    explanation,
    text: bytes.toString('latin1'),
  }))
  return { texts, records, processes, rejects, context }
}

/** What a sample holds, by a road of its own: bodies, and `start` with the pid for process starts. */
function contentOf(sample: string): string[] {
  const lines = sample.split('\n').filter(line => line !== '')
  return lines.map(line => {
    if (/^\{"type":"(evt|metric)"/.test(line)) return line.slice(line.indexOf(',"body":') + 8, -1)
    return `start ${/"pid":(\d+)/.exec(line)?.[1]}`
  })
}

t.test("AppScope's recorded streams are taken over unix, abstract and TCP sockets", async t => {
  const context = testContext()
  t.teardown(context.clean)
  for (const name of readdirSync(SAMPLES).filter(name => name.endsWith('.ndjson'))) {
    const bytes = readFileSync(join(SAMPLES, name))
    const content = contentOf(bytes.toString())
    for (const listen of [
      `unix://${context.directory}/in.sock`,
      ...(typeof nativeAddon() === 'string' ? [] : [`unix://@scopeline-test-${process.pid}`]),
      'tcp://127.0.0.1:0',
    ]) {
      const source = await run(scope, { listen })
      await source.send(bytes)
      await eventually(() => source.texts.length >= content.length)
      const records = source.records()
      const found = source.texts.map((text, i) =>
        records[i]?.['source'] === 'process.start' ? `start ${records[i]?.['pid']}` : text,
      )
      t.same(source.context.rejects, [], `${name} over ${listen}`)
      t.equal(found.length, content.length)
      t.equal(
        found.findIndex((text, i) => text !== content[i]),
        -1,
        'each line as expected',
      )
      t.ok(
        source.texts.every(
          (text, i) => text === JSON.stringify(records[i]) || isSame(text, records[i]),
        ),
        'the records handed on are those of the bytes',
      )
      for (const { origin, count } of source.batches.slice(0, 5)) {
        t.ok(
          count > 0 && (origin.process === undefined || typeof origin.process['uuid'] === 'string'),
        )
      }
      source.clean()
    }
  }
})

function isSame(text: string, record: JsonObject | undefined): boolean {
  return JSON.stringify(JSON.parse(text)) === JSON.stringify(record)
}

t.test('many programs at once, on several addresses, their messages interleaved', async t => {
  const context = testContext()
  t.teardown(context.clean)
  const source = await run(scope, {
    listen: [`unix://${context.directory}/in.sock`, 'tcp://127.0.0.1:0'],
  })
  t.teardown(source.clean)
  await eventually(() => source.context.bound.length === 2)
  const sockets = await Promise.all(Array.from({ length: 20 }, source.connect))
  for (const [i, socket] of sockets.entries()) {
    socket.write(START.replace('"pid":77', `"pid":${i}`))
  }
  for (const socket of sockets) socket.write('\n')
  for (let n = 0; n < 50; n++) {
    for (const socket of sockets) socket.write(`{"type":"evt","id":"x","_channel":"${n}",`)
    for (const [i, socket] of sockets.entries()) socket.write(`"body":{"n":${n},"pid":${i}}}\n`)
    await new Promise(resolve => setImmediate(resolve))
  }
  for (const socket of sockets) socket.end()
  await eventually(() => source.texts.length === 20 * 51)
  for (const batch of source.batches) {
    for (let row = 0; row < batch.count; row++) {
      t.equal(batch.record(row)['pid'], batch.origin.process?.['pid'])
    }
  }
  for (let pid = 0; pid < 20; pid++) {
    const own = source.records().filter(record => record['pid'] === pid && 'n' in record)
    t.same(
      own.map(({ n }) => n),
      Array.from({ length: 50 }, (_, n) => n),
    )
  }
})

t.test('a stream split at every offset gives the same records', async t => {
  const sample = readFileSync(join(SAMPLES, 'appscope-echo.ndjson'))
  const lines = [
    '{"type":"metric","body":{"_metric":"fs.read","_metric_type":"counter","_value":1,"é":"€😀"}}',
    '{"type":"payload","src":"netrx","pid":77,"len":10,"_time":1.5}',
    '\n{"a":1}\n\xff',
    EVENT,
    'not json',
    '{"type":"info","body":"bad command"}\r',
    '{"type":"payload","src":"nettx","len":0}',
    '{"type":"strange"}',
  ]
  const parts = [sample, ...lines.slice(0, 2).map(line => Buffer.from(`${line}\n`))]
  parts.push(Buffer.from(lines[2] as string, 'latin1'))
  parts.push(...lines.slice(3).map(line => Buffer.from(`${line}\n`)))
  const rest = 4096 - parts.reduce((sum, part) => sum + part.length, 0)
  const filler = EVENT.replace('"pid":77', `"pad":"${'x'.repeat(rest - 1 - EVENT.length)}"`)
  const input = Buffer.concat([...parts, Buffer.from(`${filler}\n`)])
  t.equal(input.length, 4096)
  const shape = ({ texts, records, processes, rejects, context }: ReturnType<typeof decode>) =>
    JSON.stringify({ texts, records, processes, rejects, totals: [...context.totals] })
  const whole = decode([input], { payloads: 'record' })
  t.same(
    whole.rejects.map(({ reason }) => reason),
    ['invalid_json', 'unknown_message'],
  )
  t.equal(whole.texts.length, 8)
  const wanted = shape(whole)
  let different = 0
  for (let at = 1; at < input.length; at++) {
    const split = decode([input.subarray(0, at), input.subarray(at)], { payloads: 'record' })
    if (shape(split) !== wanted) different++
  }
  t.equal(different, 0)
  const single = decode(
    Array.from(input, byte => Buffer.from([byte])),
    { payloads: 'record' },
  )
  t.equal(shape(single), wanted, 'byte by byte')
})

t.test('a process start becomes an event and facts, never its token or configuration', async t => {
  const { records, processes, rejects } = decode([`${START}\n${EVENT}\n`])
  t.same(records, [STARTED, { sourcetype: 'net', pid: 77 }])
  const facts = {
    libscopever: 'v1.4.3',
    pid: 77,
    host: 'vm',
    proc: 'curl',
    cmd: 'curl -s x',
    id: 'vm-curl-curl -s x',
    uuid: 'u-1',
  }
  t.same(processes, [facts, facts])
  t.same(rejects, [])
  t.same(decode([`${START}\n${EVENT}\n`], { process_start: false }).records, [
    { sourcetype: 'net', pid: 77 },
  ])
  const payloads = decode([`${START.replace('ndjson', 'scope')}\n`])
  t.same(payloads.records, [], 'the second connection of a process is no second start')
  for (const broken of [
    START.slice(0, 20),
    `${START.slice(0, 20)}\n`,
    START.replace('t0ken",', 't0ken"x,'),
    START.slice(0, -40),
    `${START}}\n`,
    `${START.replace('"v1', '"\n')}`,
  ]) {
    const { rejects, texts } = decode([broken])
    t.ok(rejects.length > 0)
    t.notMatch(JSON.stringify([rejects, texts]), /t0ke/)
  }
  t.same(decode(['{"authToken":"t0ken"}\n']).rejects, [], 'a line that only shows the token')
})

t.test('a second process start changes the facts from there on', async t => {
  const second = START.replace('"pid":77', '"pid":78')
  const { processes } = decode([`${EVENT}\n${START}\n${EVENT}\n${second}\n${EVENT}\n`])
  t.same(
    processes.map(process => process?.['pid']),
    [undefined, 77, 77, 78, 78],
  )
})

t.test('whole messages are kept with envelope', async t => {
  const { texts, records } = decode([`${START}\n${EVENT}\n{"type":"info","body":"x"}\n`], {
    envelope: true,
  })
  t.equal(texts[1], EVENT)
  t.same(records[1], JSON.parse(EVENT))
  t.same(records[0], { type: 'evt', id: 'vm-curl-curl -s x', _channel: 'none', body: STARTED })
  t.match(records[2], { type: 'evt', body: { source: 'scope.info', data: { message: 'x' } } })
})

t.test('bodies pass byte for byte, wherever they lie in the message', async t => {
  const body = '{ "n":9007199254740993, "f":1.0, "a":1, "a":2, "s":"\\u0041 \\" } ]" ,"body":{} }'
  const lines = [
    `{"type":"evt","id":"x","body":${body}}`,
    `{"body" : ${body} , "type":"metric" }`,
    `{"id":"\\"body\\":{}","type":"evt","x":{"body":1},"y":[{"body":[2]}],"body":${body},"z":null}`,
    `{"type":"evt","body":{"first":1},"body":${body}}`,
    `{"type":"evt","b\\u006fdy":${body}}`,
  ]
  const { texts, rejects } = decode([`${lines.join('\n')}\n`])
  t.same(
    texts,
    lines.map(() => body),
  )
  t.same(rejects, [])
})

t.test("a member's range is that of its value, in any JSON object", async () => {
  const value = fc.jsonValue({ maxDepth: 3 })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.oneof(fc.string(), fc.constant('body')), value), { maxLength: 6 }),
      fc.constantFrom('', ' ', '\t \r'),
      (members, space) => {
        const text = `${space}{${space}${members
          .map(([key, value]) => `${JSON.stringify(key)}${space}:${space}${JSON.stringify(value)}`)
          .join(`${space},${space}`)}${space}}${space}`
        const bytes = Buffer.from(`xx${text}yy`)
        const range = memberRange(bytes, 2, bytes.length - 2, 'body')
        const last = members.findLast(([key]) => key === 'body')
        return last === undefined
          ? range === undefined
          : range !== undefined && bytes.toString('utf8', ...range) === JSON.stringify(last[1])
      },
    ),
    { numRuns: 500 },
  )
})

t.test('messages that cannot be taken are told of, and the connection goes on', async t => {
  const cases: [string, string, RegExp][] = [
    ['unknown_message', '{"type":"strange"}', /the type "strange"/],
    ['unknown_message', '{"hello":1}', /no type/],
    ['no_body', '{"type":"evt","id":"x"}', /evt message has no body/],
    ['no_body', '{"type":"metric","body":"text"}', /metric message/],
    ['bad_payload', '{"type":"payload","len":-1}', /no length/],
    ['bad_payload', '{"type":"payload","len":1e300}', /no length/],
    ['bad_payload', '{"type":"payload","len":"9"}', /no length/],
    ['not_an_object', '7', /a number/],
    [
      'too_deep',
      `{"type":"evt","body":{"a":${'['.repeat(5000)}${']'.repeat(5000)}}}`,
      /1000 levels/,
    ],
    ['line_too_long', `{"type":"evt","body":{"a":"${'x'.repeat(70_000)}"}}`, /70030 bytes/],
    ['invalid_json', `{"type":"evt","body":{"a":"\0"}}`, /NUL/],
  ]
  for (const [reason, line, explanation] of cases) {
    const { texts, rejects } = decode([`${EVENT}\n${line}\n${EVENT}\n`])
    t.equal(texts.length, 2, `beside ${reason}`)
    t.equal(rejects.length, 1)
    t.equal(rejects[0]?.reason, reason)
    t.match(rejects[0]?.explanation, explanation)
  }
  const { texts, context } = decode([`{"type":"resp","status":200}\n${EVENT}\n`])
  t.equal(texts.length, 1)
  t.equal(context.totals.get('scope_responses_total'), 1)
})

t.test('info messages become events', async t => {
  const { records } = decode([`${START}\n{"type":"info","body":"no such command"}\n`])
  t.same(records[1], {
    sourcetype: 'scope',
    _time: NOW,
    source: 'scope.info',
    host: 'vm',
    proc: 'curl',
    cmd: 'curl -s x',
    pid: 77,
    data: { message: 'no such command' },
  })
})

t.test('payloads are skipped, or become events; lines around them are unharmed', async t => {
  const raw = Buffer.from(
    `\0\n{"type":"evt","body":{"fake":1}}\n\xff\xfe${'z'.repeat(3000)}`,
    'latin1',
  )
  const header = `{"type":"payload","id":"vm-curl","pid":77,"src":"tlsrx","_channel":5,"len":${raw.length},"protocol":"HTTP","_time":12.5}`
  const input = Buffer.concat([
    Buffer.from(`${START}\n${EVENT}\n${header}\n`),
    raw,
    Buffer.from(`${EVENT}\n`),
  ])
  const skipped = decode([input])
  t.same(skipped.rejects, [])
  t.equal(skipped.texts.length, 3)
  t.same(skipped.context.discards, [{ reason: 'payload', events: 1, intentional: true }])
  t.equal(skipped.context.totals.get('scope_payload_bytes_total'), raw.length)

  const kept = decode([input], { payloads: 'record', max_payload_bytes: 10_000 })
  t.equal(kept.texts.length, 4)
  t.same(kept.records[2], {
    sourcetype: 'payload',
    _time: 12.5,
    source: 'tlsrx',
    host: 'vm',
    proc: 'curl',
    cmd: 'curl -s x',
    pid: 77,
    data: {
      id: 'vm-curl',
      pid: 77,
      _channel: 5,
      len: raw.length,
      protocol: 'HTTP',
      payload: raw.toString('base64'),
    },
  })
  const capped = decode([input], { payloads: 'record', max_payload_bytes: 100 }).records[2]?.[
    'data'
  ]
  t.ok(isObject(capped))
  t.match(capped, { payload_kept: 100, payload: raw.toString('base64', 0, 100) })
})

t.test('a payload that the connection ends in is told of as truncated', async t => {
  const header = '{"type":"payload","src":"netrx","len":10}'
  for (const [input, explanation] of [
    [`${EVENT}\n${header}\n12345`, /after 5 of the 10 bytes/],
    [`${EVENT}\n${header}\n`, /after 0 of the 10 bytes/],
    [`${EVENT}\n${header}`, /after 0 of the 10 bytes/],
    [`${EVENT}\n${header.slice(0, 20)}`, /ended in the middle of a line/],
  ] as const) {
    const { texts, rejects } = decode([input])
    t.equal(texts.length, 1)
    t.same(
      rejects.map(({ reason }) => reason),
      ['truncated'],
    )
    t.match(rejects[0]?.explanation, explanation)
  }
  t.same(decode(['{"type":"payload","src":"netrx","len":0}']).rejects, [])
})

t.test('a header that announces a huge payload takes no memory for it', async t => {
  const before = process.memoryUsage().arrayBuffers
  const { rejects } = decode(['{"type":"payload","src":"netrx","len":4503599627370496}\nabc'], {
    payloads: 'record',
    max_payload_bytes: 1024 ** 3,
  })
  t.equal(rejects.length, 1)
  t.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024)
})

t.test("AppScope's token is asked for, taken from its first line, and kept nowhere", async t => {
  const source = await run(
    scope,
    { listen: 'tcp://127.0.0.1:0', token: 't0ken' },
    { clock: new VirtualClock() },
  )
  t.teardown(source.clean)
  await source.send(`${START}\n${EVENT}\n`)
  await source.send(`token t0ken\n${EVENT}\n`)
  await source.send(`{"authToken":"t0ken"}\n${EVENT}\n`)
  await eventually(() => source.texts.length === 4)
  await source.send(`${START.replace('t0ken', 'wrong')}\n${EVENT}\n`)
  await source.send(`${EVENT}\n`)
  await eventually(() => source.context.errors.get('wrong_token') === 2)
  t.equal(source.texts.length, 4)
  t.same(source.context.rejects, [])
  t.notMatch(JSON.stringify([source.texts, source.context.logged]), /t0ken|"wrong"/)
  const half = await source.connect()
  half.write(START.slice(0, 30))
  half.end()
  await closed(half)
  t.same(source.context.rejects, [])
})
