/** Names of metrics with fields in them, such as `http.{data.http_method}.duration`. */
import { z } from 'zod'
import type { Batch } from '../../batch/batch.ts'
import { type Column, Fields } from '../../batch/columns.ts'
import { problem } from '../../component/options.ts'
import { type Path, PathError, parsePath } from '../../record/path.ts'

export interface MetricName {
  readonly source: string
  /** The fields in it. */
  readonly paths: readonly Path[]
  /** The name for each row of a batch; undefined when a field is missing or is not a text, number or boolean. */
  over(batch: Batch): (row: number) => string | undefined
}

const FIELD = /\{([^{}]*)\}/g

/** An option that holds such a name. */
export function metricName() {
  return z
    .string()
    .min(1)
    .transform((source, context): MetricName => {
      const texts: string[] = []
      const paths: Path[] = []
      let end = 0
      for (const match of source.matchAll(FIELD)) {
        texts.push(source.slice(end, match.index))
        try {
          paths.push(parsePath(match[1] as string))
        } catch (error) {
          if (!(error instanceof PathError)) throw error
          return problem(context, error.message, match.index + 1 + error.offset)
        }
        end = match.index + match[0].length
      }
      texts.push(source.slice(end))
      const brace = texts.find(text => /[{}]/.test(text))
      if (brace !== undefined) {
        return problem(
          context,
          'a brace without its other half; write a field as {data.http_method}',
          source.lastIndexOf(/[{}]/.exec(brace)?.[0] as string),
          1,
        )
      }
      const fields = new Fields(paths)
      return {
        source,
        paths,
        over(batch) {
          const columns = batch.columns(fields)
          return row => render(texts, columns, row)
        },
      }
    })
    .meta({ unit: 'metric name', examples: ['http.{data.http_method}.duration'] })
}

/** The values between the texts. */
function render(
  texts: readonly string[],
  columns: readonly Column[],
  row: number,
): string | undefined {
  let name = texts[0] as string
  for (let i = 0; i < columns.length; i++) {
    const value = columns[i]?.value(row)
    if (value === undefined || typeof value === 'object') return undefined
    name += `${value}${texts[i + 1]}`
  }
  return name
}
