/** How a configuration becomes a plan: interpolation, inputs, memory, tests, files, and what is kept secret. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { EMPTY } from 'rxjs'
import t from 'tap'
import { z } from 'zod'
import type { Address } from '../../src/component/address.ts'
import {
  type Catalogue,
  defineSink,
  defineSource,
  defineTransform,
} from '../../src/component/define.ts'
import { editDistance, nearest } from '../../src/component/nearest.ts'
import { address, problem, Secret, secret, size } from '../../src/component/options.ts'
import type { Plan } from '../../src/component/plan.ts'
import { renderDiagnoses } from '../../src/config/diagnose.ts'
import { loadConfig } from '../../src/config/load.ts'

// Toys that have one of everything, so that these tests do not change with the real components.
const words = { summary: 'A toy.', description: 'A toy.', examples: [] }
/** A word in which the letter X is a mistake, told at its place. */
const exact = () =>
  z.string().transform((text, context) => {
    const at = text.indexOf('X')
    return at < 0 ? text : problem(context, 'an X', at, 1)
  })

const toys: Catalogue = {
  sources: [
    defineSource({
      ...words,
      name: 'feed',
      options: z.strictObject({
        listen: address('tcp', 'udp', 'unix').optional(),
        token: secret().optional(),
        limit: z.int().default(5),
        flag: z.boolean().default(false),
        text: z.string().default(''),
        exact: exact().default(''),
      }),
      listens: ({ listen }): Address[] => (listen ? [listen] : []),
      create: () => EMPTY,
    }),
  ],
  transforms: [
    defineTransform({ ...words, name: 'pass', options: z.strictObject({}), create: () => o => o }),
    defineTransform({
      ...words,
      name: 'split',
      options: z.strictObject({ outputs: z.array(z.string()) }),
      outputs: ({ outputs }) => outputs,
      create: () => o => o,
    }),
  ],
  sinks: [
    defineSink({
      ...words,
      name: 'drain',
      options: z.strictObject({ room: size().prefault('1MiB'), key: secret().optional() }),
      create: () => () => EMPTY,
    }),
  ],
}

const directory = mkdtempSync(join(tmpdir(), 'scopeline-config-'))
t.teardown(() => rmSync(directory, { recursive: true, force: true }))

function load(yaml: string, variables: Record<string, string> = {}) {
  return loadConfig('-', toys, variables, yaml, directory)
}

/** The plan of a configuration that must be right. */
function planned(yaml: string, variables: Record<string, string> = {}): Plan {
  const { plan, diagnoses } = load(yaml, variables)
  if (!plan) throw new Error(renderDiagnoses(diagnoses))
  return plan
}

/** The first lines of all diagnoses. */
function told(yaml: string, variables: Record<string, string> = {}): string[] {
  return load(yaml, variables).diagnoses.map(
    ({ line, column, endColumn, message }) => `${line}:${column}-${endColumn} ${message}`,
  )
}

/** The options of the source `in` with some lines added. */
function feed(lines: string, variables: Record<string, string> = {}): Record<string, unknown> {
  const plan = planned(
    `sources:\n  in:\n    type: feed\n${lines}\nsinks:\n  out: { type: drain, inputs: [in] }\n`,
    variables,
  )
  return plan.sources[0]?.options as Record<string, unknown>
}

/** A configuration with one value that is looked at for an X. */
function exactly(value: string): string {
  return `sources:\n  in:\n    type: feed\n    exact: ${value}\nsinks:\n  out: { type: drain, inputs: [in] }\n`
}

t.test('a plain scalar that is one ${…} takes the type of its value, others stay text', async t => {
  t.match(feed('    limit: ${N}', { N: '12' }), { limit: 12 })
  t.match(feed('    flag: ${F:-true}'), { flag: true })
  t.match(feed("    text: '${N}'", { N: '12' }), { text: '12' })
  t.match(feed('    text: "${N}"', { N: 'true' }), { text: 'true' })
  t.match(feed('    text: a${N}', { N: '12' }), { text: 'a12' })
  t.match(feed('    text: ${E:-}', {}), { text: '' })
})

