/** Real programs under the library: they do what they do without it, and what they do is told truly. */
import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import {
  environment,
  installed,
  receive,
  run,
  scoped,
  socketDirectory,
  start,
  stop,
  UNBUILT,
} from './scoped.ts'

const skip = UNBUILT
const CURL = installed('/usr/bin/curl')
const PYTHON = installed('/usr/bin/python3')
const NGINX = installed('/usr/sbin/nginx')
const REDIS = installed('/usr/bin/redis-server')
const without = (program: string | undefined, name: string) =>
  skip || (program ? false : `${name} is not installed`)

/** Events to a TCP receiver of its own, metrics to it too, as NDJSON. */
const to = (address: string, more: Record<string, string> = {}) =>
  scoped({
    SCOPE_EVENT_DEST: address,
    SCOPE_METRIC_DEST: address,
    SCOPE_METRIC_FORMAT: 'ndjson',
    ...more,
  })
const port = (server: { address(): unknown }) => (server.address() as AddressInfo).port

t.test(
  'a program that ends at once brings out its start, its text and its metrics',
  { skip },
  async t => {
    const receiver = await receive()
    t.teardown(receiver.close)
    const command = ['/bin/echo', 'one', 'two']
    const outcome = await run(command, to(receiver.address))
    t.same(outcome, await run(command, environment()))
    await receiver.settled()
    const [first] = receiver.connections[0] ?? []
    t.match(first, {
      format: 'ndjson',
      info: {
        process: {
          pid: Number,
          procname: 'echo',
          cmd: '/bin/echo one two',
          id: /-echo-\/bin\/echo one two$/,
          uuid: /^[0-9a-f-]{36}$/,
        },
        configuration: { current: { event: { enable: 'true', transport: { type: 'tcp' } } } },
      },
    })
    t.match(receiver.events('stdout'), [
      {
        type: 'evt',
        body: {
          sourcetype: 'console',
          proc: 'echo',
          pid: first.info.process.pid,
          data: { message: 'one two\n' },
        },
      },
    ])
    t.match(receiver.metrics('proc.start'), [{ type: 'metric', body: { _value: 1, proc: 'echo' } }])
  },
)

t.test(
  'what curl asks over HTTP is told with addresses, sizes and status',
  { skip: without(CURL, 'curl') },
  async t => {
    const receiver = await receive()
    const server = createServer((_, response) => response.end('x'.repeat(50_000))).listen(
      0,
      '127.0.0.1',
    )
    await once(server, 'listening')
    t.teardown(() => {
      receiver.close()
      server.close()
    })
    const command = [CURL ?? '', '-s', `http://127.0.0.1:${port(server)}/some/path?q=1`]
    const outcome = await run(command, to(receiver.address))
    t.equal(outcome.status, 0)
    await receiver.settled()
    t.equal(outcome.stdout.length, 50_000)
    t.match(receiver.events('http.req'), [
      {
        body: {
          data: {
            http_method: 'GET',
            http_target: '/some/path?q=1',
            http_host: `127.0.0.1:${port(server)}`,
            net_peer_port: port(server),
          },
        },
      },
    ])
    t.match(receiver.events('http.resp'), [
      {
        body: {
          data: {
            http_status_code: 200,
            http_response_content_length: 50_000,
            http_client_duration: Number,
          },
        },
      },
    ])
    const [opened] = receiver.events('net.open')
    const [closed] = receiver.events('net.close')
    t.equal(opened._channel, closed._channel)
    t.match(closed.body.data, {
      net_transport: 'IP.TCP',
      net_close_reason: 'local',
      net_protocol: 'http',
    })
    t.ok(closed.body.data.net_bytes_recv > 50_000)
  },
)

t.test(
  'what curl asks over HTTPS is told as it was before encryption',
  { skip: without(CURL, 'curl') },
  async t => {
    const directory = t.testdir()
    const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=localhost',
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'ignore' },
    )
    const receiver = await receive()
    const server = createTlsServer(
      { key: readFileSync(key), cert: readFileSync(cert) },
      (_, response) => {
        response.end('secret')
      },
    ).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => {
      receiver.close()
      server.close()
    })
    const outcome = await run(
      [CURL ?? '', '-sk', '--http1.1', `https://127.0.0.1:${port(server)}/tls`],
      to(receiver.address),
    )
    t.match(outcome, { status: 0, stdout: 'secret', stderr: '' })
    await receiver.settled()
    t.match(receiver.events('http.req'), [
      { body: { data: { http_target: '/tls', http_scheme: 'https' } } },
    ])
    t.match(receiver.events('http.resp'), [{ body: { data: { http_status_code: 200 } } }])
  },
)

