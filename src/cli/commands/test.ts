/** `scope test FILE…`: runs the tests that a configuration holds. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import type { PlannedExpectation } from '../../component/plan.ts'
import { type Mismatch, runTest } from '../../pipeline/unit-test.ts'
import { counted, type MakeCommand } from '../command.ts'
import { configFile, readPlan } from '../configuration.ts'

export const testCommand: MakeCommand = (io, done) =>
  new Command('test')
    .description('Run the tests in a configuration: records in at one place, expected at another.')
    .argument('[file...]', 'configurations with a "tests" section')
    .action(async (files: string[]) => {
      let passed = 0
      let failed = 0
      for (const file of files.length > 0 ? files : [configFile(undefined, io)]) {
        const plan = await readPlan(file, io)
        if (plan.tests.length === 0)
          io.err(`${file} holds no tests; "tests:" is the section for them\n`)
        for (const test of plan.tests) {
          const directory = mkdtempSync(join(tmpdir(), 'scope-test-'))
          try {
            const { mismatches } = runTest(plan, test, directory)
            if (mismatches.length === 0) passed++
            else failed++
            io.out(`${mismatches.length === 0 ? 'ok    ' : 'FAILED'} ${test.name}\n`)
            for (const mismatch of mismatches) io.out(explain(file, mismatch))
          } finally {
            rmSync(directory, { recursive: true, force: true })
          }
        }
      }
      io.out(`${passed} passed, ${failed} failed\n`)
      if (failed > 0) done(1)
    })

function explain(file: string, { expectation, actual }: Mismatch): string {
  const { line, column, at } = expectation
  const name = at.output === undefined ? at.id : `${at.id}.${at.output}`
  const lines = [`  ${file}:${line}:${column}: at ${name}`, `    expected ${wanted(expectation)}`]
  if (actual.length === 0) lines.push('    got      nothing')
  for (const record of actual) lines.push(`    got      ${JSON.stringify(record)}`)
  return `${lines.join('\n')}\n`
}

function wanted({ events, count, none }: PlannedExpectation): string {
  if (none) return 'nothing'
  if (count !== undefined) return counted(count, 'event')
  return (events ?? []).map(event => JSON.stringify(event)).join('\n             ')
}
