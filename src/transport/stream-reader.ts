/** One byte stream of a source: its token, its decoder, and its end, which comes only once. */
import type { Readable } from 'node:stream'
import type { Origin } from '../batch/batch.ts'
import type { Context } from '../component/context.ts'
import type { Secret } from '../component/options.ts'
import type { JsonObject } from '../record/json.ts'
import { type Gathered, Gathering } from './gathering.ts'
import { TokenCheck } from './token.ts'

/** Whole lines found in a stream. */
export interface Block {
  readonly bytes: Buffer
  readonly lines: Uint32Array
  readonly records?: (JsonObject | undefined)[]
}

/** Finds the records in one stream and hands them on by the `emit` it was made with. */
export interface StreamDecoder {
  push(chunk: Buffer): void
  /** Several chunks at once, in order; pushed as one if absent. */
  pushAll?(chunks: readonly Buffer[]): void
  /** The stream has ended; what is left over is judged. */
  end(): void
}

export interface Stream {
  /** A socket, or any other stream of bytes. */
  readonly socket: Readable
  readonly peer: string
}

/** How the streams of one source are read. */
export interface ReadOptions {
  /** Makes the decoder of one stream. */
  decoder(origin: Origin, emit: (block: Block, origin: Origin) => void): StreamDecoder
  /** What a peer must show first. */
  token?: Secret | undefined
  /** Whether the line with the token is input too. */
  keepTokenLine?: boolean
  /** Milliseconds after which a silent connection is closed; never unless told. */
  idle_timeout?: number | undefined
}

/** How long a peer may take to show its token, milliseconds. */
const TOKEN_LIMIT = 10_000

/** What a reader needs of the intake it belongs to. */
export interface Owner {
  readonly context: Context
  /** What all its readers have read and not handed on yet. */
  readonly gathered: Gathered
  readonly options: ReadOptions
  emit(block: Block, origin: Origin): void
  /** Something was read and handed on. */
  received(): void
  closed(reader: Reader): void
  /** Logs a mishap, once for each host. */
  once(peer: string, message: string): void
}

export class Reader {
  readonly #stream: Stream
  readonly #owner: Owner
  readonly #decoder: StreamDecoder
  readonly #gathering: Gathering
  #token: TokenCheck | undefined
  #cancelTokenLimit = () => {}
  #last: number
  #paused = false
  #ended = false

  constructor(stream: Stream, owner: Owner) {
    this.#stream = stream
    this.#owner = owner
    const { context, options } = owner
    const origin = { source: context.id, peer: stream.peer }
    this.#decoder = options.decoder(origin, owner.emit)
    this.#gathering = new Gathering(owner.gathered, chunks => this.#handOn(chunks))
    this.#last = context.clock.monotonic()
    if (options.token) {
      this.#token = new TokenCheck(options.token, options.keepTokenLine ?? false)
      this.#cancelTokenLimit = context.clock.after(TOKEN_LIMIT, () =>
        this.#refuse(`showed no token within ${TOKEN_LIMIT / 1000} s`),
      )
    }
  }

  start(): void {
    const { socket, peer } = this.#stream
    const { context } = this.#owner
    socket.on('error', (error: Error) => {
      if (this.#ended) return
      context.meters.error('connection_read')
      this.#owner.once(
        peer,
        `The connection from ${peer} broke: ${error.message}. What it had sent in whole lines was taken.`,
      )
    })
    socket.on('end', () => this.#end())
    socket.on('close', () => this.#end())
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
  }

  pause(): void {
    this.#paused = true
    this.#stream.socket.pause()
  }

  resume(): void {
    this.#paused = false
    this.#last = this.#owner.context.clock.monotonic()
    this.#stream.socket.resume()
  }

  closeIfIdle(limit: number): void {
    const { context } = this.#owner
    if (this.#paused || context.clock.monotonic() - this.#last < limit) return
    context.meters.add('connections_idle_total', 1)
    this.close()
  }

  /** Judges what is left over, and closes. */
  close(): void {
    this.#end()
    this.#stream.socket.destroy()
  }

  /** Closes without a word. */
  destroy(): void {
    this.#ended = true
    this.#gathering.drop()
    this.#cancelTokenLimit()
    this.#stream.socket.destroy()
  }

  #take(chunk: Buffer): void {
    if (this.#ended) return
    const { context } = this.#owner
    this.#last = context.clock.monotonic()
    context.meters.add('stream_bytes_received_total', chunk.length)
    let input: Buffer = chunk
    if (this.#token) {
      const passed = this.#token.push(chunk)
      if (passed === undefined) return
      if (passed === 'refused') {
        this.#refuse('did not show the right token in its first line')
        return
      }
      this.#token = undefined
      this.#cancelTokenLimit()
      input = passed
    }
    if (input.length > 0) this.#gathering.add(input)
    else this.#owner.received()
  }

  #handOn(chunks: readonly Buffer[]): void {
    const [first, ...more] = chunks
    if (more.length === 0) this.#decoder.push(first as Buffer)
    else if (this.#decoder.pushAll) this.#decoder.pushAll(chunks)
    else this.#decoder.push(Buffer.concat(chunks))
    this.#owner.received()
  }

  #refuse(why: string): void {
    const { peer } = this.#stream
    this.#owner.context.meters.error('wrong_token')
    this.#owner.once(peer, `The connection from ${peer} was closed: it ${why}.`)
    this.destroy()
    this.#owner.closed(this)
  }

  #end(): void {
    if (this.#ended) return
    this.#gathering.flush()
    // Handing on may have closed it.
    if (this.#ended) return
    this.#ended = true
    this.#cancelTokenLimit()
    // Without its token a connection has said nothing.
    if (!this.#token) this.#decoder.end()
    this.#owner.closed(this)
  }
}
