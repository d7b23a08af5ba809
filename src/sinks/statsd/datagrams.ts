/** UDP: one datagram a payload, at a pace, to an address that is looked up again and again. */
import dgram from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { type Address, formatAddress } from '../../component/address.ts'
import type { Cancel, Context } from '../../component/context.ts'
import { Backoff } from '../../transport/backoff.ts'
import { type Carrier, finish, type Job, jobsOf, type Sent } from './carrier.ts'

export interface DatagramOptions {
  address: Extract<Address, { host: string }>
  /** Milliseconds between two look-ups of the host's name. */
  resolveInterval: number
  packetsPerSecond: number | undefined
}

/** Datagrams that may be with the kernel, unanswered, at once. */
const IN_FLIGHT = 64
/** Refusals are told for so long after the last one, milliseconds. */
const REFUSED_FOR = 1000
/** The pace is kept over spans of so many milliseconds. */
const SPAN = 10

export class DatagramCarrier implements Carrier {
  readonly #options: DatagramOptions
  readonly #context: Context
  readonly #backoff = new Backoff({ initial: 100, max: 10_000 })
  readonly #jobs: Job[] = []
  #head = 0
  #inFlight = 0
  #refusedAt: number | undefined
  #socket: dgram.Socket | undefined
  #ip: string | undefined
  #opening = false
  #waiting: Cancel | undefined
  #pacing: Cancel | undefined
  #resolving: Cancel | undefined
  /** How many datagrams the pace allows now, and when that was worked out. */
  #allowance = 0
  #allowanceAt: number
  #closed = false

  constructor(options: DatagramOptions, context: Context) {
    this.#options = options
    this.#context = context
    this.#allowanceAt = context.clock.monotonic()
    if (isIP(options.address.host) === 0) {
      this.#resolving = context.clock.every(options.resolveInterval, () => this.#open())
    }
    this.#open()
  }

  send(payloads: readonly Buffer[], done: (sent: Sent) => void): void {
    for (const job of jobsOf(payloads, done)) this.#jobs.push(job)
    this.#pump()
  }

  close(): void {
    this.#closed = true
    this.#waiting?.()
    this.#pacing?.()
    this.#resolving?.()
    this.#socket?.close()
    this.#socket = undefined
  }

  /** Looks the name up and, if the answer is a new one, takes a socket for it. */
  async #open(): Promise<void> {
    if (this.#opening || this.#closed) return
    this.#opening = true
    const { address } = this.#options
    try {
      const { address: ip, family } = await lookup(address.host)
      if (this.#closed) return
      if (ip !== this.#ip || !this.#socket) await this.#connect(ip, family === 6 ? 'udp6' : 'udp4')
      this.#context.healthy(true)
    } catch (error) {
      this.#context.meters.error('resolve')
      // With an old answer the sink goes on.
      if (!this.#socket) this.#retry(`cannot send to ${formatAddress(address)}`, error as Error)
    } finally {
      this.#opening = false
    }
    this.#pump()
  }

  #connect(ip: string, type: 'udp4' | 'udp6'): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = dgram.createSocket(type)
      socket.on('error', error => {
        if (socket === this.#socket) {
          this.#context.meters.error(codeOf(error))
          if (codeOf(error) === 'ECONNREFUSED') this.#nobody()
        } else {
          socket.close()
          reject(error)
        }
      })
      socket.on('connect', () => {
        if (this.#closed) socket.close()
        else {
          this.#socket?.close()
          this.#socket = socket
          this.#ip = ip
        }
        resolve()
      })
      // Connected, so that the kernel tells us when nobody listens.
      socket.connect(this.#options.address.port, ip)
    })
  }

  #pump(): void {
    while (
      this.#socket &&
      !this.#waiting &&
      this.#inFlight < IN_FLIGHT &&
      this.#head < this.#jobs.length &&
      this.#paced()
    ) {
      const job = this.#jobs[this.#head++] as Job
      this.#write(this.#socket, job)
    }
    if (this.#head > 1000 && this.#head * 2 > this.#jobs.length) {
      this.#jobs.splice(0, this.#head)
      this.#head = 0
    }
  }

  #write(socket: dgram.Socket, job: Job): void {
    this.#inFlight++
    socket.send(job.payload, error => {
      this.#inFlight--
      if (this.#closed) return
      if (error) this.#failed(job, error)
      else this.#took(job)
      this.#pump()
    })
  }

  #took(job: Job): void {
    this.#backoff.reset()
    this.#context.meters.add('packets_sent_total', 1)
    if (this.#refusedAt !== undefined) {
      if (this.#context.clock.monotonic() - this.#refusedAt > REFUSED_FOR) {
        this.#refusedAt = undefined
        this.#context.healthy(true)
      }
    }
    finish(job)
  }

  #failed(job: Job, error: NodeJS.ErrnoException): void {
    const code = codeOf(error)
    // Its socket was closed because the name has a new address: it goes there.
    if (code !== 'ECANCELED') this.#context.meters.error(code)
    if (code === 'EMSGSIZE') {
      this.#context.log.error(
        `a datagram of ${job.payload.length} bytes is too long for the way to ${this.#name}; lower max_packet_bytes`,
      )
      finish(job, true)
      return
    }
    this.#jobs.splice(this.#head, 0, job)
    if (code === 'ECANCELED') return
    // The answer to an earlier datagram; this one did not leave for it and goes again at once.
    if (code === 'ECONNREFUSED') this.#nobody()
    else this.#retry(`could not send to ${this.#name}`, error)
  }

  /** The kernel has heard from the other side that nobody listens there. */
  #nobody(): void {
    if (this.#refusedAt === undefined) {
      this.#context.healthy(false, `${this.#name}: nobody listens there`)
      this.#context.log.warn(
        `${this.#name}: nobody listens there, so datagrams are lost; start the receiver or check the address. The count is component_errors_total with code ECONNREFUSED.`,
      )
    }
    this.#refusedAt = this.#context.clock.monotonic()
  }

  get #name(): string {
    return formatAddress(this.#options.address)
  }

  #retry(what: string, error: Error): void {
    if (this.#waiting || this.#closed) return
    const delay = this.#backoff.next()
    this.#context.healthy(false, `${what}: ${error.message}`)
    this.#context.log.warn(`${what}: ${error.message}; the next try is in ${delay} ms`)
    this.#waiting = this.#context.clock.after(delay, () => {
      this.#waiting = undefined
      if (this.#socket) this.#pump()
      else this.#open()
    })
  }

  /** Says whether one more datagram may go now; if not, comes back when it may. */
  #paced(): boolean {
    const rate = this.#options.packetsPerSecond
    if (rate === undefined) return true
    const { clock } = this.#context
    const now = clock.monotonic()
    // Time that was not used is not made up for beyond one span.
    const most = Math.max(1, (rate * SPAN) / 1000)
    this.#allowance = Math.min(most, this.#allowance + ((now - this.#allowanceAt) * rate) / 1000)
    this.#allowanceAt = now
    if (this.#allowance >= 1) {
      this.#allowance--
      return true
    }
    this.#pacing ??= clock.after(Math.max(1, ((1 - this.#allowance) * 1000) / rate), () => {
      this.#pacing = undefined
      this.#pump()
    })
    return false
  }
}

function codeOf(error: NodeJS.ErrnoException): string {
  return error.code ?? 'send'
}
