/** Runs a source for a test: its batches, its records, and connections to what it listens on. */
import { once } from 'node:events'
import net from 'node:net'
import type { z } from 'zod'
import type { Batch } from '../../src/batch/batch.ts'
import { abstractSocket } from '../../src/component/abstract-socket.ts'
import type { OptionsSchema, Source } from '../../src/component/define.ts'
import type { JsonObject } from '../../src/record/json.ts'
import {
  eventually,
  recordsOf,
  type TestContext,
  type TestContextOptions,
  testContext,
} from '../context.ts'

export interface Running {
  readonly context: TestContext
  readonly batches: Batch[]
  readonly texts: string[]
  readonly state: { completed: boolean; error: Error | undefined }
  records(): JsonObject[]
  /** Lets go of all batches that are still held, as sinks do when they have delivered. */
  release(): void
  /** Connects to the first address that the source has bound. */
  connect(): Promise<net.Socket>
  /** Sends bytes on a connection of their own and ends it. */
  send(...chunks: (Buffer | string)[]): Promise<void>
  unsubscribe(): void
  /** Unsubscribes and removes the directory. */
  clean(): void
}

export async function run<Schema extends OptionsSchema>(
  source: Source<Schema>,
  options: z.input<Schema>,
  settings: TestContextOptions & { hold?: boolean } = {},
): Promise<Running> {
  const context = testContext(settings)
  const batches: Batch[] = []
  const texts: string[] = []
  const held: Batch[] = []
  const state: Running['state'] = { completed: false, error: undefined }
  const subscription = source.create(source.options.parse(options), context).subscribe({
    next(batch) {
      batches.push(batch)
      for (let row = 0; row < batch.count; row++) texts.push(batch.text(row))
      if (settings.hold) held.push(batch)
      else batch.release('delivered')
    },
    error: error => {
      state.error = error
    },
    complete: () => {
      state.completed = true
    },
  })
  await eventually(
    () => context.bound.length > 0 || state.error !== undefined || state.completed,
    'the source is ready',
  )
  const connect = async () => {
    const bound = context.bound[0] as string
    if (bound.startsWith('unix://@')) {
      return new net.Socket({ fd: abstractSocket(bound.slice('unix://'.length), 'connect') })
    }
    const socket = net.connect(endpoint(bound))
    // A source that closes a connection may do so by a reset.
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }
  return {
    context,
    batches,
    texts,
    state,
    records: () => recordsOf(batches),
    release: () => {
      for (const batch of held.splice(0)) batch.release('delivered')
    },
    connect,
    async send(...chunks) {
      const socket = await connect()
      for (const chunk of chunks) socket.write(chunk)
      socket.end()
      await closed(socket)
    },
    unsubscribe: () => subscription.unsubscribe(),
    clean() {
      subscription.unsubscribe()
      context.clean()
    },
  }
}

/** Where a bound address is reached. */
export function endpoint(bound: string): { path: string } | { host: string; port: number } {
  const { protocol, hostname, port } = new URL(bound)
  if (protocol !== 'unix:') return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) }
  return { path: bound.slice('unix://'.length) }
}

/** Waits until a connection is closed, by whomever and however. */
export async function closed(socket: net.Socket): Promise<void> {
  socket.resume()
  if (!socket.closed) await new Promise(resolve => socket.once('close', resolve))
}
