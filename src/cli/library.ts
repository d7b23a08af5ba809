/** Where the library is, and how destinations on the command line become its settings. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { CommandError } from './io.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** The commented defaults that `scope extract` writes. */
export const DEFAULT_SETTINGS = join(ROOT, 'config/scope.yml')

/** @param directory where it is said to be, or undefined for the place that a build puts it at */
export function findLibrary(directory: string | undefined): string {
  const path = directory ? resolve(directory, 'libscope.so') : join(ROOT, 'build/libscope.so')
  if (existsSync(path)) return path
  throw new CommandError(
    directory
      ? `there is no libscope.so in ${directory}`
      : `the library is not built: ${path} is missing; build it with "make -C native libscope"`,
  )
}

export interface Destinations {
  cribldest?: string
  metricdest?: string
  eventdest?: string
  metricformat?: string
  metricprefix?: string
  nobreaker?: boolean
  authtoken?: string
}

/** AppScope's group of flags that say where events and metrics go. */
export function destinationOptions(command: Command): Command {
  return command
    .option('-c, --cribldest <dest>', 'send events and metrics to this edge')
    .option('-m, --metricdest <dest>', 'send metrics there')
    .option('-e, --eventdest <dest>', 'send events there')
    .option('--metricformat <format>', 'statsd or ndjson (default: ndjson)')
    .option('--metricprefix <prefix>', 'put before the names of StatsD metrics')
    .option('-n, --nobreaker', 'ask the receiver not to break lines')
    .option('-a, --authtoken <token>', 'token for the receiver')
}

/** The variables that say to the library what the flags say. */
export function destinationVariables(options: Destinations): Record<string, string> {
  if (options.cribldest && (options.metricdest || options.eventdest))
    throw new CommandError('--cribldest does not go with --metricdest or --eventdest', 2)
  if (options.metricformat && !['statsd', 'ndjson'].includes(options.metricformat))
    throw new CommandError(`--metricformat is statsd or ndjson, not "${options.metricformat}"`, 2)
  const variables: Record<string, string> = {}
  const set = (name: string, value: string | undefined) => {
    if (value !== undefined) variables[name] = value
  }
  if (options.cribldest) variables['SCOPE_CRIBL_ENABLE'] = 'true'
  set('SCOPE_CRIBL', destinationUrl(options.cribldest))
  set('SCOPE_METRIC_DEST', destinationUrl(options.metricdest))
  set('SCOPE_EVENT_DEST', destinationUrl(options.eventdest))
  set('SCOPE_METRIC_FORMAT', options.metricformat ?? (options.metricdest ? 'ndjson' : undefined))
  set('SCOPE_STATSD_PREFIX', options.metricprefix)
  set('SCOPE_CRIBL_NO_BREAKER', options.nobreaker ? 'true' : undefined)
  set('SCOPE_CRIBL_AUTHTOKEN', options.authtoken)
  return variables
}

/** A destination as the library reads it; a bare path is a file. */
export function destinationUrl(text: string | undefined): string | undefined {
  if (text === undefined || text === 'edge') return text
  if (/^(?:tcp|udp):\/\/.+:\w+$/.test(text) || /^unix:\/\/.+/.test(text)) return text
  if (/^file:\/\/.+/.test(text)) {
    const path = text.slice('file://'.length)
    return path === 'stdout' || path === 'stderr' ? text : `file://${resolve(path)}`
  }
  if (/^tls:\/\//.test(text) || /^[^/]+:\d+$/.test(text))
    throw new CommandError(
      `"${text}" means TLS, which the library does not have yet; without TLS write tcp://${text.replace(/^tls:\/\//, '')}`,
      2,
    )
  if (text.includes('://'))
    throw new CommandError(
      `"${text}" is no destination; write tcp://host:port, udp://host:port, unix:///path, file:///path, a path, or edge`,
      2,
    )
  return `file://${resolve(text)}`
}
