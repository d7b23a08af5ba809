/**
 * Checks a part of the tree against an options schema, and says in our sentences and at the exact
 * place what does not fit. Values that came from the environment, and secrets, are never repeated.
 */
import type { z } from 'zod'
import { didYouMean, nearest } from '../component/nearest.ts'
import {
  alternatives,
  core,
  keysOf,
  kindOf,
  metaOf,
  oneOf,
  type Schema,
  step,
  valuesOf,
  wordsFor,
} from '../component/schema-fields.ts'
import { yamlInline } from '../component/yaml-inline.ts'
import { type Findings, isReference } from './diagnose.ts'
import {
  eachScalar,
  entryOf,
  type Located,
  type LocatedScalar,
  type Place,
  placeInside,
  plainValue,
  type TreePath,
} from './located.ts'
import { clipped, eachOfUnit, reveals, shown } from './shown.ts'

type Issue = z.core.$ZodIssue

/** zod's own messages are marked with this, so that those of a component's author can be told apart. */
const UNWORDED = '\u0000'

/** What is checked: a node, how it is called, and what a missing option is reported at. */
export interface Subject {
  readonly node: Located
  readonly path: TreePath
  /** The key that names the node; the node itself if it has none. */
  readonly keyPlace: Place
  /** Names that are also possible here, for guesses. */
  readonly otherKeys?: readonly string[]
}

/** Reads a node with a schema. Undefined if something does not fit, or could not be had. */
export function read<S extends Schema>(
  schema: S,
  subject: Subject,
  findings: Findings,
): z.output<S> | undefined {
  const checker = new Checker(schema, subject, findings)
  return checker.read() as z.output<S> | undefined
}

class Checker {
  readonly #schema: Schema
  readonly #subject: Subject
  readonly #findings: Findings
  /** Options that unknown ones are taken for: they are not also reported as missing. */
  readonly #guessed = new Set<string>()

  constructor(schema: Schema, subject: Subject, findings: Findings) {
    this.#schema = schema
    this.#subject = subject
    this.#findings = findings
  }

