import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { type Dialect, packLines, StatsdEncoder } from '../../src/codec/statsd/encode.ts'
import { metricRecord, type ParserOptions, StatsdParser } from '../../src/codec/statsd/parse.ts'
import type { JsonObject } from '../../src/record/json.ts'
import { readDatagram } from './dogstatsd-grammar.ts'

const SAMPLES = join(import.meta.dirname, '../samples')
const NOW = 1_800_000_000

function parse(payload: string | Buffer, options: ParserOptions = {}) {
  const records: JsonObject[] = []
  const rejects: { reason: string; line: string }[] = []
  let skipped = 0
  const parser = new StatsdParser(options)
  parser.parse(Buffer.from(payload as string), NOW, {
    metric: (name, value, relative, shape) =>
      records.push(metricRecord(name, value, relative, shape, NOW, options.nameTags)),
    message: record => records.push(record),
    reject: ({ reason }, line) => rejects.push({ reason, line: line.toString() }),
    skipped: fields => {
      skipped += fields
    },
  })
  return { records, rejects, skipped }
}

function encode(records: JsonObject[], dialect: Dialect = 'dogstatsd', maxBytes = 1432) {
  const encoder = new StatsdEncoder({ dialect, maxBytes })
  const lines: string[] = []
  const refusals = records.map(record => encoder.encode(record, lines)).filter(r => r !== undefined)
  return { lines, refusals, leftOut: encoder.fieldsLeftOut }
}

/** line → what its record must be, besides its time. */
const LINES: [string, JsonObject][] = [
  ['a:1|c', { _metric: 'a', _metric_type: 'counter', _value: 1 }],
  ['a:1|m', { _metric: 'a', _metric_type: 'counter', _value: 1 }],
  ['a:-1|c', { _metric: 'a', _metric_type: 'counter', _value: -1 }],
  ['a:2|c|@0.5', { _metric: 'a', _metric_type: 'counter', _value: 4 }],
  ['a:3|c|@0.1|#x:y', { _metric: 'a', _metric_type: 'counter', _value: 30, x: 'y' }],
  ['a:3|c|#x:y|@0.1', { _metric: 'a', _metric_type: 'counter', _value: 30, x: 'y' }],
  ['a:42|g', { _metric: 'a', _metric_type: 'gauge', _value: 42 }],
  ['a:+8|g', { _metric: 'a', _metric_type: 'gauge', _value: 8, _relative: true }],
  ['a:-8|g', { _metric: 'a', _metric_type: 'gauge', _value: -8, _relative: true }],
  ['a:1.5e3|g', { _metric: 'a', _metric_type: 'gauge', _value: 1500 }],
  ['a:.5|g', { _metric: 'a', _metric_type: 'gauge', _value: 0.5 }],
  ['a:320|ms|@0.1', { _metric: 'a', _metric_type: 'timer', _value: 320, _rate: 0.1 }],
  ['a:320|ms|@1', { _metric: 'a', _metric_type: 'timer', _value: 320 }],
  ['a:3.5|h', { _metric: 'a', _metric_type: 'histogram', _value: 3.5 }],
  ['a:1:2:3|d', { _metric: 'a', _metric_type: 'distribution', _values: [1, 2, 3] }],
  ['a:1:2|c|@0.5', { _metric: 'a', _metric_type: 'counter', _values: [2, 4] }],
  ['a:765|s', { _metric: 'a', _metric_type: 'set', _value: '765' }],
  ['a:ab:cd|s|@0.5', { _metric: 'a', _metric_type: 'set', _value: 'ab:cd' }],
  ['a:1|c|#', { _metric: 'a', _metric_type: 'counter', _value: 1 }],
  ['a:1|c|#,,', { _metric: 'a', _metric_type: 'counter', _value: 1 }],
  ['a:1|c|', { _metric: 'a', _metric_type: 'counter', _value: 1 }],
  [
    'a:1|c|#urgent,url:http://h:1/x,empty:',
    {
      _metric: 'a',
      _metric_type: 'counter',
      _value: 1,
      urgent: true,
      url: 'http://h:1/x',
      empty: '',
    },
  ],
  ['a:1|c|#k:1,k:2,k', { _metric: 'a', _metric_type: 'counter', _value: 1, k: ['1', '2', true] }],
  [
    'a:1|c|#_value:9,__value:8',
    { _metric: 'a', _metric_type: 'counter', _value: 1, __value: '9', ___value: '8' },
  ],
  [
    'a:1|g|T1656581400|card:low|e:it-false|c:abc|#env:dev',
    {
      _metric: 'a',
      _metric_type: 'gauge',
      _value: 1,
      env: 'dev',
      _container: 'abc',
      _external_data: 'it-false',
      _cardinality: 'low',
      _timestamped: true,
      _time: 1656581400,
    },
  ],
  [
    'a:-5|g|T1656581400',
    { _metric: 'a', _metric_type: 'gauge', _value: -5, _timestamped: true, _time: 1656581400 },
  ],
  [
    'größe.ü:1|c|#städte:köln',
    { _metric: 'größe.ü', _metric_type: 'counter', _value: 1, städte: 'köln' },
  ],
  [
    '_e{5,11}:Title|Two\\nlines!',
    {
      sourcetype: 'statsd',
      source: 'statsd.event',
      data: { title: 'Title', text: 'Two\nlines!' },
    },
  ],
  [
    '_e{4,3}:a|b |c|d|d:1656581400|h:box|p:low|t:error|k:agg|s:nagios|#env:dev,hot|c:id|card:none',
    {
      sourcetype: 'statsd',
      source: 'statsd.event',
      _time: 1656581400,
      data: {
        title: 'a|b ',
        text: 'c|d',
        hostname: 'box',
        priority: 'low',
        alert_type: 'error',
        aggregation_key: 'agg',
        source_type_name: 'nagios',
        container: 'id',
        cardinality: 'none',
        tags: { env: 'dev', hot: true },
      },
    },
  ],
  [
    '_sc|redis|2|d:1656581400|h:box|#env:dev|m:no m\\:answer\\nat all',
    {
      sourcetype: 'statsd',
      source: 'statsd.service_check',
      _time: 1656581400,
      data: {
        name: 'redis',
        status: 2,
        hostname: 'box',
        message: 'no m:answer\nat all',
        tags: { env: 'dev' },
      },
    },
  ],
]

