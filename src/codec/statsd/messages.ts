/**
 * DogStatsD's other two kinds of message: events (`_e{5,4}:title|text|…`) and service checks
 * (`_sc|name|status|…`), between their lines and the records of record/datadog.ts.
 */
import type { DatadogEvent, ServiceCheck } from '../../record/datadog.ts'
import type { JsonObject } from '../../record/json.ts'
import type { TagValue } from '../../record/metric.ts'
import { type Problem, short } from './shape.ts'
import { readTags, tagObject } from './tags.ts'

/** What was read, or what is wrong with it. */
export type Message =
  | { readonly record: DatadogEvent | ServiceCheck; readonly skipped: number }
  | { readonly problem: Problem }

/** Letters of an event's fields and the names they get in `data`. */
const EVENT_FIELDS: ReadonlyMap<string, string> = new Map([
  ['h', 'hostname'],
  ['p', 'priority'],
  ['t', 'alert_type'],
  ['k', 'aggregation_key'],
  ['s', 'source_type_name'],
  ['c', 'container'],
  ['e', 'external_data'],
  ['card', 'cardinality'],
])
const CHECK_FIELDS: ReadonlyMap<string, string> = new Map([
  ['h', 'hostname'],
  ['c', 'container'],
  ['e', 'external_data'],
  ['card', 'cardinality'],
])

/** Reads a line that starts with `_e{`. `now` in seconds, for an event without `d:`. */
export function readEvent(line: string, now: number): Message {
  const head = /^_e\{(\d{1,9}),(\d{1,9})\}:/.exec(line)
  if (!head) {
    return problem('invalid_event', 'an event starts with _e{title length,text length}:')
  }
  const body = line.slice(head[0].length)
  const [titleLength, textLength] = [Number(head[1]), Number(head[2])]
  const split =
    splitBytes(body, titleLength, textLength) ?? splitUnits(body, titleLength, textLength)
  if (!split) {
    return problem(
      'invalid_event',
      `the lengths {${titleLength},${textLength}} do not fit the event's title and text (lengths are bytes of UTF-8)`,
    )
  }
  if (split.title === '') return problem('invalid_event', 'the event has no title')
  const data: JsonObject = { title: newlines(split.title), text: newlines(split.text) }
  const rest = readFields(split.rest, EVENT_FIELDS, data)
  if ('problem' in rest) return rest
  return message('statsd.event', data, rest.time ?? now, rest.skipped)
}

/** Reads a line that starts with `_sc|`. `now` in seconds, for a check without `d:`. */
export function readServiceCheck(line: string, now: number): Message {
  const parts = /^_sc\|([^|]+)\|([0-3])(?:\||$)/.exec(line)
  if (!parts) {
    return problem(
      'invalid_service_check',
      'a service check reads _sc|name|status with a status from 0 to 3',
    )
  }
  const data: JsonObject = { name: parts[1] as string, status: Number(parts[2]) }
  const rest = readFields(line.slice(parts[0].length), CHECK_FIELDS, data)
  if ('problem' in rest) return rest
  return message('statsd.service_check', data, rest.time ?? now, rest.skipped)
}

function message(
  source: (DatadogEvent | ServiceCheck)['source'],
  data: JsonObject,
  time: number,
  skipped: number,
): Message {
  return { record: { sourcetype: 'statsd', source, _time: time, data }, skipped }
}

interface Split {
  title: string
  text: string
  /** The fields after the text, without the `|` before them. */
  rest: string
}

/** Splits by lengths in bytes, as the protocol says. */
function splitBytes(body: string, titleLength: number, textLength: number): Split | undefined {
  if (body.length < titleLength || Buffer.byteLength(body) === body.length) {
    return splitUnits(body, titleLength, textLength)
  }
  const bytes = Buffer.from(body)
  const bar = 0x7c
  const end = titleLength + 1 + textLength
  if (bytes[titleLength] !== bar || end > bytes.length) return undefined
  if (end < bytes.length && bytes[end] !== bar) return undefined
  return {
    title: bytes.toString('utf8', 0, titleLength),
    text: bytes.toString('utf8', titleLength + 1, end),
    rest: bytes.toString('utf8', end + 1),
  }
}

