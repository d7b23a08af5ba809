/** The receipt: a sink's answer for one batch, the proof that the ledger is kept with. */
import type { Batch } from './batch.ts'

export interface Receipt {
  /** The batch as the sink got it. */
  readonly batch: Batch
  /** `delivered`: written, or acknowledged by the receiver. `dropped`: given up, and `reason` says why. */
  readonly outcome: 'delivered' | 'dropped'
  /** For `dropped`: a short code for the counter, such as `rejected_by_server`. */
  readonly reason?: string
  /** Bytes that went out for it, after encoding; the batch's size if absent. */
  readonly bytes?: number
  /**
   * How many events it stands for, when fewer than the batch has: the sink has counted the others
   * as discarded itself.
   */
  readonly events?: number
}
