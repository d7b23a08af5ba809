/**
 * A plan: what a configuration comes to once it has been read, checked and put in order. The config
 * room makes plans, the pipeline runs them, and neither knows the other.
 */
import type { JsonObject } from '../record/json.ts'
import type { Address } from './address.ts'
import type { Sink, Source, Transform } from './define.ts'
import type { Secret } from './options.ts'

/** What a component reads: another component, or one named output of it. */
export interface InputRef {
  readonly id: string
  readonly output?: string
}

export interface PlannedSource {
  readonly id: string
  /**
   * Changes when the component's own declaration does (type and options after interpolation, secrets
   * included, as a SHA-256 in hex; a source's buffer and a sink's queue too; inputs not). A reload
   * keeps running what has the same.
   */
  readonly signature: string
  readonly component: Source
  /** As `component.options` gives them; only `component.create` knows their shape. */
  readonly options: unknown
  /** Bytes that it may hold in flight. */
  readonly buffer: number
}

export interface PlannedTransform {
  readonly id: string
  /** See PlannedSource. */
  readonly signature: string
  readonly component: Transform
  readonly options: unknown
  readonly inputs: readonly InputRef[]
  /** Named outputs; empty when it has the single, unnamed one. */
  readonly outputs: readonly string[]
}

export type WhenFull = 'block' | 'drop_oldest' | 'drop_newest'

export interface PlannedQueue {
  readonly type: 'memory'
  readonly maxBytes: number
  readonly whenFull: WhenFull
}

export interface PlannedSink {
  readonly id: string
  /** See PlannedSource. */
  readonly signature: string
  readonly component: Sink
  readonly options: unknown
  readonly inputs: readonly InputRef[]
  readonly queue: PlannedQueue
}

/** One step of a test: records handed to a component's input, then time that passes. */
export interface PlannedInsert {
  /** A source (its records leave it) or a transform (its records enter it). */
  readonly at: string
  readonly events: readonly JsonObject[]
  /** Each event's line as written, when it was written as text. */
  readonly lines: readonly string[]
}

/** What must have come out of a component when the test ends. */
export interface PlannedExpectation {
  readonly at: InputRef
  /** Exactly these records in this order; `count` and `none` when only their number matters. */
  readonly events?: readonly JsonObject[]
  readonly count?: number
  readonly none?: true
  /** Where it stands in the file, for the report. */
  readonly line: number
  readonly column: number
}

export interface PlannedTest {
  readonly name: string
  readonly inserts: readonly PlannedInsert[]
  /** Milliseconds that pass, on a virtual clock, after the inserts. 0 if none. */
  readonly advance: number
  readonly expectations: readonly PlannedExpectation[]
  readonly line: number
}

export interface PlannedLog {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** `auto` is text on a terminal and JSON elsewhere. */
  readonly format: 'json' | 'text' | 'auto'
}

export interface PlannedApi {
  /** Undefined when `listen: false`. */
  readonly listen: Address | undefined
  readonly token: Secret | undefined
}

export interface PlannedTelemetry {
  readonly statsd: Address
  readonly prefix: string
  /** Milliseconds between reports. */
  readonly interval: number
  readonly tags: Readonly<Record<string, string>>
}

export interface Plan {
  /** The file that it came from, as given; `-` for standard input. */
  readonly file: string
  readonly dataDir: string
  /** Bytes that all sources and queues share. */
  readonly memory: number
  /** Milliseconds that a stopping edge waits for its sinks. */
  readonly drainTimeout: number
  readonly log: PlannedLog
  readonly api: PlannedApi
  readonly telemetry: PlannedTelemetry | undefined
  readonly rejects: { readonly maxBytes: number }
  readonly sources: readonly PlannedSource[]
  /** In topological order: every transform stands after all that it reads. */
  readonly transforms: readonly PlannedTransform[]
  readonly sinks: readonly PlannedSink[]
  readonly tests: readonly PlannedTest[]
}
