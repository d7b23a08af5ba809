/** Starts the S3 driver (s3-driver.ts) as a process that a test can watch and kill. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface DriverProcess {
  /** All events below this number are acknowledged. */
  readonly acknowledged: number
  readonly ended: boolean
  readonly output: string
  /** Exit status; null when it was killed. */
  readonly over: Promise<number | null>
  /** kill -9. */
  kill(): void
}

/** Starts it; killed if it runs longer than `limit` milliseconds. */
export function runDriver(task: object, limit = 120_000): DriverProcess {
  const driver = fileURLToPath(new URL('./s3-driver.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import=tsx', driver, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', NODE_V8_COVERAGE: '' },
  })
  let output = ''
  let acknowledged = 0
  let ended = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    for (const [, number] of text.matchAll(/ack (\d+)\n/g)) {
      acknowledged = Math.max(acknowledged, Number(number))
    }
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const over = new Promise<number | null>(resolve => {
    const late = setTimeout(() => child.kill('SIGKILL'), limit)
    child.once('close', status => {
      clearTimeout(late)
      ended = true
      resolve(status)
    })
  })
  return {
    get acknowledged() {
      return acknowledged
    },
    get ended() {
      return ended
    },
    get output() {
      return output
    },
    over,
    kill: () => void child.kill('SIGKILL'),
  }
}
