/**
 * Puts values from the environment and from files where a scalar says `${…}`. This happens after the
 * YAML has been read, inside one scalar at a time, so that no value can add YAML of its own.
 *
 *   ${NAME}  ${NAME:-default}  ${NAME:?what to do if it is not set}  ${file:/path}  $${ for a plain ${
 */

import { isUtf8 } from 'node:buffer'
import { readFileSync, type Stats, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { didYouMean } from '../component/nearest.ts'
import type { Findings } from './diagnose.ts'
import { type Located, type LocatedScalar, placeInside, type Segment } from './located.ts'

/** What lies outside the file and may be asked for. */
export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>
  /** Where relative paths start. */
  readonly directory: string
}

/** A secret or a name is small; a file that is larger was not meant. */
const LARGEST_FILE = 64 * 1024
/** `${A:-${B:-${C}}}` is as deep as anyone goes. */
const DEEPEST = 8

/** Replaces every `${…}` in the tree, in place, and reports those that cannot be. */
export function interpolate(tree: Located, environment: Environment, findings: Findings): void {
  const done = new Set<Located>()
  const visit = (node: Located): void => {
    if (done.has(node)) return
    done.add(node)
    if (node.kind === 'list') for (const item of node.items) visit(item)
    else if (node.kind === 'map') for (const entry of node.entries) visit(entry.value)
    else if (typeof node.value === 'string' && node.text.includes('${')) {
      replace(node, environment, findings)
    }
  }
  visit(tree)
}

function replace(scalar: LocatedScalar, environment: Environment, findings: Findings): void {
  const segments: Segment[] = []
  const outside: string[] = []
  let value = ''
  try {
    const reading = new Reading(environment, outside)
    for (const part of reading.parts(scalar.text, 0, 0)) {
      segments.push({
        valueStart: value.length,
        valueEnd: value.length + part.value.length,
        textStart: part.start,
        textEnd: part.end,
        literal: part.literal,
      })
      value += part.value
    }
  } catch (error) {
    if (!(error instanceof Unreplaceable)) throw error
    scalar.failed = true
    const at = placeInside(findings.text, scalar, error.start, error.end - error.start)
    findings.add({ code: 'SCOPE_CONFIG_VARIABLE', at, message: error.message, hint: error.hint })
    return
  }
  scalar.segments = segments
  scalar.outside = outside
  const whole = segments.length === 1 && segments[0]?.literal === false
  scalar.value = whole && scalar.style === 'plain' ? retyped(value) : value
}

/** What a plain scalar with this text would be in YAML, so that `port: ${PORT}` is a number. */
function retyped(text: string): LocatedScalar['value'] {
  if (/^(?:true|True|TRUE)$/.test(text)) return true
  if (/^(?:false|False|FALSE)$/.test(text)) return false
  if (/^(?:null|Null|NULL|~)$/.test(text)) return null
  if (/^[-+]?(?:\d+|\d*\.\d+(?:[eE][-+]?\d+)?|\d+\.?(?:[eE][-+]?\d+)?)$/.test(text)) {
    return Number(text)
  }
  return text
}

/** A `${…}` that cannot be replaced; offsets are in the text of the scalar. */
class Unreplaceable extends Error {
  readonly start: number
  readonly end: number
  readonly hint: string | undefined
  constructor(message: string, start: number, end: number, hint?: string) {
    super(message)
    this.start = start
    this.end = end
    this.hint = hint
  }
}

interface Part {
  readonly value: string
  readonly start: number
  readonly end: number
  readonly literal: boolean
}

/** Reads one scalar's text. */
class Reading {
  readonly #environment: Environment
  readonly #outside: string[]

  constructor(environment: Environment, outside: string[]) {
    this.#environment = environment
    this.#outside = outside
  }