t.test('a value cannot add YAML, and is not looked into for more ${…}', async t => {
  const value = 'x\nlimit: 9\n"}]: ${OTHER} # &a *a'
  t.match(feed('    text: ${V}', { V: value, OTHER: 'no' }), { text: value, limit: 5 })
})

t.test('defaults, messages, escapes and nesting', async t => {
  t.match(feed('    text: a-${A:-b}-c'), { text: 'a-b-c' })
  t.match(feed('    text: ${A:-b}', { A: '' }), { text: 'b' }, 'an empty variable is none')
  t.match(feed('    text: x${A}', { A: '' }), { text: 'x' }, 'but without a default it is empty')
  t.match(feed("    text: '${A:-/x/{proc}.json}'"), { text: '/x/{proc}.json' })
  t.match(feed('    text: ${A:-${B:-${C}}}', { C: 'deep' }), { text: 'deep' })
  t.match(feed('    text: $${A} costs $5 $$'), { text: '${A} costs $5 $$' })
  t.match(feed('    text: ${A:?needed}', { A: 'there' }), { text: 'there' })
  t.strictSame(told('data_dir: ${toString}\n').slice(0, 1), ['1:1-2 there are no sources'])
  t.ok(
    told('data_dir: ${toString}\n').some(line => line.includes('toString is not set')),
    'names of the language are no variables',
  )
})

t.test('files are put in without the newline at their end', async t => {
  writeFileSync(join(directory, 'token'), 's3cret-value\n')
  writeFileSync(join(directory, 'crlf'), 'two\nlines\r\n')
  mkdirSync(join(directory, 'run'))
  writeFileSync(join(directory, 'run', 'key'), 'k')
  const options = feed('    token: ${file:./token}\n    text: ${file:./crlf}')
  t.equal((options['token'] as Secret).reveal(), 's3cret-value')
  t.equal(options['text'], 'two\nlines')
  t.match(feed('    text: ${file:${DIR}/key}', { DIR: join(directory, 'run') }), { text: 'k' })
  writeFileSync(join(directory, 'large'), 'x'.repeat(70_000))
  writeFileSync(join(directory, 'binary'), Buffer.from([0xff, 0xfe]))
  const problems = told(
    'sources:\n  in:\n    type: feed\n    text: ${file:large}\n    exact: ${file:binary}\nsinks:\n  out: { type: drain, inputs: [in] }\n',
  )
  t.match(problems, [
    /^4:11-24 \$\{file:large\} has 70000 bytes/,
    /^5:12-26 \$\{file:binary\} does not hold text$/,
  ])
})

t.test('no value from outside is ever told, whatever is wrong with it', async () => {
  const lines = [
    'data_dir: ${V}/x',
    'memory: ${V}',
    'drain_timeout: ${V}',
    'log: { level: "${V}" }',
    'sources:',
    '  in:',
    '    type: feed',
    '    listen: ${V}',
    '    limit: ${V}',
    '    exact: X${V}X',
    '  b:',
    '    type: ${V}',
    '  c: ${V}',
    'transforms:',
    '  p: { type: pass, inputs: ["${V}", in] }',
    'sinks:',
    '  out: { type: drain, inputs: [p, "in.${V}", "${V}*"], room: "${V}" }',
    'tests:',
    '  - name: ${V}',
    '    insert: { at: "${V}", events: ["${V}"] }',
    '    expect: { at: "p.${V}", count: "${V}" }',
  ].join('\n')
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{2}[A-Z0-9:/@{"'%.]{6,20}$/), value => {
      const { diagnoses } = load(lines, { V: value })
      const text = JSON.stringify(diagnoses) + renderDiagnoses(diagnoses)
      const quoted = JSON.stringify(value).slice(1, -1)
      return diagnoses.length > 8 && !text.includes(value) && !text.includes(quoted)
    }),
    { numRuns: 200 },
  )
})