t.test('each form of a line becomes the record that it stands for', async t => {
  for (const [line, expected] of LINES) {
    const { records, rejects } = parse(line)
    t.same(rejects, [], line)
    t.strictSame(records, [{ ...expected, _time: expected['_time'] ?? NOW }], line)
  }
})

t.test('event lengths are bytes, and UTF-16 units where a client counts those', async t => {
  const data = { title: 'Größe', text: 'naïve €' }
  const bytes = parse('_e{7,10}:Größe|naïve €|#a')
  t.same(bytes.records[0]?.['data'], { ...data, tags: { a: true } })
  const units = parse('_e{5,7}:Größe|naïve €|#a')
  t.same(units.records[0]?.['data'], { ...data, tags: { a: true } })
  t.equal(parse('_e{6,7}:Größe|naïve €').rejects[0]?.reason, 'invalid_event')
})

t.test(
  'what cannot be read is rejected with its reason, and the other lines are taken',
  async t => {
    const bad: [string | Buffer, string][] = [
      ['nothing', 'no_value'],
      ['a:', 'no_type'],
      ['a:1', 'no_type'],
      [':1|c', 'empty_name'],
      ['a:|c', 'invalid_value'],
      ['a:x|c', 'invalid_value'],
      ['a:0x10|c', 'invalid_value'],
      ['a: 1|c', 'invalid_value'],
      ['a:1:x:3|d', 'invalid_value'],
      ['a:|s', 'invalid_value'],
      ['a:NaN|g', 'not_finite'],
      ['a:-inf|g', 'not_finite'],
      ['a:Infinity|c', 'not_finite'],
      ['a:1e999|g', 'not_finite'],
      ['a:1e308|c|@0.001', 'not_finite'],
      ['a:1|', 'unknown_type'],
      ['a:1|x', 'unknown_type'],
      ['a:1|constructor', 'unknown_type'],
      ['a:1|c|@0', 'invalid_rate'],
      ['a:1|c|@2', 'invalid_rate'],
      ['a:1|c|@', 'invalid_rate'],
      ['a:1|ms|@x', 'invalid_rate'],
      ['a:1|c|Tnow', 'invalid_timestamp'],
      ['_e{1,1}', 'invalid_event'],
      ['_e{0,1}:|x', 'invalid_event'],
      ['_e{999999999,999999999}:a|b', 'invalid_event'],
      ['_e{1,1}:a|b|d:x', 'invalid_timestamp'],
      ['_sc|name', 'invalid_service_check'],
      ['_sc|name|4', 'invalid_service_check'],
      ['_sc||1', 'invalid_service_check'],
      [Buffer.from([0x61, 0xff, 0x3a, 0x31, 0x7c, 0x63]), 'invalid_utf8'],
      [Buffer.from([0x61, 0x3a, 0x31, 0x7c, 0x63, 0x7c, 0x23, 0xc3]), 'invalid_utf8'],
    ]
    for (const [line, reason] of bad) {
      const payload = Buffer.concat([
        Buffer.from('before:1|c\n'),
        Buffer.from(line as string),
        Buffer.from('\r\nafter:2|c|#städte:köln\n\n'),
      ])
      const { records, rejects } = parse(payload)
      t.same(
        rejects.map(r => r.reason),
        [reason],
        line.toString(),
      )
      t.same(
        records.map(record => record['_metric']),
        ['before', 'after'],
        line.toString(),
      )
      t.equal(records[1]?.['städte'], 'köln')
    }
  },
)

