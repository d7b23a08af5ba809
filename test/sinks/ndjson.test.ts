import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Subject } from 'rxjs'
import t from 'tap'
import type { Batch } from '../../src/batch/batch.ts'
import type { Outcome } from '../../src/batch/lease.ts'
import { VirtualClock } from '../../src/component/virtual-clock.ts'
import type { JsonObject } from '../../src/record/json.ts'
import { ndjson } from '../../src/sinks/ndjson/ndjson.ts'
import { batchOf, collect, eventually, testContext } from '../context.ts'

type Input = Record<string, unknown> & { path?: string }

/** A running sink in a directory of its own; `path` is relative to it unless it is given otherwise. */
function start(test: Tap.Test, input: Input, clock = new VirtualClock(), directory?: string) {
  const context = testContext({ clock, ...(directory !== undefined && { directory }) })
  if (directory === undefined) test.teardown(() => context.clean())
  const dir = join(context.directory, 'out')
  const options = ndjson.options.parse({
    ...input,
    path: input['directory'] ? input.path : `${dir}/${input.path}`,
  })
  const batches = new Subject<Batch>()
  const receipts = collect(ndjson.create(options, context)(batches))
  test.teardown(() => receipts.stop())
  const outcomes: Outcome[] = []
  const text = (name: string) => readFileSync(join(dir, name), 'utf8')
  return {
    context,
    clock,
    dir,
    receipts,
    outcomes,
    text,
    send: (...records: (JsonObject | string)[]) => batches.next(batchOf(records, outcomes)),
    /** Lets time pass, in steps that leave files time to be written, until something is so. */
    until: (condition: () => boolean, what?: string) =>
      eventually(() => {
        clock.advance(100)
        return condition()
      }, what),
    delivered: (count: number) =>
      eventually(() => receipts.values.length >= count, `${count} receipts`),
    async end() {
      batches.complete()
      await eventually(() => {
        clock.advance(100)
        return receipts.completed
      }, 'the end')
    },
    names: () => readdirSync(dir).sort(),
  }
}
declare namespace Tap {
  type Test = { teardown(fn: () => void): void }
}

t.test('lines are appended in order, byte for byte, and each batch gets its receipt', async t => {
  const sink = start(t, { path: 'sub/all.ndjson' })
  mkdirSync(join(sink.dir, 'sub'), { recursive: true })
  writeFileSync(join(sink.dir, 'sub/all.ndjson'), '{"old":true}\n')
  sink.send('{"n":9007199254740993, "x" : 1.0}', { b: 2 })
  sink.send({ c: '\n' })
  await sink.delivered(2)
  t.equal(
    sink.text('sub/all.ndjson'),
    '{"old":true}\n{"n":9007199254740993, "x" : 1.0}\n{"b":2}\n{"c":"\\n"}\n',
    'readable before it is closed',
  )
  await sink.end()
  t.same(
    sink.receipts.values.map(({ outcome, bytes }) => ({ outcome, bytes })),
    [
      { outcome: 'delivered', bytes: 42 },
      { outcome: 'delivered', bytes: 11 },
    ],
  )
  t.same(sink.context.health[0], { ok: true, why: undefined })
})

t.test('files are private, and so are the directories made for them', async t => {
  const sink = start(t, { path: 'a/b/{x}.ndjson' })
  sink.send({ x: 1 })
  await sink.end()
  t.equal(statSync(join(sink.dir, 'a/b/1.ndjson')).mode & 0o777, 0o600)
  for (const dir of ['a', 'a/b']) t.equal(statSync(join(sink.dir, dir)).mode & 0o777, 0o700)
})

t.test('events go to the files that they name, whatever they hold', async t => {
  const sink = start(t, { path: '{a}/%F.ndjson', fallback: 'none' })
  const times = { _time: Date.UTC(2024, 1, 29) / 1000 }
  const values = [
    '../../../etc/passwd',
    '/abs',
    'nul\0',
    '..',
    'ok',
    undefined,
    'ok',
    'x'.repeat(9999),
  ]
  sink.send(...values.map((a, i) => ({ i, ...(a !== undefined && { a }), ...times })))
  await sink.end()
  t.equal(sink.receipts.values.length, 1, 'one receipt for the batch')
  t.same(
    sink.names().map(name => name.replace(/x+~.*/, 'xxx')),
    ['__', '_________etc_passwd', '_abs', 'none', 'nul_', 'ok', 'xxx'],
  )
  t.equal(sink.text('ok/2024-02-29.ndjson').split('\n').length, 3)
  t.notOk(existsSync(join(dirname(sink.context.directory), 'etc')))
})

