/**
 * Opens a file that a record names, for sending. Records come from outside: what may be read is
 * decided by where the opened file really lies, not by what its path looks like.
 */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, readlink, realpath } from 'node:fs/promises'
import { S3Error } from './errors.ts'
import { type Body, BodyChanged } from './upload.ts'

export interface NamedFile extends Body {
  /** What the file is now: device, inode, size and time of change, as one text. */
  readonly identity: string
}

/** Opens a regular file below `root`. Throws `refused` (S3Error) with the reason where it may not. */
export async function openNamedFile(path: string, root: string): Promise<NamedFile> {
  const handle = await openQuietly(path)
  try {
    const stat = await handle.stat({ bigint: true })
    if (!stat.isFile()) {
      throw new S3Error('refused', 'not_a_regular_file', `${path} is not a regular file`)
    }
    // The kernel's own word on which file this is: whatever links the path went through, and however
    // they have been changed since.
    const real = await readlink(`/proc/self/fd/${handle.fd}`)
    const below = `${(await realpath(root)).replace(/\/$/, '')}/`
    if (!real.startsWith(below)) {
      throw new S3Error(
        'refused',
        'outside_file_root',
        `${path} lies outside of ${root} (file_root), from where files are sent`,
      )
    }
    const identity = identityOf(stat)
    return {
      handle,
      size: Number(stat.size),
      identity,
      async check() {
        if (identityOf(await handle.stat({ bigint: true })) !== identity) {
          throw new BodyChanged(`${path} was changed while it was being sent`)
        }
      },
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** A short name for one state of a file under one key: the same after a restart. */
export function fileId(path: string, identity: string, key: string): string {
  return createHash('sha256').update(`${path}\0${identity}\0${key}`).digest('hex').slice(0, 20)
}

async function openQuietly(path: string): Promise<FileHandle> {
  if (!path.startsWith('/') || path.includes('\0')) {
    throw new S3Error('refused', 'no_path', `"${path}" is not an absolute path`)
  }
  try {
    // O_NONBLOCK: opening a named pipe must not wait for its writer.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const { code = 'open', message } = error as NodeJS.ErrnoException
    if (code === 'EMFILE' || code === 'ENFILE' || code === 'ENOMEM' || code === 'EIO') throw error
    const reasons: Record<string, string> = {
      ENOENT: 'file_missing',
      ENOTDIR: 'file_missing',
      ELOOP: 'symbolic_link',
      EACCES: 'permission_denied',
    }
    throw new S3Error('refused', reasons[code] ?? 'not_readable', message)
  }
}

function identityOf(stat: { dev: bigint; ino: bigint; size: bigint; mtimeNs: bigint }): string {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`
}
