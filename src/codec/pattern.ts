/**
 * Regular expressions that users write. They run on RE2's algorithm, in time linear in the text, so
 * that no pattern and no input can stall the edge; what that algorithm cannot do is told by name.
 */
import { RE2JS, RE2JSException, RE2JSSyntaxException } from 're2js'
import { z } from 'zod'
import { problem } from '../component/options.ts'
import { systemClock } from '../component/system-clock.ts'

/** A match: positions in UTF-16 units, named groups that took part, and all groups by number. */
export interface PatternMatch {
  readonly index: number
  readonly end: number
  /** Named groups that took part. Without a prototype. */
  readonly groups: Readonly<Record<string, string>>
  /** The whole match, then each group; undefined for one that took no part. */
  readonly captures: readonly (string | undefined)[]
}

/** Where a match or one group of it lies. */
export interface PatternRange {
  readonly start: number
  readonly end: number
}

export interface LinearRegex {
  /** As the user wrote it. */
  readonly source: string
  /** Names of its groups, in order. */
  readonly groupNames: readonly string[]
  /** How many groups it has, named or not. */
  readonly groupCount: number
  /**
   * A text that every match contains, or '' if none is known: where a cheap search for it fails, the
   * expression need not run. Never holds a quote, backslash, slash or control character.
   */
  readonly literal: string
  test(text: string): boolean
  /** The first match, or undefined. */
  exec(text: string): PatternMatch | undefined
  /** The text with every match replaced; a match never starts within another. */
  replace(text: string, by: (match: PatternMatch) => string): string
  /**
   * Ranges of every match, or of one group of it, in order. Undefined when it was given up because
   * the search went over the text too often: each search is linear, but there is one for each match.
   */
  ranges(text: string, group?: number | string): PatternRange[] | undefined
}

/** An expression that could not be read; offsets count UTF-16 units. */
export class PatternError extends Error {
  readonly offset: number
  readonly length: number
  constructor(message: string, offset: number, length: number) {
    super(message)
    this.name = 'PatternError'
    this.offset = offset
    this.length = length
  }
}

const FLAGS: Record<string, number> = {
  i: RE2JS.CASE_INSENSITIVE,
  m: RE2JS.MULTILINE,
  s: RE2JS.DOTALL,
}

/**
 * Reads an expression in RE2's syntax.
 * @param flags any of `i` (case-insensitive), `m` (^ and $ at line breaks), `s` (. matches line breaks)
 * @throws PatternError with the offset of what does not fit, and what to write instead
 */
export function linearRegex(source: string, flags = ''): LinearRegex {
  let bits = 0
  for (const flag of flags) {
    const bit = FLAGS[flag]
    if (bit === undefined) {
      throw new PatternError(`flag "${flag}" is not known; use i, m or s`, 0, source.length)
    }
    bits |= bit
  }
  let compiled: RE2JS
  try {
    compiled = RE2JS.compile(source, bits)
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw explain(source, error)
  }
  return new Compiled(source, compiled, flags.includes('i') ? '' : requiredLiteral(source))
}

/** A regular expression as an option. */
export function regex(flags = '') {
  return z
    .string()
    .min(1)
    .transform((text, context): LinearRegex => {
      try {
        return linearRegex(text, flags)
      } catch (error) {
        if (!(error instanceof PatternError)) throw error
        return problem(context, error.message, error.offset, error.length)
      }
    })
    .meta({ unit: 'regular expression', examples: ['tok_[a-z0-9]+'] })
}

/**
 * A search may read on to the end of the text and then match one character, again and again: then all
 * of them together are not linear. They are given up when both of these are used up.
 */
const MOST_CHARACTERS = 16 * 1024 * 1024
const MOST_MILLISECONDS = 500

class Compiled implements LinearRegex {
  readonly source: string
  readonly literal: string
  readonly groupNames: readonly string[]
  readonly groupCount: number
  readonly #compiled: RE2JS
  readonly #names: readonly (readonly [string, number])[]

  constructor(source: string, compiled: RE2JS, literal: string) {
    this.source = source
    this.literal = literal
    this.#compiled = compiled
    this.#names = Object.entries(compiled.namedGroups()).sort(([, a], [, b]) => a - b)
    this.groupNames = this.#names.map(([name]) => name)
    this.groupCount = compiled.groupCount()
  }

