/** The sink `s3`: events gathered into objects, or whole files, in a bucket of any S3 server. */
import { Observable } from 'rxjs'
import type { Batch } from '../../batch/batch.ts'
import type { Receipt } from '../../batch/receipt.ts'
import { defineSink } from '../../component/define.ts'
import { type Run, startEventObjects } from './event-objects.ts'
import { startFileObjects } from './file-objects.ts'
import { s3Options } from './options.ts'

export const s3 = defineSink({
  name: 's3',
  summary: 'Writes events as compressed NDJSON objects, or whole files, to an S3 bucket.',
  description: `
**Delivery.** With \`body: events\` a batch is acknowledged when it is on this machine's disk (in the
sink's part of \`data_dir\`, flushed with \`fdatasync\`). From then on nothing is lost when the edge is
killed: at the next start, open objects are filled further and closed ones are sent. An upload in parts
goes on with the parts that the server does not have. With \`body: file\` a record is acknowledged when
the server has its whole file.

**No doubles.** An object's key holds the object's own id (\`{id}\`), so every retry replaces itself and
never makes a second object. Events that were on disk but not yet acknowledged when the edge was killed
may come twice if their source sends them again.

**Trouble.** Failed requests are repeated for ever, with growing random waits that all objects share.
A wrong bucket, key or right is retried too, and shown by \`/readyz\`: it is the set-up that is wrong,
not the data. Only an object that can never be taken (too large, key too long, or one that exists under
\`create: once\`) goes to \`dead-letter/\` in the sink's directory, with its reason beside it.

**Limits.** When \`max_staged_bytes\` wait on disk, no more is taken until some have been sent; nothing
is dropped. Memory is about \`part_size\` times \`concurrency\`. When the edge ends, what is staged is
sent at once; if the server fails five times in a row by then, the rest waits for the next start.
Files, which have no receipt yet, are tried until the edge's \`drain_timeout\`.

**Order.** Events of one origin keep their order within an object; objects may arrive in any order.

**Files.** With \`body: file\`, \`data.path\` of the record says which file. It must be a regular file
that really lies below \`file_root\`, however it is linked. If it changes while it is sent, sending
starts over.
`,
  options: s3Options,
  examples: [
    {
      title: 'Events of each hour, compressed, to AWS',
      yaml: `type: s3
bucket: telemetry
region: eu-central-1
key: 'events/%Y/%m/%d/%H/{host}.ndjson'
compression: zstd
batch: { bytes: 64MiB, age: 10m }`,
    },
    {
      title: 'To a server of your own',
      yaml: `type: s3
endpoint: http://127.0.0.1:9000
bucket: telemetry
key: 'events/%Y-%m-%d.ndjson'
credentials:
  access_key_id: edge
  secret_access_key: a-long-secret`,
    },
    {
      title: 'Crash files, each as one object',
      yaml: `type: s3
bucket: crashes
region: eu-central-1
body: file
file_root: /var/spool/scopeline/crash
key: 'crash/{host}/%Y/%m/%d/{data.name}'
create: once`,
    },
  ],
  // Larger than usual: what arrives while the disk syncs becomes the next group.
  window: () => 4 * 1024 ** 2,
  create(options, context) {
    return batches =>
      new Observable<Receipt>(subscriber => {
        const early: Batch[] = []
        let run: Run | undefined
        let ended = false
        let closed = false
        const start = options.body === 'events' ? startEventObjects : startFileObjects
        const finish = () => {
          run?.finish().then(
            () => {
              if (!closed) subscriber.complete()
            },
            error => subscriber.error(error),
          )
        }
        start(options, context, receipt => {
          if (!closed) subscriber.next(receipt)
        }).then(
          started => {
            run = started
            if (closed) return void run.close()
            context.ready(`s3://${options.bucket}`)
            for (const batch of early.splice(0)) run.take(batch)
            if (ended) finish()
          },
          error => subscriber.error(cannotStart(context.directory, error)),
        )
        const subscription = batches.subscribe({
          next: batch => {
            if (run) run.take(batch)
            else early.push(batch)
          },
          error: error => subscriber.error(error),
          complete: () => {
            ended = true
            finish()
          },
        })
        return () => {
          closed = true
          subscription.unsubscribe()
          void run?.close()
        }
      })
  },
})

function cannotStart(directory: string, error: unknown): Error {
  const why = error instanceof Error ? error.message : String(error)
  return new Error(`the s3 sink can't start in ${directory}: ${why}`, { cause: error })
}
