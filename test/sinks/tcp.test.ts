import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { Subject } from 'rxjs'
import t from 'tap'
import type { Batch } from '../../src/batch/batch.ts'
import { systemClock } from '../../src/component/system-clock.ts'
import { VirtualClock } from '../../src/component/virtual-clock.ts'
import type { JsonObject } from '../../src/record/json.ts'
import { readTable, unacknowledged } from '../../src/sinks/tcp/send-queue.ts'
import { tcp } from '../../src/sinks/tcp/tcp.ts'
import { batchOf, collect, eventually, testContext } from '../context.ts'

type Teardown = { teardown(fn: () => unknown): void }

/** A receiver that keeps the text of each connection; `port` 0 takes any. */
async function receiver(
  test: Teardown,
  options: { port?: number; tls?: tls.TlsOptions; path?: string; read?: boolean } = {},
) {
  const texts: string[] = []
  const sockets = new Set<net.Socket>()
  const accept = (socket: net.Socket) => {
    const index = texts.push('') - 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    if (options.read !== false) {
      socket.setEncoding('utf8').on('data', text => {
        texts[index] = `${texts[index]}${text}`
      })
    }
  }
  const server = options.tls ? tls.createServer(options.tls, accept) : net.createServer(accept)
  server.on('tlsClientError', () => {})
  await new Promise<void>(resolve => {
    if (options.path) server.listen(options.path, resolve)
    else server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  const stop = (reset = false) =>
    new Promise<void>(resolve => {
      for (const socket of sockets) reset ? socket.resetAndDestroy() : socket.destroy()
      server.close(() => resolve())
    })
  test.teardown(() => stop(true))
  const port = options.path ? 0 : (server.address() as net.AddressInfo).port
  return {
    port,
    texts,
    sockets,
    stop,
    address: `tcp://127.0.0.1:${port}`,
    all: () => texts.join(''),
  }
}

/** A running sink. The clock stands still unless the test moves it or gives another. */
function start(test: Teardown, input: object, clock = new VirtualClock() as typeof systemClock) {
  const context = testContext({ clock })
  const batches = new Subject<Batch>()
  const receipts = collect(tcp.create(tcp.options.parse(input), context)(batches))
  test.teardown(() => {
    receipts.stop()
    context.clean()
  })
  const move = (by: number) => clock instanceof VirtualClock && clock.advance(by)
  return {
    context,
    receipts,
    send: (...records: (JsonObject | string)[]) => batches.next(batchOf(records)),
    /** Lets time pass until something is so. */
    until: (condition: () => boolean, what?: string, step = 50) =>
      eventually(() => {
        move(step)
        return condition()
      }, what),
    confirmed: () => receipts.values.map(({ batch }) => batch.record(0)['i']),
    async end() {
      batches.complete()
      await eventually(() => {
        move(50)
        return receipts.completed
      }, 'the end')
    },
    said: () => context.logged.map(({ message }) => message).join('\n'),
  }
}

const numbers = (text: string) =>
  text
    .split('\n')
    .slice(0, -1)
    .flatMap(line => {
      try {
        return [(JSON.parse(line) as { i: number }).i]
      } catch {
        return []
      }
    })
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
const shown = (text: string) => [...new Set(numbers(text))]

t.test(
  'lines arrive byte for byte after the token, and are confirmed when the receiver closes',
  async t => {
    const server = await receiver(t)
    const sink = start(t, { address: server.address, token: 's3cret' })
    sink.send('{"i":0,"n":9007199254740993, "x" : 1.0}')
    sink.send({ i: 1 }, { i: 'é' })
    await sink.end()
    t.equal(
      server.all(),
      '{"authToken":"s3cret"}\n{"i":0,"n":9007199254740993, "x" : 1.0}\n{"i":1}\n{"i":"é"}\n',
    )
    t.same(sink.confirmed(), [0, 1])
    t.same(
      sink.receipts.values.map(({ bytes, outcome }) => [bytes, outcome]),
      [
        [40, 'delivered'],
        [19, 'delivered'],
      ],
    )
    t.same(sink.context.health, [{ ok: true, why: undefined }])
    t.notMatch(sink.said(), /s3cret/)
  },
)

t.test(
  'a batch is confirmed once the connection has held for a while, not when it was written',
  async t => {
    const server = await receiver(t)
    const clock = new VirtualClock()
    const sink = start(t, { address: server.address, confirm_after: '1s' }, clock)
    sink.send({ i: 0 })
    await eventually(() => server.all() !== '')
    clock.advance(400)
    await new Promise(resolve => setTimeout(resolve, 30))
    t.same(sink.confirmed(), [])
    await sink.until(() => sink.confirmed().length === 1)
    t.pass()
  },
)

t.test('or once enough was sent behind it', async t => {
  const server = await receiver(t)
  const clock = new VirtualClock()
  const sink = start(t, { address: server.address, replay: '100kB', confirm_after: '1h' }, clock)
  const pad = 'x'.repeat(50_000)
  for (const i of range(0, 6)) sink.send({ i, pad })
  await eventually(() => numbers(server.all()).length === 6)
  await sink.until(() => sink.confirmed().length === 4, 'all but the last 100 kB')
  t.same(sink.confirmed(), [0, 1, 2, 3])
})

t.test(
  'a reset in the middle loses nothing, and what comes twice is what was not confirmed',
  async t => {
    const server = await receiver(t)
    const sink = start(t, { address: server.address, confirm_after: '100ms' }, systemClock)
    let sent = 0
    let resets = 0
    const timer = setInterval(() => {
      for (const _ of range(0, 20)) sink.send({ i: sent++, pad: 'x'.repeat(2000) })
      if (sent % 300 === 0 && resets < 5) {
        resets++
        for (const socket of server.sockets) socket.resetAndDestroy()
      }
    }, 3)
    await eventually(() => sent >= 2400, 'the load', 30_000)
    clearInterval(timer)
    await sink.end()
    t.equal(resets, 5)
    t.same(
      shown(server.all()).sort((a, b) => a - b),
      range(0, sent),
      'nothing is missing',
    )
    t.same(
      sink.receipts.values.map(({ outcome }) => outcome).filter(outcome => outcome !== 'delivered'),
      [],
    )
    t.same(sink.confirmed(), range(0, sent), 'confirmed once each, in order')
    t.ok((sink.context.totals.get('resent_batches_total') ?? 0) > 0)
    for (const text of server.texts) {
      const order = numbers(text)
      t.same(
        order,
        [...order].sort((a, b) => a - b),
        'in order on each connection',
      )
    }
  },
)

t.test('with on_reset: drop nothing comes twice, and what was given up is told', async t => {
  const server = await receiver(t, { read: false })
  const sink = start(t, { address: server.address, on_reset: 'drop' }, systemClock)
  await eventually(() => server.sockets.size === 1)
  const pad = 'x'.repeat(500_000)
  for (const i of range(0, 40)) sink.send({ i, pad })
  await eventually(() => sink.receipts.values.length > 0, 'the kernel to take some')
  for (const socket of server.sockets) socket.resetAndDestroy()
  await eventually(
    () => sink.receipts.values.some(({ outcome }) => outcome === 'dropped'),
    'a drop',
  )
  t.match(
    sink.receipts.values.find(({ outcome }) => outcome === 'dropped'),
    { reason: 'connection_lost' },
  )
  sink.receipts.stop()
})

t.test('a receiver that restarts gets everything, what came while it was away too', async t => {
  const first = await receiver(t)
  const sink = start(t, { address: first.address })
  sink.send({ i: 0 })
  await sink.until(() => sink.confirmed().length === 1)
  await first.stop()
  await sink.until(() => sink.context.health.at(-1)?.ok === false, 'it is noticed')
  t.match(sink.context.health.at(-1)?.why, /closed the connection|nobody listens/)
  for (const i of range(1, 10)) sink.send({ i })
  const second = await receiver(t, { port: first.port })
  await sink.until(() => numbers(second.all()).length >= 9)
  await sink.end()
  t.same(shown(second.all()), range(1, 10))
  t.same(sink.confirmed(), range(0, 10))
  t.same(sink.context.health.at(-1), { ok: true, why: undefined })
})

t.test('failover goes through the addresses in order, and begins anew with the first', async t => {
  const [a, b, c] = [await receiver(t), await receiver(t), await receiver(t)]
  await a.stop()
  const sink = start(t, { addresses: [a.address, b.address, c.address] })
  sink.send({ i: 0 })
  await sink.until(() => sink.confirmed().length === 1)
  t.same(shown(b.all()), [0])
  const back = await receiver(t, { port: a.port })
  sink.send({ i: 1 })
  await sink.until(() => sink.confirmed().length === 2)
  t.same(shown(b.all()), [0, 1], 'it stays where it is while that works')
  await b.stop(true)
  sink.send({ i: 2 })
  await sink.until(() => sink.confirmed().length === 3)
  t.same(shown(back.all()), [2])
  await back.stop(true)
  sink.send({ i: 3 })
  await sink.until(() => sink.confirmed().length === 4)
  t.same(shown(c.all()), [3])
})

t.test('round robin uses all receivers, and the rest when one is gone', async t => {
  const servers = [await receiver(t), await receiver(t), await receiver(t)] as const
  const sink = start(t, {
    addresses: servers.map(({ address }) => address),
    balance: 'round_robin',
  })
  await sink.until(() => sink.context.totals.get('open_connections') === 3)
  for (const i of range(0, 9)) sink.send({ i })
  await sink.until(() => sink.confirmed().length === 9)
  for (const server of servers) t.equal(numbers(server.all()).length, 3)
  await servers[1].stop(true)
  await sink.until(() => sink.context.totals.get('open_connections') === 2)
  for (const i of range(9, 15)) sink.send({ i })
  await sink.end()
  const all = servers.flatMap(server => numbers(server.all())).sort((x, y) => x - y)
  t.same(all, range(0, 15))
  t.notOk(
    sink.context.health.some(({ ok }) => !ok),
    'two of three are healthy',
  )
})

t.test(
  'a receiver that does not read holds the window, then counts as stuck, and nothing is lost',
  async t => {
    const stuck = await receiver(t, { read: false })
    const good = await receiver(t)
    const clock = new VirtualClock()
    const sink = start(
      t,
      { addresses: [stuck.address, good.address], stall_timeout: '10s', confirm_after: '1h' },
      clock,
    )
    await eventually(() => stuck.sockets.size === 1)
    const pad = 'x'.repeat(500_000)
    for (const i of range(0, 30)) sink.send({ i, pad })
    await new Promise(resolve => setTimeout(resolve, 200))
    const before = sink.confirmed().length
    t.ok(before < 30)
    await sink.until(() => /took nothing for 10000 ms/.test(sink.said()), 'the stall', 500)
    await sink.until(() => numbers(good.all()).at(-1) === 29, 'the other receiver')
    await sink.end()
    t.same(shown(good.all()), range(before, 30))
  },
)

t.test('a slow receiver is waited for', async t => {
  const slow = await receiver(t, { read: false })
  const sink = start(t, { address: slow.address, confirm_after: '50ms' }, systemClock)
  await eventually(() => slow.sockets.size === 1)
  const [socket] = slow.sockets
  let bytes = 0
  const timer = setInterval(() => {
    bytes +=
      (socket?.read(500_000) as Buffer | null)?.length ??
      (socket?.read() as Buffer | null)?.length ??
      0
  }, 2)
  t.teardown(() => clearInterval(timer))
  const pad = 'x'.repeat(100_000)
  for (const i of range(0, 200)) sink.send({ i, pad })
  await eventually(() => sink.confirmed().length === 200, 'everything', 30_000)
  t.ok(bytes > 0)
  t.notOk(sink.context.totals.has('resent_batches_total'))
})

t.test('over a unix socket, where the kernel does not tell, the rest holds', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'scopeline-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const path = join(dir, 's')
  const server = await receiver(t, { path })
  const sink = start(t, { address: `unix://${path}` })
  sink.send({ i: 0 })
  await sink.until(() => sink.confirmed().length === 1)
  sink.send({ i: 1 })
  await sink.end()
  t.same(numbers(server.all()), [0, 1])
})

t.test('TLS is verified: authority and name', async t => {
  const dir = t.testdir()
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' })
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    'key.pem',
    '-out',
    'cert.pem',
    '-subj',
    '/CN=edge-2',
    '-addext',
    'subjectAltName=DNS:edge-2',
  )
  const pem = (name: string) => readFileSync(join(dir, name))
  const server = await receiver(t, { tls: { key: pem('key.pem'), cert: pem('cert.pem') } })
  const address = `tls://127.0.0.1:${server.port}`
  const ca = join(dir, 'cert.pem')

  const stranger = start(t, { address, tls: {} })
  await stranger.until(() => stranger.context.health.length > 0)
  t.match(stranger.context.health[0], {
    ok: false,
    why: /not signed by an authority that is trusted/,
  })

  const misnamed = start(t, { address, tls: { ca } })
  misnamed.send({ i: 0 })
  await misnamed.until(() => misnamed.context.health.length > 0)
  t.match(misnamed.context.health[0], {
    ok: false,
    why: /certificate is for another name.*server_name/,
  })
  t.same(server.all(), '', 'not a byte goes to it')

  const right = start(t, { address, tls: { ca, server_name: 'edge-2' } })
  right.send({ i: 1 })
  right.send({ i: 2, pad: 'x'.repeat(300_000) })
  await right.until(() => right.confirmed().length === 2)
  await right.end()
  t.same(numbers(server.all()), [1, 2])
})

