/**
 * What the YAML library finds wrong with a text, in sentences of ours and at the place where something
 * has to be changed, which is often before the place where the library gave up.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, Lexer, Parser, visit } from 'yaml'
import type { Findings } from './diagnose.ts'
import type { Place } from './located.ts'

/** The library that builds the document calls itself for every level, and the stack has an end. */
export const DEEPEST = 200

/** Where a text goes too deep, found by the library's first pass, which does not call itself. */
export function tooDeep(text: string): Place | undefined {
  const parser = new Parser()
  let read = 0
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme)) {
      // Only how deep it has come is wanted.
    }
    const levels = parser.stack.filter(({ type }) => /^(?:flow-collection|block-)/.test(type))
    if (levels.length > DEEPEST) return { start: read, end: read + 1 }
    // The lexer marks documents and scalars with characters that are not in the text.
    if (!/^[\x02\x18\x1f]$/.test(lexeme)) read += lexeme.length
  }
  return undefined
}

/** Reports syntax errors, the first of each line. True if the tree cannot be trusted. */
export function reportSyntax(document: Document, findings: Findings): boolean {
  let broken = false
  const lines = new Set<number>()
  for (const problem of [...document.errors, ...document.warnings]) {
    const [start, end] = problem.pos
    if (problem.code === 'DUPLICATE_KEY') {
      const key = /^(?:"[^"]*"|'[^']*'|[^:\s]+)/.exec(findings.text.slice(start))?.[0] ?? ''
      findings.add({
        code: 'SCOPE_CONFIG_DUPLICATE',
        at: { start, end: start + Math.max(key.length, 1) },
        message: `"${key.replace(/^["']|["']$/g, '')}" is written twice in the same mapping`,
        hint: 'Keep one of them, or give one another name.',
      })
      continue
    }
    // Once the parser has lost its way, everything that follows is at the wrong place for it.
    if (broken && problem.code === 'UNEXPECTED_TOKEN') continue
    if (problem.code !== 'TAG_RESOLVE_FAILED') broken = true
    const told = sentence(problem, findings, document)
    const at = told.at ?? skipBlanks(findings.text, start, end)
    const { line } = findings.position(at.start)
    if (lines.has(line)) continue
    lines.add(line)
    findings.add({ ...told, code: 'SCOPE_CONFIG_SYNTAX', at })
  }
  return broken
}

/** The place, from its first character that can be seen. */
function skipBlanks(text: string, start: number, end: number): Place {
  const from = Math.min(start, text.length)
  const blanks = /^ */.exec(text.slice(from))?.[0].length ?? 0
  return { start: from + blanks, end: Math.max(end, from + blanks + 1) }
}

/** The last quoted text or flow collection that starts before an offset and does not end before it. */
function openedBefore(
  document: Document,
  offset: number,
  what: 'quote' | 'flow',
): Place | undefined {
  let found: Place | undefined
  visit(document, {
    Node(_, node) {
      if (isAlias(node) || !node.range) return
      const [start, end] = node.range
      const quote = isScalar(node) && /^QUOTE/.test(node.type ?? '')
      const flow = (isMap(node) || isSeq(node)) && node.flow === true
      if ((what === 'quote' ? quote : flow) && start < offset && end + 1 >= offset) {
        found = { start, end: start + 1 }
      }
    },
  })
  return found
}