t.test(
  'secrets are held so that they cannot be printed, and hidden in lines that are shown',
  async t => {
    const plan = planned(
      'sources:\n  in: { type: feed, token: hunter2 }\nsinks:\n  out: { type: drain, inputs: [in] }\n',
    )
    t.notMatch(JSON.stringify(plan), 'hunter2')
    const source = 'sources:\n  in: { type: feed, token: "hunter2", x: 1 }\nsinks:\n'
    const texts = [
      `${source}  out: { type: drain, inputs: [in], key: hunter2, y: 1 }\n`,
      `${source}  out: { type: drain, inputs: [in], key: ["hunter2", hunter2], y: 1 }\n`,
      `${source}  out: { type: drain, inputs: [in], kye: hunter2 }\n`,
      `${source}  out: { type: drain, inputs: [in], key: "\${K:-hunter2}", y: 1 }\n`,
      `${source}  out: { type: nothing, api_key: hunter2 }\n`,
      `${source}  out: { type: drain, inputs: [in] , password: hunter2\n`,
      `${source}  out:\n    type: drain\n    inputs: [in]\n    key: |2\n      hunter2\n    y: 1\n`,
    ]
    for (const text of texts) t.notMatch(renderDiagnoses(load(text).diagnoses), 'hunter2', text)
  },
)

t.test('the caret finds its character in every kind of scalar', async t => {
  t.strictSame(told(exactly('abXd')), ['4:14-15 sources.in.exact: an X'])
  t.strictSame(told(exactly("'a''bX'")), ['4:17-18 sources.in.exact: an X'])
  t.strictSame(told(exactly('"a\\"\\u00e9\\x41bX"')), ['4:27-28 sources.in.exact: an X'])
  t.strictSame(told(exactly('"\\U0001F600X"')), ['4:23-24 sources.in.exact: an X'])
  t.strictSame(told(exactly('"\\x58"')), ['4:13-17 sources.in.exact: an X'], 'an escape is one')
  t.strictSame(told(exactly('a\n      b\n\n      cX')), ['7:8-9 sources.in.exact: an X'])
  t.strictSame(told(exactly('"a\\\n      bX"')), ['5:8-9 sources.in.exact: an X'])
  t.strictSame(told(exactly('|\n      a\n\n        bX')), ['7:10-11 sources.in.exact: an X'])
  t.strictSame(told(exactly('>\n      a\n      b\n\n      cX\n')), ['8:8-9 sources.in.exact: an X'])
  t.strictSame(told(exactly('é😀X')), ['4:14-15 sources.in.exact: an X'], 'columns are characters')
  t.strictSame(told(exactly('&anchor !!str aX')), ['4:27-28 sources.in.exact: an X'])
  t.strictSame(told(exactly('a\r\n      bX')), ['5:8-9 sources.in.exact: an X'])
})

t.test('inputs: names, named outputs, globs, and transforms in order', async t => {
  const plan = planned(`
sources:
  app-1: { type: feed }
  app-2: { type: feed }
transforms:
  last: { type: pass, inputs: [split.bad, first] }
  split: { type: split, inputs: [first], outputs: [good, bad] }
  first: { type: pass, inputs: ['app-*', app-1] }
sinks:
  all: { type: drain, inputs: ['*'] }
  some: { type: drain, inputs: ['split.*', last] }
`)
  t.strictSame(
    plan.transforms.map(({ id, outputs }) => [id, ...outputs]),
    [['first'], ['split', 'good', 'bad'], ['last']],
  )
  t.strictSame(plan.transforms[0]?.inputs, [{ id: 'app-1' }, { id: 'app-2' }], 'each input once')
  t.strictSame(plan.transforms[2]?.inputs, [{ id: 'split', output: 'bad' }, { id: 'first' }])
  t.strictSame(
    plan.sinks[0]?.inputs.map(input => input.id),
    ['app-1', 'app-2', 'last', 'first'],
    'a star does not go over the dot of an output',
  )
  t.strictSame(plan.sinks[1]?.inputs, [
    { id: 'split', output: 'good' },
    { id: 'split', output: 'bad' },
    { id: 'last' },
  ])
})

