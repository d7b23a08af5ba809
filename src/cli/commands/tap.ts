/** `scope tap COMPONENT…`: shows what passes components of a running edge, redacted. */
import { Command } from 'commander'
import { counted, type MakeCommand, numberIn } from '../command.ts'
import { dataDirOf } from '../configuration.ts'
import { callEdge } from '../control.ts'

export const tapCommand: MakeCommand = io =>
  new Command('tap')
    .description(
      'Show events as they leave a component (or reach a sink) of a running edge. What built-in patterns find is redacted.',
    )
    .argument('<component...>', 'names of components; * stands for any run of characters')
    .option('-c, --config <file>', 'the configuration of the edge that is meant')
    .option(
      '-n, --limit <events>',
      'end after so many events',
      numberIn(1, Number.MAX_SAFE_INTEGER),
    )
    .option('-r, --rate <events>', 'most events shown in a second', numberIn(1, 10_000), 100)
    .action(async (components: string[], options) => {
      const dataDir = await dataDirOf(options.config, io)
      const query = new URLSearchParams({ rate: String(Math.trunc(options.rate)) })
      for (const component of components) query.append('component', component)
      const response = await callEdge(io, { dataDir }, 'GET', `/api/tap?${query}`)
      const alone = components.length === 1 && !components[0]?.includes('*')
      let left: number = options.limit ?? Number.POSITIVE_INFINITY
      try {
        for await (const line of linesOf(response.setEncoding('utf8'))) {
          const { component, skipped } = JSON.parse(line)
          if (skipped !== undefined) {
            io.err(`${component}: ${counted(skipped, 'more event')} passed than are shown\n`)
            continue
          }
          // Cut out as text, since reading it would round numbers beyond 2^53.
          const event = alone ? line.slice(line.indexOf(EVENT) + EVENT.length, -1) : line
          io.out(`${event.replace(UNSHOWABLE, escaped)}\n`)
          if (--left <= 0) {
            response.destroy()
            return
          }
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error
      }
      io.err('scope: the edge has ended the tap: it is stopping\n')
    })

const EVENT = ',"event":'

/** Characters that JSON may hold as they are, but that a terminal takes as commands or turns text with. */
const UNSHOWABLE = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

async function* linesOf(chunks: AsyncIterable<string>): AsyncIterable<string> {
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}
