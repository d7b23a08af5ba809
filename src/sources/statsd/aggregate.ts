/**
 * Aggregation over a flush interval, as StatsD servers do it: counters add up, gauges keep the last
 * value, sets their members, and samples are collected. What it holds is bounded; when a bound is
 * reached it asks to be flushed early, so that nothing is lost.
 */
import { isSampled, metricRecord, type Value } from '../../codec/statsd/parse.ts'
import type { Shape } from '../../codec/statsd/shape.ts'
import type { JsonObject } from '../../record/json.ts'

export interface AggregatorOptions {
  /** Names with their tags that are held at once. */
  maxContexts: number
  /** Bytes that samples, set members and names may take, roughly. */
  maxBytes: number
  /** How long a gauge that is not sent any more is remembered, milliseconds. */
  gaugeTtl: number
  /** Whether a remembered gauge is sent again at every flush. */
  repeatGauges: boolean
  nameTags: 'none' | 'graphite' | 'influx'
}

/** One name with one set of tags, and what has come for it since the last flush. */
interface Series {
  readonly name: string
  readonly shape: Shape
  /** Counter or gauge. */
  value: number
  samples: number[] | undefined
  members: Set<string> | undefined
  touched: boolean
  /** When a gauge last came, on the monotonic clock. */
  at: number
}

/** So many values go into one record; a name with more of them gives several records. */
const VALUES_PER_RECORD = 1000
/** What a series takes beside its name and values, roughly. */
const SERIES_BYTES = 200

export class Aggregator {
  readonly #options: AggregatorOptions
  #series = new Map<string, Series>()
  // The short way to a series: the shapes of lines that repeat are the same objects.
  #byShape = new Map<Shape, Map<string, Series>>()
  #bytes = 0

  constructor(options: AggregatorOptions) {
    this.#options = options
  }

  /** How many names with their tags are held. */
  get contexts(): number {
    return this.#series.size
  }

  /** True when it should be flushed before its time. */
  get full(): boolean {
    return this.#series.size >= this.#options.maxContexts || this.#bytes >= this.#options.maxBytes
  }

  /** Takes a metric; `now` is on the monotonic clock. Metrics with a time of their own do not belong here. */
  add(name: string, value: Value, relative: boolean, shape: Shape, now: number): void {
    const series = this.#byShape.get(shape)?.get(name) ?? this.#find(name, shape)
    series.touched = true
    if (shape.type === 'counter') {
      if (typeof value === 'number') series.value += value
      else for (const one of value as number[]) series.value += one
    } else if (shape.type === 'gauge') {
      series.at = now
      if (typeof value === 'number') series.value = relative ? series.value + value : value
      else for (const one of value as number[]) series.value = relative ? series.value + one : one
    } else if (shape.type === 'set') {
      series.members ??= new Set()
      const before = series.members.size
      series.members.add(` ${value}`.slice(1))
      if (series.members.size > before) this.#bytes += 40 + (value as string).length
    } else {
      series.samples ??= []
      if (typeof value === 'number') series.samples.push(value)
      else for (const one of value as number[]) series.samples.push(one)
      this.#bytes += typeof value === 'number' ? 8 : 8 * (value as number[]).length
    }
  }

  #find(name: string, shape: Shape): Series {
    const ownName = ` ${name}`.slice(1)
    const key = identity(ownName, shape)
    let series = this.#series.get(key)
    if (!series) {
      series = {
        name: ownName,
        shape,
        value: 0,
        samples: undefined,
        members: undefined,
        touched: false,
        at: 0,
      }
      this.#series.set(key, series)
      this.#bytes += SERIES_BYTES + 2 * key.length
    }
    let names = this.#byShape.get(shape)
    if (!names) {
      names = new Map()
      this.#byShape.set(shape, names)
    }
    names.set(ownName, series)
    this.#bytes += SERIES_BYTES
    return series
  }

  /**
   * Everything since the last flush, as records, and starts over. `time` in seconds goes into the
   * records; `now` is on the monotonic clock and decides which gauges are forgotten.
   */
  flush(time: number, now: number): JsonObject[] {
    const records: JsonObject[] = []
    const before = this.#series
    this.#series = new Map()
    this.#byShape = new Map()
    this.#bytes = 0
    const gauges: [string, Series][] = []
    for (const [key, series] of before) {
      const gauge = series.shape.type === 'gauge'
      if (gauge && now - series.at >= this.#options.gaugeTtl && !series.touched) continue
      if (series.touched || this.#options.repeatGauges) this.#write(series, time, records)
      if (gauge) gauges.push([key, series])
    }
    this.#remember(gauges)
    return records
  }

  /** Keeps gauges for what may change them; the latest ones where they would take over half of the space. */
  #remember(gauges: [string, Series][]): void {
    gauges.sort((a, b) => b[1].at - a[1].at)
    for (const [key, series] of gauges) {
      const bytes = SERIES_BYTES + 2 * key.length
      if (this.#series.size * 2 >= this.#options.maxContexts) break
      if ((this.#bytes + bytes) * 2 > this.#options.maxBytes) break
      series.touched = false
      this.#series.set(key, series)
      this.#bytes += bytes
    }
  }

  #write(series: Series, time: number, records: JsonObject[]): void {
    const { name, shape } = series
    const write = (value: Value) => {
      records.push(metricRecord(name, value, false, unscaled(shape), time, this.#options.nameTags))
    }
    const list: (string | number)[] | undefined =
      series.samples ?? (series.members && [...series.members])
    if (!list) write(Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, series.value)))
    else if (list.length === 1) write(list[0] as Value)
    else {
      for (let start = 0; start < list.length; start += VALUES_PER_RECORD) {
        write(list.slice(start, start + VALUES_PER_RECORD) as number[])
      }
    }
  }
}

/** A counter's rate is used up by its value. */
function unscaled(shape: Shape): Shape {
  return shape.rate === 1 || isSampled(shape) ? shape : { ...shape, rate: 1 }
}

/** The same for lines that mean the same series, however their tags are ordered. */
function identity(name: string, shape: Shape): string {
  const tags = [...shape.tags].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return JSON.stringify([
    name,
    shape.type,
    isSampled(shape) ? shape.rate : 1,
    tags,
    shape.container ?? null,
    shape.externalData ?? null,
    shape.cardinality ?? null,
  ])
}
