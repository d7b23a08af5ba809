/**
 * How much of what was written to a TCP connection its peer has not acknowledged. Node cannot ask the
 * kernel for it; Linux also tells it in /proc.
 */
import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'

/**
 * Bytes that the peer's kernel has not acknowledged: sent or not, and encrypted if the connection is.
 * 0 where it cannot be known, for want of Linux or of TCP; undefined where the connection is not (or no
 * longer) in the kernel's table.
 */
export async function unacknowledged(socket: Socket): Promise<number | undefined> {
  if (socket.destroyed) return undefined
  const { localPort, remotePort, remoteFamily } = socket
  if (localPort === undefined || remotePort === undefined) return 0
  let table: string
  try {
    table = await readFile(`/proc/self/net/tcp${remoteFamily === 'IPv6' ? '6' : ''}`, 'latin1')
  } catch {
    return 0
  }
  return readTable(table, localPort, remotePort)
}

const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')

/**
 * Looks a connection up by its ports. Where connections from several local addresses share both, the
 * fullest counts: too much waiting is safe, too little is not.
 */
export function readTable(
  table: string,
  localPort: number,
  remotePort: number,
): number | undefined {
  const line = new RegExp(
    `: [0-9A-F]+:${hex(localPort)} [0-9A-F]+:${hex(remotePort)} [0-9A-F]{2} ([0-9A-F]{8}):`,
    'g',
  )
  let most: number | undefined
  for (const match of table.matchAll(line)) {
    most = Math.max(most ?? 0, Number.parseInt(match[1] as string, 16))
  }
  return most
}