  test(text: string): boolean {
    return text.includes(this.literal) && this.#compiled.test(text)
  }

  exec(text: string): PatternMatch | undefined {
    if (!text.includes(this.literal)) return undefined
    const matcher = this.#compiled.matcher(text)
    return matcher.find() ? this.#match(matcher) : undefined
  }

  replace(text: string, by: (match: PatternMatch) => string): string {
    if (!this.test(text)) return text
    const matcher = this.#compiled.matcher(text)
    let out = ''
    let at = 0
    while (matcher.find()) {
      const match = this.#match(matcher)
      out += text.slice(at, match.index) + by(match)
      at = match.end
    }
    return out + text.slice(at)
  }

  ranges(text: string, group: number | string = 0): PatternRange[] | undefined {
    const ranges: PatternRange[] = []
    if (!this.test(text)) return ranges
    const matcher = this.#compiled.matcher(text)
    const began = systemClock.monotonic()
    let read = 0
    while (matcher.find()) {
      const start = matcher.start(group)
      const end = matcher.end(group)
      if (start >= 0 && end > start) ranges.push({ start, end })
      read += text.length - matcher.end()
      if (read > MOST_CHARACTERS && systemClock.monotonic() - began > MOST_MILLISECONDS) {
        return undefined
      }
    }
    return ranges
  }

  #match(matcher: ReturnType<RE2JS['matcher']>): PatternMatch {
    const captures: (string | undefined)[] = []
    for (let i = 0; i <= this.groupCount; i++) captures.push(matcher.group(i) ?? undefined)
    const groups: Record<string, string> = Object.create(null)
    for (const [name, i] of this.#names) {
      const value = captures[i]
      if (value !== undefined) groups[name] = value
    }
    return { index: matcher.start(), end: matcher.end(), groups, captures }
  }
}

/**
 * The longest run of plain characters that every match must contain. Careful rather than clever: only
 * what stands outside groups in an expression without alternatives and inner flags.
 */
