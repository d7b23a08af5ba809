/** set: gives fields a value, fixed or computed. */
import { z } from 'zod'
import { Fields } from '../batch/columns.ts'
import { defineTransform } from '../component/define.ts'
import { eachBatch } from '../component/operator.ts'
import { problem } from '../component/options.ts'
import { readPathKeys, under } from '../component/path-map.ts'
import { readingExpression } from '../expression/option.ts'
import { compileExpression, type Expression } from '../expression/predicate.ts'
import { type Edit, editLine } from '../record/edit.ts'
import { isObject, type JsonValue } from '../record/json.ts'
import type { Path } from '../record/path.ts'

type Setting =
  | { readonly path: Path; readonly value: JsonValue }
  | { readonly path: Path; readonly expression: Expression }

const fields = z
  .record(
    z.string(),
    z.union([
      z.strictObject({ expression: z.string().describe('A value in CEL, made from the record.') }),
      z.json(),
    ]),
  )
  .transform((mapping, context): Setting[] =>
    readPathKeys(mapping, context).map(({ path, key, value }) => {
      const known = value as JsonValue
      if (!isObject(known) || !Object.hasOwn(known, 'expression')) return { path, value: known }
      const { expression, ...rest } = known
      if (typeof expression !== 'string' || Object.keys(rest).length > 0) {
        return problem(
          under(context, key),
          'write { expression: "…" } with nothing else; an object with a field called "expression" cannot be set as a whole',
        )
      }
      const read = readingExpression(compileExpression)
      return { path, expression: read(expression, under(context, key, 'expression')) }
    }),
  )

export const set = defineTransform({
  name: 'set',
  summary: 'Gives fields a value, fixed or computed.',
  description: `Fields are replaced in place or added at the end, with the objects on the way to them; all else keeps its
exact bytes. Expressions see the record as it came in, not what is set beside them. Where an expression has no value,
because a field is missing or of another type, its field stays as it was and \`expression_failed\` is counted. An array
can be extended by the next element, not beyond. Order is kept and no event is lost.`,
  options: z.strictObject({
    fields: fields
      .describe(
        'Each field to set, by path, with its value, or with `{ expression: … }` in CEL for a value made from the record.',
      )
      .meta({
        examples: [{ env: 'production', 'data.seconds': { expression: 'data.duration / 1000.0' } }],
      }),
  }),
  examples: [
    {
      title: 'Say where events come from',
      yaml: 'type: set\nfields:\n  env: production\n  data.team: payments',
    },
    {
      title: 'Compute a field from another',
      yaml: "type: set\nfields:\n  data.slow: { expression: 'data.http_server_duration > 500' }",
    },
  ],
  create(options, context) {
    const fixed = options.fields.flatMap((setting): Edit[] =>
      'value' in setting ? [{ op: 'set', path: setting.path, value: setting.value }] : [],
    )
    const read = Fields.union(
      ...options.fields.flatMap(setting => ('expression' in setting ? [setting.expression] : [])),
    )
    const settings = fixed.length < options.fields.length ? options.fields : undefined
    return eachBatch(batch => {
      const texts = new Array<string | undefined>(batch.count)
      let failed = 0
      batch.columns(read)
      const computed = settings?.map(setting =>
        'expression' in setting ? setting.expression.over(batch) : undefined,
      )
      for (let row = 0; row < batch.count; row++) {
        let edits = fixed
        if (settings) {
          edits = []
          for (const [i, setting] of settings.entries()) {
            const value = 'value' in setting ? setting.value : computed?.[i]?.(row)
            if (value === undefined) failed++
            else edits.push({ op: 'set', path: setting.path, value })
          }
        }
        texts[row] = editLine(batch.text(row), edits)
      }
      if (failed > 0) context.meters.error('expression_failed', failed)
      return batch.replace(texts)
    })
  },
})
