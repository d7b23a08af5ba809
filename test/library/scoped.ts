/** Runs real programs under the library, with receivers of their lines; what the suites of the library share. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { abstractSocket, isAbstract } from '../../src/component/abstract-socket.ts'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
export const LIBRARY = `${ROOT}build/libscope.so`

/** A sentence if the library is not there to be tested, for `skip`. */
export const UNBUILT: string | false = existsSync(LIBRARY)
  ? false
  : 'build/libscope.so is not built; "make -C native libscope" builds it'

/** The first of these that is installed. */
export function installed(...paths: string[]): string | undefined {
  return paths.find(path => existsSync(path))
}

// biome-ignore lint/suspicious/noExplicitAny: lines of any form are looked at here
export type Line = any

export interface Receiver {
  /** As SCOPE_EVENT_DEST takes it. */
  readonly address: string
  /** Lines of each connection, parsed; a line that is no JSON is a test's failure, so it throws. */
  readonly connections: Line[][]
  lines(): Line[]
  events(source: string): Line[]
  metrics(name: string): Line[]
  /** Resolves when `found` is true of what has come. */
  until(found: (receiver: Receiver) => boolean): Promise<void>
  /** Resolves when someone was here and everyone has gone, so that nothing more is on its way. */
  settled(): Promise<void>
  close(): void
}

/** Listens on a TCP port of its own, or on a unix socket. */
export async function receive(path?: string): Promise<Receiver> {
  const connections: Line[][] = []
  const waiting = new Set<() => void>()
  let open = 0
  const server = createServer(socket => {
    const lines: Line[] = []
    let rest = ''
    connections.push(lines)
    open++
    socket.setEncoding('utf8').on('data', chunk => {
      const parts = (rest + chunk).split('\n')
      rest = parts.pop() ?? ''
      for (const part of parts) lines.push(JSON.parse(part))
      for (const look of waiting) look()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      open--
      for (const look of waiting) look()
    })
  })
  await new Promise<void>(resolve => {
    if (!path) server.listen(0, '127.0.0.1', resolve)
    else if (isAbstract(path)) server.listen({ fd: abstractSocket(path, 'listen') }, resolve)
    else server.listen(path, resolve)
  })
  const at = server.address()
  const receiver: Receiver = {
    address: path ? `unix://${path}` : `tcp://127.0.0.1:${(at as AddressInfo).port}`,
    connections,
    lines: () => connections.flat(),
    events: source => receiver.lines().filter(line => line.body?.source === source),
    metrics: name => receiver.lines().filter(line => line.body?._metric === name),
    until: found =>
      new Promise(resolve => {
        const look = () => {
          if (!found(receiver)) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    async settled() {
      // A connection may be made and not be accepted here yet, so look again.
      for (let before = -1; before !== connections.length; ) {
        before = connections.length
        await receiver.until(() => connections.length > 0 && open === 0)
        await new Promise(resolve => setTimeout(resolve, 50))
      }
    },
    close: () => server.close(),
  }
  return receiver
}

export interface Outcome {
  readonly status: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

/** An environment without anything of ours, and without an edge that may run on this machine. */
export function environment(more: Record<string, string> = {}): Record<string, string> {
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(SCOPE_|LD_PRELOAD|XDG_RUNTIME_DIR|NODE_)/.test(name),
  ) as [string, string][]
  return {
    ...Object.fromEntries(clean),
    SCOPE_EDGE_SOCKET: '/nonexistent/edge.sock',
    SCOPE_CONF_PATH: '/dev/null/none',
    SCOPE_LOG_LEVEL: 'none',
    ...more,
  }
}

/** As environment(), with the library in it. */
export function scoped(more: Record<string, string> = {}): Record<string, string> {
  return environment({ LD_PRELOAD: LIBRARY, ...more })
}

/** Runs a program to its end. */
export async function run(
  command: readonly string[],
  env: Record<string, string>,
  options: SpawnOptions = {},
): Promise<Outcome> {
  const child = start(command, env, options)
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', text => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  return await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }))
  })
}

/** Starts a program that goes on. */
export function start(
  [program = '', ...args]: readonly string[],
  env: Record<string, string>,
  options: SpawnOptions = {},
): ChildProcess {
  return spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], ...options })
}

/** A directory whose path is short enough for a socket in it. */
export function socketDirectory(t: { teardown(work: () => unknown): void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'scope-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

/** Ends a program that goes on, and waits for it. */
export async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise(resolve => child.on('exit', resolve))
  child.kill(signal)
  await ended
}