t.test(
  'symbolic links that lead out are refused, and the events wait until they are gone',
  async t => {
    const sink = start(t, { path: '{a}/{b}.ndjson' })
    const outside = join(sink.context.directory, 'outside')
    mkdirSync(outside)
    mkdirSync(join(sink.dir, 'file'), { recursive: true })
    symlinkSync(outside, join(sink.dir, 'dir'))
    symlinkSync(join(outside, 'x'), join(sink.dir, 'file/f.ndjson'))
    execFileSync('mkfifo', [join(sink.dir, 'file/pipe.ndjson')])
    sink.send({ a: 'dir', b: 'f' })
    sink.send({ a: 'file', b: 'f' })
    sink.send({ a: 'file', b: 'pipe' })
    sink.send({ a: 'good', b: 'f' })
    await sink.delivered(1)
    await eventually(() => sink.context.logged.filter(({ level }) => level === 'warn').length === 3)
    t.match(sink.text('good/f.ndjson'), /good/)
    const said = sink.context.logged.map(({ message }) => message).join('\n')
    t.match(said, /dir\/f\.ndjson .*is a symbolic link or no directory/)
    t.match(said, /file\/f\.ndjson is refused: it is a symbolic link/)
    t.match(said, /pipe\.ndjson is refused: it is no regular file/)
    t.same(readdirSync(outside), [])
    t.match(sink.context.health.at(-1), { ok: false, why: /refused/ })
    rmSync(join(sink.dir, 'dir'))
    rmSync(join(sink.dir, 'file/f.ndjson'))
    rmSync(join(sink.dir, 'file/pipe.ndjson'))
    await sink.until(() => sink.receipts.values.length === 4)
    t.same(sink.context.health.at(-1), { ok: true, why: undefined })
  },
)

t.test('a path is checked before anything starts', async t => {
  const bad: [Input, RegExp][] = [
    [{ path: 'logs/' }, /names a directory/],
    [{ path: 'logs/..' }, /names a directory/],
    [{ path: '/abs/x', directory: '/d' }, /must stay below/],
    [{ path: '../x', directory: '/d' }, /must stay below/],
    [{ path: 'x', compression: 'gzip', level: 12 }, /1 to 9/],
    [{ path: 'x', atomic: true, in_progress: '/x' }, /without a slash/],
  ]
  for (const [input, message] of bad) {
    t.match(ndjson.options.safeParse(input).error?.issues[0]?.message, message)
  }
  const writes = (input: Input) => ndjson.writes?.(ndjson.options.parse(input))
  t.same(writes({ path: '/var/log/app-{x}/y' }), ['/var/log'])
  t.same(writes({ path: '/var/log/{x}/y' }), ['/var/log'])
  t.same(writes({ path: '/var/log/y' }), ['/var/log'])
  t.same(writes({ path: '{x}/y', directory: '/srv/z' }), ['/srv/z'])
})

t.test(
  'a full file is finished under a number that it keeps, and the oldest are removed',
  async t => {
    const sink = start(t, { path: 'e.ndjson', rotate: { size: '40B', keep: 2 } })
    const line = (i: number) => `{"i":${i},"pad":"aaa"}` // 19 bytes with its newline
    sink.send(...[0, 1, 2, 3, 4, 5, 6].map(line))
    await sink.delivered(1)
    sink.send(line(7), `{"i":8,"long":"${'x'.repeat(100)}"}`, line(9))
    await sink.end()
    t.same(sink.names(), ['e.000004.ndjson', 'e.000005.ndjson', 'e.ndjson'])
    t.equal(sink.text('e.000004.ndjson'), `${line(6)}\n${line(7)}\n`)
    t.match(
      sink.text('e.000005.ndjson'),
      /^\{"i":8.*\}\n$/,
      'a line longer than a file has one of its own',
    )
    t.equal(sink.text('e.ndjson'), `${line(9)}\n`)
    t.equal(sink.context.totals.get('rotations_total'), 5)
  },
)

t.test('an old file is finished even if nothing comes any more; an empty one is left', async t => {
  const sink = start(t, { path: 'e.ndjson', rotate: { age: '10s' } })
  sink.send({ i: 1 })
  await sink.delivered(1)
  sink.clock.advance(9000)
  t.same(sink.names(), ['e.ndjson'])
  await sink.until(() => sink.names().join() === 'e.000001.ndjson')
  sink.clock.advance(60_000)
  sink.send({ i: 2 })
  await sink.end()
  t.same(sink.names(), ['e.000001.ndjson', 'e.ndjson'])
})

