/**
 * Records to StatsD lines, in one of three dialects. Nothing in a record can break out of its place:
 * the characters that the protocol means something by become `_`. No line is longer than a datagram.
 */
import { isDatadogEvent, isServiceCheck } from '../../record/datadog.ts'
import { isObject, type JsonObject, type JsonValue } from '../../record/json.ts'
import { isMetric, METRIC_FIELDS, type Metric, type MetricType } from '../../record/metric.ts'
import { eventLine, serviceCheckLine } from './messages.ts'
import { plainDecimal } from './number.ts'
import { tagOfField } from './tags.ts'

/** `statsd`: etsy's, without tags. `dogstatsd`: Datadog's 1.6. `graphite`: etsy's with tags in the name. */
export type Dialect = 'statsd' | 'dogstatsd' | 'graphite'

export interface EncoderOptions {
  dialect: Dialect
  /** Put in front of every metric's name as it is, so it brings its own dot. */
  prefix?: string
  /** `key:value` or `key`, added to every line of a dialect that has tags. */
  tags?: readonly string[]
  /** No line becomes longer, in bytes without the newline. */
  maxBytes: number
}

/** Why a record, or a part of it, gave no line. */
export type Refusal =
  | 'not_a_metric' // neither metric, nor event, nor service check
  | 'invalid_name' // no name, or an empty one
  | 'invalid_value' // not a finite number, or an empty list
  | 'not_in_dialect' // an event or a service check where only metrics exist
  | 'too_long' // does not fit a datagram with all of its tags

const LETTERS: Record<MetricType, string> = {
  counter: 'c',
  gauge: 'g',
  timer: 'ms',
  histogram: 'h',
  distribution: 'd',
  set: 's',
}

