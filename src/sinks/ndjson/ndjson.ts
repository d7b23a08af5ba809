/** The `ndjson` sink: events as lines of JSON in files that events themselves may name. */
import { dirname, isAbsolute, resolve } from 'node:path'
import { Observable } from 'rxjs'
import { z } from 'zod'
import type { Batch } from '../../batch/batch.ts'
import type { Receipt } from '../../batch/receipt.ts'
import { compression, compressor } from '../../codec/compression.ts'
import { compileTemplate, pathTemplate, type Template } from '../../codec/path-template.ts'
import { defineSink } from '../../component/define.ts'
import { duration, size } from '../../component/options.ts'
import { Place } from './place.ts'
import { Writer } from './writer.ts'

const MIB = 1024 * 1024

const options = z
  .strictObject({
    path: pathTemplate().describe(
      'The file to append to. `{field.path}` stands for a value of the event, `%Y %m %d %H %M %S %j %s %F %T` for its time in UTC, `{{ }} %%` for the characters themselves; `.gz` or `.zst` is added when `compression` asks for it.',
    ),
    directory: z
      .string()
      .min(1)
      .optional()
      .describe(
        'The directory that no file may leave; `path` is then relative to it. When it is left out, it is the directory in which the fixed beginning of `path` ends.',
      )
      .meta({ examples: ['/var/log/scopeline'] }),
    fallback: z
      .string()
      .min(1)
      .default('unknown')
      .describe(
        'What stands in `path` for a field that an event does not have, or that is empty or no plain value.',
      ),
    time: z
      .enum(['event', 'arrival'])
      .default('event')
      .describe(
        "Whose time `path` shows: the event's own `_time`, or the moment at which the event reached this sink. An event without a usable `_time` counts by its arrival.",
      ),
    compression: compression()
      .default('none')
      .describe(
        'How lines are compressed. Each frame stands alone, so that a file that was cut off is readable up to its last frame.',
      ),
    level: z
      .int()
      .min(1)
      .max(19)
      .optional()
      .describe(
        'How hard to compress: gzip 1 to 9, zstd 1 to 19. The usual level of each (6 and 3) when it is left out.',
      )
      .meta({ examples: [3] }),
    frame_size: size()
      .prefault('256KiB')
      .describe(
        'With compression: how many bytes of lines make a frame. Greater frames are smaller on disk.',
      ),
    frame_age: duration()
      .prefault('1s')
      .describe(
        'With compression: how long lines may wait for their frame to fill. Their acknowledgement waits as long.',
      ),
    rotate: z
      .strictObject({
        size: size()
          .optional()
          .describe(
            'Begins a new file before this one grows beyond so many bytes on disk. A single line or frame may be longer.',
          )
          .meta({ examples: ['100MiB'] }),
        age: duration()
          .optional()
          .describe('Begins a new file when this one is so old. Empty files are left alone.')
          .meta({ examples: ['1h'] }),
        keep: z
          .int()
          .nonnegative()
          .optional()
          .describe(
            'How many finished files of a path are kept; the lowest numbers are removed. All of them when it is left out.',
          )
          .meta({ examples: [7] }),
      })
      .optional()
      .describe(
        'When to finish a file: `errors.ndjson` is renamed to `errors.000001.ndjson`, the next one to `errors.000002.ndjson`. Numbers are never given twice while a higher one exists.',
      )
      .meta({ examples: [{ size: '100MiB', keep: 7 }] }),
    fsync: z
      .enum(['none', 'batch', 'close', 'interval'])
      .default('none')
      .describe(
        'When lines are forced to the disk: before each acknowledgement (`batch`), every `fsync_interval`, when a file is closed, or when the system likes (`none`). Only `batch` loses nothing that was acknowledged in a power cut; a killed edge loses nothing in any case.',
      ),
    fsync_interval: duration()
      .prefault('1s')
      .describe(
        'With `fsync: interval`: the longest time that acknowledged lines may be in memory only.',
      ),
    atomic: z
      .boolean()
      .default(false)
      .describe(
        'Whether a file bears its name only once it is finished. Until then it is called by the name plus `in_progress`, and `tail -f` on the final name shows nothing.',
      ),
    in_progress: z
      .string()
      .regex(/^[^/\0]{1,40}$/, 'must be 1 to 40 characters without a slash')
      .default('.open')
      .describe('With `atomic`: what is added to the name of a file that is being written.'),
    idle_close: duration().prefault('5m').describe('Closes a file that got nothing for so long.'),
    max_open_files: z
      .int()
      .min(1)
      .max(100_000)
      .default(256)
      .describe(
        'How many files may be open at once. The one unused for longest is closed to open another.',
      ),
  })
  .superRefine((value, context) => {
    const issue = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message })
    const { source } = value.path
    if (/(^|\/)\.{0,2}$/.test(source))
      issue('path', `"${source}" names a directory; end it with a file name`)
    if (value.directory !== undefined && (isAbsolute(source) || /(^|\/)\.\.(\/|$)/.test(source))) {
      issue(
        'path',
        `"${source}" must stay below \`directory\`: write it without a leading "/" and without ".."`,
      )
    }
    if (value.compression === 'gzip' && (value.level ?? 1) > 9) {
      issue('level', 'gzip knows the levels 1 to 9')
    }
  })

