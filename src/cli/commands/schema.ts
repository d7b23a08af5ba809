/** `scope schema`: the JSON Schema of the configuration, for editors. */
import { Command } from 'commander'
import { configSchema } from '../../config/schema.ts'
import { catalogue } from '../catalogue.ts'
import type { MakeCommand } from '../command.ts'

export const schemaCommand: MakeCommand = io =>
  new Command('schema')
    .description(
      'Write the JSON Schema of the configuration, for completion and checks in editors.',
    )
    .action(() => io.out(`${JSON.stringify(configSchema(catalogue), undefined, 2)}\n`))
