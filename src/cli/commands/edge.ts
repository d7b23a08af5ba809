/** `scope edge [FILE]`: runs an edge until it is told to stop, or until its sources have ended. */

import { mkdirSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { Command } from 'commander'
import type { Logger } from '../../component/context.ts'
import type { Plan } from '../../component/plan.ts'
import { systemClock } from '../../component/system-clock.ts'
import { renderDiagnoses, renderDiagnosis } from '../../config/diagnose.ts'
import { Edge } from '../../pipeline/edge.ts'
import { Log } from '../../pipeline/log.ts'
import { startReport } from '../../pipeline/report.ts'
import { type RunningServer, startServer } from '../../web/server.ts'
import type { MakeCommand } from '../command.ts'
import { check, configFile, dataDirOf, readPlan } from '../configuration.ts'
import { bodyOf, callEdge, leaveContact, newToken } from '../control.ts'
import { lockDirectory } from '../instance-lock.ts'
import { CommandError, type Io } from '../io.ts'
import { leftBehind, logSettings } from '../settings.ts'
import { packageVersion } from './version.ts'

export const edgeCommand: MakeCommand = (io, done) => {
  const command = new Command('edge')
    .description('Run an edge: sources, transforms and sinks from one YAML file.')
    .argument(
      '[file]',
      'the configuration; /etc/scopeline/edge.yml or the shipped default if absent',
    )
    .action(async (file: string | undefined) => done(await runEdge(configFile(file, io), io)))
  command
    .command('reload')
    .description('Let the running edge read its configuration again; a wrong one changes nothing.')
    .option('-c, --config <file>', 'the configuration of the edge that is meant')
    .action(async options => {
      const dataDir = await dataDirOf(options.config, io)
      await bodyOf(await callEdge(io, { dataDir }, 'POST', '/api/reload'))
      io.out('reloaded\n')
    })
  return command
}

/** Runs an edge. Resolves with the exit status when it has drained. */
export async function runEdge(file: string, io: Io): Promise<number> {
  const plan = await readPlan(file, io)
  mkdirSync(plan.dataDir, { recursive: true, mode: 0o700 })
  const unlock = lockDirectory(plan.dataDir)
  try {
    return await runPlan(plan, file, io)
  } finally {
    unlock()
  }
}

async function runPlan(plan: Plan, file: string, io: Io): Promise<number> {
  const log = new Log({
    ...logSettings(plan, io),
    write: line => io.err(line),
    clock: systemClock,
  })
  const own = log.for('edge')

  let stop: (reason: string, status: number) => void = () => {}
  const stopped = new Promise<{ reason: string; status: number }>(resolve => {
    stop = (reason, status) => resolve({ reason, status })
  })
  const onFailure = (error: Error) => stop(error.message, 1)
  const edge = new Edge({ plan, clock: systemClock, log, onFailure })
  let report: ReturnType<typeof startReport> | undefined
  const beginReport = ({ telemetry }: Plan) => {
    if (!telemetry) return undefined
    const metrics = () => {
      edge.measure()
      return edge.meters.records(systemClock.now() / 1000)
    }
    return startReport(telemetry, metrics, systemClock, own)
  }
  let running = plan
  let begun = () => {}
  const readAgain = async () => {
    const { plan: next, diagnoses } = await check(file, io)
    try {
      if (!next) throw new CommandError(`${file} has mistakes`)
      const old = leftBehind(plan, next)
      await edge.reload(next)
      log.adjust(logSettings(next, io))
      if (!isDeepStrictEqual(next.telemetry, running.telemetry)) {
        await report?.()
        report = beginReport(next)
      }
      running = next
      if (old.length > 0) {
        own.warn(`what has changed in ${old.join(', ')} waits for the next start of the edge`)
      }
      edge.meters.add('config_reloads_total', { result: 'done' }, 1)
      own.info('reloaded', { file })
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      edge.meters.add('config_reloads_total', { result: 'refused' }, 1)
      // The log gets a line for each mistake, whoever asked for the reload the whole picture.
      const mistakes = diagnoses.map(one => renderDiagnosis(one).split('\n')[0] as string)
      own.error(
        `the reload was refused, the old pipeline goes on: ${why}`,
        mistakes.length > 0 ? { mistakes } : undefined,
      )
      throw next ? error : new CommandError(`${why}\n\n${renderDiagnoses(diagnoses)}`)
    }
  }
  // One after the other, so that the last one asked for reads the file as it is then.
  let last: Promise<void> = new Promise(resolve => {
    begun = resolve
  })
  const reload = () => {
    last = last.catch(() => {}).then(readAgain)
    return last
  }
  const handlers = {
    SIGTERM: () => stop('SIGTERM', 0),
    SIGINT: () => stop('SIGINT', 0),
    SIGHUP: () => void reload().catch(() => {}),
  }
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler)
  // A mistake of the edge's own: what can still be delivered is, and whoever started it may again.
  process.on('uncaughtException', error => {
    own.error(`an error that should not be: ${error.stack}`)
    stop('an error of its own', 1)
  })
  void stopped.then(() => {
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(130))
  })

  let server: RunningServer | undefined
  let forgetContact = () => {}
  try {
    const starting = edge.start()
    // A stop while it starts is not a failed start.
    const early = await Promise.race([starting, stopped])
    if (early) return await stopEarly(edge, starting, early, own)
    if (plan.api.listen) {
      const token = plan.api.token?.reveal() ?? newToken()
      const { listen } = plan.api
      server = await startServer({ edge, clock: systemClock, listen, token, reload })
      forgetContact = leaveContact(plan.dataDir, server.address, token, io)
    }
  } catch (error) {
    await edge.drain()
    throw new CommandError(error instanceof Error ? error.message : String(error))
  }
  report = beginReport(plan)
  own.info('started', { file, version: packageVersion(), pid: process.pid })
  begun()

  edge.finished().then(() => stop('all sources have ended', 0))
  const { reason, status } = await stopped
  own[status === 0 ? 'info' : 'error'](`stopping: ${reason}`)
  server?.drain()
  const { left } = await edge.drain()
  await report?.()
  await server?.close()
  forgetContact()
  if (left > 0) own.error('stopped before everything was delivered', { events_left: left })
  else own.info('stopped; everything that was taken has been delivered')
  return status !== 0 ? status : left > 0 ? 1 : 0
}

/** Ends an edge that was told to stop before it had started. */
async function stopEarly(
  edge: Edge,
  starting: Promise<void>,
  { reason, status }: { reason: string; status: number },
  log: Logger,
): Promise<number> {
  log.info(`stopping before the start was complete: ${reason}`)
  starting.catch(() => {})
  const { left } = await edge.drain()
  return status !== 0 ? status : left > 0 ? 1 : 0
}