// What a receiver could take for structure, control characters among it.
const UNSAFE = /[\u0000-\u001f\u007f:|#,]/g
const UNSAFE_TAG_VALUE = /[\u0000-\u001f\u007f|#,]/g
const UNSAFE_FIELD = /[\u0000-\u001f\u007f|]/g
// Plain StatsD receivers also make paths of names; graphite's tags add two characters.
const UNSAFE_PLAIN = /[\u0000-\u0020\u007f:|#,@;=]/g
const UNSAFE_GRAPHITE_KEY = /[\u0000-\u0020\u007f:|#,@;=!^]/g
const UNSAFE_GRAPHITE_VALUE = /[\u0000-\u0020\u007f:|#,@;]/g

export class StatsdEncoder {
  readonly #dialect: Dialect
  readonly #prefix: string
  readonly #maxBytes: number
  readonly #extra: string
  readonly #names = new Texts()
  readonly #keys = new Texts()
  /** Fields that the dialect has no place for and that were left out, so far. */
  fieldsLeftOut = 0

  constructor(options: EncoderOptions) {
    this.#dialect = options.dialect
    this.#prefix = options.prefix ?? ''
    this.#maxBytes = options.maxBytes
    this.#extra = (options.tags ?? [])
      .map(tag => {
        const colon = tag.indexOf(':')
        return colon < 0
          ? this.#tag(tag, true)
          : this.#tag(tag.slice(0, colon), tag.slice(colon + 1))
      })
      .join('')
  }

  /** Adds a record's lines to a list; the reason if it gave none, or not all of its values. */
  encode(record: JsonObject, lines: string[]): Refusal | undefined {
    if (isMetric(record)) return this.#metric(record, lines)
    const event = isDatadogEvent(record)
    if (!event && !isServiceCheck(record)) return 'not_a_metric'
    if (this.#dialect !== 'dogstatsd') return 'not_in_dialect'
    const data = record['data'] as JsonObject
    const tags = this.#tags(isObject(data['tags']) ? data['tags'] : {}, NO_FIELDS)
    const line = event ? eventLine(record, tags) : serviceCheckLine(record, tags)
    if (line === undefined) return 'invalid_name'
    if (Buffer.byteLength(line) > this.#maxBytes) return 'too_long'
    lines.push(line)
    return undefined
  }

  #metric(metric: Metric, lines: string[]): Refusal | undefined {
    if (metric._metric === '') return 'invalid_name'
    const dogstatsd = this.#dialect === 'dogstatsd'
    let head = this.#name(metric._metric)
    if (this.#dialect === 'graphite') head += this.#tags(metric, METRIC_FIELDS)
    head += ':'
    const tail = dogstatsd ? this.#datadogTail(metric) : this.#plainTail(metric)

    const list = metric['_values']
    const values = Array.isArray(list) ? list : [metric['_value'] as JsonValue]
    if (values.length === 0) return 'invalid_value'
    const type = metric._metric_type
    if (type === 'set') return this.#members(head, values, tail, lines)

    const relative = type === 'gauge' && metric['_relative'] === true
    let refusal: Refusal | undefined
    let packed = ''
    const room = this.#maxBytes - Buffer.byteLength(head) - Buffer.byteLength(tail)
    for (const value of values) {
      if (typeof value !== 'number' || !Number.isFinite(value)) {
        refusal = 'invalid_value'
        continue
      }
      let text = String(value)
      if (relative && value >= 0) text = `+${text}`
      if (text.length > room) {
        refusal = 'too_long'
        continue
      }
      if (dogstatsd && packed !== '' && packed.length + 1 + text.length <= room) {
        packed = `${packed}:${text}`
        continue
      }
      if (packed !== '') lines.push(head + packed + tail)
      packed = text
      // Where a sign means a change, a value below zero is a change from zero.
      if (!dogstatsd && type === 'gauge' && !relative && value < 0) lines.push(`${head}0${tail}`)
    }
    if (packed !== '') lines.push(head + packed + tail)
    return refusal
  }

  #members(head: string, values: JsonValue[], tail: string, lines: string[]): Refusal | undefined {
    let refusal: Refusal | undefined
    const unsafe = this.#dialect === 'dogstatsd' ? UNSAFE_FIELD : UNSAFE_PLAIN
    for (const value of values) {
      const scalar = typeof value === 'string' || typeof value === 'number'
      const member = scalar ? String(value).replace(unsafe, '_') : ''
      if (member === '') {
        refusal = 'invalid_value'
        continue
      }
      const line = head + member + tail
      if (Buffer.byteLength(line) > this.#maxBytes) refusal = 'too_long'
      else lines.push(line)
    }
    return refusal
  }

  #plainTail(metric: Metric): string {
    if (metric['_timestamped'] === true) this.fieldsLeftOut++
    if (metric['_container'] !== undefined) this.fieldsLeftOut++
    if (metric['_external_data'] !== undefined) this.fieldsLeftOut++
    if (metric['_cardinality'] !== undefined) this.fieldsLeftOut++
    const type = metric._metric_type
    const letter = type === 'histogram' || type === 'distribution' ? 'ms' : LETTERS[type]
    return `|${letter}${rate(metric)}`
  }

  #datadogTail(metric: Metric): string {
    const type = metric._metric_type
    let tail = `|${LETTERS[type]}${rate(metric)}${this.#tags(metric, METRIC_FIELDS)}`
    const container = metric['_container']
    if (typeof container === 'string') tail += `|c:${container.replace(UNSAFE_FIELD, '_')}`
    const external = metric['_external_data']
    if (typeof external === 'string') tail += `|e:${external.replace(UNSAFE_FIELD, '_')}`
    const cardinality = metric['_cardinality']
    if (typeof cardinality === 'string') tail += `|card:${cardinality.replace(UNSAFE_FIELD, '_')}`
    if (
      metric['_timestamped'] === true &&
      (type === 'counter' || type === 'gauge') &&
      metric._time > 0
    ) {
      tail += `|T${Math.trunc(metric._time)}`
    }
    return tail
  }

  #name(name: string): string {
    return this.#names.get(name, () => {
      const unsafe = this.#dialect === 'dogstatsd' ? UNSAFE : UNSAFE_PLAIN
      // `_e{` at the start of a line is an event.
      return (this.#prefix + name).replace(unsafe, '_').replace(/^_e\{/, '_e_')
    })
  }

  /** All tags in the form of the dialect, with what introduces them; fields in `except` are none. */
  #tags(fields: JsonObject, except: ReadonlySet<string>): string {
    if (this.#dialect === 'statsd') return ''
    let text = ''
    for (const field in fields) {
      if (except.has(field) || !Object.hasOwn(fields, field)) continue
      const value = fields[field] as JsonValue
      if (!Array.isArray(value)) text += this.#tag(field, value)
      else if (this.#dialect === 'graphite') text += this.#tag(field, value.map(String).join('_'))
      else for (const one of value) text += this.#tag(field, one)
    }
    text += this.#extra
    if (this.#dialect === 'graphite' || text === '') return text
    return `|#${text.slice(1)}`
  }

  /** One tag with the separator before it. */
  #tag(field: string, value: JsonValue): string {
    if (value === null) return ''
    if (typeof value === 'object') {
      this.fieldsLeftOut++
      return ''
    }
    if (this.#dialect === 'graphite') {
      const key = this.#keys.get(field, () => tagOfField(field).replace(UNSAFE_GRAPHITE_KEY, '_'))
      // Graphite knows neither tags without a value nor values that are empty or start with ~.
      const safe = String(value)
        .replace(UNSAFE_GRAPHITE_VALUE, '_')
        .replace(/^(?:~|$)/, '_')
      return `;${key === '' ? '_' : key}=${safe}`
    }
    const key = this.#keys.get(field, () => tagOfField(field).replace(UNSAFE, '_'))
    if (value === true) return key === '' ? '' : `,${key}`
    if (typeof value !== 'string') return `,${key}:${value}`
    return `,${key}:${value.replace(UNSAFE_TAG_VALUE, '_')}`
  }
}

const NO_FIELDS: ReadonlySet<string> = new Set()

/** Samples that were already taken at a rate keep it; counters were scaled when they came. */
function rate(metric: Metric): string {
  const value = metric['_rate']
  if (typeof value !== 'number' || !(value > 0 && value < 1)) return ''
  const type = metric._metric_type
  if (type !== 'timer' && type !== 'histogram' && type !== 'distribution') return ''
  return `|@${plainDecimal(value)}`
}

/** Remembers how names were written, since the same ones come again and again. */
class Texts {
  readonly #texts = new Map<string, string>()

  get(key: string, make: () => string): string {
    let text = this.#texts.get(key)
    if (text === undefined) {
      text = make()
      if (this.#texts.size >= 10_000) this.#texts.clear()
      this.#texts.set(key, text)
    }
    return text
  }
}

/**
 * Packs lines into payloads of at most so many bytes, in order, each line ended by a newline or, for
 * datagrams, separated by one. Every line must fit alone.
 */
export function packLines(
  lines: readonly string[],
  maxBytes: number,
  ending: 'each' | 'between',
): Buffer[] {
  const payloads: Buffer[] = []
  const last = ending === 'each' ? '\n' : ''
  let text = ''
  let bytes = 0
  for (const line of lines) {
    const length = Buffer.byteLength(line)
    if (text !== '' && bytes + 1 + length + last.length > maxBytes) {
      payloads.push(Buffer.from(text + last))
      text = ''
      bytes = 0
    }
    if (text === '') {
      text = line
      bytes = length
    } else {
      text += `\n${line}`
      bytes += 1 + length
    }
  }
  if (text !== '') payloads.push(Buffer.from(text + last))
  return payloads
}
