/**
 * The aggregates of reduce, written as calls: `count()`, `sum(data.bytes)`, `quantile(data.ms, 0.99)`.
 * What is inside the brackets is a CEL expression over each event; an event for which it has no
 * fitting value does not contribute. An aggregate reads it once for each event, and the accumulator
 * of the event's group takes it.
 */
import { LogCollapsingLowestDenseDDSketch } from '@datadog/sketches-js'
import { z } from 'zod'
import type { Batch } from '../../batch/batch.ts'
import { nearest } from '../../component/nearest.ts'
import { compile } from '../../expression/compile.ts'
import { ExpressionError } from '../../expression/error.ts'
import { readingExpression } from '../../expression/option.ts'
import { type Node, parse } from '../../expression/parse.ts'
import { expressionOf, predicateOf } from '../../expression/predicate.ts'
import type { JsonValue } from '../../record/json.ts'
import type { Path } from '../../record/path.ts'
import { UniqueCount } from './unique.ts'

/** What one aggregate has gathered from one group. */
export interface Accumulator {
  /** Takes what the aggregate read of an event. */
  add(value: JsonValue | undefined): void
  /** Undefined when no event contributed and the aggregate has no value of nothing. */
  result(): JsonValue | undefined
}

export interface Aggregate {
  readonly source: string
  /** The fields that it reads. */
  readonly paths: readonly Path[]
  /** What it reads of each row of a batch; good until the next batch. */
  over(batch: Batch): (row: number) => JsonValue | undefined
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
  /** From the text and the arguments as parsed. */
  read(source: string, args: readonly Node[]): Omit<Aggregate, 'source'>
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
  return { source, ...kind.read(source, args) }
}

/** A kind that looks at one expression of each event. */
function of(name: string, start: () => Accumulator): readonly [string, Kind] {
  return [
    name,
    {
      usage: `${name}(expression)`,
      arity: [1, 1],
      read(source, [node]) {
        const { paths, over } = expressionOf(compile(source, node as Node))
        return { paths, over, start }
      },
    },
  ]
}

/** An accumulator of numbers; other values do not contribute. */
function numbers(add: (value: number) => void, result: () => JsonValue | undefined): Accumulator {
  return {
    add(value) {
      if (typeof value === 'number') add(value)
    },
    result,
  }
}

const every = () => true

const count: Kind = {
  usage: 'count() or count(condition)',
  arity: [0, 1],
  read(source, [node]) {
    const { paths, over } = node
      ? predicateOf(compile(source, node))
      : { paths: [], over: () => every }
    const start = () => {
      let n = 0
      return {
        add(holds: JsonValue | undefined) {
          if (holds === true) n++
        },
        result: () => n,
      }
    }
    return { paths, over, start }
  },
}

/** 1 % of the value, and at most some 16 KiB for each group: the smallest values blur first. */
const SKETCH = { relativeAccuracy: 0.01, binLimit: 2048 }

const quantile: Kind = {
  usage: 'quantile(expression, 0.99)',
  arity: [2, 2],
  read(source, [node, level]) {
    const { paths, over } = expressionOf(compile(source, node as Node))
    const code = compile(source, level as Node)
    const q = code.constant ? code.run(0) : undefined
    if (typeof q !== 'number' || !(q >= 0 && q <= 1)) {
      const { start, end } = level as Node
      throw new ExpressionError(
        'the quantile must be a number from 0 to 1, such as 0.99',
        start,
        Math.max(end - start, 1),
      )
    }
    const start = () => {
      const sketch = new LogCollapsingLowestDenseDDSketch(SKETCH)
      return numbers(
        value => sketch.accept(value),
        () => {
          if (sketch.count === 0) return undefined
          return Math.min(Math.max(sketch.getValueAtQuantile(q), sketch.min), sketch.max)
        },
      )
    }
    return { paths, over, start }
  },
}

const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['count', count],
  of('sum', () => {
    let sum = 0
    return numbers(
      value => {
        sum += value
      },
      () => sum,
    )
  }),
  of('min', () => {
    let least: number | undefined
    return numbers(
      value => {
        if (least === undefined || value < least) least = value
      },
      () => least,
    )
  }),
  of('max', () => {
    let most: number | undefined
    return numbers(
      value => {
        if (most === undefined || value > most) most = value
      },
      () => most,
    )
  }),
  of('mean', () => {
    let sum = 0
    let n = 0
    return numbers(
      value => {
        sum += value
        n++
      },
      () => (n > 0 ? sum / n : undefined),
    )
  }),
  of('first', () => {
    let first: JsonValue | undefined
    return {
      add(value) {
        if (first === undefined) first = value
      },
      result: () => first,
    }
  }),
  of('last', () => {
    let last: JsonValue | undefined
    return {
      add(value) {
        last = value ?? last
      },
      result: () => last,
    }
  }),
  ['quantile', quantile],
  of('unique', () => {
    const values = new UniqueCount()
    return {
      add(value) {
        if (value !== undefined) values.add(value)
      },
      result: () => values.count(),
    }
  }),
])
