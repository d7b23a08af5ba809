import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'
import { Discovery } from '../../src/sources/file/discovery.ts'
import { GlobError, matchesPath, parseExclude, parseGlob } from '../../src/sources/file/glob.ts'
import { Once } from '../../src/sources/file/once.ts'
import { testContext } from '../context.ts'

const CASES: [pattern: string, yes: string[], no: string[]][] = [
  [
    '/var/log/*.log',
    ['/var/log/a.log'],
    ['/var/log/x/a.log', '/var/log/.a.log', '/var/log/a.logs'],
  ],
  [
    '/var/log/app?.log',
    ['/var/log/app1.log', '/var/log/appé.log'],
    ['/var/log/app.log', '/var/log/app12.log'],
  ],
  ['/l/[a-c]x', ['/l/ax', '/l/cx'], ['/l/dx', '/l/-x']],
  ['/l/[!a-c]x', ['/l/dx'], ['/l/ax']],
  ['/l/[^a]x', ['/l/bx'], ['/l/ax']],
  ['/l/[]a]x', ['/l/]x', '/l/ax'], ['/l/bx']],
  ['/l/[a-]x', ['/l/-x', '/l/ax'], ['/l/bx']],
  ['/l/[\\]]x', ['/l/]x'], ['/l/\\x']],
  ['/l/[a\\-c]x', ['/l/-x'], ['/l/bx']],
  [
    '/l/**/x.log',
    ['/l/x.log', '/l/a/x.log', '/l/a/b/c/x.log'],
    ['/l/.git/x.log', '/x.log', '/l/xx.log'],
  ],
  ['/l/**', ['/l/a', '/l/a/b'], ['/l', '/m/a', '/l/.a']],
  ['/l/**/a/**/b', ['/l/a/b', '/l/x/a/y/a/z/b'], ['/l/a', '/l/b', '/l/x/b']],
  ['/l/{a,b}.log', ['/l/a.log', '/l/b.log'], ['/l/c.log', '/l/{a,b}.log']],
  ['/l/{a,b{1,2}}/{x,}y', ['/l/a/y', '/l/b1/xy', '/l/b2/y'], ['/l/b/y']],
  ['/{l,m}/*', ['/l/a', '/m/a'], ['/n/a']],
  ['/l/\\*x', ['/l/*x'], ['/l/ax']],
  ['/l/\\{a\\}', ['/l/{a}'], ['/l/a']],
  ['/l/.*', ['/l/.a'], ['/l/a']],
  ['/l/a**b', ['/l/ab', '/l/axb'], ['/l/a/b']],
  ['/l/x.log', ['/l/x.log'], ['/l/y.log']],
  ['/*', ['/a'], ['/a/b']],
]

t.test('a file pattern meets what a shell would meet', async t => {
  for (const [pattern, yes, no] of CASES) {
    const glob = parseGlob(pattern)
    for (const path of yes) t.ok(matchesPath(glob, path), `${pattern} meets ${path}`)
    for (const path of no) t.notOk(matchesPath(glob, path), `${pattern} does not meet ${path}`)
  }
})

t.test('a relative pattern starts at the working directory', async t => {
  t.ok(matchesPath(parseGlob('logs/*.log'), resolve('logs/a.log')))
  t.ok(matchesPath(parseGlob('./logs/../x'), resolve('x')))
})

t.test('an exclusion without a slash is about the name, hidden or not', async t => {
  const glob = parseExclude('*.{gz,tmp}')
  t.ok(matchesPath(glob, '/a/b/c.gz', true))
  t.ok(matchesPath(glob, '/a/.b/.c.tmp', true))
  t.notOk(matchesPath(glob, '/a/b.gz/c', true))
})

t.test('a pattern that cannot be read is explained at its place', async t => {
  const problem = (text: string) => {
    try {
      parseGlob(text)
    } catch (error) {
      if (error instanceof GlobError) return [error.offset, error.message]
    }
    return undefined
  }
  t.match(problem('/l/[abc'), [3, /no "\]"/])
  t.match(problem('/l/a{b,c'), [4, /no "}"/])
  t.match(problem('/var/log/'), [8, /write "\/var\/log\/\*" for the files in it/])
  t.match(problem(''), [0, /empty/])
  t.match(problem(`/l/${'{a,b}'.repeat(12)}`), [0, /more than 1000/])
})

t.test('names made to be slow to match are matched in no time', async t => {
  const glob = parseGlob(`/l/${'*a'.repeat(60)}b`)
  t.notOk(matchesPath(glob, `/l/${'a'.repeat(255)}`))
  const deep = parseGlob(`/l/${'**/a/'.repeat(60)}b`)
  t.notOk(matchesPath(deep, `/l/${'a/'.repeat(1000)}a`))
})

t.test('discovery walks real directories', async t => {
  const root = mkdtempSync(join(tmpdir(), 'scopeline-glob-'))
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  const outside = mkdtempSync(join(tmpdir(), 'scopeline-outside-'))
  t.teardown(() => rmSync(outside, { recursive: true, force: true }))
  const put = (path: string) => {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), 'x\n')
  }
  for (const path of ['a.log', 'b.txt', '.hidden.log', 'one/c.log', 'one/two/d.log', '.git/e.log'])
    put(path)
  writeFileSync(join(outside, 'secret.log'), 'x\n')
  symlinkSync(root, join(root, 'one/loop'))
  symlinkSync(join(root, 'self.log'), join(root, 'self.log'))
  symlinkSync(join(root, 'b.txt'), join(root, 'link.log'))
  symlinkSync(join(outside, 'secret.log'), join(root, 'out.log'))
  symlinkSync(outside, join(root, 'away'))
  const context = testContext()
  t.teardown(() => context.clean())
  const scan = (include: string[], exclude: string[] = []) => {
    const discovery = new Discovery(
      include.map(parseGlob),
      exclude.map(parseExclude),
      new Once(context),
    )
    return [...discovery.scan().files.values()]
      .map(found => found.path.slice(root.length + 1))
      .sort()
  }
  t.same(scan([`${root}/**/*.log`]), ['a.log', 'link.log', 'one/c.log', 'one/two/d.log'])
  t.match(context.logged, [
    { message: /out\.log leads to .*secret\.log, outside/ },
    { message: /self\.log cannot be reached: ELOOP/ },
  ])
  t.same(scan([`${root}/*/*.log`]), ['one/c.log'])
  t.same(
    scan([`${root}/**/*.log`, `${root}/*.{log,txt}`], ['c.log', `${root}/one/two/*`]),
    ['a.log', 'link.log'],
    'a file once, by the first name that leads to it',
  )
  t.same(
    scan([`${root}/away/*.log`]),
    ['away/secret.log'],
    'a link that is written out names the place itself',
  )
  t.same(scan([`${root}/missing/*.log`]), [])
  t.match(context.logged.at(-1), { message: /missing does not exist yet/ })
})