t.test(
  'files that python reads and writes are told with their bytes, and its exit status stays',
  { skip: without(PYTHON, 'python3') },
  async t => {
    const receiver = await receive()
    t.teardown(receiver.close)
    const file = join(t.testdir(), 'notes.txt')
    const script = `import sys,os
f=open(${JSON.stringify(file)},"w"); f.write("y"*3000); f.close()
print(len(open(${JSON.stringify(file)}).read())); os.unlink(${JSON.stringify(file)}); sys.exit(3)`
    const outcome = await run([PYTHON ?? '', '-c', script], to(receiver.address))
    t.match(outcome, { status: 3, stdout: '3000\n', stderr: '' })
    await receiver.settled()
    const about = (source: string) =>
      receiver.events(source).filter(line => line.body.data.file === file)
    t.equal(about('fs.open').length, 2)
    t.match(
      about('fs.close').map(line => line.body.data),
      [{ file_write_bytes: 3000 }, { file_read_bytes: 3000 }],
    )
    t.match(about('fs.delete'), [{ body: { data: { op: /^unlink/ } } }])
  },
)

t.test('metrics go to a StatsD server as it expects them', { skip }, async t => {
  const socket = createSocket('udp4')
  const datagrams: string[] = []
  const got = new Promise<void>(resolve =>
    socket.on('message', message => {
      datagrams.push(message.toString())
      if (/\.proc\.child/.test(message.toString())) resolve()
    }),
  )
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  t.teardown(() => socket.close())
  await run(
    ['/bin/ls', '/'],
    scoped({
      SCOPE_METRIC_DEST: `udp://127.0.0.1:${socket.address().port}`,
      SCOPE_STATSD_PREFIX: 'mine',
    }),
  )
  await got
  for (const datagram of datagrams)
    t.match(datagram, /^mine\.[a-z._]+:[\d.]+\|(?:c|g|ms|h)\|#proc:ls,.*\n$/)
  t.ok(datagrams.some(text => text.startsWith('mine.proc.start:1|c|#')))
})

t.test('lines go to a file that only its owner reads', { skip }, async t => {
  const file = join(t.testdir(), 'events.ndjson')
  for (const word of ['a', 'b'])
    await run(['/bin/echo', word], scoped({ SCOPE_EVENT_DEST: `file://${file}` }))
  t.equal(statSync(file).mode & 0o777, 0o600)
  const lines = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  t.same(
    lines.filter(line => line.type === 'evt').map(line => line.body.data.message),
    ['a\n', 'b\n'],
  )
})

for (const [name, path] of [
  ['a unix socket', (dir: string) => join(dir, 's')],
  ['an abstract socket', () => `@scopeline-test-${process.pid}`],
] as const) {
  t.test(`lines go to ${name}`, { skip }, async t => {
    const receiver = await receive(path(socketDirectory(t)))
    t.teardown(receiver.close)
    await run(['/bin/echo', 'x'], scoped({ SCOPE_EVENT_DEST: receiver.address }))
    await receiver.settled()
    t.match(receiver.events('stdout'), [{ body: { data: { message: 'x\n' } } }])
  })
}

t.test(
  'with nothing configured everything goes to the edge, on one connection',
  { skip },
  async t => {
    const path = join(socketDirectory(t), 'edge.sock')
    const receiver = await receive(path)
    t.teardown(receiver.close)
    await run(['/bin/echo', 'x'], scoped({ SCOPE_EDGE_SOCKET: path }))
    await receiver.settled()
    t.equal(receiver.connections.length, 1)
    t.equal(receiver.events('stdout').length, 1)
    t.equal(receiver.metrics('proc.start').length, 1)
  },
)

t.test(
  'with nothing configured and no edge nothing is told and nothing is harmed',
  { skip },
  async t => {
    t.match(await run(['/bin/sh', '-c', 'echo x; exit 4'], scoped()), {
      status: 4,
      stdout: 'x\n',
      stderr: '',
    })
  },
)

t.test('a receiver that does not read holds up no program', { skip }, async t => {
  const server = createTcpServer({ pauseOnConnect: true }, () => {}).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await new Promise(resolve => server.on('listening', resolve))
  const command = ['/usr/bin/seq', '1', '300000']
  const outcome = await run(
    command,
    scoped({ SCOPE_EVENT_DEST: `tcp://127.0.0.1:${port(server)}` }),
  )
  t.equal(outcome.status, 0)
  t.equal(outcome.stdout.length, (await run(command, environment())).stdout.length)
})

t.test('a receiver that is not there harms nothing', { skip }, async t => {
  t.match(await run(['/bin/echo', 'x'], to('tcp://127.0.0.1:1')), {
    status: 0,
    stdout: 'x\n',
    stderr: '',
  })
})

t.test(
  'lines wait for a receiver that comes back',
  { skip: without(PYTHON, 'python3') },
  async t => {
    const path = join(socketDirectory(t), 'late.sock')
    const child = start(
      [PYTHON ?? '', '-uc', 'import time\nprint("early")\ntime.sleep(60)'],
      scoped({ SCOPE_EVENT_DEST: `unix://${path}` }),
    )
    t.teardown(() => stop(child))
    await new Promise(resolve => child.stdout?.once('data', resolve))
    const receiver = await receive(path)
    t.teardown(receiver.close)
    await receiver.until(() => receiver.events('stdout').length > 0)
    t.match(receiver.events('stdout')[0].body.data, { message: 'early\n' })
  },
)

t.test('children tell who they are, also through an emptied environment', { skip }, async t => {
  const receiver = await receive()
  t.teardown(receiver.close)
  const command = [
    '/bin/bash',
    '-c',
    '(echo forked); env -i /bin/echo emptied; exec /bin/echo replaced',
  ]
  t.match(await run(command, to(receiver.address)), {
    status: 0,
    stdout: 'forked\nemptied\nreplaced\n',
    stderr: '',
  })
  await receiver.settled()
  const texts = receiver.events('stdout').map(line => line.body.data.message)
  t.same(texts.sort(), ['emptied\n', 'forked\n', 'replaced\n'])
  const starts = receiver.lines().filter(line => line.info)
  t.ok(starts.some(line => line.info.process.cmd === '/bin/echo emptied'))
  const identities = new Set(starts.map(line => line.info.process.uuid))
  t.ok(identities.size >= 4)
  t.equal(
    new Set(starts.map(({ info: { process } }) => `${process.uuid} ${process.pid}`)).size,
    identities.size,
    'each has an identity of its own',
  )
})

t.test(
  'settings come from the file, the environment has the last word, and what is wrong is logged',
  { skip },
  async t => {
    const receiver = await receive()
    t.teardown(receiver.close)
    const directory = t.testdir({
      'scope.yml': `
metric: { enable: maybe }
event:
  transport: { type: tcp, host: 127.0.0.1, port: 1 }
  watch:
    - { type: console, value: 'keep', name: stdout }
libscope:
  log: { level: warning, transport: { type: file, path: $LOGS/own.log } }
  surprise: 1
tags: { team: 'blue $COLOUR', tier: one }
custom:
  shells: { filter: { procname: sh }, config: { tags: { tier: two } } }
`,
    })
    const env: Record<string, string> = {
      ...scoped({
        SCOPE_EVENT_DEST: receiver.address,
        SCOPE_CONF_PATH: join(directory, 'scope.yml'),
        LOGS: directory,
        COLOUR: 'sky',
      }),
    }
    delete env['SCOPE_LOG_LEVEL']
    await run(['/bin/sh', '-c', 'echo keep; echo lost >&2'], env)
    await run(['/bin/echo', 'nothing'], env)
    await receiver.settled()
    t.match(
      receiver.lines().filter(line => line.type === 'evt'),
      [{ body: { source: 'stdout', team: 'blue sky', tier: 'two' } }],
    )
    t.equal(receiver.lines().filter(line => line.type === 'evt').length, 1)
    const log = readFileSync(join(directory, 'own.log'), 'utf8')
    t.match(log, /scope\.yml line 2: metric\.enable: "maybe" is neither true nor false/)
    t.match(log, /libscope\.surprise: there is no such setting/)
  },
)

t.test(
  'a program that waits for ever is told about, and then not woken any more',
  { skip },
  async t => {
    const receiver = await receive()
    t.teardown(receiver.close)
    const child = start(
      ['/bin/sleep', '1000'],
      to(receiver.address, { SCOPE_SUMMARY_PERIOD: '3600' }),
    )
    t.teardown(() => stop(child))
    await receiver.until(() => receiver.metrics('proc.start').length === 1)
    const tasks = `/proc/${child.pid}/task`
    const own = () =>
      execFileSync('sh', ['-c', `grep -l scopeline ${tasks}/*/comm`], { encoding: 'utf8' })
        .trim()
        .replace(/comm$/, '')
    const status = () => readFileSync(`${own()}status`, 'utf8')
    t.match(status(), /SigBlk:\s*fffffffe7ffbfeff/, 'its thread takes no signal')
    const switches = () => /voluntary_ctxt_switches:\s*(\d+)/.exec(status())?.[1]
    let before: string | undefined
    do {
      before = switches()
      await new Promise(resolve => setTimeout(resolve, 2500))
    } while (before !== switches())
    t.pass('it sleeps')
    const bare = start(['/bin/sleep', '1000'], environment())
    t.teardown(() => stop(bare))
    const descriptors = (pid: number | undefined) => readdirSync(`/proc/${pid}/fd`)
    t.same(descriptors(child.pid), descriptors(bare.pid), 'its descriptors are out of sight')
  },
)

t.test('every request to nginx is told', { skip: without(NGINX, 'nginx') }, async t => {
  const directory = t.testdir({ html: { 'a.html': 'z'.repeat(3000) } })
  const probe = createTcpServer().listen(0, '127.0.0.1')
  await new Promise(resolve => probe.on('listening', resolve))
  const at = port(probe)
  await new Promise(resolve => probe.close(resolve))
  mkdirSync(join(directory, 'tmp'))
  writeFileSync(
    join(directory, 'nginx.conf'),
    `worker_processes 1; daemon off; pid ${directory}/pid; error_log ${directory}/error.log; ${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 64; }
http { access_log off; sendfile on; ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${directory}/tmp/${name};`).join(' ')}
  server { listen 127.0.0.1:${at}; root ${directory}/html; } }`,
  )
  const receiver = await receive()
  t.teardown(receiver.close)
  const child = start(
    [
      NGINX ?? '',
      '-p',
      directory,
      '-e',
      `${directory}/error.log`,
      '-c',
      join(directory, 'nginx.conf'),
    ],
    to(receiver.address),
  )
  t.teardown(() => stop(child, 'SIGQUIT'))
  const url = `http://127.0.0.1:${at}/a.html`
  const answer = async () => (await fetch(url).catch(() => undefined))?.text()
  while ((await answer()) === undefined) await new Promise(resolve => setTimeout(resolve, 20))
  for (let round = 0; round < 20; round++) {
    const texts = await Promise.all(Array.from({ length: 25 }, answer))
    if (!texts.every(text => text?.length === 3000)) t.fail('an answer is not what the file holds')
  }
  const sources = ['http.req', 'http.resp', 'fs.open', 'fs.close']
  const of = (source: string) =>
    receiver
      .events(source)
      .filter(line => (line.body.data.http_target ?? line.body.data.file).endsWith('/a.html'))
      .length
  await receiver.until(() => sources.every(source => of(source) >= 501))
  t.same(sources.map(of), [501, 501, 501, 501])
  t.match(receiver.events('http.resp')[0].body.data, {
    http_status_code: 200,
    http_response_content_length: 3000,
    http_server_duration: Number,
  })
})

