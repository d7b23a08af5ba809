/** A component context for tests: records what the component logs, counts and rejects. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Observable } from 'rxjs'
import { Batch, type Origin } from '../src/batch/batch.ts'
import { Budget, Lease, type Outcome } from '../src/batch/lease.ts'
import type { Clock, Context, Reject } from '../src/component/context.ts'
import { VirtualClock } from '../src/component/virtual-clock.ts'
import type { JsonObject } from '../src/record/json.ts'

export interface TestContext extends Context {
  readonly logged: { level: string; message: string; facts?: JsonObject | undefined }[]
  readonly discards: { reason: string; events: number; intentional: boolean }[]
  readonly errors: Map<string, number>
  readonly totals: Map<string, number>
  readonly rejects: Reject[]
  readonly bound: string[]
  readonly health: { ok: boolean; why?: string | undefined }[]
  /** Aborts `signal`, as the edge does when it stops. */
  stop(): void
  /** Removes the directory. */
  clean(): void
}

export interface TestContextOptions {
  id?: string
  clock?: Clock
  budget?: number
  directory?: string
}

export function testContext(options: TestContextOptions = {}): TestContext {
  const logged: TestContext['logged'] = []
  const discards: TestContext['discards'] = []
  const errors = new Map<string, number>()
  const totals = new Map<string, number>()
  const rejects: Reject[] = []
  const bound: string[] = []
  const health: TestContext['health'] = []
  const abort = new AbortController()
  const budget = new Budget(options.budget ?? 16 * 1024 * 1024)
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'scopeline-test-'))
  const write = (level: string) => (message: string, facts?: JsonObject) => {
    logged.push({ level, message, facts })
  }
  const key = (name: string, labels?: Readonly<Record<string, string>>) =>
    labels ? `${name}${JSON.stringify(labels)}` : name
  return {
    id: options.id ?? 'it',
    clock: options.clock ?? new VirtualClock(),
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    meters: {
      discarded: (reason, events, intentional) => discards.push({ reason, events, intentional }),
      error: (code, count = 1) => errors.set(code, (errors.get(code) ?? 0) + count),
      add: (name, amount, labels) =>
        totals.set(key(name, labels), (totals.get(key(name, labels)) ?? 0) + amount),
      set: (name, value, labels) => totals.set(key(name, labels), value),
    },
    budget,
    directory,
    signal: abort.signal,
    telemetry: { metrics: () => [], onLog: () => () => {} },
    lease: (bytes: number, onSettled?: (outcome: Outcome) => void) =>
      new Lease(budget, bytes, onSettled),
    reject: reject => rejects.push(reject),
    ready: what => bound.push(what ?? ''),
    healthy: (ok, why) => health.push({ ok, why }),
    logged,
    discards,
    errors,
    totals,
    rejects,
    bound,
    health,
    stop: () => abort.abort(),
    clean: () => rmSync(directory, { recursive: true, force: true }),
  }
}

/** A batch of records with a lease of its own; `outcomes` collects what became of it. */
export function batchOf(
  records: (JsonObject | string)[],
  outcomes?: Outcome[],
  origin: Origin = { source: 'test' },
): Batch {
  const lines = records.map(record =>
    typeof record === 'string' ? record : JSON.stringify(record),
  )
  const lease = new Lease(new Budget(Number.POSITIVE_INFINITY), 0, outcome =>
    outcomes?.push(outcome),
  )
  return Batch.ofLines(lines, origin, lease)
}

/** Keeps every value that an observable emits, and whether it has ended. */
export function collect<T>(observable: Observable<T>) {
  const result = {
    values: [] as T[],
    completed: false,
    error: undefined as unknown,
    stop: () => {},
  }
  const subscription = observable.subscribe({
    next: value => result.values.push(value),
    error: error => {
      result.error = error
    },
    complete: () => {
      result.completed = true
    },
  })
  result.stop = () => subscription.unsubscribe()
  return result
}

/** The records of batches, in order, as plain objects. */
export function recordsOf(batches: readonly Batch[]): JsonObject[] {
  return batches.flatMap(batch =>
    Array.from({ length: batch.count }, (_, row) => batch.record(row)),
  )
}

/** Waits until a condition holds; fails after a limit. For tests over real sockets and files only. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  what = 'the condition',
  limit = 10_000,
): Promise<void> {
  const end = performance.now() + limit
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`${what} did not come true within ${limit} ms`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
