/**
 * Takes secrets out of lines of JSON. Most lines hold none: each pattern is first asked whether the
 * raw line can hold a match at all, so that a clean line is neither taken apart nor copied.
 */
import type { Patch } from '../../batch/assemble.ts'
import type { Batch } from '../../batch/batch.ts'
import { type Column, Fields, SpanColumn } from '../../batch/columns.ts'
import { Kind } from '../../batch/engine.ts'
import { selection, visitAt } from '../../record/edit.ts'
import { applySplices, decodeString, isStringAt, type Splice } from '../../record/json-text.ts'
import type { Path } from '../../record/path.ts'
import type { PathTree } from '../../record/path-tree.ts'
import type { LinearRegex } from '../pattern.ts'
import type { RedactionPattern } from './builtin.ts'
import { isCardNumber } from './card.ts'
import { type Replacement, replace } from './replacement.ts'

export interface RedactorOptions {
  /** Whether whole numbers whose digits are those of a card count as one. Defaults to true. */
  readonly numbers?: boolean
}

/**
 * A user's expression as a pattern.
 * @param group what to replace of a match: a group's number or name, the whole match if absent
 */
export function customPattern(
  name: string,
  regex: LinearRegex,
  group: number | string = 0,
): RedactionPattern {
  return {
    name,
    may: text => text.includes(regex.literal),
    find: value => regex.ranges(value, group),
  }
}

/** Fields to look into: prepared once, for lines that are read as text and for batches with columns. */
export class RedactedFields {
  readonly tree: PathTree<true>
  readonly fields: Fields

  constructor(paths: readonly Path[]) {
    this.tree = selection(paths)
    // What lies below another one, or is it again, is looked into with that.
    const apart = paths.filter(
      (path, i) =>
        !paths.some(
          (other, k) =>
            k !== i &&
            other.every((part, step) => part === path[step]) &&
            (other.length < path.length || k < i),
        ),
    )
    this.fields = new Fields(apart)
  }
}

/** Escapes behind which a character can hide that stands for itself elsewhere: `\u0040`, `\/`. */
const HIDING = /\\[u/]/

/** Digits of the shortest card number. */
const SHORTEST_CARD = 13

/**
 * True when the columns show all that the lines hold at their paths. Of repeated keys they show only
 * the last, but a secret must not stay in the bytes of the others.
 */
function areWhole(columns: readonly Column[]): columns is readonly SpanColumn[] {
  return columns.every(column => column instanceof SpanColumn && !column.repeated)
}

interface Candidate {
  readonly start: number
  readonly end: number
  readonly pattern: RedactionPattern
}

export class Redactor {
  readonly #patterns: readonly RedactionPattern[]
  readonly #replacement: Replacement
  readonly #card: RedactionPattern | undefined
  #counts = new Map<string, number>()
  #failures = 0

  constructor(
    patterns: readonly RedactionPattern[],
    replacement: Replacement = { template: '<{name}>' },
    options: RedactorOptions = {},
  ) {
    this.#patterns = patterns
    this.#replacement = replacement
    this.#card =
      options.numbers === false ? undefined : patterns.find(pattern => pattern.name === 'card')
  }

  /**
   * A line with its secrets replaced; the line itself if there are none.
   * @param text a valid JSON object
   * @param where where to look: strings there and below; everywhere if undefined. Keys are left.
   */
  redactLine(text: string, where?: RedactedFields): string {
    return this.#redact(text, this.#possible(text, this.#patterns), where?.tree) ?? text
  }

  /** A batch with its lines redacted; the batch itself if there is nothing to replace. */
  redactBatch(batch: Batch, where?: RedactedFields): Batch {
    if (where) {
      const columns = batch.columns(where.fields)
      if (areWhole(columns)) return batch.patch(this.#redactColumns(batch, columns))
    }
    // All lines at once first: one search over a block costs less than one for each of its lines.
    let possible: readonly RedactionPattern[] = this.#patterns
    if (batch.size * 2 > batch.bytes.length) {
      possible = this.#possible(batch.bytes.toString('latin1'), possible)
      if (possible.length === 0) return batch
    }
    const texts = new Array<string | undefined>(batch.count)
    for (let row = 0; row < batch.count; row++) {
      const text = batch.text(row)
      texts[row] = this.#redact(text, this.#possible(text, possible), where?.tree)
    }
    return batch.replace(texts)
  }

  /** How many matches of each pattern were replaced since this was last asked. */
  takeCounts(): Map<string, number> {
    const counts = this.#counts
    if (counts.size > 0) this.#counts = new Map()
    return counts
  }

  /** How many values were masked as a whole, because a pattern failed, since this was last asked. */
  takeFailures(): number {
    const failures = this.#failures
    this.#failures = 0
    return failures
  }

  /** What has to be exchanged in a batch, looking at nothing but the fields. */
  #redactColumns(batch: Batch, columns: readonly SpanColumn[]): Patch[] {
    const patches: Patch[] = []
    for (let row = 0; row < batch.count; row++) {
      const first = patches.length
      for (const column of columns) {
        const patch = this.#redactField(batch, column, row)
        if (patch) patches.push(patch)
      }
      if (patches.length - first < 2) continue
      // The paths need not stand in the order in which the line has the fields.
      const sorted = patches.splice(first).sort((a, b) => a.start - b.start)
      patches.push(...sorted)
    }
    return patches
  }

