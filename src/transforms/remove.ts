/** remove: takes fields out of records. */
import { z } from 'zod'
import { defineTransform } from '../component/define.ts'
import { eachBatch } from '../component/operator.ts'
import { fieldPath } from '../component/options.ts'
import { type Edit, editLine } from '../record/edit.ts'

export const remove = defineTransform({
  name: 'remove',
  summary: 'Takes fields out of records.',
  description: `A field that a record does not have is no matter. Where a record has the same key twice, both go. An element
of an array goes and those behind it move up, before the next field of the list is looked at. All else keeps its exact
bytes. Order is kept and no event is lost.`,
  options: z.strictObject({
    fields: z
      .array(fieldPath())
      .min(1)
      .describe('Paths of the fields to take out, with all that is below them.')
      .meta({ examples: [['data.http_cookie', 'cmd']] }),
  }),
  examples: [
    { title: 'Leave out what nobody reads', yaml: 'type: remove\nfields: [cmd, data.proc_cgroup]' },
  ],
  create({ fields }) {
    const edits = fields.map((path): Edit => ({ op: 'remove', path }))
    return eachBatch(batch => {
      const texts = new Array<string | undefined>(batch.count)
      for (let row = 0; row < batch.count; row++) {
        const text = batch.text(row)
        const edited = editLine(text, edits)
        if (edited !== text) texts[row] = edited
      }
      return batch.replace(texts)
    })
  },
})
