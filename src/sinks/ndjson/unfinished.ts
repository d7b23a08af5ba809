/**
 * The list of files that are being written under a name of their own, kept on disk, so that a run
 * that was killed does not leave them under that name for ever: the next one finishes them.
 */
import { createHash } from 'node:crypto'
import { lstat, mkdir, readdir, readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { publish } from './numbering.ts'
import { ignore, type Place } from './place.ts'
import { repairEnd } from './repair.ts'

export class Unfinished {
  readonly #directory: string

  /** @param directory the component's own */
  constructor(directory: string) {
    this.#directory = join(directory, 'unfinished')
  }

  /** Puts a file on the list, by the path that it will have. */
  async add(path: string): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    await writeFile(this.#note(path), path, { mode: 0o600 })
  }

  async remove(path: string): Promise<void> {
    await unlink(this.#note(path)).catch(ignore('ENOENT'))
  }

  /**
   * Finishes what an earlier run left: mends the end of files of plain lines and gives each its name.
   * Gives how many; files outside the place are left as they are.
   */
  async finishAll(place: Place, suffix: string, compressed: boolean): Promise<number> {
    const notes = await readdir(this.#directory).catch(ignore('ENOENT'))
    let count = 0
    for (const note of notes ?? []) {
      const path = await readFile(join(this.#directory, note), 'utf8')
      const working = path + suffix
      const there = await lstat(working).catch(() => undefined)
      if (there?.isFile() && place.holds(working)) {
        const { handle } = await place.open(working)
        try {
          if (!compressed) await repairEnd(handle)
        } finally {
          await handle.close()
        }
        if ((await publish(working, path, place)) !== undefined) count++
      }
      await this.remove(path)
    }
    return count
  }

  #note(path: string): string {
    return join(this.#directory, createHash('sha256').update(path).digest('hex').slice(0, 32))
  }
}
