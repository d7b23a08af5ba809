/**
 * Every transform and decoder on the same hostile and real input, with all that comes out of it: to be
 * compared between the engines. Run as a program, it prints the answers as JSON.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { allowanceFor } from '../../src/codec/line-buffer.ts'
import { type DecodedBlock, LineDecoder } from '../../src/codec/line-decoder.ts'
import { compileTemplate, groupByTemplate } from '../../src/codec/path-template.ts'
import { ScopeDecoder } from '../../src/sources/scope/decoder.ts'
import { transforms } from '../../src/transforms/index.ts'
import { batchOf, testContext } from '../context.ts'
import { mutate, randomOf } from '../native/differential.ts'
import { EDGE_LINES, hostileObject } from '../native/lines.ts'
import { running } from '../transforms/running.ts'

const SEED = 7

/** A transform by its name and the options as a user writes them. */
const CASES: readonly (readonly [string, Record<string, unknown>])[] = [
  ['filter', { where: 'sourcetype == "net" || a > 1' }],
  ['filter', { where: 'has(data.duration) && !(data.duration < 2) && "duration" in event.data' }],
  ['filter', { where: 'b != "é" && a != null && !has(c)' }],
  [
    'route',
    {
      match: 'all',
      routes: {
        one: 'a == 1 || source.startsWith("net.")',
        two: 'b.size() > 2',
        three: 'type(event.a) == "map"',
      },
    },
  ],
  ['route', { routes: { one: 'body.a == "x"', two: 'data.net_bytes_sent >= 0', three: 'a' } }],
  ['sample', { ratio: 0.5, key: '[a, pid]', sample_rate_field: 'n' }],
  ['sample', { ratio: 0.5, key: 'pid', exclude: 'a != 1' }],
  ['throttle', { events: 2, key: ['a', 'source'], summary: true }],
  ['dedupe', { fields: ['a', 'b.a', 'data.duration'] }],
  ['dedupe', {}],
  [
    'measure',
    {
      metrics: [
        { name: 'm.{b}', type: 'counter', tags: { a: 'a', s: 'source' }, where: '!has(c)' },
        { name: 'd.{data.proc}', type: 'timer', value: 'data.duration', tags: { a: 'data.x' } },
        { name: 'u', type: 'set', value: 'a' },
      ],
    },
  ],
  [
    'reduce',
    {
      group_by: ['source', 'a', 'b'],
      emit: {
        n: 'count()',
        some: 'count(a > 0)',
        sum: 'sum(data.duration)',
        first: 'first(b)',
        last: 'last(event.b)',
        different: 'unique(a)',
        p: 'quantile(data.duration, 0.5)',
        most: 'max(a)',
      },
    },
  ],
  [
    'reduce',
    { every: '1m', event_time: true, emit: { n: 'count()', mean: 'mean(data.duration)' } },
  ],
  ['reduce', { group_by: ['a'], max_groups: 5, emit: { n: 'count()' } }],
  ['redact', { fields: ['data', 'a', 'b.a'], patterns: ['all'] }],
  ['redact', { fields: ['data.net_peer_ip', 'data.file', 'a', 'b', 'b.a'], patterns: ['all'] }],
  ['redact', { fields: ['b', 'a[0]', 'a'], patterns: ['email', 'card'], with: '<{name} "x">' }],
  ['redact', { patterns: ['email', 'card', 'ipv4'] }],
  ['set', { fields: { x: 1, 'data.y': { expression: 'a' }, z: { expression: 'size(source)' } } }],
  ['remove', { fields: ['a', 'data.duration'] }],
  ['rename', { fields: { a: 'b', 'data.duration': 'ms' } }],
  ['parse', { field: 'b', format: 'json' }],
]

const SECRETS = [
  '{"a":"jo@example.com","a":"clean"}',
  '{"a":{"b":"jo@example.com"},"a":1,"b":"x"}',
  '{"b":{"a":"4111 1111 1111 1111"},"b":{}}',
  '{"\\u0061":"jo\\u0040example.com","b":["x",{"c":"jo@example.com"}]}',
  '{"a":4111111111111111,"b":-4111111111111111,"data":{"n":4111111111111111}}',
  '{"b":{"a":"10.1.2.3"},"a":["10.1.2.3","é jo@example.com \\ud83d"]}',
  '{"data":{"net_peer_ip":"10.20.30.40","file":"/home/jo@example.com/x"},"a":"Bearer abcdefgh12345678"}',
]

function sampleBlocks(): Buffer[] {
  const folder = new URL('../samples/', import.meta.url)
  return readdirSync(folder)
    .filter(name => name.endsWith('.ndjson'))
    .map(name => readFileSync(new URL(name, folder)))
}

/** Bodies of AppScope's events and metrics, some lines with secrets, and hostile objects. */
function inputLines(): string[] {
  const bodies = sampleBlocks().flatMap(block =>
    block
      .toString()
      .split('\n')
      .flatMap(line => {
        const body = line === '' ? undefined : JSON.parse(line).body
        return typeof body === 'object' ? [JSON.stringify(body)] : []
      }),
  )
  const hostile = fc.sample(hostileObject, { numRuns: 400, seed: SEED })
  return [...bodies.slice(0, 150), ...SECRETS, ...hostile]
}

