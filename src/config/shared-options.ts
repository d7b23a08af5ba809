/**
 * Options that do not belong to one component: those of the edge itself, and those that every
 * source, transform or sink takes beside its own. Declared once; checking, describe, the pages and
 * the JSON Schema all read them here.
 */
import { z } from 'zod'
import { address, duration, secret, size } from '../component/options.ts'

/** The top level, without the component maps and the tests. */
export const edgeOptions = z.strictObject({
  data_dir: z
    .string()
    .min(1)
    .default('./data')
    .describe(
      'Directory for what the edge must remember: checkpoints, staged files, rejected input. It is made with mode 0700 if it does not exist.',
    ),
  memory: size()
    .prefault('256MiB')
    .describe(
      'Memory that events may take. Sources without a `buffer` and sinks without a `queue.max_bytes` share a quarter of it; all together may take half. From 256MiB on the whole process stays below it and 64 MiB; less saves little, for the program itself takes 200 MiB and more under full load.',
    ),
  drain_timeout: duration()
    .prefault('10s')
    .describe('How long a stopping edge waits until its sinks have delivered what is on its way.'),
  log: z
    .strictObject({
      level: z
        .enum(['debug', 'info', 'warn', 'error'])
        .default('info')
        .describe('The least important messages that are logged.'),
      format: z
        .enum(['auto', 'json', 'text'])
        .default('auto')
        .describe('How log lines are written. `auto` is text on a terminal and JSON elsewhere.'),
    })
    .prefault({})
    .describe("The edge's own log, on standard error."),
  api: z
    .strictObject({
      listen: z
        .union([z.literal(false), address('tcp', 'unix')])
        .prefault('tcp://127.0.0.1:9910')
        .describe(
          'Where the edge answers `scope` commands, health checks and Prometheus. `false` switches it off.',
        )
        .meta({ examples: ['tcp://127.0.0.1:9910', 'unix:///run/scopeline/api.sock', false] }),
      token: secret()
        .optional()
        .describe(
          'What a client must show as a bearer token. Needed when `listen` can be reached from other machines.',
        ),
    })
    .prefault({})
    .describe('The control interface.'),
  telemetry: z
    .strictObject({
      statsd: address('udp', 'tcp', 'unix')
        .describe("Where the edge's own metrics go, in DogStatsD form.")
        .meta({ examples: ['udp://127.0.0.1:8125'] }),
      prefix: z.string().default('scopeline.').describe('Put before the name of every metric.'),
      interval: duration().prefault('10s').describe('Time between two reports.'),
      tags: z
        .record(z.string(), z.string())
        .default({})
        .describe('Tags that every metric carries.')
        .meta({ examples: [{ env: 'production' }] }),
    })
    .optional()
    .describe(
      "Sends the edge's own metrics to a StatsD server. They are at `/metrics` in any case.",
    ),
  rejects: z
    .strictObject({
      max_bytes: size()
        .prefault('64MiB')
        .describe(
          'Disk space for input that could not be taken and events that no receiver accepts, under `data_dir`/rejected. The oldest goes first.',
        ),
    })
    .prefault({})
    .describe('Where rejected input is kept, so that it can be looked at.'),
})

const inputs = () =>
  z
    .array(z.string().min(1))
    .min(1)
    .describe(
      'Names of the components whose events it takes. `*` stands for any characters, and `route.errors` for one named output.',
    )
    .meta({ examples: [['apps'], ['app-*', 'route.errors']] })

/** What every source takes beside its own options. */
export const sourceOptions = z.strictObject({
  buffer: size()
    .optional()
    .describe(
      'Bytes that may be on their way from this source to the sinks. When they are reached, it stops reading until some have arrived. A share of `memory` if it is left out.',
    ),
})

/** What every transform takes beside its own options. */
export const transformOptions = z.strictObject({ inputs: inputs() })

/** What every sink takes beside its own options. */
export const sinkOptions = z.strictObject({
  inputs: inputs(),
  queue: z
    .strictObject({
      type: z
        .enum(['memory', 'disk'])
        .default('memory')
        .describe('Where events wait for this sink. `disk` comes with a later release.'),
      max_bytes: size()
        .optional()
        .describe('How many bytes may wait. A share of `memory` if it is left out.'),
      when_full: z
        .enum(['block', 'drop_oldest', 'drop_newest'])
        .default('block')
        .describe(
          'What happens when the queue is full: `block` makes the sources wait, the others lose events and count them.',
        ),
    })
    .prefault({})
    .describe('The events that wait for this sink, so that a slow one does not hold up others.'),
})

/** Checked by hand, event by event, for the sake of places inside the JSON. */
const event = () =>
  z
    .unknown()
    .describe('One event: a mapping, or its JSON as text.')
    .meta({ examples: ['{"status":500}', { status: 500 }] })

const insertion = () =>
  z.strictObject({
    at: z
      .string()
      .describe('A source, whose output the events become, or a transform, which gets them.'),
    events: z.array(event()).min(1).describe('The events, in order.'),
  })

const expectation = () =>
  z.strictObject({
    at: z
      .string()
      .describe(
        'A source or transform (what comes out of it), one named output, or a sink (what gets there).',
      ),
    events: z.array(event()).optional().describe('Exactly these events, in this order.'),
    count: z.int().nonnegative().optional().describe('So many events.'),
    none: z.literal(true).optional().describe('No event at all.'),
  })

/** One entry of `tests`. */
export const testOptions = z.strictObject({
  name: z.string().min(1).describe('What the test shows, as a sentence.'),
  insert: z
    .union([insertion(), z.array(insertion()).min(1)])
    .describe('Events that are put into the pipeline.'),
  advance: duration()
    .optional()
    .describe(
      'Time that passes after the events, on a clock of its own: windows end, nothing waits.',
    ),
  expect: z
    .union([expectation(), z.array(expectation()).min(1)])
    .describe('What must have come out.'),
})

/** Shared options by kind of component. */
export const sharedOptions = {
  source: sourceOptions,
  transform: transformOptions,
  sink: sinkOptions,
} as const
