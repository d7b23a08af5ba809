/**
 * The directory that a sink's files are confined to. Whatever a path asks for, what is opened is a
 * regular file below that directory, reached through real directories only.
 */
import { constants } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, readdir, realpath } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'

/** A path that is refused for what it is; trying again helps only once someone has changed that. */
export class PlaceError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'PlaceError'
  }
}

export interface Opened {
  readonly handle: FileHandle
  /** False when the file was there before. */
  readonly created: boolean
}

export class Place {
  /** Absolute path, as configured. */
  readonly root: string

  /** @param directory made with mode 0700 where it is missing; may itself be a symbolic link */
  constructor(directory: string) {
    this.root = resolve(directory)
  }

  /** Makes the directory, if need be, and gives its real path. */
  async prepare(): Promise<string> {
    await mkdir(this.root, { recursive: true, mode: 0o700 })
    return realpath(this.root)
  }

  /** Says whether a path names something below the directory, going by its text. */
  holds(path: string): boolean {
    const within = relative(this.root, resolve(path))
    return within !== '' && within !== '..' && !within.startsWith(`..${sep}`) && !isAbsolute(within)
  }

  /** Opens a file to read and append, made with mode 0600; directories on the way with 0700. */
  async open(path: string): Promise<Opened> {
    const within = relative(this.root, resolve(path))
    if (!this.holds(path)) throw new PlaceError(`${path} is refused: it is not below ${this.root}`)
    let directory = await this.prepare()
    for (const segment of dirname(within).split(sep)) {
      if (segment === '.') continue
      directory = join(directory, segment)
      await mkdir(directory, { mode: 0o700 }).catch(ignore('EEXIST'))
      // Looked at one by one, before going in: a link here could lead anywhere.
      if (!(await lstat(directory)).isDirectory()) {
        throw new PlaceError(
          `${path} is refused: ${directory} is a symbolic link or no directory; remove it, or give another path`,
        )
      }
    }
    const name = join(directory, within.slice(within.lastIndexOf(sep) + 1))
    const flags =
      constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK
    let created = true
    let handle: FileHandle
    try {
      handle = await open(name, flags | constants.O_CREAT | constants.O_EXCL, 0o600)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
      created = false
      handle = await open(name, flags).catch(error => {
        if (codeOf(error) !== 'ELOOP') throw error
        throw new PlaceError(
          `${path} is refused: it is a symbolic link; remove it, or give the path that it points to`,
        )
      })
    }
    if (!(await handle.stat()).isFile()) {
      await handle.close()
      throw new PlaceError(`${path} is refused: it is no regular file`)
    }
    return { handle, created }
  }

  /** Makes what was created, renamed or removed in a file's directory survive a power cut. */
  async syncDirectory(path: string): Promise<void> {
    const handle = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }

  /** Names in the directory of a file; none where it does not exist. */
  async namesBeside(path: string): Promise<string[]> {
    return readdir(dirname(path)).catch(error => {
      ignore('ENOENT')(error)
      return []
    })
  }
}

export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code
}

/** For `.catch`: lets one kind of system error pass as no error. */
export function ignore(code: string): (error: unknown) => undefined {
  return error => {
    if (codeOf(error) !== code) throw error
    return undefined
  }
}
