/**
 * Reads YAML 1.2 into a tree that knows where everything stands. Anchors, aliases and `<<` are
 * followed, but never into an endless or huge tree.
 */
import { isAlias, isMap, isScalar, isSeq, type Node, parseDocument, type Scalar } from 'yaml'
import type { Findings } from './diagnose.ts'
import type { Located, LocatedEntry, LocatedMap, LocatedScalar, Place } from './located.ts'
import { DEEPEST, reportSyntax, tooDeep } from './syntax.ts'

/** No real configuration has so many values; a tree of aliases to aliases has more at once. */
const MOST_VALUES = 200_000

const STYLES: Record<string, LocatedScalar['style']> = {
  PLAIN: 'plain',
  QUOTE_SINGLE: 'single',
  QUOTE_DOUBLE: 'double',
  BLOCK_LITERAL: 'literal',
  BLOCK_FOLDED: 'folded',
}

/** Reads the text of `findings`. Undefined if it is so broken that nothing more can be said about it. */
export function parse(findings: Findings): Located | undefined {
  const { text } = findings
  const deep = tooDeep(text)
  if (deep) {
    findings.add({
      code: 'SCOPE_CONFIG_SYNTAX',
      at: deep,
      message: `values are nested more than ${DEEPEST} levels deep`,
    })
    return undefined
  }
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: false, version: '1.2' })
  const broken = reportSyntax(document, findings)
  if (broken) return undefined
  const { contents } = document
  if (!contents || (isScalar(contents) && contents.value === null)) {
    findings.add({
      code: 'SCOPE_CONFIG_SYNTAX',
      at: { start: 0, end: 0 },
      message: 'the file is empty',
      hint: 'It needs at least "sources:" and "sinks:".',
    })
    return undefined
  }
  return new TreeMaker(findings).make(contents as Node)
}

/** Turns the parser's nodes into located ones. */
class TreeMaker {
  readonly #findings: Findings
  /** What each anchor seen so far stands for; undefined while its own value is being read. */
  readonly #anchors = new Map<string, { made: Located; weight: number } | undefined>()
  #weight = 0
  #tooMany = false

  constructor(findings: Findings) {
    this.#findings = findings
  }

  /** The tree, or undefined when its aliases make it too large. */
  make(node: Node): Located | undefined {
    const made = this.#make(node)
    return this.#tooMany ? undefined : made
  }

  #make(node: Node | null): Located {
    const before = this.#weight
    this.#weight++
    if (isAlias(node)) return this.#follow(node.source, place(node))
    const anchor = node && 'anchor' in node ? (node.anchor as string | undefined) : undefined
    if (anchor !== undefined) this.#anchors.set(anchor, undefined)
    const made = this.#plain(node)
    if (anchor !== undefined) {
      this.#anchors.set(anchor, { made, weight: this.#weight - before })
    }
    return made
  }

  #plain(node: Node | null): Located {
    if (isMap(node)) return this.#map(node.items as Pair[], place(node))
    if (isSeq(node)) {
      const items = (node.items as (Node | null)[]).map(item => this.#make(item))
      return { kind: 'list', items, ...place(node) }
    }
    if (isScalar(node)) return this.#scalar(node)
    return nothing({ start: 0, end: 0 })
  }

  #follow(name: string, at: Place): Located {
    const target = this.#anchors.get(name)
    if (target) {
      this.#weight += target.weight
      if (this.#weight > MOST_VALUES && !this.#tooMany) {
        this.#tooMany = true
        this.#findings.add({
          code: 'SCOPE_CONFIG_SYNTAX',
          at,
          message: `following *${name} makes the configuration larger than ${MOST_VALUES} values`,
        })
      }
      return this.#tooMany ? nothing(at) : target.made
    }
    const message = this.#anchors.has(name)
      ? `*${name} stands inside what it refers to`
      : `*${name} refers to an anchor that is not defined before it`
    const hint = this.#anchors.has(name)
      ? undefined
      : `Define it with &${name} above, or quote the value if it should start with "*".`
    this.#findings.add({ code: 'SCOPE_CONFIG_SYNTAX', at, message, hint })
    return { ...nothing(at), failed: true }
  }

  #map(pairs: readonly Pair[], at: Place): LocatedMap {
    const entries: LocatedEntry[] = []
    const merged: LocatedMap[] = []
    for (const pair of pairs) {
      const { key } = pair
      if (!isScalar(key) || key.value === null || key.value === '') {
        const keyPlace = key ? place(key) : at
        this.#findings.add({
          code: 'SCOPE_CONFIG_SYNTAX',
          at: keyPlace,
          message: 'a key must be a name',
        })
        continue
      }
      const keyPlace = place(key)
      const name = String(key.type === 'PLAIN' ? (key.source ?? key.value) : key.value)
      const value = pair.value
        ? this.#make(pair.value)
        : nothing({ start: keyPlace.end, end: keyPlace.end })
      if (name === '<<' && key.type === 'PLAIN') {
        const maps = value.kind === 'list' ? value.items : [value]
        for (const map of maps) {
          if (map.kind === 'map') merged.push(map)
          else if (!(map.kind === 'scalar' && map.failed)) {
            this.#findings.add({
              code: 'SCOPE_CONFIG_SYNTAX',
              at: keyPlace,
              message: 'only mappings can be merged with <<',
            })
          }
        }
      } else if (!entries.some(entry => entry.key === name)) {
        entries.push({ key: name, keyPlace, value })
      }
    }
    for (const map of merged) {
      for (const entry of map.entries) {
        if (!entries.some(own => own.key === entry.key)) entries.push(entry)
      }
    }
    return { kind: 'map', entries, ...at }
  }

  #scalar(node: Scalar): LocatedScalar {
    const at = place(node)
    const style = STYLES[node.type ?? 'PLAIN'] ?? 'plain'
    const { value } = node
    const text = style === 'plain' ? (node.source ?? String(value ?? '')) : String(value)
    const known =
      value === null || ['string', 'number', 'boolean'].includes(typeof value)
        ? (value as LocatedScalar['value'])
        : String(value)
    const indent = style === 'literal' || style === 'folded' ? this.#blockIndent(at) : 0
    return { kind: 'scalar', style, indent, text, value: known, ...at }
  }

  /** The column at which a block scalar's lines start: its indentation indicator is rare, so measured. */
  #blockIndent(at: Place): number {
    const lines = this.#findings.text.slice(at.start, at.end).split('\n')
    const first = lines.slice(1).find(line => line.trim() !== '') ?? ''
    return first.length - first.trimStart().length
  }
}

interface Pair {
  readonly key: Node | null
  readonly value: Node | null
}

function place(node: Node): Place {
  const [start, end] = node.range ?? [0, 0]
  return { start, end }
}

function nothing(at: Place): LocatedScalar {
  return { kind: 'scalar', style: 'plain', indent: 0, text: '', value: null, ...at }
}
