/** Writes a component's declaration for readers: as text for `scope describe`, and as a Markdown page. */
import type { Catalogue, Component } from './define.ts'
import { type Field, fieldsOf, type Schema } from './schema-fields.ts'
import { yamlInline } from './yaml-inline.ts'

/** Options that all components of a kind take beside their own. */
export type SharedOptions = Readonly<Record<Component['kind'], Schema>>

const WIDTH = 96

/** An option with the way to it: `tls.cert`, `patterns[].name`. */
interface Option {
  readonly path: string
  readonly field: Field
}

/** Every component with its sentence. */
export function listComponents(catalogue: Catalogue): string {
  const lines: string[] = []
  const all = componentsOf(catalogue)
  const widest = Math.max(...all.map(component => component.name.length))
  for (const kind of ['source', 'transform', 'sink'] as const) {
    lines.push(`${kind[0]?.toUpperCase()}${kind.slice(1)}s`)
    for (const component of all.filter(one => one.kind === kind)) {
      const summary = wrap(component.summary, WIDTH - widest - 4)
      lines.push(`  ${component.name.padEnd(widest)}  ${summary[0] ?? ''}`)
      for (const more of summary.slice(1)) lines.push(`  ${' '.repeat(widest)}  ${more}`)
    }
    lines.push('')
  }
  lines.push(
    'scope describe NAME shows all about one; scope describe sink NAME where two share a name.',
  )
  return `${lines.join('\n')}\n`
}

/**
 * All about one component.
 *
 * @param wanted its name, or its kind and name (`sink statsd`); every one of that name is described
 * @returns undefined if there is none
 */
export function describeComponent(
  catalogue: Catalogue,
  wanted: string,
  shared?: SharedOptions,
): string | undefined {
  const [first = '', second] = wanted.trim().split(/\s+/)
  const found = componentsOf(catalogue).filter(({ kind, name }) =>
    second === undefined
      ? name === first
      : (kind === first || `${kind}s` === first) && name === second,
  )
  if (found.length === 0) return undefined
  return found.map(component => describe(component, shared)).join(`\n${'─'.repeat(WIDTH)}\n\n`)
}

function componentsOf({ sources, transforms, sinks }: Catalogue): Component[] {
  return [...sources, ...transforms, ...sinks]
}

function describe(component: Component, shared: SharedOptions | undefined): string {
  const { name, kind, summary, description, examples } = component
  const lines = [`${name} (${kind})`, '', ...wrap(summary, WIDTH), '']
  lines.push(...description.trim().split('\n'), '', 'Options', '')
  for (const option of optionsOf(component, shared)) {
    lines.push(...optionText(option))
  }
  if (examples.length > 0) lines.push('Examples', '')
  for (const example of examples) {
    lines.push(`  # ${example.title}`)
    lines.push(
      ...example.yaml
        .trimEnd()
        .split('\n')
        .map(line => `  ${line}`),
      '',
    )
  }
  return `${lines.join('\n').trimEnd()}\n`
}

function optionText({ path, field }: Option): string[] {
  const { meta } = field
  const example = exampleOf(field)
  return [
    `  ${path}`,
    ...wrap(`${field.takes}; ${needOf(field)}`, WIDTH - 6).map(line => `      ${line}`),
    ...wrap(meta.description ?? '', WIDTH - 6).map(line => `      ${line}`),
    ...(example === undefined ? [] : [`      For example: ${example}`]),
    '',
  ]
}

