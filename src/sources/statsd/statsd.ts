/** The `statsd` source: metrics, events and service checks from StatsD and DogStatsD clients. */
import { ignoreElements, merge, Observable, tap } from 'rxjs'
import { z } from 'zod'
import type { Batch, Origin } from '../../batch/batch.ts'
import { type Address, formatAddress } from '../../component/address.ts'
import type { Context } from '../../component/context.ts'
import { defineSource } from '../../component/define.ts'
import { address, duration, problem, size } from '../../component/options.ts'
import { intake, type StreamDecoder } from '../../transport/intake.ts'
import { type Connection, listen } from '../../transport/listen.ts'
import { Framer } from './framing.ts'
import { Outlet } from './outlet.ts'
import { datagrams } from './udp.ts'

/** A place to listen on; unix datagram sockets are refused with the reason. */
function door() {
  return address('udp', 'tcp', 'unix', 'unixgram')
    .transform((place, context): Address => {
      if (place.scheme !== 'unixgram') return place
      return problem(
        context,
        'unix datagram sockets (unixgram://) need the native addon, which comes with a later release; use unix:// (stream) or udp:// and point the client at it',
      )
    })
    .meta({ unit: 'address' })
}

const options = z.strictObject({
  listen: z
    .union([door(), z.array(door()).min(1)])
    .prefault('udp://127.0.0.1:8125')
    .describe(
      'Address or addresses to listen on: `udp://host:port`, `tcp://host:port`, or `unix:///path` for a stream socket.',
    )
    .meta({ examples: [['udp://127.0.0.1:8125', 'unix:///run/scopeline/dsd.sock']] }),
  framing: z
    .enum(['auto', 'newline', 'length'])
    .default('auto')
    .describe(
      'How payloads are told apart on tcp and unix streams: lines ended by a newline, or a 32-bit little-endian length in front of each, as Datadog clients do. `auto` sees it by the first four bytes of each connection.',
    ),
  aggregate: z
    .boolean()
    .default(true)
    .describe(
      'Whether metrics are put together over flush_interval. If not, each line becomes a record at once.',
    ),
  flush_interval: duration()
    .prefault('10s')
    .describe('How long metrics are put together before they are sent on.'),
  gauge_ttl: duration()
    .prefault('5m')
    .describe(
      'How long the last value of a gauge is remembered, as the base of changes such as `+4`, after it was last sent.',
    ),
  repeat_gauges: z
    .boolean()
    .default(false)
    .describe(
      'Whether gauges that did not come since the last flush are sent again, as the etsy server does, until gauge_ttl ends.',
    ),
  max_contexts: z
    .int()
    .min(2)
    .default(20_000)
    .describe(
      'How many names, each with its tags, are put together at once. When it is reached, everything is flushed early: nothing is lost, but the interval is shorter.',
    ),
  max_aggregate_bytes: size()
    .prefault('16MiB')
    .describe(
      'About how much memory names, samples and set members may take. When it is reached, everything is flushed early.',
    ),
  signed_gauges: z
    .enum(['change', 'value'])
    .default('change')
    .describe(
      'What `+` or `-` in front of a gauge means: a change of its last value, as StatsD has it, or only the sign of the value, as Datadog has it.',
    ),
  name_tags: z
    .enum(['none', 'graphite', 'influx'])
    .default('none')
    .describe(
      'Whether tags are taken out of names: `name;tag=value` (graphite), `name,tag=value` (influx), or not at all.',
    ),
  receive_buffer: size()
    .optional()
    .describe(
      'Bytes that the kernel keeps for a UDP socket while the edge is busy. The system may allow less (sysctl net.core.rmem_max).',
    )
    .meta({ unit: 'size', examples: ['8MiB'] }),
  max_line_bytes: size()
    .prefault('64KiB')
    .describe('The longest line, or length-prefixed payload, on tcp and unix streams.'),
  max_connections: z
    .int()
    .positive()
    .default(1024)
    .describe(
      'How many tcp and unix connections may be open at once, for each address. More are closed at once and counted.',
    ),
  idle_timeout: duration()
    .optional()
    .describe(
      'Closes a tcp or unix connection that has sent nothing for so long. Never when it is left out.',
    )
    .meta({ unit: 'duration', examples: ['10m'] }),
})

type Options = z.output<typeof options>

