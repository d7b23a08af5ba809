/**
 * The way from a command to a running edge: the edge leaves a private file that tells where it
 * listens and the token that it wants; commands read it and speak HTTP.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:http'
import { dirname, join } from 'node:path'
import { type Address, formatAddress, parseAddress } from '../component/address.ts'
import { socketPath } from '../component/socket-file.ts'
import { CommandError, type Io } from './io.ts'

interface Contact {
  readonly listen: string
  readonly token: string
  readonly pid: number
}

/** The files in which a running edge can be found: in its data directory and in the user's runtime directory. */
function contactFiles(dataDir: string | undefined, io: Io): string[] {
  const runtime = io.env['XDG_RUNTIME_DIR'] ?? (process.getuid?.() === 0 ? '/run' : undefined)
  const files: string[] = []
  if (dataDir !== undefined) files.push(join(dataDir, 'edge.json'))
  else if (runtime) files.push(join(runtime, 'scopeline', 'edge.json'))
  return files
}

/** A token that nobody can guess. */
export function newToken(): string {
  return randomBytes(24).toString('base64url')
}

/** Leaves the contact files of an edge, 0600. The result removes those that are still its own. */
export function leaveContact(dataDir: string, address: Address, token: string, io: Io): () => void {
  const contact: Contact = { listen: formatAddress(address), token, pid: process.pid }
  const written: string[] = []
  for (const file of [...contactFiles(dataDir, io), ...contactFiles(undefined, io)]) {
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
      writePrivately(file, JSON.stringify(contact))
      written.push(file)
    } catch {
      // The runtime directory may be missing or another's; the data directory's file is enough.
    }
  }
  return () => {
    for (const file of written) {
      try {
        if ((JSON.parse(readFileSync(file, 'utf8')) as Contact).pid === process.pid) rmSync(file)
      } catch {
        // Already gone, or another edge's by now.
      }
    }
  }
}

/**
 * Puts a file of mode 0600 in the place of whatever has its name: readers see all of it or nothing,
 * and a link that someone laid there is replaced, not followed.
 */
function writePrivately(file: string, text: string): void {
  const fresh = `${file}.${randomBytes(6).toString('hex')}`
  try {
    writeFileSync(fresh, text, { mode: 0o600, flag: 'wx' })
    renameSync(fresh, file)
  } catch (error) {
    rmSync(fresh, { force: true })
    throw error
  }
}

export interface Target {
  /** The data directory of the edge that is meant; the user's last started one if absent. */
  readonly dataDir?: string | undefined
}

/**
 * Sends a request to a running edge.
 * @param path with its query
 * @returns the response, its status 200; its body is still to be read
 */
export async function callEdge(
  io: Io,
  target: Target,
  method: 'GET' | 'POST',
  path: string,
): Promise<IncomingMessage> {
  const contact = findContact(target, io)
  const address = parseAddress(contact.listen, ['tcp', 'unix'])
  const headers = { authorization: `Bearer ${contact.token}`, host: 'localhost' }
  const where =
    'path' in address
      ? { socketPath: socketPath(address.path) }
      : { host: address.host, port: address.port }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ ...where, method, path, headers }, resolve)
      .on('error', error =>
        reject(
          new CommandError(
            `no edge answers at ${contact.listen} (${error.message}); start one with "scope edge FILE"`,
          ),
        ),
      )
      .end()
  })
  if (response.statusCode === 200) return response
  const text = await bodyOf(response)
  let why = text
  try {
    why = (JSON.parse(text) as { error?: string }).error ?? text
  } catch {
    // Not JSON: whatever answered is shown as it is.
  }
  throw new CommandError(why.trim() || `the edge answered with status ${response.statusCode}`)
}

/** The whole body of a response as text. */
export async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

function findContact(target: Target, io: Io): Contact {
  const files = contactFiles(target.dataDir, io)
  for (const file of files) {
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as Contact
    } catch {
      // Look in the next place.
    }
  }
  throw new CommandError(
    `no running edge found (looked at ${files.join(', ') || 'no place: XDG_RUNTIME_DIR is not set'}); start one with "scope edge FILE", or name its configuration with --config FILE`,
  )
}
