/** A process of its own that sends numbered lines as fast as they are taken: `sender.ts PORT`, then `go` and `pause` by IPC. */
import { connect } from 'node:net'
import { BLOCK_LINES, block } from './lines.ts'

const socket = connect(Number(process.argv[2]), '127.0.0.1')
let going = false
let blocked = false
let sent = 0

function pump(): void {
  while (going && !blocked) {
    blocked = !socket.write(block(sent))
    sent += BLOCK_LINES
  }
}
socket.on('drain', () => {
  blocked = false
  pump()
})
process.on('message', word => {
  going = word === 'go'
  pump()
  process.send?.(sent)
})
process.on('disconnect', () => process.exit())
