/** The options of sources that read lines, and the decoder that they ask for. */
import { z } from 'zod'
import { size } from '../component/options.ts'

/** `format` and `max_line_bytes`. */
export function lineOptions() {
  return {
    format: z
      .enum(['ndjson', 'lines'])
      .default('ndjson')
      .describe(
        'What a line is. `ndjson`: a JSON object, which is the record. `lines`: text of any kind, which becomes `{"message": text, "_time": seconds}`; bytes that are not UTF-8 are replaced in `message` and kept in `message_base64`.',
      ),
    max_line_bytes: maxLineBytes(),
  }
}

/** `max_line_bytes` alone. */
export function maxLineBytes() {
  return size()
    .prefault('1MiB')
    .describe(
      'Longest line. A longer one is thrown away up to its end, and rejected with its first 4 KiB.',
    )
}
