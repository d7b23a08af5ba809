/** The native engine and the JavaScript one give the same answers, whole transforms and decoders over. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { engine, enginesForTests } from '../../src/batch/engine.ts'

const run = promisify(execFile)
const skip = enginesForTests().length === 0 && 'this checkout has no native engine'

async function answersOf(name: string): Promise<Record<string, unknown[]>> {
  const corpus = fileURLToPath(new URL('corpus.ts', import.meta.url))
  const { stdout } = await run(process.execPath, ['--import=tsx', corpus], {
    env: { ...process.env, SCOPE_EDGE_ENGINE: name },
    maxBuffer: 256 * 1024 * 1024,
  })
  return JSON.parse(stdout) as Record<string, unknown[]>
}

t.test('all transforms and decoders answer the same with either engine', { skip }, async t => {
  const [plain, native] = await Promise.all([answersOf('js'), answersOf('native')])
  for (const topic of ['transforms', 'decoders', 'names']) {
    const [expected, found] = [plain[topic] ?? [], native[topic] ?? []]
    t.ok(expected.length > 0)
    t.equal(found.length, expected.length, topic)
    for (const [i, answer] of expected.entries()) {
      const same = JSON.stringify(found[i]) === JSON.stringify(answer)
      if (same) t.pass(`${topic} ${i}`)
      else t.same(found[i], answer, `${topic} ${i}`)
    }
  }
})

t.test('SCOPE_EDGE_ENGINE=js turns the native engine off', async t => {
  const script =
    'const {engine} = await import("./src/batch/engine.ts"); console.log(engine?.level)'
  const { stdout } = await run(
    process.execPath,
    ['--import=tsx', '--input-type=module', '-e', script],
    { env: { ...process.env, SCOPE_EDGE_ENGINE: 'js' } },
  )
  t.equal(stdout.trim(), 'undefined')
  if (process.env['SCOPE_EDGE_ENGINE'] === undefined) t.equal(engine !== undefined, !skip)
})
