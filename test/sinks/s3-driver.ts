/**
 * Runs the S3 sink alone in a process of its own, so that a test can kill it. Arguments: one JSON
 * object {directory, options, events?: {from, to, batch}, file?}. Writes to stdout `ack N` for the last
 * event that is acknowledged, and at the end `{rss_mib, totals}`.
 */
import { stat } from 'node:fs/promises'
import { Subject } from 'rxjs'
import { systemClock } from '../../src/component/system-clock.ts'
import { s3 } from '../../src/sinks/s3/s3.ts'
import { batchOf, testContext } from '../context.ts'

interface Task {
  directory: string
  options: unknown
  /** Events numbered `from` up to `to`, exclusive, `batch` at a time. */
  events?: { from: number; to: number; batch: number }
  file?: string
}

const task = JSON.parse(process.argv[2] ?? '{}') as Task
const context = testContext({ directory: task.directory, clock: systemClock })
const { warn } = context.log
context.log.warn = (message, facts) => {
  process.stderr.write(`warning: ${message}\n`)
  warn(message, facts)
}
const batches = new Subject<ReturnType<typeof batchOf>>()
const stay = setInterval(() => {}, 1000)
let acknowledged = task.events?.from ?? 0
const waiting = new Map<number, number>()
let resume: (() => void) | undefined
let inFlight = 0

const done = new Promise<void>((resolve, reject) => {
  s3.create(
    s3.options.parse(task.options),
    context,
  )(batches).subscribe({
    next: receipt => {
      inFlight--
      resume?.()
      if (!task.events) process.stdout.write(`${receipt.outcome}\n`)
      const first = receipt.batch.record(0)['n'] as number
      waiting.set(first, first + receipt.batch.count)
      for (let next = waiting.get(acknowledged); next; next = waiting.get(acknowledged)) {
        waiting.delete(acknowledged)
        acknowledged = next
      }
      process.stdout.write(`ack ${acknowledged}\n`)
    },
    error: reject,
    complete: resolve,
  })
})

if (task.events) {
  const { from, to, batch } = task.events
  for (let n = from; n < to; n += batch) {
    while (inFlight >= 8) {
      await new Promise<void>(wake => {
        resume = wake
      })
    }
    inFlight++
    const count = Math.min(batch, to - n)
    batches.next(
      batchOf(
        Array.from({ length: count }, (_, i) => ({
          n: n + i,
          _time: 1_767_225_600 + ((n + i) % 3) * 3600,
          text: 'x'.repeat(100 + ((n + i) % 50)),
        })),
      ),
    )
    if ((n / batch) % 16 === 15) await new Promise(wake => setTimeout(wake, 1))
  }
} else if (task.file) {
  const { size, mtimeMs } = await stat(task.file)
  batches.next(
    batchOf([
      {
        sourcetype: 'file',
        source: task.file,
        _time: mtimeMs / 1000,
        data: { path: task.file, size, mtime: mtimeMs / 1000 },
      },
    ]),
  )
}
batches.complete()
await done
clearInterval(stay)
process.stdout.write(
  `${JSON.stringify({ rss_mib: Math.round(process.resourceUsage().maxRSS / 1024), totals: Object.fromEntries(context.totals), logged: context.logged.map(({ message }) => message) })}\n`,
)