t.test('memory: what is given is taken, the rest is shared with a floor and a cap', async t => {
  const MIB = 1024 * 1024
  const small = planned(`
memory: 64MiB
sources:
  a: { type: feed, buffer: 4MiB }
  b: { type: feed }
sinks:
  c: { type: drain, inputs: [a, b] }
  d: { type: drain, inputs: [a], queue: { max_bytes: 2MiB, when_full: drop_oldest } }
`)
  t.strictSame(
    small.sources.map(({ buffer }) => buffer / MIB),
    [4, 5],
  )
  t.strictSame(
    small.sinks.map(({ queue }) => queue),
    [
      { type: 'memory', maxBytes: 5 * MIB, whenFull: 'block' },
      { type: 'memory', maxBytes: 2 * MIB, whenFull: 'drop_oldest' },
    ],
  )
  const two = 'sources:\n  a: { type: feed }\nsinks:\n  b: { type: drain, inputs: [a] }\n'
  t.equal(planned(`memory: 4GiB\n${two}`).sources[0]?.buffer, 16 * MIB)
  t.equal(planned(`memory: 4MiB\n${two}`).sources[0]?.buffer, MIB)
  t.match(told(`memory: 2MiB\n${two}`), [/^1:9-13 memory: buffers and queues come to 2 MiB/])
})

t.test(
  'a signature changes with the options and the queue, not with inputs or other components',
  async t => {
    const yaml = (options: string, inputs = '[in]') =>
      `sources:\n  in: { type: feed }\n  more: { type: feed }\nsinks:\n  out: { type: drain, inputs: ${inputs}, ${options} }\n  rest: { type: drain, inputs: ['*'] }\n`
    const signature = (text: string, variables = {}) => planned(text, variables).sinks[0]?.signature
    const first = signature(yaml('room: 2MiB'))
    t.match(first, /^[0-9a-f]{64}$/)
    t.equal(signature(yaml('room: 2MiB', '[more]')), first)
    t.equal(signature(yaml('room: "${R}"'), { R: '2MiB' }), first)
    t.not(signature(yaml('room: 3MiB')), first)
    t.not(signature(yaml('room: 2MiB, queue: { max_bytes: 1MiB }')), first)
    t.not(signature(yaml('key: one')), signature(yaml('key: two')), 'secrets count')
  },
)

t.test('tests are read with their places; lines keep the text that was written', async t => {
  const plan = planned(`
sources: { in: { type: feed } }
transforms: { p: { type: pass, inputs: [in] }, s: { type: split, inputs: [p], outputs: [a, b] } }
sinks: { out: { type: drain, inputs: [s.a, s.b] } }
tests:
  - name: numbers stay as they are
    insert: { at: in, events: ['{"n":1.0}', { n: 2 }] }
    advance: 10s
    expect:
      - { at: s.a, events: ['{"n":1.0}'] }
      - at: out
        count: 2
      - { at: p, none: true }
`)
  t.match(plan.tests, [
    {
      name: 'numbers stay as they are',
      inserts: [{ at: 'in', events: [{ n: 1 }, { n: 2 }], lines: ['{"n":1.0}', '{"n":2}'] }],
      advance: 10_000,
      expectations: [
        { at: { id: 's', output: 'a' }, events: [{ n: 1 }], line: 10, column: 9 },
        { at: { id: 'out' }, count: 2, line: 11, column: 9 },
        { at: { id: 'p' }, none: true, line: 13, column: 9 },
      ],
      line: 6,
    },
  ])
})

