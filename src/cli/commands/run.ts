/** `scope run [flags] [--] CMD ARGS`: runs a program with the library in it, and ends as the program ends. */
import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { resolve } from 'node:path'
import { Command } from 'commander'
import { findProgram, inspectProgram } from '../../process/program.ts'
import type { MakeCommand } from '../command.ts'
import { CommandError, type Io } from '../io.ts'
import {
  type Destinations,
  destinationOptions,
  destinationVariables,
  findLibrary,
} from '../library.ts'

interface RunOptions extends Destinations {
  verbosity?: string
  loglevel?: string
  librarypath?: string
  userconfig?: string
  payloads?: boolean
  coredump?: boolean
  backtrace?: boolean
  passthrough?: boolean
}

/** Signals that someone sends to `scope run` and means for the program. */
const PASSED_ON = [
  'SIGHUP',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
  'SIGALRM',
  'SIGINT',
  'SIGQUIT',
] as const
/** These a terminal gives to both of us by itself. */
const FROM_TERMINAL: readonly string[] = ['SIGINT', 'SIGQUIT']

export const runCommand: MakeCommand = (io, done) =>
  destinationOptions(
    new Command('run')
      .description(
        'Run a program with the library in it. Without a destination, events and metrics go to the edge on this machine.',
      )
      .argument('<command...>', 'the program and its arguments')
      .option('-v, --verbosity <level>', '0 to 9: how finely metrics are split')
      .option('--loglevel <level>', "the library's log: debug, info, warning, error, none")
      .option('-l, --librarypath <dir>', 'where libscope.so is')
      .option('-u, --userconfig <file>', 'a scope.yml that says everything')
      .option('-p, --payloads', 'keep the payloads of connections (not there yet)')
      .option('-d, --coredump', 'core file at a crash (not there yet)')
      .option('-b, --backtrace', 'backtrace at a crash (not there yet)')
      .option('-z, --passthrough', 'set nothing but the preload; SCOPE_* variables say the rest')
      .passThroughOptions(),
  ).action(async (command: string[], options: RunOptions) => {
    refuseWhatIsMissing(options)
    const [name = '', ...args] = command
    const path = findProgram(name, io.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin')
    if (!path) throw new CommandError(`${name}: there is no such program`, 127)
    const { hindrance } = inspectProgram(path)
    if (hindrance) io.err(`scope: ${name} runs, but can't be looked into: ${hindrance}\n`)
    const env = hindrance ? { ...io.env } : environment(io, options)
    const child = spawn(path, args, { stdio: 'inherit', env, argv0: name })
    done(await ending(child, name))
  })

function refuseWhatIsMissing(options: RunOptions): void {
  for (const [name, given] of [
    ['--payloads', options.payloads],
    ['--coredump', options.coredump],
    ['--backtrace', options.backtrace],
  ] as const) {
    if (given) throw new CommandError(`${name}: the library can't do that yet`, 2)
  }
  const { userconfig, librarypath: _, ...others } = options
  const extra = Object.keys(others)[0]
  if (userconfig && extra)
    throw new CommandError(`--userconfig says everything; --${extra} does not go with it`, 2)
  if (options.verbosity !== undefined && !/^\d$/.test(options.verbosity))
    throw new CommandError(`--verbosity is 0 to 9, not "${options.verbosity}"`, 2)
}

/** The program's environment: ours, the preload behind one that is there already, and what the flags say. */
function environment(io: Io, options: RunOptions): Record<string, string | undefined> {
  const { librarypath } = options
  const library = findLibrary(librarypath)
  if (/[\s:]/.test(library))
    throw new CommandError(
      `${library}: a path with spaces or colons can't be preloaded; "scope extract" the library to another place and give it with --librarypath`,
    )
  const before = io.env['LD_PRELOAD']
  const env: Record<string, string | undefined> = {
    ...io.env,
    LD_PRELOAD: before ? `${before}:${library}` : library,
  }
  if (options.passthrough) return env
  env['SCOPE_RULES'] ??= 'false'
  if (options.userconfig) return { ...env, SCOPE_CONF_PATH: resolve(options.userconfig) }
  env['SCOPE_ALLOW_BINARY_CONSOLE'] ??= 'false'
  if (options.verbosity !== undefined) env['SCOPE_METRIC_VERBOSITY'] = options.verbosity
  if (options.loglevel !== undefined) env['SCOPE_LOG_LEVEL'] = options.loglevel
  return { ...env, ...destinationVariables(options) }
}

/** Waits for the program, passing signals on, and gives its exit status; killed by a signal, so are we. */
async function ending(child: ChildProcess, name: string): Promise<number> {
  const passers = PASSED_ON.map(signal => {
    const pass = () => {
      if (FROM_TERMINAL.includes(signal) && process.stdin.isTTY) return
      child.kill(signal)
    }
    process.on(signal, pass)
    return [signal, pass] as const
  })
  const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>(
    (resolve, reject) => {
      child.on('exit', (status, signal) => resolve([status, signal]))
      child.on('error', error =>
        reject(
          new CommandError(
            `${name}: ${error.message}`,
            (error as NodeJS.ErrnoException).code === 'ENOENT' ? 127 : 126,
          ),
        ),
      )
    },
  )
  for (const [name, pass] of passers) process.off(name, pass)
  if (signal === null) return status ?? 1
  process.kill(process.pid, signal)
  // A signal that does not end us (SIGKILL and the like always do) leaves the shell's way to say it.
  await new Promise(resolve => setTimeout(resolve, 100))
  return 128 + constants.signals[signal]
}
