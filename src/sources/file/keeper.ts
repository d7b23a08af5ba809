/**
 * When the checkpoint is written: at an interval while something has changed, when the source stops,
 * and once more when the last batch that was still on its way then has been answered for.
 */
import type { Cancel, Clock } from '../../component/context.ts'
import type { Checkpoint } from './checkpoint.ts'

export class Keeper<Entry> {
  readonly #checkpoint: Checkpoint<Entry>
  readonly #interval: number
  readonly #clock: Clock
  readonly #collect: () => Entry[]
  #changed = false
  #timer: Cancel | undefined
  #stopped = false
  #retired = false
  #inFlight = 0

  /** @param collect gives what is to be kept, as it is now */
  constructor(
    checkpoint: Checkpoint<Entry>,
    interval: number,
    clock: Clock,
    collect: () => Entry[],
  ) {
    this.#checkpoint = checkpoint
    this.#interval = interval
    this.#clock = clock
    this.#collect = collect
  }

  /** Something that is kept has changed. */
  changed(): void {
    this.#changed = true
    if (this.#stopped || this.#timer) return
    this.#timer = this.#clock.after(this.#interval, () => {
      this.#timer = undefined
      this.#save()
    })
  }

  /** A batch went out whose settlement will be told. */
  sent(): void {
    this.#inFlight++
  }

  settled(): void {
    this.#inFlight--
    if (this.#stopped && this.#inFlight === 0) this.#saveLast()
  }

  /** Batches that went out and were not settled yet. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** From now on this one writes the checkpoint, and settlements are told to it. */
  replace(former: Keeper<Entry>): void {
    former.#retired = true
    this.#inFlight += former.#inFlight
    this.changed()
  }

  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#timer?.()
    this.#saveLast()
  }

  #saveLast(): void {
    if (this.#retired) return
    if (this.#changed && this.#checkpoint.saveNow(this.#collect())) this.#changed = false
  }

  #save(): void {
    if (!this.#changed || this.#stopped) return
    const begun = this.#checkpoint.save(this.#collect(), ok => {
      if (!ok) this.changed()
    })
    if (begun) this.#changed = false
    else this.changed()
  }
}
