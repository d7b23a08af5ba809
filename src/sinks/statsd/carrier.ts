/** What brings payloads to a receiver: a UDP socket or a stream, behind one face. */

export interface Carrier {
  /**
   * Sends payloads, after those handed over before. Calls back once, when the kernel has taken the
   * last of them.
   */
  send(payloads: readonly Buffer[], done: (sent: Sent) => void): void
  /** Closes at once; what was not sent yet is not called back for. */
  close(): void
}

/** What became of the payloads that were handed over together. */
export interface Sent {
  readonly bytes: number
  /** Payloads that the kernel will never take. */
  readonly refused: number
}

/** One payload on its way, and those it was handed over with. */
export interface Job {
  readonly payload: Buffer
  readonly group: { left: number; bytes: number; refused: number; done: (sent: Sent) => void }
}

/** Makes jobs of payloads; there must be at least one. */
export function jobsOf(payloads: readonly Buffer[], done: (sent: Sent) => void): Job[] {
  const group = { left: payloads.length, bytes: 0, refused: 0, done }
  return payloads.map(payload => ({ payload, group }))
}

/** Notes that a job is over, and calls back when it was the last of its group. */
export function finish(job: Job, refused = false): void {
  const { group } = job
  if (refused) group.refused++
  else group.bytes += job.payload.length
  if (--group.left === 0) group.done({ bytes: group.bytes, refused: group.refused })
}