  #redactField(batch: Batch, column: SpanColumn, row: number): Patch | undefined {
    let start = column.start(row)
    let end = column.end(row)
    let text: string | undefined
    switch (column.kind(row)) {
      case Kind.string:
      case Kind.escapedString: {
        const redacted = this.#value(column.value(row) as string, this.#patterns)
        if (redacted !== undefined) text = JSON.stringify(redacted)
        start--
        end++
        break
      }
      case Kind.object:
      case Kind.array: {
        const inside = batch.bytes.toString('utf8', start, end)
        text = this.#redact(inside, this.#possible(inside, this.#patterns), undefined)
        break
      }
      case Kind.number:
        if (!this.#card || end - start < SHORTEST_CARD) break
        text = this.#number(batch.bytes.toString('latin1', start, end))
    }
    return text === undefined ? undefined : { row, start, end, text }
  }

  /** The patterns that raw JSON text can hold a match of. */
  #possible(text: string, patterns: readonly RedactionPattern[]): readonly RedactionPattern[] {
    if (text.includes('\\') && HIDING.test(text)) return patterns
    return patterns.filter(pattern => pattern.may(text))
  }

  #redact(
    text: string,
    patterns: readonly RedactionPattern[],
    tree: PathTree<true> | undefined,
  ): string | undefined {
    if (patterns.length === 0) return undefined
    const card = this.#card !== undefined && patterns.includes(this.#card)
    const splices: Splice[] = []
    visitAt(text, tree, card, splices, (start, end) => {
      if (!isStringAt(text, start)) return this.#number(text.slice(start, end))
      const value = decodeString(text, start, end)
      const redacted = this.#value(value, patterns)
      return redacted === undefined ? undefined : JSON.stringify(redacted)
    })
    return splices.length > 0 ? applySplices(text, splices) : undefined
  }

  #number(text: string): string | undefined {
    const digits = text.startsWith('-') ? text.slice(1) : text
    if (digits.length < SHORTEST_CARD || !/^\d+$/.test(digits) || !isCardNumber(digits))
      return undefined
    this.#count('card')
    return JSON.stringify(replace(this.#replacement, 'card', digits))
  }

  #value(value: string, patterns: readonly RedactionPattern[]): string | undefined {
    let candidates: Candidate[] | undefined
    for (const pattern of patterns) {
      if (!pattern.may(value)) continue
      const ranges = find(pattern, value)
      if (ranges === undefined) {
        // Better to lose the value than to let through what could not be looked at.
        this.#failures++
        this.#count(pattern.name)
        return `<${pattern.name}>`
      }
      for (const { start, end } of ranges) {
        candidates ??= []
        candidates.push({ start, end, pattern })
      }
    }
    if (candidates === undefined) return undefined
    // The leftmost, then the longest, then the one whose pattern stands first.
    candidates.sort((a, b) => a.start - b.start || b.end - a.end)
    let out = ''
    let at = 0
    for (let i = 0; i < candidates.length; ) {
      const { start, pattern, end: own } = candidates[i] as Candidate
      let end = own
      // What overlaps goes along, so that no half of another secret is left behind.
      for (i++; i < candidates.length && (candidates[i] as Candidate).start < end; i++) {
        end = Math.max(end, (candidates[i] as Candidate).end)
      }
      out +=
        value.slice(at, start) + replace(this.#replacement, pattern.name, value.slice(start, end))
      this.#count(pattern.name)
      at = end
    }
    return out + value.slice(at)
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
  }
}

/** Ranges of matches, or undefined if the pattern failed in whatever way. */
function find(pattern: RedactionPattern, value: string) {
  try {
    return pattern.find(value)
  } catch {
    return undefined
  }
}
