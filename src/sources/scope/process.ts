/**
 * AppScope's process-start message: what a scoped program tells of itself in the first line of each
 * connection. It also carries a token and the program's whole configuration; neither is kept.
 */
import type { Reject } from '../../component/context.ts'
import { isObject, type JsonObject, type JsonValue } from '../../record/json.ts'

/** Names that events use for what the message calls otherwise. */
const EVENT_NAMES: Readonly<Record<string, string>> = { hostname: 'host', procname: 'proc' }

/** Says whether a line without a `type` is a process-start message, or one that only shows a token. */
export function isProcessStart(line: JsonObject): boolean {
  return (typeof line['format'] === 'string' && isObject(line['info'])) || 'authToken' in line
}

/** The same rejected input with tokens blotted out. */
export function withoutToken(reject: Reject): Reject {
  const text = reject.bytes.toString('latin1')
  if (!/"authtoken"/i.test(text)) return reject
  const clean = text.replace(/("authtoken"\s*:\s*")(?:[^"\\]|\\.)*("?)/gi, '$1***$2')
  // The parser's own words quote the text around the fault.
  const explanation = reject.explanation.replace(/: Unexpected token[\s\S]*is not valid JSON/, '')
  return { ...reject, explanation, bytes: Buffer.from(clean, 'latin1') }
}

/** Whether it opens a connection for events, not one for payloads. */
export function opensEvents(line: JsonObject): boolean {
  return line['format'] === 'ndjson'
}

/** The facts about the sender that go along with each of its batches: host, proc, pid, cmd, uuid, … */
export function processFacts(line: JsonObject): JsonObject {
  const facts: JsonObject = {}
  for (const [key, value] of Object.entries(processOf(line))) {
    if (isScalar(value)) facts[EVENT_NAMES[key] ?? key] = value
  }
  return facts
}

/** The record of a process start; `time` in seconds since the epoch, as the message holds none. */
export function processStartRecord(line: JsonObject, time: number): JsonObject {
  const facts = processFacts(line)
  const data: JsonObject = {}
  for (const [key, value] of Object.entries(processOf(line))) if (isScalar(value)) data[key] = value
  const info = line['info']
  const environment = isObject(info) ? info['environment'] : undefined
  if (isObject(environment) && Object.keys(environment).length > 0) {
    data['environment'] = environment
  }
  return { ...about('process', 'process.start', time, facts), data }
}

/** The fields that every event begins with. */
export function about(
  sourcetype: string,
  source: string,
  time: JsonValue | undefined,
  facts: JsonObject | undefined,
): JsonObject {
  const record: JsonObject = { sourcetype }
  if (time !== undefined) record['_time'] = time
  record['source'] = source
  for (const key of ['host', 'proc', 'cmd', 'pid']) {
    const value = facts?.[key]
    if (value !== undefined) record[key] = value
  }
  return record
}

function processOf(line: JsonObject): JsonObject {
  const info = line['info']
  const process = isObject(info) ? info['process'] : undefined
  return isObject(process) ? process : {}
}

function isScalar(value: JsonValue): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
