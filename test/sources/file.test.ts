import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Batch } from '../../src/batch/batch.ts'
import { VirtualClock } from '../../src/component/virtual-clock.ts'
import { file } from '../../src/sources/file/file.ts'
import { collect, eventually, recordsOf, testContext } from '../context.ts'

interface Running {
  readonly context: ReturnType<typeof testContext>
  readonly batches: Batch[]
  /** Messages of all records that came since the last call. */
  take(): unknown[]
  /** Time goes on; every look in it is made. */
  look(milliseconds?: number): unknown[]
  /** Releases everything that came and was not released yet. */
  settle(outcome?: 'delivered' | 'discarded' | 'dropped' | 'aborted'): void
  readonly completed: boolean
  kill(): void
}

/** A directory with files, and sources that read it one after the other. */
function workshop(t: Test) {
  const root = mkdtempSync(join(tmpdir(), 'scopeline-file-'))
  const state = mkdtempSync(join(tmpdir(), 'scopeline-state-'))
  const clock = new VirtualClock(Date.now())
  const running: Running[] = []
  t.teardown(() => {
    for (const source of running) source.kill()
    rmSync(root, { recursive: true, force: true })
    rmSync(state, { recursive: true, force: true })
  })
  const path = (name: string) => join(root, name)
  return {
    root,
    state,
    clock,
    path,
    put: (name: string, text: string | Buffer) => writeFileSync(path(name), text),
    add: (name: string, text: string | Buffer) => appendFileSync(path(name), text),
    start(
      options: Record<string, unknown> = {},
      { auto = true, budget = 16 * 1024 * 1024 }: { auto?: boolean; budget?: number } = {},
    ): Running {
      const context = testContext({ clock, directory: state, budget })
      const parsed = file.options.parse({
        include: [path('*.log')],
        format: 'lines',
        watch: false,
        ...options,
      })
      const collected = collect(file.create(parsed, context))
      let taken = 0
      let settled = 0
      const source: Running = {
        context,
        batches: collected.values,
        take() {
          const records = recordsOf(collected.values.slice(taken))
          taken = collected.values.length
          return records.map(record => record['message'] ?? record)
        },
        look(milliseconds = 1000) {
          clock.advance(milliseconds)
          if (auto) source.settle()
          return source.take()
        },
        settle(outcome = 'delivered') {
          while (settled < collected.values.length) collected.values[settled++]?.release(outcome)
        },
        get completed() {
          return collected.completed
        },
        kill: () => collected.stop(),
      }
      running.push(source)
      if (collected.error) throw collected.error
      return source
    },
    /** The entries of the checkpoint, once it has been written with the given offsets. */
    async checkpoint(...offsets: number[]) {
      const read = () =>
        JSON.parse(readFileSync(join(state, 'lines.json'), 'utf8')).files as {
          path: string
          offset: number
        }[]
      await eventually(
        () => {
          clock.advance(100)
          if (!existsSync(join(state, 'lines.json'))) return false
          return JSON.stringify(read().map(entry => entry.offset)) === JSON.stringify(offsets)
        },
        `a checkpoint with offsets ${offsets}`,
        3000,
      )
      return read()
    },
  }
}

t.test('lines are read as they are added, a growing one when it is whole', async t => {
  const { put, add, start, path } = workshop(t)
  put('a.log', 'one\ntwo\nthr')
  const source = start()
  t.same(source.look(0), ['one', 'two'])
  add('a.log', 'e')
  t.same(source.look(), [])
  add('a.log', 'e')
  t.same(source.look(), [])
  add('a.log', '\nfour\n')
  t.same(source.look(), ['three', 'four'])
  t.same(source.batches[0]?.origin, { source: 'it', peer: path('a.log') })
  t.same(source.look(), [])
  t.same(source.context.bound, ['1 file'])
})

