/** `scope check FILE…`: finds every mistake in configurations without starting anything. */
import { Command } from 'commander'
import { renderDiagnoses } from '../../config/diagnose.ts'
import { counted, type MakeCommand } from '../command.ts'
import { check, configFile } from '../configuration.ts'

export const checkCommand: MakeCommand = (io, done) =>
  new Command('check')
    .description('Check configurations: every mistake, with its place, before anything starts.')
    .argument(
      '[file...]',
      'configurations; "-" reads standard input. The one that "scope edge" would run if absent',
    )
    .option('-j, --json', 'write the diagnoses as JSON, one a line')
    .option('--deny-warnings', 'let a warning fail the check, too')
    .action(async (files: string[], options: { json?: boolean; denyWarnings?: boolean }) => {
      for (const file of files.length > 0 ? files : [configFile(undefined, io)]) {
        const { plan, diagnoses } = await check(file, io)
        if (options.json) for (const one of diagnoses) io.out(`${JSON.stringify(one)}\n`)
        else if (diagnoses.length > 0) io.err(renderDiagnoses(diagnoses))
        if (!plan || (options.denyWarnings && diagnoses.length > 0)) done(1)
        else if (!options.json) {
          const { sources, transforms, sinks } = plan
          const parts = [
            counted(sources.length, 'source'),
            counted(transforms.length, 'transform'),
            counted(sinks.length, 'sink'),
          ]
          io.out(`${file === '-' ? '<stdin>' : file}: can run (${parts.join(', ')})\n`)
        }
      }
    })
