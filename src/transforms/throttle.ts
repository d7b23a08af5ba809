/** throttle: lets through so many events in a time, for each key. */
import { z } from 'zod'
import { Batch } from '../batch/batch.ts'
import { Grouping } from '../batch/grouping.ts'
import { Lease } from '../batch/lease.ts'
import { defineTransform } from '../component/define.ts'
import { holding, keepRows } from '../component/operator.ts'
import { duration, fieldPath } from '../component/options.ts'
import type { JsonObject } from '../record/json.ts'

/** What one key may still send. */
interface Bucket {
  readonly fields: JsonObject
  tokens: number
  /** When `tokens` was true, on the monotonic clock. */
  at: number
  /** Events held back since the last summary. */
  held: number
}

export const throttle = defineTransform({
  name: 'throttle',
  summary: 'Lets through so many events in a time, for each key.',
  description: `Each key has a bucket of \`burst\` tokens that fills again at \`events\` per \`every\`; an event takes one, and
without one it ends here, counted as discarded with the reason \`throttled\`. Keys whose buckets are full
again are forgotten when \`max_keys\` is reached; if none is, all further new keys share one bucket, and
their events are counted in \`overflow_events_total\`. With \`summary\`, a record per key tells once per \`every\`
how many events were held back: the key's fields, \`throttled\`, \`_time\` and \`window_seconds\`. Summaries are
not acknowledged to anyone: those not yet delivered are lost with the process. Order is kept.`,
  options: z.strictObject({
    events: z
      .int()
      .min(1)
      .describe('How many events may pass, for each key.')
      .meta({ examples: [100] }),
    every: duration().prefault('1s').describe('The time in which that many events may pass.'),
    key: z
      .array(fieldPath())
      .default([])
      .describe('The fields whose values make up the key. All events share one key if empty.')
      .meta({ examples: [['proc', 'data.http_target']] }),
    burst: z
      .int()
      .min(1)
      .optional()
      .describe('How many events may pass at once after a quiet time. As `events` if absent.')
      .meta({ examples: [500] }),
    max_keys: z.int().min(1).default(10_000).describe('How many keys are told apart at most.'),
    summary: z
      .boolean()
      .default(false)
      .describe('Whether to emit a record with the number of events held back, for each key.'),
  }),
  examples: [
    {
      title: 'A hundred log lines a second from each process',
      yaml: `type: throttle\nevents: 100\nevery: 1s\nkey: [proc, pid]\nsummary: true`,
    },
  ],
  create({ events, every, key, burst = events, max_keys: limit, summary }, context) {
    const { clock, meters } = context
    const grouping = new Grouping(key)
    const perMillisecond = events / every
    const buckets = new Map<string, Bucket>()
    const overflow: Bucket = { fields: { overflow: true }, tokens: burst, at: 0, held: 0 }
    let swept = Number.NEGATIVE_INFINITY

    const full = (bucket: Bucket, now: number) =>
      bucket.held === 0 && bucket.tokens + (now - bucket.at) * perMillisecond >= burst

    function bucketOf(row: number, now: number): Bucket {
      const name = grouping.key(row)
      const known = buckets.get(name)
      if (known) return known
      // Looking through all buckets for each new key would cost too much: at most once a second.
      if (buckets.size >= limit && now - swept >= 1000) {
        swept = now
        for (const [other, bucket] of buckets) if (full(bucket, now)) buckets.delete(other)
      }
      if (buckets.size >= limit) return overflow
      const bucket = { fields: grouping.summary(row), tokens: burst, at: now, held: 0 }
      buckets.set(name, bucket)
      return bucket
    }

    function take(bucket: Bucket, now: number): boolean {
      bucket.tokens = Math.min(burst, bucket.tokens + (now - bucket.at) * perMillisecond)
      bucket.at = now
      if (bucket.tokens >= 1) {
        bucket.tokens--
        return true
      }
      if (summary) bucket.held++
      return false
    }

    return holding(emit => {
      function summarize() {
        const records: JsonObject[] = []
        for (const bucket of [...buckets.values(), overflow]) {
          if (bucket.held === 0) continue
          records.push({
            ...bucket.fields,
            throttled: bucket.held,
            _time: clock.now() / 1000,
            window_seconds: every / 1000,
          })
          bucket.held = 0
        }
        if (records.length > 0) emit(Batch.ofRecords(records, { source: context.id }, Lease.none()))
      }
      const cancel = summary ? clock.every(every, summarize) : () => {}

      return {
        next(batch) {
          const now = clock.monotonic()
          const rows: number[] = []
          let overflowing = 0
          grouping.of(batch)
          for (let row = 0; row < batch.count; row++) {
            const bucket = bucketOf(row, now)
            if (bucket === overflow) overflowing++
            if (take(bucket, now)) rows.push(row)
          }
          const held = batch.count - rows.length
          if (held > 0) meters.discarded('throttled', held, true)
          if (overflowing > 0) meters.add('overflow_events_total', overflowing)
          meters.set('keys', buckets.size)
          const kept = keepRows(batch, rows)
          if (kept) emit(kept)
        },
        complete: summarize,
        close: cancel,
      }
    })
  },
})
