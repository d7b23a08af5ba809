/**
 * Reads an options schema: which fields it has, what each takes, its default, words and examples.
 * The only file that knows how zod keeps these; validation, describe, the pages and the JSON Schema
 * ask here.
 */
import { z } from 'zod'

export type Schema = z.core.$ZodType

export interface Meta {
  readonly description?: string
  /** duration, size, address, field path, secret, file, … */
  readonly unit?: string
  readonly examples?: readonly unknown[]
}

/** One option. */
export interface Field {
  readonly name: string
  readonly schema: Schema
  /** What it takes, in words: `a duration such as 5s`. */
  readonly takes: string
  readonly required: boolean
  /** As a user would write it; undefined if there is none. */
  readonly default: unknown
  readonly meta: Meta
  /** Fields of the mapping that it takes, or that its list or mapping is made of. */
  readonly fields: readonly Field[]
  /** How the inner fields are reached: `.name`, `[].name` or `.<key>.name`. */
  readonly step: string
}

// zod keeps a definition per kind of type; only its `type` is common to all.
interface Definition {
  readonly type: string
  readonly innerType?: Schema
  readonly in?: Schema
  readonly out?: Schema
  readonly element?: Schema
  readonly valueType?: Schema
  readonly items?: readonly Schema[]
  readonly options?: readonly Schema[]
  readonly shape?: Record<string, Schema>
  readonly entries?: Record<string, string | number>
  readonly values?: readonly unknown[]
  readonly defaultValue?: unknown
  readonly getter?: () => Schema
  readonly format?: string
  readonly checks?: readonly { readonly _zod: { readonly def: { readonly format?: string } } }[]
  readonly discriminator?: string
}

function definition(schema: Schema): Definition {
  return schema._zod.def as unknown as Definition
}

/** The type within `.optional()`, `.default()`, `.transform()` and the like: what a user writes. */
export function core(schema: Schema): Schema {
  const inner = within(schema)
  return inner === undefined ? schema : core(inner)
}

function within(schema: Schema): Schema | undefined {
  const def = definition(schema)
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return def.innerType
    case 'pipe':
      return def.in && definition(def.in).type === 'transform' ? def.out : def.in
    case 'lazy':
      return def.getter?.()
    default:
      return undefined
  }
}

/** What is said about a schema, by itself or by the types that it wraps; the outermost wins. */
export function metaOf(schema: Schema): Meta {
  const inner = within(schema)
  const own = z.globalRegistry.get(schema) as Meta | undefined
  return { ...(inner ? metaOf(inner) : {}), ...own }
}

/** The kind of the core type: `string`, `number`, `int`, `object`, `record`, `array`, `union`, … */
export function kindOf(schema: Schema): string {
  const def = definition(core(schema))
  if (def.type !== 'number') return def.type
  const whole = (format?: string) => format !== undefined && /int/.test(format)
  return whole(def.format) || def.checks?.some(check => whole(check._zod.def.format))
    ? 'int'
    : 'number'
}

/** The alternatives of a union; the schema alone if it is none. */
export function alternatives(schema: Schema): readonly Schema[] {
  const inner = core(schema)
  const { type, options } = definition(inner)
  return type === 'union' && options ? options.flatMap(alternatives) : [inner]
}

/** The named options of a mapping type; undefined if it has none. */
export function shapeOf(schema: Schema): Readonly<Record<string, Schema>> | undefined {
  return definition(core(schema)).shape
}

/** The type of the elements of a list, or of the values of a mapping with free keys. */
export function elementOf(schema: Schema): Schema | undefined {
  const def = definition(core(schema))
  return def.element ?? (def.type === 'record' ? def.valueType : undefined)
}

/** The values of an enum or literal. */
export function valuesOf(schema: Schema): readonly unknown[] | undefined {
  const def = definition(core(schema))
  if (def.type === 'enum' && def.entries) return Object.values(def.entries)
  return def.type === 'literal' ? def.values : undefined
}

/** The types that a step along a path may lead to; several where a union allows several. */
export function step(schemas: readonly Schema[], key: string | number): readonly Schema[] {
  return schemas.flatMap(alternatives).flatMap(schema => {
    const shape = shapeOf(schema)
    if (shape) return Object.hasOwn(shape, key) ? [shape[key] as Schema] : []
    const { items } = definition(schema)
    if (items) return items[Number(key)] ? [items[Number(key)] as Schema] : []
    const element = elementOf(schema)
    return element ? [element] : []
  })
}

