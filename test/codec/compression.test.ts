import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { type Compression, compression, compressor } from '../../src/codec/compression.ts'

const TOOLS: [Compression, string, string][] = [
  ['gzip', 'gzip', '.gz'],
  ['zstd', 'zstd', '.zst'],
]
const unpack = (tool: string, input: Buffer) =>
  execFileSync(tool, ['-dc'], {
    input,
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['pipe', 'pipe', 'ignore'],
  })

for (const [kind, tool, extension] of TOOLS) {
  t.test(`${kind} frames laid one behind the other are one file to ${tool}`, async t => {
    const { frame, ...made } = compressor(kind)
    t.match(made, { kind, extension })
    const inputs = [
      Buffer.from('{"a":1}\n'),
      Buffer.alloc(0),
      Buffer.alloc(100_000, 'abc\n'),
      randomBytes(5_000_000),
    ]
    const frames = await Promise.all(inputs.map(input => frame(input)))
    t.ok(unpack(tool, Buffer.concat(frames)).equals(Buffer.concat(inputs)))
    t.ok((frames[2] as Buffer).length < 1000)
  })

  t.test(`a ${kind} file cut inside its last frame is readable up to that frame`, async t => {
    const { frame } = compressor(kind, 1)
    const whole = await frame(Buffer.from('{"a":1}\n'))
    const torn = (await frame(randomBytes(1000))).subarray(0, 500)
    try {
      unpack(tool, Buffer.concat([whole, torn]))
      t.fail('the tool must notice')
    } catch (error) {
      t.equal((error as { stdout: Buffer }).stdout.subarray(0, 8).toString(), '{"a":1}\n')
    }
  })
}

t.test('none gives the data itself', async t => {
  const data = Buffer.from('x')
  t.equal(await compressor('none').frame(data), data)
  t.equal(compressor('none').extension, '')
  t.notOk(compression().safeParse('lz4').success)
})
