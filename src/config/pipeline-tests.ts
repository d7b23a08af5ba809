/** Reads the `tests` of a configuration: events that go in, and what must have come out. */

import { didYouMean } from '../component/nearest.ts'
import type { InputRef, PlannedExpectation, PlannedInsert, PlannedTest } from '../component/plan.ts'
import { isObject, type JsonObject } from '../record/json.ts'
import type { Findings } from './diagnose.ts'
import { outputsOf } from './graph.ts'
import {
  entryOf,
  type Located,
  type LocatedMap,
  type LocatedScalar,
  placeInside,
  plainValue,
  type TreePath,
} from './located.ts'
import { quoted, shown } from './shown.ts'
import type { Checked, Declared } from './validate.ts'

/** The tests as they can be run. Ones with mistakes are reported and left out. */
export function planTests(
  tests: Checked['tests'],
  components: readonly Declared[],
  findings: Findings,
): PlannedTest[] {
  const reader = new TestReader(components, findings)
  const names = new Map<string, number>()
  return tests.flatMap(({ node, advance, path }) => {
    const name = scalarAt(node, 'name')
    const { line } = findings.position(node.start)
    const other = name && names.get(String(name.value))
    if (other !== undefined) {
      findings.add({
        code: 'SCOPE_CONFIG_DUPLICATE',
        at: name as LocatedScalar,
        path: [...path, 'name'],
        message: `the test on line ${other} has the same name`,
      })
    } else if (name) names.set(String(name.value), line)
    const inserts = eachOf(node, 'insert', path).map(part => reader.insert(part.node, part.path))
    const expectations = eachOf(node, 'expect', path).map(part =>
      reader.expectation(part.node, part.path),
    )
    if (!name || inserts.includes(undefined) || expectations.includes(undefined)) return []
    return [
      {
        name: String(name.value),
        inserts: inserts as PlannedInsert[],
        advance,
        expectations: expectations as PlannedExpectation[],
        line,
      },
    ]
  })
}

/** A scalar of a mapping, if it is one and could be had. */
function scalarAt(node: LocatedMap, key: string): LocatedScalar | undefined {
  const value = entryOf(node, key)?.value
  return value?.kind === 'scalar' && !value.failed ? value : undefined
}

/** The entries of `insert` or `expect`, which may be one or a list. */
function eachOf(
  node: LocatedMap,
  key: string,
  path: TreePath,
): { node: LocatedMap; path: TreePath }[] {
  const value = entryOf(node, key)?.value
  if (value?.kind === 'map') return [{ node: value, path: [...path, key] }]
  if (value?.kind !== 'list') return []
  return value.items.flatMap((node, i) =>
    node.kind === 'map' ? [{ node, path: [...path, key, i] }] : [],
  )
}

class TestReader {
  readonly #components = new Map<string, Declared>()
  readonly #findings: Findings

  constructor(components: readonly Declared[], findings: Findings) {
    this.#findings = findings
    for (const declared of components) this.#components.set(declared.id, declared)
  }

  insert(node: LocatedMap, path: TreePath): PlannedInsert | undefined {
    const at = scalarAt(node, 'at')
    const declared = at && this.#component(at, String(at.value), [...path, 'at'])
    const events = this.#events(node, path)
    if (at && declared?.kind === 'sink') {
      this.#report(at, [...path, 'at'], `${quoted(at)} is a sink; put the events in before it`)
      return undefined
    }
    return declared && events ? { at: declared.id, ...events } : undefined
  }

  expectation(node: LocatedMap, path: TreePath): PlannedExpectation | undefined {
    const at = scalarAt(node, 'at')
    const reference = at && this.#reference(at, [...path, 'at'])
    const kinds = ['events', 'count', 'none'].flatMap(key => entryOf(node, key) ?? [])
    if (kinds.length !== 1) {
      const second = kinds[1]
      this.#report(
        second?.keyPlace ?? at ?? node,
        path,
        second
          ? `"${kinds[0]?.key}" and "${second.key}" exclude each other`
          : 'it does not say what is expected',
        'Write one of events: […], count: N, none: true.',
      )
      return undefined
    }
    const position = this.#findings.position(node.start)
    const [entry] = kinds
    const events = entry?.key === 'events' ? this.#events(node, path) : undefined
    if (!reference || (entry?.key === 'events' && !events)) return undefined
    const expected =
      entry?.key === 'count'
        ? { count: plainValue(entry.value) as number }
        : entry?.key === 'none'
          ? { none: true as const }
          : { events: events?.events ?? [] }
    return { at: reference, ...expected, ...position }
  }

  #reference(at: LocatedScalar, path: TreePath): InputRef | undefined {
    const [id = '', output] = String(at.value).split('.')
    const declared = this.#component(at, id, path)
    if (!declared) return undefined
    const outputs = outputsOf(declared)
    if (outputs === undefined) return undefined
    if (output === undefined) return { id }
    if (outputs.includes(output)) return { id, output }
    const guess = at.segments ? '' : didYouMean(output, outputs)
    const hint =
      outputs.length > 0 ? `Its outputs: ${outputs.join(', ')}.` : 'It has no named ones.'
    this.#report(at, path, `there is no output ${quoted(at)}${guess}`, hint)
    return undefined
  }

  #component(at: LocatedScalar, id: string, path: TreePath): Declared | undefined {
    const found = this.#components.get(id)
    if (found) return found
    const guess = at.segments ? '' : didYouMean(id, this.#components.keys())
    this.#report(at, path, `there is no component ${quoted(at)}${guess}`)
    return undefined
  }

  /** Events and their lines, or undefined if one of them is not an event. */
  #events(node: LocatedMap, path: TreePath): { events: JsonObject[]; lines: string[] } | undefined {
    const list = entryOf(node, 'events')?.value
    if (list?.kind !== 'list') return undefined
    const lines: (string | undefined)[] = list.items.map((item, i) =>
      this.#line(item, [...path, 'events', i]),
    )
    if (lines.includes(undefined)) return undefined
    const events = lines.map(line => JSON.parse(line as string) as JsonObject)
    return { events, lines: lines as string[] }
  }

  #line(item: Located, path: TreePath): string | undefined {
    if (item.kind === 'map') return JSON.stringify(plainValue(item))
    if (item.kind === 'scalar' && item.failed) return undefined
    if (item.kind !== 'scalar' || typeof item.value !== 'string') {
      this.#report(item, path, `an event is a mapping or its JSON as text, got ${shown(item)}`)
      return undefined
    }
    try {
      const event: unknown = JSON.parse(item.value)
      // A line break in a string cannot be written in JSON, so all that are there mean nothing.
      if (isObject(event)) return item.value.replace(/\r?\n/g, ' ').trim()
      this.#report(item, path, 'an event is a JSON object: {"name": "value"}')
    } catch (error) {
      const offset = errorOffset(error as Error, item.value)
      const at = placeInside(this.#findings.text, item, offset, 1)
      const what = offset >= item.value.length ? 'the JSON ends too early' : 'this is not JSON'
      this.#report(at, path, what)
    }
    return undefined
  }

  #report(
    at: { start: number; end: number },
    path: TreePath,
    message: string,
    hint?: string,
  ): void {
    this.#findings.add({ code: 'SCOPE_CONFIG_TEST', at, path, message, hint })
  }
}

/** Where JSON.parse stopped. It tells the place in some messages; in others the text has ended. */
function errorOffset(error: Error, text: string): number {
  const told = /position (\d+)/.exec(error.message)
  return told ? Number(told[1]) : text.length
}