t.test(
  'redis works as ever and its connections are told',
  { skip: without(REDIS, 'redis') },
  async t => {
    const directory = socketDirectory(t)
    const path = join(directory, 'redis.sock')
    const receiver = await receive()
    t.teardown(receiver.close)
    const child = start(
      [REDIS ?? '', '--port', '0', '--unixsocket', path, '--dir', directory, '--save', ''],
      to(receiver.address, { SCOPE_SUMMARY_PERIOD: '1' }),
    )
    t.teardown(() => stop(child))
    const ask = (text: string) =>
      new Promise<string>((resolve, reject) => {
        const socket = connect(path, () => socket.write(text))
        socket.on('error', reject).once('data', data => {
          socket.end()
          resolve(data.toString())
        })
      })
    let pong: string | undefined
    while (pong === undefined) {
      pong = await ask('PING\r\n').catch(() => undefined)
      if (pong === undefined) await new Promise(resolve => setTimeout(resolve, 20))
    }
    t.equal(pong, '+PONG\r\n')
    t.equal(await ask('SET a 1\r\nGET a\r\n').then(text => text.slice(0, 5)), '+OK\r\n')
    await receiver.until(
      () => receiver.events('net.open').length >= 2 && receiver.metrics('net.open').length > 0,
    )
    t.match(receiver.events('net.open')[0].body.data, { net_transport: 'Unix.TCP' })
  },
)
