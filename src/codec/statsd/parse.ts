/**
 * StatsD and DogStatsD 1.0 to 1.6, from bytes to metrics: splits a payload into lines and each line
 * into name, values and shape, and hands them to a visitor, so that who aggregates needs no objects.
 */
import { isAscii, isUtf8 } from 'node:buffer'
import type { DatadogEvent, ServiceCheck } from '../../record/datadog.ts'
import type { JsonObject } from '../../record/json.ts'
import type { Metric, TagValue } from '../../record/metric.ts'
import { readEvent, readServiceCheck } from './messages.ts'
import { namesNotFinite, toNumber } from './number.ts'
import { type Problem, type Shape, ShapeCache, short } from './shape.ts'
import { addTag } from './tags.ts'

/** A metric's value: a number, several (value packing), or the member of a set. */
export type Value = number | string | number[]

export interface ParserOptions {
  /** Tags written into the name: `name;tag=v` (graphite), `name,tag=v` (influx), or not looked for. */
  nameTags?: 'none' | 'graphite' | 'influx'
  /** What a sign in front of a gauge's value means: a change (StatsD), or a sign (Datadog). */
  signedGauges?: 'change' | 'value'
}

/** Takes what a payload holds, in order. */
export interface Visitor {
  /** `relative`: the value is a change of a gauge. Counters are scaled by their rate already. */
  metric(name: string, value: Value, relative: boolean, shape: Shape): void
  message(record: DatadogEvent | ServiceCheck): void
  reject(problem: Problem, line: Buffer): void
  /** Fields that were passed over because they are not known. */
  skipped?(fields: number): void
}

const NEWLINE = 0x0a
const UNDERSCORE = 0x5f

export class StatsdParser {
  readonly #shapes = new ShapeCache()
  readonly #signs: boolean
  readonly nameTags: 'none' | 'graphite' | 'influx'

  constructor(options: ParserOptions = {}) {
    this.#signs = options.signedGauges !== 'value'
    this.nameTags = options.nameTags ?? 'none'
  }

  /**
   * Reads one payload: lines separated by newlines, the last with or without one. A line that cannot
   * be read is rejected alone. `now` in seconds, for events and checks that carry no time.
   */
  parse(payload: Buffer, now: number, visitor: Visitor): void {
    if (isAscii(payload)) this.#parseText(payload.toString('latin1'), now, visitor)
    else if (isUtf8(payload)) this.#parseText(payload.toString(), now, visitor)
    else this.#parseBytes(payload, now, visitor)
  }

  #parseText(text: string, now: number, visitor: Visitor): void {
    let start = 0
    while (start < text.length) {
      let end = text.indexOf('\n', start)
      if (end < 0) end = text.length
      let last = end
      if (text.charCodeAt(last - 1) === 0x0d) last--
      if (last > start) this.#line(text.slice(start, last), now, visitor)
      start = end + 1
    }
  }

  /** The slow way, where some line is not UTF-8. */
  #parseBytes(payload: Buffer, now: number, visitor: Visitor): void {
    let start = 0
    while (start < payload.length) {
      let end = payload.indexOf(NEWLINE, start)
      if (end < 0) end = payload.length
      const line = payload.subarray(start, end)
      if (isUtf8(line)) this.#parseText(line.toString(), now, visitor)
      else {
        visitor.reject({ reason: 'invalid_utf8', explanation: 'the line is not UTF-8' }, line)
      }
      start = end + 1
    }
  }

  #line(line: string, now: number, visitor: Visitor): void {
    if (line.charCodeAt(0) === UNDERSCORE) {
      const message = line.startsWith('_e{')
        ? readEvent(line, now)
        : line.startsWith('_sc|')
          ? readServiceCheck(line, now)
          : undefined
      if (message) {
        if ('problem' in message) visitor.reject(message.problem, Buffer.from(line))
        else {
          if (message.skipped > 0) visitor.skipped?.(message.skipped)
          visitor.message(message.record)
        }
        return
      }
    }
    const colon = line.indexOf(':')
    if (colon <= 0) {
      const problem =
        colon < 0
          ? { reason: 'no_value', explanation: 'the line has no colon and value after a name' }
          : { reason: 'empty_name', explanation: 'the metric has no name in front of the colon' }
      visitor.reject(problem, Buffer.from(line))
      return
    }
    const name = line.slice(0, colon)
    const bar = line.indexOf('|', colon + 1)
    if (bar < 0) {
      const explanation = 'the value is not followed by | and a type'
      visitor.reject({ reason: 'no_type', explanation }, Buffer.from(line))
      return
    }
    const shape = this.#shapes.read(line.slice(bar + 1))
    const problem =
      shape.problem && isSeries(line, bar)
        ? this.#series(name, line.slice(colon + 1), visitor)
        : (shape.problem ?? this.#metric(name, line.slice(colon + 1, bar), shape, visitor))
    if (problem) visitor.reject(problem, Buffer.from(line))
  }

  /** One value, or values packed with colons; hands it over or says what is wrong. */
  #metric(name: string, text: string, shape: Shape, visitor: Visitor): Problem | undefined {
    if (shape.type === 'set') {
      if (text === '') return INVALID_MEMBER
      visitor.metric(name, text, false, shape)
    } else if (text.includes(':')) {
      const parts = text.split(':')
      const values = parts.map(toNumber)
      for (let i = 0; i < values.length; i++) {
        const problem = this.#scale(values, i, parts[i] as string, shape)
        if (problem) return problem
      }
      if (this.#maybeChange(shape)) {
        // Values and changes may be mixed; each run of one kind becomes a metric of its own.
        for (let i = 0; i < parts.length; ) {
          const relative = signed(parts[i] as string)
          let end = i + 1
          while (end < parts.length && signed(parts[end] as string) === relative) end++
          const run = values.slice(i, end)
          visitor.metric(name, run.length === 1 ? (run[0] as number) : run, relative, shape)
          i = end
        }
      } else visitor.metric(name, values, false, shape)
    } else {
      let value = toNumber(text)
      if (shape.type === 'counter') value /= shape.rate
      if (!Number.isFinite(value)) return notANumber(text, value)
      visitor.metric(name, value, this.#maybeChange(shape) && signed(text), shape)
    }
    if (shape.skipped > 0) visitor.skipped?.(shape.skipped)
    return undefined
  }

  /** A gauge with a time is Datadog's, where a sign is only a sign. */
  #maybeChange(shape: Shape): boolean {
    return this.#signs && shape.type === 'gauge' && shape.time === undefined
  }

  #scale(values: number[], i: number, text: string, shape: Shape): Problem | undefined {
    const value = values[i] as number
    const scaled = shape.type === 'counter' ? value / shape.rate : value
    if (!Number.isFinite(scaled)) return notANumber(text, scaled)
    values[i] = scaled
    return undefined
  }

  /** StatsD's own way to send several values of one name: `name:1|c:250|ms|@0.5`. */
  #series(name: string, body: string, visitor: Visitor): Problem | undefined {
    const hash = body.indexOf('|#')
    const tags = hash < 0 ? '' : body.slice(hash)
    const pieces: [string, Shape][] = []
    for (const piece of (hash < 0 ? body : body.slice(0, hash)).split(':')) {
      const bar = piece.indexOf('|')
      if (bar < 0) return { reason: 'no_type', explanation: `"${short(piece)}" has no type` }
      const shape = this.#shapes.read(piece.slice(bar + 1) + tags)
      if (shape.problem) return shape.problem
      pieces.push([piece.slice(0, bar), shape])
    }
    for (const [value, shape] of pieces) {
      const problem = this.#metric(name, value, shape, visitor)
      if (problem) return problem
    }
    return undefined
  }
}

