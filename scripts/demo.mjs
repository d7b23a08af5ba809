// The demo: an edge with config/demo.yml, fed with what a real nginx and curl said under AppScope
// (recorded in test/samples), and one line with secrets in it. Shows what came out and ends.
import { spawn } from 'node:child_process'
import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const directory = mkdtempSync(join(tmpdir(), 'scopeline-demo-'))
const port = await freePort()
const bold = text => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text)
const say = text => process.stdout.write(`${text}\n`)

say(bold('1. An edge starts: config/demo.yml'))
const edge = spawn('bin/scope', ['edge', 'config/demo.yml'], {
  env: { ...process.env, DEMO_DIR: directory, DEMO_LISTEN: `tcp://127.0.0.1:${port}` },
  stdio: ['ignore', 'inherit', 'inherit'],
})
const ended = new Promise(resolve => edge.on('exit', resolve))
await until(() => existsSync(join(directory, 'data', 'edge.json')), 'the edge to start')

say(bold('2. Programs connect and send their events (recorded from nginx and curl under AppScope)'))
const secret = {
  type: 'evt',
  id: 'demo',
  _channel: 'none',
  body: {
    sourcetype: 'http',
    _time: 1795223889.5,
    source: 'http.req',
    host: 'demo',
    proc: 'shop',
    cmd: 'shop',
    pid: 1,
    data: {
      http_method: 'POST',
      http_target: '/pay?card=4111-1111-1111-1111&mail=jo@example.com',
      http_authorization: 'Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl',
    },
  },
}
await Promise.all([
  send(createReadStream('test/samples/appscope-nginx-wrk.ndjson')),
  send(createReadStream('test/samples/appscope-curl-https.ndjson')),
  send([`${JSON.stringify(secret)}\n`, 'this line is no JSON and harms no other\n']),
])
const events = join(directory, 'http.ndjson')
const volume = join(directory, 'volume.ndjson')
await until(() => lines(events).some(line => line.includes('"proc":"shop"')), 'the events')
await until(() => lines(volume).length > 0, 'the first window')
edge.kill('SIGTERM')
const status = await ended

const sent = count(['appscope-nginx-wrk.ndjson', 'appscope-curl-https.ndjson']) + 2
const web = lines(events)
const shop = web.find(line => line.includes('"proc":"shop"')) ?? ''
say(bold('3. What came out'))
say(`   ${sent} lines in, ${web.length} HTTP events out, one of them:`)
say(`   ${short(web.find(line => line.includes('http.resp')) ?? '')}`)
say('   its secrets taken out before it was written:')
say(`   ${short(JSON.stringify(JSON.parse(shop).data))}`)
say('   volumes, counted in windows of one second:')
for (const line of lines(volume).slice(0, 4)) say(`   ${short(line)}`)
say('   and the line that is no JSON is kept with the reason:')
say(`   ${short(lines(join(directory, 'data', 'rejected', 'apps.ndjson'))[0] ?? '')}`)

const right =
  status === 0 && web.length > 0 && !/4111|jo@example|eyJhbGci/.test(readFileSync(events, 'utf8'))
say(
  bold(
    right ? 'Done: everything arrived, no secret did.' : `Something is wrong (status ${status}).`,
  ),
)
rmSync(directory, { recursive: true, force: true })
process.exit(right ? 0 : 1)

function lines(file) {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
}

function count(files) {
  return files.reduce((sum, file) => sum + lines(join('test', 'samples', file)).length, 0)
}

function short(text) {
  return text.length > 180 ? `${text.slice(0, 177)}...` : text
}

function send(chunks) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', async () => {
      for await (const chunk of chunks) socket.write(chunk)
      socket.end()
    })
    socket.on('close', resolve)
    socket.on('error', reject)
  })
}

function freePort() {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

async function until(condition, what) {
  const end = Date.now() + 30_000
  while (!condition()) {
    if (Date.now() > end || edge.exitCode !== null) {
      process.stderr.write(`demo: waited in vain for ${what}\n`)
      edge.kill()
      process.exit(1)
    }
    await sleep(20)
  }
}
