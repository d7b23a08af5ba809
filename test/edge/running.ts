/** A real edge, as users run it: `bin/scope edge` in a process of its own, with places of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import {
  createReadStream,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ndjson from 'ndjson'
import type { JsonObject } from '../../src/record/json.ts'
import { eventually } from '../context.ts'

export const ROOT = new URL('../..', import.meta.url).pathname
export const SAMPLES = join(ROOT, 'test/samples')

export interface RunningEdge {
  readonly process: ChildProcess
  readonly directory: string
  /** What it wrote on stderr so far. */
  log(): string
  /** The answer of its HTTP side. */
  get(path: string, headers?: Record<string, string>): Promise<{ status: number; body: string }>
  /** Runs a scope command that speaks to it. */
  scope(...args: string[]): { status: number | null; out: string; err: string }
  /** Ends it with a signal; the exit status, or the signal's name. */
  stop(signal?: NodeJS.Signals): Promise<number | string>
}

export interface EdgeSetting {
  /** YAML; `@DIR@` is replaced by the directory. */
  readonly yaml?: string
  /** A file instead, such as one of config/. */
  readonly file?: string
  readonly env?: Record<string, string>
  /** A directory of an earlier run, to go on in. */
  readonly directory?: string
}

/** Starts an edge and waits until it works. The directory is removed by `t.teardown`. */
export async function startEdge(
  t: { teardown(work: () => unknown): void },
  setting: EdgeSetting,
): Promise<RunningEdge> {
  const directory = setting.directory ?? mkdtempSync(join(tmpdir(), 'scopeline-e2e-'))
  const file = setting.file ? join(ROOT, setting.file) : join(directory, 'edge.yml')
  if (setting.yaml) writeFileSync(file, setting.yaml.replaceAll('@DIR@', directory))
  const env = {
    ...process.env,
    SCOPE_EDGE_DATA: join(directory, 'data'),
    SCOPE_EDGE_OUT: join(directory, 'out'),
    SCOPE_EDGE_API: 'tcp://127.0.0.1:0',
    XDG_RUNTIME_DIR: directory,
    ...setting.env,
  }
  const contactFile = join(directory, 'data', 'edge.json')
  rmSync(contactFile, { force: true })
  const child = spawn(join(ROOT, 'bin/scope'), ['edge', file], {
    env,
    cwd: directory,
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  let log = ''
  child.stderr?.setEncoding('utf8').on('data', text => {
    log += text
  })
  const ended = new Promise<number | string>(resolve => {
    child.on('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'))
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(directory, { recursive: true, force: true })
  })
  await eventually(
    () => {
      if (child.exitCode !== null) throw new Error(`the edge ended: ${log}`)
      return existsSync(contactFile) && log.includes('"started"')
    },
    `the edge's start (${file})`,
    30_000,
  )
  const contact = JSON.parse(readFileSync(contactFile, 'utf8'))
  const port = Number(contact.listen.split(':').at(-1))
  return {
    process: child,
    directory,
    log: () => log,
    get: (path, headers = {}) =>
      new Promise((resolve, reject) => {
        request({ host: '127.0.0.1', port, path, headers }, response => {
          let body = ''
          response.setEncoding('utf8').on('data', text => {
            body += text
          })
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
        })
          .on('error', reject)
          .end()
      }),
    scope(...args) {
      const result = spawnSync(join(ROOT, 'bin/scope'), args, { env, encoding: 'utf8' })
      return { status: result.status, out: result.stdout, err: result.stderr }
    },
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return ended
    },
  }
}

/** A TCP port that is free now. */
export function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/** Sends bytes over TCP and ends the connection; resolves when the other side has closed, too. */
export function sendTcp(port: number, ...parts: (string | Buffer)[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      for (const part of parts) socket.write(part)
      socket.end()
    })
    socket.on('close', () => resolve())
    socket.on('error', reject)
    socket.resume()
  })
}

/** The lines of a file; none if it does not exist. */
export function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : []
}

/** Options of a test that is skipped, with a sentence, where a program that it needs is not installed. */
export function without(...programs: string[]): { skip: string | false } {
  const missing = programs.filter(
    program => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0,
  )
  return { skip: missing.length > 0 && `${missing.join(', ')} not installed` }
}

/** The records of NDJSON files, as another parser than the edge's own reads them. */
export async function recordsOf(...paths: string[]): Promise<JsonObject[]> {
  const records: JsonObject[] = []
  for (const path of paths) {
    const parser = ndjson.parse()
    createReadStream(path)
      .on('error', error => parser.destroy(error))
      .pipe(parser)
    for await (const record of parser) records.push(record)
  }
  return records
}