t.test('with atomic a file has its name only once it is finished', async t => {
  const sink = start(t, { path: 'e.ndjson', atomic: true, rotate: { size: '20B' } })
  sink.send({ i: 1 })
  await sink.delivered(1)
  t.same(sink.names(), ['e.ndjson.open'])
  sink.send({ i: 'xxxxx' })
  await sink.delivered(2)
  t.same(sink.names(), ['e.ndjson', 'e.ndjson.open'])
  await sink.end()
  t.same(sink.names(), ['e.000001.ndjson', 'e.ndjson'], 'none overwrites another')
  t.equal(sink.text('e.ndjson'), '{"i":1}\n')
})

t.test('files that a killed run left unfinished are mended and get their names', async t => {
  const first = start(t, { path: '{f}.ndjson', atomic: true })
  first.send({ f: 1 }, { f: 2 }, { f: 3 })
  await first.delivered(1)
  first.receipts.stop() // as sudden as a kill
  appendFileSync(join(first.dir, '1.ndjson.open'), '{"torn":')
  writeFileSync(join(first.dir, '2.ndjson'), 'of someone else')
  rmSync(join(first.dir, '3.ndjson.open'))
  writeFileSync(join(first.dir, 'other.ndjson.open'), 'of another edge')
  const second = start(t, { path: '{f}.ndjson', atomic: true }, undefined, first.context.directory)
  second.send({ f: 4 })
  await second.end()
  t.same(second.names(), [
    '1.ndjson',
    '2.000001.ndjson',
    '2.ndjson',
    '4.ndjson',
    'other.ndjson.open',
  ])
  t.equal(second.text('1.ndjson'), '{"f":1}\n')
  t.equal(second.text('2.ndjson'), 'of someone else')
  t.same(readdirSync(join(first.context.directory, 'unfinished')), [])
})

for (const [kind, ending, tool] of [
  ['gzip', '.gz', 'gzip'],
  ['zstd', '.zst', 'zstd'],
] as const) {
  t.test(
    `${kind} files are read by ${tool}, while open, after rotation and after a restart`,
    async t => {
      const unpack = (name: string) =>
        execFileSync(tool, ['-dc', name], { cwd: first.dir, encoding: 'utf8' })
      const input = { path: 'e.ndjson', compression: kind, frame_size: '1KiB', frame_age: '2s' }
      const first = start(t, input)
      const lines = Array.from(
        { length: 40 },
        (_, i) => `{"i":${i},"r":"${randomBytes(20).toString('hex')}"}`,
      )
      first.send(...lines)
      await first.delivered(1)
      t.equal(unpack(`e.ndjson${ending}`), `${lines.join('\n')}\n`)
      first.send({ i: 'late', r: randomBytes(200).toString('hex') })
      t.equal(first.receipts.values.length, 1, 'a frame that is not full waits')
      await first.until(() => first.receipts.values.length === 2)
      t.match(unpack(`e.ndjson${ending}`), /"late"/)
      const sent = first.receipts.values.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0)
      t.ok(Math.abs(sent - statSync(join(first.dir, `e.ndjson${ending}`)).size) <= 2)
      await first.end()
      // A crash cut its last frame in two.
      const size = statSync(join(first.dir, `e.ndjson${ending}`)).size
      truncateSync(join(first.dir, `e.ndjson${ending}`), size - 60)
      const second = start(t, input, new VirtualClock(), first.context.directory)
      second.send({ i: 'again' })
      await second.end()
      t.same(first.names(), [`e.000001.ndjson${ending}`, `e.ndjson${ending}`])
      t.equal(unpack(`e.ndjson${ending}`), '{"i":"again"}\n')
      try {
        unpack(`e.000001.ndjson${ending}`)
        t.fail('it is torn')
      } catch (error) {
        const { stdout } = error as { stdout: string }
        t.ok(stdout.startsWith(`${lines.join('\n')}\n`), 'all but the last frame is there')
      }
    },
  )

  t.test(`a ${kind} file closed for a while is appended to by the same run`, async t => {
    const sink = start(t, {
      path: '{f}.ndjson',
      compression: kind,
      frame_size: '1B',
      max_open_files: 1,
    })
    for (let i = 0; i < 6; i++) {
      sink.send({ f: i % 2, i })
      await sink.delivered(i + 1)
    }
    await sink.end()
    t.same(sink.names(), [`0.ndjson${ending}`, `1.ndjson${ending}`])
    t.equal(
      execFileSync(tool, ['-dc', `1.ndjson${ending}`], { cwd: sink.dir, encoding: 'utf8' }),
      '{"f":1,"i":1}\n{"f":1,"i":3}\n{"f":1,"i":5}\n',
    )
  })
}

