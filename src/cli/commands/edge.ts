/** `scope edge [FILE]`: runs an edge until it is told to stop, or until its sources have ended. */

import { mkdirSync } from 'node:fs'
import { Command } from 'commander'
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
import { CommandError, type Io } from '../io.ts'
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
  const log = logOf(plan, io)
  const own = log.for('edge')
  mkdirSync(plan.dataDir, { recursive: true, mode: 0o700 })

  let stop: (reason: string, status: number) => void = () => {}
  const stopped = new Promise<{ reason: string; status: number }>(resolve => {
    stop = (reason, status) => resolve({ reason, status })
  })
  const onFailure = (error: Error) => stop(error.message, 1)
  const edge = new Edge({ plan, clock: systemClock, log, onFailure })
  const reload = async () => {
    const { plan, diagnoses } = await check(file, io)
    try {
      if (!plan) throw new CommandError(`${file} has mistakes`)
      await edge.reload(plan)
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
      throw plan ? error : new CommandError(`${why}\n\n${renderDiagnoses(diagnoses)}`)
    }
  }
  const handlers = {
    SIGTERM: () => stop('SIGTERM', 0),
    SIGINT: () => stop('SIGINT', 0),
    SIGHUP: () => void reload().catch(() => {}),
  }
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler)

  let server: RunningServer | undefined
  let forgetContact = () => {}
  try {
    await edge.start()
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
  const { telemetry } = plan
  const endReport =
    telemetry &&
    startReport(
      telemetry,
      () => {
        edge.measure()
        return edge.meters.records(systemClock.now() / 1000)
      },
      systemClock,
      own,
    )
  own.info('started', { file, version: packageVersion(), pid: process.pid })

  edge.finished().then(() => stop('all sources have ended', 0))
  const { reason, status } = await stopped
  own[status === 0 ? 'info' : 'error'](`stopping: ${reason}`)
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.once(signal, () => process.exit(130))
  }
  server?.drain()
  const { left } = await edge.drain()
  endReport?.()
  await server?.close()
  forgetContact()
  if (left > 0) own.error('stopped before everything was delivered', { events_left: left })
  else own.info('stopped; everything that was taken has been delivered')
  return status !== 0 ? status : left > 0 ? 1 : 0
}

function logOf(plan: Plan, io: Io): Log {
  const { level, format } = plan.log
  return new Log({
    level,
    format: format === 'auto' ? (io.terminal ? 'text' : 'json') : format,
    write: line => io.err(line),
    clock: systemClock,
  })
}
