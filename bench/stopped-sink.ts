/**
 * What a stopped sink costs the others: one edge with two routes under full load, the receiver of one
 * stopped for a while. Prints a table and whether the promises hold: nothing lost, memory under its
 * budget and 64 MiB, the other route at 90 % of the rate that it has when the first is idle.
 *
 *   node --import=tsx bench/stopped-sink.ts [--seconds 60] [--memory 256MiB]
 *
 * The yardstick is B's rate while A is idle, before and after: A that flows takes CPU from B, sink
 * stopped or not, so a comparison with that would flatter.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { size } from '../src/component/options.ts'
import { accepting, pause } from './process.ts'
import { LINE_BYTES } from './stopped-sink/lines.ts'
import type { Received } from './stopped-sink/receiver.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    memory: { type: 'string', default: '256MiB' },
  },
})
const SECONDS = Number(values.seconds)
const MIB = 1024 * 1024
const ROOM = size().parse(values.memory) / MIB + 64
const ROOT = new URL('..', import.meta.url).pathname

interface Phase {
  readonly name: string
  readonly a: number
  readonly b: number
  /** B's events for each second of the edge's CPU: what a busy machine cannot blur. */
  readonly bPerCpu: number
  readonly peakRss: number
}

const work = mkdtempSync(join(process.env['BENCH_WORK'] ?? tmpdir(), 'scopeline-stopped-'))
const children: ChildProcess[] = []
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(work, { recursive: true, force: true })
})

const helper = (name: string, ...args: string[]) => {
  const child = fork(join(ROOT, 'bench/stopped-sink', name), args)
  children.push(child)
  return child
}
const answer = <T>(child: ChildProcess) =>
  new Promise<T>(resolve => child.once('message', message => resolve(message as T)))
const ask = <T>(child: ChildProcess, word: string) => {
  const result = answer<T>(child)
  child.send(word)
  return result
}

const receiver = helper('receiver.ts')
const receiverPort = await answer<number>(receiver)
const [portA, portB] = [await freePort(), await freePort()]
const config = join(work, 'edge.yml')
writeFileSync(
  config,
  `
data_dir: ${work}/data
memory: ${values.memory}
api: { listen: 'tcp://127.0.0.1:0' }
sources:
  a: { type: tcp, listen: 'tcp://127.0.0.1:${portA}' }
  b: { type: tcp, listen: 'tcp://127.0.0.1:${portB}' }
sinks:
  to_receiver: { type: tcp, inputs: [a], address: 'tcp://127.0.0.1:${receiverPort}' }
  to_file: { type: ndjson, inputs: [b], path: ${work}/b.ndjson, rotate: { size: 256MiB } }
`,
)
const edge = spawn(join(ROOT, 'bin/scope'), ['edge', config], {
  env: { ...process.env, XDG_RUNTIME_DIR: work },
  stdio: ['ignore', 'inherit', 'pipe'],
})
children.push(edge)
let log = ''
edge.stderr?.setEncoding('utf8').on('data', text => {
  log += text
})
await accepting(portB)
while (!existsSync(join(work, 'data/edge.json'))) await pause(20)
const contact = JSON.parse(readFileSync(join(work, 'data/edge.json'), 'utf8'))
const api = `http://${contact.listen.replace('tcp://', '')}`

let removed = 0
const tidy = setInterval(() => {
  for (const name of readdirSync(work)) {
    if (!/^b\.\d+\.ndjson$/.test(name)) continue
    removed += statSync(join(work, name)).size
    rmSync(join(work, name))
  }
}, 1000)

const senderA = helper('sender.ts', String(portA))
const senderB = helper('sender.ts', String(portB))
const phases: Phase[] = []

