/**
 * Regular files and nothing else: who a file is (device and inode), and how it is opened so that a
 * name that turns into a FIFO, a device or a link to elsewhere in the meantime does no harm.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
} from 'node:fs'
import { codeOf } from './once.ts'

/** A file that was found: by its own name, never by a link's. */
export interface Found {
  /** Absolute path as the pattern found it; shown to users. */
  readonly path: string
  /** The same with symbolic links resolved. */
  readonly real: string
  /** The directory that it must lie in, resolved. */
  readonly within: string
  readonly stats: BigIntStats
}

/** The name that a file keeps when it is renamed; free for another one once it is gone. */
export function keyOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}`
}

/** What kind of thing a name stands for, in words. */
export function kindOf(stats: BigIntStats): string {
  if (stats.isFile()) return 'regular file'
  if (stats.isDirectory()) return 'directory'
  if (stats.isFIFO()) return 'FIFO'
  if (stats.isSocket()) return 'socket'
  if (stats.isCharacterDevice() || stats.isBlockDevice()) return 'device'
  return stats.isSymbolicLink() ? 'symbolic link' : 'special file'
}

/** Whether a resolved path lies below a resolved directory. */
export function liesBelow(path: string, directory: string): boolean {
  return path.startsWith(directory === '/' ? '/' : `${directory}/`)
}

/**
 * Opens a file for reading. Undefined when the name no longer stands for the file that was found:
 * the next look at the directory will tell. Throws what the system says otherwise.
 */
export function openFound(found: Omit<Found, 'stats'>, key: string): number | undefined {
  let fd: number
  try {
    // Without O_NONBLOCK, a name that became a FIFO would stop the whole edge here.
    fd = openSync(
      found.real,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY,
    )
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENXIO'].includes(codeOf(error))) return undefined
    throw error
  }
  try {
    const stats = fstatSync(fd, { bigint: true })
    if (
      stats.isFile() &&
      keyOf(stats) === key &&
      liesBelow(placeOf(fd, found.real), found.within)
    ) {
      return fd
    }
  } catch (error) {
    closeSync(fd)
    throw error
  }
  closeSync(fd)
  return undefined
}

/** Where an open file really lies; a directory on the way may have been swapped for a link. */
function placeOf(fd: number, path: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return realpathSync(path)
  }
}

/** Reads as much of a range as there is. */
export function readRange(fd: number, position: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length)
  let read = 0
  while (read < length) {
    const got = readSync(fd, buffer, read, length - read, position + read)
    if (got === 0) break
    read += got
  }
  return buffer.subarray(0, read)
}
