/**
 * Copytruncate: a rotation that copies a file beside itself and then empties it. The copy must not be
 * read as if it were new, but what was written between the last read and the copy is only there.
 * Equal beginnings alone prove nothing (many files start with the same banner), so a file that begins
 * like one that is followed waits a moment, until it is clear whether that one is emptied.
 */
import type { Clock } from '../../component/context.ts'
import { fingerprint, HEAD_BYTES } from './fingerprint.ts'
import type { Tail, TailEntry } from './tail.ts'

/** How long a file that begins like another must be quiet before it counts as one of its own. */
const QUIET = 3000
/** How long it waits at most, and how long what a file held before is remembered. */
const LONGEST = 60_000
const MOST_FORMER = 1000

export class CopyWatch {
  readonly #clock: Clock
  readonly #heads = new Set<string>()
  readonly #suspects = new Map<string, { size: bigint; since: number; changed: number }>()
  #former: { entry: TailEntry; until: number }[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Learns how the files begin that a copy could be made of now. */
  learn(tails: Iterable<Tail>): void {
    this.#heads.clear()
    for (const tail of tails) {
      if (tail.headKey !== undefined && tail.goneSince === undefined) this.#heads.add(tail.headKey)
    }
    const now = this.#clock.monotonic()
    this.#former = this.#former.filter(former => former.until > now)
    for (const [key, { since }] of this.#suspects) {
      if (now - since > 2 * LONGEST) this.#suspects.delete(key)
    }
  }

  /** A file no longer holds what was read from it; a copy may. */
  emptied(entry: TailEntry): void {
    if (entry.offset === 0) return
    this.#former.push({ entry, until: this.#clock.monotonic() + LONGEST })
    if (this.#former.length > MOST_FORMER) this.#former.shift()
  }

  /** What the file that a new one is a copy of was, if it is one. Each is found once. */
  sourceOf(holds: (entry: TailEntry) => boolean): TailEntry | undefined {
    const at = this.#former.findIndex(({ entry }) => holds(entry))
    return at < 0 ? undefined : this.#former.splice(at, 1)[0]?.entry
  }

  /** Whether it is too early to say that a new file is not a copy in the making. */
  mayBeCopy(key: string, head: Buffer, size: bigint): boolean {
    // As much of it as a tail would know it by.
    const known = head.length < HEAD_BYTES ? head.lastIndexOf(0x0a) + 1 : HEAD_BYTES
    const { bytes, hash } = fingerprint(head.subarray(0, known))
    if (!this.#heads.has(`${bytes}:${hash}`)) return false
    const now = this.#clock.monotonic()
    let suspect = this.#suspects.get(key)
    if (!suspect) {
      suspect = { size, since: now, changed: now }
      this.#suspects.set(key, suspect)
    }
    if (size !== suspect.size) {
      suspect.size = size
      suspect.changed = now
    }
    const waits = now - suspect.changed < QUIET && now - suspect.since < LONGEST
    if (!waits) this.#suspects.delete(key)
    return waits
  }
}