/** The page about a component, in Markdown. */
export function componentPage(component: Component, shared: SharedOptions): string {
  const { name, kind, summary, description, examples } = component
  const lines = [
    `# ${kind} \`${name}\``,
    '',
    '<!-- Made by npm run docs from the declaration in the code. -->',
    '',
    summary,
    '',
    description.trim(),
    '',
    '## Options',
    '',
    '| Option | Takes | Default | Meaning |',
    '|---|---|---|---|',
  ]
  for (const { path, field } of optionsOf(component, shared)) {
    const text = defaultText(field.default)
    const standard = field.required ? '*required*' : text === undefined ? '' : code(text)
    const example = exampleOf(field)
    const meaning = [
      field.meta.description ?? '',
      example === undefined ? '' : `For example ${code(example)}.`,
    ]
    const cells = [code(path), field.takes, standard, meaning.filter(Boolean).join(' ')]
    lines.push(`| ${cells.map(cell).join(' | ')} |`)
  }
  if (examples.length > 0) lines.push('', '## Examples')
  const section = `${kind}s`
  for (const example of examples) {
    const own = example.yaml.trimEnd().split('\n')
    // An example speaks of the component's own options; on a page it should work as it stands.
    const fed = kind === 'source' || own.some(line => line.startsWith('inputs:'))
    const whole = fed ? own : [own[0] ?? '', 'inputs: [my_source]', ...own.slice(1)]
    const body = whole.map(line => `    ${line}`)
    lines.push(
      '',
      `${example.title}:`,
      '',
      '```yaml',
      `${section}:`,
      `  my_${name}:`,
      ...body,
      '```',
    )
  }
  return `${lines.join('\n')}\n`
}

/** The page that lists all components, in Markdown. */
export function indexPage(catalogue: Catalogue): string {
  const lines = [
    '# Components',
    '',
    '<!-- Made by npm run docs from the declarations in the code. -->',
  ]
  for (const kind of ['source', 'transform', 'sink'] as const) {
    lines.push('', `## ${kind[0]?.toUpperCase()}${kind.slice(1)}s`, '')
    for (const { name, summary } of componentsOf(catalogue).filter(one => one.kind === kind)) {
      lines.push(`* [\`${name}\`](${pageName(kind, name)}): ${summary}`)
    }
  }
  return `${lines.join('\n')}\n`
}

/** File name of a component's page. */
export function pageName(kind: Component['kind'], name: string): string {
  return `${kind}-${name}.md`
}

/** Every page of `docs/components`, by file name. */
export function allPages(catalogue: Catalogue, shared: SharedOptions): Map<string, string> {
  const pages = new Map([['index.md', indexPage(catalogue)]])
  for (const component of componentsOf(catalogue)) {
    pages.set(pageName(component.kind, component.name), componentPage(component, shared))
  }
  return pages
}

/** A component's options, own ones first, inner ones behind the option that holds them. */
function optionsOf(component: Component, shared: SharedOptions | undefined): Option[] {
  const common = shared ? fieldsOf(shared[component.kind]) : []
  const flat = (fields: readonly Field[], prefix: string): Option[] =>
    fields.flatMap(field => {
      const path = prefix + field.name
      return [{ path, field }, ...flat(field.fields, path + field.step)]
    })
  const inputs = common.filter(field => field.required)
  const rest = common.filter(field => !field.required)
  return flat([...inputs, ...fieldsOf(component.options), ...rest], '')
}

function needOf(field: Field): string {
  if (field.required) return 'required'
  const standard = defaultText(field.default)
  return standard === undefined ? 'optional' : `default ${standard}`
}

/** A default in words; none for a mapping whose own options have theirs. */
function defaultText(value: unknown): string | undefined {
  if (value === undefined || JSON.stringify(value) === '{}') return undefined
  return typeof value === 'string' && value !== '' ? value : yamlInline(value)
}

/** The example that says more than the default and the words for the type do. */
function exampleOf(field: Field): string | undefined {
  const [example] = field.meta.examples ?? []
  if (example === undefined || field.fields.length > 0) return undefined
  const text = yamlInline(example)
  if (field.default !== undefined || field.takes.endsWith(` such as ${example}`)) return undefined
  return text
}

function code(text: string): string {
  return text.includes('`') ? text : `\`${text}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

/** Breaks a text into lines of at most so many characters. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/).filter(Boolean)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  if (line !== '') lines.push(line)
  return lines
}