t.test('no more files are open than allowed, and all lines arrive', async t => {
  const sink = start(t, { path: '{f}.ndjson', max_open_files: 3 })
  let most = 0
  for (let round = 0; round < 5; round++) {
    sink.send(...Array.from({ length: 20 }, (_, f) => ({ f, round })))
    await sink.until(() => {
      const open = readdirSync('/proc/self/fd').filter(fd => {
        try {
          return execLink(fd).startsWith(sink.dir)
        } catch {
          return false
        }
      })
      most = Math.max(most, open.length)
      return sink.receipts.values.length === round + 1
    })
  }
  await sink.end()
  t.ok(most <= 3, `${most} open`)
  for (let f = 0; f < 20; f++) {
    t.equal(
      sink.text(`${f}.ndjson`),
      [0, 1, 2, 3, 4].map(round => `{"f":${f},"round":${round}}\n`).join(''),
    )
  }
})
const execLink = (fd: string) => readlinkSync(`/proc/self/fd/${fd}`)

t.test('a file that gets nothing is closed after a while', async t => {
  const sink = start(t, { path: 'e.ndjson', idle_close: '10s', atomic: true })
  sink.send({ i: 1 })
  await sink.delivered(1)
  await sink.until(() => sink.names().join() === 'e.ndjson')
  t.pass()
})

t.test('logrotate may rename, remove or truncate the file', async t => {
  const sink = start(t, { path: 'e.ndjson' })
  const file = join(sink.dir, 'e.ndjson')
  sink.send({ i: 1 })
  await sink.delivered(1)
  renameSync(file, `${file}.1`)
  await sink.until(() =>
    sink.context.logged.some(({ message }) => /moved or removed/.test(message)),
  )
  sink.send({ i: 2 })
  await sink.delivered(2)
  t.equal(sink.text('e.ndjson.1'), '{"i":1}\n')
  t.equal(sink.text('e.ndjson'), '{"i":2}\n')
  truncateSync(file)
  sink.clock.advance(1000)
  sink.send({ i: 3 })
  await sink.delivered(3)
  t.equal(sink.text('e.ndjson'), '{"i":3}\n')
})

t.test('what a crash left at the end of a file is mended', async t => {
  const cases: [string, string, number][] = [
    ['{"a":1}\n{"b":', '{"a":1}\n', 1],
    ['{"b":', '', 1],
    ['{"a":1}\n\0\0\0\0', '{"a":1}\n', 1],
    ['{"a":1}\n{"b":2}', '{"a":1}\n{"b":2}\n', 0],
    ['a note', 'a note\n', 0],
    [`{"a":1}\n{"b":"${'x'.repeat(200_000)}`, '{"a":1}\n', 1],
    ['{"a":1}\n', '{"a":1}\n', 0],
  ]
  for (const [before, after, torn] of cases) {
    const sink = start(t, { path: 'e.ndjson' })
    mkdirSync(sink.dir, { recursive: true })
    writeFileSync(join(sink.dir, 'e.ndjson'), before)
    sink.send({ new: true })
    await sink.end()
    t.equal(sink.text('e.ndjson'), `${after}{"new":true}\n`, before.slice(0, 20))
    t.equal(sink.context.totals.get('torn_lines_total') ?? 0, torn)
  }
})

t.test('a directory that may not be written holds the events until it may', async t => {
  const directory = t.testdir({ out: { sub: 'a file in the way' } })
  const sink = start(t, { path: 'sub/e.ndjson' }, undefined, directory)
  sink.send({ i: 1 })
  await sink.until(() => (sink.context.errors.size ?? 0) > 0)
  t.match(sink.context.health.at(-1), { ok: false, why: /cannot be (written|used)/ })
  t.equal(sink.receipts.values.length, 0)
  rmSync(join(sink.dir, 'sub'))
  await sink.until(() => sink.receipts.values.length === 1)
  t.equal(sink.text('sub/e.ndjson'), '{"i":1}\n')
})

