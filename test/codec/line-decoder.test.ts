import t from 'tap'
import {
  type DecodedBlock,
  type DecoderOptions,
  LineDecoder,
} from '../../src/codec/line-decoder.ts'
import type { JsonObject } from '../../src/record/json.ts'
import { testContext } from '../context.ts'

const ORIGIN = { source: 'it', peer: 'test' }

function decode(chunks: (Buffer | string)[], options: Partial<DecoderOptions> = {}) {
  const context = testContext()
  const decoder = new LineDecoder(
    { format: 'ndjson', maxLineBytes: 1024 * 1024, ...options },
    ORIGIN,
    context,
  )
  const blocks: DecodedBlock[] = []
  const take = (block: DecodedBlock | undefined) => {
    if (block) blocks.push(block)
  }
  for (const chunk of chunks) take(decoder.push(Buffer.from(chunk as string)))
  take(decoder.end())
  context.clean()
  const lines = blocks.flatMap(block => linesOf(block))
  const records = blocks.flatMap(block =>
    linesOf(block, 'utf8').map((line, i) => block.records?.[i] ?? (JSON.parse(line) as JsonObject)),
  )
  return { lines, records, rejects: context.rejects, blocks }
}

function linesOf(block: DecodedBlock, encoding: 'latin1' | 'utf8' = 'latin1'): string[] {
  const lines: string[] = []
  for (let i = 0; i < block.lines.length; i += 2) {
    lines.push(block.bytes.toString(encoding, block.lines[i], block.lines[i + 1]))
  }
  return lines
}

t.test('whole lines pass byte for byte', async t => {
  const text = '{"a":1}\n{"a":1,"a":2}\n{ "n": 9007199254740993, "f": 1.0 }\n'
  const { lines, records, rejects } = decode([text])
  t.same(lines, ['{"a":1}', '{"a":1,"a":2}', '{ "n": 9007199254740993, "f": 1.0 }'])
  t.same(records[0], { a: 1 })
  t.same(rejects, [])
})

t.test(
  'blank lines are skipped, carriage returns and a missing last newline tolerated',
  async t => {
    const { lines, rejects } = decode(['\n\r\n{"a":1}\r\n  \n{"a":2}\r\n\n{"a":3}'])
    t.same(lines, ['{"a":1}', '{"a":2}', '{"a":3}'])
    t.same(rejects, [])
  },
)

t.test('a line separator of Unicode within a string ends no line', async t => {
  const { lines } = decode(['{"a":"x\u2028y\u0085z"}\n'])
  t.equal(lines.length, 1)
})

