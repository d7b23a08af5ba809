/**
 * Expressions as components use them: conditions and values over batches and single records. One of
 * them looks at one thing at a time: what `over` has given is good until the next question.
 */
import type { Batch } from '../batch/batch.ts'
import type { JsonObject, JsonValue } from '../record/json.ts'
import type { Path } from '../record/path.ts'
import { type Compiled, compile } from './compile.ts'
import { ExpressionError } from './error.ts'
import { type Node, parse } from './parse.ts'
import { type Kind, toJson } from './value.ts'

/** The rows of a batch, parted by a condition. */
export interface Selection {
  /** Rows for which it holds, in order. */
  readonly rows: number[]
  /** All the others, in order. */
  readonly rest: number[]
  /** How many of rest met a missing field or a type that does not fit. */
  readonly missing: number
}

interface Parsed {
  /** The text that it was made from. */
  readonly source: string
  readonly ast: Node
  /** Every field that it may read; an empty path is the whole record. */
  readonly paths: readonly Path[]
}

/** A condition. */
export interface Predicate extends Parsed {
  select(batch: Batch): Selection
  /** Decides by row of a batch, as `decide` does. */
  over(batch: Batch): (row: number) => boolean | undefined
  /** False also where a field is missing or a type does not fit. */
  matches(record: JsonObject): boolean
  /** Like `matches`, with undefined where a field is missing or a type does not fit. */
  decide(record: JsonObject): boolean | undefined
}

/** A value worked out from a record. */
export interface Expression extends Parsed {
  /** Works it out by row of a batch, as `evaluate` does. */
  over(batch: Batch): (row: number) => JsonValue | undefined
  /** Undefined when a field is missing or an operation fails. */
  evaluate(record: JsonObject): JsonValue | undefined
}

/** Compiles a condition. Throws ExpressionError, also for one that can never be true or false. */
export function compilePredicate(text: string): Predicate {
  return predicateOf(compile(text, parse(text)))
}

/** Compiles an expression for its value. Throws ExpressionError. */
export function compileExpression(text: string): Expression {
  return expressionOf(compile(text, parse(text)))
}

const KIND_NAMES: Record<Kind, string> = {
  bool: 'true or false',
  int: 'a number',
  double: 'a number',
  string: 'a text',
  list: 'a list',
  map: 'a map',
  null_type: 'null',
  timestamp: 'a time',
  duration: 'a duration',
}

/** A condition from something compiled already. Throws ExpressionError if it cannot be one. */
export function predicateOf({ source, ast, reading, run, kind }: Compiled): Predicate {
  if (kind !== undefined && kind !== 'bool') {
    throw new ExpressionError(
      `a condition must be true or false, but this is ${KIND_NAMES[kind]}`,
      ast.start,
      Math.max(ast.end - ast.start, 1),
    )
  }
  const decide = (row: number) => {
    const value = run(row)
    return typeof value === 'boolean' ? value : undefined
  }
  return {
    source,
    ast,
    paths: reading.paths,
    over(batch) {
      reading.of(batch)
      return decide
    },
    select(batch) {
      reading.of(batch)
      const rows: number[] = []
      const rest: number[] = []
      let missing = 0
      for (let row = 0; row < batch.count; row++) {
        const value = run(row)
        if (value === true) rows.push(row)
        else {
          rest.push(row)
          if (value !== false) missing++
        }
      }
      return { rows, rest, missing }
    },
    matches(record) {
      reading.ofRecord(record)
      return run(0) === true
    },
    decide(record) {
      reading.ofRecord(record)
      return decide(0)
    },
  }
}

/** An expression from something compiled already. */
export function expressionOf({ source, ast, reading, run }: Compiled): Expression {
  const json = (row: number) => {
    const value = run(row)
    return typeof value === 'object' && value !== null ? toJson(value) : value
  }
  return {
    source,
    ast,
    paths: reading.paths,
    over(batch) {
      reading.of(batch)
      return json
    },
    evaluate(record) {
      reading.ofRecord(record)
      return json(0)
    },
  }
}