t.test(
  'a full disk loses nothing, leaves no half line, and is left behind without help',
  async t => {
    const disk = mkdtempSync(join(tmpdir(), 'scopeline-disk-'))
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], { stdio: 'ignore' })
    } catch {
      t.pass('skipped: mounting a small file system needs root')
      return
    }
    t.teardown(() => {
      execFileSync('umount', ['-l', disk])
      rmSync(disk, { recursive: true })
    })
    for (const [kind, tool] of [
      ['none', 'cat'],
      ['gzip', 'gzip -dc'],
      ['zstd', 'zstd -dcq'],
    ] as const) {
      writeFileSync(join(disk, 'ballast'), randomBytes(40_000))
      const sink = start(t, {
        path: 'e.ndjson',
        directory: disk,
        compression: kind,
        frame_size: '4KiB',
        fsync: kind === 'gzip' ? 'batch' : 'none',
      })
      const lines = Array.from(
        { length: 30 },
        (_, i) => `{"i":${i},"r":"${randomBytes(960).toString('base64')}"}`,
      )
      for (let i = 0; i < 30; i += 3) sink.send(...lines.slice(i, i + 3))
      await sink.until(() => (sink.context.errors.get('enospc') ?? 0) >= 3, 'a full disk')
      t.match(sink.context.health.at(-1), { ok: false, why: /disk is full/ })
      const received = sink.receipts.values.length
      t.ok(received < 10)
      const [file = ''] = readdirSync(disk).filter(name => name.startsWith('e.'))
      const read = () =>
        execFileSync('sh', ['-c', `${tool} ${file}`], { cwd: disk, encoding: 'utf8' })
      const kept = read()
      t.equal(
        kept,
        `${lines.slice(0, kept.split('\n').length - 1).join('\n')}${kept ? '\n' : ''}`,
        'whole lines only',
      )
      rmSync(join(disk, 'ballast'))
      await sink.until(() => sink.receipts.values.length === 10, 'recovery')
      await sink.end()
      t.equal(read(), `${lines.join('\n')}\n`, kind)
      t.same(sink.outcomes, [], 'the sink leaves the leases to the pipeline')
      t.same(sink.context.health.at(-1), { ok: true, why: undefined })
      rmSync(join(disk, file))
    }
  },
)

t.test('a run killed with kill -9 leaves whole lines, and the next one mends the rest', async t => {
  const dir = t.testdir()
  const file = join(dir, 'out/e.ndjson')
  for (let round = 0; round < 3; round++) {
    const child = spawn(
      process.execPath,
      ['--import=tsx', join(import.meta.dirname, 'ndjson-writer.ts'), dir],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    let acknowledged = -1
    child.stdout.on('data', (data: Buffer) => {
      const last = data.toString().trimEnd().split('\n').at(-1)
      acknowledged = Number(last)
    })
    await eventually(() => acknowledged > 50, 'the child to write', 30_000)
    child.kill('SIGKILL')
    await new Promise(resolve => child.once('close', resolve))
    const text = readFileSync(file, 'utf8')
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    const numbers = whole
      .split('\n')
      .slice(0, -1)
      .map(line => (JSON.parse(line) as { i: number }).i)
    t.ok(Math.max(...numbers.slice(-1)) >= acknowledged, 'what was acknowledged is there')
    if (round === 1) appendFileSync(file, '{"torn":')
  }
  const sink = start(t, { path: 'e.ndjson' }, new VirtualClock(), dir)
  sink.send({ i: 'last' })
  await sink.end()
  for (const line of readFileSync(file, 'utf8').trimEnd().split('\n')) JSON.parse(line)
  t.pass('every line is JSON')
})

t.test('an edge that stops at once closes its files and leaves the rest unanswered', async t => {
  const sink = start(t, { path: 'e.ndjson', compression: 'zstd', frame_age: '1h' })
  sink.send({ i: 1 })
  sink.receipts.stop()
  t.same(sink.receipts.values, [])
  sink.clock.advance(7_200_000)
  t.notOk(existsSync(join(sink.dir, 'e.ndjson.zst')))
})

const root = process.getuid?.() === 0 && 'root may do everything'
t.test(
  'without permission for the directory the sink says so from the start',
  { skip: root },
  async t => {
    const dir = t.testdir({ locked: {} })
    chmodSync(join(dir, 'locked'), 0)
    const sink = start(t, { path: 'x/e.ndjson', directory: join(dir, 'locked/in') })
    await eventually(() => sink.context.health.length > 0)
    t.match(sink.context.health[0], { ok: false })
  },
)
