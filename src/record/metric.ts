/**
 * What a metric is inside the edge: AppScope's metric body (`_metric`, `_metric_type`, `_value`,
 * `_time`, every other top-level field a tag), extended by what DogStatsD 1.1 to 1.6 adds.
 */
import type { JsonObject, JsonValue } from './json.ts'

export const METRIC_TYPES = [
  'counter',
  'gauge',
  'timer',
  'histogram',
  'distribution',
  'set',
] as const
export type MetricType = (typeof METRIC_TYPES)[number]

/**
 * One metric record. Exactly one of `_value` and `_values` is present.
 * Counters are already scaled by their sample rate; samples of timers, histograms and distributions
 * are kept as they came, with the rate they were taken at in `_rate`.
 */
export interface Metric extends JsonObject {
  /** Name, as sent. */
  _metric: string
  _metric_type: MetricType
  /** Seconds since the epoch, fractional. */
  _time: number
}

/** The fields of a metric that are not tags. */
export const METRIC_FIELDS: ReadonlySet<string> = new Set([
  '_metric', // name
  '_metric_type', // one of METRIC_TYPES
  '_value', // number; for a set the member, a string; for a relative gauge the signed change
  '_values', // several of the same, in order (value packing, or samples kept over a flush interval)
  '_rate', // sample rate of timer, histogram and distribution samples, 0 < rate <= 1
  '_relative', // true on a gauge whose _value is a change (`g:+4|g`)
  '_time', // seconds since the epoch
  '_timestamped', // true when the client set _time itself (DogStatsD 1.3 `T`)
  '_container', // DogStatsD 1.2 and 1.4 `c:`
  '_external_data', // DogStatsD 1.5 `e:`
  '_cardinality', // DogStatsD 1.6 `card:`
])

/** Says whether a record is a metric that can be encoded. */
export function isMetric(record: JsonObject): record is Metric {
  return (
    typeof record['_metric'] === 'string' &&
    METRIC_TYPES.includes(record['_metric_type'] as MetricType) &&
    (record['_value'] !== undefined || Array.isArray(record['_values']))
  )
}

/**
 * A tag's value: a string, a number, true for a tag that has no value (`#urgent`), or an array where
 * the same key came several times.
 */
export type TagValue = JsonValue

/** The tags of a metric, in the order they came. */
export function* metricTags(metric: Metric): Generator<[string, TagValue]> {
  for (const [key, value] of Object.entries(metric)) {
    if (!METRIC_FIELDS.has(key) && value !== null) yield [key, value]
  }
}
