/**
 * What the fake does wrong, and when. A fault applies to the requests of one operation (or all), from
 * the `after`-th on, `times` times.
 */
export type Operation =
  | 'PutObject'
  | 'CreateMultipartUpload'
  | 'UploadPart'
  | 'ListParts'
  | 'CompleteMultipartUpload'
  | 'AbortMultipartUpload'
  | 'HeadObject'
  | 'GetObject'
  | 'ListMultipartUploads'
  | 'ListObjectsV2'
  | 'DeleteObject'

export type Trouble =
  /** An error answer, nothing done: 503 SlowDown unless told. */
  | { do: 'error'; status?: number; code?: string }
  /** The connection is reset after so many bytes of the request's body. */
  | { do: 'reset'; afterBytes?: number }
  /** No answer, ever. */
  | { do: 'hang' }
  /** Done, but the answer's ETag is another. */
  | { do: 'wrong-etag' }
  /** One bit of the body changes before it is looked at. */
  | { do: 'flip-bit' }
  /** Done, but the connection is reset before the answer. */
  | { do: 'lose-answer' }
  /** Not done: status 200, and an <Error> in the body (as Complete may answer after its headers are out). */
  | { do: 'late-error'; code?: string }

export type Fault = Trouble & { on?: Operation | undefined; after?: number; times?: number }

/** Picks the fault for each request, if there is one. */
export class FaultPlan {
  readonly #faults: { fault: Fault; seen: number; left: number }[] = []

  constructor(faults: readonly Fault[] = []) {
    this.add(...faults)
  }

  add(...faults: Fault[]): void {
    for (const fault of faults) {
      this.#faults.push({ fault, seen: 0, left: fault.times ?? 1 })
    }
  }

  clear(): void {
    this.#faults.length = 0
  }

  next(operation: Operation): Fault | undefined {
    let picked: Fault | undefined
    for (const entry of this.#faults) {
      if (entry.fault.on !== undefined && entry.fault.on !== operation) continue
      entry.seen++
      if (picked || entry.left === 0 || entry.seen <= (entry.fault.after ?? 0)) continue
      entry.left--
      picked = entry.fault
    }
    return picked
  }
}
