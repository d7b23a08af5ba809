// Runs everything that `npm test` promises (format and lint, types, every suite) and ends with one
// line that counts all of it: "N passed, N failed". Arguments are test files to run instead of all.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const files = process.argv.slice(2)
const directory = mkdtempSync(join(tmpdir(), 'scopeline-results-'))
const results = join(directory, 'results.tap')
let passed = 0
let failed = 0

const step = (name, command, args) => {
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  if (status === 0) passed++
  else failed++
  process.stdout.write(`${status === 0 ? 'ok' : 'NOT OK'} - ${name}\n`)
}

if (files.length === 0) {
  step('format, lint and import rules', 'npx', [
    '--no-install',
    'biome',
    'check',
    '--error-on-warnings',
    '.',
  ])
  step('types', 'npx', ['--no-install', 'tsc', '-p', 'tsconfig.test.json'])
}
const tap = spawnSync(
  'npx',
  ['--no-install', 'tap', '--reporter=terse', `--output-file=${results}`, ...files],
  { stdio: 'inherit' },
)
let ended = false
try {
  const text = readFileSync(results, 'utf8')
  const summary = /^# \{ total: (\d+)(?:, pass: (\d+))?(?:, fail: (\d+))?/m.exec(text)
  if (summary) {
    ended = true
    passed += Number(summary[2] ?? 0)
    failed += Number(summary[3] ?? 0)
  }
} catch {
  // No result file: the runner itself failed.
}
if (!ended || (tap.status !== 0 && failed === 0)) failed++
rmSync(directory, { recursive: true, force: true })
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exit(failed > 0 ? 1 : 0)
