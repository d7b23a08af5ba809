/** Laws that hold for every expression, and the answers of the parser library's own evaluator. */
import { Environment } from '@marcbachmann/cel-js'
import fc from 'fast-check'
import t from 'tap'
import { compileExpression, compilePredicate } from '../../src/expression/predicate.ts'
import type { JsonObject } from '../../src/record/json.ts'
import { batchOf } from '../context.ts'
import { condition } from './conditions.ts'

const RECORD: JsonObject = { t: true, f: false, n: 3, s: 'text', l: [1, 2, 3], m: { k: 'v', n: 7 } }

/** An operand that is true, false, absent, or not a boolean, in several ways each. */
const operand = fc.constantFrom(
  ...['t', 'true', 'n > 2', '"k" in m', 'l.exists(x, x == 2)', 's == "text"'],
  ...['f', 'false', 'n > 5', 's == 3', 'l.all(x, x < 2)'],
  ...['absent', 'absent == 1', 'n < s', '!n', '1 / 0 == 1', 's', 'm.x.y'],
)

function value(text: string): unknown {
  const result = compileExpression(text).evaluate(RECORD)
  return typeof result === 'boolean' ? result : undefined
}

/** Kleene's three-valued logic. */
function and(a: unknown, b: unknown) {
  if (a === false || b === false) return false
  return a === true && b === true ? true : undefined
}

t.test('and, or and not follow the logic of three values', async () => {
  fc.assert(
    fc.property(operand, operand, operand, (a, b, c) => {
      const law = (left: unknown, right: unknown) => {
        if (left !== right) throw new Error(`${String(left)} is not ${String(right)}`)
      }
      law(value(`(${a}) && (${b})`), and(value(a), value(b)))
      law(value(`(${a}) && (${b})`), value(`(${b}) && (${a})`))
      law(value(`(${a}) || (${b})`), value(`(${b}) || (${a})`))
      law(value(`!((${a}) || (${b}))`), value(`!(${a}) && !(${b})`))
      law(value(`((${a}) && (${b})) && (${c})`), value(`(${a}) && ((${b}) && (${c}))`))
      law(value(`(${a}) || (${b}) || (${c})`), value(`(${c}) || (${a}) || (${b})`))
      law(value(`true || (${a})`), true)
      law(value(`(${a}) && false`), false)
    }),
    { numRuns: 500 },
  )
})

/** Lists of mixed types are an error there unless told otherwise; records have them. */
const environment = new Environment({
  unlistedVariablesAreDyn: true,
  homogeneousAggregateLiterals: false,
})

/** The record as that evaluator wants it, integers as BigInts. */
const THEIRS = { t: true, f: false, n: 3n, s: 'text', l: [1n, 2n, 3n], m: { k: 'v', n: 7n } }

t.test('conditions mean what the parser library takes them to mean', async t => {
  let decided = 0
  fc.assert(
    fc.property(condition, text => {
      let theirs: unknown
      try {
        theirs = environment.evaluate(text, THEIRS)
      } catch {
        theirs = undefined
      }
      const ours = value(text)
      if (theirs !== undefined) decided++
      if (ours !== theirs)
        throw new Error(`${text}: ours ${String(ours)}, theirs ${String(theirs)}`)
    }),
    { numRuns: 2000 },
  )
  t.ok(decided > 500, 'most of them had a value')
})

/** Records with the fields that the conditions read: there, absent, of another type, hard to read. */
const record = fc
  .record(
    {
      t: fc.constantFrom('true', 'false', 'null', '1', '"true"'),
      f: fc.constantFrom('false', 'true', '"f"'),
      n: fc.constantFrom('3', '3.0', '-0', '2.5', '9007199254740993', '"3"', 'null', '[3]'),
      s: fc.constantFrom('"text"', '"t\\u0065xt"', '"te"', '""', '"té\\ud83dxt"', '7', '{}'),
      l: fc.constantFrom('[1,2,3]', '[]', '[1.5,"x",null]', '[[1],{"x":2}]', '"l"', '{"x":1}'),
      m: fc.constantFrom('{"k":"v","n":7}', '{"n":1,"k":"ex","n":"7"}', '{}', '[7]', '"m"', 'null'),
    },
    { requiredKeys: [] },
  )
  .map(fields => `{${Object.entries(fields).map(([key, text]) => `"${key}": ${text}`)}}`)

t.test('conditions part a batch as they decide on its records one by one', async t => {
  let decided = 0
  const check = (text: string, lines: string[]) => {
    const decide = compilePredicate(text)
    const decisions = lines.map(line => decide.decide(JSON.parse(line) as JsonObject))
    const batch = batchOf(lines)
    const { rows, rest, missing } = compilePredicate(text).select(batch)
    const parted = lines.map((_, row) => (rows.includes(row) ? true : undefined))
    const over = compilePredicate(text).over(batch)
    const value = compileExpression(text).over(batch)
    for (const [row, decision] of decisions.entries()) {
      if (decision !== undefined) decided++
      const same =
        (parted[row] === true) === (decision === true) &&
        over(row) === decision &&
        (decision === undefined || value(row) === decision)
      if (!same) throw new Error(`${text} of ${lines[row]}: by record ${decision}`)
    }
    const undecided = decisions.filter(decision => decision === undefined).length
    if (missing !== undecided || rest.length !== lines.length - rows.length) {
      throw new Error(`${text}: ${missing} missing, ${undecided} by record`)
    }
  }
  const lines = fc.array(record, { minLength: 1, maxLength: 8 })
  fc.assert(fc.property(condition, lines, check), { numRuns: 2000 })
  const special = [
    ...['s == "text"', 's != "té"', '"text" == s', 's in ["te", "text"]', 's in []'],
    ...['n == 3', 'n != 3', 'n >= 2.5', '3 > n', 's.startsWith("te")', 's.startsWith("")'],
    ...['has(event.m)', 'has(m.k)', 'event.n == 3', 'event == {"n": 3}', 'm.k == "v"', 'l[0] == 1'],
    ...['s == "t\ud83d"', 's.startsWith("t\ud83d")', 't == true', 't == null', 'size(event) > 2'],
  ]
  fc.assert(fc.property(fc.constantFrom(...special), lines, check), { numRuns: 2000 })
  t.ok(decided > 5000, 'many of them had a value')
})