t.test('NDJSON passes byte for byte, and the path can be added as a field', async t => {
  const { put, start, path } = workshop(t)
  put('a.log', '{"n":9007199254740993,"a":1.0}\nnot json\n{"b":2}\n')
  const source = start({ format: 'ndjson' })
  source.look(0)
  t.equal(source.batches[0]?.toBuffer().toString(), '{"n":9007199254740993,"a":1.0}\n{"b":2}\n')
  t.match(source.context.rejects, [{ reason: 'invalid_json', origin: { peer: path('a.log') } }])
  source.kill()
  rmSync(join(source.context.directory, 'lines.json'))
  const named = start({ format: 'ndjson', path_field: 'source_path' })
  named.look(0)
  t.equal(
    named.batches[0]?.text(0),
    `{"n":9007199254740993,"a":1.0,"source_path":"${path('a.log')}"}`,
  )
})

t.test('a file that is renamed is read to its end before it is forgotten', async t => {
  const { put, add, start, path, state } = workshop(t)
  put('a.log', 'one\n')
  const source = start()
  t.same(source.look(0), ['one'])
  add('a.log', 'two\n')
  renameSync(path('a.log'), path('a.log.1'))
  put('a.log', 'new one\n')
  t.same(source.look(), ['two', 'new one'], 'the old file first')
  add('a.log.1', 'late\n')
  t.same(source.look(), ['late'])
  add('a.log.1', 'last, without newline')
  t.same(source.look(), [])
  t.equal(source.context.totals.get('open_files'), 2)
  t.same(source.look(10_000), ['last, without newline'])
  t.equal(source.context.totals.get('open_files'), 1)
  source.kill()
  t.same(JSON.parse(readFileSync(join(state, 'lines.json'), 'utf8')).files.length, 2)
})

t.test('a file that is renamed to a name that is matched too is read once', async t => {
  const { put, add, start, path } = workshop(t)
  put('a.log', 'one\n')
  const source = start({ include: [path('a.log*')] })
  t.same(source.look(0), ['one'])
  add('a.log', 'two\n')
  renameSync(path('a.log'), path('a.log.1'))
  put('a.log', 'three\n')
  t.same(source.look().sort(), ['three', 'two'])
  t.same(source.look(10_000), [])
  add('a.log.1', 'four\n')
  t.same(source.look(), ['four'])
})

t.test('a deleted file is read to its end and closed; one of the same name is new', async t => {
  const { put, start, path } = workshop(t)
  put('a.log', 'one\n')
  const source = start()
  source.look(0)
  const held = openSync(path('a.log'), 'a')
  unlinkSync(path('a.log'))
  writeSync(held, 'after deletion\n')
  put('a.log', 'one\n')
  t.same(source.look(), ['after deletion', 'one'])
  closeSync(held)
  source.look(10_000)
  t.equal(source.context.totals.get('open_files'), 1)
})

t.test('a truncated file is read from its beginning', async t => {
  const { put, add, start, path } = workshop(t)
  put('a.log', 'one\ntwo\nhalf')
  const source = start()
  t.same(source.look(0), ['one', 'two'])
  truncateSync(path('a.log'))
  add('a.log', 'x\n')
  t.same(source.look(), ['x'], 'the half line is gone with the file it was in')
  t.equal(source.context.totals.get('truncated_files_total'), 1)
  truncateSync(path('a.log'))
  t.same(source.look(), [])
  add('a.log', 'y\n')
  t.same(source.look(), ['y'])
})

t.test(
  'a file that was rewritten and is longer than before is read from its beginning',
  async t => {
    const { put, start } = workshop(t)
    put('a.log', 'one\n')
    const source = start()
    source.look(0)
    put('a.log', 'another one\nanother two\n')
    t.same(source.look(), ['another one', 'another two'])
    const banner = `${'#'.repeat(2000)}\n`
    put('a.log', `${banner}first\n`)
    t.same(source.look(), [banner.trim(), 'first'])
    put('a.log', `${banner}other\nmore\n`)
    t.same(source.look(), [banner.trim(), 'other', 'more'], 'even where the beginning is the same')
  },
)

