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
  const edge = schemaOf(edgeOptions)
  const definitions: Record<string, JsonSchema> = {}
  const sections: Record<string, JsonSchema> = {}
  for (const section of Object.keys(SECTIONS) as Section[]) {
    const components: readonly Component[] = catalogue[section]
    for (const component of components) {
      definitions[`${component.kind}-${component.name}`] = componentSchema(component)
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
        items: schemaOf(testOptions),
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

function componentSchema(component: Component): JsonSchema {
  const own = schemaOf(component.options)
  const shared = schemaOf(sharedOptions[component.kind])
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

function schemaOf(schema: z.ZodType): JsonSchema {
  const made = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    // Every place gets its own copy, for a $ref would point to the wrong root once it is put together.
    reused: 'inline',
  }) as JsonSchema
  delete made['$schema']
  return replaceable(made) as JsonSchema
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
