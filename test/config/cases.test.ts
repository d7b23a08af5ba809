/**
 * Broken configurations, one a folder in test/cases/config: `edge.yml`, the diagnoses that it must give
 * in `expected.txt`, and where needed `env.json` (the environment) and files that it refers to. With
 * UPDATE_CASES=1 what comes out is written down, to be read with care before it is committed.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { type Diagnosis, renderDiagnoses } from '../../src/config/diagnose.ts'
import { loadConfig } from '../../src/config/load.ts'
import { sinks } from '../../src/sinks/index.ts'
import { sources } from '../../src/sources/index.ts'
import { transforms } from '../../src/transforms/index.ts'

const catalogue = { sources, transforms, sinks }
const root = fileURLToPath(new URL('../cases/config/', import.meta.url))

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

const cases = readdirSync(root).sort()

t.ok(cases.length >= 60, 'there are at least 60 broken configurations')

for (const name of cases) {
  const directory = join(root, name)
  const variables = JSON.parse(contentOf(join(directory, 'env.json')) ?? '{}') as Record<
    string,
    string
  >
  const { plan, diagnoses } = loadConfig('edge.yml', catalogue, variables, undefined, directory)
  const told = renderDiagnoses(diagnoses).replaceAll(directory, '<dir>')
  if (process.env['UPDATE_CASES']) writeFileSync(join(directory, 'expected.txt'), told)
  t.test(`${name} is told as expected`, t => {
    t.equal(told, contentOf(join(directory, 'expected.txt')))
    const errors = diagnoses.filter(diagnosis => diagnosis.severity === 'error')
    t.equal(plan === undefined, errors.length > 0, 'there is a plan exactly if there is no error')
    t.equal(
      new Set(diagnoses.map(one => `${one.line}:${one.column}:${one.message}`)).size,
      diagnoses.length,
    )
    t.strictSame(diagnoses, [...diagnoses].sort(inOrder), 'diagnoses are in the order of the file')
    for (const [variable, value] of Object.entries(variables)) {
      // Short values may stand in a sentence by chance.
      if (value.length > 3) t.notMatch(told, value, `the value of ${variable} is not shown`)
    }
    t.notMatch(told, 'hunter2', 'no secret is shown')
    t.end()
  })
}

function inOrder(a: Diagnosis, b: Diagnosis): number {
  return a.line - b.line || a.column - b.column
}
