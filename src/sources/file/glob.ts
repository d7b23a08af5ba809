/**
 * File name patterns, as a shell reads them: `*` and `?` within one name, `[a-z]` and `[!a-z]`, `**`
 * for any depth of directories, `{a,b}` for alternatives, a backslash before a character that is meant
 * as itself. Names that start with a dot are only met by a pattern whose own dot is written out.
 * Matching takes at most (length of pattern × length of name) steps: names are chosen by strangers.
 */
import { resolve } from 'node:path'
import { z } from 'zod'
import { problem } from '../../component/options.ts'

/** A pattern that could not be read; `offset` counts UTF-16 units from its start. */
export class GlobError extends Error {
  readonly offset: number
  constructor(message: string, offset: number) {
    super(message)
    this.name = 'GlobError'
    this.offset = offset
  }
}

type Token =
  | { readonly kind: 'literal'; readonly char: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'star' }
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: [number, number][] }

/** One name between slashes. */
export type Segment =
  | { readonly kind: 'deep' }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'pattern'; readonly tokens: readonly Token[] }

/** One alternative of a pattern: a directory that is fixed, and what must follow below it. */
export interface Branch {
  /** Absolute path of the deepest directory that is written out. */
  readonly base: string
  /** At least one. */
  readonly below: readonly Segment[]
}

export interface Glob {
  readonly source: string
  readonly branches: readonly Branch[]
}

const MOST_BRANCHES = 1000

/** Reads a pattern; a relative one starts at the working directory. Throws GlobError. */
export function parseGlob(source: string): Glob {
  if (source === '') throw new GlobError('a file pattern may not be empty', 0)
  if (source.includes('\0')) {
    throw new GlobError('a file pattern may not hold a NUL character', source.indexOf('\0'))
  }
  if (source.endsWith('/')) {
    throw new GlobError(
      `"${source}" names a directory; write "${source}*" for the files in it, or "${source}**" for all below it`,
      source.length - 1,
    )
  }
  return { source, branches: expandBraces(source).map(parseBranch) }
}

/** A pattern for files to leave out: without a slash it is about the name, in any directory. */
export function parseExclude(source: string): Glob {
  const glob = parseGlob(source)
  if (source.includes('/')) return glob
  const branches = expandBraces(source).map(text => ({
    base: '/',
    below: [{ kind: 'deep' } as const, parseSegment(text)],
  }))
  return { source, branches }
}

/** Options of the kind `include` and `exclude`. */
export function glob(parse: (source: string) => Glob) {
  return z
    .string()
    .transform((text, context): Glob => {
      try {
        return parse(text)
      } catch (error) {
        if (!(error instanceof GlobError)) throw error
        return problem(context, error.message, error.offset)
      }
    })
    .meta({ unit: 'file pattern' })
}

/**
 * Says whether an absolute path fits a pattern.
 * @param hidden whether wildcards also meet names that start with a dot
 */
export function matchesPath(glob: Glob, path: string, hidden = false): boolean {
  return glob.branches.some(branch => {
    const prefix = branch.base === '/' ? '/' : `${branch.base}/`
    if (!path.startsWith(prefix)) return false
    return matchesBelow(branch.below, path.slice(prefix.length).split('/'), hidden)
  })
}

/** Says whether one name fits one segment. A `deep` segment meets every name. */
export function matchesName(segment: Segment, name: string, hidden = false): boolean {
  if (segment.kind === 'name') return segment.name === name
  if (name.startsWith('.') && !hidden) {
    const first = segment.kind === 'pattern' ? segment.tokens[0] : undefined
    if (first?.kind !== 'literal') return false
  }
  return segment.kind === 'deep' || matchesTokens(segment.tokens, name)
}

function matchesBelow(below: readonly Segment[], names: readonly string[], hidden: boolean) {
  return wildcard(
    names.length,
    below.length,
    s => below[s]?.kind === 'deep',
    (s, n) => matchesName(below[s] as Segment, names[n] as string, hidden),
    n => hidden || !names[n]?.startsWith('.'),
  )
}

function matchesTokens(tokens: readonly Token[], name: string): boolean {
  const chars = Array.from(name)
  return wildcard(
    chars.length,
    tokens.length,
    s => tokens[s]?.kind === 'star',
    (s, n) => matchesToken(tokens[s] as Token, chars[n] as string),
    () => true,
  )
}

function matchesToken(token: Token, char: string): boolean {
  if (token.kind === 'literal') return token.char === char
  if (token.kind !== 'class') return true
  const code = char.codePointAt(0) as number
  return token.ranges.some(([low, high]) => code >= low && code <= high) !== token.negated
}

