import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { dirname, join } from 'node:path'
import type tls from 'node:tls'
import t from 'tap'
import { parseAddress } from '../../src/component/address.ts'
import { systemClock } from '../../src/component/system-clock.ts'
import { tcp } from '../../src/sources/tcp.ts'
import { Backoff } from '../../src/transport/backoff.ts'
import { dial } from '../../src/transport/dial.ts'
import { type Connection, type ListenOptions, listen } from '../../src/transport/listen.ts'
import { clientTls } from '../../src/transport/tls.ts'
import { collect, eventually, testContext } from '../context.ts'
import { closed, endpoint, run } from '../sources/running.ts'

const address = (text: string) => parseAddress(text, ['tcp', 'tls', 'unix'])

/** Listens and waits until it does, or until it cannot. */
async function open(where: string, options: ListenOptions = {}) {
  const context = testContext()
  const result = collect<Connection>(
    listen(address(where.replace('DIR', context.directory)), options, context),
  )
  await eventually(() => context.bound.length > 0 || result.error !== undefined)
  const clean = () => {
    result.stop()
    context.clean()
  }
  const error = result.error as Error | undefined
  return { context, result, error, bound: context.bound[0] as string, clean }
}

t.test('a listener tells the port that it got, and its peers', async t => {
  for (const [where, host] of [
    ['tcp://127.0.0.1:0', '127.0.0.1'],
    ['tcp://[::1]:0', '[::1]'],
    ['tcp://0.0.0.0:0', '0.0.0.0'],
  ] as const) {
    const { bound, result, clean } = await open(where)
    t.match(bound, new RegExp(`^tcp://${host.replace(/[[\]]/g, '\\$&')}:[1-9]\\d*$`))
    const client = net.connect(endpoint(bound))
    await eventually(() => result.values.length === 1)
    const peer = host === '0.0.0.0' ? '127.0.0.1' : host
    t.equal(result.values[0]?.peer, `${peer}:${(client.address() as net.AddressInfo).port}`)
    clean()
    await closed(client)
  }
})

t.test('an address that cannot be had is explained', async t => {
  const first = await open('tcp://127.0.0.1:0')
  t.teardown(first.clean)
  const file = await open('unix://DIR/ok.sock')
  t.teardown(file.clean)
  writeFileSync(join(file.context.directory, 'file'), 'x')
  const cases: [string, RegExp][] = [
    [first.bound, /already uses port \d+; stop it .* or choose another port/],
    ['tcp://192.0.2.1:0', /no such address; use one of its own, or 0\.0\.0\.0/],
    ['tcp://no-such-host.invalid:1', /could not be resolved; write an IP address/],
    [file.bound, /another process listens there/],
    [`unix://${file.context.directory}/file`, /a file of another kind/],
    [`unix://${file.context.directory}/file/x.sock`, /its directory .* could not be made/],
  ]
  for (const [where, words] of cases) {
    const { error, clean } = await open(where)
    t.match(error?.message, words)
    t.match(error?.message, `cannot listen on ${where}`)
    clean()
  }
  t.ok(existsSync(join(file.context.directory, 'file')), 'an ordinary file is left alone')
})

t.test('a unix socket is private, made in a private directory, and removed at the end', async t => {
  const { context, bound, clean } = await open('unix://DIR/new/deep.sock')
  const path = bound.slice('unix://'.length)
  t.equal(lstatSync(path).mode & 0o777, 0o600)
  t.equal(lstatSync(dirname(path)).mode & 0o777, 0o700)
  context.stop()
  await eventually(() => !existsSync(path))
  clean()
  const shared = await open('unix://DIR/new/deep.sock', { mode: 0o666 })
  t.equal(lstatSync(shared.bound.slice(7)).mode & 0o777, 0o666)
  t.equal(lstatSync(dirname(shared.bound.slice(7))).mode & 0o777, 0o755)
  shared.clean()
})

t.test('a socket file that a killed process left behind is replaced', async t => {
  const context = testContext()
  t.teardown(context.clean)
  const path = join(context.directory, 'stale.sock')
  const program = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', program])
  t.ok(lstatSync(path).isSocket())
  const { bound, result, clean } = await open(`unix://${path}`)
  t.equal(bound, `unix://${path}`)
  const client = net.connect(path)
  await eventually(() => result.values.length === 1)
  clean()
  await closed(client)
})

t.test('waits double up to their limit, and are spread over the whole range', async t => {
  const waits = (random: () => number) => {
    const backoff = new Backoff({ initial: 100, max: 1000, random })
    const first = Array.from({ length: 6 }, () => backoff.next())
    backoff.reset()
    return [...first, backoff.next()]
  }
  t.same(
    waits(() => 1),
    [100, 200, 400, 800, 1000, 1000, 100],
  )
  t.same(
    waits(() => 0.5),
    [50, 100, 200, 400, 500, 500, 50],
  )
  t.same(
    waits(() => 0),
    [1, 1, 1, 1, 1, 1, 1],
  )
})