  /** The parts of a text; `base` is where it starts in the scalar. */
  parts(text: string, base: number, depth: number): Part[] {
    if (depth > DEEPEST) {
      throw new Unreplaceable('${…} is nested too deep', base, base + text.length)
    }
    const parts: Part[] = []
    let from = 0
    const literal = (to: number) => {
      if (to <= from) return
      parts.push({ value: text.slice(from, to), start: base + from, end: base + to, literal: true })
    }
    for (let at = text.indexOf('$'); at >= 0; at = text.indexOf('$', at)) {
      if (text.startsWith('$${', at)) {
        literal(at)
        parts.push({ value: '${', start: base + at, end: base + at + 3, literal: true })
        from = at += 3
      } else if (text.startsWith('${', at)) {
        literal(at)
        const end = closing(text, at + 2)
        if (end < 0) {
          const hint = 'Add the "}", or write $${ if the text should hold ${.'
          throw new Unreplaceable('"${" is not closed', base + at, base + text.length, hint)
        }
        const value = this.#resolve(text.slice(at + 2, end), base + at, base + end + 1, depth)
        parts.push({ value, start: base + at, end: base + end + 1, literal: false })
        from = at = end + 1
      } else at++
    }
    literal(text.length)
    return parts
  }

  #text(text: string, base: number, depth: number): string {
    return this.parts(text, base, depth + 1)
      .map(part => part.value)
      .join('')
  }

  /** What one `${…}` stands for. */
  #resolve(inner: string, start: number, end: number, depth: number): string {
    if (inner.startsWith('file:')) {
      const path = this.#text(inner.slice(5), start + 7, depth)
      return this.#file(path, inner, start, end)
    }
    const match = /^([A-Za-z_][A-Za-z0-9_]*)(?::([-?])([\s\S]*))?$/.exec(inner)
    if (!match) {
      const shown = inner.length > 40 ? `${inner.slice(0, 40)}…` : inner
      throw new Unreplaceable(
        `\${${shown}} is not a form that can be replaced`,
        start,
        end,
        'Write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${file:/path}; $${ for a plain ${.',
      )
    }
    const [, name = '', operator, rest = ''] = match
    const { variables } = this.#environment
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined
    // As in a shell, `:-` and `:?` take an empty variable for one that is not set.
    if (value !== undefined && (operator === undefined || value !== '')) {
      this.#outside.push(value)
      return value
    }
    if (operator === '-') return this.#text(rest, start + 2 + name.length + 2, depth)
    const state = value === '' ? 'is empty' : 'is not set'
    if (operator === '?') {
      throw new Unreplaceable(`the variable ${name} ${state}${rest ? `: ${rest}` : ''}`, start, end)
    }
    const guess = didYouMean(name, Object.keys(variables))
    throw new Unreplaceable(
      `the variable ${name} ${state}${guess}`,
      start,
      end,
      `Set it, or give a default: \${${name}:-…}.`,
    )
  }

  /** The content of a file, without the newline at its end. */
  #file(path: string, inner: string, start: number, end: number): string {
    const fail = (why: string, hint?: string): never => {
      throw new Unreplaceable(`\${${inner}} ${why}`, start, end, hint)
    }
    if (path === '') return fail('names no file', 'Write ${file:/path}.')
    const absolute = resolve(this.#environment.directory, path)
    let content: Buffer
    try {
      const about: Stats = statSync(absolute)
      if (!about.isFile()) return fail('is not a regular file')
      if (about.size > LARGEST_FILE) {
        return fail(`has ${about.size} bytes; at most ${LARGEST_FILE} can be put in`)
      }
      content = readFileSync(absolute)
    } catch (error) {
      if (error instanceof Unreplaceable) throw error
      return fail(`cannot be read: ${readingProblem(error)}`)
    }
    if (content.length > LARGEST_FILE) return fail('is too large to be put in')
    if (!isUtf8(content) || content.includes(0)) return fail('does not hold text')
    const text = content.toString('utf8').replace(/\r?\n$/, '')
    this.#outside.push(text)
    return text
  }
}

/** Index of the `}` that closes a `${`, counting braces in between; -1 if there is none. */
function closing(text: string, from: number): number {
  let open = 1
  for (let at = from; at < text.length; at++) {
    if (text[at] === '{') open++
    else if (text[at] === '}' && --open === 0) return at
  }
  return -1
}

/** Why a file could not be read, in words. */
export function readingProblem(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  switch (code) {
    case 'ENOENT':
      return 'there is no such file'
    case 'EACCES':
    case 'EPERM':
      return 'permission is denied'
    case 'EISDIR':
      return 'it is a directory'
    case 'ENOTDIR':
      return 'a part of its path is not a directory'
    case 'ELOOP':
      return 'its symbolic links go in a circle'
    default:
      return code ?? message
  }
}
