/**
 * The checkpoint: what has been dealt with, in one small file that is replaced as a whole. It is
 * written aside, brought to the disk and renamed, so that a kill at any moment leaves the old one or
 * the new one; one that is damaged all the same is set aside and told.
 */
import { createHash } from 'node:crypto'
import {
  closeSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import type { Context } from '../../component/context.ts'
import { codeOf, reasonOf } from './once.ts'

const VERSION = 1

export class Checkpoint<Entry> {
  readonly path: string
  readonly #entry: z.ZodType<Entry>
  readonly #context: Context
  /** Counts what was begun, so that a slow write never replaces a newer one. */
  #begun = 0
  #writing = false

  /**
   * @param name file name in the component's directory
   * @param entry what is kept for each file
   */
  constructor(name: string, entry: z.ZodType<Entry>, context: Context) {
    this.path = join(context.directory, name)
    this.#entry = entry
    this.#context = context
  }

  /** What was kept; undefined when nothing was or it cannot be used, which is told. */
  load(): Entry[] | undefined {
    let text: string
    try {
      text = readFileSync(this.path, 'utf8')
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      this.#context.meters.error('checkpoint_unreadable')
      this.#context.log.error(
        `The checkpoint cannot be read (${reasonOf(error)}); files are begun as start_at says.`,
        { path: this.path },
      )
      return undefined
    }
    try {
      return this.#parse(text)
    } catch (error) {
      this.#setAside(reasonOf(error))
      return undefined
    }
  }

  /** Writes in the background. False when the last one is still being written: come again. */
  save(entries: readonly Entry[], done: (ok: boolean) => void): boolean {
    if (this.#writing) return false
    this.#writing = true
    void this.#write(entries).then(ok => {
      this.#writing = false
      done(ok)
    })
    return true
  }

  /** Writes before it returns: for the last one. Says whether it is written. */
  saveNow(entries: readonly Entry[]): boolean {
    const aside = this.#aside(++this.#begun)
    try {
      rmSync(aside, { force: true })
      const fd = openSync(aside, 'wx', 0o600)
      try {
        writeFileSync(fd, this.#format(entries))
        fdatasyncSync(fd)
      } finally {
        closeSync(fd)
      }
      renameSync(aside, this.path)
      return true
    } catch (error) {
      this.#failed(aside, error)
      return false
    }
  }

  async #write(entries: readonly Entry[]): Promise<boolean> {
    const turn = ++this.#begun
    const aside = this.#aside(turn)
    try {
      rmSync(aside, { force: true })
      const file = await open(aside, 'wx', 0o600)
      try {
        await file.writeFile(this.#format(entries))
        await file.datasync()
      } finally {
        await file.close()
      }
      // No one else can come between this look and the rename: both are in one turn of the loop.
      if (turn === this.#begun) renameSync(aside, this.path)
      else rmSync(aside, { force: true })
      return true
    } catch (error) {
      this.#failed(aside, error)
      return false
    }
  }

  #aside(turn: number): string {
    return `${this.path}.${turn}.new`
  }

  #failed(aside: string, error: unknown): void {
    this.#context.meters.error('checkpoint_failed')
    this.#context.log.error(
      `The checkpoint could not be written (${reasonOf(error)}); after a restart, what was read since the last one is read again.`,
      { path: this.path },
    )
    try {
      rmSync(aside, { force: true })
    } catch {
      // The same disk, the same trouble; it is told.
    }
  }

  #format(entries: readonly Entry[]): string {
    const files = JSON.stringify(entries)
    return `{"version":${VERSION},"sha256":"${sha256(files)}","files":${files}}\n`
  }

  #parse(text: string): Entry[] {
    const { version, sha256: sum, files } = JSON.parse(text) as Record<string, unknown>
    if (version !== VERSION) throw new Error(`its version is ${version}, not ${VERSION}`)
    if (sha256(JSON.stringify(files)) !== sum) throw new Error('its checksum does not fit')
    return this.#entry.array().parse(files)
  }

  #setAside(why: string): void {
    const aside = `${this.path}.damaged`
    this.#context.meters.error('checkpoint_damaged')
    try {
      renameSync(this.path, aside)
    } catch (error) {
      why += `; nor can it be set aside: ${reasonOf(error)}`
    }
    this.#context.log.error(
      `The checkpoint is damaged (${why}) and was set aside; files are begun as start_at says.`,
      { path: this.path, aside },
    )
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
