/**
 * The JSON Schema (draft 2020-12) of the configuration, for editors and other programs. Made from the
 * same declarations that the edge checks with, so that both say the same.
 */
import { z } from 'zod'
import type { Catalogue, Component } from '../component/define.ts'
import { edgeOptions, sharedOptions, testOptions } from './shared-options.ts'
import { SECTIONS, type Section } from './validate.ts'

export interface JsonSchema {
  [keyword: string]: unknown
}

/** A value that `${…}` will become: only the edge can know whether it fits. */
const REPLACED: JsonSchema = { type: 'string', pattern: '\\$\\{' }

/** The schema of a whole file. */
export function configSchema(catalogue: Catalogue): JsonSchema {
  const definitions: Record<string, JsonSchema> = {}
  const edge = schemaOf(edgeOptions, 'edge', definitions)
  const sections: Record<string, JsonSchema> = {}
  for (const section of Object.keys(SECTIONS) as Section[]) {
    const components: readonly Component[] = catalogue[section]
    for (const component of components) {
      definitions[`${component.kind}-${component.name}`] = componentSchema(component, definitions)
    }
    sections[section] = {
      type: ['object', 'null'],
      description: `The ${section} of this edge, by name.`,
      propertyNames: { pattern: '^[A-Za-z][A-Za-z0-9_-]*$' },
      additionalProperties: oneByType(components),
    }
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Scopeline edge configuration',
    ...edge,
    properties: {
      ...(edge['properties'] as JsonSchema),
      ...sections,
      tests: {
        type: ['array', 'null'],
        description: 'Tests of this pipeline, run by `scope test`.',
        items: schemaOf(testOptions, 'test', definitions),
      },
    },
    required: ['sources', 'sinks'],
    $defs: definitions,
  }
}

/** Chooses by `type`, so that an editor speaks of the component that was meant and of no other. */
function oneByType(components: readonly Component[]): JsonSchema {
  return {
    type: 'object',
    required: ['type'],
    properties: {
      type: {
        description: 'Which component it is.',
        oneOf: components.map(({ name, summary }) => ({ const: name, description: summary })),
      },
    },
    allOf: components.map(({ kind, name }) => ({
      if: { properties: { type: { const: name } }, required: ['type'] },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { $ref: `#/$defs/${kind}-${name}` },
    })),
  }
}

function componentSchema(component: Component, definitions: Definitions): JsonSchema {
  const { kind, name } = component
  const own = schemaOf(component.options, `${kind}-${name}`, definitions)
  const shared = schemaOf(sharedOptions[kind], kind, definitions)
  const required = (schema: JsonSchema) => (schema['required'] as string[] | undefined) ?? []
  return {
    ...own,
    description: component.summary,
    properties: {
      type: { const: component.name },
      ...(shared['properties'] as JsonSchema),
      ...(own['properties'] as JsonSchema),
    },
    required: ['type', ...required(shared), ...required(own)],
    additionalProperties: false,
  }
}

/** The definitions of the whole schema, added to as they are met. */
type Definitions = Record<string, JsonSchema>

/** The schema of a part. Types that hold themselves go to `definitions`, under names of their own. */
function schemaOf(schema: z.ZodType, name: string, definitions: Definitions): JsonSchema {
  const made = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' })
  const { $schema, $defs, ...rest } = redirected(made, `${name}-`) as JsonSchema
  for (const [key, definition] of Object.entries(($defs ?? {}) as Definitions)) {
    definitions[`${name}-${key}`] = replaceable(definition) as JsonSchema
  }
  return replaceable(rest) as JsonSchema
}

/** A schema whose references lead to definitions with a prefix. */
function redirected(schema: unknown, prefix: string): unknown {
  if (Array.isArray(schema)) return schema.map(inner => redirected(inner, prefix))
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [
      key,
      key === '$ref' && typeof value === 'string'
        ? value.replace('#/$defs/', `#/$defs/${prefix}`)
        : redirected(value, prefix),
    ]),
  )
}

/** Lets a `${…}` stand wherever a value other than free text is wanted. */
function replaceable(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(replaceable)
  if (typeof schema !== 'object' || schema === null) return schema
  const { examples, default: standard, ...rest } = schema as JsonSchema
  const inner: JsonSchema = {}
  for (const [keyword, value] of Object.entries(rest)) {
    if (keyword === 'properties') {
      inner[keyword] = Object.fromEntries(
        Object.entries(value as JsonSchema).map(([name, field]) => [name, replaceable(field)]),
      )
    } else if (['enum', 'const', 'required'].includes(keyword)) inner[keyword] = value
    else if (keyword === 'propertyNames') inner[keyword] = value
    else inner[keyword] = replaceable(value)
  }
  const words: JsonSchema = {}
  for (const keyword of ['description', 'unit']) {
    if (inner[keyword] === undefined) continue
    words[keyword] = inner[keyword]
    delete inner[keyword]
  }
  if (standard !== undefined) words['default'] = standard
  if (examples !== undefined) words['examples'] = examples
  return needsReplacing(inner) ? { ...words, anyOf: [inner, REPLACED] } : { ...words, ...inner }
}

function needsReplacing(schema: JsonSchema): boolean {
  if ('enum' in schema || 'const' in schema) return true
  const { type } = schema
  if (type === 'number' || type === 'integer' || type === 'boolean') return true
  return type === 'string' && ['pattern', 'minLength', 'maxLength', 'format'].some(k => k in schema)
}
