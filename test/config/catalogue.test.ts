/**
 * What every component must declare, and what is derived from it: examples that are right, words for
 * every option, strict mappings, the JSON Schema, the text of `scope describe`, and the pages in docs.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Ajv2020 from 'ajv/dist/2020.js'
import t from 'tap'
import { parse } from 'yaml'
import type { Component } from '../../src/component/define.ts'
import {
  allPages,
  describeComponent,
  listComponents,
  pageName,
} from '../../src/component/describe.ts'
import {
  alternatives,
  elementOf,
  type Field,
  fieldsOf,
  kindOf,
  type Schema,
  shapeOf,
} from '../../src/component/schema-fields.ts'
import { renderDiagnoses } from '../../src/config/diagnose.ts'
import { loadConfig } from '../../src/config/load.ts'
import { configSchema } from '../../src/config/schema.ts'
import { edgeOptions, sharedOptions, testOptions } from '../../src/config/shared-options.ts'
import { sinks } from '../../src/sinks/index.ts'
import { sources } from '../../src/sources/index.ts'
import { transforms } from '../../src/transforms/index.ts'

const catalogue = { sources, transforms, sinks }
const components: Component[] = [...sources, ...transforms, ...sinks]
const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url))

/** A whole configuration around a component's example. */
function around({ kind, name }: Component, yaml: string): string {
  const part = (own: boolean, name: string, other: string) =>
    own ? `${name}:\n  it:\n${yaml.trimEnd().replace(/^/gm, '    ')}\n` : `${name}:\n${other}\n`
  const inputs = /^inputs:\s*\[(.*)\]/m.exec(yaml)?.[1]?.split(/\s*,\s*/) ?? ['before']
  const globs = inputs.some(input => input.includes('*'))
  const ids = kind === 'source' || globs ? ['before'] : inputs
  const feeds = ids.map(id => `  ${id.replace(/\..*/, '')}: { type: internal }`)
  const needsInputs = kind !== 'source' && !/^inputs:/m.test(yaml)
  const text =
    part(kind === 'source', 'sources', [...new Set(feeds)].join('\n')) +
    (kind === 'transform' ? part(true, 'transforms', '') : '') +
    part(
      kind === 'sink',
      'sinks',
      `  end: { type: ndjson, inputs: [it${name === 'route' ? '.*' : ''}], path: ./end.ndjson }`,
    )
  return needsInputs ? text.replace(/^( {4}type: .*)$/m, '$1\n    inputs: [before]') : text
}

