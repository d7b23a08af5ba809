/** A payload on the wire: a header line, then exactly as many raw bytes as it says. */
import type { JsonObject } from '../../record/json.ts'
import { about } from './process.ts'

/** One payload that is being received. */
export class Payload {
  readonly header: JsonObject
  /** Bytes announced. */
  readonly length: number
  readonly #keep: number
  #kept: Buffer = Buffer.alloc(0)
  #received = 0

  /** @param keep how many of its first bytes are kept; the rest is only counted */
  constructor(header: JsonObject, length: number, keep: number) {
    this.header = header
    this.length = length
    this.#keep = Math.min(keep, length)
  }

  /** Bytes received so far. */
  get received(): number {
    return this.#received
  }

  get whole(): boolean {
    return this.#received === this.length
  }

  /** Takes what belongs to it from a chunk, and gives back the rest. */
  take(chunk: Buffer): Buffer {
    const mine = chunk.subarray(0, this.length - this.#received)
    const wanted = mine.subarray(0, Math.max(0, this.#keep - this.#received))
    if (wanted.length > 0) {
      // Made when the first bytes are here, and grown: what a header announces may never come.
      if (this.#kept.length < this.#received + wanted.length) {
        const size = Math.min(this.#keep, 2 * (this.#received + wanted.length))
        const larger = Buffer.allocUnsafeSlow(size)
        this.#kept.copy(larger, 0, 0, this.#received)
        this.#kept = larger
      }
      wanted.copy(this.#kept, this.#received)
    }
    this.#received += mine.length
    return chunk.subarray(mine.length)
  }

  /** It as an event, its bytes in base64 under `data.payload`. */
  record(facts: JsonObject | undefined): JsonObject {
    const { type: _type, _time, src, ...header } = this.header
    const data: JsonObject = {
      ...header,
      payload: this.#kept.toString('base64', 0, this.#keep),
    }
    if (this.#keep < this.length) data['payload_kept'] = this.#keep
    const source = typeof src === 'string' ? src : 'none'
    return { ...about('payload', source, _time, { ...pidOf(header), ...facts }), data }
  }
}

/** The length that a header announces, or undefined if that is no length. */
export function payloadLength(header: JsonObject): number | undefined {
  const length = header['len']
  return Number.isSafeInteger(length) && (length as number) >= 0 ? (length as number) : undefined
}

/** Without a process start the header still tells the process id. */
function pidOf(header: JsonObject): JsonObject {
  return header['pid'] === undefined ? {} : { pid: header['pid'] }
}