/** The sentence for a syntax error, and what to do. */
function sentence(
  problem: { code: string; message: string; pos: readonly [number, number] },
  findings: Findings,
  document: Document,
): { message: string; hint?: string; at?: Place | undefined } {
  const { text } = findings
  const [at] = problem.pos
  const lineStart = text.lastIndexOf('\n', at - 1) + 1
  const line = text.slice(
    lineStart,
    text.indexOf('\n', at) < 0 ? undefined : text.indexOf('\n', at),
  )
  // A `{` ends a plain word inside [ ] and { }, which is the usual reason for an error near `${`.
  if (/[[{,:]\s*[^\s"']*\$\{/.test(line) && /[[{]/.test(line.replaceAll('${', ''))) {
    return {
      message: 'a ${…} inside [ ] or { } must be in quotes',
      hint: "Write '${NAME}', or put the value on a line of its own.",
    }
  }
  switch (problem.code) {
    case 'TAB_AS_INDENT':
      return { message: 'a tab is used for indentation', hint: 'Use spaces.' }
    case 'BLOCK_AS_IMPLICIT_KEY':
      if (/^\s*-/.test(line)) return INDENTATION
      return /^\s*(?:- )?[^\s"'#]+:\s.*:(?:\s|$)/.test(line)
        ? {
            message: 'a second ":" follows in the same value',
            hint: 'Put the value in quotes if it holds ": ", or start a new line.',
          }
        : INDENTATION
    case 'MULTILINE_IMPLICIT_KEY':
      return {
        message: 'expected ":" after the key',
        hint: 'Write "key: value", or indent the line if it belongs to the value above.',
      }
    case 'BAD_INDENT': {
      if (!/flow/i.test(problem.message)) return INDENTATION
      return unclosed(openedBefore(document, at, 'flow'), text)
    }
    case 'MISSING_CHAR':
      if (/quote/.test(problem.message)) {
        const opened = openedBefore(document, at, 'quote')
        return {
          message: 'this quoted text is not closed',
          hint: 'Add the missing quote.',
          at: opened,
        }
      }
      if (/must end with/.test(problem.message)) {
        return unclosed(openedBefore(document, at, 'flow'), text)
      }
      if (/between/.test(problem.message)) {
        return { message: 'expected "," between the entries', hint: 'Or put the text in quotes.' }
      }
      if (/implicit map key|mapping/i.test(problem.message)) {
        return { message: 'expected ":" after the key' }
      }
      return {
        message: 'a character is missing here',
        hint: 'Look for a missing ":", "," or quote.',
      }
    case 'BAD_SCALAR_START':
      return {
        message: `a value may not start with ${text[at] ?? 'this character'}`,
        hint: 'Put the value in quotes.',
      }
    case 'BAD_DQ_ESCAPE':
      return {
        message: `${text.slice(at, at + 2)} is not an escape that "…" knows`,
        hint: "Double the backslash, or use single quotes: in '…' a backslash is only a backslash.",
      }
    case 'MULTIPLE_DOCS':
      return {
        message: 'a second document starts here',
        hint: 'A configuration is one document: remove the "---".',
      }
    case 'TAG_RESOLVE_FAILED':
      return {
        message: `${text.slice(at, problem.pos[1])} is not a tag that configurations know`,
        hint: 'For a secret write ${file:/path} or ${NAME}; otherwise remove the tag.',
      }
    case 'UNEXPECTED_TOKEN':
      return {
        message: 'this does not belong here',
        hint: 'Look for a missing quote, comma or line break before it, or a "-" among "key: value" lines.',
      }
    case 'BAD_ALIAS':
      return {
        message: 'a name must follow "*"',
        hint: 'Put the value in quotes if it starts with "*".',
      }
    case 'BAD_PROP_ORDER':
    case 'MULTIPLE_ANCHORS':
    case 'MULTIPLE_TAGS':
      return { message: 'an anchor or tag stands at the wrong place' }
    default:
      return { message: `this is not YAML (${problem.code.toLowerCase().replaceAll('_', ' ')})` }
  }
}

function unclosed(
  at: Place | undefined,
  text: string,
): { message: string; hint: string; at: Place | undefined } {
  const opening = at && text[at.start] === '{' ? '{' : '['
  const closing = opening === '{' ? '}' : ']'
  return {
    message: at ? `this "${opening}" is not closed` : 'a "[" or "{" before this is not closed',
    hint: `Add the missing "${closing}".`,
    at,
  }
}

const INDENTATION = {
  message: 'the indentation does not fit the lines before it',
  hint: 'Lines that belong together start at the same column.',
}
