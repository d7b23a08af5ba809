import t from 'tap'
import { z } from 'zod'
import { ExpressionError } from '../../src/expression/error.ts'
import { expression, predicate } from '../../src/expression/option.ts'
import { compileExpression, compilePredicate } from '../../src/expression/predicate.ts'

function errorOf(text: string, compile: (text: string) => unknown = compileExpression) {
  try {
    compile(text)
  } catch (error) {
    if (error instanceof ExpressionError) return error
    throw error
  }
  return undefined
}

/** The expression, its faulty part, and what the message must say. */
const FAULTS: readonly (readonly [string, string, RegExp])[] = [
  ['a = 1', '=', /write "==" to compare/],
  ['a and b', 'and', /write "&&"/],
  ['a & b', '&', /write "&&"/],
  ['a <> b', '>', /where a value should stand/],
  ['a contains "x"', 'contains', /write field\.contains\("text"\)/],
  ['a =~ "x"', '=', /matches/],
  ['@type == "x"', '@', /event\["@name"\]/],
  ['a == “x”', '“', /plain quotes/],
  ['a ==', '', /ends where a value should follow/],
  ['', '', /is empty/],
  ['(a', '', /expected "\)", but the expression ends here/],
  ['a."b"', '"b"', /expected a name/],
  ['"abc', '"abc', /unterminated string/],
  ['namespace == "x"', 'namespace', /write event\.namespace/],
  ['1e999', '1e999', /invalid number/],
  ['99999999999999999999 > 1', '99999999999999999999', /64 bits/],
  ['b"x" == a', 'b"x"', /no bytes/],
  [
    'a.startWith("x")',
    'startWith',
    /no function "\.startWith"; did you mean text\.startsWith\(prefix\)\?/,
  ],
  ['lenght(a)', 'lenght', /no function "lenght"$/],
  ['siz(a) > 1', 'siz', /did you mean size\(value\)/],
  ['a.exist(x, x)', 'exist', /did you mean list\.exists/],
  ['startsWith(a, "x")', 'startsWith', /write text\.startsWith\(prefix\)/],
  ['a.int()', 'int', /write int\(value\)/],
  ['a.startsWith()', 'startsWith', /wrong number of arguments; write text\.startsWith/],
  ['startsWith.startsWith("a", "b")', 'startsWith', /wrong number/],
  ['a.exists(x)', 'exists', /write list\.exists\(x, condition\)/],
  ['exists(a, x, x)', 'exists', /write list\.exists/],
  ['a.map(1, 2)', '1', /must be a plain name/],
  ['has(1)', '1', /takes a field/],
  ['has()', 'has', /write has\(field\)/],
  ['a.matches("x(") && b', '"x("', /is not a regular expression: missing closing \)/],
  ['a.matches("(?=x)")', '"(?=x)"', /not a regular expression/],
  ['cel.bind(x, 1, x)', 'bind', /no function/],
]

t.test('each mistake is explained where it stands', async t => {
  for (const [text, part, message] of FAULTS) {
    const error = errorOf(text)
    t.ok(error, `${text} is refused`)
    if (!error) continue
    t.match(error.message, message, text)
    t.notMatch(error.message, /\n/, 'the message is one line')
    if (part === '') t.equal(error.offset, text.length, `${text}: at the end`)
    else t.equal(text.slice(error.offset, error.offset + error.length), part, `${text}: the place`)
  }
})

t.test('the second of two equal names is the one that is pointed at', async t => {
  t.equal(errorOf('foo.foo()')?.offset, 4)
})

t.test('a condition that cannot be true or false is refused', async t => {
  for (const text of ['"x"', '1 + 2', 'size(a)', '[a]', 'a.map(x, x)', 'timestamp(a)']) {
    t.match(errorOf(text, compilePredicate)?.message, /a condition must be true or false/, text)
  }
  for (const text of ['a', 'a + b', 'a ? b : c', 'true'])
    t.notOk(errorOf(text, compilePredicate), text)
})

t.test('nesting and size of hostile expressions are bounded', async t => {
  const n = 100_000
  const hostile: Record<string, string> = {
    parentheses: '('.repeat(n),
    lists: `${'['.repeat(5000)}${']'.repeat(5000)}`,
    nots: `${'!'.repeat(60_000)}a`,
    'a few nots': `${'!'.repeat(500)}a`,
    minuses: `${'-'.repeat(60_000)}1`,
    plus: Array(5000).fill('a').join('+'),
    fields: `a${'.b'.repeat(5000)}`,
    indexes: `a${'[0]'.repeat(500)}`,
    calls: `a${'.trim()'.repeat(500)}`,
    conditionals: `${'a ? b : '.repeat(2000)}c`,
    macros: `${'a.all(x, '.repeat(500)}x${')'.repeat(500)}`,
    text: `"${'x'.repeat(n)}"`,
  }
  for (const [name, text] of Object.entries(hostile)) {
    t.match(errorOf(text)?.message, /nested more than 100 deep|characters long/, name)
  }
  t.ok(
    compilePredicate(Array(1000).fill('a == 1').join(' || ')).matches({ a: 1 }),
    'long chains are fine',
  )
  t.ok(compilePredicate('1 == 1').matches({}), 'the parser goes on after a bad text')
})

t.test('an option hands the place of a mistake on', async t => {
  const schema = z.strictObject({ where: predicate(), value: expression().optional() })
  t.equal(schema.parse({ where: 'a == 1' }).where.matches({ a: 1 }), true)
  t.equal(schema.parse({ where: 'true', value: 'a' }).value?.evaluate({ a: 1 }), 1)
  const result = schema.safeParse({ where: 'a == 1 && b.foo()' })
  const [issue] = result.error?.issues ?? []
  t.same(issue?.path, ['where'])
  t.match(issue?.message, /no function "\.foo"/)
  t.match(issue, { params: { offset: 12, length: 3 } })
})
