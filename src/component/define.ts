/**
 * The component contract. A source, transform or sink is one declaration: its name, its options with
 * their words, its examples, and how it is made. Validation, `scope describe`, the JSON Schema and
 * the documentation pages are all derived from it.
 */
import type { Observable, OperatorFunction } from 'rxjs'
import type { z } from 'zod'
import type { Batch } from '../batch/batch.ts'
import type { Receipt } from '../batch/receipt.ts'
import type { Address } from './address.ts'
import type { Context } from './context.ts'

/** An options schema: a strict zod object, each field with `.describe(…)` and `.meta({ examples })`. */
export type OptionsSchema = z.ZodObject

export interface Example {
  /** What it shows, as a heading. */
  readonly title: string
  /** The component's own options in YAML, without its name: `type: …` first. Validated by a test. */
  readonly yaml: string
}

interface Declaration<Schema extends OptionsSchema> {
  /** As written in `type:`; lower_snake_case. Sources and sinks are nouns, transforms verbs. */
  readonly name: string
  /** One sentence. */
  readonly summary: string
  /** What a user must know: delivery, loss, ordering, limits. Markdown. */
  readonly description: string
  readonly options: Schema
  readonly examples: readonly Example[]
  /** Addresses that it will listen on: two components with the same one are a config error. */
  listens?(options: z.output<Schema>): readonly Address[]
  /** Directories and files that it will write: unwritable ones are a config error. */
  writes?(options: z.output<Schema>): readonly string[]
}

export interface Source<Schema extends OptionsSchema = OptionsSchema> extends Declaration<Schema> {
  readonly kind: 'source'
  /**
   * Subscribing opens, unsubscribing closes at once, `context.signal` ends the stream in order.
   * An error ends the edge, so only what cannot be retried may be one.
   */
  create(options: z.output<Schema>, context: Context): Observable<Batch>
}

export interface Transform<Schema extends OptionsSchema = OptionsSchema>
  extends Declaration<Schema> {
  readonly kind: 'transform'
  /** Names of its outputs, if it has several; inputs then read `<id>.<output>`. */
  outputs?(options: z.output<Schema>): readonly string[]
  /** Synchronous, batch by batch. Flushes what it holds when its input completes. */
  create(options: z.output<Schema>, context: Context): OperatorFunction<Batch, Batch>
}

export interface Sink<Schema extends OptionsSchema = OptionsSchema> extends Declaration<Schema> {
  readonly kind: 'sink'
  /** Bytes it wants in flight without a receipt; the queue holds back the rest. Defaults to 1 MiB. */
  window?(options: z.output<Schema>): number
  /** One receipt for each batch, in any order. Completes when its input has and all is flushed. */
  create(
    options: z.output<Schema>,
    context: Context,
  ): (batches: Observable<Batch>) => Observable<Receipt>
}

export type Component = Source | Transform | Sink

/** Declares a source. */
export function defineSource<Schema extends OptionsSchema>(
  declaration: Omit<Source<Schema>, 'kind'>,
): Source<Schema> {
  return { ...declaration, kind: 'source' }
}

/** Declares a transform. */
export function defineTransform<Schema extends OptionsSchema>(
  declaration: Omit<Transform<Schema>, 'kind'>,
): Transform<Schema> {
  return { ...declaration, kind: 'transform' }
}

/** Declares a sink. */
export function defineSink<Schema extends OptionsSchema>(
  declaration: Omit<Sink<Schema>, 'kind'>,
): Sink<Schema> {
  return { ...declaration, kind: 'sink' }
}

/** The component lists that the cli hands to config and pipeline. */
export interface Catalogue {
  readonly sources: readonly Source[]
  readonly transforms: readonly Transform[]
  readonly sinks: readonly Sink[]
}
