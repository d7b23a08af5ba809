/**
 * A strict reader of DogStatsD datagrams, written from the public grammar and sharing nothing with
 * the codec: the second opinion that our encoder is tested against. Throws at the first deviation.
 */

export interface GrammarMetric {
  kind: 'metric'
  name: string
  values: string[]
  type: string
  rate?: number
  tags?: string[]
  container?: string
  external?: string
  cardinality?: string
  timestamp?: number
}
export interface GrammarEvent {
  kind: 'event'
  title: string
  text: string
  fields: Record<string, string>
  tags?: string[]
}
export interface GrammarCheck {
  kind: 'check'
  name: string
  status: number
  fields: Record<string, string>
  tags?: string[]
}
export type GrammarLine = GrammarMetric | GrammarEvent | GrammarCheck

const METRIC =
  /^([^:|\n#,]+)(:[^|\n]+)\|(c|g|ms|h|d|s)(?:\|@([0-9.]+))?(?:\|#([^|\n#]+))?(?:\|c:([^|\n]*))?(?:\|e:([^|\n]*))?(?:\|card:(none|low|orchestrator|high))?(?:\|T(\d+))?$/

export function readDatagram(datagram: Buffer, maxBytes: number): GrammarLine[] {
  if (datagram.length > maxBytes) throw new Error(`datagram of ${datagram.length} bytes`)
  const text = new TextDecoder('utf8', { fatal: true }).decode(datagram)
  return text.replace(/\n$/, '').split('\n').map(readLine)
}

function readLine(line: string): GrammarLine {
  if (line.startsWith('_e{')) return readEvent(line)
  if (line.startsWith('_sc|')) return readCheck(line)
  const match = METRIC.exec(line)
  // A set's member is one string and may hold colons.
  const [, name, values, type, rate, tags, container, external, cardinality, timestamp] =
    match ?? []
  if (name === undefined || values === undefined || type === undefined) {
    throw new Error(`not a metric line: ${line}`)
  }
  const list = type === 's' ? [values.slice(1)] : values.slice(1).split(':')
  for (const value of list) {
    if (type !== 's' && !/^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/.test(value)) {
      throw new Error(`not a number: ${value} in ${line}`)
    }
  }
  if (rate !== undefined && (type === 'g' || type === 's')) throw new Error(`rate on ${type}`)
  if (timestamp !== undefined && type !== 'c' && type !== 'g') throw new Error(`T on ${type}`)
  return {
    kind: 'metric',
    name,
    values: list,
    type,
    ...(rate !== undefined && { rate: Number(rate) }),
    ...(tags !== undefined && { tags: tags.split(',') }),
    ...(container !== undefined && { container }),
    ...(external !== undefined && { external }),
    ...(cardinality !== undefined && { cardinality }),
    ...(timestamp !== undefined && { timestamp: Number(timestamp) }),
  }
}

function readEvent(line: string): GrammarEvent {
  const bytes = Buffer.from(line)
  const head = /^_e\{(\d+),(\d+)\}:/.exec(line)
  if (!head) throw new Error(`not an event: ${line}`)
  const start = head[0].length
  const bar = start + Number(head[1])
  const end = bar + 1 + Number(head[2])
  if (bytes[bar] !== 0x7c || end > bytes.length) throw new Error(`wrong lengths: ${line}`)
  const rest = bytes.toString('utf8', end)
  if (rest !== '' && rest[0] !== '|') throw new Error(`wrong text length: ${line}`)
  return {
    kind: 'event',
    title: bytes.toString('utf8', start, bar),
    text: bytes.toString('utf8', bar + 1, end),
    ...readFields(rest, /^(d|h|p|t|k|s|c|e|card)$/),
  }
}

function readCheck(line: string): GrammarCheck {
  const match = /^_sc\|([^|]+)\|([0-3])(\|.*)?$/s.exec(line)
  if (!match) throw new Error(`not a service check: ${line}`)
  const rest = match[3] ?? ''
  if (/\|m:.*\|/.test(rest)) throw new Error(`the message is not last: ${line}`)
  return {
    kind: 'check',
    name: match[1] as string,
    status: Number(match[2]),
    ...readFields(rest, /^(d|h|m|c|e|card)$/),
  }
}

function readFields(text: string, keys: RegExp) {
  const fields: Record<string, string> = {}
  let tags: string[] | undefined
  for (const field of text.split('|').slice(1)) {
    if (field.startsWith('#')) {
      if (tags) throw new Error(`tags twice: ${text}`)
      tags = field.slice(1).split(',')
      continue
    }
    const [key] = field.split(':', 1)
    if (key === undefined || !keys.test(key) || field[key.length] !== ':') {
      throw new Error(`unknown field ${field}`)
    }
    fields[key] = field.slice(key.length + 1)
  }
  return { fields, ...(tags && { tags }) }
}
