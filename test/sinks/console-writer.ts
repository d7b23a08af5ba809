/** A process that writes through the console sink until its reader is gone, and tells what became of it. */
import { Subject } from 'rxjs'
import type { Batch } from '../../src/batch/batch.ts'
import { consoleSink } from '../../src/sinks/console.ts'
import { batchOf, testContext } from '../context.ts'

const context = testContext()
const batches = new Subject<Batch>()
const counts = { delivered: 0, dropped: 0 }
let i = 0
const send = () => batches.next(batchOf([{ i: i++ }]))
consoleSink
  .create(
    consoleSink.options.parse({}),
    context,
  )(batches)
  .subscribe(({ outcome }) => {
    counts[outcome]++
    if (counts.dropped < 3) setImmediate(send)
    else {
      context.clean()
      process.stderr.write(`delivered ${counts.delivered} dropped ${counts.dropped}\n`)
    }
  })
send()
