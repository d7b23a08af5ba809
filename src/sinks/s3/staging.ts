/**
 * Staging: events wait on disk, one file for each object that is being filled. Batches are written in
 * groups with one fdatasync for each file; from then on the events survive the death of the edge.
 *
 *   batches ─► group ─► <id>.ndjson (open, appended) ─► sealed: final bytes + digest ─► shipped
 *                       <id>.journal (which key, which step)
 */
import { createHash } from 'node:crypto'
import { type FileHandle, open, readdir, rename, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import type { Batch } from '../../batch/batch.ts'
import { compressor } from '../../codec/compression.ts'
import { groupByTemplate, type Template } from '../../codec/path-template.ts'
import type { Cancel, Context } from '../../component/context.ts'
import { Backoff } from '../../transport/backoff.ts'
import { readAt, remove, syncDirectory, writeAt } from './durable.ts'
import { Journal } from './journal.ts'
import { keyOf } from './key.ts'
import type { S3Options } from './options.ts'

/** How much of a file is compressed or digested at once. */
const CHUNK = 1024 ** 2
const NEWLINE = 0x0a

/** One object that is being filled. */
interface Filling {
  readonly journal: Journal
  readonly handle: FileHandle
  readonly path: string
  size: number
  events: number
  cancelAge: Cancel
}

interface Waiting {
  readonly batch: Batch
  readonly written: () => void
}

interface Group {
  readonly waiting: readonly Waiting[]
  readonly parts: Map<string, { buffers: Buffer[]; bytes: number; events: number }>
}

export interface StagingHooks {
  /** An object is final and can be shipped. */
  sealed(journal: Journal): void
  nextId(): string
}

export class Staging {
  readonly directory: string
  readonly #options: S3Options
  readonly #template: Template
  readonly #context: Context
  readonly #hooks: StagingHooks
  readonly #backoff = new Backoff({ initial: 100, max: 5000 })
  readonly #filling = new Map<string, Filling>()
  readonly #due = new Set<string>()
  #waiting: Waiting[] = []
  #group: Group | undefined
  #running: Promise<void> | undefined
  #sealing: Promise<void> = Promise.resolve()
  /** Bytes on disk of each object, by its id. */
  readonly #bytes = new Map<string, number>()
  #staged = 0
  #toldFull = false
  #closed = false
  readonly #sleepers = new Set<() => void>()

  constructor(
    directory: string,
    options: S3Options,
    template: Template,
    context: Context,
    hooks: StagingHooks,
  ) {
    this.directory = directory
    this.#options = options
    this.#template = template
    this.#context = context
    this.#hooks = hooks
  }

  /** Takes up what an earlier run left: cuts torn lines off, hands over what is sealed, goes on filling. */
  async recover(): Promise<void> {
    const names = await readdir(this.directory)
    for (const name of names) {
      if (name.endsWith('.tmp')) await remove(join(this.directory, name))
    }
    for (const name of names.filter(name => name.endsWith('.journal')).sort()) {
      const journal = await Journal.read(join(this.directory, name))
      if (journal?.opened.body !== 'events') {
        this.#context.meters.error('journal_unreadable')
        this.#context.log.error(
          `the journal ${join(this.directory, name)} can't be read; it and its data are left where they are`,
        )
        continue
      }
      await this.#recoverOne(journal)
    }
  }

  /** Takes a batch; calls back when its events are on disk. */
  add(batch: Batch, written: () => void): void {
    this.#waiting.push({ batch, written })
    this.#start()
  }

  /** Writes what waits and seals everything. Never ends while the disk does not take it. */
  async finish(): Promise<void> {
    while (!this.#closed && (this.#running || this.#waiting.length > 0 || this.#group)) {
      this.#start()
      await this.#running
    }
    for (const name of [...this.#filling.keys()]) this.#seal(name)
    await this.#sealing
  }

  /** Stops where it is. What is on disk stays. */
  async close(): Promise<void> {
    this.#closed = true
    for (const wake of [...this.#sleepers]) wake()
    await this.#running
    await this.#sealing
    for (const filling of this.#filling.values()) {
      filling.cancelAge()
      await filling.handle.close()
      await filling.journal.close()
    }
    this.#filling.clear()
  }

  /** Path of a sealed object's body. */
  bodyOf(journal: Journal): string {
    return join(this.directory, journal.sealed?.file ?? '')
  }

  /** Deletes an object that is on the server, or takes its body elsewhere first. */
  async settle(journal: Journal, moveTo?: string): Promise<void> {
    const body = this.bodyOf(journal)
    if (moveTo) await rename(body, moveTo)
    else await journal.note({ step: 'done' })
    await remove(body)
    await journal.delete()
    this.#account(journal.opened.id, 0)
    this.#toldFull &&= this.#isFull()
    for (const wake of [...this.#sleepers]) wake()
  }

  async #recoverOne(journal: Journal): Promise<void> {
    const { id, at, partition = '' } = journal.opened
    const path = join(this.directory, `${id}.ndjson`)
    if (journal.done) {
      await remove(this.bodyOf(journal))
      await remove(path)
      await journal.delete()
      return
    }
    if (journal.sealed) {
      if (journal.sealed.file !== `${id}.ndjson`) await remove(path)
      this.#account(id, journal.sealed.size)
      this.#hooks.sealed(journal)
      return
    }
    const { size, events } = await mend(path)
    if (size === 0) {
      await remove(path)
      await journal.delete()
      return
    }
    this.#account(id, size)
    const handle = await open(path, 'r+', 0o600)
    const filling: Filling = { journal, handle, path, size, events, cancelAge: () => {} }
    const same =
      journal.opened.bucket === this.#options.bucket &&
      journal.opened.compression === this.#options.compression &&
      !this.#filling.has(partition)
    const name = same ? partition : `${id} of an earlier configuration`
    this.#filling.set(name, filling)
    const { age } = this.#options.batch
    const left = Math.min(age, Math.max(0, at + age - this.#context.clock.now()))
    if (same && left > 0) this.#arm(name, filling, left)
    else this.#seal(name)
  }

  #arm(name: string, filling: Filling, delay: number): void {
    filling.cancelAge = this.#context.clock.after(delay, () => {
      this.#due.add(name)
      this.#start()
    })
  }

  #start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      if (!this.#closed && (this.#waiting.length > 0 || this.#due.size > 0)) this.#start()
    })
  }

  async #run(): Promise<void> {
    // One turn, so that the batches of one moment become one group.
    await turn()
    while (!this.#closed) {
      for (const name of this.#due) this.#seal(name)
      this.#due.clear()
      if (!this.#group && this.#waiting.length === 0) return
      if (this.#isFull()) {
        await this.#waitForSpace()
        continue
      }
      this.#group ??= this.#gather()
      try {
        await this.#write(this.#group)
        this.#backoff.reset()
      } catch (error) {
        // The group stays as it is and is written to the same places again.
        await this.#diskTrouble('write', error)
        continue
      }
      const { waiting } = this.#group
      this.#group = undefined
      for (const { written } of waiting) written()
    }
  }

  #gather(): Group {
    const waiting = this.#waiting
    this.#waiting = []
    const now = this.#context.clock.now()
    const parts: Group['parts'] = new Map()
    for (const { batch } of waiting) {
      for (const [name, rows] of groupByTemplate(batch, this.#template, now)) {
        const part = parts.get(name) ?? { buffers: [], bytes: 0, events: 0 }
        const buffer = rows.toBuffer()
        part.buffers.push(buffer)
        part.bytes += buffer.length
        part.events += rows.count
        parts.set(name, part)
      }
    }
    return { waiting, parts }
  }

  async #write({ parts }: Group): Promise<void> {
    for (const [name, { buffers }] of parts) {
      const filling = this.#filling.get(name) ?? (await this.#open(name))
      await writeAt(filling.handle, buffers, filling.size)
    }
    const touched = [...parts.keys()].map(name => this.#filling.get(name) as Filling)
    if (this.#options.fsync === 'batch') {
      await Promise.all(touched.map(filling => filling.handle.datasync()))
    }
    // Nothing below can fail: a group is either all there or not at all.
    const { batch } = this.#options
    for (const [name, part] of parts) {
      const filling = this.#filling.get(name) as Filling
      filling.size += part.bytes
      filling.events += part.events
      this.#account(filling.journal.opened.id, filling.size)
      // To the end of the map: the first one is the one that was written to least recently.
      this.#filling.delete(name)
      this.#filling.set(name, filling)
      if (filling.size >= batch.bytes || filling.events >= (batch.events ?? Infinity)) {
        this.#seal(name)
      }
    }
    for (const name of this.#filling.keys()) {
      if (this.#filling.size <= this.#options.max_open_objects) break
      this.#seal(name)
    }
  }

  async #open(name: string): Promise<Filling> {
    const id = this.#hooks.nextId()
    const path = join(this.directory, `${id}.ndjson`)
    const journal = await Journal.create(join(this.directory, `${id}.journal`), {
      id,
      bucket: this.#options.bucket,
      key: keyOf(name, id, true),
      body: 'events',
      at: this.#context.clock.now(),
      partition: name,
      compression: this.#options.compression,
    })
    const handle = await open(path, 'wx+', 0o600)
    if (this.#options.fsync === 'batch') await syncDirectory(this.directory)
    const filling: Filling = { journal, handle, path, size: 0, events: 0, cancelAge: () => {} }
    this.#arm(name, filling, this.#options.batch.age)
    this.#filling.set(name, filling)
    this.#context.meters.set('open_objects', this.#filling.size)
    return filling
  }

  /** Takes an object out of the filling ones and makes it final, one after the other. */
  #seal(name: string): void {
    const filling = this.#filling.get(name)
    if (!filling) return
    filling.cancelAge()
    this.#filling.delete(name)
    this.#context.meters.set('open_objects', this.#filling.size)
    this.#sealing = this.#sealing.then(async () => {
      while (!this.#closed) {
        try {
          await this.#makeFinal(filling)
          return
        } catch (error) {
          await this.#diskTrouble('seal', error)
        }
      }
      await filling.handle.close()
      await filling.journal.close()
    })
  }

  async #makeFinal({ journal, handle, path, size, events }: Filling): Promise<void> {
    const { id, compression = 'none' } = journal.opened
    if (size === 0) {
      // Its first write failed and its age came before the next try, which makes a new one.
      await handle.close()
      await remove(path)
      await journal.delete()
      return
    }
    const pack = compressor(compression)
    const compressed = compression !== 'none'
    const file = compressed ? `${id}.body${pack.extension}` : `${id}.ndjson`
    const temporary = join(this.directory, `${file}.tmp`)
    const output = compressed ? await open(temporary, 'w', 0o600) : undefined
    const hash = createHash('sha256')
    let written = 0
    try {
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, size))
      for (let at = 0; at < size; at += buffer.length) {
        const length = await readAt(handle, buffer, Math.min(buffer.length, size - at), at)
        if (length === 0) throw new Error(`${path} has become shorter than the ${size} bytes in it`)
        const packed = await pack.frame(buffer.subarray(0, length))
        hash.update(packed)
        if (output) await writeAt(output, [packed], written)
        written += packed.length
        await turn()
      }
      if (output) await output.sync()
      else await handle.truncate(size)
    } finally {
      await output?.close()
    }
    if (compressed) {
      await rename(temporary, join(this.directory, file))
      await syncDirectory(this.directory)
    } else if (this.#options.fsync === 'off') await handle.datasync()
    await journal.note({ step: 'sealed', file, size: written, sha256: hash.digest('hex'), events })
    // From here on the object is final: what fails now is only left behind for the next start.
    await handle.close().catch(() => {})
    if (compressed) await remove(path).catch(() => {})
    this.#account(id, written)
    this.#hooks.sealed(journal)
  }

  #isFull(): boolean {
    return this.#staged >= this.#options.max_staged_bytes
  }

  async #waitForSpace(): Promise<void> {
    if (!this.#toldFull) {
      this.#toldFull = true
      this.#context.meters.error('staging_full')
      this.#context.log.warn(
        `${this.#staged} bytes wait for the S3 server, which is the limit (max_staged_bytes); no more events are taken until some are sent`,
      )
    }
    // What is still being filled must leave too, or nothing would ever make space.
    for (const name of [...this.#filling.keys()]) this.#seal(name)
    await this.#sleep()
  }

  async #diskTrouble(what: string, error: unknown): Promise<void> {
    const { message, code } = error as Error & { code?: string }
    this.#context.meters.error(`staging_${code ?? what}`)
    this.#context.healthy(false, `could not ${what} staged events: ${message}`)
    this.#context.log.error(
      `could not ${what} staged events in ${this.directory}: ${message}; it is tried again, nothing is dropped`,
    )
    await this.#sleep(this.#backoff.next())
  }

  /** Waits until something was sent or the sink is closed, or for so many milliseconds. */
  #sleep(limit?: number): Promise<void> {
    return new Promise(resolve => {
      const wake = () => {
        cancel()
        this.#sleepers.delete(wake)
        resolve()
      }
      const cancel = limit === undefined ? () => {} : this.#context.clock.after(limit, wake)
      this.#sleepers.add(wake)
    })
  }

  #account(id: string, bytes: number): void {
    this.#staged += bytes - (this.#bytes.get(id) ?? 0)
    if (bytes === 0) this.#bytes.delete(id)
    else this.#bytes.set(id, bytes)
    this.#context.meters.set('staged_bytes', this.#staged)
  }
}

/** Cuts a line that was not written to its end off a file, and counts the others. */
async function mend(path: string): Promise<{ size: number; events: number }> {
  let size: number
  try {
    size = (await stat(path)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { size: 0, events: 0 }
    throw error
  }
  const handle = await open(path, 'r')
  let end = 0
  let events = 0
  try {
    const buffer = Buffer.allocUnsafe(CHUNK)
    for (let at = 0; at < size; ) {
      const length = await readAt(handle, buffer, Math.min(CHUNK, size - at), at)
      if (length === 0) break
      for (
        let i = buffer.indexOf(NEWLINE);
        i >= 0 && i < length;
        i = buffer.indexOf(NEWLINE, i + 1)
      ) {
        events++
        end = at + i + 1
      }
      at += length
    }
  } finally {
    await handle.close()
  }
  if (end < size) await truncate(path, end)
  return { size: end, events }
}
