/** The `console` sink: events on standard output, for people or for the next program in a pipe. */
import type { Writable } from 'node:stream'
import { Observable } from 'rxjs'
import { z } from 'zod'
import type { Batch } from '../batch/batch.ts'
import type { Receipt } from '../batch/receipt.ts'
import { defineSink, type Sink } from '../component/define.ts'
import { isObject, type JsonObject, type JsonValue } from '../record/json.ts'
import { isMetric } from '../record/metric.ts'

const options = z.strictObject({
  format: z
    .enum(['ndjson', 'pretty'])
    .default('ndjson')
    .describe(
      '`ndjson` writes each event as it is, for another program. `pretty` writes one short line for people: time, host, program, what happened, and the rest as `key=value`.',
    ),
  color: z
    .enum(['auto', 'always', 'never'])
    .default('auto')
    .describe('Whether `pretty` uses colours; `auto` when standard output is a terminal.'),
})

/** Fields that `pretty` shows by position, or that say nothing to a reader. */
const PLACED = new Set([
  '_time',
  'host',
  'proc',
  'pid',
  'sourcetype',
  'source',
  'message',
  'data',
  'cmd',
])
const PLACED_OF_METRIC = new Set([
  '_time',
  'host',
  'proc',
  'pid',
  '_metric',
  '_metric_type',
  '_value',
  '_values',
  'cmd',
])

type Paint = (code: number, text: string) => string
const plain: Paint = (_code, text) => text
const colored: Paint = (code, text) => `\u001b[${code}m${text}\u001b[0m`
const DIM = 2
const BOLD = 1
const CYAN = 36
const RED = 31

/** No event may move the cursor or change the colours of the terminal it is shown on. */
function harmless(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f]/g,
    char => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

function shown(value: JsonValue): string {
  if (typeof value !== 'string') return harmless(JSON.stringify(value))
  return value === '' || /[\s"=]/.test(value) ? harmless(JSON.stringify(value)) : harmless(value)
}

function pairs(record: JsonObject, without: ReadonlySet<string>, paint: Paint): string[] {
  return Object.entries(record)
    .filter(([key]) => !without.has(key))
    .map(([key, value]) => `${paint(DIM, `${harmless(key)}=`)}${shown(value)}`)
}

function timeOfDay(record: JsonObject): string {
  const { _time: time } = record as { _time?: JsonValue }
  if (typeof time !== 'number' || !(Math.abs(time) < 8.64e12)) return '--:--:--.---'
  return new Date(time * 1000).toISOString().slice(11, 23)
}

/** One event as one line for people. */
export function prettyLine(record: JsonObject, color: boolean): string {
  const paint = color ? colored : plain
  const { host, proc, pid, data } = record as Record<string, JsonValue | undefined>
  const parts = [paint(DIM, timeOfDay(record))]
  if (host !== undefined) parts.push(paint(DIM, shown(host)))
  if (proc !== undefined)
    parts.push(paint(CYAN, pid === undefined ? shown(proc) : `${shown(proc)}[${shown(pid)}]`))
  if (isMetric(record)) {
    const value = record['_values'] ?? record['_value'] ?? null
    parts.push(
      paint(BOLD, shown(record._metric)),
      `${shown(value)} ${paint(DIM, record._metric_type)}`,
    )
    return [...parts, ...pairs(record, PLACED_OF_METRIC, paint)].join(' ')
  }
  const what = record['source'] ?? record['sourcetype']
  if (what !== undefined) {
    const alarming = record['sourcetype'] === 'notice' || /error|crash/.test(String(what))
    parts.push(paint(alarming ? RED : BOLD, shown(what)))
  }
  const message = record['message']
  if (message !== undefined)
    parts.push(typeof message === 'string' ? harmless(message) : shown(message))
  if (isObject(data)) parts.push(...pairs(data, new Set(), paint))
  else if (data !== undefined) parts.push(shown(data))
  return [...parts, ...pairs(record, PLACED, paint)].join(' ')
}

function textOf(batch: Batch, color: boolean): string {
  let text = ''
  for (let row = 0; row < batch.count; row++) text += `${prettyLine(batch.record(row), color)}\n`
  return text
}

/** The sink on a stream; tests hand in their own. */
export function consoleOn(stream: () => Writable & { isTTY?: boolean }): Sink<typeof options> {
  return defineSink({
    name: 'console',
    summary: 'Writes events to standard output.',
    description: `
**Delivery.** A batch is acknowledged when standard output has taken it; a reader that does not read holds the sink up. When
the reader is gone (\`| head\`), further batches are dropped and counted as \`output_closed\`, and the sink is unhealthy.

**Order** is kept. In \`pretty\` lines, control characters are shown as \`\\x1b\`, so that no event can play tricks on a terminal.
`,
    options,
    examples: [
      { title: 'Look at what passes', yaml: 'type: console\ninputs: [clean]\nformat: pretty\n' },
      { title: 'Feed jq', yaml: 'type: console\ninputs: [clean]\n' },
    ],
    create(options, context) {
      return batches =>
        new Observable<Receipt>(subscriber => {
          const output = stream()
          const color =
            options.color === 'always' || (options.color === 'auto' && output.isTTY === true)
          let waiting = 0
          let ended = false
          let closed = false
          const settle = () => {
            if (ended && waiting === 0) subscriber.complete()
          }
          const lost = (error: Error) => {
            if (closed) return
            closed = true
            context.healthy(
              false,
              `standard output is closed (${error.message}): its reader is gone`,
            )
            context.log.warn(
              'standard output is closed: its reader is gone; events for it are dropped',
            )
          }
          output.on('error', lost)
          const subscription = batches.subscribe({
            next(batch) {
              const answer = (failed: boolean, bytes: number) => {
                waiting--
                subscriber.next(
                  failed
                    ? { batch, outcome: 'dropped', reason: 'output_closed' }
                    : { batch, outcome: 'delivered', bytes },
                )
                settle()
              }
              waiting++
              if (closed) return answer(true, 0)
              const data =
                options.format === 'pretty' ? Buffer.from(textOf(batch, color)) : batch.toBuffer()
              output.write(data, error => {
                if (error) lost(error)
                answer(Boolean(error), data.length)
              })
            },
            error: error => subscriber.error(error),
            complete() {
              ended = true
              settle()
            },
          })
          return () => {
            subscription.unsubscribe()
            // The stream outlives the sink, and must not fail unheard for what was written last.
            if (waiting === 0) output.off('error', lost)
          }
        })
    },
  })
}

export const consoleSink = consoleOn(() => process.stdout)
