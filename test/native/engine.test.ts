import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t from 'tap'
import { engine, engineReason, enginesForTests, Kind } from '../../src/batch/engine.ts'
import { compareMutations, differences, exactly, LIMITS, PATHS } from './differential.ts'
import { EDGE_LINES, hostileObject } from './lines.ts'

/** More of them for a long run: SCOPELINE_FUZZ_LINES=10000000 npx tap --timeout=0 test/native */
const FUZZ_LINES = Number(process.env['SCOPELINE_FUZZ_LINES'] ?? 200_000)
const FUZZ_SEED = Number(process.env['SCOPELINE_FUZZ_SEED'] ?? 20261121)

const engines = enginesForTests()
const skip = engines.length === 0 && 'this checkout has no native engine'
const block = (...lines: (string | Buffer)[]) =>
  exactly(Buffer.concat(lines.flatMap(line => [Buffer.from(line), Buffer.from('\n')])))

function samples(): Buffer[] {
  const folder = fileURLToPath(new URL('../samples/', import.meta.url))
  return readdirSync(folder)
    .filter(name => name.endsWith('.ndjson'))
    .map(name => readFileSync(`${folder}${name}`))
}

t.test('without a native engine its reason says what to do', async t => {
  t.equal(engine === undefined, engineReason !== undefined)
  if (engineReason !== undefined) t.match(engineReason, /JavaScript engine/)
})

t.test(
  'each instruction set can be asked for; the portable one is always there',
  { skip },
  async t => {
    t.equal(engines.at(-1)?.level, 'portable')
    t.equal(new Set(engines.map(({ level }) => level)).size, engines.length)
  },
)

t.test('edge cases of JSON get the verdict and the values of JSON.parse', { skip }, async t => {
  const wrong: string[] = []
  for (const line of EDGE_LINES) {
    // Alone, at the end of a block, and deep in one at each offset that a wide load may have.
    wrong.push(...differences(engines, block(line)))
    for (let pad = 0; pad < 70; pad += 3) {
      const before = `{"${'x'.repeat(pad)}":"y"}`
      wrong.push(...differences(engines, block(before, line, before.repeat(2), '{"a":1}')))
    }
  }
  wrong.push(...differences(engines, block(...EDGE_LINES)))
  wrong.push(...differences(engines, Buffer.from(EDGE_LINES.join('\r\n'))))
  t.same(wrong.slice(0, 10), [])
})

t.test('AppScope samples: every line and value', { skip }, async t => {
  const wrong: string[] = []
  for (const sample of samples()) wrong.push(...differences(engines, sample))
  t.same(wrong.slice(0, 10), [])
})

t.test(
  'generated objects with hostile strings, numbers, keys and white space',
  { skip },
  async t => {
    fc.assert(
      fc.property(fc.array(hostileObject, { minLength: 1, maxLength: 4 }), texts => {
        const wrong = differences(engines, block(...texts))
        if (wrong.length > 0) throw new Error(wrong.join('\n'))
      }),
      { numRuns: 1000 },
    )
    t.pass('no difference')
  },
)

t.test(
  'mutated lines are never accepted when JSON.parse refuses them, nor refused',
  { skip },
  async t => {
    const lines = [
      ...EDGE_LINES.map(line => Buffer.from(line)),
      ...fc
        .sample(hostileObject, { numRuns: 1000, seed: FUZZ_SEED })
        .map(text => Buffer.from(text)),
      ...samples().flatMap(sample =>
        sample
          .toString()
          .split('\n')
          .filter((line, i) => line !== '' && i % 20 === 0)
          .map(line => Buffer.from(line)),
      ),
    ]
    const { compared, accepted, found } = compareMutations(engines, lines, FUZZ_LINES, FUZZ_SEED)
    t.same(found, [])
    t.equal(compared, FUZZ_LINES)
    t.ok(accepted > compared / 10 && accepted < compared, `${accepted} of ${compared} accepted`)
  },
)

t.test('nesting up to the limit passes, one level more is bad', { skip }, async t => {
  const nested = (depth: number, open: string, close: string, inner: string) =>
    `{"a":${open.repeat(depth - 1)}${inner}${close.repeat(depth - 1)}}`
  for (const maxDepth of [1, 2, 63, 64, 65, 1000, 2000]) {
    for (const depth of [maxDepth - 1, maxDepth, maxDepth + 1].filter(depth => depth > 0)) {
      const lines = [nested(depth, '[', ']', '1'), nested(depth, '{"b":', '}', '"x"')]
      const limits = { ...LIMITS, maxDepth }
      t.same(differences(engines, block(...lines), [['a'], ['a', 'b'], ['a', 0]], limits), [])
      for (const engine of engines) {
        t.equal(engine.scan(block(...lines), maxDepth, 1 << 20).bad, depth > maxDepth ? 2 : 0)
      }
    }
  }
})

t.test(
  'a line longer than the limit is bad, blank or not; its line break does not count',
  { skip },
  async t => {
    const lines = ['{"a":12}', '{"a":12}\r', '{"a":123}', ' '.repeat(8), ' '.repeat(9), '{}']
    for (const engine of engines) {
      const { lines: good, bad } = engine.scan(block(...lines), 10, 8)
      t.same([...good], [0, 8, 9, 17, 48, 50])
      t.equal(bad, 2)
    }
    t.same(differences(engines, block(...lines), PATHS, { maxDepth: 10, maxLineBytes: 8 }), [])
  },
)

