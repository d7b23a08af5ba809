/** Options that hold an expression, checked and compiled as the configuration is read. */
import { z } from 'zod'
import { problem } from '../component/options.ts'
import { ExpressionError } from './error.ts'
import {
  compileExpression,
  compilePredicate,
  type Expression,
  type Predicate,
} from './predicate.ts'

type Issues = Parameters<typeof problem>[0]

/** Reads with a function that throws ExpressionError, whose place in the text is handed on. */
export function readingExpression<T>(read: (text: string) => T) {
  return (text: string, context: Issues): T => {
    try {
      return read(text)
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      return problem(context, error.message, error.offset, error.length)
    }
  }
}

/** A condition in CEL, such as `sourcetype == "http" && data.http_status_code >= 500`. */
export function predicate() {
  return z
    .string()
    .transform(readingExpression<Predicate>(compilePredicate))
    .meta({ unit: 'condition', examples: ['sourcetype == "http" && data.http_status_code >= 500'] })
}

/** A value in CEL, such as `data.http_total_duration / 1000.0`. */
export function expression() {
  return z
    .string()
    .transform(readingExpression<Expression>(compileExpression))
    .meta({ unit: 'expression', examples: ['data.net_bytes_recv'] })
}
