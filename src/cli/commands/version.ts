/** `scope version`: which version this is. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import type { MakeCommand } from '../command.ts'

/** The version of the package, as in package.json. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

export const versionCommand: MakeCommand = io =>
  new Command('version')
    .description('Show the version.')
    .option('--summary', 'just the number')
    .action(options => {
      const version = packageVersion()
      io.out(options.summary ? `${version}\n` : `scopeline ${version}\nnode ${process.version}\n`)
    })
