/**
 * All that a component may know of the world it runs in. Nothing in sources, transforms or sinks
 * touches the global clock, the console or the process: they ask here, and tests hand in their own.
 */

import type { Origin } from '../batch/batch.ts'
import type { Budget, Lease, Outcome } from '../batch/lease.ts'
import type { JsonObject } from '../record/json.ts'

/** Cancels a timer. Harmless when the timer has fired. */
export type Cancel = () => void

export interface Clock {
  /** Milliseconds since the epoch: for what is shown or stored, never for waiting. */
  now(): number
  /** Milliseconds on a clock that never jumps: for every wait and duration. */
  monotonic(): number
  /** Calls back once after a delay in milliseconds. */
  after(delay: number, callback: () => void): Cancel
  /** Calls back again and again, a period in milliseconds apart. Does not keep the process alive. */
  every(period: number, callback: () => void): Cancel
}

export interface Logger {
  /** What happened, to what, why, what to do; `facts` are fields of the log record. */
  debug(message: string, facts?: JsonObject): void
  info(message: string, facts?: JsonObject): void
  warn(message: string, facts?: JsonObject): void
  error(message: string, facts?: JsonObject): void
}

/** The component's own counters. Events in and out are counted by the pipeline, not here. */
export interface Meters {
  /**
   * Events that end here. `intentional` when a rule of the user's took them out (filtered, sampled),
   * not when they were lost (queue_full, rejected).
   */
  discarded(reason: string, events: number, intentional: boolean): void
  /** Something that went wrong, once per occurrence, by a short code. */
  error(code: string, count?: number): void
  /** Any other running total, such as `connections_total` or `bytes_sent_total`. */
  add(name: string, amount: number, labels?: Readonly<Record<string, string>>): void
  /** A value as it is now, such as `open_connections`. */
  set(name: string, value: number, labels?: Readonly<Record<string, string>>): void
}

/** Input that could not be taken: counted, explained, and kept where it can be looked at. */
export interface Reject {
  /** Short code for the counter: `invalid_json`, `line_too_long`, `invalid_utf8`, … */
  readonly reason: string
  /** One sentence for the person who looks. */
  readonly explanation: string
  /** The bytes, or the first part of them. */
  readonly bytes: Buffer
  /** Length of the whole, when `bytes` is only a part. */
  readonly length?: number
  readonly origin: Origin
  /** How many events it stands for. Defaults to 1. */
  readonly events?: number
}

export interface Context {
  /** The component's name in the configuration. */
  readonly id: string
  readonly clock: Clock
  readonly log: Logger
  readonly meters: Meters
  /** What a source may hold in flight. A transform or sink may look but not take. */
  readonly budget: Budget
  /** A private directory (0700) for this component's state: checkpoints, staging, journals. Exists. */
  readonly directory: string
  /** Aborted when the edge stops: a source ends its stream; sinks flush when theirs is complete. */
  readonly signal: AbortSignal
  /** The edge's own log and metrics as records, for the `internal` source. */
  readonly telemetry: Telemetry
  /** A lease on `budget` for a new batch. */
  lease(bytes: number, onSettled?: (outcome: Outcome) => void): Lease
  /** Hands over input that could not be taken, or events that no receiver will ever accept. */
  reject(reject: Reject): void
  /** A source or a listening sink says that it is ready to work, with what it is bound to. */
  ready(what?: string): void
  /** A sink says whether it can deliver at the moment; shown by /readyz and counted. */
  healthy(ok: boolean, why?: string): void
}

/** What the edge knows of itself. */
export interface Telemetry {
  /** All of the edge's metrics now, as metric records. */
  metrics(): JsonObject[]
  /** Subscribes to the edge's log records; the result ends the subscription. */
  onLog(listener: (record: JsonObject) => void): Cancel
}
