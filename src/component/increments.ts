/**
 * Turns running totals into what was added since the last look. That is how StatsD and AppScope mean
 * a counter: whoever receives one adds it up.
 */
import type { JsonObject } from '../record/json.ts'

export class Increments {
  #before = new Map<string, number>()

  /**
   * Metric records with counters as increments; counters that stood still are left out. One that
   * went down was begun anew (its component was replaced), so all of it is new.
   */
  of(records: readonly JsonObject[]): JsonObject[] {
    const now = new Map<string, number>()
    const result: JsonObject[] = []
    for (const record of records) {
      const { _value: value, _time, ...identity } = record
      if (record['_metric_type'] !== 'counter' || typeof value !== 'number') {
        result.push(record)
        continue
      }
      const key = JSON.stringify(identity)
      const before = this.#before.get(key) ?? 0
      now.set(key, value)
      const added = value < before ? value : value - before
      if (added > 0) result.push({ ...record, _value: added })
    }
    this.#before = now
    return result
  }
}
