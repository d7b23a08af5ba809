/** dedupe: lets an event through once, and not again for a while. */
import { z } from 'zod'
import { Grouping } from '../batch/grouping.ts'
import { defineTransform } from '../component/define.ts'
import { eachBatch, keepRows } from '../component/operator.ts'
import { duration, fieldPath } from '../component/options.ts'
import { compactKey } from '../record/hash.ts'

export const dedupe = defineTransform({
  name: 'dedupe',
  summary: 'Lets an event through once, and not again for a while.',
  description: `Two events are the same when they agree in all of \`fields\`, or byte for byte when no fields are given. The
first one goes on; the same ones end here for the length of \`window\` after it, counted as discarded with
the reason \`duplicate\`. What has been seen is kept in memory only: after a restart everything is new. When
\`max_entries\` are remembered, the one that has not come for longest is forgotten first, and counted in
\`evicted_total\`. Events that have none of the fields always go on, counted in \`missing_total\`. Order is
kept.`,
  options: z.strictObject({
    fields: z
      .array(fieldPath())
      .min(1)
      .optional()
      .describe('The fields that make an event the same as another. All bytes of it if absent.')
      .meta({ examples: [['host', 'data.message']] }),
    window: duration()
      .prefault('1m')
      .describe('How long after an event the same ones are held back.'),
    max_entries: z
      .int()
      .min(1)
      .default(10_000)
      .describe('How many different events are remembered at most.'),
  }),
  examples: [
    {
      title: 'The same message of the same host once in five minutes',
      yaml: `type: dedupe\nfields: [host, data.message]\nwindow: 5m`,
    },
  ],
  create({ fields, window, max_entries: limit }, context) {
    const grouping = fields && new Grouping(fields)
    /** When each event was first seen; the one that has not come for longest stands first. */
    const seen = new Map<string, number>()
    return eachBatch(batch => {
      const now = context.clock.monotonic()
      const rows: number[] = []
      let missing = 0
      let evicted = 0
      grouping?.of(batch)
      for (let row = 0; row < batch.count; row++) {
        if (grouping?.absent(row)) {
          missing++
          rows.push(row)
          continue
        }
        const key = grouping ? grouping.key(row) : compactKey(batch.text(row))
        const first = seen.get(key)
        if (first !== undefined) seen.delete(key)
        if (first !== undefined && now - first < window) {
          seen.set(key, first)
          continue
        }
        rows.push(row)
        seen.set(key, now)
        if (seen.size > limit) {
          const [oldest, at] = seen.entries().next().value as [string, number]
          seen.delete(oldest)
          if (now - at < window) evicted++
        }
      }
      if (rows.length < batch.count) {
        context.meters.discarded('duplicate', batch.count - rows.length, true)
      }
      if (missing > 0) context.meters.add('missing_total', missing)
      if (evicted > 0) context.meters.add('evicted_total', evicted)
      context.meters.set('entries', seen.size)
      return keepRows(batch, rows)
    })
  },
})
