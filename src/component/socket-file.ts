/**
 * The file of a unix socket that someone listens on: made with the right permissions from the first
 * moment, and removed when a killed process left it behind.
 */
import { lstatSync, unlinkSync } from 'node:fs'
import net from 'node:net'

/** The path as the operating system takes it: abstract names start with a NUL byte. */
export function socketPath(path: string): string {
  return path.startsWith('@') ? `\0${path.slice(1)}` : path
}

/**
 * Calls what binds a socket, in a way that its file never has more than these permissions: who may
 * write to it may connect, and would be in the queue before any chmod.
 */
export function withMode(mode: number, bind: () => void): void {
  const before = process.umask(0o777 & ~mode)
  try {
    bind()
  } finally {
    process.umask(before)
  }
}

/** Removes a socket file that nobody listens on. Resolves to whether the path is free now. */
export function sweep(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = net.connect({ path: socketPath(path) })
    probe.on('connect', () => {
      probe.destroy()
      resolve(false)
    })
    probe.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return resolve(true)
      if (error.code !== 'ECONNREFUSED' || path.startsWith('@')) return resolve(false)
      try {
        // Connecting to an ordinary file is refused too; that one is not ours to remove.
        if (!lstatSync(path).isSocket()) return resolve(false)
        unlinkSync(path)
        resolve(true)
      } catch {
        resolve(false)
      }
    })
  })
}
