/**
 * The place where input that could not be taken is kept to be looked at: one NDJSON file a component
 * below `<data_dir>/rejected`, private, and bounded, so that a hostile peer can fill neither the disk
 * nor the memory. Every reject is counted by the caller, also those for which there is no room.
 */
import { appendFile, mkdir, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Reject } from '../component/context.ts'

/** Bytes of one rejected input that are kept. */
const KEPT_BYTES = 4096
/** Text waiting to be written; beyond it rejects are only counted. */
const PENDING_LIMIT = 1024 * 1024

export class RejectStore {
  readonly #directory: string
  readonly #maxBytes: number
  readonly #clock: Clock
  readonly #pending = new Map<string, string[]>()
  #pendingBytes = 0
  #writing: Promise<void> | undefined

  /** @param maxBytes size at which a file is set aside as `.1`, replacing the one before */
  constructor(directory: string, maxBytes: number, clock: Clock) {
    this.#directory = directory
    this.#maxBytes = maxBytes
    this.#clock = clock
  }

  /** Keeps a reject if there is room. Never throws and never waits. */
  add(component: string, reject: Reject): void {
    const kept = reject.bytes.subarray(0, KEPT_BYTES)
    const line = `${JSON.stringify({
      _time: this.#clock.now() / 1000,
      component,
      reason: reject.reason,
      explanation: reject.explanation,
      source: reject.origin.source,
      ...(reject.origin.peer !== undefined && { peer: reject.origin.peer }),
      length: reject.length ?? reject.bytes.length,
      ...(isText(kept) ? { text: kept.toString('utf8') } : { base64: kept.toString('base64') }),
    })}\n`
    if (this.#pendingBytes + line.length > PENDING_LIMIT) return
    this.#pendingBytes += line.length
    const lines = this.#pending.get(component)
    if (lines) lines.push(line)
    else this.#pending.set(component, [line])
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
    })
  }

  /** Resolves when everything that was added is written, or could not be. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing
  }

  async #write(): Promise<void> {
    while (this.#pending.size > 0) {
      const [component, lines] = this.#pending.entries().next().value as [string, string[]]
      this.#pending.delete(component)
      const text = lines.join('')
      this.#pendingBytes -= text.length
      try {
        await this.#append(component, text)
      } catch {
        // A disk that is full must not stop the pipeline; what was rejected is counted all the same.
      }
    }
  }

  async #append(component: string, text: string): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    const path = join(this.#directory, `${component}.ndjson`)
    const size = await stat(path).then(
      found => found.size,
      () => 0,
    )
    if (size > 0 && size + text.length > this.#maxBytes) await rename(path, `${path}.1`)
    await appendFile(path, text, { mode: 0o600 })
  }
}

/** Whether bytes are worth showing as text: UTF-8 without control characters but tab. */
function isText(bytes: Buffer): boolean {
  const text = bytes.toString('utf8')
  return !/[\u0000-\u0008\u000a-\u001f\ufffd]/.test(text)
}
