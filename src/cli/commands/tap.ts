/** `scope tap COMPONENT…`: shows what passes components of a running edge, redacted. */
import { Command } from 'commander'
import type { MakeCommand } from '../command.ts'
import { readPlan } from '../configuration.ts'
import { callEdge } from '../control.ts'

export const tapCommand: MakeCommand = io =>
  new Command('tap')
    .description(
      'Show events as they leave a component (or reach a sink) of a running edge. What built-in patterns find is redacted.',
    )
    .argument('<component...>', 'names of components; * stands for any run of characters')
    .option('-c, --config <file>', 'the configuration of the edge that is meant')
    .option('-n, --limit <events>', 'end after so many events')
    .option('-r, --rate <events>', 'most events shown in a second', '100')
    .action(async (components: string[], options) => {
      const dataDir = options.config ? (await readPlan(options.config, io)).dataDir : undefined
      const query = new URLSearchParams({ rate: options.rate })
      for (const component of components) query.append('component', component)
      const response = await callEdge(io, { dataDir }, 'GET', `/api/tap?${query}`)
      let left = options.limit === undefined ? Number.POSITIVE_INFINITY : Number(options.limit)
      let rest = ''
      for await (const chunk of response.setEncoding('utf8')) {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          const { component, event, skipped } = JSON.parse(line)
          if (skipped !== undefined) {
            io.err(`${component}: ${skipped} more events passed than are shown\n`)
            continue
          }
          io.out(
            components.length === 1 && !components[0]?.includes('*')
              ? `${JSON.stringify(event)}\n`
              : `${line}\n`,
          )
          if (--left <= 0) {
            response.destroy()
            return
          }
        }
      }
    })