  read(): unknown {
    const { node } = this.#subject
    let incomplete = false
    eachScalar(node, scalar => {
      if (scalar.failed) incomplete = true
    })
    eachOfUnit(this.#schema, node, 'secret', scalar => {
      if (!isReference(scalar.text)) this.#findings.hide(scalar)
    })
    const schema = this.#schema as z.ZodType
    const result = schema.safeParse(plainValue(node), { error: () => UNWORDED })
    if (!result.success) {
      for (const issue of unknownFirst(result.error.issues)) this.#explain(issue, [])
      return undefined
    }
    return incomplete ? undefined : result.data
  }

  #explain(issue: Issue, base: TreePath): void {
    const path: TreePath = [...base, ...(issue.path as (string | number)[])]
    const target = this.#locate(path)
    if (target.failed) return
    if (issue.code === 'unrecognized_keys') {
      this.#unknownKeys(issue.keys, path, target.node)
    } else if (issue.code === 'invalid_union' && issue.errors.length > 0 && target.found) {
      this.#union(issue, path, target)
    } else if (issue.code === 'invalid_key') {
      for (const inner of issue.issues) this.#key(inner as Issue, path, target)
    } else if (issue.code === 'invalid_element') {
      for (const inner of issue.issues) this.#explain(inner as Issue, path)
    } else if (!target.found && issue.message === UNWORDED) {
      this.#missing(path, target)
    } else if (issue.message !== UNWORDED) {
      this.#authored(issue, path, target)
    } else {
      this.#value(issue, path, target)
    }
  }

  /** The node at a path, or the deepest one on the way to it. */
  #locate(path: TreePath): Target {
    let node = this.#subject.node
    let keyPlace: Place | undefined = this.#subject.keyPlace
    for (const part of path) {
      if (node.kind === 'scalar' && node.failed) break
      const entry = typeof part === 'string' ? entryOf(node, part) : undefined
      const next = entry?.value ?? (node.kind === 'list' ? node.items[Number(part)] : undefined)
      if (!next) return { node, keyPlace, found: false, failed: false }
      node = next
      keyPlace = entry?.keyPlace
    }
    return { node, keyPlace, found: true, failed: node.kind === 'scalar' && node.failed === true }
  }

  #schemasAt(path: TreePath): readonly Schema[] {
    return path.reduce<readonly Schema[]>((schemas, part) => step(schemas, part), [this.#schema])
  }

  #report(
    at: Place,
    path: TreePath,
    code: 'UNKNOWN_OPTION' | 'MISSING_OPTION' | 'WRONG_TYPE' | 'BAD_VALUE',
    message: string,
    hint?: string,
  ): void {
    const full = [...this.#subject.path, ...path]
    this.#findings.add({ code: `SCOPE_CONFIG_${code}`, at, path: full, message, hint })
  }

  #unknownKeys(keys: readonly string[], path: TreePath, node: Located): void {
    const known = keysOf(this.#schemasAt(path))
    if (path.length === 0) known.push(...(this.#subject.otherKeys ?? []))
    for (const key of keys) {
      const entry = entryOf(node, key)
      const meant = nearest(key, known)
      if (meant !== undefined) {
        this.#guessed.add(JSON.stringify([...path, meant]))
        // A secret under a misspelt name is still one.
        const field = this.#schemasAt([...path, meant])
        const secret = field.some(schema => metaOf(schema).unit === 'secret')
        if (entry && secret) this.#findings.hide(entry.value)
      }
      const hint =
        meant === undefined && known.length > 0 ? `Known options: ${known.join(', ')}.` : undefined
      const message = `unknown option${didYouMean(key, known)}`
      this.#report(entry?.keyPlace ?? node, [...path, key], 'UNKNOWN_OPTION', message, hint)
    }
  }

  /** A union: only what the alternative that was meant has to say. */
  #union(issue: Issue & { code: 'invalid_union' }, path: TreePath, target: Target): void {
    const schemas = this.#schemasAt(path).flatMap(alternatives)
    const told = issue.errors.map((errors, i) => {
      const schema = issue.errors.length === schemas.length ? schemas[i] : undefined
      return { errors, weight: distance(errors, schema) }
    })
    const fitting = told.filter(({ errors }) => !errors.some(isRootMismatch))
    const meant = fitting.sort((a, b) => a.weight - b.weight)[0]?.errors
    if (meant) {
      for (const inner of unknownFirst(meant)) this.#explain(inner as Issue, path)
      return
    }
    const values = this.#schemasAt(path)
      .flatMap(alternatives)
      .flatMap(s => valuesOf(s) ?? [])
    const text = target.node.kind === 'scalar' ? String(target.node.value) : undefined
    const guess =
      text !== undefined && !(target.node as LocatedScalar).segments
        ? didYouMean(text, values.map(String))
        : ''
    this.#mismatch(
      path,
      target,
      guess,
      text !== undefined && guess !== '' ? 'BAD_VALUE' : 'WRONG_TYPE',
    )
  }

  /** A key of a mapping with free keys that does not fit. */
  #key(issue: Issue, path: TreePath, target: Target): void {
    const at = target.keyPlace ?? target.node
    const message =
      issue.message === UNWORDED ? 'this name does not have the form that is needed' : issue.message
    this.#report(at, path, 'BAD_VALUE', message)
  }

  #missing(path: TreePath, target: Target): void {
    if (this.#guessed.has(JSON.stringify(path))) return
    const name = String(path.at(-1))
    const field = this.#schemasAt(path)[0]
    const meta = field ? metaOf(field) : {}
    const example = meta.examples?.[0] ?? undefined
    const hint = [
      meta.description,
      example === undefined ? '' : `For example: ${name}: ${yamlInline(example)}`,
    ]
    const at = target.keyPlace ?? target.node
    const words = hint.filter(Boolean).join(' ') || undefined
    this.#report(at, path.slice(0, -1), 'MISSING_OPTION', `missing option "${name}"`, words)
  }

  /** A message that a component's author wrote, perhaps with a place inside the scalar. */
  #authored(issue: Issue, path: TreePath, target: Target): void {
    const { node } = target
    const params = (issue as { params?: { offset?: unknown; length?: unknown } }).params ?? {}
    const offset = typeof params.offset === 'number' ? params.offset : undefined
    const length = typeof params.length === 'number' ? params.length : 1
    let at: Place = target.found ? visible(target) : (target.keyPlace ?? node)
    if (offset !== undefined && node.kind === 'scalar') {
      at = placeInside(this.#findings.text, node, offset, length)
    }
    // A rule about a whole component, or about a mapping, is told at its name.
    if (node.kind !== 'scalar' && target.keyPlace) at = target.keyPlace
    const shownPath = target.found ? path : path.slice(0, -1)
    const { message, hint = this.#cutOff(node, offset) } = this.#withoutSecrets(
      issue.message,
      path,
      node,
    )
    this.#report(at, shownPath, 'BAD_VALUE', message, hint)
  }

  /** A hint for text that ends too early because YAML took a comma of it for its own. */
  #cutOff(node: Located, offset: number | undefined): string | undefined {
    if (node.kind !== 'scalar' || node.style !== 'plain' || offset === undefined) return undefined
    const ends = offset >= node.text.length - 1
    const comma = /^\s*,/.test(this.#findings.text.slice(node.end))
    return ends && comma ? 'Inside { } and [ ] a comma ends a value: put it in quotes.' : undefined
  }

  /** The message, unless it could tell something that must not be shown. */
  #withoutSecrets(
    message: string,
    path: TreePath,
    node: Located,
  ): { message: string; hint?: string | undefined } {
    const pieces: string[] = []
    const sources: string[] = []
    let told = message
    eachScalar(node, scalar => {
      if (!scalar.outside?.length) return
      told = told.replaceAll(String(scalar.value), scalar.text)
      pieces.push(...scalar.outside)
      sources.push(scalar.text)
    })
    // Secrets in the file itself are not repeated either.
    const schema = this.#schemasAt(path)[0]
    if (schema) {
      eachOfUnit(schema, node, 'secret', scalar => {
        if (!scalar.segments) pieces.push(String(scalar.value))
      })
    }
    if (pieces.length === 0) return { message }
    const rest = sources.reduce((text, source) => text.replaceAll(source, ''), told)
    if (!reveals(rest, pieces)) return { message: told }
    const expected = schema && node.kind === 'scalar' ? `; expected ${wordsFor(schema)}` : ''
    return {
      message: `${sources.map(clipped).join(', ') || 'the value'} does not fit here${expected}`,
      hint: 'What came from outside the file is not shown. Write it into a copy of the file to see more.',
    }
  }

  /** A mismatch in zod's own words, told in ours. */
  #value(issue: Issue, path: TreePath, target: Target): void {
    switch (issue.code) {
      case 'invalid_type':
      case 'invalid_union':
        return this.#mismatch(path, target, '', 'WRONG_TYPE')
      case 'invalid_value': {
        const { node } = target
        const guess =
          node.kind === 'scalar' && !node.segments
            ? didYouMean(String(node.value), issue.values.map(String))
            : ''
        const at = visible(target)
        const message = `expected ${oneOf(issue.values)}, got ${this.#got(path, node)}${guess}`
        return this.#report(at, path, 'BAD_VALUE', message)
      }
      case 'too_small':
      case 'too_big':
        return this.#limit(issue, path, target)
      case 'not_multiple_of':
        return this.#bad(path, target, `expected a multiple of ${issue.divisor}`)
      case 'invalid_format':
        return this.#bad(path, target, `expected ${this.#expected(path, issue.format)}`)
      default:
        return this.#mismatch(path, target, '', 'BAD_VALUE')
    }
  }

  #bad(path: TreePath, target: Target, message: string): void {
    const got = this.#got(path, target.node)
    this.#report(visible(target), path, 'BAD_VALUE', `${message}, got ${got}`)
  }

  #limit(
    issue: Issue & ({ code: 'too_small' } | { code: 'too_big' }),
    path: TreePath,
    target: Target,
  ): void {
    const least = issue.code === 'too_small'
    const limit = least ? issue.minimum : issue.maximum
    const bound = `${issue.inclusive ? (least ? 'at least ' : 'at most ') : least ? 'more than ' : 'less than '}${limit}`
    const { origin } = issue
    if (origin === 'string' || origin === 'array' || origin === 'map' || origin === 'object') {
      const what = origin === 'string' ? 'characters' : 'entries'
      const message =
        least && Number(limit) === 1
          ? 'may not be empty'
          : `must have ${bound} ${Number(limit) === 1 ? what.replace(/ies$/, 'y').replace(/s$/, '') : what}`
      return this.#report(visible(target), path, 'BAD_VALUE', message)
    }
    const { node } = target
    const plain = node.kind === 'scalar' && !node.segments && typeof node.value === 'number'
    const got = plain ? node.text : this.#got(path, node)
    this.#report(visible(target), path, 'BAD_VALUE', `must be ${bound}, got ${got}`)
  }

  #expected(path: TreePath, format?: string): string {
    const schemas = this.#schemasAt(path)
    const schema = schemas[0]
    if (!schema) return format ?? 'something else'
    const example = metaOf(schema).examples?.[0]
    const words = wordsFor(schema)
    if (words !== 'text' || format === undefined) return words
    return example === undefined
      ? `text of the form ${format === 'regex' ? String(patternOf(schema) ?? 'that is described') : format}`
      : `text such as ${yamlInline(example)}`
  }

  #mismatch(path: TreePath, target: Target, guess: string, code: 'WRONG_TYPE' | 'BAD_VALUE'): void {
    const { node } = target
    const schemas = this.#schemasAt(path)
    const expected = this.#expected(path)
    const message = `expected ${expected}, got ${this.#got(path, node)}${guess}`
    this.#report(visible(target), path, code, message, this.#remedy(schemas[0], node))
  }

  #got(path: TreePath, node: Located): string {
    const secret = this.#schemasAt(path).some(schema => metaOf(schema).unit === 'secret')
    if (!secret || node.kind !== 'scalar' || node.segments || node.value === null)
      return shown(node)
    const words = { number: 'a number', boolean: 'true or false', string: 'other text' }
    return words[typeof node.value as keyof typeof words] ?? 'something else'
  }

  /** What to do about a value of the wrong type, where there is one usual reason. */
  #remedy(schema: Schema | undefined, node: Located): string | undefined {
    if (!schema) return undefined
    const kinds = alternatives(schema).map(kindOf)
    if (node.kind === 'scalar') {
      if (node.segments) return undefined
      const { value } = node
      if (metaOf(schema).unit === 'duration' && typeof value === 'number') {
        return `Add a unit: ${value}ms, ${value}s, ${value}m, ${value}h.`
      }
      if (
        kinds.includes('string') &&
        !valuesOf(schema) &&
        value !== null &&
        typeof value !== 'string'
      ) {
        return `Put it in quotes if it is meant as text${metaOf(schema).unit === 'secret' ? '' : `: "${node.text}"`}.`
      }
      const numeric = kinds.includes('number') || kinds.includes('int')
      if (
        numeric &&
        typeof value === 'string' &&
        node.style !== 'plain' &&
        /^[\d.]+$/.test(value)
      ) {
        return 'Remove the quotes.'
      }
      if (kinds.includes('boolean') && typeof value === 'string') {
        if (/^(?:yes|no|on|off)$/i.test(value)) {
          return `In YAML 1.2 that is text; write ${/^(?:yes|on)$/i.test(value) ? 'true' : 'false'}.`
        }
        if (/^(?:true|false)$/.test(value) && node.style !== 'plain') return 'Remove the quotes.'
      }
      if (kinds.includes('array') && value !== null) {
        return metaOf(schema).unit === 'secret'
          ? undefined
          : `A list of one is written [${node.text}].`
      }
    }
    return undefined
  }
}

