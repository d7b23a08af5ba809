/**
 * One file that a sink writes: the lines that wait for it, and the loop that writes them in order.
 * Opening, writing, syncing, rotating and closing all happen in this loop, one after the other; what
 * fails is tried again with nothing lost and no half line left behind.
 */
import type { FileHandle } from 'node:fs/promises'
import { stat } from 'node:fs/promises'
import type { Compressor } from '../../codec/compression.ts'
import type { Cancel, Context } from '../../component/context.ts'
import { Backoff } from '../../transport/backoff.ts'
import { append, endOfLastLine } from './append.ts'
import { Backlog, type Piece } from './backlog.ts'
import { explain } from './disk-errors.ts'
import { prune, publish, setAside } from './numbering.ts'
import { codeOf, type Place } from './place.ts'
import { repairEnd } from './repair.ts'

/** How the files of a sink are kept; sizes in bytes, times in milliseconds. */
export interface FilePolicy {
  readonly compressor: Compressor
  readonly frameSize: number
  readonly frameAge: number
  readonly fsync: 'none' | 'batch' | 'close' | 'interval'
  readonly fsyncInterval: number
  readonly rotateSize: number | undefined
  readonly rotateAge: number | undefined
  readonly keep: number | undefined
  readonly idleClose: number
  /** Suffix of the name while the file is open; undefined when it has its name from the start. */
  readonly inProgress: string | undefined
}

/** What a file needs from the sink that it belongs to. */
export interface Owner {
  readonly place: Place
  readonly policy: FilePolicy
  readonly context: Context
  /** Waits until one more file may be open. */
  acquire(file: OutputFile): Promise<void>
  release(file: OutputFile): void
  /** A file is about to be written under its working name. */
  begun(file: OutputFile): Promise<void>
  /** It bears its own name. */
  finished(file: OutputFile): Promise<void>
  /** The loop of a file has nothing to do at the moment. */
  idle(file: OutputFile): void
  failed(file: OutputFile, why: string): void
  worked(file: OutputFile): void
  /** The length at which this process last closed a compressed file that it may append to. */
  closedAt(path: string): number | undefined
  remember(path: string, size: number): void
}

const CHUNK = 1024 * 1024
const LARGEST_FRAME = 4 * 1024 * 1024

interface OpenFile {
  readonly handle: FileHandle
  readonly device: number
  readonly inode: number
}

export class OutputFile {
  /** The path that users know. */
  readonly path: string
  readonly #owner: Owner
  readonly #policy: FilePolicy
  readonly #backoff = new Backoff({ initial: 100, max: 3000 })
  readonly #backlog = new Backlog()
  #open: OpenFile | undefined
  #size = 0
  #born = 0
  #used: number
  #synced: number
  #dirty = false
  #failing = false
  #flush = false
  #flushTimer: Cancel | undefined
  #wake: (() => void) | undefined
  #running = false
  #inspect = false
  #sync = false
  #aside = false
  /** True while there is a file under the working name that has to get its own. */
  #unnamed = false
  #closing: (() => void)[] = []
  #destroyed = false

  constructor(path: string, owner: Owner) {
    this.path = path
    this.#owner = owner
    this.#policy = owner.policy
    this.#used = this.#synced = owner.context.clock.monotonic()
  }

  /** True when nothing waits and nothing is under way. */
  get resting(): boolean {
    return !this.#running && this.#backlog.bytes === 0
  }

  get isOpen(): boolean {
    return this.#open !== undefined
  }

