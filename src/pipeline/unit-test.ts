/**
 * Runs the `tests` of a configuration: records are put in at a component, time passes on a virtual
 * clock, and what came out where is compared. Only transforms run; no socket is opened, no file is
 * written, and a test that needs ten seconds of windows takes none.
 */
import { isDeepStrictEqual } from 'node:util'
import { Batch } from '../batch/batch.ts'
import { Lease } from '../batch/lease.ts'
import type { InputRef, Plan, PlannedExpectation, PlannedTest } from '../component/plan.ts'
import { VirtualClock } from '../component/virtual-clock.ts'
import type { JsonObject } from '../record/json.ts'
import { contextOf, type Surroundings } from './context.ts'
import { labelsOf, receiversOf } from './graph.ts'
import type { Receiver } from './junction.ts'
import { Log } from './log.ts'
import { MeterStore } from './meters.ts'
import { TransformStage } from './stage.ts'

/** One expectation that was not met. */
export interface Mismatch {
  readonly expectation: PlannedExpectation
  /** What the component gave out instead. */
  readonly actual: readonly JsonObject[]
}

export interface TestResult {
  readonly test: PlannedTest
  readonly mismatches: readonly Mismatch[]
}

/**
 * Runs one test on transforms of its own.
 * @param directory where a transform that keeps state may put it; removed by the caller
 */
export function runTest(plan: Plan, test: PlannedTest, directory: string): TestResult {
  const clock = new VirtualClock()
  const stages = transformsOf(plan, clock, directory)
  const sinks = new Map<string, Recorder>(plan.sinks.map(({ id }) => [id, new Recorder()]))
  const receivers = receiversOf(plan, { transforms: stages, sinks })
  for (const [id, stage] of stages) stage.output.connect(receivers(id))

  const watched = new Map<string, Recorder>()
  for (const { at } of test.expectations) {
    const name = nameOf(at)
    if (watched.has(name)) continue
    const recorder = sinks.get(at.id) ?? new Recorder()
    watched.set(name, recorder)
    stages.get(at.id)?.output.tap(batch => {
      if (at.output === undefined || batch.output === at.output) recorder.keep(batch)
    })
  }

  for (const { at, lines } of test.inserts) {
    const stage = stages.get(at)
    const targets: Receiver[] = stage ? [stage] : [...(receivers(at).get('') ?? [])]
    for (const target of targets) {
      target.receive(Batch.ofLines(lines, { source: at, peer: test.name }, Lease.none()))
    }
  }
  clock.advance(test.advance)
  for (const { id } of plan.transforms) stages.get(id)?.complete()

  const mismatches: Mismatch[] = []
  for (const expectation of test.expectations) {
    const actual = watched.get(nameOf(expectation.at))?.records ?? []
    if (!meets(expectation, actual)) mismatches.push({ expectation, actual })
  }
  return { test, mismatches }
}

/** Keeps the records that reach it. */
class Recorder implements Receiver {
  readonly records: JsonObject[] = []

  receive(batch: Batch): void {
    this.keep(batch)
    batch.release('delivered')
  }

  keep(batch: Batch): void {
    for (let row = 0; row < batch.count; row++) this.records.push(batch.record(row))
  }
}

function transformsOf(
  plan: Plan,
  clock: VirtualClock,
  directory: string,
): Map<string, TransformStage> {
  const meters = new MeterStore()
  const around: Surroundings = {
    clock,
    meters,
    log: new Log({ level: 'error', format: 'json', write: () => {}, clock }),
    // The directory is gone before anything could be written; what is rejected is not kept.
    rejects: { add: () => {} },
    telemetry: { metrics: () => [], onLog: () => () => {} },
    dataDir: directory,
  }
  return new Map(
    plan.transforms.map(planned => {
      const labels = labelsOf('transform', planned.id, planned.component.name)
      const context = contextOf(around, labels, {
        kind: 'transform',
        id: planned.id,
        budget: Number.POSITIVE_INFINITY,
        signal: new AbortController().signal,
      })
      return [planned.id, new TransformStage(planned, { context, meters, labels })]
    }),
  )
}

function meets(expectation: PlannedExpectation, actual: readonly JsonObject[]): boolean {
  if (expectation.none) return actual.length === 0
  if (expectation.count !== undefined) return actual.length === expectation.count
  return isDeepStrictEqual(actual, expectation.events)
}

function nameOf(at: InputRef): string {
  return at.output === undefined ? at.id : `${at.id}.${at.output}`
}
