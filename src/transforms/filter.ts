/** filter: lets through the events for which a condition holds. */
import { z } from 'zod'
import { defineTransform } from '../component/define.ts'
import { eachBatch, keepRows } from '../component/operator.ts'
import { predicate } from '../expression/option.ts'

export const filter = defineTransform({
  name: 'filter',
  summary: 'Lets through the events for which a condition holds.',
  description: `All other events end here, counted as discarded with the reason \`filtered\`. An event that lacks a field
the condition needs, or has a value of another type there, does not match and is counted in \`missing_total\`
as well; write \`!has(data.x) || data.x > 3\` to let events without the field through. Order is kept, and
the events that go on keep their exact bytes.`,
  options: z.strictObject({
    where: predicate().describe(
      'The condition, in CEL: the fields of an event are variables, and `event` is all of it.',
    ),
  }),
  examples: [
    {
      title: 'Failed HTTP requests',
      yaml: `type: filter\nwhere: 'sourcetype == "http" && data.http_status_code >= 500'`,
    },
    {
      title: 'Everything but health checks',
      yaml: `type: filter\nwhere: '!has(data.http_target) || !data.http_target.startsWith("/healthz")'`,
    },
  ],
  create({ where }, context) {
    return eachBatch(batch => {
      const { rows, rest, missing } = where.select(batch)
      if (rest.length > 0) context.meters.discarded('filtered', rest.length, true)
      if (missing > 0) context.meters.add('missing_total', missing)
      return keepRows(batch, rows)
    })
  },
})
