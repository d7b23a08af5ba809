/**
 * A busy stream comes in reads of 64 KiB, each as soon as the one before it has been dealt with. What
 * comes in one turn of the event loop is handed on together: a batch costs the same whether it is
 * large or small.
 */

/** A read that brought less has emptied the socket: nothing more comes in this turn. */
const FULL_READ = 64 * 1024
/** How much of one stream is handed on together. */
const MOST = 256 * 1024

/** What all streams of a source have gathered. */
export interface Gathered {
  bytes: number
  /** How many more bytes may be gathered. */
  room(): number
}

export class Gathering {
  readonly #all: Gathered
  readonly #handOn: (chunks: readonly Buffer[]) => void
  #chunks: Buffer[] = []
  #bytes = 0
  #scheduled = false

  /** @param handOn takes over chunks, at least one, in order */
  constructor(all: Gathered, handOn: (chunks: readonly Buffer[]) => void) {
    this.#all = all
    this.#handOn = handOn
  }

  add(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    this.#all.bytes += chunk.length
    if (chunk.length < FULL_READ || this.#bytes >= MOST || this.#all.room() <= 0) this.flush()
    else if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(() => {
        this.#scheduled = false
        this.flush()
      })
    }
  }

  /** Hands on what there is. */
  flush(): void {
    const chunks = this.#chunks
    this.drop()
    if (chunks.length > 0) this.#handOn(chunks)
  }

  /** Forgets what there is. */
  drop(): void {
    this.#all.bytes -= this.#bytes
    this.#chunks = []
    this.#bytes = 0
  }
}
