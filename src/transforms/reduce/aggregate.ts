/**
 * The aggregates of reduce, written as calls: `count()`, `sum(data.bytes)`, `quantile(data.ms, 0.99)`.
 * What is inside the brackets is a CEL expression over each event; an event for which it has no
 * fitting value does not contribute.
 */
import { LogCollapsingLowestDenseDDSketch } from '@datadog/sketches-js'
import { z } from 'zod'
import { nearest } from '../../component/nearest.ts'
import { compile } from '../../expression/compile.ts'
import { ExpressionError } from '../../expression/error.ts'
import { readingExpression } from '../../expression/option.ts'
import { type Node, parse } from '../../expression/parse.ts'
import { type Expression, expressionOf, predicateOf } from '../../expression/predicate.ts'
import type { JsonObject, JsonValue } from '../../record/json.ts'
import { UniqueCount } from './unique.ts'

/** What one aggregate has gathered from one group. */
export interface Accumulator {
  add(record: JsonObject): void
  /** Undefined when no event contributed and the aggregate has no value of nothing. */
  result(): JsonValue | undefined
}

export interface Aggregate {
  readonly source: string
  /** A fresh one, for a new group. */
  start(): Accumulator
}

/** An option that holds an aggregate. */
export function aggregate() {
  return z
    .string()
    .transform(readingExpression<Aggregate>(parseAggregate))
    .meta({ unit: 'aggregate', examples: ['count()', 'quantile(data.duration, 0.99)'] })
}

interface Kind {
  readonly usage: string
  /** Fewest and most arguments. */
  readonly arity: readonly [number, number]
  /** Makes the accumulators, from the text and the arguments as parsed. */
  read(source: string, args: readonly Node[]): () => Accumulator
}

/** Reads an aggregate. Throws ExpressionError. */
export function parseAggregate(source: string): Aggregate {
  const ast = parse(source)
  if (ast.op !== 'call') {
    throw new ExpressionError(
      'an aggregate is one call, such as count() or sum(data.bytes)',
      ast.start,
      Math.max(ast.end - ast.start, 1),
    )
  }
  const [name, args] = ast.args
  const kind = KINDS.get(name)
  if (!kind) {
    const meant = KINDS.get(nearest(name, KINDS.keys()) ?? '')
    const hint = meant
      ? `did you mean ${meant.usage}?`
      : `write one of ${[...KINDS.keys()].join(', ')}`
    throw new ExpressionError(`there is no aggregate "${name}"; ${hint}`, ast.start, name.length)
  }
  if (args.length < kind.arity[0] || args.length > kind.arity[1]) {
    throw new ExpressionError(
      `${name}: wrong number of arguments; write ${kind.usage}`,
      ast.start,
      name.length,
    )
  }
  return { source, start: kind.read(source, args) }
}

/** A kind that looks at one expression of each event. */
function of(name: string, start: (expression: Expression) => Accumulator): readonly [string, Kind] {
  return [
    name,
    {
      usage: `${name}(expression)`,
      arity: [1, 1],
      read(source, [node]) {
        const expression = expressionOf(compile(source, node as Node))
        return () => start(expression)
      },
    },
  ]
}

/** An accumulator of the numbers that an expression gives. */
function numbers(
  expression: Expression,
  add: (value: number) => void,
  result: () => JsonValue | undefined,
): Accumulator {
  return {
    add(record) {
      const value = expression.evaluate(record)
      if (typeof value === 'number') add(value)
    },
    result,
  }
}

const count: Kind = {
  usage: 'count() or count(condition)',
  arity: [0, 1],
  read(source, [node]) {
    const where = node && predicateOf(compile(source, node))
    return () => {
      let n = 0
      return {
        add(record) {
          if (!where || where.matches(record)) n++
        },
        result: () => n,
      }
    }
  },
}

/** 1 % of the value, and at most some 16 KiB for each group: the smallest values blur first. */
const SKETCH = { relativeAccuracy: 0.01, binLimit: 2048 }

const quantile: Kind = {
  usage: 'quantile(expression, 0.99)',
  arity: [2, 2],
  read(source, [node, level]) {
    const expression = expressionOf(compile(source, node as Node))
    const code = compile(source, level as Node)
    const q = code.constant ? code.run({}) : undefined
    if (typeof q !== 'number' || !(q >= 0 && q <= 1)) {
      const { start, end } = level as Node
      throw new ExpressionError(
        'the quantile must be a number from 0 to 1, such as 0.99',
        start,
        Math.max(end - start, 1),
      )
    }
    return () => {
      const sketch = new LogCollapsingLowestDenseDDSketch(SKETCH)
      return numbers(
        expression,
        value => sketch.accept(value),
        () => {
          if (sketch.count === 0) return undefined
          return Math.min(Math.max(sketch.getValueAtQuantile(q), sketch.min), sketch.max)
        },
      )
    }
  },
}

const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['count', count],
  of('sum', expression => {
    let sum = 0
    return numbers(
      expression,
      value => {
        sum += value
      },
      () => sum,
    )
  }),
  of('min', expression => {
    let least: number | undefined
    return numbers(
      expression,
      value => {
        if (least === undefined || value < least) least = value
      },
      () => least,
    )
  }),
  of('max', expression => {
    let most: number | undefined
    return numbers(
      expression,
      value => {
        if (most === undefined || value > most) most = value
      },
      () => most,
    )
  }),
  of('mean', expression => {
    let sum = 0
    let n = 0
    return numbers(
      expression,
      value => {
        sum += value
        n++
      },
      () => (n > 0 ? sum / n : undefined),
    )
  }),
  of('first', expression => {
    let first: JsonValue | undefined
    return {
      add(record) {
        if (first === undefined) first = expression.evaluate(record)
      },
      result: () => first,
    }
  }),
  of('last', expression => {
    let last: JsonValue | undefined
    return {
      add(record) {
        last = expression.evaluate(record) ?? last
      },
      result: () => last,
    }
  }),
  ['quantile', quantile],
  of('unique', expression => {
    const values = new UniqueCount()
    return {
      add(record) {
        const value = expression.evaluate(record)
        if (value !== undefined) values.add(value)
      },
      result: () => values.count(),
    }
  }),
])