t.test('a connection that cannot be made is explained', async t => {
  const context = testContext({ clock: systemClock })
  t.teardown(context.clean)
  const silent = net.createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const { port } = silent.address() as net.AddressInfo
  const gone = net.createServer().listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const free = (gone.address() as net.AddressInfo).port
  gone.close()
  mkdirSync(join(context.directory, 'd'))
  const cases: [string, number, RegExp][] = [
    [`tcp://127.0.0.1:${free}`, 5000, /nobody listens there; check the address/],
    [`tcp://localhost:${free}`, 5000, /nobody listens there/],
    ['tcp://no-such-host.invalid:1', 5000, /name "no-such-host\.invalid"/],
    [`unix://${context.directory}/none.sock`, 5000, /no such socket; check the path/],
    ['unix://@scopeline-nobody', 5000, /nobody listens there|need the native addon/],
    [`tls://127.0.0.1:${port}`, 50, /no answer within 50 ms/],
  ]
  for (const [where, timeout, words] of cases) {
    const error = await dial(address(where), { timeout }, context).catch(error => error)
    t.match(error.message, words)
    t.match(error.message, `could not connect to ${where}`)
  }
})

t.test(
  'TLS: names and authorities are verified, and clients may have to show a certificate',
  async t => {
    const context = testContext()
    t.teardown(context.clean)
    const pem = certificates(context.directory)
    const server = { cert: pem('server.pem'), key: pem('server.key'), ca: pem('ca.pem') }
    const own = { cert: pem('client.pem'), key: pem('client.key') }
    const other = { cert: pem('other.pem'), key: pem('other.key') }
    const reach = async (
      client_certificate: 'none' | 'optional' | 'required',
      options: object,
      host = 'localhost',
    ) => {
      const source = await run(tcp, {
        listen: 'tcp://127.0.0.1:0',
        tls: { ...server, client_certificate },
      })
      const { port } = new URL(source.context.bound[0] as string)
      try {
        const settings = clientTls().parse(options)
        const where = address(`tls://${host}:${port}`)
        const socket = await dial(where, { tls: settings, timeout: 5000 }, context)
        socket.on('error', () => {})
        socket.end('{"a":1}\n')
        await closed(socket)
        await new Promise(resolve => setImmediate(resolve))
        return source.texts.length === 1 ? 'taken' : 'refused'
      } catch (error) {
        return (error as Error).message
      } finally {
        source.clean()
      }
    }
    const ca = pem('ca.pem')
    t.equal(await reach('none', { ca }), 'taken')
    t.equal(
      await reach('none', { ca }, '127.0.0.1'),
      'taken',
      'the certificate is for the address too',
    )
    t.match(
      await reach('none', {}),
      /not signed by an authority that is trusted here .* set tls\.ca/,
    )
    t.equal(await reach('none', { verify: false }), 'taken')
    t.match(
      await reach('none', { ca, server_name: 'example.com' }),
      /another name than "example\.com"/,
    )
    t.equal(await reach('required', { ca, ...own }), 'taken')
    t.equal(await reach('required', { ca, ...other }), 'refused')
    t.equal(await reach('required', { ca }), 'refused')
    t.equal(await reach('optional', { ca }), 'taken')
    t.equal(await reach('optional', { ca, ...own }), 'taken')
    t.equal(await reach('optional', { ca, ...other }), 'refused')

    const plain = await run(tcp, { listen: 'tcp://127.0.0.1:0', tls: server })
    t.teardown(plain.clean)
    for (let n = 1; n <= 2; n++) {
      await plain.send('{"a":1}\n')
      await eventually(() => plain.context.errors.get('tls_handshake') === n)
    }
    t.equal(plain.texts.length, 0)
    const warnings = plain.context.logged.filter(({ level }) => level === 'warn')
    t.equal(warnings.length, 1)
    t.match(warnings[0]?.message, /failed: it does not speak TLS\. Later ones/)
    const where = address((plain.context.bound[0] as string).replace('tcp:', 'tls:'))
    const socket = await dial(where, { tls: clientTls().parse({ ca }), timeout: 5000 }, context)
    t.ok((socket as tls.TLSSocket).authorized, 'the others are not harmed')
    socket.end(`${'{"a":1}\n'.repeat(5000)}`)
    await closed(socket)
    await eventually(() => plain.texts.length === 5000)

    for (const [files, words] of [
      [{ ...server, cert: '/none.pem' }, /could not read tls\.cert: .*none\.pem/],
      [
        { ...server, key: pem('client.key') },
        /cannot be used: .*key must belong to the certificate/,
      ],
      [
        { cert: server.cert, key: server.key, client_certificate: 'required' },
        /tls\.ca is missing/,
      ],
    ] as const) {
      const source = await run(tcp, { listen: 'tcp://127.0.0.1:0', tls: files })
      t.match(source.state.error?.message, words)
      source.clean()
    }
  },
)

/** Makes an authority, a server, a client, and a client of another authority. */
function certificates(directory: string): (name: string) => string {
  const pem = (name: string) => join(directory, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1'
  const key = (name: string) => [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    pem(`${name}.key`),
  ]
  const authority = (name: string) =>
    openssl(
      'req',
      '-x509',
      ...key(name),
      '-out',
      pem(`${name}.pem`),
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
    )
  const signed = (name: string, by: string, ...more: string[]) =>
    openssl(
      'req',
      '-x509',
      ...key(name),
      '-out',
      pem(`${name}.pem`),
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-CA',
      pem(`${by}.pem`),
      '-CAkey',
      pem(`${by}.key`),
      '-addext',
      'basicConstraints=critical,CA:FALSE',
      ...more,
    )
  authority('ca')
  authority('ca2')
  signed('server', 'ca', '-addext', names)
  signed('client', 'ca')
  signed('other', 'ca2')
  return pem
}
