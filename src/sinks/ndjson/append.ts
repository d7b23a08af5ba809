/** Appending to a file so that it is known how far a write came that failed. */
import type { FileHandle } from 'node:fs/promises'

const NEWLINE = 0x0a

/** Appends all buffers; `progress` tells how far it came if it throws. */
export async function append(
  handle: FileHandle,
  buffers: readonly Buffer[],
  progress: { written: number },
): Promise<void> {
  let rest = [...buffers]
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest)
    progress.written += bytesWritten
    let skip = bytesWritten
    const next: Buffer[] = []
    for (const buffer of rest) {
      if (skip >= buffer.length) skip -= buffer.length
      else {
        next.push(skip > 0 ? buffer.subarray(skip) : buffer)
        skip = 0
      }
    }
    rest = next
  }
}

/** Where the last whole line ends in the first so many bytes of some buffers. */
export function endOfLastLine(buffers: readonly Buffer[], bytes: number): number {
  let start = 0
  let end = 0
  for (const buffer of buffers) {
    const part = Math.min(buffer.length, bytes - start)
    if (part <= 0) break
    const newline = buffer.lastIndexOf(NEWLINE, part - 1)
    if (newline >= 0) end = start + newline + 1
    start += buffer.length
  }
  return end
}
