/** Source `stdin`: NDJSON or lines of text from the edge's own standard input. */
import { stdin as standardInput } from 'node:process'
import type { Readable } from 'node:stream'
import { type Observable, of } from 'rxjs'
import { z } from 'zod'
import type { Batch } from '../batch/batch.ts'
import { lineDecoders } from '../codec/line-decoder.ts'
import { lineOptions } from '../codec/line-options.ts'
import type { Context } from '../component/context.ts'
import { defineSource } from '../component/define.ts'
import { intake } from '../transport/intake.ts'

const options = z.strictObject(lineOptions())

export const stdin = defineSource({
  name: 'stdin',
  summary: 'Takes NDJSON or lines of text from standard input.',
  description: `
Makes one event of each line of the edge's standard input, and ends when that ends: an edge that has no
other source then delivers what it has and stops. Reading waits while the sinks are slow.

What cannot be taken is counted and kept as for \`tcp\`. There may be only one \`stdin\` source.
`,
  options,
  examples: [
    { title: 'NDJSON from a pipe', yaml: 'type: stdin' },
    { title: 'Lines of text', yaml: 'type: stdin\nformat: lines' },
  ],
  create: (options, context) => readLines(standardInput, options, context),
})

/** The same from any stream of bytes. */
export function readLines(
  input: Readable,
  settings: z.output<typeof options>,
  context: Context,
): Observable<Batch> {
  const decoder = lineDecoders(settings, context)
  context.ready('standard input')
  return intake(of({ socket: input, peer: 'stdin' }), { decoder }, context)
}
