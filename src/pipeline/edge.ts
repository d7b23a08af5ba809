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
import {
  type Kind,
  keeps,
  kept,
  labelsOf,
  receiversOf,
  type Stages,
  sourcesOf,
  without,
} from './graph.ts'
import type { Junction } from './junction.ts'
import type { Log } from './log.ts'
import { MeterStore } from './meters.ts'
import { RejectStore } from './rejects.ts'
import { type Health, SinkStage, SourceStage, TransformStage } from './stage.ts'

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

type Stage = SourceStage | TransformStage | SinkStage
type Listener = Parameters<Junction['tap']>[0]

export class Edge {
  readonly meters = new MeterStore()
  readonly startedAt: number
  #plan: Plan
  readonly #options: EdgeOptions
  readonly #around: Surroundings
  readonly #rejects: RejectStore
  readonly #taps = new Set<{ id: string; listener: Listener; end: (() => void) | undefined }>()
  #stages: Stages = { sources: new Map(), transforms: new Map(), sinks: new Map() }
  #running = false
  #starting: Promise<void> | undefined
  #reloading: Promise<void> | undefined
  /** Makes the build that is under way fail. */
  #failBuild: ((error: Error) => void) | undefined
  /** Aborted when the edge is to stop: nothing waits for a start any more. */
  readonly #stopping = new AbortController()

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
    this.#rejects = new RejectStore(
      join(options.plan.dataDir, 'rejected'),
      options.plan.rejects.maxBytes,
      options.clock,
    )
    this.#around = {
      clock: options.clock,
      log: options.log,
      meters: this.meters,
      rejects: this.#rejects,
      telemetry,
      dataDir: options.plan.dataDir,
    }
  }

  get plan(): Plan {
    return this.#plan
  }

  /** Health by sink; one that never said anything is not in it. */
  get health(): ReadonlyMap<string, Health> {
    const said = new Map<string, Health>()
    for (const [id, { health }] of this.#stages.sinks) if (health) said.set(id, health)
    return said
  }

  /** Starts everything. Throws the first failure, with everything closed again. */
  start(): Promise<void> {
    this.#starting = this.#start()
    return this.#starting
  }

  /**
   * Goes over to another plan without losing or doubling an event. Throws, and leaves the old plan
   * running, when a new component cannot be started.
   */
  async reload(plan: Plan): Promise<void> {
    if (this.#stopping.signal.aborted) throw new Error('the edge is stopping')
    if (!this.#running) throw new Error('the edge has not started yet; try again when it has')
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

  /**
   * Ends in order: sources, transforms, sinks, within the plan's drain timeout. Sources have half of
   * it, so that one which never ends does not take the others' time to deliver. May be called while
   * the edge is starting, which then fails.
   */
  async drain(): Promise<DrainResult> {
    this.#stopping.abort()
    await this.#starting?.catch(() => {})
    await this.#reloading?.catch(() => {})
    const { sources, transforms, sinks } = this.#stages
    const { clock, log } = this.#options
    const limit = this.#plan.drainTimeout
    const began = clock.monotonic()
    await this.#end(sources.values(), limit / 2, id =>
      log.for(id).warn('did not end in time and was closed', { limit_ms: limit / 2 }),
    )
    for (const { id } of this.#plan.transforms) transforms.get(id)?.complete()
    for (const sink of sinks.values()) sink.complete()
    const ends = [...sinks.values()].map(sink => sink.ended)
    await this.#within(Promise.all(ends), limit - (clock.monotonic() - began))
    const left = await this.#kill(this.#stages)
    return { left }
  }

  /**
   * Listens to what leaves a component (or, for a sink, arrives), also when a reload puts another in
   * its place. Undefined if there is none.
   */
  tap(id: string, listener: Listener): (() => void) | undefined {
    const tap = { id, listener, end: this.#listen(id, listener) }
    if (!tap.end) return undefined
    this.#taps.add(tap)
    return () => {
      this.#taps.delete(tap)
      tap.end?.()
    }
  }

  /** Brings the gauges up to date that are only looked at when someone asks. */
  measure(): void {
    const { meters } = this
    for (const { budget, labels } of this.#stages.sources.values()) {
      meters.set('buffer_size_bytes', labels, budget.used)
      meters.set('buffer_max_size_bytes', labels, budget.limit)
    }
    for (const { queue, planned, labels } of this.#stages.sinks.values()) {
      meters.set('buffer_size_bytes', labels, queue.bytes)
      meters.set('buffer_size_events', labels, queue.events)
      meters.set('buffer_max_size_bytes', labels, planned.queue.maxBytes)
    }
    const usage = process.cpuUsage()
    meters.set('process_resident_memory_bytes', {}, process.memoryUsage.rss())
    meters.total('process_cpu_seconds_total', {}, (usage.user + usage.system) / 1e6)
    meters.set('uptime_seconds', {}, (this.#options.clock.monotonic() - this.startedAt) / 1000)
  }

  async #start(): Promise<void> {
    const { stages, failure } = await this.#build(this.#plan, this.#stages)
    this.#stages = stages
    this.#running = failure === undefined
    if (failure === undefined) return
    await this.#kill(stages)
    throw failure
  }

  /**
   * Makes the stages of a plan that `running` does not have, connects them and starts them. A sink
   * that could get in the way of one that is to leave, for it has its state or its kind, only takes
   * in events until that one has ended and someone opens it.
   */
  async #build(plan: Plan, running: Stages): Promise<{ stages: Stages; failure?: unknown }> {
    const stages: Stages = { sources: new Map(), transforms: new Map(), sinks: new Map() }
    const leaving = [...running.sinks.values()].filter(({ planned }) => !keeps(plan.sinks, planned))
    const stopping = this.#stopping.signal
    const failed = new Promise<never>((_resolve, reject) => {
      this.#failBuild = reject
      const stop = () => reject(new Error('the edge was told to stop'))
      if (stopping.aborted) stop()
      else stopping.addEventListener('abort', stop, { once: true })
    })
    failed.catch(() => {})
    try {
      for (const planned of plan.sinks) {
        const { id, component } = planned
        const stage = kept(running.sinks, planned) ?? this.#sink(planned)
        stages.sinks.set(id, stage)
        const inTheWay = leaving.some(
          other => other.planned.id === id || other.planned.component.name === component.name,
        )
        if (!inTheWay) stage.open()
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
      for (const [id, sink] of stages.sinks) sink.readsFrom(budgetsAbove(id, plan, stages))
      for (const source of stages.sources.values()) source.open()
      const ready = Promise.all([...stages.sources.values()].map(source => source.ready))
      await Promise.race([ready, failed])
      return { stages }
    } catch (failure) {
      return { stages, failure }
    } finally {
      this.#failBuild = undefined
    }
  }

  async #replace(plan: Plan): Promise<void> {
    const old = this.#stages
    const oldPlan = this.#plan
    const leaving = [...old.sources.values()].filter(stage => !keeps(plan.sources, stage.planned))
    await this.#end(leaving, oldPlan.drainTimeout)
    for (const source of leaving) old.sources.delete(source.planned.id)
    const { stages, failure } = await this.#build(plan, old)
    if (failure !== undefined) {
      await this.#goBack(without(stages, old), old, oldPlan)
      throw failure
    }
    // From here to the end of the connects nothing else runs: the swap lies between two batches.
    this.#connect(plan, stages)
    const gone = without(old, stages)
    for (const { id } of oldPlan.transforms) gone.transforms.get(id)?.complete()
    for (const sink of gone.sinks.values()) sink.complete()
    const ends = [...gone.sinks.values()].map(sink => sink.ended)
    await this.#within(Promise.all(ends), oldPlan.drainTimeout)
    for (const [id, sink] of gone.sinks) {
      const heir = stages.sinks.get(id)
      if (heir && !heir.opened) sink.killInFavourOf(heir)
    }
    await this.#kill(gone)
    for (const sink of stages.sinks.values()) sink.open()
    this.#forget([...leaving, ...gone.transforms.values(), ...gone.sinks.values()])
  }

  /** Undoes a reload: closes what was new, and starts again what had to leave first. */
  async #goBack(fresh: Stages, old: Stages, plan: Plan): Promise<void> {
    for (const source of fresh.sources.values()) source.kill()
    for (const [id, sink] of fresh.sinks) {
      const before = old.sinks.get(id)
      if (before) sink.killInFavourOf(before)
    }
    await this.#kill(fresh)
    if (this.#stopping.signal.aborted) return
    const back = await this.#build(plan, old)
    this.#connect(plan, back.stages)
    if (back.failure !== undefined && !this.#stopping.signal.aborted) {
      this.#fail('reload', back.failure)
    }
  }

  /** Makes a plan and its stages the ones that run, every junction and tap between two batches. */
  #connect(plan: Plan, stages: Stages): void {
    const receivers = receiversOf(plan, stages)
    for (const [id, stage] of stages.sources) stage.output.connect(receivers(id))
    for (const [id, stage] of stages.transforms) stage.output.connect(receivers(id))
    for (const [id, sink] of stages.sinks) sink.readsFrom(budgetsAbove(id, plan, stages))
    for (const planned of plan.sources) stages.sources.get(planned.id)?.adopt(planned)
    for (const planned of plan.sinks) stages.sinks.get(planned.id)?.adopt(planned)
    this.#stages = stages
    this.#plan = plan
    for (const tap of this.#taps) {
      tap.end?.()
      tap.end = this.#listen(tap.id, tap.listener)
    }
  }

  #listen(id: string, listener: Listener): (() => void) | undefined {
    const { sources, transforms, sinks } = this.#stages
    const stage = sources.get(id) ?? transforms.get(id)
    return stage ? stage.output.tap(listener) : sinks.get(id)?.tap(listener)
  }

  /** Forgets the numbers of stages that are gone, unless others go on with them. */
  #forget(gone: readonly Stage[]): void {
    const { sources, transforms, sinks } = this.#stages
    for (const { planned, labels } of gone) {
      const { id } = planned
      const now = sources.get(id) ?? transforms.get(id) ?? sinks.get(id)
      const same =
        now?.labels['component_kind'] === labels['component_kind'] &&
        now?.labels['component_type'] === labels['component_type']
      if (!same) this.meters.forget(labels)
    }
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
    const onFailure = (error: unknown) => this.#failed(stage, error)
    const stage: SourceStage = new SourceStage(planned, {
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
    const said: { health?: Health } = {}
    const context = this.#context('sink', planned.id, labels, (ok, why) => {
      said.health = { ok, ...(why !== undefined && { why }) }
    })
    const onFailure = (error: unknown) => this.#failed(stage, error)
    const stage: SinkStage = new SinkStage(planned, {
      context,
      meters: this.meters,
      labels,
      said,
      onFailure,
    })
    return stage
  }

  #context(
    kind: Kind,
    id: string,
    labels: Record<string, string>,
    onHealth?: (ok: boolean, why: string | undefined) => void,
  ): Context {
    return contextOf(this.#around, labels, {
      kind,
      id,
      budget: Number.POSITIVE_INFINITY,
      signal: new AbortController().signal,
      ...(onHealth && { onHealth }),
    })
  }

  /** A source or sink has failed for good: with it the edge, or the start or reload that made it. */
  #failed(stage: SourceStage | SinkStage, error: unknown): void {
    const { id } = stage.planned
    const why = error instanceof Error ? error.message : String(error)
    const { sources, sinks } = this.#stages
    if (sources.get(id) === stage || sinks.get(id) === stage) this.#fail(id, error)
    else if (this.#failBuild) this.#failBuild(new Error(`${id}: ${why}`, { cause: error }))
    else this.#options.log.for(id).error(`failed while it was being replaced: ${why}`)
  }

  #fail(id: string, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error)
    this.#options.log.for(id).error(`failed and cannot go on: ${why}`)
    this.#options.onFailure(new Error(`${id}: ${why}`, { cause: error }))
  }

  /** Ends sources in order; those that have not ended after a limit in milliseconds are closed. */
  async #end(
    sources: Iterable<SourceStage>,
    limit: number,
    late: (id: string) => void = () => {},
  ): Promise<void> {
    const ending = new Map<SourceStage, Promise<unknown>>()
    for (const source of sources) {
      source.stop()
      ending.set(
        source,
        source.ended.then(() => ending.delete(source)),
      )
    }
    await this.#within(Promise.all(ending.values()), limit)
    for (const source of [...ending.keys()]) {
      late(source.planned.id)
      source.kill()
    }
  }

  async #kill(stages: Stages): Promise<number> {
    for (const source of stages.sources.values()) source.kill()
    for (const transform of stages.transforms.values()) transform.kill()
    let left = 0
    for (const [id, sink] of stages.sinks) {
      const events = sink.kill()
      left += events
      if (events > 0) {
        this.#options.log.for(id).warn('closed with events that had no receipt', { events })
      }
    }
    await this.#rejects.flush()
    return left
  }

  /** Waits for work, but no longer than a limit in milliseconds. */
  #within(work: Promise<unknown>, limit: number): Promise<unknown> {
    let cancel = () => {}
    const late = new Promise(resolve => {
      cancel = this.#options.clock.after(Math.max(limit, 0), () => resolve(undefined))
    })
    return Promise.race([work, late]).finally(() => cancel())
  }
}

/** The budgets of all sources that a sink reads, directly or through transforms. */
function budgetsAbove(id: string, plan: Plan, { sources }: Stages): Context['budget'][] {
  return sourcesOf(plan, id)
    .map(source => sources.get(source)?.budget)
    .filter(budget => budget !== undefined)
}
