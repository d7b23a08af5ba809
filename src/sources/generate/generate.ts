/** Source `generate`: made-up events at a given pace, for trials and benches. */
import { Observable } from 'rxjs'
import { z } from 'zod'
import { Batch } from '../../batch/batch.ts'
import { defineSource } from '../../component/define.ts'
import { duration, problem } from '../../component/options.ts'
import { isObject } from '../../record/json.ts'
import { SHAPES, type Shape, seeded, shaped } from './shapes.ts'

/** Shortest time between two batches at a given pace, milliseconds. */
const TICK = 20
/** Events of one batch at most. */
const BATCH = 256

const line = () =>
  z.string().transform((text, context) => {
    try {
      if (isObject(JSON.parse(fill(text, 0, 0, () => 0)))) return text
    } catch {
      // Not JSON: told below, like JSON that is no object.
    }
    return problem(
      context,
      `the line is not a JSON object once {{n}}, {{time}} and {{random}} are numbers: ${text}`,
    )
  })

const options = z
  .strictObject({
    count: z
      .int()
      .positive()
      .optional()
      .describe('How many events to make; the source then ends. Without it, it goes on for ever.')
      .meta({ examples: [1000] }),
    rate: z
      .number()
      .positive()
      .optional()
      .describe(
        'Events a second. Without `rate` and `interval` events are made as fast as the sinks take them.',
      )
      .meta({ examples: [100] }),
    interval: duration()
      .optional()
      .describe('Time between two events; another way to say `rate`. The first comes at once.')
      .meta({ examples: ['1s'] }),
    shapes: z
      .array(z.enum(SHAPES))
      .min(1)
      .default([...SHAPES])
      .describe('Shapes of the events, in turn; those that scoped programs send.'),
    lines: z
      .array(line())
      .min(1)
      .optional()
      .describe(
        'Events to make instead of shapes, in turn, each a JSON object. `{{n}}` becomes the number of the event from 1 on, `{{time}}` the seconds since the epoch, `{{random}}` a number from 0 to 999999.',
      )
      .meta({ examples: [['{"n":{{n}},"_time":{{time}},"user":"u{{random}}"}']] }),
    seed: z
      .int()
      .default(1)
      .describe('Start of the random numbers. The same seed gives the same events, save for time.'),
  })
  .refine(({ rate, interval }) => rate === undefined || interval === undefined, {
    message: '"rate" and "interval" say the same thing; keep one of them',
    path: ['interval'],
  })
  .refine(({ interval }) => interval !== 0, {
    message: 'an interval must be longer than 0',
    path: ['interval'],
  })

export const generate = defineSource({
  name: 'generate',
  summary: 'Makes up events, for trials and benches.',
  description: `
Makes events in the shapes that scoped programs send (\`http\`, \`fs\`, \`net\`, \`metric\`), or from lines of
your own, at a pace or as fast as the sinks take them. When the sinks are slow it waits, and does not make
up for the time that it waited. It ends after \`count\` events.
`,
  options,
  examples: [
    { title: 'One event a second', yaml: 'type: generate\ninterval: 1s' },
    {
      title: 'A million events, as fast as possible',
      yaml: 'type: generate\ncount: 1000000\nshapes: [http]',
    },
    {
      title: 'Lines of your own',
      yaml: [
        'type: generate',
        'rate: 10',
        'lines:',
        `  - '{"level":"info","message":"request {{n}}","_time":{{time}}}'`,
        `  - '{"level":"error","message":"card {{random}}","_time":{{time}}}'`,
      ].join('\n'),
    },
  ],
  create(options, context) {
    const { count = Number.POSITIVE_INFINITY, rate, shapes, lines } = options
    const period = options.interval ?? (rate === undefined ? undefined : 1000 / rate)
    return new Observable(subscriber => {
      const random = seeded(options.seed)
      const origin = { source: context.id }
      let made = 0

      const text = (time: number): string => {
        const n = made++
        if (lines) return fill(lines[n % lines.length] as string, n + 1, time, random)
        return JSON.stringify(shaped(shapes[n % shapes.length] as Shape, time, random))
      }
      /** Makes so many events, in batches; fewer when the budget is spent or the count is reached. */
      const make = (wanted: number): number => {
        let left = Math.min(wanted, count - made)
        const before = made
        while (left > 0 && !context.budget.full && !subscriber.closed) {
          const time = context.clock.now() / 1000
          const texts = Array.from({ length: Math.min(left, BATCH) }, () => text(time))
          const bytes = texts.reduce((sum, one) => sum + one.length + 1, 0)
          left -= texts.length
          subscriber.next(Batch.ofLines(texts, origin, context.lease(bytes)))
        }
        if (made >= count) subscriber.complete()
        return made - before
      }

      const stop = () => subscriber.complete()
      context.signal.addEventListener('abort', stop, { once: true })
      subscriber.add(() => context.signal.removeEventListener('abort', stop))
      if (context.signal.aborted) return stop()
      context.ready()

      if (period === undefined) {
        const turn = () => {
          make(BATCH)
          if (!subscriber.closed) context.budget.whenSpace(() => setImmediate(turn))
        }
        turn()
        return
      }
      // Whole periods since `start` are due; after a wait for space the count starts over.
      let start = context.clock.monotonic()
      let sent = make(1)
      subscriber.add(
        context.clock.every(Math.max(period, TICK), () => {
          const now = context.clock.monotonic()
          const due = Math.floor((now - start) / period + 1e-9) + 1 - sent
          const done = make(due)
          sent += done
          if (done < due) {
            start = now
            sent = 0
          }
        }),
      )
    })
  },
})

function fill(text: string, n: number, time: number, random: () => number): string {
  return text.replace(/\{\{(n|time|random)\}\}/g, (_, name: string) => {
    if (name === 'n') return String(n)
    return String(name === 'time' ? time : Math.floor(random() * 1_000_000))
  })
}
