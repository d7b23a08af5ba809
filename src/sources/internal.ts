/** Source `internal`: what the edge knows of itself, its metrics and its log, as events. */
import { Observable } from 'rxjs'
import { z } from 'zod'
import { Batch } from '../batch/batch.ts'
import { defineSource } from '../component/define.ts'
import { Increments } from '../component/increments.ts'
import { duration } from '../component/options.ts'
import type { JsonObject } from '../record/json.ts'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
/** Log records that wait for the end of this turn of the event loop, at most. */
const WAITING = 1000

export const internal = defineSource({
  name: 'internal',
  summary: "Takes the edge's own metrics and log.",
  description: `
Sends the edge's own numbers as metric events every \`interval\` (\`_metric\`, \`_metric_type\`, \`_value\`,
\`_time\`, and labels such as \`component_id\` as tags), and each line of its log as an event with
\`sourcetype: edge\`, \`source: edge.log\`, \`level\`, \`component\` and \`message\`. Counters tell what was added since the
round before, as StatsD means them, and are left out when they stood still; running totals are at \`/metrics\`.

The edge never waits for its own log: when the sinks are slow, log events that find no space are lost and
counted as \`internal_full\`, and a round of metrics is left out. Lines below the level of the edge's
\`log\` option are not written and so do not come here either.

Do not let a sink's complaints feed themselves: a sink that logs an error for each event it cannot deliver
should not get this source's \`warn\` and \`error\` events alone.
`,
  options: z.strictObject({
    metrics: z.boolean().default(true).describe('Sends the metrics of all components.'),
    interval: duration().prefault('10s').describe('Time between two rounds of metrics.'),
    logs: z.boolean().default(true).describe("Sends the edge's log."),
    level: z.enum(LEVELS).default('info').describe('The least important log events to send.'),
  }),
  examples: [
    { title: 'Metrics and log', yaml: 'type: internal' },
    { title: 'Warnings and errors alone', yaml: 'type: internal\nmetrics: false\nlevel: warn' },
  ],
  create(options, context) {
    return new Observable(subscriber => {
      const origin = { source: context.id }
      const emit = (records: JsonObject[]) => {
        if (records.length === 0) return
        const lines = records.map(record => JSON.stringify(record))
        const bytes = lines.reduce((sum, line) => sum + line.length + 1, 0)
        subscriber.next(Batch.ofLines(lines, origin, context.lease(bytes)))
      }
      const increments = new Increments()
      const measure = () => {
        if (context.budget.full) context.meters.add('internal_rounds_skipped_total', 1)
        else emit(increments.of(context.telemetry.metrics()))
      }

      const least = LEVELS.indexOf(options.level)
      let waiting: JsonObject[] = []
      const flush = () => {
        const records = waiting
        waiting = []
        if (records.length === 0 || subscriber.closed) return
        if (context.budget.full) context.meters.discarded('internal_full', records.length, false)
        else emit(records)
      }
      const listen = (record: JsonObject) => {
        if (LEVELS.indexOf(record['level'] as (typeof LEVELS)[number]) < least) return
        if (waiting.length >= WAITING) return context.meters.discarded('internal_full', 1, false)
        // Not at once: what is logged while a batch is on its way must not send one within it.
        if (waiting.push(record) === 1) setImmediate(flush)
      }

      const stop = () => {
        flush()
        if (options.metrics) measure()
        subscriber.complete()
      }
      subscriber.add(() => context.signal.removeEventListener('abort', stop))
      if (options.logs) subscriber.add(context.telemetry.onLog(listen))
      if (options.metrics) subscriber.add(context.clock.every(options.interval, measure))
      context.signal.addEventListener('abort', stop, { once: true })
      context.ready()
      if (context.signal.aborted) stop()
    })
  },
})
