/** rename: gives fields another name or place. */
import { z } from 'zod'
import { defineTransform } from '../component/define.ts'
import { eachBatch } from '../component/operator.ts'
import { problem } from '../component/options.ts'
import { readPathKeys, under } from '../component/path-map.ts'
import { type Edit, editLine } from '../record/edit.ts'
import { PathError, parsePath } from '../record/path.ts'

const fields = z.record(z.string(), z.string()).transform((mapping, context) =>
  readPathKeys(mapping, context).map(({ path, key, value }): Edit => {
    try {
      return { op: 'rename', path, to: parsePath(value) }
    } catch (error) {
      if (!(error instanceof PathError)) throw error
      return problem(under(context, key), error.message, error.offset)
    }
  }),
)

export const rename = defineTransform({
  name: 'rename',
  summary: 'Gives fields another name or place.',
  description: `Values keep their exact bytes. A field that gets another name within its object stays where it stands; one
that moves to another object is added at its end. What is already at the new place is replaced; a field that a record
does not have is no matter. The renamings are carried out one after another, so a later one sees the names of an earlier
one. Order of events is kept and none is lost.`,
  options: z.strictObject({
    fields: fields
      .describe('Each field to rename: its path, a colon, and the path it shall have.')
      .meta({ examples: [{ 'data.http_target': 'url.path' }] }),
  }),
  examples: [
    {
      title: 'Names of another schema',
      yaml: 'type: rename\nfields:\n  data.http_target: url.path\n  data.http_status_code: http.response.status_code',
    },
  ],
  create({ fields }) {
    return eachBatch(batch => {
      const texts = new Array<string | undefined>(batch.count)
      for (let row = 0; row < batch.count; row++) {
        const text = batch.text(row)
        const edited = editLine(text, fields)
        if (edited !== text) texts[row] = edited
      }
      return batch.replace(texts)
    })
  },
})