t.test('copytruncate: what was not read before is taken from the copy, once', async t => {
  const { put, add, start, path } = workshop(t)
  put('a.log', 'one\ntwo\n')
  const source = start({ include: [path('a.log*')] })
  t.same(source.look(0), ['one', 'two'])
  add('a.log', 'three\n')
  copyFileSync(path('a.log'), path('a.log.1'))
  truncateSync(path('a.log'))
  add('a.log', 'four\n')
  t.same(source.look().sort(), ['four', 'three'])
  t.same(source.look(10_000), [])
})

t.test('copytruncate with a long time between copy and truncation', async t => {
  const { put, add, start, path } = workshop(t)
  put('a.log', 'one\ntwo\n')
  const source = start({ include: [path('a.log*')] })
  source.look(0)
  copyFileSync(path('a.log'), path('a.log.1'))
  t.same(source.look(), [])
  t.same(source.look(), [], 'the copy waits')
  truncateSync(path('a.log'))
  add('a.log', 'three\n')
  t.same(source.look(), ['three'])
  t.same(source.look(10_000), [], 'and is known to hold nothing new')
})

t.test('a new file that begins like another is not taken for a copy for ever', async t => {
  const { put, start } = workshop(t)
  put('a.log', 'hello\n')
  put('b.log', 'hello\n')
  const source = start()
  t.same(source.look(0), ['hello', 'hello'])
  put('c.log', 'hello\n')
  t.same(source.look(), [])
  t.same(source.look(4000), ['hello'])
})

t.test('a writer that goes on behind a truncation leaves a hole, which is left out', async t => {
  const { start, path, add } = workshop(t)
  const writer = openSync(path('a.log'), 'w')
  writeSync(writer, 'one\ntwo\n')
  const source = start()
  t.same(source.look(0), ['one', 'two'])
  truncateSync(path('a.log'))
  writeSync(writer, 'three\n')
  t.same(source.look(), ['three'])
  t.equal(source.context.totals.get('nul_bytes_skipped_total'), 8)
  ftruncateSync(writer, 2_000_000)
  t.same(source.look(), [], 'a hole at the end may yet be filled')
  writeSync(writer, 'four\n')
  t.same(source.look(), ['four'])
  closeSync(writer)
  add('a.log', 'five\n')
  t.same(source.look(), ['five'])
  t.same(source.context.rejects, [])
})

t.test(
  'files are found as they appear, and start_at counts only for those there before',
  async t => {
    const { put, add, start, path, state } = workshop(t)
    put('a.log', 'old\nhalf of ')
    put('empty.log', '')
    const source = start({ start_at: 'end', include: [path('**/*.log')] })
    t.same(source.look(0), [])
    add('a.log', 'a line\n')
    t.same(source.look(), ['half of a line'])
    put('b.log', 'new\n')
    add('empty.log', 'no longer\n')
    mkdirSync(path('sub'))
    put('sub/c.log', 'deep\n')
    t.same(source.look().sort(), ['deep', 'new', 'no longer'])
    source.kill()
    t.ok(existsSync(join(state, 'lines.json')))
    put('d.log', 'while it was down\n')
    t.same(start({ start_at: 'end' }).look(0), ['while it was down'])
  },
)

t.test('lines come once when the source is stopped in order', async t => {
  const { put, add, start, checkpoint } = workshop(t)
  put('a.log', 'one\ntwo\nthr')
  const first = start()
  t.same(first.look(0), ['one', 'two'])
  first.context.stop()
  t.ok(first.completed)
  const [entry] = await checkpoint(8)
  t.match(entry, { offset: 8 })
  add('a.log', 'ee\n')
  t.same(start().look(0), ['three'])
})

t.test('what is answered for after the source has ended still counts', async t => {
  const { put, start, checkpoint } = workshop(t)
  put('a.log', 'one\ntwo\n')
  const first = start({}, { auto: false })
  t.same(first.look(0), ['one', 'two'])
  first.context.stop()
  await checkpoint(0)
  first.settle()
  await checkpoint(8)
  t.same(start().look(0), [])
})

