/**
 * Sends objects, so many at a time. An object that the server does not take for want of a right or a
 * bucket goes to the end of the line, so that it does not hold up those that would pass.
 */
import type { Context } from '../../component/context.ts'
import { Backoff } from '../../transport/backoff.ts'
import { Closed, type Diagnosis, diagnose } from './errors.ts'
import type { Journal } from './journal.ts'
import type { S3Options } from './options.ts'
import type { Requests } from './requests.ts'
import { Permits } from './slots.ts'
import { type Body, BodyChanged, type Uploader } from './upload.ts'

/** How an object ended: on the server, never to be there, or still on disk for the next start. */
export type Fate =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'refused'; readonly diagnosis: Diagnosis }
  | { readonly kind: 'left' }

export interface Shipment {
  readonly journal: Journal
  readonly metadata: Record<string, string>
  /** Opens the bytes; its handle is closed by the shipping. May throw `refused`. */
  open(): Promise<Body>
}

export class Shipping {
  readonly #uploader: Uploader
  readonly #requests: Requests
  readonly #context: Context
  readonly #permits: Permits
  readonly #retry: S3Options['retry']

  constructor(uploader: Uploader, requests: Requests, options: S3Options, context: Context) {
    this.#uploader = uploader
    this.#requests = requests
    this.#context = context
    this.#permits = new Permits(options.concurrency)
    this.#retry = options.retry
  }

  /** Sends one object until it has its fate. Throws BodyChanged alone. */
  async ship(shipment: Shipment): Promise<Fate> {
    const { key } = shipment.journal.opened
    try {
      return await this.#untilSettled(shipment, key)
    } finally {
      this.#requests.settled(key)
    }
  }

  async #untilSettled(shipment: Shipment, key: string): Promise<Fate> {
    // Its own, beside the one that all requests share: that one starts over when any request passes.
    const backoff = new Backoff(this.#retry)
    for (;;) {
      await this.#permits.take()
      try {
        await this.#requests.ready()
        const body = await shipment.open()
        try {
          await this.#uploader.upload(shipment.journal, body, shipment.metadata)
        } finally {
          await body.handle.close()
        }
        this.#context.meters.add('objects_total', 1)
        return { kind: 'delivered' }
      } catch (error) {
        if (error instanceof Closed) return { kind: 'left' }
        if (error instanceof BodyChanged) throw error
        const diagnosis = diagnose(error)
        if (diagnosis.trouble === 'refused' || diagnosis.trouble === 'exists') {
          return { kind: 'refused', diagnosis }
        }
        this.#requests.stuck(key, diagnosis)
      } finally {
        this.#permits.give()
      }
      try {
        await this.#requests.rest(backoff.next())
      } catch {
        return { kind: 'left' }
      }
    }
  }
}
