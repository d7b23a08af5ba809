/**
 * Capture leaves programs as they are: small programs of native/test/victims print all that they can
 * see, and must see the same with the hooks in place. What was recorded meanwhile must be what they
 * did. Needs `make -C native/capture tests`.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const built = fileURLToPath(new URL('../../build/capture/', import.meta.url))
const library = join(built, 'dump_ring.so')
const skip =
  existsSync(library) && existsSync(join(built, 'victims'))
    ? false
    : 'capture is not built: make -C native/capture tests'

interface Ending {
  status: number | null
  signal: string | null
  stdout: string
  stderr: string
  left: string[]
}

interface Shown {
  pid: number
  tid: number
  kind: string
  channel: number
  op?: string
  fd?: number
  path?: string
  text?: string
  head?: string
  from?: string
  local?: string
  remote?: string
  dropped?: number
  read_bytes?: number
  write_bytes?: number
  received_bytes?: number
  sent_bytes?: number
  error?: number
}

const work = mkdtempSync(join(tmpdir(), 'transparency-'))
t.teardown(() => rmSync(work, { recursive: true, force: true }))
let runs = 0

/** Runs a victim in a new directory; with hooks if it is told where the rings go. */
function run(victim: string, args: string[], rings?: string): Ending {
  const cwd = join(work, `run-${runs++}`)
  mkdirSync(cwd)
  const env = { PATH: '/usr/bin:/bin', HOME: cwd, LC_ALL: 'C.UTF-8' }
  const ended = spawnSync(join(built, 'victims', victim), args, {
    cwd,
    env: rings === undefined ? env : { ...env, LD_PRELOAD: library, SCOPE_RING_DIRECTORY: rings },
    encoding: 'latin1',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  })
  return {
    status: ended.status,
    signal: ended.signal,
    stdout: ended.stdout,
    stderr: ended.stderr,
    left: readdirSync(cwd).sort(),
  }
}

/** Runs a victim both ways, compares, and gives the records with the bare ending. */
function both(t: Test, victim: string, ...args: string[]): { bare: Ending; records: Shown[] } {
  const rings = mkdtempSync(join(work, 'rings-'))
  const bare = run(victim, args)
  t.same(run(victim, args, rings), bare, `${victim} sees no difference`)
  const files = readdirSync(rings).map(name => join(rings, name))
  t.ok(files.length > 0, 'it was captured')
  const printed = spawnSync(join(built, 'print_ring'), files, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  t.equal(printed.status, 0, 'the rings are sound')
  const records = printed.stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Shown)
  return { bare, records }
}

t.test(
  'files and descriptors behave as ever, and each opening has its close',
  { skip },
  async t => {
    const { bare, records } = both(t, 'files')
    t.equal(bare.status, 7)
    const opened = records.filter(({ kind }) => kind === 'file_open')
    const closed = new Set(records.filter(r => r.kind === 'file_close').map(r => r.channel))
    const open = opened.filter(({ channel }) => !closed.has(channel))
    t.same(
      open.map(({ path }) => path),
      [],
      'every file that was opened was closed',
    )
    const first = opened.find(({ path }) => path === 'files.txt')
    const close = records.find(r => r.kind === 'file_close' && r.channel === first?.channel)
    t.equal(close?.write_bytes, 13 + 3, 'writev and pwrite')
    t.ok(records.some(r => r.kind === 'file_error' && r.op === 'open' && r.path === 'missing'))
    t.ok(records.some(r => r.kind === 'file_change' && r.op === 'rename'))
    t.ok(records.some(r => r.kind === 'file_delete' && r.op === 'remove' && r.path === 'files.txt'))
  },
)

t.test('text reaches streams as ever, and the console once', { skip }, async t => {
  const { bare, records } = both(t, 'streams')
  const mine = records.find(({ text }) => text?.startsWith('begin'))?.pid
  const text = (fd: number) =>
    records
      .filter(r => r.kind === 'console' && r.fd === fd && r.pid === mine)
      .map(r => r.text)
      .join('')
  t.equal(text(1), bare.stdout.replace('from a command\nto a command\n', ''))
  t.equal(text(2), bare.stderr.replace(/^\S+ 0{2999}7\n.*ends with this.*\n/m, ''))
})

t.test(
  'sockets behave as ever, and connections are told with their addresses',
  { skip },
  async t => {
    const { records } = both(t, 'sockets')
    const opened = records.filter(({ kind }) => kind === 'net_open')
    const closed = records.filter(({ kind }) => kind === 'net_close')
    t.ok(opened.length >= 4, 'clients and servers')
    for (const { local, remote } of opened.filter(r => !r.local?.startsWith('unix'))) {
      t.match(local, /^127\.0\.0\.1:\d+$/)
      t.match(remote, /^127\.0\.0\.1:\d+$/)
    }
    for (const { channel } of opened.filter(r => !r.local?.startsWith('unix')))
      t.equal(closed.filter(r => r.channel === channel).length, 1, 'closed once')
    const data = records.filter(({ kind }) => kind === 'data')
    t.equal(data.filter(r => r.from === 'network_out' && r.head?.startsWith('GET /path')).length, 1)
    t.equal(
      data.filter(r => r.from === 'network_in' && r.head?.startsWith('GET /path')).length,
      1,
      'a peek is not counted',
    )
    t.equal(data.filter(r => r.head?.startsWith('HTTP/1.1 200')).length, 2)
    t.ok(data.some(r => r.head === 'counter:1|c'))
    t.equal(records.filter(r => r.kind === 'dns_request' && r.path === '127.0.0.1').length, 0)
  },
)

t.test('processes come, change and go as ever', { skip }, async t => {
  const { records } = both(t, 'processes')
  t.ok(new Set(records.map(({ pid }) => pid)).size > 10, 'forked children are captured too')
  const log = records.find(r => r.kind === 'log_text' && r.text === 'from the child\n')
  const told = records.find(r => r.pid === log?.pid && r.channel === log?.channel)
  t.match(told?.path, /\/shared\.log$/, 'the report of a child learns the name of an inherited log')
  t.ok(records.some(r => r.kind === 'process_exec' && r.text === '/bin/sh'))
})

t.test('threads, signals and cancellation are as ever', { skip }, async t => {
  const { bare, records } = both(t, 'threads')
  t.ok(records.some(r => r.kind === 'file_open' && r.path === 'jumped.txt'))
  const text = records.filter(r => r.kind === 'console' && r.fd === 1).map(r => r.text)
  t.equal(text.join(''), bare.stdout, 'text from before and after the first thread')
  t.ok(new Set(records.map(({ tid }) => tid)).size > 8)
})

t.test('a program in a strict sandbox lives on', { skip }, async t => {
  t.equal(both(t, 'sandbox', 'strict').bare.status, 17)
})

t.test('a program with a filter that kills lives on', { skip }, async t => {
  t.equal(both(t, 'sandbox', 'filter').bare.status, 17)
})