t.test('lines that were not answered for come again after a kill', async t => {
  const { put, add, start, checkpoint } = workshop(t)
  put('a.log', 'one\n')
  const first = start({}, { auto: false })
  t.same(first.look(0), ['one'])
  add('a.log', 'two\n')
  t.same(first.look(), ['two'])
  add('a.log', 'three\n')
  t.same(first.look(), ['three'])
  first.batches[0]?.release('delivered')
  first.batches[2]?.release('delivered')
  first.look(1000)
  await checkpoint(4)
  // The first one lives on, as a killed one would leave its files.
  const second = start()
  t.same(second.look(0), ['two', 'three'])
})

t.test("a source that takes another's place reads nothing twice", async t => {
  const { put, add, start, checkpoint } = workshop(t)
  put('a.log', 'one\ntwo\nthr')
  const first = start({}, { auto: false })
  t.same(first.look(0), ['one', 'two'])
  first.context.stop()
  first.kill()
  const second = start({}, { auto: false })
  add('a.log', 'ee\n')
  t.same(second.look(0), ['three'])
  await checkpoint(0)
  second.settle()
  await checkpoint(0)
  second.kill()
  const third = start()
  t.same(third.look(0), [])
  first.settle()
  await checkpoint(14)
  third.kill()
  t.same(start().look(0), [])
})

t.test('discarded and dropped lines are done with, aborted ones are not', async t => {
  const { put, add, start, checkpoint } = workshop(t)
  put('a.log', 'one\n')
  const first = start({}, { auto: false })
  first.look(0)
  first.settle('discarded')
  add('a.log', 'two\n')
  first.look()
  first.settle('dropped')
  add('a.log', 'three\n')
  first.look()
  first.settle('aborted')
  first.context.stop()
  await checkpoint(8)
  t.same(start().look(0), ['three'])
})

t.test('the checkpoint is private and replaced as a whole', async t => {
  const { put, start, state, checkpoint } = workshop(t)
  put('a.log', 'one\n')
  start().look(2000)
  await checkpoint(4)
  t.equal(statSync(join(state, 'lines.json')).mode & 0o777, 0o600)
  t.same(readdirSync(state), ['lines.json'])
})

t.test('a damaged checkpoint is set aside and told', async t => {
  for (const damage of [
    (text: string) => text.slice(0, text.length / 2),
    (text: string) => text.replace('"offset":4', '"offset":0'),
    (text: string) => text.replace('"version":1', '"version":7'),
    () => '',
    () => '\0'.repeat(100),
  ]) {
    const { put, start, state } = workshop(t)
    put('a.log', 'one\n')
    const first = start()
    first.look(0)
    first.kill()
    const path = join(state, 'lines.json')
    writeFileSync(path, damage(readFileSync(path, 'utf8')))
    const second = start()
    t.same(second.look(0), ['one'], 'begun as start_at says')
    t.match(second.context.logged[0], { level: 'error', message: /damaged .* set aside/ })
    t.equal(second.context.errors.get('checkpoint_damaged'), 1)
    second.kill()
    t.same(readdirSync(state).sort(), ['lines.json', 'lines.json.damaged'])
    t.same(start().look(0), [], 'and it goes on with a new one')
  }
})

t.test('a file renamed while the edge was down is found again in its directory', async t => {
  const { put, add, start, path } = workshop(t)
  put('a.log', 'one\n')
  const first = start()
  first.look(0)
  first.context.stop()
  add('a.log', 'two\n')
  renameSync(path('a.log'), path('a.old'))
  put('a.log', 'three\n')
  t.same(start().look(0).sort(), ['three', 'two'])
})

t.test('a file that is no longer included is not read on after a restart', async t => {
  const { put, add, start, path } = workshop(t)
  put('a.log', 'one\n')
  const first = start()
  first.look(0)
  first.context.stop()
  add('a.log', 'two\n')
  t.same(start({ include: [path('*.txt')] }).look(10_000), [])
})

