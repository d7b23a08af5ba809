/**
 * What DogStatsD sends beside metrics, as records: events (`_e{}`) and service checks (`_sc`). They
 * take the form of AppScope's events, so that expressions and sinks meet one shape.
 */
import { isObject, type JsonObject, type JsonValue } from './json.ts'

/** A Datadog event: `{sourcetype: 'statsd', source: 'statsd.event', _time, data}`. */
export interface DatadogEvent extends JsonObject {
  sourcetype: 'statsd'
  source: 'statsd.event'
  /** Seconds since the epoch. */
  _time: number
  /** title, text; where sent: hostname, priority, alert_type, aggregation_key, source_type_name, container, tags. */
  data: JsonObject
}

/** A service check: `{sourcetype: 'statsd', source: 'statsd.service_check', _time, data}`. */
export interface ServiceCheck extends JsonObject {
  sourcetype: 'statsd'
  source: 'statsd.service_check'
  _time: number
  /** name, status (0 ok, 1 warning, 2 critical, 3 unknown); where sent: hostname, message, container, tags. */
  data: JsonObject
}

/** Tags of an event or check: an object with the same values as a metric's tags. */
export type Tags = { [key: string]: JsonValue }

export function isDatadogEvent(record: JsonObject): record is DatadogEvent {
  return record['source'] === 'statsd.event' && isObject(record['data'])
}

export function isServiceCheck(record: JsonObject): record is ServiceCheck {
  return record['source'] === 'statsd.service_check' && isObject(record['data'])
}
