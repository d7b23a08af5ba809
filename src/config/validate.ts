/**
 * Checks each part of the file by itself: the edge's own options, and every component's name, type
 * and options. What the parts are to each other is the graph's matter. Alternatives are told apart by
 * `type` here, by hand, so that an error speaks of the component that was meant and of no other.
 */

import { createHash } from 'node:crypto'
import type { z } from 'zod'
import type { Catalogue, Component } from '../component/define.ts'
import { didYouMean, nearest } from '../component/nearest.ts'
import type { Findings } from './diagnose.ts'
import {
  entryOf,
  type Located,
  type LocatedEntry,
  type LocatedMap,
  type LocatedScalar,
  type Place,
  plainValue,
  type TreePath,
} from './located.ts'
import { edgeOptions, sharedOptions, testOptions } from './shared-options.ts'
import { quoted, shown } from './shown.ts'
import { read } from './wording.ts'

export type Kind = Component['kind']

/** The map that each kind of component is declared in. */
export const SECTIONS = { sources: 'source', transforms: 'transform', sinks: 'sink' } as const
export type Section = keyof typeof SECTIONS

export type EdgeOptions = z.output<typeof edgeOptions>

/** A component as declared in the file; its parts are undefined where they could not be read. */
export interface Declared {
  readonly kind: Kind
  readonly section: Section
  readonly id: string
  readonly keyPlace: Place
  readonly node: Located
  readonly component: Component | undefined
  /** The component's own options, read. */
  readonly options: unknown
  /** SHA-256 over type and options as they are after interpolation, inputs left out. */
  readonly signature: string
  /** Inputs as written. Undefined for sources, and where they could not be read. */
  readonly inputs: readonly LocatedScalar[] | undefined
  readonly buffer: number | undefined
  readonly queue: {
    maxBytes: number | undefined
    whenFull: 'block' | 'drop_oldest' | 'drop_newest'
  }
}

export interface Checked {
  readonly edge: EdgeOptions | undefined
  readonly components: readonly Declared[]
  /** False when a whole map of components could not be read, so that names in it are not known. */
  readonly complete: boolean
  readonly tests: readonly { node: LocatedMap; advance: number; path: TreePath }[]
}

const COMPONENT_NAME = /^[A-Za-z][A-Za-z0-9_-]*$/

/** Checks the whole tree. */
export function validate(tree: Located, catalogue: Catalogue, findings: Findings): Checked {
  if (tree.kind !== 'map') {
    findings.add({
      code: 'SCOPE_CONFIG_WRONG_TYPE',
      at: tree,
      message: `expected a mapping with "sources" and "sinks", got ${shown(tree)}`,
    })
    return { edge: undefined, components: [], complete: false, tests: [] }
  }
  const parts = [...Object.keys(SECTIONS), 'tests']
  const own: LocatedMap = {
    ...tree,
    entries: tree.entries.filter(entry => !parts.includes(entry.key)),
  }
  const keyPlace = { start: tree.start, end: tree.start + 1 }
  const subject = { node: own, path: [], keyPlace, otherKeys: parts }
  const edge = read(edgeOptions, subject, findings)
  const ids = new Map<string, Declared>()
  const components = (Object.keys(SECTIONS) as Section[]).flatMap(section =>
    readSection(section, tree, catalogue, ids, findings),
  )
  checkSecrecy(edge, tree, findings)
  const complete = (Object.keys(SECTIONS) as Section[]).every(section => {
    const entry = entryOf(tree, section)
    return entry ? entry.value.kind === 'map' : section === 'transforms'
  })
  return { edge, components, complete, tests: readTests(tree, findings) }
}

function readSection(
  section: Section,
  tree: LocatedMap,
  catalogue: Catalogue,
  ids: Map<string, Declared>,
  findings: Findings,
): Declared[] {
  const entry = entryOf(tree, section)
  if (!entry || (entry.value.kind === 'scalar' && entry.value.value === null)) {
    const misspelt = tree.entries.some(({ key }) => nearest(key, [section]) !== undefined)
    if (section !== 'transforms' && (entry || !misspelt)) {
      findings.add({
        code: 'SCOPE_CONFIG_MISSING_OPTION',
        at: entry?.keyPlace ?? { start: tree.start, end: tree.start },
        message: `there are no ${section}`,
        hint:
          section === 'sources'
            ? 'An edge needs at least one source to read from.'
            : 'An edge needs at least one sink to deliver to; "type: blackhole" throws events away.',
      })
    }
    return []
  }
  if (entry.value.kind !== 'map') {
    findings.add({
      code: 'SCOPE_CONFIG_WRONG_TYPE',
      at: entry.value.kind === 'list' ? entry.keyPlace : entry.value,
      path: [section],
      message: `expected a mapping from names to ${section}, got ${shown(entry.value)}`,
      hint: `Give each of them a name: ${section}: { my_name: { type: … } }.`,
    })
    return []
  }
  const declared: Declared[] = []
  for (const item of entry.value.entries) {
    const path = [section, item.key]
    if (!COMPONENT_NAME.test(item.key)) {
      findings.add({
        code: 'SCOPE_CONFIG_NAME',
        at: item.keyPlace,
        path,
        message:
          'the name of a component starts with a letter and holds letters, digits, "-" and "_" only',
      })
    }
    const other = ids.get(item.key)
    if (other) {
      findings.add({
        code: 'SCOPE_CONFIG_DUPLICATE',
        at: item.keyPlace,
        path,
        message: `"${item.key}" is also the name of a ${other.kind}, on line ${findings.position(other.keyPlace.start).line}`,
        hint: 'Inputs are found by name, so every component needs a name of its own.',
      })
    }
    const component = readComponent(section, item, catalogue, findings)
    declared.push(component)
    if (!other) ids.set(item.key, component)
  }
  return declared
}

