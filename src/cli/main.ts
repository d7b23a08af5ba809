/** The `scope` command: reads the command line and hands over to one file a verb. */
import { Command, CommanderError } from 'commander'
import type { MakeCommand } from './command.ts'
import { CommandError, type Io, processIo } from './io.ts'

/** One file a verb, loaded when it is asked for, so that a small command starts fast. */
const VERBS: Record<string, () => Promise<MakeCommand>> = {
  run: async () => (await import('./commands/run.ts')).runCommand,
  extract: async () => (await import('./commands/extract.ts')).extractCommand,
  edge: async () => (await import('./commands/edge.ts')).edgeCommand,
  check: async () => (await import('./commands/check.ts')).checkCommand,
  test: async () => (await import('./commands/test.ts')).testCommand,
  describe: async () => (await import('./commands/describe.ts')).describeCommand,
  schema: async () => (await import('./commands/schema.ts')).schemaCommand,
  tap: async () => (await import('./commands/tap.ts')).tapCommand,
  top: async () => (await import('./commands/top.ts')).topCommand,
  version: async () => (await import('./commands/version.ts')).versionCommand,
}

/** Other names of verbs, and commander's own. */
const ALIASES = new Set(['excrete', 'expunge', 'extricate', 'exorcise', 'help'])

/**
 * Runs one command line.
 * @param given without the program's name
 * @returns the exit status: 0 done, 1 the thing failed, 2 usage
 */
export async function main(given: readonly string[], io: Io): Promise<number> {
  const args = withVerb(given)
  const program = new Command('scope')
    .description('See what Linux programs do, and route what is seen.')
    .helpOption('-h, --help', 'show this help')
    .showSuggestionAfterError()
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeOut: text => io.out(text), writeErr: text => io.err(text) })
  let status = 0
  const done = (result: number) => {
    status = result
  }
  const asked = VERBS[args[0] ?? '']
  for (const load of asked ? [asked] : Object.values(VERBS)) {
    const make = await load()
    program.addCommand(make(io, done).exitOverride().copyInheritedSettings(program))
  }
  try {
    await program.parseAsync([...args], { from: 'user' })
    return status
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (error instanceof CommandError) {
      io.err(`scope: ${error.message}\n`)
      return error.status
    }
    throw error
  }
}

/** A first word that is no verb is a program to run, and so is what follows -z. */
function withVerb(args: readonly string[]): readonly string[] {
  const first = args[0]
  if (first === undefined || Object.hasOwn(VERBS, first) || ALIASES.has(first)) return args
  const runs = !first.startsWith('-') || ['-z', '--passthrough', '--'].includes(first)
  return runs ? ['run', ...args] : args
}

const invoked = process.argv[1] ?? ''
if (/(^|\/)(scope|main\.[jt]s)$/.test(invoked)) {
  main(process.argv.slice(2), processIo()).then(
    status => process.exit(status),
    error => {
      process.stderr.write(`scope: an error that should not be: ${error?.stack ?? error}\n`)
      process.exit(1)
    },
  )
}