t.test('defaults of the edge, and a switched-off control interface', async t => {
  const base = 'sources: { in: { type: feed } }\nsinks: { out: { type: drain, inputs: [in] } }\n'
  t.match(planned(base), {
    file: '-',
    dataDir: './data',
    memory: 256 * 1024 * 1024,
    drainTimeout: 10_000,
    log: { level: 'info', format: 'auto' },
    api: { listen: { scheme: 'tcp', host: '127.0.0.1', port: 9910 } },
    telemetry: undefined,
    rejects: { maxBytes: 64 * 1024 * 1024 },
    tests: [],
  })
  t.equal(planned(`api: { listen: false }\n${base}`).api.listen, undefined)
  t.match(planned(`api: { listen: 'tcp://0.0.0.0:1', token: x }\n${base}`).api.token, Secret)
  t.match(planned(`telemetry: { statsd: 'udp://127.0.0.1:8125', tags: { env: prod } }\n${base}`), {
    telemetry: { prefix: 'scopeline.', interval: 10_000, tags: { env: 'prod' } },
  })
})

t.test('a file that cannot be read is a diagnosis, not a crash', async t => {
  const message = (file: string) =>
    loadConfig(file, toys, {}, undefined, directory).diagnoses.map(one => renderDiagnoses([one]))
  writeFileSync(join(directory, 'latin1.yml'), Buffer.from([0x61, 0x3a, 0xe9]))
  writeFileSync(join(directory, 'nul.yml'), 'a: \0\n')
  t.match(message('absent.yml'), [/^absent\.yml: error: .*there is no such file/])
  t.match(message('.'), [/it is a directory/])
  t.match(message('latin1.yml'), [/it is not UTF-8 text/])
  t.match(message('nul.yml'), [/it holds NUL bytes/])
  t.match(told(''), ['1:1-2 the file is empty'])
})

t.test('no text makes it throw, and every diagnosis stands in the file', async t => {
  const piece = fc.constantFrom(
    ...['sources', 'sinks', 'in', 'type', 'feed', 'inputs', 'drain', ': ', '\n', '\n  ', '\n    '],
    ...['- ', '[', ']', '{', '}', ', ', '"', "'", '&a ', '*a', '<<', '${', '}', '$${', '|\n', '#'],
    ...['!!str ', '\t', '1', 'null', '__proto__', 'constructor', 'é', '😀', '? ', '...', '---'],
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), pieces => {
      const text = pieces.join('')
      const lines = text.split('\n').length
      const { plan, diagnoses } = load(text)
      renderDiagnoses(diagnoses)
      return (
        plan !== undefined ||
        (diagnoses.length > 0 &&
          diagnoses.every(({ line, column }) => line >= 1 && line <= lines && column >= 1))
      )
    }),
    { numRuns: 3000 },
  )
  t.ok(load(`a: ${'['.repeat(50_000)}`).diagnoses.length > 0, 'nor does deep nesting')
})

t.test('dangerous keys are keys like any other', async t => {
  t.match(told('__proto__: { polluted: 1 }\nsources: { in: { type: feed, constructor: 1 } }\n'), [
    /^1:1-10 __proto__: unknown option/,
  ])
  t.equal(({} as Record<string, unknown>)['polluted'], undefined)
})

t.test('the nearest name is found over typing mistakes', async t => {
  t.equal(nearest('adress', ['address', 'listen']), 'address')
  t.equal(nearest('whenfull', ['when_full', 'max_bytes']), 'when_full')
  t.equal(nearest('Type', ['type']), 'type')
  t.equal(nearest('addr', ['address', 'admin']), 'address')
  t.equal(nearest('sourecs', ['sources', 'sinks']), 'sources')
  t.equal(nearest('banana', ['type', 'inputs']), undefined)
  t.equal(editDistance('abcd', 'acbd'), 1, 'a swap is one mistake')
})
