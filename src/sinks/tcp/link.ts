/**
 * One connection to a receiver: what was written to it, and how much of that may be taken as arrived.
 * TCP tells a sender nothing when a connection breaks, so the last batches are kept to be sent again.
 *
 *   kept ──► handed to the socket ──► taken by our kernel ──► acknowledged by the peer's kernel ──► confirmed
 *                                                             (where /proc shows it)                once `replay` bytes
 *                                                                                                  or `confirm_after`
 *                                                                                                  lie behind it
 */
import type { Socket } from 'node:net'
import type { Batch } from '../../batch/batch.ts'
import type { Cancel, Clock } from '../../component/context.ts'
import { unacknowledged } from './send-queue.ts'

export interface LinkSettings {
  /** Bytes that must follow a batch before it is confirmed early. */
  readonly replay: number
  /** Milliseconds without a break after which a batch is confirmed. */
  readonly confirmAfter: number
  /** Milliseconds without any progress after which the receiver counts as stuck. */
  readonly stallTimeout: number
  /** False: a batch is confirmed as soon as our kernel has taken it. */
  readonly resend: boolean
}

/** A batch on its way, with its bytes. */
export interface Delivery {
  readonly batch: Batch
  readonly data: Buffer
}

interface Sent {
  readonly delivery: Delivery
  /** How many bytes had been handed to the connection after this one. */
  readonly end: number
  /** When the peer's kernel was first known to have it, milliseconds on the monotonic clock. */
  ackedAt: number
}

/** What may wait in the socket: enough to keep the kernel busy, little enough to see progress. */
const HIGH_WATER = 256 * 1024
/** One write of the socket: where the kernel does not tell, its callback is all the progress that shows. */
const SLICE = 64 * 1024
/** Times that a connection may be missing from the kernel's table while it is open. */
const MISSES = 3
/** Least pause between two questions to the kernel, milliseconds. */
const ASKING = 5

export class Link {
  readonly #socket: Socket
  readonly #settings: LinkSettings
  readonly #clock: Clock
  readonly #onRoom: () => void
  readonly #onConfirmed: (delivery: Delivery) => void
  readonly #onClosed: (why: string, lost: Delivery[]) => void
  readonly #cancelTicking: Cancel
  #cancelAsking: Cancel | undefined
  #sent: Sent[] = []
  #handed = 0
  #written = 0
  #acked = 0
  #progressAt: number
  #sampling = false
  #nextSample = 0
  #ending = false
  #told = false
  /** How many of `#sent`, from the front, the peer's kernel has. */
  #there = 0
  #missed = 0
  #over = false
  /** True once a batch was confirmed over this connection. */
  productive = false

