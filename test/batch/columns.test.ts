/** Columns, groups and assembled blocks against what records and plain strings say. */
import fc from 'fast-check'
import t from 'tap'
import { assemble } from '../../src/batch/assemble.ts'
import { Batch, indexLines } from '../../src/batch/batch.ts'
import { Fields, needleOf, RecordColumn, SpanColumn } from '../../src/batch/columns.ts'
import { engine } from '../../src/batch/engine.ts'
import { Grouping } from '../../src/batch/grouping.ts'
import { Lease } from '../../src/batch/lease.ts'
import type { JsonObject } from '../../src/record/json.ts'
import { batchOf } from '../context.ts'
import { PATHS } from '../native/differential.ts'
import { hostileObject } from '../native/lines.ts'

const skip = engine === undefined && 'this checkout has no native engine'
const lines = fc.array(hostileObject, { minLength: 1, maxLength: 12 })

/** The same lines with their records at hand, so that nothing has to be fetched from the text. */
function parsed(texts: readonly string[]): Batch {
  const bytes = Buffer.from(`${texts.join('\n')}\n`)
  const records = texts.map(text => JSON.parse(text) as JsonObject)
  return new Batch(bytes, indexLines(bytes), { source: 'test' }, Lease.none(), records)
}

t.test('columns from the text answer as columns from records do', { skip }, async t => {
  const fields = new Fields(PATHS)
  const needles = ['', 'a', 'é', '😀', '\ud83d', '\ufffd', '/', 'text'].map(needleOf)
  fc.assert(
    fc.property(lines, texts => {
      const native = batchOf(texts).columns(fields)
      const plain = parsed(texts).columns(fields)
      for (const [i, path] of PATHS.entries()) {
        const [a, b] = [native[i], plain[i]]
        if (!(a instanceof SpanColumn && b instanceof RecordColumn))
          throw new Error('which columns')
        for (const row of texts.keys()) {
          const value = b.value(row)
          // What a value starts with, for needles that hit.
          const own = typeof value === 'string' ? [value, value.slice(0, 2)].map(needleOf) : []
          const same =
            JSON.stringify(a.value(row)) === JSON.stringify(value) &&
            Object.is(a.number(row), b.number(row)) &&
            a.has(row) === b.has(row) &&
            [...needles, ...own].every(
              needle =>
                a.equals(row, needle) === b.equals(row, needle) &&
                a.startsWith(row, needle) === b.startsWith(row, needle),
            )
          if (!same) throw new Error(`${JSON.stringify(path)} of ${texts[row]}`)
        }
      }
    }),
    { numRuns: 300 },
  )
  t.pass('no difference')
})

t.test('an empty path is the whole record, beside other fields', async t => {
  const columns = batchOf(['{"a":1}', '{}']).columns(new Fields([[], ['a']]))
  t.same(columns[0]?.value(0), { a: 1 })
  t.equal(columns[1]?.value(0), 1)
  t.equal(columns[1]?.value(1), undefined)
  t.same(batchOf(['{}']).columns(new Fields([])), [])
  const long = new Array(2000).fill('a')
  t.equal(
    batchOf(['{"a":{}}'])
      .columns(new Fields([long]))[0]
      ?.value(0),
    undefined,
  )
})

t.test('a selection and a batch under another lease give their own rows', async t => {
  const fields = new Fields([['n']])
  const batch = batchOf(['{"n":0}', '{"n":1}', '{"n":2}'])
  const values = (of: Batch) =>
    Array.from({ length: of.count }, (_, row) => of.columns(fields)[0]?.value(row))
  t.same(values(batch), [0, 1, 2])
  t.same(values(batch.select([2, 0])), [2, 0])
  t.same(values(batch.select([2, 0]).to('x').under(Lease.none())), [2, 0])
  t.same(values(batch.replace([undefined, '{"n":7}', undefined])), [0, 7, 2])
  t.same(values(batch), [0, 1, 2])
})