t.test(
  'bad lines are rejected with a reason and an explanation, and their neighbours pass',
  async t => {
    const bad: [Buffer | string, string, RegExp][] = [
      ['{"a":1,}', 'invalid_json', /not JSON: .*position 7/],
      ['hello', 'invalid_json', /not JSON/],
      ['{"a":"x\0y"}', 'invalid_json', /NUL bytes/],
      ['\0\0\0', 'invalid_json', /NUL bytes/],
      ['[1,2]', 'not_an_object', /an array/],
      ['"text"', 'not_an_object', /a string/],
      ['null', 'not_an_object', /null/],
      ['42', 'not_an_object', /a number/],
      [Buffer.from('{"a":"caf\xe9"}', 'latin1'), 'invalid_utf8', /from about byte 9 on/],
      [`{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, 'too_deep', /more than 1000 levels/],
      [`{"a":"${'x'.repeat(5000)}"}`, 'line_too_long', /5008 bytes long/],
    ]
    for (const [line, reason, explanation] of bad) {
      const { lines, rejects } = decode(
        [
          Buffer.concat([
            Buffer.from('{"ok":1}\n'),
            Buffer.from(line as string),
            Buffer.from('\n{"ok":2}\n'),
          ]),
        ],
        { maxLineBytes: reason === 'line_too_long' ? 1000 : 100_000 },
      )
      t.same(lines, ['{"ok":1}', '{"ok":2}'], `beside ${reason}`)
      t.equal(rejects.length, 1)
      t.equal(rejects[0]?.reason, reason)
      t.match(rejects[0]?.explanation, explanation)
      t.ok((rejects[0]?.bytes.length ?? 0) <= 4096)
      t.same(rejects[0]?.bytes, Buffer.from(line as string).subarray(0, 4096))
      t.equal(rejects[0]?.length ?? rejects[0]?.bytes.length, Buffer.byteLength(line as string))
      t.same(rejects[0]?.origin, ORIGIN)
    }
  },
)

t.test('nesting up to the limit passes, also beside brackets in strings', async t => {
  const deep = `{"a":${'['.repeat(999)}${']'.repeat(999)}}`
  const quoted = `{"a":"${'[{\\"'.repeat(3000)}"}`
  const { lines, rejects } = decode([`${deep}\n${quoted}\n`])
  t.same(lines, [deep, quoted])
  t.same(rejects, [])
})

t.test('input split at every offset gives the same lines and the same rejects', async t => {
  const input = Buffer.concat([
    Buffer.from('{"a":"é€😀"}\r\n\nnot json\n{"b":[1,2]}\n'),
    Buffer.from([0x7b, 0xff, 0x7d, 0x0a]),
    Buffer.from(`{"c":"${'x'.repeat(60)}"}\r\n{"d":"${'y'.repeat(61)}"}\n{"e":2}`),
  ])
  const options = { maxLineBytes: 68 }
  const whole = decode([input], options)
  t.equal(whole.lines.length, 4)
  t.same(whole.rejects.map(({ reason }) => reason).sort(), [
    'invalid_json',
    'invalid_utf8',
    'line_too_long',
  ])
  const shape = (result: typeof whole) => ({
    lines: result.lines,
    records: result.records,
    rejects: result.rejects
      .map(({ reason, explanation, bytes, length }) => ({
        reason,
        explanation,
        text: bytes.toString('latin1'),
        length: length ?? bytes.length,
      }))
      .sort((a, b) => (a.reason < b.reason ? -1 : 1)),
  })
  for (let at = 0; at <= input.length; at++) {
    t.same(shape(decode([input.subarray(0, at), input.subarray(at)], options)), shape(whole))
  }
  const single = Array.from(input, byte => Buffer.from([byte]))
  t.same(shape(decode(single, options)), shape(whole), 'byte by byte')
})

t.test('a line that is far too long is thrown away as it comes and told once', async t => {
  const context = testContext()
  const decoder = new LineDecoder({ format: 'ndjson', maxLineBytes: 65_536 }, ORIGIN, context)
  const chunk = Buffer.alloc(1024 * 1024, 'x')
  const before = process.memoryUsage()
  for (let i = 0; i < 100; i++) t.equal(decoder.push(chunk), undefined)
  const after = process.memoryUsage()
  t.ok(after.arrayBuffers - before.arrayBuffers < 8 * 1024 * 1024, 'memory stays')
  t.equal(context.rejects.length, 0)
  const block = decoder.push(Buffer.from('\n{"a":1}\n'))
  t.same(block && linesOf(block), ['{"a":1}'])
  t.equal(context.rejects.length, 1)
  t.equal(context.rejects[0]?.reason, 'line_too_long')
  t.equal(context.rejects[0]?.length, 100 * 1024 * 1024)
  t.equal(context.rejects[0]?.bytes.length, 4096)
  t.equal(decoder.pending, 0)
  context.clean()
})

t.test('a stream that ends in the middle of a line is told of as truncated', async t => {
  const { lines, rejects } = decode(['{"a":1}\n{"a":', '"cut o'])
  t.same(lines, ['{"a":1}'])
  t.equal(rejects.length, 1)
  t.equal(rejects[0]?.reason, 'truncated')
  t.match(rejects[0]?.explanation, /ended in the middle of a line/)
})

t.test('lines of any text become records, bytes that are no UTF-8 kept beside them', async t => {
  const { lines, records, rejects } = decode(
    ['hello "you"\r\n\n\0\n', Buffer.from('caf\xe9\n', 'latin1'), 'cut'],
    { format: 'lines' },
  )
  const _time = Date.UTC(2026, 0, 1) / 1000
  t.same(records, [
    { message: 'hello "you"', _time },
    { message: '\0', _time },
    { message: 'caf\ufffd', _time, message_base64: 'Y2Fm6Q==' },
    { message: 'cut', _time },
  ])
  t.same(lines[1], `{"message":"\\u0000","_time":${_time}}`)
  t.same(rejects, [])
})

t.test('blocks do not change when later chunks come', async t => {
  const { blocks } = decode(['{"a":1}\n{"b"', ':2}\n{"c":', '3}\n'])
  t.same(
    blocks.flatMap(block => linesOf(block)),
    ['{"a":1}', '{"b":2}', '{"c":3}'],
  )
})

t.test('several chunks at once give what they give one after the other', async t => {
  const input = Buffer.concat([
    Buffer.from('{"a":"é€😀"}\r\n\nnot json\n{"b":[1,2]}\n'),
    Buffer.from(`{"c":"${'x'.repeat(60)}"}\r\n{"d":"${'y'.repeat(200)}"}\n{"e":2}\n{"f":`),
  ])
  const read = (cuts: readonly number[], together: number) => {
    const context = testContext({ directory: 'none' })
    const options = { format: 'ndjson', maxLineBytes: 68 } as const
    const decoder = new LineDecoder(options, ORIGIN, context)
    const chunks = cuts.map((cut, i) => Buffer.from(input.subarray(cuts[i - 1] ?? 0, cut)))
    const found: string[] = []
    const take = (block: DecodedBlock | undefined) => found.push(...(block ? linesOf(block) : []))
    for (let i = 0; i < chunks.length; i += together) {
      take(decoder.pushAll(chunks.slice(i, i + together)))
    }
    take(decoder.end())
    return JSON.stringify([
      found,
      // How much of a line that is too long was kept depends on how it came.
      context.rejects.map(({ reason, bytes, length }) => [reason, length ?? bytes.length]).sort(),
    ])
  }
  const expected = read([input.length], 1)
  let wrong = 0
  for (let size = 1; size < input.length; size++) {
    const cuts: number[] = []
    for (let cut = size; cut < input.length + size; cut += size) {
      cuts.push(Math.min(cut, input.length))
    }
    for (const together of [1, 2, 3, 7]) if (read(cuts, together) !== expected) wrong++
  }
  t.equal(wrong, 0)
  t.match(expected, /line_too_long.*truncated/)
})
