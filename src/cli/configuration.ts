/** Finds, reads and checks the edge's configuration for the commands that need one. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Plan } from '../component/plan.ts'
import { type Diagnosis, renderDiagnoses } from '../config/diagnose.ts'
import { loadConfig } from '../config/load.ts'
import { catalogue } from './catalogue.ts'
import { CommandError, type Io } from './io.ts'

const SYSTEM_FILE = '/etc/scopeline/edge.yml'
const DEFAULT_FILE = fileURLToPath(new URL('../../config/edge.yml', import.meta.url))

/** The file that is meant: the one given, else the system's, else the default that is shipped. */
export function configFile(given: string | undefined, io: Io): string {
  if (given !== undefined) return given
  const fromEnvironment = io.env['SCOPE_EDGE_CONFIG']
  if (fromEnvironment) return fromEnvironment
  return existsSync(SYSTEM_FILE) ? SYSTEM_FILE : DEFAULT_FILE
}

/** Checks a file; every mistake at once. */
export async function check(
  file: string,
  io: Io,
): Promise<{ plan?: Plan; diagnoses: readonly Diagnosis[] }> {
  const text = file === '-' ? await io.input() : undefined
  return loadConfig(file, catalogue, io.env, text)
}

/**
 * Reads a file that must be right. Throws CommandError with all that is wrong.
 *
 * @param consequence what its mistakes mean for what was asked
 */
export async function readPlan(
  file: string,
  io: Io,
  consequence = 'nothing was started',
): Promise<Plan> {
  const { plan, diagnoses } = await check(file, io)
  if (diagnoses.length > 0) io.err(renderDiagnoses(diagnoses))
  if (!plan) throw new CommandError(`${file} has mistakes; ${consequence}`)
  return plan
}

/** The data directory of the edge that runs a configuration; undefined if none is given. */
export async function dataDirOf(file: string | undefined, io: Io): Promise<string | undefined> {
  if (file === undefined) return undefined
  return (await readPlan(file, io, 'which edge is meant cannot be read from it')).dataDir
}
