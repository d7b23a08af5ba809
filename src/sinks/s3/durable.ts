/** Writes that are on the disk when they return: the few that a journal stands on. */
import { constants } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Replaces a file as a whole: after a crash there is the old one or the new one, never a part. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`
  const handle = await open(temporary, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, path)
  await syncDirectory(dirname(path))
}

/** Makes the names in a directory durable: files that were made, renamed or deleted in it. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Writes all of the buffers at a place in a file; a write that the kernel cut short goes on. */
export async function writeAt(
  handle: FileHandle,
  buffers: readonly Buffer[],
  position: number,
): Promise<void> {
  // writev takes at most IOV_MAX (1024) buffers at once.
  for (let from = 0; from < buffers.length; from += 1000) {
    let rest = buffers.slice(from, from + 1000)
    while (rest.length > 0) {
      const { bytesWritten } = await handle.writev(rest, position)
      position += bytesWritten
      let done = bytesWritten
      while (rest.length > 0 && done >= (rest[0] as Buffer).length) {
        done -= (rest[0] as Buffer).length
        rest.shift()
      }
      if (rest.length > 0) rest = [(rest[0] as Buffer).subarray(done), ...rest.slice(1)]
    }
  }
}

/** Reads so many bytes from a place in a file into a buffer; fewer only where the file ends. */
export async function readAt(
  handle: FileHandle,
  buffer: Buffer,
  length: number,
  position: number,
): Promise<number> {
  let done = 0
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}

/** Deletes a file that may be gone already. */
export async function remove(path: string): Promise<void> {
  await rm(path, { force: true })
}