t.test('fields that are not known are passed over and counted', async t => {
  const { records, skipped, rejects } = parse('a:1|c|z:new|#k:v|?\na:1|ms|T1656581400')
  t.same(rejects, [])
  t.equal(records[0]?.['k'], 'v')
  t.equal(skipped, 3)
  t.notOk(records[1]?.['_timestamped'], 'a timer has no timestamp')
})

t.test('several values of one name in the form of StatsD are several metrics', async t => {
  const { records, rejects } = parse('a:1|c:250|ms|@0.5:x|s|#k:v:w\na:1|c:oops\nb:1|c')
  t.same(
    records.map(({ _metric, _metric_type, _value, k }) => [_metric, _metric_type, _value, k]),
    [
      ['a', 'counter', 1, 'v:w'],
      ['a', 'timer', 250, 'v:w'],
      ['a', 'set', 'x', 'v:w'],
      ['b', 'counter', 1, undefined],
    ],
  )
  t.equal(rejects.length, 1)
})

t.test('packed gauges that mix values and changes keep their order', async t => {
  const { records } = parse('g:5:+2:-1:9|g')
  t.same(
    records.map(r => [r['_value'] ?? r['_values'], r['_relative']]),
    [
      [5, undefined],
      [[2, -1], true],
      [9, undefined],
    ],
  )
})

t.test('signs of gauges are only signs where the clients are Datadog’s', async t => {
  const { records } = parse('g:-4|g\ng:-1:2|g', { signedGauges: 'value' })
  t.same(
    records.map(r => [r['_value'] ?? r['_values'], r['_relative']]),
    [
      [-4, undefined],
      [[-1, 2], undefined],
    ],
  )
})

t.test('tags are taken out of names in the forms of Graphite and Influx', async t => {
  const graphite = parse('disk;host=a;root:1|g|#k:v', { nameTags: 'graphite' }).records[0]
  t.match(graphite, { _metric: 'disk', host: 'a', root: true, k: 'v' })
  const influx = parse('disk,host=a,x=1:1|g', { nameTags: 'influx' }).records[0]
  t.match(influx, { _metric: 'disk', host: 'a', x: '1' })
  t.match(parse('disk;host=a:1|g').records[0], { _metric: 'disk;host=a' })
})