const INVALID_MEMBER: Problem = { reason: 'invalid_value', explanation: 'the set member is empty' }

function signed(text: string): boolean {
  const first = text.charCodeAt(0)
  return first === 0x2b || first === 0x2d
}

/** True when a second value follows before any tags: `1|c:2|c`. */
function isSeries(line: string, bar: number): boolean {
  const colon = line.indexOf(':', bar)
  if (colon < 0 || line.indexOf('|', colon) < 0) return false
  const hash = line.indexOf('|#', bar)
  return hash < 0 || colon < hash
}

function notANumber(text: string, value: number): Problem {
  return value === Number.POSITIVE_INFINITY ||
    value === Number.NEGATIVE_INFINITY ||
    namesNotFinite(text)
    ? {
        reason: 'not_finite',
        explanation: `"${short(text)}" is not a finite number, or too large for one`,
      }
    : { reason: 'invalid_value', explanation: `"${short(text)}" is not a decimal number` }
}

/** A metric as a record. `now` in seconds, for a metric that carries no time of its own. */
export function metricRecord(
  fullName: string,
  value: Value,
  relative: boolean,
  shape: Shape,
  now: number,
  nameTags: 'none' | 'graphite' | 'influx' = 'none',
): Metric {
  let tags = shape.tags
  let name = fullName
  if (nameTags !== 'none') {
    const split = splitName(fullName, nameTags === 'graphite' ? ';' : ',', tags)
    name = split.name
    tags = split.tags
  }
  const record: JsonObject = { _metric: name, _metric_type: shape.type }
  if (typeof value === 'object') record['_values'] = value
  else record['_value'] = value
  if (relative) record['_relative'] = true
  if (shape.rate !== 1 && isSampled(shape)) record['_rate'] = shape.rate
  for (const [field, tag] of tags) record[field] = tag
  if (shape.container !== undefined) record['_container'] = shape.container
  if (shape.externalData !== undefined) record['_external_data'] = shape.externalData
  if (shape.cardinality !== undefined) record['_cardinality'] = shape.cardinality
  if (shape.time !== undefined) record['_timestamped'] = true
  record['_time'] = shape.time ?? now
  return record as Metric
}

/** True for the types whose samples stay as they came, beside the rate they were taken at. */
export function isSampled(shape: Shape): boolean {
  return shape.type === 'timer' || shape.type === 'histogram' || shape.type === 'distribution'
}

/** Takes the tags out of a name: `disk;host=a;root` or `disk,host=a`. */
function splitName(
  full: string,
  separator: ';' | ',',
  tags: ReadonlyMap<string, TagValue>,
): { name: string; tags: ReadonlyMap<string, TagValue> } {
  const first = full.indexOf(separator)
  if (first <= 0) return { name: full, tags }
  const all = new Map<string, TagValue>()
  for (const tag of full.slice(first + 1).split(separator)) {
    if (tag === '') continue
    const equals = tag.indexOf('=')
    if (equals < 0) addTag(all, tag, true)
    else addTag(all, tag.slice(0, equals), tag.slice(equals + 1))
  }
  for (const [field, value] of tags) all.set(field, value)
  return { name: full.slice(0, first), tags: all }
}
