/**
 * The part of a metric line after its value: `c|@0.5|#k:v|T1700000000|c:id`. Programs send the same
 * one again and again, so it is read once and remembered as a Shape.
 */
import type { MetricType, TagValue } from '../../record/metric.ts'
import { toNumber } from './number.ts'
import { readTags } from './tags.ts'

/** What is wrong with a line: a short code for the counter and a sentence. */
export interface Problem {
  readonly reason: string
  readonly explanation: string
}

export interface Shape {
  readonly type: MetricType
  /** Sample rate, 0 < rate <= 1. */
  readonly rate: number
  /** Field name → value, in the order they came. */
  readonly tags: ReadonlyMap<string, TagValue>
  /** `T`: seconds since the epoch, where the client set it; only on counters and gauges. */
  readonly time: number | undefined
  readonly container: string | undefined
  readonly externalData: string | undefined
  readonly cardinality: string | undefined
  /** Fields that are not known, or not allowed on this type, and were passed over. */
  readonly skipped: number
  /** Set when nothing of the above may be used. */
  readonly problem: Problem | undefined
}

const TYPES = new Map<string, MetricType>([
  ['c', 'counter'],
  ['g', 'gauge'],
  ['ms', 'timer'],
  ['h', 'histogram'],
  ['d', 'distribution'],
  ['s', 'set'],
  // A meter counts events; the rate that it adds is the receiver's to make.
  ['m', 'counter'],
])

const NO_TAGS: ReadonlyMap<string, TagValue> = new Map()

/** Reads the text after a metric's value. Never throws: see `problem`. */
export function readShape(text: string): Shape {
  const first = text.indexOf('|')
  const letter = first < 0 ? text : text.slice(0, first)
  const type = TYPES.get(letter)
  if (!type) {
    return broken(
      'unknown_type',
      `"${short(letter)}" is no metric type; it can be c, g, ms, h, d, s or m`,
    )
  }
  let rate = 1
  let tags: Map<string, TagValue> | undefined
  let time: number | undefined
  let container: string | undefined
  let externalData: string | undefined
  let cardinality: string | undefined
  let skipped = 0

  for (let start = first + 1; first >= 0 && start <= text.length; ) {
    let end = text.indexOf('|', start)
    if (end < 0) end = text.length
    const field = text.slice(start, end)
    start = end + 1
    if (field === '') continue
    if (field[0] === '@') {
      rate = toNumber(field.slice(1))
      if (!(rate > 0 && rate <= 1)) {
        return broken(
          'invalid_rate',
          `sample rate "${short(field)}" is not a number above 0 and up to 1`,
        )
      }
    } else if (field[0] === '#') {
      tags ??= new Map()
      readTags(field.slice(1), tags)
    } else if (field[0] === 'T') {
      if (!/^T\d{1,15}$/.test(field)) {
        return broken(
          'invalid_timestamp',
          `"${short(field)}" is not T and whole seconds since 1970`,
        )
      }
      if (type === 'counter' || type === 'gauge') time = Number(field.slice(1))
      else skipped++
    } else if (field.startsWith('c:')) container = field.slice(2)
    else if (field.startsWith('e:')) externalData = field.slice(2)
    else if (field.startsWith('card:')) cardinality = field.slice(5)
    else skipped++
  }
  return {
    type,
    rate,
    tags: tags ?? NO_TAGS,
    time,
    container,
    externalData,
    cardinality,
    skipped,
    problem: undefined,
  }
}

function broken(reason: string, explanation: string): Shape {
  return {
    type: 'counter',
    rate: 1,
    tags: NO_TAGS,
    time: undefined,
    container: undefined,
    externalData: undefined,
    cardinality: undefined,
    skipped: 0,
    problem: { reason, explanation },
  }
}

/** A piece of input as it may stand in a sentence. */
export function short(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}

/** How many shapes are remembered; a peer that never repeats itself only costs this much. */
const REMEMBERED = 4096
/** Longer ones are read anew each time, so that what is remembered stays small. */
const LONGEST = 2048

/** Remembers shapes by their text. */
export class ShapeCache {
  readonly #shapes = new Map<string, Shape>()

  read(text: string): Shape {
    const known = this.#shapes.get(text)
    if (known) return known
    if (text.length > LONGEST) return readShape(text)
    // A copy: a slice would keep the whole datagram in memory.
    const own = ` ${text}`.slice(1)
    const shape = readShape(own)
    // Every timestamp comes once; it would only push out what comes again.
    if (shape.time === undefined && !shape.problem) {
      if (this.#shapes.size >= REMEMBERED) this.#shapes.clear()
      this.#shapes.set(own, shape)
    }
    return shape
  }
}
