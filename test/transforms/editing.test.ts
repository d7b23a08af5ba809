import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { from } from 'rxjs'
import t from 'tap'
import { parse as parseYaml } from 'yaml'
import type { Outcome } from '../../src/batch/lease.ts'
import type { OptionsSchema, Transform } from '../../src/component/define.ts'
import { parse } from '../../src/transforms/parse/parse.ts'
import { redact } from '../../src/transforms/redact.ts'
import { remove } from '../../src/transforms/remove.ts'
import { rename } from '../../src/transforms/rename.ts'
import { set } from '../../src/transforms/set.ts'
import { batchOf, collect, testContext } from '../context.ts'

/** Runs one batch through a transform; `type` in the options is left out as the edge leaves it out. */
function run<Schema extends OptionsSchema>(
  transform: Transform<Schema>,
  options: object,
  lines: string[],
) {
  const context = testContext()
  const outcomes: Outcome[] = []
  const { type: _, ...own } = { type: '', ...options }
  const batch = batchOf(lines, outcomes)
  const result = collect(
    from([batch]).pipe(transform.create(transform.options.parse(own) as never, context)),
  )
  const output = result.values.flatMap(value =>
    Array.from({ length: value.count }, (_, row) => value.text(row)),
  )
  for (const value of result.values) value.release('delivered')
  context.clean()
  return { context, outcomes, output, error: result.error, same: result.values[0] === batch }
}

function problems(transform: Transform, options: object) {
  const result = transform.options.safeParse(options)
  return result.error?.issues ?? []
}

t.test('set gives fixed and computed values', async t => {
  const { output, outcomes, context } = run(
    set,
    {
      fields: {
        env: 'production',
        'data.kilo': { expression: 'data.bytes * 1000' },
        'data["a.b"]': [1, { c: null }],
        'data.none': { expression: 'data.missing + 1' },
      },
    },
    ['{"n":9007199254740993,"data":{"bytes":2}}', '{"data":{"bytes":"x"},"env":1.0}'],
  )
  t.same(output, [
    '{"n":9007199254740993,"data":{"bytes":2,"kilo":2000,"a.b":[1,{"c":null}]},"env":"production"}',
    '{"data":{"bytes":"x","a.b":[1,{"c":null}]},"env":"production"}',
  ])
  t.equal(context.errors.get('expression_failed'), 3)
  t.same(outcomes, ['delivered'])
})

t.test('set says what is wrong with its fields', async t => {
  const [path] = problems(set, { fields: { 'a..b': 1 } })
  t.match(path, { path: ['fields', 'a..b'], message: /field name/ })
  const [bad] = problems(set, { fields: { a: { expression: 'b +' } } })
  t.match(bad, { path: ['fields', 'a', 'expression'] })
  t.match(problems(set, { fields: { a: { expression: '1', x: 1 } } })[0], { path: ['fields', 'a'] })
  t.match(problems(set, { fields: {} })[0], { message: /at least one/ })
})

t.test('remove and rename edit the text and leave all else', async t => {
  const line = '{"cmd":"x","data":{"a":1.0,"b":[1,2]},"n":9007199254740993}'
  const removed = run(remove, { fields: ['cmd', 'data.b[0]', 'none'] }, [line, '{"z":1}'])
  t.same(removed.output, ['{"data":{"a":1.0,"b":[2]},"n":9007199254740993}', '{"z":1}'])
  t.same(removed.outcomes, ['delivered'])
  const renamed = run(rename, { fields: { 'data.a': 'data.c', cmd: 'process.cmd' } }, [line])
  t.same(renamed.output, [
    '{"data":{"c":1.0,"b":[1,2]},"n":9007199254740993,"process":{"cmd":"x"}}',
  ])
  t.same(renamed.outcomes, ['delivered'])
  t.match(problems(rename, { fields: { a: 'b.' } })[0], { path: ['fields', 'a'] })
})

