/** The `scope` command: reads the command line and hands over to one file a verb. */
import { Command, CommanderError } from 'commander'
import { checkCommand } from './commands/check.ts'
import { describeCommand } from './commands/describe.ts'
import { edgeCommand } from './commands/edge.ts'
import { schemaCommand } from './commands/schema.ts'
import { tapCommand } from './commands/tap.ts'
import { testCommand } from './commands/test.ts'
import { topCommand } from './commands/top.ts'
import { versionCommand } from './commands/version.ts'
import { CommandError, type Io, processIo } from './io.ts'

/**
 * Runs one command line.
 * @param args without the program's name
 * @returns the exit status: 0 done, 1 the thing failed, 2 usage
 */
export async function main(args: readonly string[], io: Io): Promise<number> {
  const program = new Command('scope')
    .description('See what Linux programs do, and route what is seen.')
    .helpOption('-h, --help', 'show this help')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ writeOut: text => io.out(text), writeErr: text => io.err(text) })
  let status = 0
  const done = (result: number) => {
    status = result
  }
  for (const make of [
    edgeCommand,
    checkCommand,
    testCommand,
    describeCommand,
    schemaCommand,
    tapCommand,
    topCommand,
    versionCommand,
  ]) {
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
