/** Laws that hold for every expression, and the answers of the parser library's own evaluator. */
import { Environment } from '@marcbachmann/cel-js'
import fc from 'fast-check'
import t from 'tap'
import { compileExpression } from '../../src/expression/predicate.ts'
import type { JsonObject } from '../../src/record/json.ts'

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

/** No division: a record's `n / 2` keeps its half here, while an int there loses it. */
const { condition } = fc.letrec<{ condition: string; text: string; number: string; list: string }>(
  tie => ({
    number: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom('n', 'm.n', 'l[0]', 'l[1]', 'absent', 'm.absent', '1', '3', '-2', '7'),
      fc.tuple(tie('text')).map(([a]) => `${a}.size()`),
      fc
        .tuple(tie('number'), fc.constantFrom('+', '-', '*', '%'), tie('number'))
        .map(([a, op, b]) => `(${a} ${op} ${b})`),
      fc
        .tuple(tie('condition'), tie('number'), tie('number'))
        .map(([c, a, b]) => `(${c} ? ${a} : ${b})`),
    ),
    text: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom('s', 'm.k', '"ex"', '"text"', '""', 'absent'),
      fc.tuple(tie('text'), tie('text')).map(([a, b]) => `(${a} + ${b})`),
      tie('text').map(a => `${a}.upperAscii()`),
      tie('text').map(a => `${a}.trim()`),
    ),
    list: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom('l', 'absent', '[3, 1]', '[7]'),
      fc.tuple(tie('number'), tie('number')).map(([a, b]) => `[${a}, ${b}]`),
      fc.tuple(tie('list'), tie('number')).map(([a, b]) => `${a}.filter(x, x > ${b})`),
      fc.tuple(tie('list'), tie('number')).map(([a, b]) => `${a}.map(x, x + ${b})`),
    ),
    condition: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom('t', 'f', 'absent', 'has(m.k)', 'has(m.absent)', 'true'),
      fc
        .tuple(tie('number'), fc.constantFrom('<', '<=', '>', '>=', '==', '!='), tie('number'))
        .map(([a, op, b]) => `${a} ${op} ${b}`),
      fc
        .tuple(tie('text'), fc.constantFrom('<', '==', '!='), tie('text'))
        .map(([a, op, b]) => `${a} ${op} ${b}`),
      fc
        .tuple(tie('text'), fc.constantFrom('contains', 'startsWith', 'endsWith'), tie('text'))
        .map(([a, name, b]) => `${a}.${name}(${b})`),
      fc.tuple(tie('number'), tie('list')).map(([a, b]) => `(${a} in ${b})`),
      fc
        .tuple(tie('list'), fc.constantFrom('exists', 'all', 'exists_one'), tie('condition'))
        .map(([a, name, b]) => `${a}.${name}(x, x > 1 && (${b}))`),
      fc
        .tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition'))
        .map(([a, op, b]) => `(${a}) ${op} (${b})`),
      tie('condition').map(a => `!(${a})`),
    ),
  }),
)

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
