/**
 * The keys of groups that came lately, found by the raw bytes of the fields: most rows belong to a
 * group that others belong to, and comparing bytes costs less than making strings. Bytes that differ
 * may mean the same (`1` and `1.0`), so what is not found here is not new yet.
 */
import { type Column, SpanColumn } from './columns.ts'

interface Known {
  readonly hash: number
  /** For each field its kind and length, then the bytes of all of them. */
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
  readonly key: string
}

/** Places for keys; one that hashes to a taken place takes it over. A power of two. */
const PLACES = 8192
/** Rows whose fields are longer together are not remembered: looking at every byte would cost more. */
const LONGEST = 256

export class KnownKeys {
  readonly #known: (Known | undefined)[] = []
  #columns: readonly SpanColumn[] = []
  #bytes: Buffer = Buffer.alloc(0)
  #hash = 0
  #length = 0

  /** From now on the rows are those of these columns. */
  of(columns: readonly Column[], bytes: Buffer): void {
    const spans = columns.filter(column => column instanceof SpanColumn)
    this.#columns = spans.length === columns.length ? spans : []
    this.#bytes = bytes
  }

  /** The key of a row, if one with the same bytes is known. */
  find(row: number): string | undefined {
    if (this.#columns.length === 0) return undefined
    this.#measure(row)
    if (this.#length > LONGEST) return undefined
    const known = this.#known[this.#hash & (PLACES - 1)]
    return known && known.hash === this.#hash && this.#fits(row, known) ? known.key : undefined
  }

  /** Remembers the key of the row that was looked for last. Gives the key. */
  keep(row: number, key: string): string {
    if (this.#columns.length === 0 || this.#length > LONGEST) return key
    const shape: number[] = []
    const parts: Uint8Array[] = []
    for (const column of this.#columns) {
      const part = this.#bytes.subarray(column.start(row), column.end(row))
      shape.push(column.kind(row), part.length)
      parts.push(part)
    }
    const bytes = new Uint8Array(Buffer.concat(parts))
    this.#known[this.#hash & (PLACES - 1)] = { hash: this.#hash, shape, bytes, key }
    return key
  }

  /** FNV-1a over kinds and bytes. */
  #measure(row: number): void {
    let hash = 0x811c9dc5
    let length = 0
    for (const column of this.#columns) {
      const start = column.start(row)
      const end = column.end(row)
      length += end - start
      if (length > LONGEST) break
      hash = Math.imul(hash ^ column.kind(row), 0x01000193)
      for (let i = start; i < end; i++) {
        hash = Math.imul(hash ^ (this.#bytes[i] as number), 0x01000193)
      }
    }
    this.#hash = hash ^ (hash >>> 15)
    this.#length = length
  }

  #fits(row: number, { shape, bytes }: Known): boolean {
    let at = 0
    let field = 0
    for (const column of this.#columns) {
      const start = column.start(row)
      const length = column.end(row) - start
      if (shape[field] !== column.kind(row) || shape[field + 1] !== length) return false
      for (let i = 0; i < length; i++) if (this.#bytes[start + i] !== bytes[at + i]) return false
      at += length
      field += 2
    }
    return true
  }
}
