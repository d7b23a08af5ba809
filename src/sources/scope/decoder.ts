/**
 * AppScope's protocol on one connection: a process-start message, then messages with an envelope, and
 * raw payload bytes after payload headers. What goes on are the bodies, cut out of their lines.
 */
import { indexLines, type Origin } from '../../batch/batch.ts'
import { Fields, needleOf, spanColumns } from '../../batch/columns.ts'
import { Kind } from '../../batch/engine.ts'
import type { Budget } from '../../batch/lease.ts'
import { JsonLines, withoutReturn } from '../../codec/json-lines.ts'
import { LineBuffer, tellTooLong } from '../../codec/line-buffer.ts'
import type { DecodedBlock } from '../../codec/line-decoder.ts'
import type { Context, Reject } from '../../component/context.ts'
import { isObject, type JsonObject } from '../../record/json.ts'
import { memberRange } from './member.ts'
import { Payload, payloadLength } from './payload.ts'
import {
  about,
  isProcessStart,
  opensEvents,
  processFacts,
  processStartRecord,
  withoutToken,
} from './process.ts'

export interface ScopeDecoderOptions {
  readonly max_line_bytes: number
  /** Whole lines go on, not only their bodies. */
  readonly envelope: boolean
  /** A process start becomes an event. */
  readonly process_start: boolean
  readonly payloads: 'discard' | 'record'
  readonly max_payload_bytes: number
  /** Bytes of unfinished lines that all connections may hold together. */
  readonly allowance: Budget
}

const NEWLINE = 0x0a
const ENVELOPE = new Fields([['type'], ['body']])
const EVT = needleOf('evt')
const METRIC = needleOf('metric')

export class ScopeDecoder {
  readonly #options: ScopeDecoderOptions
  readonly #context: Context
  readonly #emit: (block: DecodedBlock, origin: Origin) => void
  readonly #buffer: LineBuffer
  readonly #json: JsonLines
  #origin: Origin
  #payload: Payload | undefined
  /** The records found in the block at hand that have not gone on yet. */
  #lines: number[] = []
  #records: (JsonObject | undefined)[] = []