t.test('bytes after the last newline are a bad line; no bytes are none', { skip }, async t => {
  for (const engine of engines) {
    t.same(engine.scan(Buffer.from('{"a":1}\n{"a":2}'), 10, 100), {
      lines: new Uint32Array([0, 7]),
      bad: 1,
    })
    t.same(engine.scan(new Uint8Array(0), 10, 100), { lines: new Uint32Array(0), bad: 0 })
  }
})

t.test('numbers are exactly those of Number(text)', { skip }, async t => {
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.maxSafeInteger().map(String),
    fc.stringMatching(/^-?(0|[1-9]\d{0,30})(\.\d{1,30})?([eE][+-]?\d{1,3})?$/),
    fc.tuple(fc.bigInt(), fc.integer({ min: -400, max: 400 })).map(([n, e]) => `${n}e${e}`),
  )
  fc.assert(
    fc.property(fc.array(number, { minLength: 1, maxLength: 50 }), numbers => {
      const bytes = block(`{"a":[${numbers.join()}]}`)
      const paths = numbers.map((_, i) => ['a', i])
      for (const engine of engines) {
        const columns = engine.extract(engine.compile(paths), bytes, lineOf(bytes))
        for (const [i, text] of numbers.entries()) {
          if (!Object.is(columns.numbers[i], Number(text)))
            throw new Error(`${engine.level}: ${text}`)
        }
      }
    }),
    { numRuns: 2000 },
  )
  t.pass('no difference')
})

t.test('lines that no scan accepted cost values, never more', { skip }, async t => {
  const broken = ['{"a":', '{"a":"', '{"a":{"b":[', '{"a"', '{', '', 'x', '{"a":1}}}}', '{"a":"\\']
  for (const engine of engines) {
    const table = engine.compile([['a'], ['a', 'b', 0]])
    for (const text of broken) {
      const bytes = exactly(Buffer.from(text))
      t.equal(engine.extract(table, bytes, lineOf(bytes)).kinds.length, 2)
    }
    const bytes = exactly(Buffer.from('{"a":"b"}'))
    for (let end = 0; end < bytes.length; end++) {
      const { kinds } = engine.extract(table, bytes, new Uint32Array([0, end]))
      t.same([...kinds], [Kind.missing, Kind.missing])
    }
  }
})

t.test('the same path twice, a path and one below it, and no path at all', { skip }, async t => {
  const bytes = block('{"a":{"b":1}}', '{"a":2}')
  for (const engine of engines) {
    const { lines } = engine.scan(bytes, 10, 100)
    const paths = [['a', 'b'], ['a'], ['a', 'b']]
    const { kinds, numbers } = engine.extract(engine.compile(paths), bytes, lines)
    t.same([...kinds], [Kind.number, 0, Kind.object, Kind.number, Kind.number, 0])
    t.same([...numbers], [1, 0, 0, 2, 1, 0])
    t.equal(engine.extract(engine.compile([]), bytes, lines).kinds.length, 0)
    t.equal(engine.extract(engine.compile(paths), bytes, new Uint32Array(0)).kinds.length, 0)
  }
})

t.test('what cannot be right is refused with a sentence', { skip }, async t => {
  for (const engine of engines) {
    const table = engine.compile([['a']])
    const bytes = block('{"a":1}')
    const loose = engine as unknown as Record<string, (...args: unknown[]) => unknown>
    t.throws(() => loose['extract']?.({}, bytes, lineOf(bytes)), /must come from compile/)
    t.throws(() => engine.extract(table, bytes, new Uint32Array([0, 99])), /outside of its block/)
    t.throws(() => engine.extract(table, bytes, new Uint32Array([5, 1])), /outside of its block/)
    t.throws(() => loose['extract']?.(table, bytes, [0, 1]), /Uint32Array/)
    t.throws(() => loose['scan']?.('{}\n', 1, 1), /Uint8Array/)
    t.throws(() => loose['scan']?.(bytes, -1, 1), /limit/)
    t.throws(() => engine.scan(new Uint8Array(new SharedArrayBuffer(8)), 1, 1), /shared/)
    t.throws(() => loose['compile']?.([[{}]]), /string or a number/)
    t.throws(() => loose['compile']?.('a'), /array/)
    t.throws(() => engine.compile([[]]), /1 to 1000/)
    t.throws(() => engine.compile([new Array(1001).fill('a')]), /1 to 1000/)
  }
})

function lineOf(bytes: Buffer): Uint32Array {
  const end = bytes.at(-1) === 10 ? bytes.length - 1 : bytes.length
  return new Uint32Array([0, end])
}

t.test('a value that a repeated key took the place of is told of', { skip }, async t => {
  const cases: [string, boolean][] = [
    ['{"a":1,"b":2,"a":3}', true],
    ['{"a":{"b":1},"a":{}}', true],
    ['{"a":{"b":1},"\\u0061":2}', true],
    ['{"a":{"b":1,"b":null}}', true],
    ['{"a":null,"x":{"a":1,"a":2}}', false],
    ['{"x":1,"x":2,"a":{"b":1}}', false],
  ]
  for (const engine of engines) {
    for (const [text, repeated] of cases) {
      const bytes = block('{"a":1}', text, '{}')
      const { lines } = engine.scan(bytes, 1000, 1 << 20)
      const found = engine.extract(engine.compile([['a'], ['a', 'b']]), bytes, lines)
      t.equal(found.repeated, repeated, `${engine.level}: ${text}`)
    }
  }
})
