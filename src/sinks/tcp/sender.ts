/** Hands batches to the connections that are up, takes back what a broken one lost, and answers. */
import type { Batch } from '../../batch/batch.ts'
import type { Receipt } from '../../batch/receipt.ts'
import type { Context } from '../../component/context.ts'
import { Lane, type LaneSettings } from './lane.ts'
import type { Delivery } from './link.ts'

export class Sender {
  readonly #context: Context
  readonly #resend: boolean
  readonly #answer: (receipt: Receipt) => void
  readonly #lanes: Lane[]
  #queue: Delivery[] = []
  #unanswered = 0
  #turn = 0
  #healthy: boolean | undefined
  #complete: (() => void) | undefined

  /** @param lanes one for each connection that is to be up at the same time */
  constructor(
    lanes: readonly LaneSettings[],
    resend: boolean,
    context: Context,
    answer: (receipt: Receipt) => void,
  ) {
    this.#context = context
    this.#resend = resend
    this.#answer = answer
    this.#lanes = lanes.map(
      settings =>
        new Lane(settings, context, {
          up: () => {
            this.#report()
            this.#pump()
          },
          room: () => this.#pump(),
          confirmed: delivery => this.#confirmed(delivery),
          down: (_lane, why, lost) => this.#down(why, lost),
        }),
    )
  }

  send(batch: Batch): void {
    this.#unanswered++
    this.#queue.push({ batch, data: batch.toBuffer() })
    this.#pump()
  }

  /** Calls back when everything sent is confirmed, however long that takes. */
  finish(complete: () => void): void {
    this.#complete = complete
    this.#pump()
  }

  stop(): void {
    for (const lane of this.#lanes) lane.stop()
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      const link = this.#pick()
      if (!link) return
      link.send(this.#queue.shift() as Delivery)
    }
    if (this.#complete) this.#wrapUp(this.#complete)
  }

  #pick() {
    for (let i = 0; i < this.#lanes.length; i++) {
      const lane = this.#lanes[(this.#turn + i) % this.#lanes.length] as Lane
      if (!lane.link?.hasRoom) continue
      this.#turn = (this.#turn + i + 1) % this.#lanes.length
      return lane.link
    }
    return undefined
  }

  #wrapUp(complete: () => void): void {
    if (this.#unanswered === 0) {
      // In order, so that even a receiver that got nothing sees an end and no reset.
      for (const lane of this.#lanes) lane.link?.end()
      this.stop()
      complete()
    } else for (const lane of this.#lanes) if (!lane.link?.settled) lane.link?.end()
  }

  #confirmed({ batch, data }: Delivery): void {
    this.#unanswered--
    this.#context.meters.add('bytes_sent_total', data.length)
    this.#answer({ batch, outcome: 'delivered', bytes: data.length })
    if (this.#complete && this.#unanswered === 0) this.#wrapUp(this.#complete)
  }

  #down(why: string, lost: Delivery[]): void {
    if (lost.length > 0 && this.#resend) {
      this.#context.meters.add('resent_batches_total', lost.length)
      this.#queue.unshift(...lost)
    } else {
      for (const { batch } of lost) {
        this.#unanswered--
        this.#answer({ batch, outcome: 'dropped', reason: 'connection_lost' })
      }
    }
    this.#report(why)
    this.#pump()
  }

  #report(why?: string): void {
    const up = this.#lanes.filter(lane => lane.link !== undefined).length
    this.#context.meters.set('open_connections', up)
    const ok = up > 0
    if (why !== undefined && (ok || this.#healthy !== false)) {
      const kept = this.#resend
        ? 'unconfirmed events are sent again'
        : 'what was on the way is dropped'
      this.#context.log.warn(`${why} (${kept})`)
    }
    if (ok !== this.#healthy || !ok) this.#context.healthy(ok, ok ? undefined : why)
    this.#healthy = ok
  }
}