  /**
   * @param greeting bytes to send before anything else
   * @param onRoom called when more batches may be sent
   * @param onClosed called once; the deliveries are those that were not confirmed, in order
   */
  constructor(
    socket: Socket,
    greeting: Buffer | undefined,
    settings: LinkSettings,
    clock: Clock,
    on: {
      room: () => void
      confirmed: (delivery: Delivery) => void
      closed: (why: string, lost: Delivery[]) => void
    },
  ) {
    this.#socket = socket
    this.#settings = settings
    this.#clock = clock
    this.#onRoom = on.room
    this.#onConfirmed = on.confirmed
    this.#onClosed = on.closed
    this.#progressAt = clock.monotonic()
    socket.on('error', error => this.#close(reasonOf(error)))
    socket.on('close', () => this.#closedByPeer())
    // A receiver has nothing to say, but its last word has to be read to be noticed.
    socket.on('end', () => {
      if (!this.#told) this.#close('the receiver closed the connection')
    })
    socket.resume()
    const pace = Math.max(10, Math.min(settings.confirmAfter / 2, settings.stallTimeout / 4, 500))
    this.#cancelTicking = clock.every(pace, () => this.#tick())
    if (greeting) this.#write(greeting)
  }

  /** True when a batch may be sent now. */
  get hasRoom(): boolean {
    return !this.#over && !this.#ending && this.#handed - this.#written < HIGH_WATER
  }

  /** True when all that was sent is confirmed. */
  get settled(): boolean {
    return this.#sent.length === 0
  }

  send(delivery: Delivery): void {
    if (this.#handed === this.#acked) this.#progressAt = this.#clock.monotonic()
    this.#write(delivery.data)
    this.#sent.push({ delivery, end: this.#handed, ackedAt: 0 })
  }

  /**
   * Says that no more will be sent: tells the receiver of the end as soon as its host has everything,
   * so that its closing in good order confirms everything.
   */
  end(): void {
    if (this.#ending || this.#over) return
    this.#ending = true
    this.#endIfThere()
  }

  /** Drops the connection without a word. */
  destroy(): void {
    this.#over = true
    this.#cancelTicking()
    this.#cancelAsking?.()
    this.#socket.destroy()
  }

  #write(data: Buffer): void {
    for (let at = 0; at < data.length; at += SLICE) {
      const slice = data.subarray(at, at + SLICE)
      this.#handed += slice.length
      this.#socket.write(slice, error => {
        if (!error) this.#wrote(slice.length)
      })
    }
  }

  #wrote(bytes: number): void {
    if (this.#over) return
    this.#written += bytes
    if (!this.#settings.resend) this.#confirmThrough(this.#written)
    this.#askSoon()
    if (this.#handed - this.#written < HIGH_WATER) this.#onRoom()
  }

  #tick(): void {
    const waiting = this.#handed > this.#acked
    if (waiting && this.#clock.monotonic() - this.#progressAt >= this.#settings.stallTimeout) {
      this.#close(
        `the receiver took nothing for ${this.#settings.stallTimeout} ms; it hangs, or the network in between is cut`,
      )
    } else if (waiting || this.#sent.length > 0) {
      this.#confirm()
      void this.#sample()
    }
  }

  /** Asks the kernel as soon as it is time again, if the answer may confirm or end something. */
  #askSoon(): void {
    if (this.#over || this.#sampling || this.#cancelAsking) return
    const { resend, replay } = this.#settings
    const first = this.#sent[0]
    const full = resend && first !== undefined && this.#written - first.end >= 2 * replay
    if (!full && !(this.#ending && !this.#told)) return
    const pause = this.#nextSample - this.#clock.monotonic()
    if (pause <= 0) void this.#sample()
    else {
      this.#cancelAsking = this.#clock.after(pause, () => {
        this.#cancelAsking = undefined
        void this.#sample()
      })
    }
  }

  /** Asks the kernel how far the peer has come. */
  async #sample(): Promise<void> {
    if (this.#sampling || this.#over) return
    const begin = this.#clock.monotonic()
    this.#sampling = true
    const written = this.#written
    let queued = await unacknowledged(this.#socket)
    const end = this.#clock.monotonic()
    // The kernel walks a great table for the answer, some milliseconds: never a fifth of the time.
    this.#nextSample = end + Math.max(ASKING, 4 * (end - begin))
    this.#sampling = false
    if (this.#over) return
    // A connection that is gone from the table is about to say that it was reset. One that goes on
    // without ever being there belongs to a system that does not keep the table.
    if (queued === undefined) {
      if (++this.#missed < MISSES) return
      queued = 0
    } else this.#missed = 0
    const acked = written - queued
    if (acked > this.#acked) {
      this.#acked = acked
      this.#progressAt = this.#clock.monotonic()
    }
    this.#confirm()
    if (this.#ending) this.#endIfThere()
    this.#askSoon()
  }

  #endIfThere(): void {
    if (this.#over || this.#told) return
    if (this.#acked < this.#handed) return this.#askSoon()
    this.#told = true
    this.#socket.end()
  }

  #confirm(): void {
    const { replay, confirmAfter } = this.#settings
    const now = this.#clock.monotonic()
    for (; this.#there < this.#sent.length; this.#there++) {
      const sent = this.#sent[this.#there] as Sent
      if (sent.end > this.#acked) break
      sent.ackedAt = now
    }
    let through = 0
    for (let i = 0; i < this.#there; i++) {
      const { end, ackedAt } = this.#sent[i] as Sent
      if (this.#written - end < replay && now - ackedAt < confirmAfter) break
      through = end
    }
    this.#confirmThrough(through)
  }

  #confirmThrough(end: number): void {
    let count = 0
    while (count < this.#sent.length && (this.#sent[count] as Sent).end <= end) count++
    if (count === 0) return
    this.productive = true
    this.#there = Math.max(0, this.#there - count)
    for (const { delivery } of this.#sent.splice(0, count)) this.#onConfirmed(delivery)
  }

  #closedByPeer(): void {
    if (this.#over) return
    if (this.#told) this.#confirmThrough(this.#handed)
    this.#close('the receiver closed the connection')
  }

  #close(why: string): void {
    if (this.#over) return
    this.destroy()
    const lost = this.#sent.map(({ delivery }) => delivery)
    this.#sent = []
    this.#onClosed(why, lost)
  }
}

function reasonOf(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the receiver reset the connection'
    case 'ETIMEDOUT':
      return 'the receiver does not answer any more'
    default:
      return error.message
  }
}
