import fc from 'fast-check'
import t from 'tap'
import { type Edit, editLine, mapStrings } from '../../src/record/edit.ts'
import { isObject, type JsonObject, type JsonValue } from '../../src/record/json.ts'
import { valueTextAt } from '../../src/record/json-text.ts'
import { type Path, parsePath, valueAt } from '../../src/record/path.ts'

const set = (path: string, value: JsonValue): Edit => ({ op: 'set', path: parsePath(path), value })
const remove = (path: string): Edit => ({ op: 'remove', path: parsePath(path) })
const rename = (path: string, to: string): Edit => ({
  op: 'rename',
  path: parsePath(path),
  to: parsePath(to),
})

const CASES: [name: string, text: string, edits: Edit[], expected: string][] = [
  ['a value is replaced', '{"a":1,"b":2}', [set('a', 'x')], '{"a":"x","b":2}'],
  ['a member is added at the end', '{"a":1}', [set('b', 2)], '{"a":1,"b":2}'],
  ['a member is added to nothing', '{ }', [set('b', 2)], '{"b":2 }'],
  ['the way to it is made', '{"a":1}', [set('x.y[0].z', 2)], '{"a":1,"x":{"y":[{"z":2}]}}'],
  ['what is in the way is replaced', '{"a":[1]}', [set('a.b', 2)], '{"a":{"b":2}}'],
  ['two additions meet', '{}', [set('a.b', 1), set('a.c', 2)], '{"a":{"b":1,"c":2}}'],
  ['a later edit sees an earlier one', '{}', [set('a', 1), rename('a', 'b')], '{"b":1}'],
  ['an element is replaced', '{"a":[1,2]}', [set('a[1]', 3)], '{"a":[1,3]}'],
  ['an element is appended', '{"a":[1,2]}', [set('a[2]', 3)], '{"a":[1,2,3]}'],
  ['an array gets no holes', '{"a":[1,2]}', [set('a[9]', 3)], '{"a":[1,2]}'],
  ['the record is not an array', '{"a":1}', [set('[0]', 3), remove('[0]')], '{"a":1}'],
  [
    'numbers keep their form',
    '{"n":9007199254740993,"f":1.0,"e":1E2}',
    [set('f', 2)],
    '{"n":9007199254740993,"f":2,"e":1E2}',
  ],
  ['the first member goes', '{ "a":1, "b":2 }', [remove('a')], '{ "b":2 }'],
  ['the last member goes', '{"a":1, "b":2 }', [remove('b')], '{"a":1 }'],
  ['the only member goes', '{ "a":1 }', [remove('a')], '{  }'],
  ['all members go', '{"a":1,"b":{},"c":[]}', [remove('a'), remove('c'), remove('b')], '{}'],
  ['one goes and one comes', '{"a":1}', [remove('a'), set('b', 2)], '{"b":2}'],
  ['elements move up', '{"a":[1,2,3]}', [remove('a[0]'), remove('a[0]')], '{"a":[3]}'],
  ['a missing field is no matter', '{"a":1}', [remove('b.c'), rename('x', 'y')], '{"a":1}'],
  ['a key is renamed in its place', '{"a":1,"b":2}', [rename('a', 'z')], '{"z":1,"b":2}'],
  ['a renamed field replaces another', '{"a":1,"b":2}', [rename('a', 'b')], '{"b":1}'],
  ['a missing one replaces nothing', '{"b":2}', [rename('a', 'b')], '{"b":2}'],
  [
    'a field moves with its bytes',
    '{"a":{"b":1.50}}',
    [rename('a.b', 'c.d')],
    '{"a":{},"c":{"d":1.50}}',
  ],
  ['a field moves into itself', '{"a":1}', [rename('a', 'a.b')], '{"a":{"b":1}}'],
  ['a field takes its parent’s place', '{"a":{"b":1}}', [rename('a.b', 'a')], '{"a":1}'],
  [
    'two fields change places',
    '{"a":1,"b":2}',
    [rename('a', 't'), rename('b', 'a'), rename('t', 'b')],
    '{"b":1,"a":2}',
  ],
  ['an escaped key is the same key', '{"\\u0061":1}', [set('a', 2)], '{"\\u0061":2}'],
  ['an escaped key is removed', '{"b\\"":0,"\\u0061":1}', [remove('a')], '{"b\\"":0}'],
  ['a key with a backslash', '{"a\\n":1,"a\\\\n":2}', [remove('["a\\\\n"]')], '{"a\\n":1}'],
  ['set leaves one of duplicates', '{"a":1,"b":0,"a":2}', [set('a', 3)], '{"b":0,"a":3}'],
  ['remove takes all duplicates', '{"a":1,"b":0,"\\u0061":2}', [remove('a')], '{"b":0}'],
  [
    'remove looks into all duplicates',
    '{"a":{"x":1},"a":{"x":2,"y":1}}',
    [remove('a.x')],
    '{"a":{},"a":{"y":1}}',
  ],
  ['duplicates elsewhere stay', '{"d":1,"d":2,"a":1}', [set('a', 2)], '{"d":1,"d":2,"a":2}'],
  ['rename moves the last duplicate', '{"a":1,"b":0,"a":2}', [rename('a', 'c')], '{"b":0,"c":2}'],
  [
    'brackets in strings are text',
    '{"s":"}],{\\"a\\":1","a":2}',
    [remove('a')],
    '{"s":"}],{\\"a\\":1"}',
  ],
  [
    'a prototype is an ordinary key',
    '{"a":1}',
    [set('__proto__.x', 1)],
    '{"a":1,"__proto__":{"x":1}}',
  ],
]

