/** Makes the context of a component: the edge's clock, log, meters, budget and directories, cut to it. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { BATCH_COST } from '../batch/batch.ts'
import { Budget, Lease } from '../batch/lease.ts'
import type { Clock, Context, Telemetry } from '../component/context.ts'
import type { Log } from './log.ts'
import type { Labels, MeterStore } from './meters.ts'
import type { RejectStore } from './rejects.ts'

/** What all components of an edge share. */
export interface Surroundings {
  readonly clock: Clock
  readonly log: Log
  readonly meters: MeterStore
  readonly rejects: Pick<RejectStore, 'add'>
  readonly telemetry: Telemetry
  readonly dataDir: string
}

/** What one component has for itself. */
export interface Own {
  readonly kind: 'source' | 'transform' | 'sink'
  readonly id: string
  /** Bytes that it may hold in flight; Infinity for what takes no leases. */
  readonly budget: number
  readonly signal: AbortSignal
  readonly onReady?: (what: string | undefined) => void
  readonly onHealth?: (ok: boolean, why: string | undefined) => void
}

export function contextOf(around: Surroundings, labels: Labels, own: Own): Context {
  const { clock, meters } = around
  const budget = new Budget(own.budget)
  const log = around.log.for(own.id)
  let directory: string | undefined
  const discarded = (reason: string, events: number, intentional: boolean) => {
    const more = { ...labels, reason, intentional: String(intentional) }
    meters.add('component_discarded_events_total', more, events)
  }
  return {
    id: own.id,
    clock,
    log,
    budget,
    signal: own.signal,
    telemetry: around.telemetry,
    get directory() {
      if (directory === undefined) {
        directory = join(around.dataDir, `${own.kind}s`, own.id)
        mkdirSync(directory, { recursive: true, mode: 0o700 })
      }
      return directory
    },
    meters: {
      discarded,
      error(code, count = 1) {
        meters.add('component_errors_total', { ...labels, error_code: code }, count)
      },
      add: (name, amount, more) => meters.add(name, { ...labels, ...more }, amount),
      set: (name, value, more) => meters.set(name, { ...labels, ...more }, value),
    },
    lease(bytes, onSettled) {
      const start = clock.monotonic()
      return new Lease(budget, bytes + BATCH_COST, outcome => {
        const seconds = (clock.monotonic() - start) / 1000
        meters.observe('component_latency_seconds', labels, seconds)
        onSettled?.(outcome)
      })
    },
    reject(reject) {
      const { reason, events = 1 } = reject
      meters.add('component_rejected_events_total', { ...labels, reason }, events)
      // A source never had it as an event, and a sink says by its receipt that it ended there.
      if (own.kind === 'transform') discarded(reason, events, false)
      around.rejects.add(own.id, reject)
      log.warn(`rejected input: ${reason}`, {
        explanation: reject.explanation,
        ...(reject.origin.peer !== undefined && { peer: reject.origin.peer }),
      })
    },
    ready(what) {
      log.info(what === undefined ? 'ready' : `ready on ${what}`)
      own.onReady?.(what)
    },
    healthy(ok, why) {
      meters.set('component_healthy', labels, ok ? 1 : 0)
      own.onHealth?.(ok, why)
    },
  }
}