t.test('groups by columns have the keys and fields of groups by records', async t => {
  const paths = [['a'], ['b', 'a'], ['c']]
  const known = new Grouping(paths)
  fc.assert(
    fc.property(lines, texts => {
      const fresh = new Grouping(paths)
      // Twice, so that keys are found by their bytes; and with one that has seen all before.
      for (const grouping of [known, known, new Grouping(paths)]) {
        fresh.of(parsed(texts))
        grouping.of(batchOf(texts))
        for (const row of texts.keys()) {
          const same =
            grouping.key(row) === fresh.key(row) &&
            grouping.absent(row) === fresh.absent(row) &&
            JSON.stringify(grouping.summary(row)) === JSON.stringify(fresh.summary(row))
          if (!same) throw new Error(`${texts[row]}: ${grouping.key(row)}, ${fresh.key(row)}`)
        }
      }
    }),
    { numRuns: 200 },
  )
  const keysOf = (...texts: string[]) => {
    const grouping = new Grouping([['a'], ['b']])
    grouping.of(batchOf(texts))
    return new Set(texts.map((_, row) => grouping.key(row))).size
  }
  t.equal(keysOf('{"a":1}', '{"a":1.0}', '{"a":1e0,"b":2,"a":1}'), 2, 'by value, not by bytes')
  t.equal(keysOf('{"a":"x"}', '{"a":"\\u0078"}', '{"\\u0061":"x"}'), 1)
  t.equal(keysOf('{"a":"1"}', '{"a":1}', '{"a":"true"}', '{"a":true}', '{"a":null}', '{}'), 6)
  t.equal(keysOf('{"a":"xy","b":"z"}', '{"a":"x","b":"yz"}', '{"a":"xyz"}', '{"b":"xyz"}'), 4)
  const long = 'x'.repeat(300)
  t.equal(keysOf(`{"a":"${long}"}`, `{"a":"${long}"}`, `{"a":"${long}y"}`), 2)
})

t.test('assembled blocks hold the lines as told, wherever they lay', async t => {
  const line = fc.string({ unit: 'grapheme', maxLength: 12 }).map(text => text.replace(/\n/g, ' '))
  const edit = fc.record({
    from: fc.nat(12),
    length: fc.nat(4),
    text: fc.constantFrom('', 'é', 'xyz'),
  })
  fc.assert(
    fc.property(
      fc.array(line, { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat(7), { maxLength: 10 }),
      fc.array(fc.array(edit, { maxLength: 2 }), { maxLength: 10 }),
      (texts, chosen, edits) => {
        const bytes = Buffer.from(texts.join('\n'))
        const all = texts.map(text => Buffer.from(text))
        const starts = all.map((_, i) =>
          all.slice(0, i).reduce((sum, { length }) => sum + length + 1, 0),
        )
        const rows = chosen.map(n => n % texts.length)
        const offsets = rows.flatMap(n => {
          const start = starts[n] as number
          return [start, start + (all[n] as Buffer).length]
        })
        const expected: Buffer[] = []
        const patches: { row: number; start: number; end: number; text: string }[] = []
        for (const [row, n] of rows.entries()) {
          const text = all[n] as Buffer
          let at = 0
          for (const { from, length, text: fresh } of edits[row] ?? []) {
            const start = Math.min(at + from, text.length)
            const end = Math.min(start + length, text.length)
            expected.push(text.subarray(at, start), Buffer.from(fresh))
            const base = starts[n] as number
            patches.push({ row, start: base + start, end: base + end, text: fresh })
            at = end
          }
          expected.push(text.subarray(at), Buffer.from('\n'))
        }
        const made = assemble(bytes, Uint32Array.from(offsets), patches)
        if (!made.bytes.equals(Buffer.concat(expected))) throw new Error(made.bytes.toString())
        let newlines = 0
        for (let i = 0; i < made.lines.length; i += 2) {
          if (made.bytes[made.lines[i + 1] as number] === 10) newlines++
        }
        return newlines === rows.length && made.lines.length === offsets.length
      },
    ),
    { numRuns: 2000 },
  )
  t.pass('as told')
})
