/**
 * Judges the lines of one stream: which are JSON objects that may pass, and for the others why not.
 * The bytes of a line that passes are never changed, so duplicate keys and 2^53+1 stay what they are.
 */
import { isUtf8 } from 'node:buffer'
import type { Origin } from '../batch/batch.ts'
import { engine } from '../batch/engine.ts'
import type { Context } from '../component/context.ts'
import { isObject, type JsonObject } from '../record/json.ts'

/** Deepest nesting that passes unless told otherwise. */
export const MAX_DEPTH = 1000
/** How much of a line that could not be taken is handed on. */
const HEAD = 4096
const BYTE_ORDER_MARK = '\ufeff'

export class JsonLines {
  readonly #context: Pick<Context, 'reject'>
  readonly #maxDepth: number
  #valid = false

  constructor(context: Pick<Context, 'reject'>, maxDepth = MAX_DEPTH) {
    this.#context = context
    this.#maxDepth = maxDepth
  }

  /**
   * Judges a block of whole lines at once, where the native engine is there: the offsets of the lines
   * that pass, blank ones left out. Undefined where each line has to be read, because one of them may
   * have to be rejected with a reason, or there is no engine.
   */
  scan(block: Buffer, maxLineBytes: number): Uint32Array | undefined {
    const found = engine?.scan(block, this.#maxDepth, maxLineBytes)
    return found?.bad === 0 ? found.lines : undefined
  }

  /** Says which block the next lines lie in, to look at its encoding only once. */
  enter(block: Buffer): void {
    this.#valid = isUtf8(block)
  }

  /**
   * The object on a line, whose carriage return is already cut off; undefined where the line is blank
   * or was rejected. `open` says that the stream ended without a newline after it.
   */
  read(
    block: Buffer,
    start: number,
    end: number,
    origin: Origin,
    open = false,
  ): JsonObject | undefined {
    if (!this.#valid && !isUtf8(block.subarray(start, end))) {
      this.#broken(
        'invalid_utf8',
        notUtf8(block.subarray(start, end)),
        block,
        start,
        end,
        origin,
        open,
      )
      return undefined
    }
    const text = block.toString('utf8', start, end)
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (error) {
      if (text.trim() === '') return undefined
      this.#broken('invalid_json', notJson(error as Error, text), block, start, end, origin, open)
      return undefined
    }
    if (!isObject(value)) {
      const explanation = `The line is JSON, but ${named(value)}; a record must be a JSON object, as in {"message":"…"}.`
      this.reject('not_an_object', explanation, block, start, end, origin)
      return undefined
    }
    if (end - start > this.#maxDepth && isDeeper(block, start, end, this.#maxDepth)) {
      const explanation = `The line nests objects or arrays more than ${this.#maxDepth} levels deep.`
      this.reject('too_deep', explanation, block, start, end, origin)
      return undefined
    }
    return value
  }

  #broken(
    reason: string,
    why: string,
    block: Buffer,
    start: number,
    end: number,
    origin: Origin,
    open: boolean,
  ): void {
    const explanation = open ? `The stream ended in the middle of a line. ${why}` : why
    this.reject(open ? 'truncated' : reason, explanation, block, start, end, origin)
  }

  /** Hands over a line that cannot be taken, its first 4 KiB as a copy. */
  reject(
    reason: string,
    explanation: string,
    block: Buffer,
    start: number,
    end: number,
    origin: Origin,
  ): void {
    const bytes = Buffer.from(block.subarray(start, Math.min(end, start + HEAD)))
    this.#context.reject({
      reason,
      explanation,
      bytes,
      ...(end - start > HEAD && { length: end - start }),
      origin,
    })
  }
}

/** Where a line ends once a carriage return before its newline is left out. */
export function withoutReturn(block: Buffer, start: number, end: number): number {
  return end > start && block[end - 1] === 0x0d ? end - 1 : end
}

function notJson(error: Error, text: string): string {
  const why = `The line is not JSON: ${error.message}.`
  if (text.includes('\0'))
    return `${why} It holds NUL bytes: perhaps it is binary or compressed data.`
  if (text.startsWith(BYTE_ORDER_MARK)) return `${why} It starts with a byte order mark.`
  return why
}

function notUtf8(line: Buffer): string {
  const text = line.toString('utf8')
  const at = Buffer.byteLength(text.slice(0, text.indexOf('\ufffd')))
  return `The line is not valid UTF-8, from about byte ${at} on; text in another encoding can be read with format: lines.`
}

function named(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return `a ${typeof value}`
}

/** True when objects and arrays nest deeper than a limit. The text must be valid JSON. */
function isDeeper(bytes: Buffer, start: number, end: number, limit: number): boolean {
  // Only a line with that many brackets can be; counting them is far cheaper than reading it.
  if (!hasMore(bytes.subarray(start, end), limit)) return false
  let depth = 0
  let quoted = false
  for (let i = start; i < end; i++) {
    const byte = bytes[i]
    if (quoted) {
      if (byte === 0x5c) i++
      else if (byte === 0x22) quoted = false
    } else if (byte === 0x22) quoted = true
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > limit) return true
    } else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return false
}

function hasMore(line: Buffer, limit: number): boolean {
  let count = 0
  for (const bracket of [0x7b, 0x5b]) {
    let at = line.indexOf(bracket)
    while (at >= 0) {
      if (++count > limit) return true
      at = line.indexOf(bracket, at + 1)
    }
  }
  return false
}