function transformed(): unknown[] {
  const lines = inputLines()
  return CASES.map(([name, options]) => {
    const teardowns: (() => void)[] = []
    const transform = transforms.find(({ name: known }) => known === name)
    if (!transform) throw new Error(`no transform ${name}`)
    const run = running({ teardown: done => teardowns.push(done) }, transform as never, options)
    for (let from = 0; from < lines.length; from += 50) run.send(lines.slice(from, from + 50))
    run.clock.advance(61_000)
    run.end()
    const texts = run.output.values.flatMap(batch =>
      Array.from({ length: batch.count }, (_, row) => `${batch.output ?? ''}${batch.text(row)}`),
    )
    for (const done of teardowns) done()
    const { totals, errors } = run.context
    return {
      name,
      options,
      texts,
      error: String(run.output.error),
      discarded: run.discarded(),
      totals: [...totals],
      errors: [...errors],
    }
  })
}

/** Blocks of lines, good ones, bad ones, and mixed. */
function hostileBlocks(): Buffer[] {
  const random = randomOf(SEED)
  const lines = [
    ...EDGE_LINES.map(line => Buffer.from(line)),
    ...fc.sample(hostileObject, { numRuns: 300, seed: SEED }).map(line => Buffer.from(line)),
    ...sampleBlocks().flatMap(block =>
      block
        .toString('latin1')
        .split('\n')
        .slice(0, 40)
        .map(line => Buffer.from(line, 'latin1')),
    ),
  ]
  const newline = Buffer.from('\n')
  return Array.from({ length: 600 }, (_, i) => {
    const size = 1 + random(i % 3 === 0 ? 2 : 6)
    const chosen = Array.from({ length: size }, () => {
      const line = lines[random(lines.length)] as Buffer
      return random(6) === 0 ? mutate(line, lines, random) : line
    })
    return Buffer.concat(chosen.flatMap(line => [line, newline]))
  })
}

function textsOf({ bytes, lines }: DecodedBlock): string[] {
  const texts: string[] = []
  for (let i = 0; i < lines.length; i += 2) {
    texts.push(bytes.toString('latin1', lines[i], lines[i + 1]))
  }
  return texts
}

function decoded(): unknown[] {
  const blocks = hostileBlocks()
  const origin = { source: 'in', peer: 'p' }
  const limits = { maxLineBytes: 2000, maxDepth: 20 }
  const scopeOptions = {
    max_line_bytes: 2000,
    process_start: true,
    payloads: 'record',
    max_payload_bytes: 64,
    allowance: allowanceFor(2000),
  } as const
  const answers: unknown[] = []
  const answer = (read: (take: (block: DecodedBlock) => void, context: Decoding) => void) => {
    const context = testContext({ directory: 'none' })
    const texts: string[] = []
    read(block => texts.push(...textsOf(block)), context)
    const rejects = context.rejects.map(({ bytes, ...rest }) => ({
      ...rest,
      bytes: bytes.toString('latin1'),
    }))
    answers.push({ texts, rejects, totals: [...context.totals] })
  }
  for (const block of blocks) {
    answer((take, context) => {
      const found = new LineDecoder({ format: 'ndjson', ...limits }, origin, context).push(block)
      if (found) take(found)
    })
  }
  const messages = [
    ...sampleBlocks(),
    ...blocks,
    Buffer.from('{"type":"payload","len":10,"pid":1}\n{"a":1}\n{"type":"evt","body":{"a":1}}\n'),
    Buffer.from('{"type":"evt","body":{"a":1},"body":2}\r\n{"type":"evt","type":"x","body":{}}\n'),
    Buffer.from('{"t\\u0079pe":"e\\u0076t","body":{"a":1},"body":{ "a" : 2 } }\n\n{"body":{}}\n'),
  ]
  for (const envelope of [false, true]) {
    for (const message of messages) {
      answer((take, context) => {
        const decoder = new ScopeDecoder({ ...scopeOptions, envelope }, origin, context, take)
        decoder.push(Buffer.from(message))
        decoder.end()
      })
    }
  }
  return answers
}

type Decoding = ReturnType<typeof testContext>

function named(): unknown[] {
  const lines = inputLines()
  return ['{a}-{b.a}', '{source}/%Y-%m-%d-%H', '%F-%T', '{data.duration}'].map(text =>
    [...groupByTemplate(batchOf(lines), compileTemplate(text), 1_800_000_000_000)].map(
      ([name, batch]) => [name, batch.count],
    ),
  )
}

/** What this process's engine makes of all of it, by topic. */
export function answers(): Record<string, unknown[]> {
  return { transforms: transformed(), decoders: decoded(), names: named() }
}

// Chance decides the same for both engines.
const random = randomOf(SEED)
Math.random = () => random(1000) / 1000

if (import.meta.url === pathToFileURL(process.argv[1] as string).href) {
  process.stdout.write(JSON.stringify(answers()))
}