/** The directory that files are confined to: the given one, or that of the template's fixed beginning. */
function rootOf(path: Template, directory: string | undefined): string {
  return resolve(directory ?? dirname(`${path.prefix}.`))
}

export const ndjson = defineSink({
  name: 'ndjson',
  summary:
    'Appends events as lines of JSON to files, which the fields and the time of an event may name.',
  description: `
**Delivery.** A batch is acknowledged when all of its lines are written (and synced, with \`fsync: batch\`).
A full disk, missing permissions or any other error makes the sink unhealthy; the events wait and are tried
again with growing pauses of at most 3 s, and the sink recovers by itself. Nothing is given up. One path
that cannot be written does not hold up the others until \`window\` bytes wait for it.

**No half lines.** A write that stopped in the middle is taken back to the end of its last whole line. When a
file is opened that a crash left with half a line (or zeros), that line is cut off, counted in
\`torn_lines_total\` and logged; it was never acknowledged. A last line that is whole JSON, or no JSON, gets
its missing newline instead. A compressed file of an earlier run is never appended to: it is set aside under
its next number, readable to its last whole frame.

With \`atomic\`, files that a killed run left under their working names are finished by the next one, when the sink starts.

**Order.** Lines of one file are in the order of arrival; between files there is no order.

**Confinement.** Files lie below the directory in which the fixed beginning of \`path\` ends, or below
\`directory\`. In values, slashes, control characters, leading dots and double dots become \`_\`, and long ones are cut.
Symbolic links below that directory are refused. Files are made with mode 0600, directories with 0700. A value that
senders choose freely makes as many files as they like: they are bounded in how many are open, not in how many exist.

**Other programs.** A file that was moved or removed (logrotate) is noticed within a second and begun anew; one that
was shortened in place (copytruncate) goes on at its new end. Two edges must not write the same file.
`,
  options,
  examples: [
    {
      title: 'A file a day for each program',
      yaml: "type: ndjson\ninputs: [clean]\npath: '/var/log/scopeline/{proc}-%F.ndjson'\n",
    },
    {
      title: 'Seven compressed files of 100 MiB',
      yaml: 'type: ndjson\ninputs: [clean]\npath: ./data/errors.ndjson\ncompression: zstd\nrotate: { size: 100MiB, keep: 7 }\n',
    },
    {
      title: 'Files for another program to pick up, each complete from the moment it has its name',
      yaml: "type: ndjson\ninputs: [clean]\npath: './spool/events-%Y%m%dT%H%M.ndjson'\natomic: true\nfsync: close\nidle_close: 2m\n",
    },
  ],
  window: ({ frame_size }) => Math.max(4 * MIB, 4 * frame_size),
  writes: ({ path, directory }) => [rootOf(path, directory)],
  create(options, context) {
    const template = compileTemplate(options.path.source, {
      fallback: options.fallback,
      time: options.time,
    })
    const packing = compressor(options.compression, options.level)
    const root = rootOf(options.path, options.directory)
    const base = options.directory === undefined ? '.' : root
    const settings = {
      template,
      place: new Place(root),
      pathOf: (name: string) =>
        resolve(base, name.endsWith(packing.extension) ? name : name + packing.extension),
      policy: {
        compressor: packing,
        frameSize: options.frame_size,
        frameAge: options.frame_age,
        fsync: options.fsync,
        fsyncInterval: options.fsync_interval,
        rotateSize: options.rotate?.size,
        rotateAge: options.rotate?.age,
        keep: options.rotate?.keep,
        idleClose: options.idle_close,
        inProgress: options.atomic ? options.in_progress : undefined,
      },
      maxOpenFiles: options.max_open_files,
    }
    return (batches: Observable<Batch>) =>
      new Observable<Receipt>(subscriber => {
        const writer = new Writer(settings, context, receipt => subscriber.next(receipt))
        const subscription = batches.subscribe({
          next: batch => writer.write(batch),
          error: error => subscriber.error(error),
          complete: () => {
            void writer.finish().then(() => subscriber.complete())
          },
        })
        return () => {
          subscription.unsubscribe()
          writer.destroy()
        }
      })
  },
})
