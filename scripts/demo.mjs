// The demo: an edge with config/demo.yml; a real program run under the library, with secrets in what it
// asks for; and what nginx and curl once said under AppScope (recorded in test/samples). Shows what came
// out and ends.
import { spawn, spawnSync } from 'node:child_process'
import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const directory = mkdtempSync(join(tmpdir(), 'scopeline-demo-'))
const port = await freePort()
const bold = text => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text)
const say = text => process.stdout.write(`${text}\n`)

const recorded = ['appscope-nginx-wrk.ndjson', 'appscope-curl-https.ndjson']
  .flatMap(name => lines(join('test/samples', name)))
  .filter(line => JSON.parse(line).body?.sourcetype === 'http').length
say(bold('1. An edge starts: config/demo.yml'))
const edge = spawn('bin/scope', ['edge', 'config/demo.yml'], {
  env: { ...process.env, DEMO_DIR: directory, DEMO_LISTEN: `tcp://127.0.0.1:${port}` },
  stdio: ['ignore', 'inherit', 'inherit'],
})
const ended = new Promise(resolve => edge.on('exit', resolve))
await until(() => existsSync(join(directory, 'data', 'edge.json')), 'the edge to start')

say(bold('2. A real program runs under the library, unmodified'))
const web = createHttpServer((_request, response) => response.end('thank you\n'))
await new Promise(resolve => web.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${web.address().port}/pay?card=4111-1111-1111-1111&mail=jo@example.com`
const hasCurl = spawnSync('sh', ['-c', 'command -v curl']).status === 0
const program = hasCurl
  ? ['curl', '-s', url]
  : ['node', '-e', `require('http').get(${JSON.stringify(url)}, r => r.pipe(process.stdout))`]
const hasLibrary = existsSync('build/libscope.so')
if (hasLibrary) {
  say(`   $ scope run -- ${program.slice(0, 2).join(' ')} …`)
  const run = ['run', '-c', `tcp://127.0.0.1:${port}`, '--', ...program]
  await new Promise(resolve =>
    spawn('bin/scope', run, { stdio: ['ignore', 'inherit', 'inherit'] }).on('exit', resolve),
  )
} else say('   the library is not built here (npm run build tells why): recorded events only')

say(bold('3. Others connect and send theirs (recorded from nginx and curl under AppScope)'))
await Promise.all([
  send(createReadStream('test/samples/appscope-nginx-wrk.ndjson')),
  send(createReadStream('test/samples/appscope-curl-https.ndjson')),
  send(['this line is no JSON and harms no other\n']),
])
const events = join(directory, 'http.ndjson')
const volume = join(directory, 'volume.ndjson')
await until(() => lines(events).length >= recorded + (hasLibrary ? 2 : 0), 'the events')
await until(() => lines(volume).length > 0, 'the first window')
edge.kill('SIGTERM')
const status = await ended

const seen = lines(events)
const own = seen.filter(line => line.includes('/pay?'))
say(bold('4. What came out'))
say(
  `   ${seen.length} HTTP events; what our own program asked for, its secrets taken out before it was written:`,
)
for (const line of own) say(`   ${short(JSON.stringify(JSON.parse(line).data))}`)
say('   volumes, counted in windows of one second:')
for (const line of lines(volume).slice(0, 4)) say(`   ${short(line)}`)
say('   and the line that is no JSON is kept with the reason:')
say(`   ${short(lines(join(directory, 'data', 'rejected', 'apps.ndjson'))[0] ?? '')}`)

const right =
  status === 0 &&
  own.length === (hasLibrary ? 2 : 0) &&
  !/4111|jo@example/.test(readFileSync(events, 'utf8'))
say(
  bold(
    right ? 'Done: everything arrived, no secret did.' : `Something is wrong (status ${status}).`,
  ),
)
web.close()
rmSync(directory, { recursive: true, force: true })
process.exit(right ? 0 : 1)

function lines(file) {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
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