t.test('a new file with the inode of a deleted one is read from its beginning', async t => {
  const { put, start, path } = workshop(t)
  put('a.log', 'one\ntwo\n')
  const first = start()
  first.look(0)
  first.kill()
  const { ino } = statSync(path('a.log'))
  unlinkSync(path('a.log'))
  put('a.log', 'three\nfour\nfive\n')
  t.comment(`inode ${statSync(path('a.log')).ino === ino ? 'used again' : 'not used again'}`)
  const second = start()
  t.same(second.look(0), ['three', 'four', 'five'])
  second.kill()
  put('a.log', 'ONE, the same inode for certain\n')
  t.same(start().look(0), ['ONE, the same inode for certain'])
})

t.test('reading stops when the budget is full, and goes on fairly', async t => {
  const { put, start, clock } = workshop(t)
  const line = `${'x'.repeat(1023)}\n`
  put('a.log', line.repeat(2048))
  put('b.log', line.repeat(2048))
  const source = start({}, { auto: false, budget: 1024 * 1024 })
  source.look(60_000)
  const files = () => source.batches.map(batch => (batch.origin.peer ?? '').at(-5))
  t.same(files(), ['a', 'b', 'a', 'b'], 'a chunk of each in turn')
  t.ok(source.context.budget.full)
  t.ok(
    source.context.budget.peak < 1024 * 1024 + 300 * 1024,
    'one chunk more than there is space for',
  )
  source.batches[0]?.release('delivered')
  clock.advance(0)
  t.same(files(), ['a', 'b', 'a', 'b', 'a'])
  for (let at = 1; at < source.batches.length; at++) {
    source.batches[at]?.release('delivered')
    clock.advance(0)
  }
  t.equal(recordsOf(source.batches).length, 4096)
  t.equal(source.context.budget.used, 0)
})

