/**
 * Sends requests until they have an answer. All requests of a sink share one pause: when the server is
 * in trouble, one back-off holds for everything, however many objects wait.
 */
import type { Context } from '../../component/context.ts'
import { Backoff } from '../../transport/backoff.ts'
import { Closed, type Diagnosis, diagnose } from './errors.ts'

/** Failures in a row after which a sink that is being stopped leaves the rest on disk. */
const PATIENCE_WHEN_ENDING = 5

export class Requests {
  readonly #context: Context
  readonly #signal: AbortSignal
  readonly #backoff: Backoff
  #pause: Promise<void> | undefined
  #resume: (() => void) | undefined
  #failures = 0
  #ending = false
  #told = ''
  /** Keys of objects that wait for something else than time. */
  readonly #stuck = new Set<string>()

  constructor(retry: { initial: number; max: number }, context: Context, signal: AbortSignal) {
    this.#backoff = new Backoff(retry)
    this.#context = context
    this.#signal = signal
    signal.addEventListener('abort', () => this.#resume?.(), { once: true })
  }

  /**
   * Sends until the server says yes or gives a reason that waiting does not heal, which is thrown.
   * Throws Closed once the sink is closed, or is ending and the server can't be reached.
   */
  async send<T>(what: string, request: () => Promise<T>): Promise<T> {
    for (;;) {
      await this.ready()
      try {
        const answer = await request()
        this.succeeded()
        return answer
      } catch (error) {
        if (this.#signal.aborted) throw new Closed()
        const diagnosis = diagnose(error)
        if (diagnosis.trouble !== 'busy') throw error
        this.failed(what, diagnosis)
      }
    }
  }

  /** Waits while there is a pause. */
  async ready(): Promise<void> {
    while (this.#pause && !this.#signal.aborted) await this.#pause
    if (this.#signal.aborted) throw new Closed()
    if (this.#ending && this.#failures >= PATIENCE_WHEN_ENDING) throw new Closed()
  }

  succeeded(): void {
    if (this.#failures === 0) return
    this.#failures = 0
    this.#backoff.reset()
    this.#recovered()
  }

  /** An object is on its way no more: delivered or given up. */
  settled(key: string): void {
    if (this.#stuck.delete(key) && this.#failures === 0) this.#recovered()
  }

  /** Notes a failure that no repetition of a single request heals; the object tries again as a whole. */
  stuck(key: string, diagnosis: Diagnosis): void {
    this.#stuck.add(key)
    this.failed(`send ${key}`, diagnosis)
  }

  /** Waits so many milliseconds; throws Closed. */
  async rest(milliseconds: number): Promise<void> {
    await new Promise<void>(resolve => {
      const stop = () => {
        cancel()
        this.#signal.removeEventListener('abort', stop)
        resolve()
      }
      const cancel = this.#context.clock.after(milliseconds, stop)
      this.#signal.addEventListener('abort', stop)
      if (this.#signal.aborted) stop()
    })
    await this.ready()
  }

  #recovered(): void {
    if (this.#stuck.size > 0) return
    this.#told = ''
    this.#context.healthy(true)
    this.#context.log.info('the S3 server takes objects again')
  }

  /** Notes a failure and begins a pause; everything that is sent waits for its end. */
  failed(what: string, { code, why }: Diagnosis): void {
    this.#failures++
    this.#context.meters.error(/^[A-Za-z0-9_]{1,40}$/.test(code) ? code : 'unknown')
    this.#context.healthy(false, why)
    if (this.#told !== code) {
      this.#told = code
      this.#context.log.warn(`could not ${what}: ${why}; it is tried again until it succeeds`)
    }
    if (this.#pause) return
    this.#pause = new Promise<void>(resolve => {
      const cancel = this.#context.clock.after(this.#backoff.next(), () => this.#resume?.())
      this.#resume = () => {
        cancel()
        this.#pause = undefined
        this.#resume = undefined
        resolve()
      }
    })
  }

  /** From now on a server that fails several times in a row is not waited for. */
  end(): void {
    this.#ending = true
    this.#failures = 0
  }
}
