/** `scope extract DIR`: the library and a commented scope.yml, for use without the command. */
import { copyFile, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { parseDocument } from 'yaml'
import type { MakeCommand } from '../command.ts'
import { CommandError } from '../io.ts'
import {
  DEFAULT_SETTINGS,
  type Destinations,
  destinationOptions,
  destinationVariables,
  findLibrary,
} from '../library.ts'

export const extractCommand: MakeCommand = io =>
  destinationOptions(
    new Command('extract')
      .aliases(['excrete', 'expunge', 'extricate', 'exorcise'])
      .description(
        'Write libscope.so and a commented scope.yml into a directory. Use: LD_PRELOAD=DIR/libscope.so SCOPE_HOME=DIR program',
      )
      .argument('[dir]', 'the directory', '.')
      .option('-p, --parents', 'make the directory and those above it'),
  ).action(async (directory: string, options: Destinations & { parents?: boolean }) => {
    const library = findLibrary(undefined)
    if (options.parents) await mkdir(directory, { recursive: true, mode: 0o755 })
    const is = await stat(directory).catch(() => undefined)
    if (!is?.isDirectory())
      throw new CommandError(`${directory} is no directory; --parents makes it`)
    const settings = await settingsFor(options)
    // By a new name and a rename: programs may have the old library mapped.
    const path = join(directory, 'libscope.so')
    await copyFile(library, `${path}.new`)
    await rename(`${path}.new`, path)
    await writeFile(join(directory, 'scope.yml'), settings)
    io.out(`${path}\n${join(directory, 'scope.yml')}\n`)
  })

/** The defaults with the destinations of the flags written in; comments stay. */
async function settingsFor(options: Destinations): Promise<string> {
  const text = await readFile(DEFAULT_SETTINGS, 'utf8')
  const variables = destinationVariables(options)
  if (Object.keys(variables).length === 0) return text
  const document = parseDocument(text)
  const put = (path: string[], variable: string, value: (text: string) => unknown = v => v) => {
    const given = variables[variable]
    if (given !== undefined) document.setIn(path, document.createNode(value(given)))
  }
  put(['metric', 'transport'], 'SCOPE_METRIC_DEST', transport)
  put(['metric', 'format', 'type'], 'SCOPE_METRIC_FORMAT')
  put(['metric', 'format', 'statsdprefix'], 'SCOPE_STATSD_PREFIX')
  put(['event', 'transport'], 'SCOPE_EVENT_DEST', transport)
  put(['cribl', 'enable'], 'SCOPE_CRIBL_ENABLE', value => value === 'true')
  put(['cribl', 'transport'], 'SCOPE_CRIBL', transport)
  put(['cribl', 'authtoken'], 'SCOPE_CRIBL_AUTHTOKEN')
  return document.toString()
}

/** The transport block of scope.yml that an address stands for. */
function transport(address: string): Record<string, unknown> {
  if (address === 'edge') return { type: 'edge' }
  const [, type = '', rest = ''] = /^(\w+):\/\/(.*)$/.exec(address) ?? []
  if (type === 'file' || type === 'unix') return { type, path: rest }
  const colon = rest.lastIndexOf(':')
  return { type, host: rest.slice(0, colon), port: Number(rest.slice(colon + 1)) }
}