function readComponent(
  section: Section,
  { key, keyPlace, value }: LocatedEntry,
  catalogue: Catalogue,
  findings: Findings,
): Declared {
  const kind = SECTIONS[section]
  const path = [section, key]
  const declared = { kind, section, id: key, keyPlace, node: value }
  const unread = {
    ...declared,
    component: undefined,
    options: undefined,
    signature: '',
    inputs: undefined,
    buffer: undefined,
    queue: { maxBytes: undefined, whenFull: 'block' as const },
  }
  if (value.kind !== 'map') {
    if (value.kind === 'scalar' && value.failed) return unread
    findings.add({
      code: 'SCOPE_CONFIG_WRONG_TYPE',
      at: value.start === value.end || value.kind === 'list' ? keyPlace : value,
      path,
      message: `expected a mapping that starts with "type", got ${shown(value)}`,
    })
    return unread
  }
  const component = componentOf(section, key, value, keyPlace, catalogue, findings)
  const shared = sharedOptions[kind]
  const sharedKeys = Object.keys(shared.shape)
  const part = (keep: (name: string) => boolean): LocatedMap => ({
    ...value,
    entries: value.entries.filter(entry => keep(entry.key)),
  })
  const common = part(name => sharedKeys.includes(name))
  const inputs = kind === 'source' ? undefined : readInputs(common, path, keyPlace, findings)
  const commonWithoutInputs = {
    ...common,
    entries: common.entries.filter(entry => entry.key !== 'inputs'),
  }
  const rest = OTHER_SHARED[kind]
  const subjectOfShared = { node: commonWithoutInputs, path, keyPlace }
  const sharedRead: Shared | undefined = rest && read(rest, subjectOfShared, findings)
  if (sharedRead?.queue?.type === 'disk') {
    const type = entryOf(entryOf(value, 'queue')?.value, 'type')
    findings.add({
      code: 'SCOPE_CONFIG_NOT_YET',
      at: type?.value ?? keyPlace,
      path: [...path, 'queue', 'type'],
      message: 'queues on disk come with a later release',
      hint: 'Use "type: memory"; with "when_full: block" nothing is lost while the edge runs.',
    })
  }
  const subject = {
    node: part(name => name !== 'type' && !sharedKeys.includes(name)),
    path,
    keyPlace,
    otherKeys: ['type', ...sharedKeys],
  }
  const known = component && withoutType(component)
  const options = known && read(known, subject, findings)
  return {
    ...unread,
    component,
    options,
    signature: signatureOf(value),
    inputs,
    buffer: sharedRead?.buffer,
    queue: {
      // What a queue on disk holds takes no memory.
      maxBytes: sharedRead?.queue?.type === 'disk' ? undefined : sharedRead?.queue?.max_bytes,
      whenFull: sharedRead?.queue?.when_full ?? 'block',
    },
  }
}

/** Shared options but `inputs`, which is read by itself: a mistake elsewhere must not hide it. */
const OTHER_SHARED = {
  source: sharedOptions.source,
  transform: undefined,
  sink: sharedOptions.sink.omit({ inputs: true }),
} as const

interface Shared {
  readonly buffer?: number | undefined
  readonly queue?: {
    readonly type: 'memory' | 'disk'
    readonly max_bytes?: number | undefined
    readonly when_full: 'block' | 'drop_oldest' | 'drop_newest'
  }
}

function signatureOf(node: LocatedMap): string {
  const { inputs, ...own } = plainValue(node) as Record<string, unknown>
  return createHash('sha256').update(JSON.stringify(own)).digest('hex')
}

/** A component's own options; nothing else may stand beside them. */
function withoutType(component: Component) {
  return component.options.strict()
}