/** Names that fit at a place: keys of the mappings that may stand there. */
export function keysOf(schemas: readonly Schema[]): string[] {
  return [
    ...new Set(schemas.flatMap(alternatives).flatMap(schema => Object.keys(shapeOf(schema) ?? {}))),
  ]
}

/** What a type takes, in words that follow "expected". */
export function wordsFor(schema: Schema, depth = 0): string {
  const meta = metaOf(schema)
  const such = meta.examples?.[0]
  const example = typeof such === 'string' ? ` such as ${such}` : ''
  switch (meta.unit) {
    case undefined:
      break
    case 'secret':
      return 'text'
    case 'address':
      return example ? `an address${example}` : 'an address'
    case 'file':
      return 'the path of a file'
    default:
      return `${/^[aeiou]/.test(meta.unit) ? 'an' : 'a'} ${meta.unit}${example}`
  }
  const values = valuesOf(schema)
  if (values) return oneOf(values)
  // Types that hold themselves, such as JSON, have no end.
  if (depth > 3) return 'a value'
  switch (kindOf(schema)) {
    case 'string':
      return 'text'
    case 'number':
      return 'a number'
    case 'int':
      return 'a whole number'
    case 'boolean':
      return 'true or false'
    case 'object':
    case 'record':
      return 'a mapping'
    case 'array': {
      const element = elementOf(schema)
      if (!element || kindOf(element) === 'unknown') return 'a list'
      const words = wordsFor(element, depth + 1)
      return words.startsWith('one of ') ? `a list, each ${words}` : `a list of ${plural(words)}`
    }
    case 'tuple':
      return 'a list'
    case 'union': {
      const words = [...new Set(alternatives(schema).map(one => wordsFor(one, depth + 1)))]
      return words.join(' or ')
    }
    default:
      return 'a value'
  }
}

/** `a duration such as 5s` as `durations such as 5s`. */
function plural(words: string): string {
  return words.replace(/^an? (.*?)(s?)(?= such as |$)/, (_, noun, s) => `${noun}${s && 'se'}s`)
}

/** `one of a, b`, or the only value there is. */
export function oneOf(values: readonly unknown[]): string {
  const words = values.map(String)
  if (words.length < 2) return words[0] ?? 'nothing'
  return words.length === 2 ? `${words[0]} or ${words[1]}` : `one of ${words.join(', ')}`
}

/** The options of a mapping type in the order of their declaration. */
export function fieldsOf(schema: Schema, depth = 0): Field[] {
  const shape = shapeOf(schema) ?? {}
  return Object.entries(shape).map(([name, field]) => {
    const { mappings, step } = innerMappings(field)
    return {
      name,
      schema: field,
      takes: wordsFor(field),
      required: isRequired(field),
      default: defaultOf(field),
      meta: metaOf(field),
      fields: depth < 4 ? mergedFields(mappings, depth + 1) : [],
      step,
    }
  })
}

/** The options of all mappings that may stand at a place. What only one of them needs is no must. */
function mergedFields(mappings: readonly Schema[], depth: number): Field[] {
  const merged = new Map<string, Field>()
  for (const mapping of mappings) {
    for (const field of fieldsOf(mapping, depth)) {
      if (!merged.has(field.name)) {
        merged.set(field.name, { ...field, required: field.required && mappings.length === 1 })
      }
    }
  }
  return [...merged.values()]
}

/** The mappings with options of their own that a field takes or holds, and the step to them. */
function innerMappings(schema: Schema, depth = 0): { mappings: Schema[]; step: string } {
  const alternative = depth > 3 ? [] : alternatives(schema)
  const mappings = alternative.filter(one => shapeOf(one))
  if (mappings.length > 0) return { mappings, step: '.' }
  for (const one of alternative) {
    const element = elementOf(one)
    const inner = element && innerMappings(element, depth + 1)
    if (!inner || inner.mappings.length === 0) continue
    const here = kindOf(one) === 'array' ? '[]' : '.<name>'
    return { mappings: inner.mappings, step: here + inner.step }
  }
  return { mappings: [], step: '.' }
}

/** Whether the option must be written. */
export function isRequired(schema: Schema): boolean {
  const def = definition(schema)
  if (def.type === 'optional' || def.type === 'default' || def.type === 'prefault') return false
  const inner = within(schema)
  return inner ? isRequired(inner) : true
}

/** The default, as written. */
export function defaultOf(schema: Schema): unknown {
  const def = definition(schema)
  if (def.type === 'default' || def.type === 'prefault') return def.defaultValue
  const inner = within(schema)
  return inner ? defaultOf(inner) : undefined
}
