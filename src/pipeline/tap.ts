/**
 * The live tap: shows people what passes a component, after redaction with every built-in pattern,
 * at a rate that a terminal can take. What is not shown is counted, and the pipeline never waits.
 */
import type { Batch } from '../batch/batch.ts'
import { allBuiltinPatterns } from '../codec/redaction/builtin.ts'
import { Redactor } from '../codec/redaction/redactor.ts'
import type { Cancel, Clock } from '../component/context.ts'
import type { Edge } from './edge.ts'

/** Most that is redacted and shown in a second, so that huge events do not take the pipeline's time. */
const BYTES_PER_SECOND = 4 * 1024 * 1024

export interface TapOptions {
  /** Names of components; `*` stands for any run of characters. */
  readonly components: readonly string[]
  /** Most events shown in a second; the rest is counted as skipped. */
  readonly rate: number
  readonly clock: Clock
  /**
   * Takes one line of NDJSON: `{component, event}` or `{component, skipped}`. False when the reader
   * cannot take it now: it is counted as skipped.
   */
  readonly show: (line: string) => boolean
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
  let bytesLeft = BYTES_PER_SECOND
  const listen = (component: string) => (batch: Batch) => {
    let shown = 0
    try {
      for (let row = 0; row < batch.count && left > 0 && bytesLeft > 0; row++) {
        const text = batch.text(row)
        left--
        bytesLeft -= text.length
        const event = harmless(redactor.redactLine(text))
        if (!options.show(`{"component":${JSON.stringify(component)},"event":${event}}\n`)) break
        shown++
      }
    } catch {
      // Whoever looks on must not hurt the pipeline; what could not be shown counts as skipped.
    }
    if (shown < batch.count) {
      skipped.set(component, (skipped.get(component) ?? 0) + batch.count - shown)
    }
  }
  const taps = chosen.map(id => edge.tap(id, listen(id)))
  const refill = options.clock.every(1000, () => {
    left = options.rate
    bytesLeft = BYTES_PER_SECOND
    for (const [component, count] of skipped) {
      if (!options.show(`${JSON.stringify({ component, skipped: count })}\n`)) break
      skipped.delete(component)
    }
  })
  return () => {
    refill()
    for (const end of taps) end?.()
  }
}

/** Control characters that JSON lets through as they are must not reach a terminal. */
function harmless(json: string): string {
  return json.replace(
    /[\u007f-\u009f]/g,
    char => `\\u00${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

function globPattern(glob: string): RegExp {
  const escaped = glob.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')
  return new RegExp(`^${escaped}$`)
}
