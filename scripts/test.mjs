// Runs everything that `npm test` promises (format and lint, types, every suite) and ends with one
// line that counts all of it: "N passed, N failed". Of a suite that passes it shows one line, of one
// that fails all that it said. Arguments are test files to run instead of all.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const files = process.argv.slice(2)
let passed = 0
let failed = 0
let skipped = 0
const say = text => process.stdout.write(`${text}\n`)

if (files.length === 0) {
  await step('format, lint and import rules', 'biome', ['check', '--error-on-warnings', '.'])
  await step('types', 'tsc', ['-p', 'tsconfig.test.json'])
}
await suites()
if (skipped > 0) say(`${skipped} skipped: what they need is not installed here`)
say(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 ? 1 : 0)

/** One check that is a program: passed if it ends with 0, else shown with what it wrote. */
async function step(name, program, args) {
  const child = spawn('npx', ['--no-install', program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', chunk => {
      text += chunk
    })
  }
  const status = await new Promise(resolve => child.on('close', resolve))
  if (status === 0) passed++
  else failed++
  say(`${status === 0 ? 'ok' : 'not ok'} - ${name}`)
  if (status !== 0) say(text)
}

/** All suites under tap, read as they run; each assertion counts. */
async function suites() {
  const child = spawn('npx', ['--no-install', 'tap', '--reporter=tap', ...files], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = []
  let summary
  for await (const line of createInterface({ input: child.stdout })) {
    const total = /^# \{ total: \d+(?:, pass: (\d+))?(?:, fail: (\d+))?(?:, skip: (\d+))?/.exec(
      line,
    )
    if (total) summary = total
    if (/^\s+not ok /.test(line)) process.stdout.write(`! ${line.trim()}\n`)
    said.push(line)
    if (!/^(not )?ok \d+ - test/.test(line)) continue
    say(line)
    if (line.startsWith('not ')) for (const one of said) say(`    ${one}`)
    said = []
  }
  const status = await new Promise(resolve =>
    child.exitCode === null ? child.on('close', resolve) : resolve(child.exitCode),
  )
  passed += Number(summary?.[1] ?? 0)
  failed += Number(summary?.[2] ?? 0)
  skipped += Number(summary?.[3] ?? 0)
  if (summary === undefined || (status !== 0 && failed === 0)) failed++
}
