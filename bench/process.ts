/** A process under measurement: started, waited for, its CPU and memory read from /proc, ended. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'

const TICKS_PER_SECOND = 100

export interface Usage {
  /** User and system time in seconds since the start. */
  readonly cpu: number
  /** Largest resident size so far, in MiB. */
  readonly peakRss: number
}

export class Subject {
  readonly #child: ChildProcess
  readonly #ended: Promise<void>

  constructor(command: readonly string[], env: Record<string, string> = {}) {
    const [program, ...args] = command
    this.#child = spawn(program as string, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    this.#ended = new Promise(resolve => this.#child.once('exit', () => resolve()))
  }

  usage(): Usage {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const ticks = Number(fields[11]) + Number(fields[12])
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'latin1')
    const peak = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0)
    return { cpu: ticks / TICKS_PER_SECOND, peakRss: peak / 1024 }
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 15_000)
    await this.#ended
    clearTimeout(late)
  }
}

/** Waits until something accepts TCP connections on a port of this machine. */
export async function accepting(port: number): Promise<void> {
  for (let i = 0; i < 400; i++) {
    const open = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (open) return
    await pause(25)
  }
  throw new Error(`nothing listens on port ${port}`)
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds))
}
