/** measure: makes metrics of events. */
import { z } from 'zod'
import { Batch } from '../../batch/batch.ts'
import { Fields } from '../../batch/columns.ts'
import { timeIn } from '../../codec/event-time.ts'
import { defineTransform } from '../../component/define.ts'
import { eachBatch } from '../../component/operator.ts'
import { expression, predicate } from '../../expression/option.ts'
import type { JsonObject, JsonValue } from '../../record/json.ts'
import { METRIC_FIELDS, METRIC_TYPES, type Metric, type MetricType } from '../../record/metric.ts'
import { metricName } from './metric-name.ts'

const metric = z
  .strictObject({
    name: metricName().describe('The name of the metric; `{data.http_method}` stands for a field.'),
    type: z
      .enum(METRIC_TYPES)
      .describe('The type of the metric.')
      .meta({ examples: ['counter'] }),
    value: expression()
      .optional()
      .describe('The value, in CEL. 1 if absent, which only counters can do without.'),
    tags: z
      .record(z.string().min(1), expression())
      .default({})
      .describe('Tags by name, each with the CEL expression that gives its value.')
      .meta({ examples: [{ status: 'data.http_status_code', proc: 'proc' }] }),
    where: predicate()
      .optional()
      .describe('Only events for which this condition holds are measured.'),
  })
  .superRefine(({ type, value, tags }, context) => {
    if (!value && type !== 'counter') {
      context.addIssue({ code: 'custom', message: `a ${type} needs a \`value\``, path: ['type'] })
    }
    for (const tag of Object.keys(tags)) {
      if (METRIC_FIELDS.has(tag)) {
        const message = `"${tag}" is a field of the metric itself; give the tag another name`
        context.addIssue({ code: 'custom', message, path: ['tags', tag] })
      }
    }
  })

/** What can be the value of a metric of a type; undefined for what cannot. */
function valueFor(type: MetricType, value: JsonValue | undefined): string | number | undefined {
  if (type !== 'set') return typeof value === 'number' ? value : undefined
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}

export const measure = defineTransform({
  name: 'measure',
  summary: 'Makes metrics of events.',
  description: `Each event gives one metric for each entry of \`metrics\` whose condition holds; the event itself ends here.
An event that gives no metric at all is counted as discarded with the reason \`not_measured\`. A metric is
left out, and counted in \`missing_total\`, when a field in its name or its value is missing or does not
fit (a number, or for a set a text or number); a tag is left out when its value is missing or is an object.
The metric's time is the event's \`_time\`, else now. Order is kept. The event is acknowledged when its
metrics are.`,
  options: z.strictObject({
    metrics: z
      .array(metric)
      .min(1)
      .describe('The metrics that are made of each event.')
      .meta({ examples: [[{ name: 'requests', type: 'counter' }]] }),
  }),
  examples: [
    {
      title: 'Request counts and durations by status',
      yaml: `type: measure
metrics:
  - name: http.requests
    type: counter
    tags: { status: data.http_status_code, proc: proc }
    where: source == "http.resp"
  - name: http.{data.http_method}.duration
    type: timer
    value: data.http_server_duration`,
    },
  ],
  create({ metrics }, context) {
    const time = new Fields([['_time']])
    const all = Fields.union(
      time,
      ...metrics.flatMap(({ name, value, tags, where }) =>
        [name, value, where, ...Object.values(tags)].filter(part => part !== undefined),
      ),
    )
    return eachBatch(batch => {
      batch.columns(all)
      const [times] = batch.columns(time)
      const plans = metrics.map(({ type, name, value, tags, where }) => ({
        type,
        nameOf: name.over(batch),
        valueOf: value?.over(batch),
        holds: where?.over(batch),
        tags: Object.entries(tags).map(([tag, of]) => ({ tag, contentOf: of.over(batch) })),
      }))
      const made: JsonObject[] = []
      let missing = 0
      let without = 0
      for (let row = 0; row < batch.count; row++) {
        const before = made.length
        for (const plan of plans) {
          if (plan.holds && !plan.holds(row)) continue
          const name = plan.nameOf(row)
          const value = plan.valueOf ? valueFor(plan.type, plan.valueOf(row)) : 1
          if (name === undefined || value === undefined) {
            missing++
            continue
          }
          const result: Metric = {
            _metric: name,
            _metric_type: plan.type,
            _value: value,
            _time: timeIn(times?.value(row)) ?? context.clock.now() / 1000,
          }
          for (const { tag, contentOf } of plan.tags) {
            const content = contentOf(row)
            if (content !== undefined && typeof content !== 'object') result[tag] = content
          }
          made.push(result)
        }
        if (made.length === before) without++
      }
      if (missing > 0) context.meters.add('missing_total', missing)
      if (without > 0) context.meters.discarded('not_measured', without, true)
      if (made.length > 0) return Batch.ofRecords(made, batch.origin, batch.lease)
      batch.release('discarded')
      return undefined
    })
  },
})
