/**
 * Reads YAML 1.2 into a tree that knows where everything stands. Every syntax error is told in a
 * sentence of ours; anchors, aliases and `<<` are followed, but never into an endless or huge tree.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  type Node,
  Parser,
  parseDocument,
  type Scalar,
  visit,
} from 'yaml'
import type { Findings } from './diagnose.ts'
import type { Located, LocatedEntry, LocatedMap, LocatedScalar, Place } from './located.ts'

/** No real configuration has so many values; a tree of aliases to aliases has more at once. */
const MOST_VALUES = 200_000

/** The library that builds the document calls itself for every level, and the stack has an end. */
const DEEPEST = 200

const STYLES: Record<string, LocatedScalar['style']> = {
  PLAIN: 'plain',
  QUOTE_SINGLE: 'single',
  QUOTE_DOUBLE: 'double',
  BLOCK_LITERAL: 'literal',
  BLOCK_FOLDED: 'folded',
}

/** Reads the text of `findings`. Undefined if it is so broken that nothing more can be said about it. */
export function parse(findings: Findings): Located | undefined {
  const { text } = findings
  const deep = tooDeep(text)
  if (deep) {
    findings.add({
      code: 'SCOPE_CONFIG_SYNTAX',
      at: deep,
      message: `values are nested more than ${DEEPEST} levels deep`,
    })
    return undefined
  }
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: false, version: '1.2' })
  const broken = reportSyntax(document, findings)
  if (broken) return undefined
  const { contents } = document
  if (!contents || (isScalar(contents) && contents.value === null)) {
    findings.add({
      code: 'SCOPE_CONFIG_SYNTAX',
      at: { start: 0, end: 0 },
      message: 'the file is empty',
      hint: 'It needs at least "sources:" and "sinks:".',
    })
    return undefined
  }
  return new TreeMaker(findings).make(contents as Node)
}

/** Where a text goes too deep, found by the library's first pass, which does not call itself. */
function tooDeep(text: string): Place | undefined {
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
function reportSyntax(document: Document, findings: Findings): boolean {
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

/** Turns the parser's nodes into located ones. */
class TreeMaker {
  readonly #findings: Findings
  /** What each anchor seen so far stands for; undefined while its own value is being read. */
  readonly #anchors = new Map<string, { made: Located; weight: number } | undefined>()
  #weight = 0
  #tooMany = false

  constructor(findings: Findings) {
    this.#findings = findings
  }

  /** The tree, or undefined when its aliases make it too large. */
  make(node: Node): Located | undefined {
    const made = this.#make(node)
    return this.#tooMany ? undefined : made
  }

  #make(node: Node | null): Located {
    const before = this.#weight
    this.#weight++
    if (isAlias(node)) return this.#follow(node.source, place(node))
    const anchor = node && 'anchor' in node ? (node.anchor as string | undefined) : undefined
    if (anchor !== undefined) this.#anchors.set(anchor, undefined)
    const made = this.#plain(node)
    if (anchor !== undefined) {
      this.#anchors.set(anchor, { made, weight: this.#weight - before })
    }
    return made
  }

  #plain(node: Node | null): Located {
    if (isMap(node)) return this.#map(node.items as Pair[], place(node))
    if (isSeq(node)) {
      const items = (node.items as (Node | null)[]).map(item => this.#make(item))
      return { kind: 'list', items, ...place(node) }
    }
    if (isScalar(node)) return this.#scalar(node)
    return nothing({ start: 0, end: 0 })
  }

  #follow(name: string, at: Place): Located {
    const target = this.#anchors.get(name)
    if (target) {
      this.#weight += target.weight
      if (this.#weight > MOST_VALUES && !this.#tooMany) {
        this.#tooMany = true
        this.#findings.add({
          code: 'SCOPE_CONFIG_SYNTAX',
          at,
          message: `following *${name} makes the configuration larger than ${MOST_VALUES} values`,
        })
      }
      return this.#tooMany ? nothing(at) : target.made
    }
    const message = this.#anchors.has(name)
      ? `*${name} stands inside what it refers to`
      : `*${name} refers to an anchor that is not defined before it`
    const hint = this.#anchors.has(name)
      ? undefined
      : `Define it with &${name} above, or quote the value if it should start with "*".`
    this.#findings.add({ code: 'SCOPE_CONFIG_SYNTAX', at, message, hint })
    return { ...nothing(at), failed: true }
  }

  #map(pairs: readonly Pair[], at: Place): LocatedMap {
    const entries: LocatedEntry[] = []
    const merged: LocatedMap[] = []
    for (const pair of pairs) {
      const { key } = pair
      if (!isScalar(key) || key.value === null || key.value === '') {
        const keyPlace = key ? place(key) : at
        this.#findings.add({
          code: 'SCOPE_CONFIG_SYNTAX',
          at: keyPlace,
          message: 'a key must be a name',
        })
        continue
      }
      const keyPlace = place(key)
      const name = String(key.type === 'PLAIN' ? (key.source ?? key.value) : key.value)
      const value = pair.value
        ? this.#make(pair.value)
        : nothing({ start: keyPlace.end, end: keyPlace.end })
      if (name === '<<' && key.type === 'PLAIN') {
        const maps = value.kind === 'list' ? value.items : [value]
        for (const map of maps) {
          if (map.kind === 'map') merged.push(map)
          else if (!(map.kind === 'scalar' && map.failed)) {
            this.#findings.add({
              code: 'SCOPE_CONFIG_SYNTAX',
              at: keyPlace,
              message: 'only mappings can be merged with <<',
            })
          }
        }
      } else if (!entries.some(entry => entry.key === name)) {
        entries.push({ key: name, keyPlace, value })
      }
    }
    for (const map of merged) {
      for (const entry of map.entries) {
        if (!entries.some(own => own.key === entry.key)) entries.push(entry)
      }
    }
    return { kind: 'map', entries, ...at }
  }

  #scalar(node: Scalar): LocatedScalar {
    const at = place(node)
    const style = STYLES[node.type ?? 'PLAIN'] ?? 'plain'
    const { value } = node
    const text = style === 'plain' ? (node.source ?? String(value ?? '')) : String(value)
    const known =
      value === null || ['string', 'number', 'boolean'].includes(typeof value)
        ? (value as LocatedScalar['value'])
        : String(value)
    const indent = style === 'literal' || style === 'folded' ? this.#blockIndent(at) : 0
    return { kind: 'scalar', style, indent, text, value: known, ...at }
  }

  /** The column at which a block scalar's lines start: its indentation indicator is rare, so measured. */
  #blockIndent(at: Place): number {
    const lines = this.#findings.text.slice(at.start, at.end).split('\n')
    const first = lines.slice(1).find(line => line.trim() !== '') ?? ''
    return first.length - first.trimStart().length
  }
}

interface Pair {
  readonly key: Node | null
  readonly value: Node | null
}

function place(node: Node): Place {
  const [start, end] = node.range ?? [0, 0]
  return { start, end }
}

function nothing(at: Place): LocatedScalar {
  return { kind: 'scalar', style: 'plain', indent: 0, text: '', value: null, ...at }
}