/** Splits by lengths in UTF-16 units, as some clients count (hot-shots 17 among them). */
function splitUnits(body: string, titleLength: number, textLength: number): Split | undefined {
  const end = titleLength + 1 + textLength
  if (body[titleLength] !== '|' || end > body.length) return undefined
  if (end < body.length && body[end] !== '|') return undefined
  return {
    title: body.slice(0, titleLength),
    text: body.slice(titleLength + 1, end),
    rest: body.slice(end + 1),
  }
}

function readFields(
  text: string,
  known: ReadonlyMap<string, string>,
  data: JsonObject,
): { time: number | undefined; skipped: number } | { problem: Problem } {
  let time: number | undefined
  let skipped = 0
  let tags: Map<string, TagValue> | undefined
  for (const field of text.split('|')) {
    if (field === '') continue
    if (field[0] === '#') {
      tags ??= new Map()
      readTags(field.slice(1), tags)
      continue
    }
    const colon = field.indexOf(':')
    const key = field.slice(0, Math.max(colon, 0))
    const value = field.slice(colon + 1)
    if (key === 'd') {
      if (!/^\d{1,15}$/.test(value)) {
        return problem(
          'invalid_timestamp',
          `"${short(field)}" is not d: and whole seconds since 1970`,
        )
      }
      time = Number(value)
    } else if (key === 'm' && known === CHECK_FIELDS) {
      data['message'] = newlines(value.replaceAll('m\\:', 'm:'))
    } else {
      const name = known.get(key)
      if (name === undefined) skipped++
      else data[name] = value
    }
  }
  if (tags) data['tags'] = tagObject(tags)
  return { time, skipped }
}

/** Line breaks travel as a backslash and an n. */
function newlines(text: string): string {
  return text.replaceAll('\\n', '\n')
}

function problem(reason: string, explanation: string): { problem: Problem } {
  return { problem: { reason, explanation } }
}

const CONTROL_OR_BAR = /[\u0000-\u001f\u007f|]/g

/** An event as a line; `tags` as they are written, with `|#`. Undefined when it has no title. */
export function eventLine(event: DatadogEvent, tags: string): string | undefined {
  const title = event.data['title']
  const text = event.data['text']
  if (typeof title !== 'string' || title === '') return undefined
  const [safeTitle, safeText] = [breaks(title), breaks(typeof text === 'string' ? text : '')]
  const lengths = `${Buffer.byteLength(safeTitle)},${Buffer.byteLength(safeText)}`
  return `_e{${lengths}}:${safeTitle}|${safeText}${time(event)}${writeFields(EVENT_FIELDS, event.data)}${tags}`
}

/** A service check as a line; `tags` as they are written, with `|#`. Undefined when name or status is missing. */
export function serviceCheckLine(check: ServiceCheck, tags: string): string | undefined {
  const name = check.data['name']
  const status = check.data['status']
  const message = check.data['message']
  if (typeof name !== 'string' || name === '') return undefined
  if (status !== 0 && status !== 1 && status !== 2 && status !== 3) return undefined
  const head = `_sc|${name.replace(CONTROL_OR_BAR, '_')}|${status}`
  // The message comes last: receivers take everything after it for a part of it.
  const last =
    typeof message === 'string'
      ? `|m:${breaks(message).replaceAll('m:', 'm\\:').replace(CONTROL_OR_BAR, '_')}`
      : ''
  return `${head}${time(check)}${writeFields(CHECK_FIELDS, check.data)}${tags}${last}`
}

function writeFields(known: ReadonlyMap<string, string>, data: JsonObject): string {
  let text = ''
  for (const [key, name] of known) {
    const value = data[name]
    if (typeof value === 'string' && value !== '') {
      text += `|${key}:${value.replace(CONTROL_OR_BAR, '_')}`
    }
  }
  return text
}

function time(record: DatadogEvent | ServiceCheck): string {
  const seconds = Math.trunc(record._time)
  return seconds > 0 ? `|d:${seconds}` : ''
}

function breaks(text: string): string {
  return text.replace(/\r\n?|\n/g, '\\n')
}