for (const component of components) {
  const { kind, name, options, examples } = component
  t.test(`${kind} ${name} has words and examples that are right`, async t => {
    t.match(name, /^[a-z][a-z0-9_]*$/)
    t.match(component.summary, /^[A-Z].*\.$/, 'the summary is a sentence')
    t.ok(component.description.length > 80, 'the description tells something')
    t.ok(examples.length > 0, 'there is an example')
    for (const { title, yaml } of examples) {
      const text = around(component, yaml).replace(/\$\{file:[^}]*\}/g, 'a-secret')
      const { diagnoses } = loadConfig('-', catalogue, environmentFor(text), text)
      const wrong = diagnoses.filter(one => !/cannot be (?:read|written)/.test(one.message))
      t.equal(renderDiagnoses(wrong), '', title)
    }
    for (const { path, field } of flat(fieldsOf(options))) {
      t.match(
        field.meta.description ?? '',
        /^[A-Z`'"%].*[.:)]$/s,
        `${path} is described in sentences`,
      )
    }
    for (const where of loose(options)) t.fail(`${where} takes unknown options without a word`)
    const shared = Object.keys(sharedOptions[kind].shape)
    t.strictSame(
      Object.keys(options.shape).filter(option => ['type', ...shared].includes(option)),
      [],
      'no option has the name of a shared one',
    )
  })
}

/** Every variable that a text asks for, with a value. */
function environmentFor(text: string): Record<string, string> {
  const names = [...text.matchAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)/g)].map(match => match[1] as string)
  return Object.fromEntries(names.map(name => [name, 'value']))
}

function flat(fields: readonly Field[], prefix = ''): { path: string; field: Field }[] {
  return fields.flatMap(field => {
    const path = prefix + field.name
    return [{ path, field }, ...flat(field.fields, path + field.step)]
  })
}

/** Mappings within a schema that would swallow a misspelt option. */
function loose(schema: Schema, where = 'the component', depth = 0): string[] {
  if (depth > 6) return []
  return alternatives(schema).flatMap(one => {
    const shape = shapeOf(one)
    const element = elementOf(one)
    if (element) return loose(element, `${where}[]`, depth + 1)
    if (!shape) return []
    const { catchall } = one._zod.def as { catchall?: Schema }
    const here = kindOf(one) === 'object' && (!catchall || kindOf(catchall) !== 'never')
    const inner = Object.entries(shape).flatMap(([name, field]) =>
      loose(field, `${where}.${name}`, depth + 1),
    )
    // The outermost mapping is made strict when it is read.
    return here && depth > 0 ? [where, ...inner] : inner
  })
}

t.test('names are unique within a kind, and shared options are described', async t => {
  const names = components.map(({ kind, name }) => `${kind} ${name}`)
  t.equal(new Set(names).size, names.length)
  for (const schema of [edgeOptions, testOptions, ...Object.values(sharedOptions)]) {
    for (const { path, field } of flat(fieldsOf(schema))) {
      t.match(field.meta.description ?? '', /^[A-Z].*\.$/s, path)
    }
  }
})

t.test('describe lists everything and shows options, defaults, units and examples', async t => {
  const list = listComponents(catalogue)
  for (const { name } of components) t.match(list, new RegExp(`^  ${name} `, 'm'))
  t.equal(describeComponent(catalogue, 'nothing', sharedOptions), undefined)
  t.equal(describeComponent(catalogue, 'source filter', sharedOptions), undefined)
  const filter = describeComponent(catalogue, 'filter', sharedOptions) ?? ''
  t.match(filter, /^filter \(transform\)\n/)
  t.match(filter, /\n {2}inputs\n {6}a list of text; required\n/)
  t.match(filter, /\n {2}where\n/)
  const ndjson = describeComponent(catalogue, 'ndjson', sharedOptions) ?? ''
  t.match(
    ndjson,
    /\n {2}queue\.when_full\n {6}one of block, drop_oldest, drop_newest; default block\n/,
  )
  t.match(ndjson, /\n {2}frame_size\n {6}a size such as 16MiB; default 256KiB\n/)
  const both = describeComponent(catalogue, 'statsd', sharedOptions) ?? ''
  t.match(both, /^statsd \(source\)\n/m)
  t.match(both, /^statsd \(sink\)\n/m)
  const one = describeComponent(catalogue, 'sink statsd', sharedOptions) ?? ''
  t.notMatch(one, /\(source\)/)
})

t.test('the pages in docs/components are current', async t => {
  const directory = path('docs/components')
  const pages = allPages(catalogue, sharedOptions)
  t.ok(pages.has('index.md') && pages.has(pageName('transform', 'filter')))
  t.match(
    pages.get('sink-blackhole.md'),
    /Examples\n\n.+:\n\n```yaml\nsinks:\n {2}my_blackhole:\n {4}type: /,
  )
  const there = readdirSync(directory).filter(name => name.endsWith('.md'))
  t.strictSame(there.sort(), [...pages.keys()].sort(), 'npm run docs writes them')
  for (const [name, text] of pages) {
    t.equal(readFileSync(join(directory, name), 'utf8'), text, `${name}: npm run docs writes it`)
  }
})

t.test('the JSON Schema accepts what the edge accepts and refuses what it refuses', async t => {
  const ajv = new Ajv2020.Ajv2020({ strict: false, allErrors: true })
  const validate = ajv.compile(configSchema(catalogue))
  for (const name of readdirSync(path('config')).filter(
    name => name.endsWith('.yml') && name !== 'scope.yml',
  )) {
    const valid = validate(parse(readFileSync(path(`config/${name}`), 'utf8')))
    t.ok(valid, `config/${name} ${JSON.stringify(validate.errors)}`)
  }
  for (const component of components) {
    for (const { title, yaml } of component.examples) {
      const valid = validate(parse(around(component, yaml)))
      t.ok(valid, `${component.name}: ${title} ${JSON.stringify(validate.errors)}`)
    }
  }
  // Mistakes that are matters of form; what is between components, or in expressions, is not.
  const forms =
    /(?:unknown-(?:section|type|option|inner)|missing-(?:type|option|inputs)|-wanted|number-|yes-is|unknown-choice|as-list|is-text|of-other-kind|text-instead|empty-inputs|bad-queue|bad-name|test-not-a-list|api-option|top-level-list|no-sinks)/
  const broken = readdirSync(path('test/cases/config')).filter(name => forms.test(name))
  t.ok(broken.length > 20)
  for (const name of broken) {
    const text = readFileSync(path(`test/cases/config/${name}/edge.yml`), 'utf8')
    const valid = validate(parse(text, { logLevel: 'silent' }))
    // An empty section is allowed while someone types; a quoted number may be meant for a variable.
    const later = /no-sinks|number-in-quotes|quoted-number|too-small/.test(name)
    if (!later) t.notOk(valid, `${name} is refused`)
  }
})

t.test('an editor finds words, defaults and examples in the JSON Schema', async t => {
  const schema = JSON.parse(JSON.stringify(configSchema(catalogue)))
  const { properties } = schema.$defs['sink-ndjson']
  t.match(properties.path.description, /file/i)
  t.equal(properties.frame_size.default, '256KiB')
  t.match(properties.queue.properties.when_full.description, /full/)
  t.equal(schema.properties.memory.default, '256MiB')
  t.strictSame(schema.$defs['transform-filter'].required, ['type', 'inputs', 'where'])
})