function requiredLiteral(source: string): string {
  if (source.includes('|') || source.includes('(?i') || /\(\?[a-zA-Z-]+[:)]/.test(source)) return ''
  let best = ''
  let run = ''
  let depth = 0
  for (const { start, end } of tokens(source)) {
    const token = source.slice(start, end)
    const plain = depth === 0 && /^[A-Za-z0-9_@:;,=%&#~<>! -]$/.test(token)
    if (plain && !/[*?{]/.test(source.charAt(end))) {
      run += token
      if (run.length > best.length) best = run
    } else {
      run = ''
    }
    if (token === '(') depth++
    else if (token === ')') depth--
  }
  return best
}

/** Splits an expression at its smallest pieces: an escape, a class, the bounds of a repetition, or one character. */
function* tokens(source: string): Generator<PatternRange> {
  let at = 0
  while (at < source.length) {
    const start = at
    if (source[at] === '\\') {
      at += 2
      // \Q…\E quotes all that is between.
      if (source[start + 1] === 'Q') {
        const close = source.indexOf('\\E', at)
        at = close < 0 ? source.length : close + 2
      }
      // \pN, \p{…}, \x{…}
      else if (/[pPx]/.test(source[start + 1] ?? '') && source[at] === '{') {
        const close = source.indexOf('}', at)
        at = close < 0 ? source.length : close + 1
      }
    } else if (source[at] === '[') {
      at = classEnd(source, at)
    } else if (source[at] === '{') {
      at += /^\{\d*,?\d*\}/.exec(source.slice(at, at + 16))?.[0].length ?? 1
    } else {
      at++
    }
    yield { start, end: Math.min(at, source.length) }
  }
}

function classEnd(source: string, open: number): number {
  let at = open + 1
  if (source[at] === '^') at++
  if (source[at] === ']') at++
  while (at < source.length && source[at] !== ']') {
    if (source[at] === '\\') at++
    else if (source.startsWith('[:', at)) {
      const close = source.indexOf(':]', at + 2)
      if (close >= 0) at = close + 1
    }
    at++
  }
  return at + 1
}

/** Constructs of other engines that no linear-time engine has, or that are written differently here. */
const FOREIGN: readonly (readonly [RegExp, string])[] = [
  [
    /\(\?<?[=!]/y,
    'looking ahead or behind is not possible in a linear-time expression; match what stands around as well, and put the part you mean in a group',
  ],
  [
    /\\(?:[1-9]|k[<{'])/y,
    'a reference back to a group is not possible in a linear-time expression; write out what it may match',
  ],
  [
    /\(\?P[=>]\w*/y,
    'a reference to another group is not possible in a linear-time expression; write out what it may match',
  ],
  [/\(\?>/y, 'an atomic group is not possible in a linear-time expression, nor needed: use (?:…)'],
  [
    /\(\?(?:\(|R|\d|&|[+-]\d)/y,
    'conditions and recursion are not possible in a linear-time expression; write out the cases with |',
  ],
  [/\(\?#/y, 'a comment is not possible within the expression; put it into the YAML, after a #'],
  [/\\[ZG]/y, 'this anchor is not known; use \\A and \\z for the start and end of the text'],
  [/\\K/y, '\\K is not possible in a linear-time expression; put the part you mean in a group'],
  [/\\u[0-9a-fA-F]{4}/y, 'a character by its number is written \\x{263a} here'],
  [/\\c[A-Za-z]/y, 'a control character is written by its number here, as in \\x1b'],
]

function explain(source: string, error: RE2JSException): PatternError {
  const fragment = error instanceof RE2JSSyntaxException ? (error.input ?? '') : ''
  const words = error instanceof RE2JSSyntaxException ? error.error : error.message
  const all = [...tokens(source)]
  const fail = (message: string, offset: number, length: number) =>
    new PatternError(
      `bad regular expression: ${message}`,
      offset,
      Math.max(1, Math.min(length, source.length - offset)),
    )
  for (const { start } of all) {
    for (const [construct, advice] of FOREIGN) {
      construct.lastIndex = start
      const found = construct.exec(source)
      if (found) return fail(advice, start, found[0].length)
    }
  }
  switch (words) {
    case 'missing closing )':
    case 'unexpected )': {
      const open: number[] = []
      for (const { start, end } of all) {
        const token = source.slice(start, end)
        if (token === '(') open.push(start)
        else if (token === ')' && open.pop() === undefined) {
          return fail('this ) closes nothing; write \\) for the character', start, 1)
        }
      }
      return fail('this ( is never closed; write \\( for the character', open.at(-1) ?? 0, 1)
    }
    case 'missing closing ]':
      return fail(
        'this [ is never closed; write \\[ for the character',
        Math.max(0, source.length - fragment.length),
        1,
      )
    case 'trailing backslash at end of expression':
      return fail(
        'it ends in the middle of an escape; write \\\\ for a backslash',
        source.length - 1,
        1,
      )
    case 'duplicate capture group name': {
      const first = source.indexOf(`<${fragment}>`)
      const second = source.indexOf(`<${fragment}>`, first + 1)
      return fail(`two groups are called "${fragment}"`, second + 1, fragment.length)
    }
    case 'expression nests too deeply':
    case 'expression too large':
      return fail(`${words}; make it smaller, or use several`, 0, source.length)
  }
  const advice = ADVICE[words]
  const at = all.find(({ start }) => source.startsWith(fragment, start))?.start
  return fail(
    `${words}${fragment === '' ? '' : ` "${fragment}"`}${advice ? `; ${advice}` : ''}`,
    Math.max(0, at ?? source.indexOf(fragment)),
    fragment.length || source.length,
  )
}

/** What to write instead, by the words of the engine. */
const ADVICE: Record<string, string> = {
  'invalid escape sequence': 'write the character without a backslash, or \\\\ for a backslash',
  'invalid nested repetition operator': 'put the inner repetition in (?:…)',
  'missing argument to repetition operator': 'write a backslash before it for the character',
  'invalid repeat count': 'a repetition counts from low to high, to 1000 at most',
  'invalid character class range':
    'a range goes from the lower to the higher character; classes are \\d, \\w, \\s, [[:alpha:]] or \\p{Greek}',
  'invalid named capture': 'a named group is written (?<name>…), with letters, digits and _',
  'invalid or unsupported Perl syntax':
    'groups are (…), (?:…), (?<name>…), and flags (?i), (?s), (?m)',
}