t.test('a batch without anything to edit is passed on as it is', async t => {
  t.ok(run(remove, { fields: ['a'] }, ['{"b":1}']).same)
  t.ok(run(rename, { fields: { a: 'c' } }, ['{"b":1}']).same)
  t.ok(run(redact, {}, ['{"b":"nothing here"}']).same)
  t.ok(run(parse, { field: 'a', format: 'json' }, ['{"b":1}']).same)
})

t.test('parse takes strings apart', async t => {
  const folder = join(import.meta.dirname, '../cases/parse')
  for (const name of readdirSync(folder)) {
    const read = (file: string) => readFileSync(join(folder, name, file), 'utf8')
    const lines = read('input.ndjson').trimEnd().split('\n')
    const { output, outcomes, error } = run(parse, parseYaml(read('options.yaml')), lines)
    t.equal(error, undefined)
    t.same(output, read('expected.ndjson').trimEnd().split('\n'), name)
    t.same(outcomes, ['delivered'], `${name}: the lease settles once`)
  }
})

t.test('parse counts what it cannot read, and says why', async t => {
  const bad = ['{"m":"x"}', '{"m":"[]"}', '{"o":1}']
  const kept = run(parse, { field: 'm', format: 'json' }, bad)
  t.equal(kept.context.errors.get('parse_failed'), 2)
  t.equal(kept.context.totals.get('skipped_total'), 1)
  t.equal(kept.output.length, 3)

  const rejected = run(parse, { field: 'm', format: 'json', on_error: 'reject' }, bad.slice(0, 2))
  t.match(rejected.context.rejects, [
    { reason: 'parse_failed', explanation: /not valid JSON/, bytes: Buffer.from('{"m":"x"}') },
    { reason: 'parse_failed', explanation: /not an object/ },
  ])
  t.same(rejected.outcomes, ['dropped'], 'a batch left empty is released')
  t.same(rejected.output, [])

  const discarded = run(parse, { field: 'm', format: 'json', on_error: 'discard' }, bad.slice(0, 2))
  t.same(discarded.outcomes, ['discarded'])
  t.same(discarded.context.discards, [{ reason: 'parse_failed', events: 2, intentional: true }])
})

t.test('parse checks that its options fit together', async t => {
  t.match(problems(parse, { field: 'm', format: 'regex' })[0], {
    message: /needs the option regex/,
  })
  t.match(problems(parse, { field: 'm', format: 'json', regex: '(?<a>.)' })[0], { path: ['regex'] })
  t.match(problems(parse, { field: 'm', format: 'regex', regex: 'abc' })[0], {
    message: /named group/,
  })
  t.match(problems(parse, { field: 'm', format: 'regex', regex: 'a(?=b)' })[0], {
    params: { offset: 1 },
  })
})

t.test('hostile strings neither crash parse nor hold it up', async t => {
  const big = 1024 * 1024
  for (const format of ['json', 'logfmt', 'syslog', 'common_log']) {
    for (const text of [
      '{"a":'.repeat(big / 8),
      `{${'"a":1,'.repeat(big / 8)}"a":1}`,
      `{${Array.from({ length: 50_000 }, (_, i) => `"k${i}":1`).join(',')}}`,
      'a='.repeat(big / 2),
      `a="${'\\"'.repeat(big / 2)}`,
      `<13>1 - - - - - [${'x a="1" '.repeat(big / 8)}`,
      `<13>1 - - - - - [x a="${'\\"'.repeat(big / 2)}`,
      `h - - [x] "${'\\"'.repeat(big / 2)}`,
      ' '.repeat(big),
    ]) {
      const { output, error } = run(parse, { field: 'm', format, numbers: true }, [
        JSON.stringify({ m: text }),
        '{"m":""}',
      ])
      t.equal(error, undefined)
      t.equal(output.length, 2)
      for (const line of output) JSON.parse(line)
    }
  }
})

t.test('the examples of these transforms are valid', async t => {
  for (const transform of [set, remove, rename, parse, redact] as unknown as Transform[]) {
    for (const { yaml, title } of transform.examples) {
      const { type, ...options } = parseYaml(yaml)
      t.equal(type, transform.name)
      t.same(problems(transform, options), [], `${transform.name}: ${title}`)
    }
  }
})