t.test('a tag named like a part of every object harms nothing', async t => {
  const { records } = parse('a:1|c|#__proto__:x,constructor:y,toString:z')
  const record = records[0] as JsonObject
  t.equal(Object.getPrototypeOf(record), Object.prototype)
  t.equal(record['constructor'], 'y')
  t.same(encode([record]).lines, ['a:1|c|#__proto__:x,constructor:y,toString:z'])
})

t.test('hostile datagrams cost no more than their size', async t => {
  const payloads = [
    'a:'.repeat(32_000),
    'a|'.repeat(32_000),
    `a:1|c|#${'k,'.repeat(32_000)}`,
    `a:1|c|#${'k:v,'.repeat(16_000)}`,
    `a:1|c${':1|c'.repeat(16_000)}`,
    `a${':1'.repeat(32_000)}|d`,
    `${'\n'.repeat(64_000)}`,
    `_e{${'9'.repeat(64_000)}`,
    `_sc|${'|'.repeat(64_000)}`,
    `a:${'9'.repeat(64_000)}|g`,
    '\0'.repeat(64_000),
    `a:1|${'c:1|'.repeat(16_000)}`,
  ]
  for (const payload of payloads) {
    const { records } = parse(`${payload}\nb:1|c`)
    t.equal(records.at(-1)?.['_metric'], 'b')
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      parse(Buffer.from(bytes))
    }),
  )
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'a1:|#@,cgms_e{}T.+-\n'.split('')), maxLength: 60 }),
      text => {
        for (const record of parse(text).records) {
          assert.doesNotThrow(() =>
            readDatagram(Buffer.from(encode([record]).lines.join('\n')), 1432),
          )
        }
      },
    ),
  )
})

t.test('AppScope’s own StatsD output is read completely and comes back as it was', async t => {
  const files = readdirSync(SAMPLES).filter(name => name.endsWith('.statsd'))
  t.ok(files.length >= 6)
  for (const file of files) {
    const text = readFileSync(join(SAMPLES, file), 'utf8')
    const { records, rejects } = parse(text)
    t.same(rejects, [], file)
    const lines = text.trimEnd().split('\n')
    t.equal(records.length, lines.length, file)
    // 5.10 and 5.1 are the same number.
    const plain = lines.map(line => line.replace(/^([^|]*\.\d*?)0+\|/, '$1|'))
    t.same(encode(records).lines, plain, file)
  }
})

t.test('AppScope’s metric records are sent with every field that is a tag', async t => {
  const file = join(SAMPLES, 'appscope-nginx-wrk-metrics.ndjson')
  const records = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { type: string; body: JsonObject })
    .filter(({ type }) => type === 'metric')
    .map(({ body }) => body)
  t.ok(records.length > 10)
  const { lines, refusals } = encode(records, 'dogstatsd', 8192)
  t.same(refusals, [])
  t.equal(lines.length, records.length)
  lines.forEach((line, i) => {
    const [read] = readDatagram(Buffer.from(line), 8192)
    if (read?.kind !== 'metric') throw new Error(line)
    const record = records[i] as JsonObject
    t.equal(read.name, record['_metric'])
    t.same(read.values, [String(record['_value'])])
    const tags = Object.entries(record)
      .filter(([key]) => !['_metric', '_metric_type', '_value', '_time'].includes(key))
      .map(([key, value]) => `${key}:${String(value).replace(/[|#,]/g, '_')}`)
    t.same(read.tags, tags)
  })
})

