/** Names of metrics with fields in them, such as `http.{data.http_method}.duration`. */
import { z } from 'zod'
import { problem } from '../../component/options.ts'
import type { JsonObject } from '../../record/json.ts'
import { PathError, parsePath } from '../../record/path.ts'
import { type Reader, readerOf } from '../../record/reader.ts'

export interface MetricName {
  readonly source: string
  /** The name for a record; undefined when a field is missing or is not a text, number or boolean. */
  render(record: JsonObject): string | undefined
}

const FIELD = /\{([^{}]*)\}/g

/** An option that holds such a name. */
export function metricName() {
  return z
    .string()
    .min(1)
    .transform((source, context): MetricName => {
      const parts: (string | Reader)[] = []
      let end = 0
      for (const match of source.matchAll(FIELD)) {
        parts.push(source.slice(end, match.index))
        try {
          parts.push(readerOf(parsePath(match[1] as string)))
        } catch (error) {
          if (!(error instanceof PathError)) throw error
          return problem(context, error.message, match.index + 1 + error.offset)
        }
        end = match.index + match[0].length
      }
      parts.push(source.slice(end))
      const brace = parts.findIndex(part => typeof part === 'string' && /[{}]/.test(part))
      if (brace >= 0) {
        return problem(
          context,
          'a brace without its other half; write a field as {data.http_method}',
          source.lastIndexOf(/[{}]/.exec(parts[brace] as string)?.[0] as string),
          1,
        )
      }
      return { source, render: record => render(parts, record) }
    })
    .meta({ unit: 'metric name', examples: ['http.{data.http_method}.duration'] })
}

function render(parts: readonly (string | Reader)[], record: JsonObject): string | undefined {
  let name = ''
  for (const part of parts) {
    const value = typeof part === 'string' ? part : part(record)
    if (value === undefined || typeof value === 'object') return undefined
    name += value
  }
  return name
}
