/** The `blackhole` sink: takes events and forgets them, as fast or as slowly as a trial needs. */
import { Observable } from 'rxjs'
import { z } from 'zod'
import type { Batch } from '../batch/batch.ts'
import type { Receipt } from '../batch/receipt.ts'
import { defineSink } from '../component/define.ts'
import { duration, size } from '../component/options.ts'

const options = z.strictObject({
  delay: duration()
    .prefault('0ms')
    .describe('How long after a batch came it is acknowledged, as if a receiver were far away.'),
  rate: size()
    .refine(bytes => bytes > 0, 'a rate of 0 would never take anything; leave it out for no limit')
    .optional()
    .describe(
      'Bytes a second that are taken at most, as if a receiver were slow. No limit when it is left out.',
    )
    .meta({ examples: ['1MiB'] }),
  print_interval: duration()
    .prefault('0ms')
    .describe('How often the log tells how much was taken since the last time; `0ms` for never.'),
})

export const blackhole = defineSink({
  name: 'blackhole',
  summary: 'Takes events and forgets them, for trials and measurements.',
  description: `
**Delivery.** Every batch is acknowledged and forgotten: at once, or after \`delay\`, and no faster than \`rate\`. Batches that wait are
acknowledged all the same when the edge stops.
`,
  options,
  examples: [
    {
      title: 'How fast is the rest?',
      yaml: 'type: blackhole\ninputs: [clean]\nprint_interval: 10s\n',
    },
    {
      title: 'A slow and distant receiver',
      yaml: 'type: blackhole\ninputs: [clean]\ndelay: 200ms\nrate: 1MiB\n',
    },
  ],
  create({ delay, rate, print_interval: interval }, { clock, log }) {
    return batches =>
      new Observable<Receipt>(subscriber => {
        let events = 0
        let bytes = 0
        /** When the receiver that is played will have taken all that came so far. */
        let freeAt = clock.monotonic()
        const waiting = new Map<Batch, () => void>()
        const answer = (batch: Batch) => {
          events += batch.count
          bytes += batch.size
          subscriber.next({ batch, outcome: 'delivered' })
        }
        const stopPrinting =
          interval > 0
            ? clock.every(interval, () => {
                log.info(`took ${events} events, ${bytes} bytes in the last ${interval} ms`, {
                  events,
                  bytes,
                })
                events = 0
                bytes = 0
              })
            : () => {}
        const subscription = batches.subscribe({
          next(batch) {
            const now = clock.monotonic()
            if (rate !== undefined) freeAt = Math.max(freeAt, now) + (batch.size / rate) * 1000
            const pause = Math.max(0, rate === undefined ? 0 : freeAt - now) + delay
            if (pause === 0) return answer(batch)
            waiting.set(
              batch,
              clock.after(pause, () => {
                waiting.delete(batch)
                answer(batch)
              }),
            )
          },
          error: error => subscriber.error(error),
          complete() {
            for (const [batch, cancel] of waiting) {
              cancel()
              answer(batch)
            }
            waiting.clear()
            subscriber.complete()
          },
        })
        return () => {
          subscription.unsubscribe()
          stopPrinting()
          for (const cancel of waiting.values()) cancel()
        }
      })
  },
})