const NAME = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter(text => !/[\u0000-\u001f\u007f:|#,]/.test(text) && !text.startsWith('_e{'))
const TEXT = fc
  .string({ unit: 'grapheme', maxLength: 20 })
  .filter(text => !/[\u0000-\u001f\u007f|#,]/.test(text))
const NUMBER = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .map(n => (Object.is(n, -0) ? 0 : n))
const TAG_VALUE = fc.oneof(TEXT, fc.constant(true), fc.array(TEXT, { minLength: 2, maxLength: 3 }))
const FIELD = TEXT.filter(text => text !== '')
const OPTIONAL = { requiredKeys: [] as never[] }

const METRIC = fc
  .tuple(
    NAME,
    fc.constantFrom('counter', 'gauge', 'timer', 'histogram', 'distribution', 'set'),
    fc.array(NUMBER, { minLength: 1, maxLength: 40 }),
    FIELD,
    fc.dictionary(
      NAME.filter(name => !/^_/.test(name)),
      TAG_VALUE,
      { maxKeys: 5 },
    ),
    fc.record(
      {
        _container: FIELD,
        _external_data: FIELD,
        _cardinality: fc.constantFrom('none', 'low', 'orchestrator', 'high'),
      },
      OPTIONAL,
    ),
    fc.option(fc.integer({ min: 1, max: 4_000_000_000 }), { nil: undefined }),
    fc.constantFrom(1, 0.5, 0.1, 0.001, 1e-9),
  )
  .map(([name, type, values, member, tags, extra, time, rate]): JsonObject => {
    const numbers = values.length === 1 ? { _value: values[0] as number } : { _values: values }
    const timed = time !== undefined && (type === 'counter' || type === 'gauge')
    const sampled = type !== 'counter' && type !== 'gauge' && type !== 'set' && rate < 1
    return {
      _metric: name,
      _metric_type: type,
      ...(type === 'set' ? { _value: member } : numbers),
      ...tags,
      ...extra,
      ...(sampled && { _rate: rate }),
      ...(timed && { _timestamped: true }),
      _time: timed ? time : NOW,
    }
  })

t.test('any metric that is written and read again is the same', async t => {
  fc.assert(
    fc.property(METRIC, record => {
      const { lines, refusals } = encode([record], 'dogstatsd', 100_000)
      assert.deepStrictEqual(refusals, [])
      readDatagram(Buffer.from(lines.join('\n')), 100_000)
      const { records, rejects } = parse(lines.join('\n'), { signedGauges: 'value' })
      assert.deepStrictEqual(rejects, [])
      assert.deepStrictEqual(sorted(records), sorted([record]))
    }),
  )
  t.pass('it held')
})

/** With keys in one order: those that look like numbers move to the front of any object. */
function sorted(records: JsonObject[]) {
  return records.map(record => Object.fromEntries(Object.entries(record).sort()))
}

t.test('any event and check that is written and read again is the same', async t => {
  const TAGS = fc
    .dictionary(
      NAME.filter(name => !/^_/.test(name)),
      TAG_VALUE,
      { minKeys: 1, maxKeys: 4 },
    )
    .map(tags => ({ ...tags }))
  const PROSE = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
    .filter(text => !/\r|\\/.test(text))
  const MESSAGE = PROSE.filter(text => !/[\u0000-\u0009\u000b-\u001f\u007f|]/.test(text))
  const event = fc
    .tuple(
      PROSE,
      PROSE,
      fc.record(
        {
          hostname: FIELD,
          priority: FIELD,
          alert_type: FIELD,
          aggregation_key: FIELD,
          source_type_name: FIELD,
          container: FIELD,
          tags: TAGS,
        },
        OPTIONAL,
      ),
    )
    .map(([title, text, more]) => ({ source: 'statsd.event', data: { title, text, ...more } }))
  const check = fc
    .tuple(
      FIELD,
      fc.constantFrom(0, 1, 2, 3),
      fc.record({ hostname: FIELD, message: MESSAGE, container: FIELD, tags: TAGS }, OPTIONAL),
    )
    .map(([name, status, more]) => ({
      source: 'statsd.service_check',
      data: { name, status, ...more },
    }))
  fc.assert(
    fc.property(fc.oneof(event, check), partial => {
      const record: JsonObject = { sourcetype: 'statsd', _time: NOW, ...partial } as JsonObject
      const { lines } = encode([record], 'dogstatsd', 100_000)
      readDatagram(Buffer.from(lines.join('\n')), 100_000)
      const { records, rejects } = parse(lines.join('\n'))
      assert.deepStrictEqual(rejects, [])
      assert.deepStrictEqual(records, [record])
    }),
  )
  t.pass('it held')
})

t.test('nothing in a record can break out of its place', async t => {
  const evil = 'x\n|#,:@y\u0000\r'
  fc.assert(
    fc.property(
      fc.oneof(fc.constant(evil), fc.string({ unit: 'binary' })),
      fc.string(),
      fc.constantFrom('counter', 'set', 'timer'),
      (text, other, type) => {
        const record = {
          _metric: `m${text}`,
          _metric_type: type,
          _value: type === 'set' ? `v${other}` : 1,
          [`k${other}`]: text,
          _container: `c${text}`,
          _time: NOW,
        }
        const { lines } = encode([record])
        assert.equal(lines.length, 1)
        assert.equal(readDatagram(Buffer.from(lines.join('\n')), 1432).length, 1)
        for (const dialect of ['statsd', 'graphite'] as const) {
          const plain = encode([record], dialect).lines
          assert.equal(plain.length, 1)
          assert.match(plain[0] as string, /^[^\s:|#,@]+:[^\s:|#,@]+\|(c|s|ms)$/)
        }
      },
    ),
  )
  const event = {
    source: 'statsd.event',
    data: { title: `t${evil}`, text: evil, hostname: evil, tags: { [evil]: evil } },
    _time: NOW,
  }
  t.equal(readDatagram(Buffer.from(encode([event]).lines.join('\n')), 1432).length, 1)
  const check = { source: 'statsd.service_check', data: { name: evil, status: 1, message: evil } }
  t.equal(readDatagram(Buffer.from(encode([check as JsonObject]).lines.join('\n')), 1432).length, 1)
  t.same(encode([{ _metric: '_e{1', _metric_type: 'counter', _value: 1 }]).lines, ['_e_1:1|c'])
})

t.test('each dialect says what it can', async t => {
  const records: JsonObject[] = [
    { _metric: 'a b', _metric_type: 'counter', _value: 4, host: 'h;1', hot: true, empty: '' },
    { _metric: 'd', _metric_type: 'distribution', _values: [1, 2], _rate: 0.5, k: ['x', 'y'] },
    { _metric: 'h', _metric_type: 'histogram', _value: 1e-7, _rate: 1e-7 },
    { _metric: 'g', _metric_type: 'gauge', _value: -5 },
    { _metric: 'g', _metric_type: 'gauge', _value: 5, _relative: true },
    { _metric: 's', _metric_type: 'set', _values: ['a:b', 'c|d'] },
    { _metric: 'c', _metric_type: 'counter', _value: 1, _timestamped: true, _time: NOW + 0.5 },
    { source: 'statsd.event', data: { title: 't', text: '' }, _time: NOW },
  ]
  t.same(encode(records).lines, [
    'a b:4|c|#host:h;1,hot,empty:',
    'd:1:2|d|@0.5|#k:x,k:y',
    'h:1e-7|h|@0.0000001',
    'g:-5|g',
    'g:+5|g',
    's:a:b|s',
    's:c_d|s',
    'c:1|c|T1800000000',
    '_e{1,0}:t||d:1800000000',
  ])
  const plain = encode(records, 'statsd')
  t.same(plain.lines, [
    'a_b:4|c',
    'd:1|ms|@0.5',
    'd:2|ms|@0.5',
    'h:1e-7|ms|@0.0000001',
    'g:0|g',
    'g:-5|g',
    'g:+5|g',
    's:a_b|s',
    's:c_d|s',
    'c:1|c',
  ])
  t.same(plain.refusals, ['not_in_dialect'])
  t.equal(plain.leftOut, 1)
  t.same(encode(records, 'graphite').lines.slice(0, 3), [
    'a_b;host=h_1;hot=true;empty=_:4|c',
    'd;k=x_y:1|ms|@0.5',
    'd;k=x_y:2|ms|@0.5',
  ])
})

t.test('prefix and extra tags go on every line', async t => {
  const encoder = new StatsdEncoder({
    dialect: 'dogstatsd',
    prefix: 'edge.',
    tags: ['env:prod', 'x'],
    maxBytes: 1432,
  })
  const lines: string[] = []
  encoder.encode({ _metric: 'a', _metric_type: 'counter', _value: 1, k: 'v' }, lines)
  encoder.encode({ source: 'statsd.event', data: { title: 't', text: 'x' } }, lines)
  t.same(lines, ['edge.a:1|c|#k:v,env:prod,x', '_e{1,1}:t|x|#env:prod,x'])
})

t.test('records that are no metrics, and values that are no numbers, never leave', async t => {
  const records: JsonObject[] = [
    { message: 'hello' },
    { _metric: 'a', _metric_type: 'counter' },
    { _metric: 'a', _metric_type: 'summary', _value: 1 },
    { _metric: '', _metric_type: 'counter', _value: 1 },
    { _metric: 'a', _metric_type: 'counter', _value: null },
    { _metric: 'a', _metric_type: 'counter', _value: '1' },
    { _metric: 'a', _metric_type: 'gauge', _value: Number.NaN },
    { _metric: 'a', _metric_type: 'gauge', _value: Number.POSITIVE_INFINITY },
    { _metric: 'a', _metric_type: 'timer', _values: [] },
    { _metric: 'a', _metric_type: 'set', _value: '' },
    { source: 'statsd.event', data: { text: 'no title' } },
    { source: 'statsd.service_check', data: { name: 'n', status: 9 } },
  ]
  const { lines, refusals } = encode(records)
  t.same(lines, [])
  t.same(refusals, [
    'not_a_metric',
    'not_a_metric',
    'not_a_metric',
    'invalid_name',
    'invalid_value',
    'invalid_value',
    'invalid_value',
    'invalid_value',
    'invalid_value',
    'invalid_value',
    'invalid_name',
    'invalid_name',
  ])
  const part = encode([{ _metric: 'a', _metric_type: 'timer', _values: [1, Number.NaN, 2] }])
  t.same(part.lines, ['a:1:2|ms'])
  t.same(part.refusals, ['invalid_value'])
})

t.test(
  'packed values are split over lines that fit, and a line that never fits is refused',
  async t => {
    const values = Array.from({ length: 1000 }, (_, i) => i * 1.25)
    const { lines, refusals } = encode(
      [{ _metric: 'a', _metric_type: 'distribution', _values: values, k: 'ü'.repeat(50) }],
      'dogstatsd',
      300,
    )
    t.same(refusals, [])
    const read = lines.flatMap(line => {
      const [metric] = readDatagram(Buffer.from(line), 300)
      return metric?.kind === 'metric' ? metric.values.map(Number) : []
    })
    t.same(read, values)
    t.ok(lines.length < 40)

    const long = encode([{ _metric: 'a', _metric_type: 'counter', _value: 1, k: 'ü'.repeat(800) }])
    t.same(long, { lines: [], refusals: ['too_long'], leftOut: 0 })
  },
)

t.test('lines are packed into payloads to the byte', async t => {
  const lines = ['aaaa', 'üü', 'cccc', 'd']
  t.same(packLines(lines, 9, 'between').map(String), ['aaaa\nüü', 'cccc\nd'])
  t.same(packLines(lines, 10, 'each').map(String), ['aaaa\nüü\n', 'cccc\nd\n'])
  for (const size of [5, 6, 9, 10, 11, 100])
    for (const ending of ['each', 'between'] as const) {
      const payloads = packLines(lines, size, ending)
      for (const payload of payloads) t.ok(payload.length <= size, `${payload.length} <= ${size}`)
      const text = payloads.map(String).join(ending === 'each' ? '' : '\n')
      t.equal(text.trimEnd(), lines.join('\n'))
    }
  t.same(packLines([], 10, 'each'), [])
})
