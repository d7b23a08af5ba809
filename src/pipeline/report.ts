/**
 * Sends the edge's own metrics to a StatsD server at an interval, through hot-shots, so that the edge
 * shows up in the same dashboards as what it carries.
 */
import { StatsD } from 'hot-shots'
import { formatAddress } from '../component/address.ts'
import type { Clock, Logger } from '../component/context.ts'
import { Increments } from '../component/increments.ts'
import type { PlannedTelemetry } from '../component/plan.ts'
import type { JsonObject } from '../record/json.ts'

/** How long the last report may take to leave, milliseconds. */
const CLOSE_LIMIT = 1000

/**
 * Starts reporting; counters go as what was added since the last report, gauges as they are.
 * The result ends it, after a last report, and resolves when that has left or could not.
 */
export function startReport(
  planned: PlannedTelemetry,
  metrics: () => JsonObject[],
  clock: Clock,
  log: Logger,
): () => Promise<void> {
  const { statsd: address } = planned
  let broken = false
  const connect = (): StatsD => {
    let made: StatsD | undefined
    made = new StatsD({
      ...('path' in address
        ? { path: address.path, protocol: 'stream' as const }
        : {
            host: address.host,
            port: address.port,
            protocol: address.scheme === 'tcp' ? ('tcp' as const) : ('udp' as const),
          }),
      prefix: planned.prefix,
      globalTags: planned.tags,
      maxBufferSize: 1400,
      bufferFlushInterval: 1000,
      errorHandler(error) {
        // Of a connection that broke, the first error tells why; hot-shots never mends some of them.
        if ((made && made !== client) || broken) return
        broken = address.scheme !== 'udp'
        const where = formatAddress(address)
        log.warn(`the edge's own metrics could not be sent to ${where}: ${error.message}`)
      },
    })
    return made
  }
  let client = connect()
  const increments = new Increments()
  const report = () => {
    if (broken) {
      client.close()
      broken = false
      client = connect()
    }
    for (const record of increments.of(metrics())) {
      const { _metric: name, _metric_type: type, _value: value, _time, ...tags } = record
      if (typeof name !== 'string' || typeof value !== 'number') continue
      const labels = Object.fromEntries(Object.entries(tags).map(([k, v]) => [k, String(v)]))
      if (type === 'gauge') client.gauge(name, value, labels)
      else client.increment(name, value, labels)
    }
  }
  const cancel = clock.every(planned.interval, report)
  return () => {
    cancel()
    report()
    return new Promise(resolve => {
      const late = clock.after(CLOSE_LIMIT, resolve)
      client.close(() => {
        late()
        resolve()
      })
    })
  }
}
