/** The token that a peer must show in the first line of its connection before anything else is read. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../component/options.ts'

/** Longest first line; AppScope's holds its whole configuration. */
const LIMIT = 256 * 1024
const NEWLINE = 0x0a
const PLAIN = /^token (.+?)\r?$/

/** One connection's check. */
export class TokenCheck {
  readonly #wanted: Buffer
  readonly #keepLine: boolean
  #chunks: Buffer[] = []
  #length = 0

  /** @param keepLine whether a JSON line with the token is input too, as AppScope's process start is */
  constructor(token: Secret, keepLine: boolean) {
    this.#wanted = digest(token.reveal())
    this.#keepLine = keepLine
  }

  /**
   * Takes the connection's first chunks. Gives what to go on with once the token was right, `refused`
   * when it was wrong or not there, and undefined while the first line is not whole.
   */
  push(chunk: Buffer): Buffer | 'refused' | undefined {
    const newline = chunk.indexOf(NEWLINE)
    this.#chunks.push(chunk)
    this.#length += chunk.length
    // Short chunks are bundled, so that a peer that sends single bytes cannot make many of them.
    if (this.#chunks.length > 64) this.#chunks = [Buffer.concat(this.#chunks)]
    if (newline < 0) return this.#length > LIMIT ? 'refused' : undefined
    const all = Buffer.concat(this.#chunks)
    const end = this.#length - chunk.length + newline
    const line = all.toString('utf8', 0, end)
    const plain = PLAIN.exec(line)
    const token = plain ? plain[1] : tokenIn(line)
    if (token === undefined || !timingSafeEqual(digest(token), this.#wanted)) return 'refused'
    return this.#keepLine && !plain ? all : all.subarray(end + 1)
  }
}

/** The token in the field `authToken` of a JSON object. */
function tokenIn(line: string): string | undefined {
  try {
    const value: unknown = JSON.parse(line)
    const token = (value as { authToken?: unknown } | null)?.authToken
    return typeof token === 'string' ? token : undefined
  } catch {
    return undefined
  }
}

/** Digests have one length, so that comparing them tells nothing about the token. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
