/** The options of the `file` source. */
import { z } from 'zod'
import { duration, fieldPath, problem, size } from '../../component/options.ts'
import { glob, parseExclude, parseGlob } from './glob.ts'

export const options = z
  .strictObject({
    include: z
      .array(glob(parseGlob))
      .min(1)
      .describe(
        'Patterns of the files to read: `*`, `?` and `[a-z]` within a name, `**` for any depth, `{a,b}` for alternatives. Names that start with a dot need a pattern that does.',
      )
      .meta({ examples: [['/var/log/nginx/*.log']] }),
    exclude: z
      .array(glob(parseExclude))
      .default([])
      .describe(
        'Patterns of files to leave out. One without a slash is about the name, in any directory.',
      )
      .meta({ examples: [['*.gz', '/var/log/nginx/debug.log']] }),
    read: z
      .enum(['lines', 'whole'])
      .default('lines')
      .describe(
        '`lines` follows files and makes a record of each line. `whole` makes one record of each finished file, which names the file so that a sink such as `s3` can ship its contents.',
      ),
    format: z
      .enum(['ndjson', 'lines'])
      .default('ndjson')
      .describe(
        'With `read: lines`, what a line is: `ndjson` for a JSON object, `lines` for any text, which becomes the field `message`.',
      ),
    start_at: z
      .enum(['beginning', 'end'])
      .default('beginning')
      .describe(
        'What to do with files that are there when no checkpoint is: read them, or take only what is added from then on. Files that appear later are always read from their beginning.',
      ),
    path_field: fieldPath()
      .optional()
      .describe('Field that is set to the path of the file in each record of `read: lines`.')
      .meta({ examples: ['source_path'] }),
    host: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Field `host` of the records of `read: whole`. The name of this machine when it is not given.',
      )
      .meta({ examples: ['web-1'] }),
    poll_interval: duration()
      .prefault('1s')
      .describe(
        'Time between two looks at the directories. Changes that the kernel tells of are seen sooner.',
      ),
    watch: z
      .boolean()
      .default(true)
      .describe(
        'Whether to ask the kernel (inotify) to tell of changes, so that they are seen before the next poll. Up to 64 directories are watched; the others are polled.',
      ),
    max_line_bytes: size()
      .prefault('1MiB')
      .describe('Longest line. A longer one is rejected in bounded memory, the next is read on.'),
    max_open_files: z
      .int()
      .min(1)
      .default(512)
      .describe(
        'Most files that are kept open. A file that is kept open is read to its end even if it is renamed or deleted; beyond this number the one that has been quiet for longest is closed.',
      ),
    rotate_wait: duration()
      .prefault('5s')
      .describe(
        'How long a file that was renamed away or deleted must be quiet before it is closed: the program that writes it may not have noticed yet.',
      ),
    ignore_older: duration()
      .optional()
      .describe(
        'Files that were last changed longer ago, by the clock of the machine, are not begun. Those with a checkpoint go on.',
      )
      .meta({ examples: ['7d'] }),
    settle: duration()
      .prefault('2s')
      .describe(
        'With `read: whole`, how long size and modification time must stay the same before a file counts as finished.',
      ),
    on_delivered: z
      .enum(['keep', 'delete'])
      .default('keep')
      .describe(
        'With `read: whole`, what to do with a file after every sink has delivered it. It is deleted only if it has not changed since it was sent.',
      ),
    checkpoint_interval: duration()
      .prefault('1s')
      .describe(
        'How often it is written down how far files were dealt with. After a kill, up to this much is read again.',
      ),
  })
  .superRefine((value, context) => {
    const issue = (path: string, message: string) =>
      problem({ addIssue: found => context.addIssue({ ...found, path: [path] }) }, message)
    if (value.read === 'lines' && value.on_delivered === 'delete') {
      issue('on_delivered', '"delete" is only possible with read: whole')
    }
    if (value.read === 'whole' && value.path_field) {
      issue('path_field', 'a record of read: whole has its path in data.path already; remove this')
    }
  })

export type FileOptions = z.output<typeof options>
