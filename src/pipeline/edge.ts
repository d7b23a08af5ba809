/**
 * The edge: the life of a running plan. Starts it, replaces it while it runs, drains it and stops it.
 *
 *   start    sinks and transforms first, sources last: nothing arrives before it can be delivered
 *   reload   what has not changed stays as it is, with its sockets and its state; the rest is made
 *            anew beside it and put in its place between two batches; a failure leaves the old one
 *   drain    sources end, then transforms flush in order, then sinks, within the time limit
 */

import { join } from 'node:path'
import type { Clock, Context, Telemetry } from '../component/context.ts'
import type { Plan, PlannedSink, PlannedSource, PlannedTransform } from '../component/plan.ts'
import { contextOf, type Surroundings } from './context.ts'
import { type Kind, keeps, kept, labelsOf, receiversOf, type Stages, without } from './graph.ts'
import type { Junction } from './junction.ts'
import type { Log } from './log.ts'
import { MeterStore } from './meters.ts'
import { RejectStore } from './rejects.ts'
import { SinkStage, SourceStage, TransformStage } from './stage.ts'

export interface EdgeOptions {
  readonly plan: Plan
  readonly clock: Clock
  readonly log: Log
  /** A component failed for good after the start: the edge cannot do its work any more. */
  readonly onFailure: (error: Error) => void
}

/** What the drain could and could not finish. */
export interface DrainResult {
  /** Events without a receipt when the time was up. */
  readonly left: number
}

/** The health of one component that has said something about it. */
export interface Health {
  readonly ok: boolean
  readonly why?: string
}

export class Edge {
  readonly meters = new MeterStore()
  readonly startedAt: number
  #plan: Plan
  readonly #options: EdgeOptions
  readonly #around: Surroundings
  readonly #budgets = new Map<string, Context['budget']>()
  readonly #health = new Map<string, Health>()
  #stages: Stages = { sources: new Map(), transforms: new Map(), sinks: new Map() }
  #reloading: Promise<void> | undefined

