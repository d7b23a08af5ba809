/**
 * Keeps one connection up: goes through its addresses in order until one answers, begins again when
 * the connection breaks, and pauses for longer and longer while none does.
 */
import type { Socket } from 'node:net'
import { type Address, formatAddress } from '../../component/address.ts'
import type { Cancel, Context } from '../../component/context.ts'
import { Backoff } from '../../transport/backoff.ts'
import { type DialOptions, dial } from '../../transport/dial.ts'
import { type Delivery, Link, type LinkSettings } from './link.ts'

export interface LaneSettings {
  /** Tried from the first on. */
  readonly addresses: readonly Address[]
  readonly dial: DialOptions
  readonly link: LinkSettings
  /** Milliseconds between two questions whether a silent receiver is still there. */
  readonly keepAlive: number
  readonly retryInitial: number
  readonly retryMax: number
  /** Sent at the beginning of each connection. */
  readonly greeting: Buffer | undefined
}

/** What a lane tells the sender that it works for. */
export interface LaneEvents {
  up(lane: Lane): void
  room(): void
  confirmed(delivery: Delivery): void
  down(lane: Lane, why: string, lost: Delivery[]): void
}

export class Lane {
  readonly #settings: LaneSettings
  readonly #context: Context
  readonly #on: LaneEvents
  readonly #backoff: Backoff
  #next = 0
  #link: Link | undefined
  #cancelPause: Cancel | undefined
  #stopped = false

  constructor(settings: LaneSettings, context: Context, on: LaneEvents) {
    this.#settings = settings
    this.#context = context
    this.#on = on
    this.#backoff = new Backoff({ initial: settings.retryInitial, max: settings.retryMax })
    void this.#connect()
  }

  /** The connection, while there is one. */
  get link(): Link | undefined {
    return this.#link
  }

  stop(): void {
    this.#stopped = true
    this.#cancelPause?.()
    this.#link?.destroy()
    this.#link = undefined
  }

  async #connect(): Promise<void> {
    const { addresses } = this.#settings
    const address = addresses[this.#next] as Address
    let socket: Socket
    try {
      socket = await dial(address, this.#settings.dial, this.#context)
    } catch (error) {
      if (this.#stopped) return
      this.#context.meters.error('connect_failed')
      this.#on.down(this, (error as Error).message, [])
      return this.#goOn()
    }
    if (this.#stopped) {
      socket.destroy()
      return
    }
    socket.setKeepAlive(true, this.#settings.keepAlive)
    const link = new Link(
      socket,
      this.#settings.greeting,
      this.#settings.link,
      this.#context.clock,
      {
        room: () => this.#on.room(),
        confirmed: delivery => this.#on.confirmed(delivery),
        closed: (why, lost) => {
          this.#link = undefined
          if (this.#stopped) return
          this.#context.meters.error('connection_lost')
          this.#on.down(this, `the connection to ${formatAddress(address)} is lost: ${why}`, lost)
          if (link.productive) {
            this.#backoff.reset()
            this.#next = 0
            void this.#connect()
          } else this.#goOn()
        },
      },
    )
    this.#link = link
    this.#context.meters.add('connections_total', 1)
    this.#context.log.info(`connected to ${formatAddress(address)}`)
    this.#on.up(this)
  }

  /** Tries the next address; after the last one there is a pause. */
  #goOn(): void {
    if (this.#stopped) return
    this.#next = (this.#next + 1) % this.#settings.addresses.length
    if (this.#next !== 0) {
      void this.#connect()
      return
    }
    this.#cancelPause = this.#context.clock.after(this.#backoff.next(), () => void this.#connect())
  }
}
