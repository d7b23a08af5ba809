/** Counting different values: exactly while there are few, by HyperLogLog beyond. */
import { compactKey, hash64 } from '../../record/hash.ts'
import type { JsonValue } from '../../record/json.ts'
import { HyperLogLog } from './hyperloglog.ts'

/** Up to so many different values are counted exactly. */
export const EXACT_LIMIT = 1024

export class UniqueCount {
  #exact: Set<string> | undefined = new Set()
  #sketch: HyperLogLog | undefined

  add(value: JsonValue): void {
    // Type and text together, so that 1 and "1" are two values.
    const key = compactKey(typeof value === 'string' ? `s${value}` : JSON.stringify(value))
    this.#sketch?.add(hash64(key))
    if (!this.#exact) return
    this.#exact.add(key)
    if (this.#exact.size <= EXACT_LIMIT) return
    this.#sketch = new HyperLogLog()
    for (const seen of this.#exact) this.#sketch.add(hash64(seen))
    this.#exact = undefined
  }

  count(): number {
    return this.#exact?.size ?? this.#sketch?.estimate() ?? 0
  }
}
