/**
 * The edge's own numbers: every counter and gauge of every component in one store, written in
 * Prometheus' text form, as metric records for the `internal` source, and as rows for `scope top`.
 * Counting is a property lookup and an addition; nothing is rendered until someone asks.
 */
import type { JsonObject } from '../record/json.ts'

export type Labels = Readonly<Record<string, string>>

interface Series {
  readonly labels: Labels
  value: number
  /** Of a histogram: how many fell at or under each bound, not cumulated, the last one above all. */
  readonly buckets?: number[]
  count?: number
}

interface Family {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly series: Map<string, Series>
}

/** Bounds of latency histograms, in seconds. */
const BOUNDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300]

/** What the names that the pipeline itself counts mean; components' own get a plain sentence. */
const HELP: Record<string, string> = {
  component_received_events_total: 'Events that came into a component.',
  component_received_event_bytes_total: 'Bytes of the events that came into a component.',
  component_sent_events_total: 'Events that left a component, or that a sink has delivered.',
  component_sent_event_bytes_total:
    'Bytes of the events that left a component, or that a sink has delivered.',
  component_discarded_events_total:
    'Events that ended in a component: by a rule (intentional) or lost.',
  component_errors_total: 'Things that went wrong in a component, by code.',
  component_rejected_events_total: 'Input or events that could not be taken, by reason.',
  component_latency_seconds: 'Time from reading a batch to the last receipt for it, by source.',
  component_healthy: '1 while a sink can deliver.',
  buffer_size_bytes: 'Bytes waiting or in flight in a sink queue or a source budget.',
  buffer_size_events: 'Events waiting or in flight in a sink queue.',
  buffer_max_size_bytes: 'Limit of a sink queue or of a source budget.',
  process_resident_memory_bytes: 'Resident memory of the edge.',
  process_cpu_seconds_total: 'CPU time of the edge, user and system.',
  uptime_seconds: 'Seconds since the edge was started.',
  config_reloads_total: 'Reloads by result.',
}

function seriesKey(labels: Labels): string {
  let key = ''
  for (const name in labels) key += `${name}\u0000${labels[name]}\u0001`
  return key
}

export class MeterStore {
  readonly #families = new Map<string, Family>()

  /** Adds to a counter. */
  add(name: string, labels: Labels, amount: number): void {
    this.#series(name, 'counter', labels).value += amount
  }

  /** Sets a counter that is kept elsewhere to its running total. */
  total(name: string, labels: Labels, value: number): void {
    this.#series(name, 'counter', labels).value = value
  }

  /** Sets a gauge. */
  set(name: string, labels: Labels, value: number): void {
    this.#series(name, 'gauge', labels).value = value
  }

  /** Adds an observation in seconds to a histogram. */
  observe(name: string, labels: Labels, seconds: number): void {
    const series = this.#series(name, 'histogram', labels)
    const buckets = series.buckets as number[]
    let i = 0
    while (i < BOUNDS.length && seconds > (BOUNDS[i] as number)) i++
    buckets[i] = (buckets[i] as number) + 1
    series.value += seconds
    series.count = (series.count ?? 0) + 1
  }

  /** A counter that is looked up once and then only added to: for what is counted per batch. */
  counter(name: string, labels: Labels): { add(amount: number): void } {
    const series = this.#series(name, 'counter', labels)
    return {
      add(amount) {
        series.value += amount
      },
    }
  }

  /** The value of one series, 0 if it was never counted. */
  value(name: string, labels: Labels): number {
    return this.#families.get(name)?.series.get(seriesKey(labels))?.value ?? 0
  }

  /** Forgets all series that carry these labels, among others: those of a component that is gone. */
  forget(labels: Labels): void {
    const wanted = Object.entries(labels)
    for (const family of this.#families.values()) {
      for (const [key, series] of family.series) {
        if (wanted.every(([name, value]) => series.labels[name] === value)) {
          family.series.delete(key)
        }
      }
    }
  }

  /**
   * Every counter (as its running total) and gauge as a metric record: `_metric`, `_metric_type`,
   * `_value`, labels. A histogram gives its sum and count.
   */
  records(time: number): JsonObject[] {
    const records: JsonObject[] = []
    for (const [name, family] of this.#families) {
      for (const series of family.series.values()) {
        const add = (metric: string, kind: string, value: number) =>
          records.push({
            _metric: metric,
            _metric_type: kind,
            _value: value,
            _time: time,
            ...series.labels,
          })
        if (family.kind === 'histogram') {
          add(`${name}_sum`, 'counter', series.value)
          add(`${name}_count`, 'counter', series.count ?? 0)
        } else add(name, family.kind, series.value)
      }
    }
    return records
  }

  /** Prometheus' text exposition format 0.0.4. */
  prometheus(): string {
    let text = ''
    for (const [name, family] of [...this.#families].sort(([a], [b]) => (a < b ? -1 : 1))) {
      text += `# HELP ${name} ${family.help}\n# TYPE ${name} ${family.kind}\n`
      for (const series of family.series.values()) text += renderSeries(name, series)
    }
    return text
  }

  #series(name: string, kind: Family['kind'], labels: Labels): Series {
    let family = this.#families.get(name)
    if (!family) {
      const help = HELP[name] ?? `${name.replaceAll('_', ' ')}.`
      family = { kind, help, series: new Map() }
      this.#families.set(name, family)
    }
    const key = seriesKey(labels)
    let series = family.series.get(key)
    if (!series) {
      const buckets =
        kind === 'histogram' ? new Array<number>(BOUNDS.length + 1).fill(0) : undefined
      series = { labels, value: 0, ...(buckets && { buckets, count: 0 }) }
      family.series.set(key, series)
    }
    return series
  }
}

function renderSeries(name: string, series: Series): string {
  if (!series.buckets) return `${name}${renderLabels(series.labels)} ${series.value}\n`
  let text = ''
  let sum = 0
  series.buckets.forEach((count, i) => {
    sum += count
    const le = i < BOUNDS.length ? String(BOUNDS[i]) : '+Inf'
    text += `${name}_bucket${renderLabels({ ...series.labels, le })} ${sum}\n`
  })
  const labels = renderLabels(series.labels)
  return `${text}${name}_sum${labels} ${series.value}\n${name}_count${labels} ${series.count}\n`
}

function renderLabels(labels: Labels): string {
  const parts = Object.entries(labels).map(([key, value]) => {
    const escaped = value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
    return `${key}="${escaped}"`
  })
  return parts.length > 0 ? `{${parts.join(',')}}` : ''
}
