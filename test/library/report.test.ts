/**
 * The unit tests of native/report, which are C programs under AddressSanitizer: built and run here, so
 * that each of their cases counts. Skipped where there is no compiler.
 */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { promisify } from 'node:util'
import t from 'tap'

const run = promisify(execFile)
const ROOT = new URL('../../', import.meta.url).pathname
const OUT = `${ROOT}.cache/native/report/`

interface Output {
  stdout: string
  stderr: string
  failed: boolean
}

async function attempt(program: string, words: string[]): Promise<Output> {
  try {
    const { stdout, stderr } = await run(program, words, { maxBuffer: 1 << 26 })
    return { stdout, stderr, failed: false }
  } catch (error) {
    const { stdout = '', stderr = String(error) } = error as Partial<Output>
    return { stdout, stderr, failed: true }
  }
}

/** What is wrong with the tools, or undefined. Sanitizers come apart from the compiler on some systems. */
async function missing(): Promise<string | undefined> {
  for (const tool of ['make', 'gcc']) {
    if ((await attempt(tool, ['--version'])).failed) return `there is no ${tool}`
  }
  const probe = ['-fsanitize=address,undefined', '-x', 'c', '-o', '/dev/null', '-']
  const child = execFile('gcc', probe)
  child.stdin?.end('int main(void) { return 0; }')
  const code = await new Promise(done => child.on('close', done))
  return code === 0 ? undefined : 'gcc has no sanitizers'
}

const reason = await missing()
if (reason !== undefined) t.plan(0, `${reason}, so the report's C tests are left out`)
else {
  const built = await attempt('make', ['-s', '-C', `${ROOT}native/report`, 'build'])
  if (built.failed) t.comment(built.stderr.slice(0, 4000))
  t.notOk(built.failed, 'the report and its tests compile without a warning')
  const programs = readdirSync(`${ROOT}native/report/test`)
    .filter(name => name.endsWith('_test.c'))
    .map(name => name.slice(0, -2))
  for (const program of programs) {
    t.test(program, async t => {
      const { stdout, stderr, failed } = await attempt(`${OUT}${program}`, [])
      let notes: string[] = []
      for (const line of stdout.split('\n')) {
        const told = /^(not )?ok \d+ - (.*)$/.exec(line)
        if (told === null) {
          notes.push(line)
          continue
        }
        if (told[1] !== undefined) t.comment(notes.join('\n').slice(0, 4000))
        t.ok(told[1] === undefined, told[2] ?? line)
        notes = []
      }
      if (failed) t.comment(stderr.slice(0, 4000))
      t.notOk(failed, `${program} ends well`)
    })
  }
}