await ask(senderB, 'go')
await pause(Math.min(5, SECONDS / 4) * 1000)
await phase('A idle', SECONDS / 2)
await ask(senderA, 'go')
await phase('A flows', SECONDS / 4)
receiver.kill('SIGSTOP')
await pause(1000)
await phase("A's receiver stopped", SECONDS)
receiver.kill('SIGCONT')
await phase("A's receiver goes on", SECONDS / 4)
const sentA = await ask<number>(senderA, 'pause')
await until(async () => (await ask<Received>(receiver, 'report')).distinct >= sentA)
await phase('A idle again', SECONDS / 2)
const sentB = await ask<number>(senderB, 'pause')
await until(async () => (await sent('to_file')) >= sentB)
clearInterval(tidy)
edge.kill('SIGTERM')
const status = await new Promise(resolve => edge.once('exit', resolve))
for (const name of readdirSync(work)) {
  if (/^b(\.\d+)?\.ndjson$/.test(name)) removed += statSync(join(work, name)).size
}
const received = await ask<Received>(receiver, 'report')

const idle = ((phases[0]?.b ?? 0) + (phases[4]?.b ?? 0)) / 2
const peak = Math.max(...phases.map(one => one.peakRss))
const share = ((phases[2]?.b ?? 0) / idle) * 100
const table = [
  '| phase | B events/s | of B with A idle | B events per CPU-s | A events/s | peak RSS |',
  '| --- | ---: | ---: | ---: | ---: | ---: |',
  ...phases.map(
    ({ name, a, b, bPerCpu, peakRss }) =>
      `| ${name} | ${b.toFixed(0)} | ${((b / idle) * 100).toFixed(0)} % | ${bPerCpu.toFixed(0)} | ${a.toFixed(0)} | ${peakRss.toFixed(0)} MiB |`,
  ),
]
const lostA = sentA - received.distinct
const lostB = sentB - removed / LINE_BYTES
const checks: [boolean, string][] = [
  [lostA === 0, `A: ${sentA} lines sent, ${lostA} lost, ${received.again} twice`],
  [lostB === 0, `B: ${sentB} lines sent, ${lostB} lost`],
  [peak < ROOM, `peak RSS ${peak.toFixed(0)} MiB of memory + 64 MiB = ${ROOM} MiB`],
  [share >= 90, `B with A's receiver stopped: ${share.toFixed(1)} % of B with A idle`],
  [status === 0, `the edge ended with status ${status}`],
]
const idleCpu = ((phases[0]?.bPerCpu ?? 0) + (phases[4]?.bPerCpu ?? 0)) / 2
process.stdout.write(`${table.join('\n')}\n\n`)
// On a machine with other work the rates say little, and this still says what the edge has to do.
process.stdout.write(
  `B for each CPU-second of the edge, A's receiver stopped: ${(((phases[2]?.bPerCpu ?? 0) / idleCpu) * 100).toFixed(1)} % of A idle\n`,
)
for (const [ok, text] of checks) process.stdout.write(`${ok ? 'holds' : 'FAILS'}: ${text}\n`)
if (checks.some(([ok]) => !ok)) process.stderr.write(log.slice(-4000))
process.exit(checks.every(([ok]) => ok) ? 0 : 1)

/** Measures for a while: the events that both sinks delivered, and the edge's greatest size. */
async function phase(name: string, seconds: number): Promise<void> {
  // Resets the kernel's high-water mark of the resident size.
  writeFileSync(`/proc/${edge.pid}/clear_refs`, '5')
  const [a, b, start] = [await sent('to_receiver'), await sent('to_file'), performance.now()]
  const cpu = cpuSeconds()
  await pause(seconds * 1000)
  const took = (performance.now() - start) / 1000
  const memory = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${edge.pid}/status`, 'latin1'))
  const events = (await sent('to_file')) - b
  phases.push({
    name,
    a: ((await sent('to_receiver')) - a) / took,
    b: events / took,
    bPerCpu: events / (cpuSeconds() - cpu),
    peakRss: Number(memory?.[1]) / 1024,
  })
  process.stderr.write(`${name}: ${JSON.stringify(phases.at(-1))}\n`)
}

/** What the edge has used since its start. */
function cpuSeconds(): number {
  const stat = readFileSync(`/proc/${edge.pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function sent(id: string): Promise<number> {
  const text = await (await fetch(`${api}/metrics`)).text()
  const line = new RegExp(`^component_sent_events_total\\{component_id="${id}".*\\} (\\d+)`, 'm')
  return Number(line.exec(text)?.[1] ?? 0)
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 60_000
  while (!(await condition())) {
    if (performance.now() > end) return
    await pause(100)
  }
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