  constructor(options: EdgeOptions) {
    this.#plan = options.plan
    this.#options = options
    this.startedAt = options.clock.monotonic()
    const telemetry: Telemetry = {
      metrics: () => {
        this.measure()
        return this.meters.records(options.clock.now() / 1000)
      },
      onLog: listener => options.log.onRecord(listener),
    }
    this.#around = {
      clock: options.clock,
      log: options.log,
      meters: this.meters,
      rejects: new RejectStore(
        join(options.plan.dataDir, 'rejected'),
        options.plan.rejects.maxBytes,
        options.clock,
      ),
      telemetry,
      dataDir: options.plan.dataDir,
    }
  }

  get plan(): Plan {
    return this.#plan
  }

  /** Health by component; a component that never said anything is not in it. */
  get health(): ReadonlyMap<string, Health> {
    return this.#health
  }

  /** Starts everything. Throws the first failure, with everything closed again. */
  async start(): Promise<void> {
    const { stages, failure } = await this.#build(this.#plan, this.#stages)
    this.#stages = stages
    if (failure === undefined) return
    await this.#kill(stages)
    throw failure
  }

  /**
   * Goes over to another plan without losing or doubling an event. Throws, and leaves the old plan
   * running, when a new component cannot be started.
   */
  async reload(plan: Plan): Promise<void> {
    if (this.#reloading) throw new Error('a reload is under way; try again when it has ended')
    this.#reloading = this.#replace(plan)
    try {
      await this.#reloading
    } finally {
      this.#reloading = undefined
    }
  }

  /** Resolves when every source has ended by itself, as standard input does. */
  async finished(): Promise<void> {
    let sources: SourceStage[]
    do {
      sources = [...this.#stages.sources.values()]
      await Promise.all(sources.map(source => source.ended))
      await this.#reloading?.catch(() => {})
    } while ([...this.#stages.sources.values()].some(source => !sources.includes(source)))
  }

  /** Ends in order: sources, transforms, sinks, within the plan's drain timeout. */
  async drain(): Promise<DrainResult> {
    await this.#reloading?.catch(() => {})
    const { sources, transforms, sinks } = this.#stages
    const work = async () => {
      for (const source of sources.values()) source.stop()
      await Promise.all([...sources.values()].map(source => source.ended))
      for (const { id } of this.#plan.transforms) transforms.get(id)?.complete()
      for (const sink of sinks.values()) sink.complete()
      await Promise.all([...sinks.values()].map(sink => sink.ended))
    }
    await this.#within(work(), this.#plan.drainTimeout)
    const left = await this.#kill(this.#stages)
    return { left }
  }

  /** Listens to what leaves a component (or, for a sink, arrives). Undefined if there is none. */
  tap(id: string, listener: Parameters<Junction['tap']>[0]): (() => void) | undefined {
    const { sources, transforms, sinks } = this.#stages
    const stage = sources.get(id) ?? transforms.get(id)
    return stage ? stage.output.tap(listener) : sinks.get(id)?.tap(listener)
  }

  /** Brings the gauges up to date that are only looked at when someone asks. */
  measure(): void {
    const { meters } = this
    for (const { id, component } of this.#plan.sources) {
      const budget = this.#budgets.get(id)
      if (!budget) continue
      const labels = labelsOf('source', id, component.name)
      meters.set('buffer_size_bytes', labels, budget.used)
      meters.set('buffer_max_size_bytes', labels, budget.limit)
    }
    for (const { id, component, queue } of this.#plan.sinks) {
      const labels = labelsOf('sink', id, component.name)
      const stage = this.#stages.sinks.get(id)
      meters.set('buffer_size_bytes', labels, stage?.queue.bytes ?? 0)
      meters.set('buffer_size_events', labels, stage?.queue.events ?? 0)
      meters.set('buffer_max_size_bytes', labels, queue.maxBytes)
    }
    const usage = process.cpuUsage()
    meters.set('process_resident_memory_bytes', {}, process.memoryUsage.rss())
    meters.total('process_cpu_seconds_total', {}, (usage.user + usage.system) / 1e6)
    meters.set('uptime_seconds', {}, (this.#options.clock.monotonic() - this.startedAt) / 1000)
  }

  /** Makes the stages of a plan that `running` does not have, and connects all of them. */
  async #build(plan: Plan, running: Stages): Promise<{ stages: Stages; failure?: unknown }> {
    const stages: Stages = { sources: new Map(), transforms: new Map(), sinks: new Map() }
    try {
      for (const planned of plan.sinks) {
        stages.sinks.set(planned.id, kept(running.sinks, planned) ?? this.#sink(planned))
      }
      for (const planned of plan.transforms) {
        stages.transforms.set(
          planned.id,
          kept(running.transforms, planned) ?? this.#transform(planned),
        )
      }
      const receivers = receiversOf(plan, stages)
      for (const [id, stage] of stages.transforms) {
        if (running.transforms.get(id) !== stage) stage.output.connect(receivers(id))
      }
      for (const planned of plan.sources) {
        const stage = kept(running.sources, planned) ?? this.#source(planned)
        stages.sources.set(planned.id, stage)
        if (running.sources.get(planned.id) !== stage) stage.output.connect(receivers(planned.id))
      }
      for (const source of stages.sources.values()) source.open()
      await Promise.all([...stages.sources.values()].map(source => source.ready))
      return { stages }
    } catch (failure) {
      return { stages, failure }
    }
  }

  async #replace(plan: Plan): Promise<void> {
    const old = this.#stages
    const oldPlan = this.#plan
    const leaving = [...old.sources.values()].filter(stage => !keeps(plan.sources, stage.planned))
    for (const source of leaving) source.stop()
    await this.#within(Promise.all(leaving.map(source => source.ended)), oldPlan.drainTimeout)
    for (const source of leaving) {
      source.kill()
      old.sources.delete(source.planned.id)
    }
    const { stages, failure } = await this.#build(plan, old)
    if (failure !== undefined) {
      await this.#kill(without(stages, old))
      const back = await this.#build(oldPlan, old)
      this.#stages = back.stages
      if (back.failure !== undefined) this.#fail('reload', back.failure)
      throw failure
    }
    // From here to the end of the connects nothing else runs: the swap lies between two batches.
    const receivers = receiversOf(plan, stages)
    for (const [id, stage] of stages.sources) stage.output.connect(receivers(id))
    for (const [id, stage] of stages.transforms) {
      if (old.transforms.get(id) === stage) stage.output.connect(receivers(id))
    }
    this.#stages = stages
    this.#plan = plan
    const gone = without(old, stages)
    for (const { id } of oldPlan.transforms) gone.transforms.get(id)?.complete()
    for (const sink of gone.sinks.values()) sink.complete()
    const ends = [...gone.sinks.values()].map(sink => sink.ended)
    await this.#within(Promise.all(ends), oldPlan.drainTimeout)
    await this.#kill({ ...gone, sources: new Map() })
  }

  #source(planned: PlannedSource): SourceStage {
    const labels = labelsOf('source', planned.id, planned.component.name)
    const abort = new AbortController()
    const context = contextOf(this.#around, labels, {
      kind: 'source',
      id: planned.id,
      budget: planned.buffer,
      signal: abort.signal,
      onReady: () => stage.nowReady(),
    })
    this.#budgets.set(planned.id, context.budget)
    const onFailure = (error: unknown) => this.#fail(planned.id, error)
    const stage = new SourceStage(planned, {
      context,
      meters: this.meters,
      labels,
      abort,
      onFailure,
    })
    return stage
  }

  #transform(planned: PlannedTransform): TransformStage {
    const labels = labelsOf('transform', planned.id, planned.component.name)
    const context = this.#context('transform', planned.id, labels)
    return new TransformStage(planned, { context, meters: this.meters, labels })
  }

  #sink(planned: PlannedSink): SinkStage {
    const labels = labelsOf('sink', planned.id, planned.component.name)
    const context = this.#context('sink', planned.id, labels)
    const parts = { context, meters: this.meters, labels }
    return new SinkStage(planned, parts, error => this.#fail(planned.id, error))
  }

  #context(kind: Kind, id: string, labels: Record<string, string>): Context {
    return contextOf(this.#around, labels, {
      kind,
      id,
      budget: Number.POSITIVE_INFINITY,
      signal: new AbortController().signal,
      onHealth: (ok, why) => {
        this.#health.set(id, { ok, ...(why !== undefined && { why }) })
      },
    })
  }

  #fail(id: string, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error)
    this.#options.log.for(id).error(`failed and cannot go on: ${why}`)
    this.#options.onFailure(new Error(`${id}: ${why}`, { cause: error }))
  }

  async #kill(stages: Stages): Promise<number> {
    for (const source of stages.sources.values()) source.kill()
    let left = 0
    for (const [id, sink] of stages.sinks) {
      const events = sink.kill()
      left += events
      if (events > 0) {
        this.#options.log.for(id).warn('closed with events that had no receipt', { events })
      }
    }
    await this.#around.rejects.flush()
    return left
  }

  /** Waits for work, but no longer than a limit in milliseconds. */
  #within(work: Promise<unknown>, limit: number): Promise<unknown> {
    let cancel = () => {}
    const late = new Promise(resolve => {
      cancel = this.#options.clock.after(limit, () => resolve(undefined))
    })
    return Promise.race([work, late]).finally(() => cancel())
  }
}
