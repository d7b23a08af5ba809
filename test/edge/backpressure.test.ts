/**
 * A receiver that stops reading while everybody sends: its own route waits, the other goes on, memory
 * stays bounded, nothing is lost. With rates and for a minute: bench/stopped-sink.ts.
 */
import { readFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import t from 'tap'
import { BLOCK_LINES, block, LINE_BYTES, numberAt } from '../../bench/stopped-sink/lines.ts'
import { eventually } from '../context.ts'
import { freePort, startEdge } from './running.ts'

const MEMORY = 256
/** What the edge promises beside its `memory`, in MiB. */
const ROOM = 64
const STOPPED_FOR = 3000

/** Sends numbered lines as fast as they are taken, until `stop`. */
class Load {
  sent = 0
  readonly #socket: Socket
  #going = true

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1', () => this.#pump())
    this.#socket.on('drain', () => this.#pump())
  }

  /** Ends the connection; resolves when the edge has read all of it. */
  stop(): Promise<void> {
    this.#going = false
    return new Promise(resolve => {
      this.#socket.on('close', () => resolve())
      this.#socket.resume().end()
    })
  }

  #pump(): void {
    // A few blocks a turn, so that the test itself stays awake.
    for (let i = 0; i < 4 && this.#going; i++) {
      const bytes = block(this.sent)
      this.sent += BLOCK_LINES
      if (!this.#socket.write(bytes)) return
    }
    if (this.#going) setImmediate(() => this.#pump())
  }
}

t.test('a stopped sink stops its own route and nothing else', async t => {
  const [inputA, inputB, output] = [await freePort(), await freePort(), await freePort()]
  const numbers: number[] = []
  let receiving: Socket | undefined
  let connections = 0
  const receiver = createServer(socket => {
    connections++
    receiving = socket
    let rest = Buffer.alloc(0)
    socket.on('data', chunk => {
      const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
      const whole = bytes.length - (bytes.length % LINE_BYTES)
      for (let at = 0; at < whole; at += LINE_BYTES) numbers.push(numberAt(bytes, at))
      rest = Buffer.from(bytes.subarray(whole))
    })
  })
  await new Promise<void>(resolve => receiver.listen(output, '127.0.0.1', resolve))
  t.teardown(() => receiver.close())
  const edge = await startEdge(t, {
    yaml: `
data_dir: '@DIR@/data'
memory: ${MEMORY}MiB
api: { listen: 'tcp://127.0.0.1:0' }
sources:
  a: { type: tcp, listen: 'tcp://127.0.0.1:${inputA}' }
  b: { type: tcp, listen: 'tcp://127.0.0.1:${inputB}' }
sinks:
  slow: { type: tcp, inputs: [a], address: 'tcp://127.0.0.1:${output}' }
  fast: { type: blackhole, inputs: [b] }
`,
  })
  const metric = async (name: string, id: string) => {
    const { body } = await edge.get('/metrics')
    const line = new RegExp(`^${name}\\{component_id="${id}",[^}]*\\} (\\d+)$`, 'm')
    return Number(line.exec(body)?.[1] ?? 0)
  }
  const delivered = () => metric('component_sent_events_total', 'fast')

  const [a, b] = [new Load(inputA), new Load(inputB)]
  await eventually(() => numbers.length > 10_000, 'the first events of A')
  receiving?.pause()
  const full = async () =>
    (await metric('buffer_size_bytes', 'a')) >= (await metric('buffer_max_size_bytes', 'a'))
  await eventually(full, "A's buffer is full", 30_000)
  const [sentByA, deliveredByB] = [a.sent, await delivered()]
  await new Promise(resolve => setTimeout(resolve, STOPPED_FOR))
  t.ok((await delivered()) > deliveredByB, 'B goes on')
  t.equal(connections, 1, 'the connection that A waits on is still there')
  // What the sender's and the edge's socket buffers can take, and no more.
  t.ok((a.sent - sentByA) * LINE_BYTES < 16 * 1024 * 1024, "A's sender waits")
  t.ok(await full(), 'and the edge does not read on')

  receiving?.resume()
  await eventually(() => a.sent > sentByA + 50_000, 'A flows again', 30_000)
  await Promise.all([a.stop(), b.stop()])
  await eventually(() => numbers.length >= a.sent, "all of A's events", 30_000)
  await eventually(async () => (await delivered()) >= b.sent, "all of B's events", 30_000)
  t.ok(
    numbers.length === a.sent && numbers.every((n, i) => n === i),
    `all ${a.sent} events of A came, once and in order`,
  )
  t.equal(await delivered(), b.sent, 'and all of B')
  const status = readFileSync(`/proc/${edge.process.pid}/status`, 'latin1')
  const peak = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024
  t.ok(peak < MEMORY + ROOM, `peak memory ${peak.toFixed(0)} of ${MEMORY + ROOM} MiB`)
  t.equal(await edge.stop(), 0)
})