/** The component that `type` names. */
function componentOf(
  section: Section,
  id: string,
  node: LocatedMap,
  keyPlace: Place,
  catalogue: Catalogue,
  findings: Findings,
): Component | undefined {
  const kind = SECTIONS[section]
  const list: readonly Component[] = catalogue[section]
  const names = list.map(component => component.name)
  const type = entryOf(node, 'type')
  const path = [section, id]
  if (!type) {
    const meant = nearest(
      'type',
      node.entries.map(entry => entry.key),
    )
    const entry = meant === undefined ? undefined : entryOf(node, meant)
    findings.add({
      code: entry ? 'SCOPE_CONFIG_UNKNOWN_OPTION' : 'SCOPE_CONFIG_MISSING_OPTION',
      at: entry?.keyPlace ?? keyPlace,
      path: entry ? [...path, entry.key] : path,
      message: entry ? 'unknown option; did you mean "type"?' : 'missing option "type"',
      hint: `Which ${kind} it is: ${names.join(', ')}.`,
    })
    return undefined
  }
  const { value } = type
  if (value.kind === 'scalar' && value.failed) return undefined
  if (value.kind !== 'scalar' || typeof value.value !== 'string') {
    findings.add({
      code: 'SCOPE_CONFIG_WRONG_TYPE',
      at: value.start === value.end || value.kind !== 'scalar' ? type.keyPlace : value,
      path: [...path, 'type'],
      message: `expected the name of a ${kind}, got ${shown(value)}`,
      hint: `Known ${section}: ${names.join(', ')}.`,
    })
    return undefined
  }
  const found = list.find(component => component.name === value.value)
  if (found) return found
  const elsewhere = (Object.keys(SECTIONS) as Section[]).find(
    other =>
      other !== section && catalogue[other].some(component => component.name === value.value),
  )
  const guess = value.segments ? '' : didYouMean(value.value, names)
  findings.add({
    code: 'SCOPE_CONFIG_UNKNOWN_TYPE',
    at: value,
    path: [...path, 'type'],
    message: elsewhere
      ? `${quoted(value)} is a ${SECTIONS[elsewhere]}, not a ${kind}`
      : `there is no ${kind} ${quoted(value)}${guess}`,
    hint: elsewhere
      ? `Move "${id}" to "${elsewhere}:", or use one of: ${names.join(', ')}.`
      : `Known ${section}: ${names.join(', ')}.`,
  })
  return undefined
}

/** The entries of `inputs` that are names; undefined if some could not be read. */
function readInputs(
  node: LocatedMap,
  path: readonly string[],
  keyPlace: Place,
  findings: Findings,
): LocatedScalar[] | undefined {
  const subject = { node, path, keyPlace }
  const schema = sharedOptions.transform
  const only = { ...node, entries: node.entries.filter(entry => entry.key === 'inputs') }
  if (!read(schema, { ...subject, node: only }, findings)) {
    return undefined
  }
  const { value } = only.entries[0] as LocatedEntry
  return value.kind === 'list' ? (value.items as LocatedScalar[]) : undefined
}

function readTests(tree: LocatedMap, findings: Findings): Checked['tests'] {
  const entry = entryOf(tree, 'tests')
  if (!entry || (entry.value.kind === 'scalar' && entry.value.value === null)) return []
  if (entry.value.kind !== 'list') {
    findings.add({
      code: 'SCOPE_CONFIG_WRONG_TYPE',
      at: entry.value.kind === 'map' ? entry.keyPlace : entry.value,
      path: ['tests'],
      message: `expected a list of tests, got ${shown(entry.value)}`,
    })
    return []
  }
  return entry.value.items.flatMap((node, i) => {
    const keyPlace = { start: node.start, end: node.start + 1 }
    const path = ['tests', i]
    const options = read(testOptions, { node, path, keyPlace }, findings)
    // Even a test that does not fit as a whole is looked through for mistakes in its events.
    return node.kind === 'map' ? [{ node, advance: options?.advance ?? 0, path }] : []
  })
}

/** A control interface that others can reach must ask who they are. */
function checkSecrecy(edge: EdgeOptions | undefined, tree: LocatedMap, findings: Findings): void {
  const listen = edge?.api.listen
  if (!edge || !listen || 'path' in listen || edge.api.token) return
  if (/^(?:127\.|::1$|localhost$)/.test(listen.host)) return
  const node = entryOf(entryOf(tree, 'api')?.value, 'listen')
  findings.add({
    code: 'SCOPE_CONFIG_INSECURE',
    at: node?.value ?? tree,
    path: ['api', 'listen'],
    message: 'other machines can reach this, and there is no "token"',
    hint: 'Add "token: ${file:/path}" under "api:", or listen on 127.0.0.1.',
  })
}
