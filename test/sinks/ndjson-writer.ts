/** A process that writes through the ndjson sink until it is killed, and prints what was acknowledged. */
import { Subject } from 'rxjs'
import type { Batch } from '../../src/batch/batch.ts'
import { systemClock } from '../../src/component/system-clock.ts'
import { ndjson } from '../../src/sinks/ndjson/ndjson.ts'
import { batchOf, testContext } from '../context.ts'

const directory = process.argv[2] as string
const context = testContext({ clock: systemClock, directory })
const batches = new Subject<Batch>()
const numbers = new Map<Batch, number>()
let i = 0

function send(): void {
  const batch = batchOf([{ i, pad: 'x'.repeat(20_000) }])
  numbers.set(batch, i++)
  batches.next(batch)
}
ndjson
  .create(
    ndjson.options.parse({ path: `${directory}/out/e.ndjson` }),
    context,
  )(batches)
  .subscribe(({ batch }) => {
    process.stdout.write(`${numbers.get(batch)}\n`)
    numbers.delete(batch)
    setImmediate(send)
  })
for (let n = 0; n < 50; n++) send()
