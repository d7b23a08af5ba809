/** `scope describe [COMPONENT]`: what components there are and what each one's options mean. */
import { Command } from 'commander'
import { describeComponent, listComponents } from '../../component/describe.ts'
import { didYouMean } from '../../component/nearest.ts'
import { sharedOptions } from '../../config/shared-options.ts'
import { catalogue } from '../catalogue.ts'
import type { MakeCommand } from '../command.ts'
import { CommandError } from '../io.ts'

export const describeCommand: MakeCommand = io =>
  new Command('describe')
    .description('List the components, or show all that there is to know of one.')
    .argument('[component]', 'its type, as in "type: filter"; "sink statsd" where two share a name')
    .argument('[name]', 'the type, when the first word is source, transform or sink')
    .action((component: string | undefined, name: string | undefined) => {
      if (component === undefined) {
        io.out(listComponents(catalogue))
        return
      }
      const wanted = name === undefined ? component : `${component} ${name}`
      const text = describeComponent(catalogue, wanted, sharedOptions)
      if (text === undefined) {
        const { sources, transforms, sinks } = catalogue
        const known = [...sources, ...transforms, ...sinks].map(one => one.name)
        const guess = didYouMean(name ?? component, known)
        throw new CommandError(
          `there is no component "${wanted}"${guess || '; "scope describe" lists all that there are'}`,
        )
      }
      io.out(text)
    })
