/** What bounds the sink's memory and its connections: so many at once, and a buffer for each. */

/** So many at once; the others wait in line. */
export class Permits {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async take(): Promise<void> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  give(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#free++
  }
}

/** A permit with a buffer that is kept from one use to the next, so that memory does not wait for the collector. */
export class Slots {
  readonly #permits: Permits
  readonly #buffers: Buffer[] = []

  constructor(count: number) {
    this.#permits = new Permits(count)
  }

  /** Runs a task with a buffer of so many bytes, which it must not keep. */
  async use<T>(bytes: number, task: (buffer: Buffer) => Promise<T>): Promise<T> {
    await this.#permits.take()
    let buffer = this.#buffers.pop()
    if (!buffer || buffer.length < bytes) buffer = Buffer.allocUnsafeSlow(bytes)
    try {
      return await task(buffer.subarray(0, bytes))
    } finally {
      this.#buffers.push(buffer)
      this.#permits.give()
    }
  }
}
