/**
 * The macros: calls whose arguments are not values but parts that are worked out for each element,
 * or, for `has`, not worked out at all.
 */
import { type Code, fold, type Parts, type Run } from './code.ts'
import { ExpressionError } from './error.ts'
import type { Node } from './parse.ts'
import { isList, isMap, type Kind, type Value } from './value.ts'

export interface Macro {
  readonly usage: string
  /** Called on a collection, rather than with it. */
  readonly method: boolean
  /** How many arguments it takes. */
  readonly arguments: readonly number[]
  compile(parts: Parts, on: Node, args: readonly Node[]): Code
}

/** The elements of a list, or the keys of a map. */
function elements(value: Value | undefined): readonly Value[] | undefined {
  if (value === undefined) return undefined
  if (isList(value)) return value
  return isMap(value) ? Object.keys(value) : undefined
}

function variable(node: Node): string {
  if (node.op === 'id') return node.args
  throw new ExpressionError(
    'the first argument must be a plain name: the variable that each element is put into',
    node.start,
    Math.max(node.end - node.start, 1),
  )
}

/** A macro that goes over a collection with one part worked out for each element. */
function overEach(
  kind: Kind,
  body: (items: readonly Value[], test: (item: Value) => Value | undefined) => Value | undefined,
): Macro['compile'] {
  return (parts, on, [name, part]) => {
    const collection = parts.compile(on)
    const { code, set } = parts.within(variable(name as Node), part as Node)
    // Nothing that holds a variable is constant, so this is never folded.
    return fold([collection, { run: code.run }], kind, row => {
      const items = elements(collection.run(row))
      if (!items) return undefined
      return body(items, item => {
        set(item)
        return code.run(row)
      })
    })
  }
}

/** `exists` is decided by one true, `all` by one false; else one failure fails the whole. */
function quantifier(decisive: boolean): Macro['compile'] {
  return overEach('bool', (items, test) => {
    let result: boolean | undefined = !decisive
    for (const item of items) {
      const value = test(item)
      if (value === decisive) return decisive
      if (value !== !decisive) result = undefined
    }
    return result
  })
}

const existsOne = overEach('bool', (items, test) => {
  let found = 0
  for (const item of items) {
    const value = test(item)
    if (typeof value !== 'boolean') return undefined
    if (value) found++
  }
  return found === 1
})

const filter = overEach('list', (items, test) => {
  const kept: Value[] = []
  for (const item of items) {
    const value = test(item)
    if (typeof value !== 'boolean') return undefined
    if (value) kept.push(item)
  }
  return kept
})

const transform = overEach('list', (items, test) => {
  const results: Value[] = []
  for (const item of items) {
    const value = test(item)
    if (value === undefined) return undefined
    results.push(value)
  }
  return results
})

/** `list.map(x, result)` or `list.map(x, condition, result)`. */
const map: Macro['compile'] = (parts, on, args) => {
  if (args.length === 2) return transform(parts, on, args)
  const [name, condition, result] = args as readonly [Node, Node, Node]
  const collection = parts.compile(on)
  const test = parts.within(variable(name), condition)
  const make = parts.within(variable(name), result)
  return {
    kind: 'list',
    run: row => {
      const items = elements(collection.run(row))
      if (!items) return undefined
      const results: Value[] = []
      for (const item of items) {
        test.set(item)
        const holds = test.code.run(row)
        if (typeof holds !== 'boolean') return undefined
        if (!holds) continue
        make.set(item)
        const value = make.code.run(row)
        if (value === undefined) return undefined
        results.push(value)
      }
      return results
    },
  }
}

/** True when the field is there, whatever stands around it; never fails. */
const has: Macro['compile'] = (parts, field) => {
  if (field.op !== '.' && field.op !== '[]' && field.op !== 'id') {
    throw new ExpressionError(
      'has: takes a field, as in has(data.http_target)',
      field.start,
      Math.max(field.end - field.start, 1),
    )
  }
  const { cell, run } = parts.compile(field)
  const present: Run = cell ? row => cell.column.has(row) : row => run(row) !== undefined
  return { run: present, kind: 'bool' }
}

/** All macros by name. */
export const MACROS: ReadonlyMap<string, Macro> = new Map<string, Macro>([
  ['has', { usage: 'has(field)', method: false, arguments: [1], compile: has }],
  [
    'all',
    { usage: 'list.all(x, condition)', method: true, arguments: [2], compile: quantifier(false) },
  ],
  [
    'exists',
    { usage: 'list.exists(x, condition)', method: true, arguments: [2], compile: quantifier(true) },
  ],
  [
    'exists_one',
    { usage: 'list.exists_one(x, condition)', method: true, arguments: [2], compile: existsOne },
  ],
  ['filter', { usage: 'list.filter(x, condition)', method: true, arguments: [2], compile: filter }],
  ['map', { usage: 'list.map(x, result)', method: true, arguments: [2, 3], compile: map }],
])
