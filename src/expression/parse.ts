/**
 * From the text of an expression to its syntax tree. The grammar is CEL's, read by a library; this
 * file bounds what a hostile text can cost and puts the library's complaints into users' words.
 */
import { type ASTNode, Environment, ParseError } from '@marcbachmann/cel-js'
import { ExpressionError } from './error.ts'

/** A node of the tree: `op`, `args`, and `start`/`end` offsets in the text. */
export type Node = ASTNode

const MAX_LENGTH = 64 * 1024
/** Brackets, calls and the like inside each other. Chains of `&&` and `||` do not count. */
export const MAX_DEPTH = 100

const environment = new Environment({
  unlistedVariablesAreDyn: true,
  limits: { maxDepth: MAX_DEPTH, maxAstNodes: 20_000, maxListElements: 10_000 },
})

/** Reads an expression. Throws ExpressionError at the first place that is not CEL. */
export function parse(text: string): Node {
  if (text.length > MAX_LENGTH) {
    throw new ExpressionError(
      `the expression is ${text.length} characters long; ${MAX_LENGTH} is the most`,
      0,
      1,
    )
  }
  try {
    return environment.parse(text).ast
  } catch (error) {
    // The parser calls itself for each of many `!` or `-` in a row, without its depth limit.
    if (error instanceof RangeError) throw tooDeep(0)
    if (!(error instanceof ParseError)) throw error
    throw explain(error, text)
  }
}

/** The complaint about an expression whose parts are inside each other too often. */
export function tooDeep(offset: number): ExpressionError {
  return new ExpressionError(`the expression is nested more than ${MAX_DEPTH} deep`, offset, 1)
}

/** What to write instead of what people bring along from other languages. */
const HINTS: Record<string, string> = {
  '=': 'write "==" to compare',
  '&': 'write "&&"',
  '|': 'write "||"',
  and: 'write "&&"',
  AND: 'write "&&"',
  or: 'write "||"',
  OR: 'write "||"',
  not: 'write "!"',
  '<>': 'write "!="',
  '=~': 'write field.matches("regex")',
  '~': 'write field.matches("regex")',
  contains: 'write field.contains("text")',
  startsWith: 'write field.startsWith("text")',
  endsWith: 'write field.endsWith("text")',
  matches: 'write field.matches("regex")',
  '@': 'write event["@name"] for a field whose name has such characters',
  $: 'write event["$name"] for a field whose name has such characters',
  '“': 'write plain quotes: "',
  '”': 'write plain quotes: "',
  '‘': "write plain quotes: '",
  '’': "write plain quotes: '",
}

const TOKENS: Record<string, string> = {
  EOF: 'the end',
  NUMBER: 'a number',
  STRING: 'a text',
  IDENTIFIER: 'a name',
  LPAREN: '"("',
  RPAREN: '")"',
  LBRACKET: '"["',
  RBRACKET: '"]"',
  LBRACE: '"{"',
  RBRACE: '"}"',
  DOT: '"."',
  COMMA: '","',
  COLON: '":"',
  QUESTION: '"?"',
}

function explain(error: ParseError, text: string): ExpressionError {
  const start = error.range?.start ?? 0
  const end = error.range?.end ?? start
  const found = text.slice(start, end)
  const at = (message: string) => new ExpressionError(message, start, Math.max(end - start, 1))
  const summary = error.summary.replace(/[.]$/, '')
  switch (error.code) {
    case 'unexpected_character': {
      const hint = HINTS[text.slice(start, start + 2)] ?? HINTS[found]
      return at(`unexpected ${JSON.stringify(found)}${hint ? `; ${hint}` : ''}`)
    }
    case 'unexpected_token':
      if (text.trim() === '') return at('the expression is empty')
      if (found === '') return at('the expression ends where a value should follow')
      return at(`unexpected ${JSON.stringify(found)} where a value should stand`)
    case 'expected_token': {
      const wanted = /^Expected (\w+)/.exec(summary)?.[1] ?? ''
      const name = TOKENS[wanted] ?? wanted
      return at(
        `expected ${name}, but ${found === '' ? 'the expression ends' : `"${found}" stands`} here`,
      )
    }
    case 'reserved_identifier':
      return at(
        `"${found}" is a reserved word of CEL; write event.${found} for a field of that name`,
      )
    case 'limit_exceeded':
      return summary.includes('maxDepth')
        ? tooDeep(start)
        : at(`the expression is too large: ${lower(summary)}`)
    case 'invalid_macro_argument':
      return at(
        'the first argument must be a plain name: the variable that each element is put into',
      )
    default:
      return at(lower(summary))
  }
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