t.test('an edge that stops before it could deliver leaves everything unanswered', async t => {
  const gone = await receiver(t)
  await gone.stop()
  const sink = start(t, { address: gone.address })
  sink.send({ i: 0 })
  await sink.until(() => sink.context.health.at(-1)?.ok === false)
  sink.receipts.stop()
  t.same(sink.receipts.values, [])
})

t.test('the options say what is missing or too much', async t => {
  const bad: [object, RegExp][] = [
    [{}, /receiver is missing/],
    [{ address: 'tcp://a:1', addresses: ['tcp://b:1'] }, /not both/],
    [{ address: 'unix:///x', tls: {} }, /unix socket needs none/],
    [{ address: 'http://a:1' }, /scheme "http"/],
  ]
  for (const [input, message] of bad) {
    t.match(tcp.options.safeParse(input).error?.issues[0]?.message, message)
  }
  t.equal(tcp.window?.(tcp.options.parse({ address: 'tcp://a:1' })), 13 * 1024 * 1024)
})

t.test('the kernel tells what a peer has not acknowledged', async t => {
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue',
    '   1: 0100007F:862B 00000000:0000 0A 00000000:00000000 00:00000000 00000000',
    '   2: 0100007F:862B 0100007F:1F90 01 0000ABCD:00000001 00:00000000 00000000',
    '   3: 0200007F:862B 0100007F:1F90 01 00000002:00000000 00:00000000 00000000',
    '   4: 0100007F:1F90 0100007F:862B 01 0FFFFFFF:00000000 00:00000000 00000000',
  ].join('\n')
  t.equal(readTable(table, 0x862b, 8080), 0xabcd)
  t.equal(readTable(table, 0x862b, 8081), undefined)
  const server = await receiver(t, { read: false })
  const socket = net.connect(server.port, '127.0.0.1')
  await new Promise(resolve => socket.once('connect', resolve))
  t.teardown(() => socket.destroy())
  t.equal(await unacknowledged(socket), 0)
  socket.write(Buffer.alloc(32 * 1024 * 1024))
  await eventually(async () => ((await unacknowledged(socket)) ?? 0) > 0)
  socket.destroy()
  t.equal(await unacknowledged(socket), undefined)
})
