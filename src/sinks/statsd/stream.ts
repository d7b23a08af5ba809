/** TCP and unix streams: one connection, made anew when it breaks; what the kernel had not taken is sent again. */
import type { Socket } from 'node:net'
import { type Address, formatAddress } from '../../component/address.ts'
import type { Cancel, Context } from '../../component/context.ts'
import { Backoff } from '../../transport/backoff.ts'
import { dial } from '../../transport/dial.ts'
import { type Carrier, finish, type Job, jobsOf, type Sent } from './carrier.ts'

export interface StreamOptions {
  address: Address
  /** Whether a 32-bit little-endian length goes in front of each payload. */
  lengthPrefix: boolean
  /** Milliseconds that a connection attempt may take. */
  timeout: number
}

export class StreamCarrier implements Carrier {
  readonly #options: StreamOptions
  readonly #context: Context
  readonly #backoff = new Backoff({ initial: 200, max: 30_000 })
  readonly #name: string
  /** Everything that the kernel has not taken yet, in order. */
  readonly #jobs = new Set<Job>()
  #socket: Socket | undefined
  #waiting: Cancel | undefined
  #failing = false
  #closed = false

  constructor(options: StreamOptions, context: Context) {
    this.#options = options
    this.#context = context
    this.#name = formatAddress(options.address)
    this.#connect()
  }

  send(payloads: readonly Buffer[], done: (sent: Sent) => void): void {
    for (const job of jobsOf(payloads, done)) {
      this.#jobs.add(job)
      if (this.#socket) this.#write(this.#socket, job)
    }
  }

  close(): void {
    this.#closed = true
    this.#waiting?.()
    // Ends in order: what the kernel has taken still arrives.
    this.#socket?.end()
    this.#socket = undefined
  }

  async #connect(): Promise<void> {
    const { address, timeout } = this.#options
    let socket: Socket
    try {
      socket = await dial(address, { tls: undefined, timeout }, this.#context)
    } catch (error) {
      this.#again((error as Error).message)
      return
    }
    if (this.#closed) {
      socket.destroy()
      return
    }
    let why = 'the receiver closed the connection'
    socket.on('error', error => {
      why = error.message
    })
    socket.on('end', () => socket.destroy())
    socket.on('close', () => {
      if (socket !== this.#socket) return
      this.#socket = undefined
      this.#again(`${this.#name}: ${why}`)
    })
    // Nothing is expected from there; reading is how the end is noticed.
    socket.resume()
    this.#socket = socket
    this.#context.healthy(true)
    if (this.#failing) this.#context.log.info(`connected to ${this.#name} again`)
    this.#failing = false
    this.#context.meters.add('connections_total', 1)
    for (const job of this.#jobs) this.#write(socket, job)
  }

  #write(socket: Socket, job: Job): void {
    socket.write(this.#options.lengthPrefix ? framed(job.payload) : job.payload, error => {
      if (error || this.#closed || !this.#jobs.delete(job)) return
      this.#backoff.reset()
      this.#context.meters.add('packets_sent_total', 1)
      finish(job)
    })
  }

  #again(why: string): void {
    if (this.#closed) return
    const delay = this.#backoff.next()
    this.#context.meters.error('connection')
    this.#context.healthy(false, why)
    const message = `${why}; the next try is in ${delay} ms, and what waits is kept`
    if (this.#failing) this.#context.log.debug(message)
    else this.#context.log.warn(message)
    this.#failing = true
    this.#waiting = this.#context.clock.after(delay, () => {
      this.#waiting = undefined
      this.#connect()
    })
  }
}

function framed(payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(4 + payload.length)
  frame.writeUInt32LE(payload.length)
  frame.set(payload, 4)
  return frame
}
