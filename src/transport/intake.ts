/**
 * From connections to batches, for every source that reads byte streams: reads, lets a decoder find
 * the records, leases, stops all its connections when the budget is spent and goes on when there is
 * space. A batch leaves as soon as a read brought whole lines, so nothing waits for a timer.
 */
import type { Readable } from 'node:stream'
import { Observable } from 'rxjs'
import { z } from 'zod'
import { Batch, type Origin } from '../batch/batch.ts'
import type { Context } from '../component/context.ts'
import { duration, type Secret, secret } from '../component/options.ts'
import type { JsonObject } from '../record/json.ts'
import { serverTls } from './tls.ts'
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
  /** The stream has ended; what is left over is judged. */
  end(): void
}

export interface Stream {
  /** A socket, or any other stream of bytes. */
  readonly socket: Readable
  readonly peer: string
}

export interface IntakeOptions {
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
/** How long what peers still send is taken after the stop, milliseconds. */
const DRAIN_LIMIT = 1000
/** How many peers are remembered as already named in the log. */
const NAMED_PEERS = 1000

/** The options that sources with connections share. */
export function connectionOptions() {
  return {
    token: secret()
      .optional()
      .describe(
        'What a peer must show in the first line of its connection, as `token <value>` or as the field `authToken` of a JSON object. A connection without it is closed within 10 s and counted.',
      ),
    max_connections: z
      .int()
      .positive()
      .default(1024)
      .describe('Connections that may be open at once. More are closed at once and counted.'),
    idle_timeout: duration()
      .optional()
      .describe('Closes a connection that has sent nothing for so long. Never when it is left out.')
      .meta({ unit: 'duration', examples: ['10m'] }),
  }
}

/** The `tls` option of sources that listen on TCP. */
export function tlsOption() {
  return serverTls()
    .optional()
    .describe('Speaks TLS on TCP addresses, with this certificate. Plain TCP when it is left out.')
    .meta({
      examples: [{ cert: '/etc/scopeline/server.pem', key: '/etc/scopeline/server-key.pem' }],
    })
}

/**
 * The batches of all streams; those of one stream in the order it sent them. Completes when `streams`
 * has completed and each of them has ended. When `context.signal` is aborted, what has already
 * arrived is still read. Unsubscribing closes every stream at once.
 */
export function intake(
  streams: Observable<Stream>,
  options: IntakeOptions,
  context: Context,
): Observable<Batch> {
  return new Observable(subscriber => {
    const readers = new Set<Reader>()
    const named = new Set<string>()
    let complete = false
    let stopping = false
    let waiting = false
    /** Whether anything came in this turn of the event loop. */
    let active = false

    const emit = (block: Block, origin: Origin) => {
      if (subscriber.closed) return
      const lease = context.lease(block.bytes.length)
      subscriber.next(new Batch(block.bytes, block.lines, origin, lease, block.records as never))
    }
    const waitForSpace = () => {
      if (waiting || !context.budget.full) return
      waiting = true
      for (const reader of readers) reader.pause()
      context.budget.whenSpace(() => {
        waiting = false
        for (const reader of readers) reader.resume()
      })
    }
    const owner: Owner = {
      context,
      options,
      emit,
      received() {
        active = true
        waitForSpace()
      },
      closed(reader) {
        readers.delete(reader)
        context.meters.set('open_connections', readers.size)
        if (complete && readers.size === 0) subscriber.complete()
      },
      once(peer, message) {
        const host = peer.replace(/( #|:)\d+$/, '')
        if (named.has(host) || named.size >= NAMED_PEERS) return
        named.add(host)
        context.log.warn(`${message} Later ones from ${host} are only counted.`)
      },
    }

    const closeAll = () => {
      for (const reader of [...readers]) reader.close()
    }
    /** Reads on until a turn of the event loop brings nothing: then all that had arrived is read. */
    const drain = () => {
      let quiet = 0
      subscriber.add(context.clock.after(DRAIN_LIMIT, closeAll))
      const turn = () => {
        if (subscriber.closed) return
        if (waiting) return context.budget.whenSpace(() => setImmediate(turn))
        quiet = active ? 0 : quiet + 1
        active = false
        if (quiet > 2) closeAll()
        else setImmediate(turn)
      }
      setImmediate(turn)
    }
    const stop = () => {
      stopping = true
      if (complete) drain()
    }
    if (context.signal.aborted) stop()
    else context.signal.addEventListener('abort', stop, { once: true })

    if (options.idle_timeout !== undefined) {
      const limit = options.idle_timeout
      subscriber.add(
        context.clock.every(Math.max(limit / 4, 10), () => {
          for (const reader of [...readers]) reader.closeIfIdle(limit)
        }),
      )
    }
    subscriber.add(() => {
      context.signal.removeEventListener('abort', stop)
      for (const reader of readers) reader.destroy()
      readers.clear()
    })
    subscriber.add(
      streams.subscribe({
        next: stream => {
          const reader = new Reader(stream, owner)
          readers.add(reader)
          context.meters.add('connections_total', 1)
          context.meters.set('open_connections', readers.size)
          reader.start()
          if (waiting) reader.pause()
        },
        error: error => subscriber.error(error),
        complete: () => {
          complete = true
          if (readers.size === 0) subscriber.complete()
          else if (stopping) drain()
        },
      }),
    )
  })
}

/** What a reader needs of the intake it belongs to. */
interface Owner {
  readonly context: Context
  readonly options: IntakeOptions
  emit(block: Block, origin: Origin): void
  /** Something was read and handed on. */
  received(): void
  closed(reader: Reader): void
  /** Logs a mishap, once for each host. */
  once(peer: string, message: string): void
}

/** One stream: its token, its decoder, and its end, which comes only once. */
class Reader {
  readonly #stream: Stream
  readonly #owner: Owner
  readonly #decoder: StreamDecoder
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
    if (input.length > 0) this.#decoder.push(input)
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
    this.#ended = true
    this.#cancelTokenLimit()
    // Without its token a connection has said nothing.
    if (!this.#token) this.#decoder.end()
    this.#owner.closed(this)
  }
}