t.test('edits of a line', async t => {
  for (const [name, text, edits, expected] of CASES) {
    t.equal(editLine(text, edits), expected, name)
    JSON.parse(expected)
  }
})

t.test('strings are mapped where they are wanted', async t => {
  const text = '{"a":"x","x":{"\\u0061":["x","\\u0078",{"x":"x"}],"n":1.0},"x2":"x"}'
  const upper = (value: string) => value.toUpperCase()
  t.equal(
    mapStrings(text, undefined, upper),
    '{"a":"X","x":{"\\u0061":["X","X",{"x":"X"}],"n":1.0},"x2":"X"}',
    'everywhere, but never in keys',
  )
  t.equal(
    mapStrings(text, [['x', 'a', 1], ['a']], upper),
    '{"a":"X","x":{"\\u0061":["x","X",{"x":"x"}],"n":1.0},"x2":"x"}',
    'at paths',
  )
  t.equal(
    mapStrings(text, [['x']], upper),
    '{"a":"x","x":{"\\u0061":["X","X",{"x":"X"}],"n":1.0},"x2":"x"}',
    'below a path',
  )
  t.equal(mapStrings(text, [['nowhere'], ['a', 'x']], upper), undefined)
  t.equal(mapStrings('{"a":"x","a":"x"}', [['a']], upper), '{"a":"X","a":"X"}', 'in all duplicates')
  const paths: Path[] = []
  mapStrings(text, undefined, (value, path) => {
    paths.push(path)
    return value
  })
  t.same(paths, [['a'], ['x', 'a', 0], ['x', 'a', 1], ['x', 'a', 2, 'x'], ['x2']])
})

t.test('hostile lines cost no stack and no quadratic time', async t => {
  const depth = 10_000
  const nested = `${'{"a":['.repeat(depth)}"x"${']}'.repeat(depth)}`
  const text = `{"a":1,"deep":${nested},"b":2}`
  t.equal(editLine(text, [set('b', 3)]), `{"a":1,"deep":${nested},"b":3}`)
  t.equal(editLine(text, [remove('deep')]), '{"a":1,"b":2}')
  t.equal(mapStrings(text, undefined, () => 'y')?.length, text.length)
  t.equal(mapStrings(text, [['deep']], () => 'y')?.length, text.length)

  const many = 200_000
  const duplicates = `{${'"a":{"b":"x"},'.repeat(many)}"z":0}`
  t.equal(editLine(duplicates, [remove('a')]), '{"z":0}')
  t.equal(editLine(duplicates, [set('a.b', 1), remove('z')]), '{"a":{"b":1}}')
  t.equal(editLine(duplicates, [remove('a.b')]), `{${'"a":{},'.repeat(many)}"z":0}`)
  const backslashes = `{"s":"${'\\\\'.repeat(500_000)}\\"","a":1}`
  t.equal(editLine(backslashes, [remove('s')]), '{"a":1}')
  const quotes = `{"s":"${'\\"'.repeat(500_000)}","a":1}`
  t.equal(editLine(quotes, [remove('s')]), '{"a":1}')
})

// Lines as a hostile sender writes them: duplicate keys, escapes, white space, odd numbers.
const KEYS = ['a', 'b', 'c', '\\u0061', '\\u0062', '__proto__', '', 'x\\"y']
const SPACE = fc.constantFrom('', '', '', ' ', '\t ')
const { value: VALUE, object: OBJECT } = fc.letrec<{
  value: string
  object: string
  array: string
}>(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom('1', '1.0', '-2E+5', '9007199254740993', 'true', 'null', '"\\u0041\\n"', '""'),
    fc.string({ maxLength: 6 }).map(text => JSON.stringify(text)),
    tie('object'),
    tie('array'),
  ),
  object: fc
    .array(fc.tuple(SPACE, fc.constantFrom(...KEYS), SPACE, tie('value'), SPACE), { maxLength: 5 })
    .map(
      members =>
        `{${members.map(([a, key, b, value, c]) => `${a}"${key}"${b}:${c}${value}${a}`).join(',')} }`,
    ),
  array: fc
    .array(fc.tuple(SPACE, tie('value'), SPACE), { maxLength: 4 })
    .map(elements => `[ ${elements.map(parts => parts.join('')).join(',')}]`),
}))

const PART = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'c', '__proto__', 'x"y') },
  { weight: 1, arbitrary: fc.nat(3) },
)
const PATH = fc
  .tuple(fc.constantFrom('a', 'b', 'c', 'd', '__proto__'), fc.array(PART, { maxLength: 3 }))
  .map(([first, rest]): Path => [first, ...rest])