interface Target {
  readonly node: Located
  readonly keyPlace: Place | undefined
  readonly found: boolean
  readonly failed: boolean
}

/** Where to put the caret for a value: its key, if the value is empty or starts on another line. */
function visible(target: Target): Place {
  const { node, keyPlace } = target
  if (
    keyPlace &&
    (node.start === node.end || (node.kind !== 'scalar' && node.start > keyPlace.end + 2))
  ) {
    return keyPlace
  }
  return node
}

/** Issues in an order in which unknown options come before those that are missing for them. */
function unknownFirst<I extends { code: string }>(issues: readonly I[]): I[] {
  const unknown = (issue: I) => (issue.code === 'unrecognized_keys' ? 0 : 1)
  return [...issues].sort((a, b) => unknown(a) - unknown(b))
}

/** Whether a union's alternative fails for the sort of value itself, and not for something in it. */
function isRootMismatch(issue: {
  code: string
  path: readonly unknown[]
  errors?: unknown
}): boolean {
  if (issue.path.length > 0) return false
  return (
    issue.code === 'invalid_type' ||
    issue.code === 'invalid_value' ||
    issue.code === 'invalid_union'
  )
}

/** How far a value is from an alternative; a key that is only misspelt counts half. */
function distance(
  issues: readonly { code: string; keys?: readonly string[] }[],
  schema: Schema | undefined,
): number {
  const known = schema ? keysOf([schema]) : []
  let sum = 0
  for (const { code, keys } of issues) {
    if (code !== 'unrecognized_keys' || !keys) sum++
    else for (const key of keys) sum += nearest(key, known) === undefined ? 1 : 0.5
  }
  return sum
}

function patternOf(schema: Schema): RegExp | undefined {
  const def = core(schema)._zod.def as { checks?: { _zod: { def: { pattern?: RegExp } } }[] }
  return def.checks?.map(check => check._zod.def.pattern).find(Boolean)
}