export const statsd = defineSource({
  name: 'statsd',
  summary: 'Receives metrics, events and service checks from StatsD and DogStatsD clients.',
  description: `Understands StatsD (\`c\`, \`g\`, \`ms\`, \`s\`, \`m\`, sample rates, gauge changes) and DogStatsD 1.0 to 1.6
(tags, \`h\`, \`d\`, packed values, container, timestamp, external data, cardinality, events, service checks).
A line that cannot be read is rejected with the reason; the others of its payload are taken.

**Records** have AppScope's form: \`_metric\`, \`_metric_type\`, \`_value\` (or \`_values\`), \`_time\`; each tag is a field.
A tag without a value is \`true\`; a key that comes several times is an array. Events and checks have
\`source: statsd.event\` and \`statsd.service_check\` with their parts in \`data\`.

**Aggregation**: counters add up (after scaling by their rate), gauges keep the last value, sets their members, and
timers, histograms and distributions all of their samples with the rate they were taken at. Metrics that carry a
timestamp, events and checks are passed on as they are. What is put together but not yet flushed is lost if the
edge is killed; an edge that is stopped flushes first.

**Delivery**: StatsD has no acknowledgements. On tcp and unix sockets the edge stops reading while it has no space, so
senders wait. UDP cannot wait: what arrives then is counted as \`budget_full\`, and what the kernel had to drop before
the edge could read it as \`kernel_dropped_datagrams\`.

**Order** is kept within a connection, and within a UDP socket.`,
  options,
  examples: [
    {
      title: 'StatsD clients on this machine, in summary every ten seconds',
      yaml: 'type: statsd\nlisten: udp://127.0.0.1:8125\n',
    },
    {
      title: 'Each metric at once, over UDP and a unix stream socket',
      yaml: 'type: statsd\nlisten: [udp://127.0.0.1:8125, unix:///run/scopeline/dsd.sock]\naggregate: false\nreceive_buffer: 8MiB\n',
    },
  ],
  listens: ({ listen: places }) => [places].flat(),
  create: receive,
})

function receive(options: Options, context: Context): Observable<Batch> {
  return new Observable(subscriber => {
    const outlet = new Outlet(
      {
        parser: { nameTags: options.name_tags, signedGauges: options.signed_gauges },
        aggregate: options.aggregate,
        flushInterval: options.flush_interval,
        maxContexts: options.max_contexts,
        maxBytes: options.max_aggregate_bytes,
        gaugeTtl: options.gauge_ttl,
        repeatGauges: options.repeat_gauges,
      },
      context,
      batch => subscriber.next(batch),
    )
    subscriber.add(() => outlet.cancel())
    const doors = [options.listen]
      .flat()
      .map(place =>
        place.scheme === 'udp'
          ? readDatagrams(datagrams(place, options.receive_buffer, context), place, outlet, context)
          : readStreams(place, options, outlet, context),
      )
    subscriber.add(
      merge(...doors).subscribe({
        error: error => subscriber.error(error),
        complete: () => {
          outlet.close()
          subscriber.complete()
        },
      }),
    )
  })
}

function readDatagrams(
  payloads: Observable<Buffer>,
  place: Address,
  outlet: Outlet,
  context: Context,
): Observable<never> {
  return new Observable(subscriber => {
    const visitor = outlet.visitor(formatAddress(place))
    let told = false
    return payloads.subscribe({
      next: payload => {
        if (!outlet.full) {
          outlet.read(payload, visitor)
          return
        }
        context.meters.discarded('budget_full', countLines(payload), false)
        if (told) return
        told = true
        context.log.warn(
          `${formatAddress(place)}: metrics are lost, because what was read before has not been delivered yet and the source's budget is full; the count is component_discarded_events_total with reason budget_full`,
        )
      },
      error: error => subscriber.error(error),
      complete: () => subscriber.complete(),
    })
  })
}

/** How many lines a payload has, for what is thrown away unread. */
function countLines(payload: Buffer): number {
  let lines = payload[payload.length - 1] === 0x0a ? 0 : 1
  for (let at = payload.indexOf(0x0a); at >= 0; at = payload.indexOf(0x0a, at + 1)) lines++
  return lines
}

/** Everything that comes by streams goes to the outlet; the intake opens, pauses and ends them. */
function readStreams(
  place: Address,
  options: Options,
  outlet: Outlet,
  context: Context,
): Observable<never> {
  const sockets = new Map<string, Connection['socket']>()
  const connections = listen(place, { max_connections: options.max_connections }, context).pipe(
    tap(({ socket, peer }) => {
      sockets.set(peer, socket)
      socket.once('close', () => sockets.delete(peer))
    }),
  )
  const decoder = ({ peer = '' }: Origin): StreamDecoder => {
    const socket = sockets.get(peer)
    const visitor = outlet.visitor(peer)
    const framer = new Framer({
      framing: options.framing,
      maxBytes: options.max_line_bytes,
      payload: bytes => outlet.read(bytes, visitor),
      problem: ({ reason, explanation, bytes, fatal }) => {
        visitor.reject({ reason, explanation }, bytes)
        if (fatal) socket?.destroy()
      },
    })
    return {
      push: chunk => {
        framer.push(chunk)
        outlet.settle()
      },
      end: () => {
        if (socket?.readableEnded) framer.end()
        else framer.abort()
        outlet.settle()
      },
    }
  }
  return intake(connections, { decoder, idle_timeout: options.idle_timeout }, context).pipe(
    ignoreElements(),
  )
}
