/**
 * Sockets of Linux's abstract namespace, as descriptors. The native addon makes them, since Node.js
 * fills their names up with zero bytes, so that only other Node.js programs would find them.
 */
import { getSystemErrorMap } from 'node:util'
import { nativeAddon } from '../batch/addon.ts'

/** Whether a path of an address is a name in the abstract namespace. */
export function isAbstract(path: string): boolean {
  return path.startsWith('@')
}

/**
 * A descriptor that listens under the name, or is connected to the one that does.
 *
 * @param path the name behind an `@`, as addresses have it
 * @throws Error with the system's `code`; without one where the addon is missing
 */
export function abstractSocket(path: string, purpose: 'listen' | 'connect'): number {
  const addon = nativeAddon()
  if (typeof addon === 'string') {
    throw new Error(
      `abstract names need the native addon, and ${addon}; build it with "npm run build:native" (needs g++, make and python3), or use a unix socket with a path`,
    )
  }
  const result = addon.abstractSocket(path.slice(1), purpose === 'listen')
  if (result >= 0) return result
  const [code, message] = getSystemErrorMap().get(result) ?? [undefined, `errno ${-result}`]
  throw Object.assign(new Error(message), { code })
}
