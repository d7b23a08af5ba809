/** What of the edge's own settings a reload takes over, and what only another start can. */
import { isDeepStrictEqual } from 'node:util'
import type { Plan } from '../component/plan.ts'
import type { LogOptions } from '../pipeline/log.ts'
import { CommandError, type Io } from './io.ts'

/** The level and format of the edge's log, where standard error goes. */
export function logSettings(plan: Plan, io: Io): Pick<LogOptions, 'level' | 'format'> {
  const { level, format } = plan.log
  return {
    level,
    format: format === 'auto' ? (io.terminal ? 'text' : 'json') : format,
  }
}

/**
 * Names the settings that stay as they were when the edge was started, although the file now says
 * otherwise. Throws CommandError where going on would leave state behind.
 */
export function leftBehind(started: Plan, next: Plan): string[] {
  if (next.dataDir !== started.dataDir) {
    throw new CommandError(
      `data_dir cannot change while the edge runs (${started.dataDir} to ${next.dataDir}): stop the edge and start it again`,
    )
  }
  const names: string[] = []
  if (!isDeepStrictEqual(next.api.listen, started.api.listen)) names.push('api.listen')
  if (next.api.token?.reveal() !== started.api.token?.reveal()) names.push('api.token')
  if (next.rejects.maxBytes !== started.rejects.maxBytes) names.push('rejects.max_bytes')
  return names
}
