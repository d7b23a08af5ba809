/**
 * The live tap: shows people what passes a component, after redaction with every built-in pattern,
 * at a rate that a terminal can take. What is not shown is counted, and the pipeline never waits.
 */
import type { Batch } from '../batch/batch.ts'
import { allBuiltinPatterns } from '../codec/redaction/builtin.ts'
import { Redactor } from '../codec/redaction/redactor.ts'
import type { Cancel, Clock } from '../component/context.ts'
import type { Edge } from './edge.ts'

export interface TapOptions {
  /** Names of components; `*` stands for any run of characters. */
  readonly components: readonly string[]
  /** Most events shown in a second; the rest is counted as skipped. */
  readonly rate: number
  readonly clock: Clock
  /** Takes one line of NDJSON: `{component, event}` or `{component, skipped}`. */
  readonly show: (line: string) => void
}

/** Starts a tap. Returns its end, or undefined if no component has such a name. */
export function startTap(edge: Edge, options: TapOptions): Cancel | undefined {
  const { plan } = edge
  const ids = [...plan.sources, ...plan.transforms, ...plan.sinks].map(({ id }) => id)
  const patterns = options.components.map(globPattern)
  const chosen = ids.filter(id => patterns.some(pattern => pattern.test(id)))
  if (chosen.length === 0) return undefined

  const redactor = new Redactor(allBuiltinPatterns())
  const skipped = new Map<string, number>()
  let left = options.rate
  const listen = (component: string) => (batch: Batch) => {
    const shown = Math.min(left, batch.count)
    left -= shown
    for (let row = 0; row < shown; row++) {
      const event = redactor.redactLine(batch.text(row))
      options.show(`{"component":${JSON.stringify(component)},"event":${event}}\n`)
    }
    if (shown < batch.count) {
      skipped.set(component, (skipped.get(component) ?? 0) + batch.count - shown)
    }
  }
  const taps = chosen.map(id => edge.tap(id, listen(id)))
  const refill = options.clock.every(1000, () => {
    left = options.rate
    for (const [component, count] of skipped) {
      options.show(`${JSON.stringify({ component, skipped: count })}\n`)
    }
    skipped.clear()
  })
  return () => {
    refill()
    for (const end of taps) end?.()
  }
}

function globPattern(glob: string): RegExp {
  const escaped = glob.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')
  return new RegExp(`^${escaped}$`)
}
