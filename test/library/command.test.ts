/** `scope run` and `scope extract`: the program is what it would be without, and ends as it ends. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { environment, LIBRARY, type Outcome, ROOT, receive, run, start, UNBUILT } from './scoped.ts'

const skip = UNBUILT
const scope = (args: string[], more: Record<string, string> = {}): Promise<Outcome> =>
  run(
    [process.execPath, '--import=tsx', join(ROOT, 'src/cli/main.ts'), ...args],
    environment(more),
    {
      cwd: ROOT,
    },
  )

t.test(
  'scope run passes output, arguments and exit status on, and sends to where the flags say',
  { skip },
  async t => {
    const receiver = await receive()
    t.teardown(receiver.close)
    const flags = ['-e', receiver.address, '-m', receiver.address]
    const outcome = await scope([
      'run',
      ...flags,
      '--',
      '/bin/sh',
      '-c',
      'echo "$1"; exit 5',
      'sh',
      '-v',
    ])
    t.match(outcome, { status: 5, stdout: '-v\n', stderr: '' })
    await receiver.settled()
    t.match(receiver.events('stdout'), [{ body: { proc: 'sh', data: { message: '-v\n' } } }])
    t.equal(receiver.metrics('proc.start').length, 1)
  },
)

t.test('a first word that is no verb is a program to run', { skip }, async t => {
  t.match(await scope(['echo', '-n', 'x']), { status: 0, stdout: 'x', stderr: '' })
  t.match(await scope(['-z', 'sh', '-c', 'echo $LD_PRELOAD'], { LD_PRELOAD: '' }), {
    status: 0,
    stdout: `${LIBRARY}\n`,
  })
})

const other = '/lib/x86_64-linux-gnu/libm.so.6'
const noOther = existsSync(other) ? false : 'no second library to preload'
t.test('a preload that is there stays, in front', { skip: skip || noOther }, async t => {
  t.match(await scope(['run', 'sh', '-c', 'echo $LD_PRELOAD'], { LD_PRELOAD: other }), {
    stdout: `${other}:${LIBRARY}\n`,
  })
})

t.test(
  'a program that a signal ended ends scope run by it; signals are passed on',
  { skip },
  async t => {
    t.match(await scope(['run', 'sh', '-c', 'kill -TERM $$']), { signal: 'SIGTERM' })
    const child = start(
      [
        process.execPath,
        '--import=tsx',
        join(ROOT, 'src/cli/main.ts'),
        'run',
        'sh',
        '-c',
        'trap "echo told; exit 9" TERM; echo ready; while :; do sleep 0.05; done',
      ],
      environment(),
      { cwd: ROOT },
    )
    let said = ''
    child.stdout?.setEncoding('utf8').on('data', text => {
      if (said === '') child.kill('SIGTERM')
      said += text
    })
    t.equal(await new Promise(resolve => child.on('close', resolve)), 9)
    t.equal(said, 'ready\ntold\n')
  },
)

t.test('what cannot be run or looked into is said plainly', { skip }, async t => {
  t.match(await scope(['run', 'no-such-program']), {
    status: 127,
    stderr: /no-such-program: there is no such program/,
  })
  t.match(await scope(['run', '-p', 'ls']), {
    status: 2,
    stderr: /--payloads: the library can't do that yet/,
  })
  t.match(await scope(['run', '-e', 'host:9000', 'ls']), {
    status: 2,
    stderr: /write tcp:\/\/host:9000/,
  })
  t.match(await scope(['run', '-c', 'edge', '-e', '/tmp/x', 'ls']), { status: 2 })
  t.match(await scope(['run', '-l', '/nonexistent', 'ls']), {
    status: 1,
    stderr: /there is no libscope\.so in \/nonexistent/,
  })
})

t.test(
  'a static program is run as it is',
  { skip: skip || (existsSync('/usr/bin/gcc') ? false : 'gcc is not installed') },
  async t => {
    const directory = t.testdir({ 'still.c': 'int main(void) { return 6; }' })
    const program = join(directory, 'still')
    const built = await run(
      ['/usr/bin/gcc', '-static', '-o', program, join(directory, 'still.c')],
      environment(),
    )
    t.equal(built.status, 0, built.stderr)
    t.match(await scope(['run', program]), {
      status: 6,
      stderr: /runs, but can't be looked into: it is statically linked/,
    })
  },
)

t.test('scope extract writes the library and settings that it takes', { skip }, async t => {
  const directory = join(t.testdir(), 'new')
  t.match(await scope(['extract', directory]), { status: 1, stderr: /--parents/ })
  t.match(
    await scope(['extract', '-p', '-e', 'tcp://127.0.0.1:9', '-m', '/tmp/m.json', directory]),
    { status: 0 },
  )
  t.same(readFileSync(join(directory, 'libscope.so')), readFileSync(LIBRARY))
  const settings = readFileSync(join(directory, 'scope.yml'), 'utf8')
  t.match(parse(settings), {
    event: { transport: { type: 'tcp', host: '127.0.0.1', port: 9 } },
    metric: { transport: { type: 'file', path: '/tmp/m.json' }, format: { type: 'ndjson' } },
  })
  t.match(settings, /# SCOPE_METRIC_ENABLE/, 'its comments stay')
})

t.test('the defaults that scope extract writes are the defaults', { skip }, async t => {
  const directory = t.testdir({ plain: {}, file: {} })
  const log = join(directory, 'log')
  const configuration = async (env: Record<string, string>) => {
    const receiver = await receive()
    await run(
      ['/bin/true'],
      environment({
        LD_PRELOAD: LIBRARY,
        SCOPE_LOG_LEVEL: 'warning',
        SCOPE_LOG_DEST: `file://${log}`,
        SCOPE_EVENT_DEST: receiver.address,
        ...env,
      }),
    )
    await receiver.settled()
    receiver.close()
    const { current } = receiver.lines()[0].info.configuration
    return { ...current, event: { ...current.event, transport: {} } }
  }
  await scope(['extract', join(directory, 'file')])
  const file = join(directory, 'file/scope.yml')
  const empty = join(directory, 'empty.yml')
  writeFileSync(empty, '')
  t.same(
    await configuration({ SCOPE_CONF_PATH: file }),
    await configuration({ SCOPE_CONF_PATH: empty }),
  )
  t.notOk(existsSync(log), 'and nothing in them is complained about')
})