/** Wildcard matching that goes back to the last star only, which is enough and never explodes. */
function wildcard(
  length: number,
  steps: number,
  isStar: (step: number) => boolean,
  fits: (step: number, item: number) => boolean,
  maySkip: (item: number) => boolean,
): boolean {
  let step = 0
  let item = 0
  let star = -1
  let from = 0
  while (item < length) {
    if (step < steps && isStar(step)) {
      star = step++
      from = item
    } else if (step < steps && fits(step, item)) {
      step++
      item++
    } else if (star >= 0 && maySkip(from)) {
      step = star + 1
      item = ++from
    } else return false
  }
  while (step < steps && isStar(step)) step++
  return step === steps
}

function parseBranch(text: string): Branch {
  const segments = resolve(text).split('/').slice(1).map(parseSegment)
  let fixed = segments.findIndex(segment => segment.kind !== 'name')
  if (fixed < 0) fixed = segments.length - 1
  const base = segments
    .slice(0, fixed)
    .map(segment => (segment.kind === 'name' ? segment.name : ''))
  return { base: `/${base.join('/')}`, below: segments.slice(fixed) }
}

function parseSegment(text: string): Segment {
  if (text === '**') return { kind: 'deep' }
  const tokens: Token[] = []
  for (let at = 0; at < text.length; ) {
    const char = String.fromCodePoint(text.codePointAt(at) as number)
    if (char === '*') {
      if (tokens.at(-1)?.kind !== 'star') tokens.push({ kind: 'star' })
      at++
    } else if (char === '?') {
      tokens.push({ kind: 'any' })
      at++
    } else if (char === '[') {
      const end = classEnd(text, at)
      tokens.push(parseClass(text.slice(at + 1, end)))
      at = end + 1
    } else if (char === '\\' && at + 1 < text.length) {
      const escaped = String.fromCodePoint(text.codePointAt(at + 1) as number)
      tokens.push({ kind: 'literal', char: escaped })
      at += 1 + escaped.length
    } else {
      tokens.push({ kind: 'literal', char })
      at += char.length
    }
  }
  if (tokens.every(token => token.kind === 'literal')) {
    return { kind: 'name', name: tokens.map(token => token.char).join('') }
  }
  return { kind: 'pattern', tokens }
}

function parseClass(text: string): Token {
  const negated = text.startsWith('!') || text.startsWith('^')
  const codes: { code: number; escaped: boolean }[] = []
  for (let at = negated ? 1 : 0; at < text.length; ) {
    const escaped = text[at] === '\\' && at + 1 < text.length
    if (escaped) at++
    const code = text.codePointAt(at) as number
    codes.push({ code, escaped })
    at += code > 0xffff ? 2 : 1
  }
  const ranges: [number, number][] = []
  for (let i = 0; i < codes.length; i++) {
    const low = codes[i] as { code: number }
    const dash = codes[i + 1]
    const high = codes[i + 2]
    if (dash?.code === 0x2d && !dash.escaped && high) {
      ranges.push([low.code, high.code])
      i += 2
    } else ranges.push([low.code, low.code])
  }
  return { kind: 'class', negated, ranges }
}

/** Where the `]` of a class stands; right after the opening it is one of the characters. */
function classEnd(text: string, open: number): number {
  let at = open + 1
  if (text[at] === '!' || text[at] === '^') at++
  if (text[at] === ']') at++
  for (; at < text.length && text[at] !== '/'; at++) {
    if (text[at] === ']') return at
    if (text[at] === '\\') at++
  }
  throw new GlobError(`"[" has no "]" in file pattern "${text}"; write \\[ for the character`, open)
}

/** `a{b,c{d,e}}` becomes `ab`, `acd`, `ace`. */
function expandBraces(source: string): string[] {
  let at = 0
  const tooMany = () =>
    new GlobError(`file pattern "${source}" stands for more than ${MOST_BRANCHES} patterns`, 0)

  function sequence(depth: number): string[] {
    let results = ['']
    const append = (parts: readonly string[]) => {
      if (results.length * parts.length > MOST_BRANCHES) throw tooMany()
      results = results.flatMap(result => parts.map(part => result + part))
    }
    while (at < source.length) {
      const char = source[at] as string
      if (depth > 0 && (char === ',' || char === '}')) break
      if (char === '{') append(alternatives(depth + 1))
      else {
        const end = char === '[' ? classEnd(source, at) + 1 : at + (char === '\\' ? 2 : 1)
        append([source.slice(at, end)])
        at = end
      }
    }
    return results
  }

  function alternatives(depth: number): string[] {
    const open = at
    const results: string[] = []
    do {
      at++
      results.push(...sequence(depth))
      if (results.length > MOST_BRANCHES) throw tooMany()
    } while (source[at] === ',')
    if (source[at] !== '}') {
      throw new GlobError(
        `"{" has no "}" in file pattern "${source}"; write \\{ for the character`,
        open,
      )
    }
    at++
    return results
  }

  return sequence(0)
}
