/** sample: lets through a share of the events. */
import { z } from 'zod'
import { defineTransform } from '../component/define.ts'
import { eachBatch, keepRows } from '../component/operator.ts'
import { fieldPath } from '../component/options.ts'
import { expression, predicate } from '../expression/option.ts'
import { editLine } from '../record/edit.ts'
import { hash32 } from '../record/hash.ts'

const SPREAD = 2 ** 32

export const sample = defineTransform({
  name: 'sample',
  summary: 'Lets through a share of the events.',
  description: `Each event is kept by chance, or, with \`key\`, all events of the same key are kept or none are: the choice
follows from the key's hash alone, so it is the same on every machine and after every restart. An event
without the key is kept by chance and counted in \`missing_total\`. What is not kept is counted as discarded
with the reason \`sampled\`. Order is kept.`,
  options: z
    .strictObject({
      rate: z
        .int()
        .min(1)
        .optional()
        .describe('Keeps one of so many events. Write either this or `ratio`.')
        .meta({ examples: [10] }),
      ratio: z
        .number()
        .gt(0)
        .max(1)
        .optional()
        .describe('The share of events that is kept, above 0 and at most 1.')
        .meta({ examples: [0.05] }),
      key: expression()
        .optional()
        .describe('Events for which this CEL expression gives the same value stay together.')
        .meta({ examples: ['data.trace_id', 'proc + ":" + string(pid)'] }),
      exclude: predicate()
        .optional()
        .describe('Events for which this condition holds are always kept, and not marked.')
        .meta({ examples: ['data.http_status_code >= 500'] }),
      sample_rate_field: fieldPath()
        .optional()
        .describe('Writes into this field of each kept event how many events it stands for.')
        .meta({ examples: ['sample_rate'] }),
    })
    .superRefine(({ rate, ratio }, context) => {
      if ((rate === undefined) === (ratio === undefined)) {
        context.addIssue({
          code: 'custom',
          message:
            rate === undefined
              ? 'needs `rate` or `ratio`'
              : '`rate` and `ratio` exclude each other',
        })
      }
    }),
  examples: [
    {
      title: 'One of ten requests, and every failure',
      yaml: `type: sample\nrate: 10\nexclude: data.http_status_code >= 500\nsample_rate_field: sample_rate`,
    },
    { title: 'All events of one in twenty processes', yaml: `type: sample\nratio: 0.05\nkey: pid` },
  ],
  create({ rate, ratio, key, exclude, sample_rate_field: field }, context) {
    const share = ratio ?? 1 / (rate as number)
    const weight = rate ?? 1 / share
    let missing = 0

    return eachBatch(batch => {
      const rows: number[] = []
      const texts: (string | undefined)[] = []
      const keyOf = key?.over(batch)
      const isExcluded = exclude?.over(batch)
      const keeps = (row: number) => {
        const value = keyOf?.(row)
        if (value !== undefined) return hash32(JSON.stringify(value)) / SPREAD < share
        if (keyOf) missing++
        return Math.random() < share
      }
      for (let row = 0; row < batch.count; row++) {
        if (isExcluded?.(row)) {
          rows.push(row)
          texts.push(undefined)
        } else if (keeps(row)) {
          rows.push(row)
          texts.push(
            field && editLine(batch.text(row), [{ op: 'set', path: field, value: weight }]),
          )
        }
      }
      if (rows.length < batch.count) {
        context.meters.discarded('sampled', batch.count - rows.length, true)
      }
      if (missing > 0) context.meters.add('missing_total', missing)
      missing = 0
      const kept = keepRows(batch, rows)
      return field ? kept?.replace(texts) : kept
    })
  },
})