  constructor(
    options: ScopeDecoderOptions,
    origin: Origin,
    context: Context,
    emit: (block: DecodedBlock, origin: Origin) => void,
  ) {
    this.#options = options
    this.#context = context
    this.#emit = emit
    this.#origin = origin
    // A process start that cannot be read must not take its token along into the rejected input.
    const rejects = { reject: (reject: Reject) => context.reject(withoutToken(reject)) }
    this.#json = new JsonLines(rejects)
    const tell = tellTooLong(options.max_line_bytes, () => this.#origin, rejects)
    this.#buffer = new LineBuffer(options.max_line_bytes, tell, options.allowance)
  }

  /** Takes over a chunk; the caller must not write to it again. */
  push(chunk: Buffer): void {
    let rest: Buffer | undefined = chunk
    while (rest && rest.length > 0) {
      if (this.#payload) {
        rest = this.#payload.take(rest)
        if (this.#payload.whole) this.#endPayload(this.#payload)
      } else {
        const block = this.#buffer.push(rest)
        rest = block && this.#readLines(block)
      }
    }
  }

  /** Several chunks at once. */
  pushAll(chunks: readonly Buffer[]): void {
    if (this.#payload) return this.push(Buffer.concat(chunks))
    const block = this.#buffer.pushAll(chunks)
    const rest = block && this.#readLines(block)
    if (rest) this.push(rest)
  }

  /** The connection has ended: a payload that is not whole, or half a line, is told of. */
  end(): void {
    const rest = this.#buffer.end()
    if (rest) {
      this.#json.enter(rest)
      const end = withoutReturn(rest, 0, rest.length)
      if (end > this.#options.max_line_bytes) this.#buffer.tooLong(rest.subarray(0, end))
      else this.#readLine(rest, 0, end, true)
      this.#flush(rest)
    }
    if (!this.#payload) return
    const { header, length, received, whole } = this.#payload
    if (whole) return this.#endPayload(this.#payload)
    this.#payload = undefined
    this.#context.reject({
      reason: 'truncated',
      explanation: `The connection ended after ${received} of the ${length} bytes of a payload. These are the fields of its header.`,
      bytes: Buffer.from(JSON.stringify(header)),
      origin: this.#origin,
    })
  }

  /** Reads the whole lines of a block; gives back what follows a payload's header, if there is one. */
  #readLines(block: Buffer): Buffer | undefined {
    const start = this.#takeMessages(block) ?? this.#readEachLine(block)
    this.#flush(block)
    if (this.#payload) {
      if (this.#payload.whole) this.#endPayload(this.#payload)
      return block.subarray(start)
    }
    this.#buffer.keep(block.subarray(start))
    return undefined
  }

  /**
   * Judges all whole lines of a block at once and cuts the bodies out by their spans; only messages of
   * other kinds are parsed. Gives the offset behind what was read; undefined if nothing was, because
   * there is no native engine or the lines have to be judged one by one.
   */
  #takeMessages(block: Buffer): number | undefined {
    const end = block.lastIndexOf(NEWLINE) + 1
    const lines = this.#json.scan(block.subarray(0, end), this.#options.max_line_bytes)
    const columns = lines && spanColumns(ENVELOPE, block, lines)
    if (!columns) return undefined
    const [types, bodies] = columns
    let entered = false
    for (let row = 0; row * 2 < lines.length; row++) {
      const from = lines[row * 2] as number
      const to = lines[row * 2 + 1] as number
      const plain =
        bodies?.kind(row) === Kind.object &&
        (types?.equals(row, EVT) === true || types?.equals(row, METRIC) === true)
      if (plain) {
        if (this.#options.envelope) this.#lines.push(from, to)
        else this.#lines.push(bodies.start(row), bodies.end(row))
        this.#records.push(undefined)
        continue
      }
      if (!entered) this.#json.enter(block)
      entered = true
      this.#readLine(block, from, to, false)
      // What follows the header of a payload are no lines, even if they looked like some.
      if (this.#payload) return block.indexOf(NEWLINE, to) + 1
    }
    return end
  }

  /** Reads line by line. Gives the offset behind what was read. */
  #readEachLine(block: Buffer): number {
    const limit = this.#options.max_line_bytes
    this.#json.enter(block)
    let start = 0
    for (;;) {
      const newline = block.indexOf(NEWLINE, start)
      if (newline < 0) break
      const end = withoutReturn(block, start, newline)
      if (end - start > limit) this.#buffer.tooLong(block.subarray(start, end))
      else if (end > start) this.#readLine(block, start, end, false)
      start = newline + 1
      if (this.#payload) break
    }
    return start
  }

  #readLine(block: Buffer, start: number, end: number, open: boolean): void {
    const message = this.#json.read(block, start, end, this.#origin, open)
    if (message === undefined) return
    switch (message['type']) {
      case 'evt':
      case 'metric':
        return this.#takeBody(message, block, start, end)
      case 'payload':
        return this.#startPayload(message, block, start, end)
      case 'info':
        return this.#takeInfo(message, block)
      case 'resp':
        return this.#context.meters.add('scope_responses_total', 1)
      case undefined:
        if (isProcessStart(message)) return this.#startProcess(message, block)
    }
    const type =
      message['type'] === undefined ? 'no type' : `the type ${JSON.stringify(message['type'])}`
    this.#json.reject(
      'unknown_message',
      `The message has ${type}; the protocol knows evt, metric, info, resp, payload and the process start.`,
      block,
      start,
      end,
      this.#origin,
    )
  }

  #takeBody(message: JsonObject, block: Buffer, start: number, end: number): void {
    const body = message['body']
    const range = isObject(body) ? memberRange(block, start, end, 'body') : undefined
    if (!isObject(body) || !range) {
      const explanation = `The ${message['type']} message has no body, or one that is not an object.`
      this.#json.reject('no_body', explanation, block, start, end, this.#origin)
    } else if (this.#options.envelope) {
      this.#lines.push(start, end)
      this.#records.push(message)
    } else {
      this.#lines.push(range[0], range[1])
      this.#records.push(body)
    }
  }

  #takeInfo(message: JsonObject, block: Buffer): void {
    const record = about('scope', 'scope.info', this.#now(), this.#origin.process)
    record['data'] = { message: message['body'] ?? null }
    this.#add(record, 'evt', block)
  }

  #startProcess(message: JsonObject, block: Buffer): void {
    // What came before the message was not sent under the facts that it tells.
    this.#flush(block)
    this.#origin = { ...this.#origin, process: processFacts(message) }
    this.#context.meters.add('scope_process_starts_total', 1)
    if (!this.#options.process_start || !opensEvents(message)) return
    this.#add(processStartRecord(message, this.#now()), 'evt', block)
  }

  #startPayload(message: JsonObject, block: Buffer, start: number, end: number): void {
    const length = payloadLength(message)
    if (length === undefined) {
      const explanation =
        'The payload header has no length in "len" that could be used; its bytes cannot be told from lines.'
      this.#json.reject('bad_payload', explanation, block, start, end, this.#origin)
      return
    }
    const { payloads, max_payload_bytes: limit } = this.#options
    this.#payload = new Payload(message, length, payloads === 'record' ? limit : 0)
  }

  #endPayload(payload: Payload): void {
    this.#payload = undefined
    if (this.#options.payloads === 'record') {
      this.#addAlone(payload.record(this.#origin.process), 'payload')
    } else this.#context.meters.discarded('payload', 1, true)
    this.#context.meters.add('scope_payload_bytes_total', payload.length)
  }

  #now(): number {
    return this.#context.clock.now() / 1000
  }

  /** Sends on a record that was not cut from the input, after those that were found before it. */
  #add(record: JsonObject, type: string, block: Buffer): void {
    this.#flush(block)
    this.#addAlone(record, type)
  }

  #addAlone(body: JsonObject, type: string): void {
    const id = this.#origin.process?.['id']
    const record = this.#options.envelope
      ? { type, ...(id !== undefined && { id }), _channel: 'none', body }
      : body
    const bytes = Buffer.from(`${JSON.stringify(record)}\n`)
    this.#emit({ bytes, lines: indexLines(bytes), records: [record] }, this.#origin)
  }

  /** Sends on what was found in a block so far, with only the part of the block that it lies in. */
  #flush(block: Buffer): void {
    const count = this.#lines.length
    if (count === 0) return
    const base = this.#lines[0] as number
    const last = this.#lines[count - 1] as number
    const lines = new Uint32Array(count)
    for (let i = 0; i < count; i++) lines[i] = (this.#lines[i] as number) - base
    const records = this.#records
    this.#lines = []
    this.#records = []
    this.#emit({ bytes: block.subarray(base, last + 1), lines, records }, this.#origin)
  }
}
