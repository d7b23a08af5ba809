/**
 * From connections to batches, for every source that reads byte streams: reads, lets a decoder find
 * the records, leases, stops all its connections when the budget is spent and goes on when there is
 * space. A batch leaves as soon as a read brought whole lines, so nothing waits for a timer.
 */
import { Observable } from 'rxjs'
import { Batch, type Origin } from '../batch/batch.ts'
import type { Context } from '../component/context.ts'
import { type Block, type Owner, Reader, type ReadOptions, type Stream } from './stream-reader.ts'

export type { Block, ReadOptions, Stream, StreamDecoder } from './stream-reader.ts'

/** How long what peers still send is taken after the stop, milliseconds. */
const DRAIN_LIMIT = 1000
/** Bytes that all streams together may have read in a turn of the event loop before they hand them on. */
const MOST_GATHERED = 4 * 1024 * 1024
/** How many peers are remembered as already named in the log. */
const NAMED_PEERS = 1000

/**
 * The batches of all streams; those of one stream in the order it sent them. Completes when `streams`
 * has completed and each of them has ended. When `context.signal` is aborted, what has already
 * arrived is still read. Unsubscribing closes every stream at once.
 */
export function intake(
  streams: Observable<Stream>,
  options: ReadOptions,
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
      const lease = context.lease(block.bytes.length + block.lines.byteLength)
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
    const { budget } = context
    const gathered = {
      bytes: 0,
      room: () => Math.min(MOST_GATHERED, budget.limit - budget.used) - gathered.bytes,
    }
    const owner: Owner = {
      context,
      gathered,
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
