/**
 * A process of its own that takes numbered lines and keeps book of which came: prints its port by IPC,
 * then answers each message with what it has. It is stopped with SIGSTOP, as a receiver that hangs.
 */
import { createServer } from 'node:net'
import { LINE_BYTES, numberAt } from './lines.ts'

/** What a receiver tells of what it got. */
export interface Received {
  /** Different numbers, those that came again, and the highest. */
  readonly distinct: number
  readonly again: number
  readonly highest: number
}

let seen = new Uint8Array(1 << 20)
let distinct = 0
let again = 0
let highest = -1

function count(n: number): void {
  if (n >= seen.length) {
    const larger = new Uint8Array(Math.max(2 * seen.length, n + 1))
    larger.set(seen)
    seen = larger
  }
  if (seen[n]) again++
  else {
    seen[n] = 1
    distinct++
  }
  if (n > highest) highest = n
}

const server = createServer(socket => {
  let rest = Buffer.alloc(0)
  socket.on('data', chunk => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    const whole = bytes.length - (bytes.length % LINE_BYTES)
    for (let at = 0; at < whole; at += LINE_BYTES) count(numberAt(bytes, at))
    // A line that the connection broke in comes whole on the next one.
    rest = Buffer.from(bytes.subarray(whole))
  })
  socket.on('error', () => {})
})
server.listen(0, '127.0.0.1', () => {
  process.send?.((server.address() as { port: number }).port)
})
process.on('message', () => process.send?.({ distinct, again, highest } satisfies Received))
process.on('disconnect', () => process.exit())
