import { join, normalize } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { eventTime, timeOf } from '../../src/codec/event-time.ts'
import {
  compileTemplate,
  groupByTemplate,
  pathTemplate,
  TemplateError,
} from '../../src/codec/path-template.ts'
import type { JsonObject } from '../../src/record/json.ts'
import { batchOf } from '../context.ts'

const NOW = Date.UTC(2026, 1, 3, 4, 5, 6)
const TIME = Date.UTC(2024, 11, 31, 23, 59, 58.5) / 1000
const render = (text: string, record: JsonObject = {}, options = {}) =>
  compileTemplate(text, options).render(record, NOW)

t.test('text, fields and times of the event make a name', async t => {
  t.equal(render('/var/log/all.ndjson'), '/var/log/all.ndjson')
  t.equal(
    render('{proc}-{pid}-{data.tls}', { proc: 'nginx', pid: 7, data: { tls: true } }),
    'nginx-7-true',
  )
  t.equal(
    render('%Y %m %d %H %M %S %j %F %T', { _time: TIME }),
    '2024 12 31 23 59 58 366 2024-12-31 23:59:58',
  )
  t.equal(render('%s', { _time: TIME }), String(Math.floor(TIME)))
  t.equal(render('{data["a}b"][1]}', { data: { 'a}b': [1, 2] } }), '2')
  t.equal(render('100%% {{x}}'), '100% {x}')
})

t.test(
  'the time is that of arrival where the event has none that can be one, or on request',
  async t => {
    const arrived = '2026-02-03'
    for (const _time of [null, 'yesterday', '', -1, 1e15, [1], {}])
      t.equal(render('%F', { _time }), arrived)
    t.equal(render('%F', {}), arrived)
    t.equal(render('%F', { _time: String(TIME) }), '2024-12-31')
    t.equal(render('%F', { _time: TIME }, { time: 'arrival' }), arrived)
    t.equal(render('%F', { _time: 0 }), '1970-01-01')
  },
)

t.test('a value can neither climb nor add a directory nor hide a file', async t => {
  const cases: [JsonObject, string][] = [
    [{ a: '../../etc/passwd' }, 'x/______etc_passwd'],
    [{ a: '/abs' }, 'x/_abs'],
    [{ a: '..' }, 'x/__'],
    [{ a: '.' }, 'x/_'],
    [{ a: '.hidden' }, 'x/_hidden'],
    [{ a: 'a..b' }, 'x/a__b'],
    [{ a: 'v1.2.3' }, 'x/v1.2.3'],
    [{ a: 'nul\0nl\ncr\r\u007f\u0085' }, 'x/nul_nl_cr___'],
    [{ a: '' }, 'x/unknown'],
    [{ a: null }, 'x/unknown'],
    [{ a: {} }, 'x/unknown'],
    [{ a: ['..'] }, 'x/unknown'],
    [{ b: 1 }, 'x/unknown'],
    [JSON.parse('{"__proto__":{"a":"polluted"}}') as JsonObject, 'x/unknown'],
  ]
  for (const [record, name] of cases) t.equal(render('x/{a}', record), name, JSON.stringify(record))
  t.equal(render('{a}', {}, { fallback: '../none' }), '___none')
  t.equal(render('{a}', {}, { fallback: '' }), 'unknown')
})

t.test('whatever values hold, the name has the parts of the template and stays below', async () => {
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.stringMatching(/^[./\\\0a]{0,9}$/),
  )
  fc.assert(
    fc.property(value, value, value, (a, b, c) => {
      const name = render('root/{a}{b}/.{c}/{a}.{b}.{c}', { a, b, c })
      const segments = name.split('/')
      return (
        segments.length === 4 &&
        normalize(join('/', name)) === `/${name}` &&
        segments.every(
          segment =>
            segment !== '' &&
            segment !== '.' &&
            segment !== '..' &&
            Buffer.byteLength(segment) <= 200 &&
            !/[\0-\x1f]/.test(segment),
        )
      )
    }),
    { numRuns: 2000 },
  )
})