const EDIT: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({
    op: fc.constant('set' as const),
    path: PATH,
    value: fc.constantFrom<JsonValue>(7, 'seven', null, { a: 1 }, [1]),
  }),
  fc.record({ op: fc.constant('remove' as const), path: PATH }),
  fc.record({ op: fc.constant('rename' as const), path: PATH, to: PATH }),
)

/** The same edits on an object, written as plainly as possible. */
function editObject(record: JsonObject, edits: readonly Edit[]): JsonObject {
  const root = structuredClone(record)
  for (const edit of edits) {
    if (edit.op === 'set') setAt(root, edit.path, edit.value)
    else if (edit.op === 'put') setAt(root, edit.path, JSON.parse(edit.text))
    else if (edit.op === 'remove') removeAt(root, edit.path)
    else {
      const value = valueAt(root, edit.path)
      if (value === undefined || JSON.stringify(edit.path) === JSON.stringify(edit.to)) continue
      const kept = structuredClone(value)
      removeAt(root, edit.path)
      setAt(root, edit.to, kept)
    }
  }
  return root
}

function removeAt(root: JsonObject, path: Path): void {
  const last = path.at(-1) as string | number
  const parent = path.length > 1 ? valueAt(root, path.slice(0, -1)) : root
  if (typeof last === 'number') {
    if (Array.isArray(parent)) parent.splice(last, 1)
  } else if (isObject(parent)) delete parent[last]
}

function setAt(root: JsonObject, path: Path, value: JsonValue): void {
  const made = withValue(root, path, structuredClone(value))
  if (made === undefined) return
  for (const key of Object.keys(root)) delete root[key]
  for (const [key, member] of Object.entries(made as JsonObject)) define(root, key, member)
}

function withValue(
  holder: JsonValue | undefined,
  path: Path,
  value: JsonValue,
): JsonValue | undefined {
  const [part, ...rest] = path
  if (part === undefined) return value
  if (typeof part === 'number') {
    const array = Array.isArray(holder) ? [...holder] : []
    if (part > array.length) return undefined
    const made = withValue(array[part], rest, value)
    if (made === undefined) return undefined
    array[part] = made
    return array
  }
  const object: JsonObject = {}
  if (isObject(holder))
    for (const [key, member] of Object.entries(holder)) define(object, key, member)
  const made = withValue(Object.hasOwn(object, part) ? object[part] : undefined, rest, value)
  if (made === undefined) return undefined
  define(object, part, made)
  return object
}

function define(object: JsonObject, key: string, value: JsonValue): void {
  Object.defineProperty(object, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  })
}

/** Objects with their keys in order, for comparison. */
function sorted(value: JsonValue): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  return Object.entries(value)
    .map(([key, member]) => [key, sorted(member)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(entry => ['member', ...entry])
}

t.test('editing the text and then parsing it equals parsing and then editing', async t => {
  fc.assert(
    fc.property(OBJECT, fc.array(EDIT, { minLength: 1, maxLength: 4 }), (text, edits) => {
      const edited = JSON.parse(editLine(text, edits)) as JsonObject
      const expected = editObject(JSON.parse(text) as JsonObject, edits)
      return JSON.stringify(sorted(edited)) === JSON.stringify(sorted(expected))
    }),
    { numRuns: 1500 },
  )
  t.pass()
})

t.test('the text at a path is what JSON.parse finds there', async t => {
  fc.assert(
    fc.property(OBJECT, PATH, (text, path) => {
      const raw = valueTextAt(text, path)
      const value = valueAt(JSON.parse(text) as JsonObject, path)
      return raw === undefined
        ? value === undefined
        : JSON.stringify(JSON.parse(raw)) === JSON.stringify(value)
    }),
    { numRuns: 1000 },
  )
  t.equal(valueTextAt('{"a":1,"a":[{"b" : 1.0}]}', ['a', 0, 'b']), '1.0')
})

t.test('members that no edit names keep their bytes', async t => {
  fc.assert(
    fc.property(VALUE, VALUE, fc.array(EDIT, { maxLength: 4 }), (one, two, edits) => {
      const text = `{"kept one": ${one} ,"a":{"b":1,"c":[]},"kept two":${two}}`
      const edited = editLine(text, edits)
      JSON.parse(edited)
      return edited.includes(`"kept one": ${one}`) && edited.includes(`"kept two":${two}`)
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('mapping the strings of a text equals mapping those of the object', async t => {
  const map = (value: JsonValue): JsonValue => {
    if (typeof value === 'string') return `${value}!`
    if (Array.isArray(value)) return value.map(map)
    if (!isObject(value)) return value
    const object: JsonObject = {}
    for (const [key, member] of Object.entries(value)) define(object, key, map(member))
    return object
  }
  fc.assert(
    fc.property(OBJECT, text => {
      const mapped = mapStrings(text, undefined, value => `${value}!`)
      return JSON.stringify(JSON.parse(mapped ?? text)) === JSON.stringify(map(JSON.parse(text)))
    }),
    { numRuns: 1000 },
  )
  t.pass()
})
