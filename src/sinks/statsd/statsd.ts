/** The `statsd` sink: metrics, events and service checks to a StatsD, DogStatsD or Graphite receiver. */
import { Observable } from 'rxjs'
import { z } from 'zod'
import type { Batch } from '../../batch/batch.ts'
import type { Receipt } from '../../batch/receipt.ts'
import { type Dialect, packLines, type Refusal, StatsdEncoder } from '../../codec/statsd/encode.ts'
import type { Context } from '../../component/context.ts'
import { defineSink } from '../../component/define.ts'
import { address, duration, size } from '../../component/options.ts'
import type { Carrier } from './carrier.ts'
import { DatagramCarrier } from './datagrams.ts'
import { StreamCarrier } from './stream.ts'

const options = z.strictObject({
  address: address('udp', 'tcp', 'unix')
    .describe(
      'Where to send: `udp://host:port`, `tcp://host:port`, or `unix:///path` for a stream socket.',
    )
    .meta({ unit: 'address', examples: ['udp://127.0.0.1:8125'] }),
  dialect: z
    .enum(['statsd', 'dogstatsd', 'graphite'])
    .default('statsd')
    .describe(
      'What the receiver understands. `statsd`: no tags (they are left out), histograms and distributions as timers. `dogstatsd`: Datadog protocol 1.6 with everything. `graphite`: as statsd, with tags in the name (`name;tag=value`).',
    ),
  prefix: z
    .string()
    .regex(/^[^\s:|#,@]*$/, 'a prefix may not contain blanks or any of : | # , @')
    .default('')
    .describe('Put in front of every metric name as it is; write its dot along.')
    .meta({ examples: ['edge.'] }),
  tags: z
    .array(z.string().regex(/^[^\s|#,]+$/, 'a tag is key:value or key, without blanks or | # ,'))
    .default([])
    .describe('Tags added to every metric, event and check, as `key:value` or `key`.')
    .meta({ examples: [['env:prod', 'region:eu']] }),
  max_packet_bytes: size()
    .optional()
    .describe(
      'The longest payload. Unless set 1432 bytes for udp, which fits an Ethernet frame, and 8192 for tcp and unix. A single metric that does not fit is rejected as `too_long`; its tags are never cut.',
    )
    .meta({ unit: 'size', examples: [8192] }),
  framing: z
    .enum(['auto', 'newline', 'length'])
    .default('auto')
    .describe(
      'How payloads are told apart on tcp and unix: each line ended by a newline, or a 32-bit little-endian length in front of each payload. `auto` is `length` for the dialect dogstatsd on a unix socket, as the Datadog Agent wants it, and `newline` otherwise.',
    ),
  max_packets_per_second: z
    .number()
    .positive()
    .optional()
    .describe(
      'Pace for udp, so that a receiver with a small buffer is not flooded: UDP loses without a word what comes too fast.',
    )
    .meta({ examples: [20_000] }),
  resolve_interval: duration()
    .prefault('60s')
    .describe(
      'How often the host name is looked up again for udp; tcp does it on each connection.',
    ),
  connect_timeout: duration()
    .prefault('10s')
    .describe('How long a tcp or unix connection may take to be made.'),
})

type Options = z.output<typeof options>

export const statsd = defineSink({
  name: 'statsd',
  summary: 'Sends metrics, events and service checks to a StatsD, DogStatsD or Graphite receiver.',
  description: `Metric records are those with \`_metric\`, \`_metric_type\` and \`_value\` or \`_values\`; every other top-level field is a tag.
Records that are nothing of the kind are counted as \`not_a_metric\`, so put a filter in front.

**Encoding**: no character of a name or tag can break a line: control characters, \`|\`, \`#\`, \`,\` (and \`:\`, except in
tag values) become \`_\`. Samples taken at a rate keep it; counters are sent as they stand, without a rate. A value that is not a finite number
never leaves (\`invalid_value\`). What the dialect has no place for is counted: events and checks as \`not_in_dialect\`,
timestamps, containers and nested tags in \`fields_left_out_total\`. In the dialects statsd and graphite a gauge
below zero is sent as 0 and then as the change from it.

**Delivery**: a batch counts as delivered when the kernel has taken its last payload; StatsD has no acknowledgements. Over
**udp** anything may be lost on the way without notice; that nobody listens is counted (error \`ECONNREFUSED\`), where
the other side tells. Over **tcp** and **unix** a broken connection is made again with back-off; what the kernel had
not taken yet is sent again, so lost is only what was in flight, and a payload that broke off in the middle may
come twice in part.

**Order** is kept on streams. No run against a real Datadog Agent is part of the tests; etsy statsd and collectd are.`,
  options,
  examples: [
    {
      title: 'The Datadog Agent on this machine',
      yaml: 'type: statsd\ninputs: [metrics]\naddress: udp://127.0.0.1:8125\ndialect: dogstatsd\ntags: [env:prod]\n',
    },
    {
      title: 'An etsy StatsD server, over TCP',
      yaml: 'type: statsd\ninputs: [metrics]\naddress: tcp://statsd.example:8126\nprefix: edge.\n',
    },
  ],
  create: (options, context) => batches => deliver(batches, options, context),
})

const PACKET_BYTES = { datagram: 1432, stream: 8192 }

function deliver(
  batches: Observable<Batch>,
  options: Options,
  context: Context,
): Observable<Receipt> {
  return new Observable(subscriber => {
    const { address: place } = options
    const carrier: Carrier =
      place.scheme === 'udp'
        ? new DatagramCarrier(
            {
              address: place,
              resolveInterval: options.resolve_interval,
              packetsPerSecond: options.max_packets_per_second,
            },
            context,
          )
        : new StreamCarrier(
            {
              address: place,
              lengthPrefix: hasLengths(options),
              timeout: options.connect_timeout,
            },
            context,
          )
    const writer = new Writer(options, context)
    let open = 0
    let completed = false
    const finished = () => {
      if (completed && open === 0) subscriber.complete()
    }
    subscriber.add(() => carrier.close())
    subscriber.add(
      batches.subscribe({
        next: batch => {
          const { payloads, events } = writer.write(batch)
          if (payloads.length === 0) {
            subscriber.next({ batch, outcome: 'delivered', bytes: 0, events })
            return
          }
          open++
          carrier.send(payloads, ({ bytes, refused }) => {
            open--
            subscriber.next(
              refused === payloads.length
                ? { batch, outcome: 'dropped', reason: 'too_long', events }
                : { batch, outcome: 'delivered', bytes, events },
            )
            finished()
          })
        },
        error: error => subscriber.error(error),
        complete: () => {
          completed = true
          finished()
        },
      }),
    )
  })
}

function hasLengths({ framing, address: place, dialect }: Options): boolean {
  if (framing !== 'auto') return framing === 'length'
  return place.scheme === 'unix' && dialect === 'dogstatsd'
}

const EXPLANATIONS: Record<Refusal, string> = {
  not_a_metric: 'it is neither a metric nor a DogStatsD event or service check',
  invalid_name: 'it has no name',
  invalid_value: 'its value is not a finite number, or the wrong one for its type',
  not_in_dialect: 'the dialect has no events and service checks',
  too_long:
    'it does not fit one payload with all of its tags; raise max_packet_bytes or remove tags',
}

/** Makes payloads of batches, and accounts for what gives none. */
class Writer {
  readonly #context: Context
  readonly #encoder: StatsdEncoder
  readonly #maxBytes: number
  readonly #ending: 'each' | 'between'
  readonly #told = new Set<Refusal>()
  #leftOut = 0

  constructor(options: Options, context: Context) {
    this.#context = context
    const stream = options.address.scheme !== 'udp'
    this.#maxBytes =
      options.max_packet_bytes ?? (stream ? PACKET_BYTES.stream : PACKET_BYTES.datagram)
    this.#ending = stream && !hasLengths(options) ? 'each' : 'between'
    const dialect: Dialect = options.dialect
    this.#encoder = new StatsdEncoder({
      dialect,
      prefix: options.prefix,
      tags: options.tags,
      maxBytes: this.#maxBytes - (this.#ending === 'each' ? 1 : 0),
    })
  }

  /** The payloads, and how many of the batch's events are in them; the others are accounted for. */
  write(batch: Batch): { payloads: Buffer[]; events: number } {
    const lines: string[] = []
    const refused = new Map<Refusal, number>()
    for (let row = 0; row < batch.count; row++) {
      const refusal = this.#encoder.encode(batch.record(row), lines)
      if (refusal === undefined) continue
      if (refusal === 'too_long') this.#reject(batch, row)
      refused.set(refusal, (refused.get(refusal) ?? 0) + 1)
    }
    let left = batch.count
    for (const [refusal, events] of refused) {
      left -= events
      this.#context.meters.discarded(refusal, events, false)
      if (refusal === 'too_long' || this.#told.has(refusal)) continue
      this.#told.add(refusal)
      this.#context.log.warn(
        `a record could not be sent as a metric: ${EXPLANATIONS[refusal]}. Later ones are only counted (component_discarded_events_total, reason ${refusal}).`,
      )
    }
    const { fieldsLeftOut } = this.#encoder
    if (fieldsLeftOut > this.#leftOut) {
      this.#context.meters.add('fields_left_out_total', fieldsLeftOut - this.#leftOut)
      this.#leftOut = fieldsLeftOut
    }
    return { payloads: packLines(lines, this.#maxBytes, this.#ending), events: left }
  }

  #reject(batch: Batch, row: number): void {
    this.#context.reject({
      reason: 'too_long',
      explanation: EXPLANATIONS.too_long,
      bytes: Buffer.from(batch.line(row)),
      origin: batch.origin,
    })
  }
}