  /** Adds whole lines. */
  add(piece: Piece): void {
    this.#backlog.add(piece)
    if (this.#hasFrame()) this.#start()
    else this.#awaitFrame()
  }

  /** Writes what waits for a full frame. */
  flush(): void {
    this.#flushTimer?.()
    this.#flushTimer = undefined
    this.#flush = true
    this.#start()
  }

  /** Writes all that waits, closes the file and gives it its final name. */
  close(): Promise<void> {
    return new Promise(resolve => {
      this.#closing.push(resolve)
      this.flush()
    })
  }

  /** Called each second: notices what others did to the file, and what is due. */
  tend(): void {
    const now = this.#owner.context.clock.monotonic()
    if (!this.#open || this.#destroyed) return
    if (this.resting && now - this.#used >= this.#policy.idleClose) void this.close()
    if (this.#policy.fsync === 'interval' && this.#dirty) {
      this.#sync = now - this.#synced >= this.#policy.fsyncInterval
    }
    this.#inspect = true
    this.#start()
  }

  /** Stops at once, without writing what waits. */
  destroy(): void {
    this.#destroyed = true
    this.#flushTimer?.()
    this.#wake?.()
    if (!this.#running) void this.#drop()
  }

  #hasFrame(): boolean {
    return (
      this.#policy.compressor.kind === 'none' ||
      this.#flush ||
      this.#backlog.bytes >= this.#policy.frameSize
    )
  }

  #awaitFrame(): void {
    this.#flushTimer ??= this.#owner.context.clock.after(this.#policy.frameAge, () => {
      this.#flushTimer = undefined
      if (this.#backlog.bytes > 0) this.flush()
    })
  }

  #start(): void {
    if (this.#running || this.#destroyed) return
    this.#running = true
    void this.#run()
  }

  async #run(): Promise<void> {
    while (!this.#destroyed) {
      try {
        if (this.#inspect) await this.#look()
        if (this.#sync) await this.#syncNow()
        if (this.#backlog.bytes > 0 && this.#hasFrame()) await this.#writeSome()
        else if (this.#closing.length > 0) await this.#finish()
        else if (this.#rotationDue()) await this.#rotate()
        else if (!this.#inspect && !this.#sync) break
        if (this.#failing) this.#recovered()
      } catch (error) {
        await this.#retryAfter(error)
      }
    }
    this.#running = false
    if (this.#destroyed) await this.#drop()
    else {
      if (this.#backlog.bytes > 0) this.#awaitFrame()
      this.#owner.idle(this)
    }
  }

  // ── writing ──────────────────────────────────────────────────────────────────────────────────

  async #writeSome(): Promise<void> {
    if (this.#rotationDue()) await this.#rotate()
    const open = this.#open ?? (await this.#reopen())
    if (this.#rotationDue()) return
    if (this.#policy.compressor.kind === 'none') await this.#writeLines(open)
    else await this.#writeFrame(open)
    if (this.#backlog.bytes === 0) this.#flush = false
    this.#used = this.#owner.context.clock.monotonic()
  }

  async #writeLines(open: OpenFile): Promise<void> {
    const room = (this.#policy.rotateSize ?? Number.POSITIVE_INFINITY) - this.#size
    let buffers = this.#backlog.take(Math.min(CHUNK, room))
    if (buffers.length === 0) {
      if (this.#size > 0 && room < CHUNK) return this.#rotate()
      // One line that is longer than a chunk, or than a whole file may be.
      buffers = [this.#backlog.firstLine()]
    }
    const total = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    const progress = { written: 0 }
    try {
      await append(open.handle, buffers, progress)
    } catch (error) {
      // Nothing counts as written before it is synced, where it has to be synced.
      const whole = this.#policy.fsync === 'batch' ? 0 : endOfLastLine(buffers, progress.written)
      await this.#cut(open, progress.written - whole)
      if (whole > 0) this.#backlog.commit(whole, whole)
      throw error
    }
    this.#size += total
    await this.#written(total, total)
  }

  async #writeFrame(open: OpenFile): Promise<void> {
    const buffers = this.#backlog.take(
      Math.max(LARGEST_FRAME, this.#policy.frameSize),
      this.#policy.frameSize,
    )
    if (buffers.length === 0) buffers.push(this.#backlog.firstLine())
    const data = buffers.length === 1 ? (buffers[0] as Buffer) : Buffer.concat(buffers)
    const frame = await this.#policy.compressor.frame(data)
    const progress = { written: 0 }
    try {
      await append(open.handle, [frame], progress)
    } catch (error) {
      await this.#cut(open, progress.written)
      throw error
    }
    this.#size += frame.length
    await this.#written(data.length, frame.length)
  }

  async #written(bytes: number, onDisk: number): Promise<void> {
    this.#dirty = true
    if (this.#policy.fsync === 'batch') await this.#syncNow()
    this.#backlog.commit(bytes, onDisk)
  }

  async #syncNow(): Promise<void> {
    this.#sync = false
    if (!this.#open || !this.#dirty) return
    try {
      await this.#open.handle.datasync()
    } catch (error) {
      // The kernel may have forgotten the pages and will say "fine" next time: only a new file with
      // everything that has no receipt written again can be trusted.
      this.#aside = true
      throw error
    }
    this.#dirty = false
    this.#synced = this.#owner.context.clock.monotonic()
  }

  /** Takes the last bytes back that a failed write left, so that the file ends where it should. */
  async #cut(open: OpenFile, bytes: number): Promise<void> {
    if (bytes === 0) return
    try {
      const { size } = await open.handle.stat()
      await open.handle.truncate(size - bytes)
    } catch {
      // Lines are mended when the file is opened again; a frame can only be left behind as it is.
      if (this.#policy.compressor.kind !== 'none') this.#aside = true
    }
  }

  // ── opening and closing ──────────────────────────────────────────────────────────────────────

  /** Its name while it is open. */
  get #working(): string {
    return this.path + (this.#policy.inProgress ?? '')
  }

  async #reopen(): Promise<OpenFile> {
    const { place, context } = this.#owner
    if (this.#aside) {
      await setAside(this.#working, this.path, place)
      this.#aside = false
    }
    await this.#owner.acquire(this)
    try {
      if (this.#policy.inProgress !== undefined) {
        await this.#owner.begun(this)
        this.#unnamed = true
      }
      let opened = await place.open(this.#working)
      try {
        if (!opened.created) {
          if (this.#policy.compressor.kind === 'none') await this.#mend(opened.handle)
          else if (!(await this.#mayAppend(opened.handle))) {
            await opened.handle.close()
            const name = await setAside(this.#working, this.path, place)
            context.log.info(
              `${this.path} was there already; it stays as it is under the name ${name}, since nothing can be appended safely to a compressed file of another run`,
            )
            opened = await place.open(this.#working)
          }
        }
        if (opened.created && this.#policy.fsync !== 'none') await place.syncDirectory(this.path)
        const { dev, ino, size, birthtimeMs } = await opened.handle.stat()
        const age =
          opened.created || size === 0 ? 0 : Math.max(0, context.clock.now() - birthtimeMs)
        this.#born = context.clock.monotonic() - age
        this.#size = size
        this.#open = { handle: opened.handle, device: dev, inode: ino }
        return this.#open
      } catch (error) {
        await opened.handle.close().catch(() => {})
        throw error
      }
    } catch (error) {
      this.#owner.release(this)
      throw error
    }
  }

  async #mend(handle: FileHandle): Promise<void> {
    const { torn } = await repairEnd(handle)
    if (torn === 0) return
    const { meters, log } = this.#owner.context
    meters.add('torn_lines_total', 1)
    log.warn(
      `${this.path} ended in half a line, left by a crash; these ${torn} bytes were cut off. The event had no receipt: a source that acknowledges brings it again`,
      { path: this.path, bytes: torn },
    )
  }

  /** Frames may only be laid behind frames that are known to be whole: those of this process. */
  async #mayAppend(handle: FileHandle): Promise<boolean> {
    const { size } = await handle.stat()
    return size === 0 || size === this.#owner.closedAt(this.path)
  }

  /** Closes; the file keeps its working name. */
  async #shut(): Promise<void> {
    const open = this.#open
    if (!open) return
    if (this.#policy.fsync !== 'none') await this.#syncNow()
    this.#open = undefined
    this.#owner.remember(this.path, this.#size)
    this.#owner.release(this)
    await open.handle.close()
  }

  async #finish(): Promise<void> {
    await this.#shut()
    if (this.#unnamed) await this.#publish()
    this.#flush = false
    const closing = this.#closing
    this.#closing = []
    for (const closed of closing) closed()
  }

  async #publish(): Promise<void> {
    await publish(this.#working, this.path, this.#owner.place)
    this.#unnamed = false
    if (this.#policy.fsync !== 'none') await this.#owner.place.syncDirectory(this.path)
    await this.#owner.finished(this)
  }

  #rotationDue(): boolean {
    if (!this.#open || this.#size === 0) return false
    const { rotateAge, rotateSize } = this.#policy
    return (
      (rotateSize !== undefined && this.#size >= rotateSize) ||
      (rotateAge !== undefined && this.#owner.context.clock.monotonic() - this.#born >= rotateAge)
    )
  }

  async #rotate(): Promise<void> {
    const { place, context } = this.#owner
    await this.#shut()
    this.#size = 0
    if (this.#policy.inProgress === undefined) await setAside(this.path, this.path, place)
    else await this.#publish()
    context.meters.add('rotations_total', 1)
    if (this.#policy.keep !== undefined) await prune(this.path, this.#policy.keep, place)
    if (this.#policy.fsync !== 'none') await place.syncDirectory(this.path)
  }

  /** Has someone renamed, removed or shortened the file? logrotate does each of these. */
  async #look(): Promise<void> {
    this.#inspect = false
    const open = this.#open
    if (!open) return
    let there: { dev: number; ino: number; size: number } | undefined
    try {
      there = await stat(this.#working)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
    if (there && there.dev === open.device && there.ino === open.inode) {
      this.#size = there.size
      return
    }
    this.#owner.context.log.info(
      `${this.path} was moved or removed by another program; a new file is begun`,
    )
    await this.#shut()
  }

  async #drop(): Promise<void> {
    const open = this.#open
    this.#open = undefined
    if (!open) return
    if (!this.#aside) this.#owner.remember(this.path, this.#size)
    this.#owner.release(this)
    await open.handle.close().catch(() => {})
  }

  // ── failing and recovering ───────────────────────────────────────────────────────────────────

  async #retryAfter(error: unknown): Promise<void> {
    const { context } = this.#owner
    const why = explain(error, this.path)
    context.meters.error((codeOf(error) ?? 'write_failed').toLowerCase())
    if (!this.#failing) context.log.warn(why, { path: this.path })
    this.#failing = true
    this.#owner.failed(this, why)
    await this.#drop()
    if (this.#destroyed) return
    await new Promise<void>(resolve => {
      const cancel = context.clock.after(this.#backoff.next(), resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
    this.#wake = undefined
  }

  #recovered(): void {
    this.#failing = false
    this.#backoff.reset()
    this.#owner.worked(this)
    this.#owner.context.log.info(`${this.path} is written again`)
  }
}
