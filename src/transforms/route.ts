/** route: sends events to named outputs by conditions. */
import { concatMap } from 'rxjs'
import { z } from 'zod'
import type { Batch } from '../batch/batch.ts'
import { Fields } from '../batch/columns.ts'
import { defineTransform } from '../component/define.ts'
import { predicate } from '../expression/option.ts'

/** Where events go that no condition takes. */
const REST = '_rest'

export const route = defineTransform({
  name: 'route',
  summary: 'Sends events to named outputs by conditions.',
  description: `Other components read an output as \`<name>.<output>\`. Conditions are tried in the order in which they are
written. What matches none leaves by \`${REST}\`. Events on an output that nobody reads end there, counted as
discarded. Order is kept within each output. A field that a condition needs and an event lacks makes
the event not match; that is counted in \`missing_total\`, by output.`,
  options: z.strictObject({
    routes: z
      .record(
        z
          .string()
          .regex(
            /^[A-Za-z][\w-]*$/,
            'must begin with a letter and hold only letters, digits, "_" and "-"',
          ),
        predicate(),
      )
      .refine(routes => Object.keys(routes).length > 0, 'needs at least one output')
      .describe('The condition of each output, in CEL, by the name of the output.')
      .meta({
        examples: [{ errors: 'data.http_status_code >= 500', slow: 'data.duration > 1000' }],
      }),
    match: z
      .enum(['first', 'all'])
      .default('first')
      .describe('Whether an event goes to the first output that matches, or to all that do.'),
  }),
  examples: [
    {
      title: 'Failures apart from the rest',
      yaml: `type: route\nroutes:\n  errors: data.http_status_code >= 500\n  health: data.http_target == "/healthz"`,
    },
  ],
  outputs: ({ routes }) => [...Object.keys(routes), REST],
  create({ routes, match }, context) {
    const outputs = Object.entries(routes).map(([name, where]) => ({ name, where }))
    const all = Fields.union(...outputs.map(({ where }) => where))
    return concatMap((batch: Batch) => {
      const rows = outputs.map((): number[] => [])
      const missing = outputs.map(() => 0)
      const rest: number[] = []
      batch.columns(all)
      const decisions = outputs.map(({ where }) => where.over(batch))
      for (let row = 0; row < batch.count; row++) {
        let matched = false
        for (let i = 0; i < outputs.length && !(matched && match === 'first'); i++) {
          const decision = decisions[i]?.(row)
          if (decision) {
            matched = true
            rows[i]?.push(row)
          } else if (decision === undefined) missing[i] = (missing[i] as number) + 1
        }
        if (!matched) rest.push(row)
      }
      for (const [i, count] of missing.entries()) {
        if (count > 0) {
          context.meters.add('missing_total', count, { output: outputs[i]?.name as string })
        }
      }
      const leaving = [
        ...outputs.map(({ name }, i) => ({ name, rows: rows[i] as number[] })),
        { name: REST, rows: rest },
      ].filter(part => part.rows.length > 0)
      if (leaving.length === 0) batch.release('discarded')
      else if (leaving.length > 1) batch.lease.retain(leaving.length - 1)
      return leaving.map(part =>
        (part.rows.length === batch.count ? batch : batch.select(part.rows)).to(part.name),
      )
    })
  },
})
