/**
 * The configuration as a tree in which every value and key knows where it stands in the file, and
 * the way back from a character of a value to the character of the file that wrote it.
 */

/** A stretch of the file, in UTF-16 units from its start; `end` is exclusive. */
export interface Place {
  readonly start: number
  readonly end: number
}

/** One part of a scalar's value: where it stands in the value and in the text before substitution. */
export interface Segment {
  readonly valueStart: number
  readonly valueEnd: number
  readonly textStart: number
  readonly textEnd: number
  /** Whether it was written in the file as it is, and not put there for a `${…}`. */
  readonly literal: boolean
}

export interface LocatedScalar extends Place {
  readonly kind: 'scalar'
  readonly style: 'plain' | 'single' | 'double' | 'literal' | 'folded'
  /** Column at which lines of a block scalar start; 0 for other styles. */
  readonly indent: number
  /** What YAML makes of the characters, before `${…}` is replaced. */
  readonly text: string
  /** The value after replacement. */
  value: string | number | boolean | null
  /** Set when there was something to replace. */
  segments?: readonly Segment[]
  /** What came from the environment or from files: never to be shown. */
  outside?: readonly string[]
  /** True when the value could not be had; that has been reported, and nothing else about it should be. */
  failed?: boolean
}

export interface LocatedEntry {
  readonly key: string
  readonly keyPlace: Place
  readonly value: Located
}

export interface LocatedMap extends Place {
  readonly kind: 'map'
  readonly entries: readonly LocatedEntry[]
}

export interface LocatedList extends Place {
  readonly kind: 'list'
  readonly items: readonly Located[]
}

export type Located = LocatedScalar | LocatedMap | LocatedList

/** A path through the tree: keys and indices, outermost first. */
export type TreePath = readonly (string | number)[]

/** The entry of a map, by its key. */
export function entryOf(map: Located | undefined, key: string): LocatedEntry | undefined {
  return map?.kind === 'map' ? map.entries.find(entry => entry.key === key) : undefined
}

/** The tree as plain values. Scalars that could not be had are left out. */
export function plainValue(node: Located): unknown {
  if (node.kind === 'scalar') return node.failed ? undefined : node.value
  if (node.kind === 'list') return node.items.map(plainValue)
  return Object.fromEntries(
    node.entries
      .filter(entry => !(entry.value.kind === 'scalar' && entry.value.failed))
      .map(entry => [entry.key, plainValue(entry.value)]),
  )
}

/** Calls back for every scalar at or below a node. */
export function eachScalar(node: Located, visit: (scalar: LocatedScalar) => void): void {
  if (node.kind === 'scalar') visit(node)
  else if (node.kind === 'list') for (const item of node.items) eachScalar(item, visit)
  else for (const entry of node.entries) eachScalar(entry.value, visit)
}

/** Writes a path as users do: `sources.web.patterns[0].name`. */
export function formatTreePath(path: TreePath): string {
  return path
    .map((part, i) => {
      if (typeof part === 'number') return `[${part}]`
      if (!/^[\w-]+$/.test(part)) return `[${JSON.stringify(part)}]`
      return i === 0 ? part : `.${part}`
    })
    .join('')
}

/**
 * The stretch of the file that wrote some characters of a scalar's value. A part that was put there
 * for a `${…}` is the whole of the `${…}`.
 */
export function placeInside(
  file: string,
  scalar: LocatedScalar,
  offset: number,
  length: number,
): Place {
  let from = offset
  let to = offset + Math.max(length, 1)
  if (scalar.segments) {
    from = textOffset(scalar.segments, from, 'start')
    to = textOffset(scalar.segments, to - 1, 'end')
  }
  const map = sourceOffsets(file, scalar)
  const start = map[Math.min(from, map.length - 1)] ?? scalar.start
  if (from >= scalar.text.length) return { start, end: start + 1 }
  const end = map[Math.min(to, map.length - 1)] ?? scalar.end
  return { start, end: Math.max(end, start + 1) }
}

/** Offset in the text before substitution of a character of the value. */
function textOffset(segments: readonly Segment[], offset: number, edge: 'start' | 'end'): number {
  const segment =
    segments.find(part => offset >= part.valueStart && offset < part.valueEnd) ?? segments.at(-1)
  if (!segment) return offset
  if (!segment.literal) return edge === 'start' ? segment.textStart : segment.textEnd
  return segment.textStart + (offset - segment.valueStart) + (edge === 'start' ? 0 : 1)
}

/**
 * For each character of a scalar's text, and for the place behind the last, its offset in the file.
 * Walks text and source side by side, so that it needs no second reading of YAML's folding rules:
 * where they differ, the source holds an escape, a doubled quote, a folded line break or indentation.
 */
function sourceOffsets(file: string, scalar: LocatedScalar): number[] {
  const { text, style, indent } = scalar
  const offsets: number[] = []
  let at = scalar.start
  const block = style === 'literal' || style === 'folded'
  const skipIndent = () => {
    for (let n = 0; (!block || n < indent) && (file[at] === ' ' || file[at] === '\t'); n++) at++
  }
  if (block) {
    at = file.indexOf('\n', at) + 1
    skipIndent()
  } else if (style !== 'plain') at++
  for (let i = 0; i < text.length; ) {
    const wanted = text[i] as string
    const found = file[at]
    if (found === undefined || at >= scalar.end) {
      offsets.push(at)
      i++
    } else if (style === 'double' && found === '\\') {
      const size = escapeLength(file, at)
      if (/[\r\n]/.test(file[at + 1] ?? '')) {
        at += size
        skipIndent()
        continue
      }
      const units = size === 10 && Number.parseInt(file.slice(at + 2, at + 10), 16) > 0xffff ? 2 : 1
      for (let n = 0; n < units; n++) offsets.push(at)
      at += size
      i += units
    } else if (found === wanted) {
      offsets.push(at)
      at += style === 'single' && found === "'" ? 2 : 1
      i++
      if (found === '\n') skipIndent()
    } else if (found === '\r' || found === '\n') {
      // A break that folded into a space stands for it; any other break stands for nothing.
      if (wanted === ' ') {
        offsets.push(at)
        i++
      }
      at++
      if (found === '\r' && file[at] === '\n') at++
      skipIndent()
    } else if (found === ' ' || found === '\t') {
      at++
    } else {
      offsets.push(at)
      at++
      i++
    }
  }
  offsets.push(Math.min(at, scalar.end))
  return offsets
}

/** Length of the escape that starts at a backslash in a double-quoted scalar. */
function escapeLength(file: string, at: number): number {
  switch (file[at + 1]) {
    case 'x':
      return 4
    case 'u':
      return 6
    case 'U':
      return 10
    case '\r':
      return file[at + 2] === '\n' ? 3 : 2
    default:
      return 2
  }
}