t.test('what is not a regular file is told once and never opened', async t => {
  const { put, start, path } = workshop(t)
  put('good.log', 'fine\n')
  execFileSync('mkfifo', [path('pipe.log')])
  symlinkSync('/dev/zero', path('zero.log'))
  symlinkSync('/etc/hostname', path('out.log'))
  symlinkSync(path('loop.log'), path('loop.log'))
  mkdirSync(path('dir.log'))
  const source = start()
  t.same(source.look(0), ['fine'])
  source.look(5000)
  t.same(
    source.context.logged
      .filter(entry => entry.level === 'warn')
      .map(entry => entry.message.replace(/^.*\//, '')).length,
    4,
  )
  t.match(
    source.context.logged.find(entry => entry.message.includes('pipe')),
    {
      message: /is a FIFO, not a regular file/,
    },
  )
})

t.test('a device or FIFO that takes the place of a file does not hold the edge up', async t => {
  const { put, add, start, path } = workshop(t)
  put('a.log', 'one\n')
  put('b.log', 'uno\n')
  const source = start({ max_open_files: 1 })
  source.look(0)
  unlinkSync(path('a.log'))
  execFileSync('mkfifo', [path('a.log')])
  add('b.log', 'due\n')
  t.same(source.look(), ['due'])
})

t.test('a file that may not be read is told once, and others go on', async t => {
  const { put, start, path, root, state } = workshop(t)
  put('a.log', 'secret\n')
  put('b.log', 'open\n')
  chmodSync(path('a.log'), 0)
  chmodSync(root, 0o755)
  chmodSync(state, 0o777)
  const source = start()
  // Root may read everything, so the looks are made as nobody.
  const uid = process.geteuid?.()
  if (uid === 0) process.seteuid?.(65534)
  try {
    t.same(source.look(0), ['open'])
    t.same(source.look(5000), [])
  } finally {
    if (uid === 0) process.seteuid?.(0)
  }
  const warnings = source.context.logged.filter(entry => entry.level === 'warn')
  t.equal(warnings.length, 1)
  t.match(warnings[0], { message: /a\.log cannot be opened: EACCES.*right to read/ })
  chmodSync(path('a.log'), 0o644)
  t.same(source.look(), ['secret'])
})

t.test('compressed files are told and left alone', async t => {
  const { put, start, path } = workshop(t)
  put('a.log', 'one\n')
  put('b.log', Buffer.from('1f8b0800000000000003', 'hex'))
  put('a.log.gz', 'named so\n')
  const source = start({ include: [path('*.log*')] })
  t.same(source.look(5000), ['one'])
  t.same(source.context.logged.filter(entry => entry.level === 'warn').length, 2)
})

t.test('a line of 100 MiB costs bounded memory and harms no other', async t => {
  const { add, start, path } = workshop(t)
  const descriptor = openSync(path('a.log'), 'w')
  writeSync(descriptor, '{"a":1}\n')
  for (let i = 0; i < 100; i++) writeSync(descriptor, 'x'.repeat(1024 * 1024))
  closeSync(descriptor)
  const source = start({ format: 'ndjson' })
  t.same(source.look(), [{ a: 1 }])
  add('a.log', '\n{"a":2}\n')
  t.same(source.look(), [{ a: 2 }])
  t.match(source.context.rejects, [{ reason: 'line_too_long', length: 100 * 1024 * 1024 }])
  t.ok((source.context.rejects[0]?.bytes.length ?? 0) <= 4096)
  t.ok(source.context.budget.peak < 1024 * 1024)
})

t.test('a long unfinished line is read again rather than held', async t => {
  const { put, add, start } = workshop(t)
  const line = 'y'.repeat(300_000)
  put('a.log', line.slice(0, 100_000))
  const source = start()
  source.look(0)
  add('a.log', line.slice(100_000))
  source.look()
  add('a.log', '\nz\n')
  t.same(source.look(), [line, 'z'])
})

t.test('invalid UTF-8 and NULs within a line are dealt with line by line', async t => {
  const { put, start } = workshop(t)
  put(
    'a.log',
    Buffer.concat([
      Buffer.from('{"a":1}\n{"b":"'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('"}\n{"c":\0}\n{"d":4}\n'),
    ]),
  )
  const source = start({ format: 'ndjson' })
  t.same(source.look(0), [{ a: 1 }, { d: 4 }])
  t.match(source.context.rejects, [{ reason: 'invalid_utf8' }, { reason: 'invalid_json' }])
})

t.test('more files than may be open are all read, and growth of closed ones is seen', async t => {
  const { put, add, start, path } = workshop(t)
  for (let i = 0; i < 20; i++) put(`${i}.log`, `${i}\n`)
  const source = start({ max_open_files: 3 })
  t.equal(source.look(0).length, 20)
  t.ok((source.context.totals.get('open_files') ?? 0) <= 3)
  for (let i = 0; i < 20; i++) add(`${i}.log`, `again ${i}\n`)
  t.equal(source.look().length, 20)
  add('0.log', 'more\n')
  renameSync(path('0.log'), path('0.old'))
  t.same(source.look(), ['more'], 'a closed file is found by its new name')
  truncateSync(path('1.log'))
  add('1.log', '!\n')
  t.same(source.look(), ['!'])
})

t.test('files too old are not begun', async t => {
  const { put, start, path } = workshop(t)
  put('old.log', 'old\n')
  put('new.log', 'new\n')
  utimesSync(path('old.log'), 1, 1)
  t.same(start({ ignore_older: '1d' }).look(0), ['new'])
})

t.test('ten thousand files in a directory are followed', async t => {
  const { put, add, start } = workshop(t)
  for (let i = 0; i < 10_000; i++) put(`${i}.log`, `${i}\n`)
  const source = start()
  const began = performance.now()
  t.equal(source.look(0).length, 10_000)
  const first = performance.now() - began
  add('5000.log', 'x\n')
  const again = performance.now()
  t.same(source.look(), ['x'])
  t.comment(
    `first look ${first.toFixed()} ms, one more ${(performance.now() - again).toFixed()} ms`,
  )
})

t.test('the kernel tells of a change before the next poll', async t => {
  const { put, add, start, clock } = workshop(t)
  put('a.log', 'one\n')
  const source = start({ watch: true, poll_interval: '1h' })
  t.same(source.look(0), ['one'])
  add('a.log', 'two\n')
  const seen: unknown[] = []
  await eventually(() => {
    clock.advance(50)
    seen.push(...source.take())
    return seen.length > 0
  }, 'the line')
  t.same(seen, ['two'])
})

t.test('whole files are handed on once, when they have settled', async t => {
  const { put, add, start, path, root } = workshop(t)
  mkdirSync(path('4711'))
  put('4711/core', 'half')
  const source = start({ read: 'whole', include: [path('*/*')], host: 'web-1' })
  t.same(source.look(1000), [])
  add('4711/core', ' and half')
  t.same(source.look(1000), [], 'it has changed')
  const [record] = source.look(3000)
  const stats = statSync(path('4711/core'))
  t.same(record, {
    sourcetype: 'file',
    source: path('4711/core'),
    // A double cannot hold microseconds of today exactly; how near it is, is asked below.
    _time: (record as { _time: number })._time,
    host: 'web-1',
    data: {
      path: path('4711/core'),
      name: 'core',
      directory: '4711',
      size: 13,
      mtime: (record as { _time: number })._time,
      inode: stats.ino,
      device: stats.dev,
    },
  })
  t.ok(Math.abs((record as { _time: number })._time * 1000 - stats.mtimeMs) < 1)
  t.same(source.look(10_000), [])
  add('4711/core', '!')
  t.match(source.look(10_000), [{ data: { size: 14 } }], 'a changed file is sent again')
  source.context.stop()
  const again = start({ read: 'whole', include: [path('*/*')] })
  t.same(again.look(10_000), [], 'not after a restart')
  t.ok(existsSync(root))
})

t.test('a whole file that nobody answered for is sent again', async t => {
  const { put, start } = workshop(t)
  put('a.log', 'x')
  const first = start({ read: 'whole' }, { auto: false })
  t.equal(first.look(5000).length, 1)
  t.equal(first.look(5000).length, 0)
  first.context.stop()
  first.settle('aborted')
  t.equal(start({ read: 'whole' }).look(5000).length, 1)
})

t.test('a whole file that is under way is not sent twice by a source that takes over', async t => {
  const { put, start, path } = workshop(t)
  put('a.log', 'x')
  const first = start({ read: 'whole' }, { auto: false })
  t.equal(first.look(5000).length, 1)
  first.context.stop()
  const second = start({ read: 'whole', on_delivered: 'delete' })
  t.equal(second.look(5000).length, 0)
  first.settle()
  t.notOk(existsSync(path('a.log')))
  t.equal(second.look(5000).length, 0)
})

t.test('a whole file that a process still writes is waited for', async t => {
  const { start, path } = workshop(t)
  const descriptor = openSync(path('a.log'), 'w')
  writeSync(descriptor, 'x')
  const source = start({ read: 'whole' })
  t.equal(source.look(10_000).length, 0)
  closeSync(descriptor)
  t.equal(source.look(1000).length, 1)
})

t.test('a whole file is deleted after delivery, unless it has changed since', async t => {
  const { put, add, start, path } = workshop(t)
  for (const name of ['a.log', 'b.log', 'c.log']) put(name, name)
  const source = start({ read: 'whole', on_delivered: 'delete' }, { auto: false })
  t.equal(source.look(5000).length, 3)
  add('b.log', ' changed')
  source.batches[0]?.release('delivered')
  source.batches[1]?.release('delivered')
  source.batches[2]?.release('discarded')
  t.notOk(existsSync(path('a.log')))
  t.ok(existsSync(path('b.log')))
  t.ok(existsSync(path('c.log')), 'only what was delivered is deleted')
  t.match(source.look(5000), [{ data: { name: 'b.log' } }])
})

t.test('options that do not fit each other are told', async t => {
  const parse = (more: object) => file.options.safeParse({ include: ['/x/*'], ...more })
  t.match(parse({ on_delivered: 'delete' }).error?.issues, [{ path: ['on_delivered'] }])
  t.match(parse({ read: 'whole', path_field: 'p' }).error?.issues, [{ path: ['path_field'] }])
  t.match(parse({ include: ['/x/[a'] }).error?.issues, [
    { path: ['include', 0], params: { offset: 3 } },
  ])
  t.ok(parse({}).success)
})