t.test('long values are cut between characters and stay different', async t => {
  const one = render('{a}', { a: `${'é'.repeat(5000)}1` })
  const other = render('{a}', { a: `${'é'.repeat(5000)}2` })
  t.ok(Buffer.byteLength(one) <= 120)
  t.notMatch(one, /\ufffd/)
  t.not(one, other)
})

t.test('mistakes are told with their place', async t => {
  const cases: [string, number, RegExp][] = [
    ['logs/%Y-%q.ndjson', 8, /%q.*no time.*%F/],
    ['logs/%', 5, /no time/],
    ['logs/{host', 5, /no "}"/],
    ['logs/host}', 9, /closes nothing/],
    ['logs/{a..b}', 8, /field name/],
    ['logs/{}', 6, /may not be empty/],
    ['logs/{a}/../x', 9, /go up/],
    ['logs/{a}/./x', 9, /go up/],
    ['a\nb', 1, /control/],
  ]
  for (const [text, offset, message] of cases) {
    try {
      compileTemplate(text)
      t.fail(text)
    } catch (error) {
      t.type(error, TemplateError)
      t.match((error as TemplateError).message, message, text)
      t.equal((error as TemplateError).offset, offset, text)
    }
  }
  t.doesNotThrow(
    () => compileTemplate('../logs/{a}..txt'),
    'the fixed beginning is the choice of the user',
  )
  const issue = pathTemplate().safeParse('x/{host').error?.issues[0] as {
    params?: { offset: number }
  }
  t.equal(issue.params?.offset, 2)
  t.equal(pathTemplate().parse('x/{host}').prefix, 'x/')
})

t.test(
  'a batch is split by name, in order, without making objects unless fields are named',
  async t => {
    const day = 86400
    const lines = [0, 1, 0, 2, 1].map((d, i) => `{"i":${i},"_time":${TIME + d * day},"p":"${d}"}`)
    const names = (text: string) =>
      [...groupByTemplate(batchOf(lines), compileTemplate(text), NOW)].map(([name, rows]) => [
        name,
        Array.from({ length: rows.count }, (_, row) => rows.record(row)['i']),
      ])
    t.same(names('all'), [['all', [0, 1, 2, 3, 4]]])
    t.same(names('%F'), [
      ['2024-12-31', [0, 2]],
      ['2025-01-01', [1, 4]],
      ['2025-01-02', [3]],
    ])
    t.same(names('{p}'), [
      ['0', [0, 2]],
      ['1', [1, 4]],
      ['2', [3]],
    ])
    const batch = batchOf(lines)
    t.equal(groupByTemplate(batch, compileTemplate('x'), NOW).get('x'), batch)
    t.same(
      [...groupByTemplate(batch, compileTemplate('%F', { time: 'arrival' }), NOW).keys()],
      ['2026-02-03'],
    )
  },
)

t.test('the time read from the bytes of a line is the one that its object has', async t => {
  const lines = [
    '{"_time":1.5}',
    '{"a":"x","_time":1700000000.123,"b":[1]}',
    '{"data":{"_time":1},"_time":2}',
    '{"data":{"_time":1}}',
    '{"data":[{"_time":1}]}',
    '{"a":"\\"_time\\":9","_time":3}',
    '{"a\\"_time":9}',
    '{"_time":1,"_time":2}',
    '{"_time": 4}',
    '{"_time":"5"}',
    '{"_time":null}',
    '{"_time":-1}',
    '{"_time":1e9}',
    '{"_time":1e99}',
    '{"_time":1700000000.1234567890123456789}',
    '{"a":"{","_time":7}',
  ]
  const batch = batchOf(lines)
  lines.forEach((line, row) => {
    t.equal(eventTime(batch, row), timeOf(JSON.parse(line) as JsonObject), line)
  })
})
