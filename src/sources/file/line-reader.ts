/**
 * `read: lines`: follows many files fairly, a chunk of each in turn, as long as there is space for
 * what was read. Decides for each file that a look at the directories brings whether it is known,
 * new, rewritten, a copy, renamed or gone.
 */
import { closeSync } from 'node:fs'
import type { Batch } from '../../batch/batch.ts'
import type { Context } from '../../component/context.ts'
import { Checkpoint } from './checkpoint.ts'
import { CHUNK, ChunkReader } from './chunk.ts'
import { isCompressed, isCompressedName } from './compressed.ts'
import { CopyWatch } from './copy-watch.ts'
import type { Discovery } from './discovery.ts'
import { fingerprint, HEAD_BYTES } from './fingerprint.ts'
import { inherit, leaveBehind } from './handover.ts'
import { Keeper } from './keeper.ts'
import { LineOutlet } from './line-outlet.ts'
import { type Once, reasonOf } from './once.ts'
import { OpenFiles } from './open-files.ts'
import type { FileOptions } from './options.ts'
import type { Progress } from './progress.ts'
import { Pump } from './pump.ts'
import { type Found, readRange } from './regular-file.ts'
import { BEGINNING, lastLineEnd, type Start, stillHolds } from './start.ts'
import { Tail, type TailEntry, type TakeLines, tailEntry } from './tail.ts'

/** How long the place in a file that is not to be found is kept, in milliseconds. */
const FORGET_AFTER = 7 * 86_400_000

export class LineReader {
  readonly #options: FileOptions
  readonly #context: Context
  readonly #discovery: Discovery
  readonly #once: Once
  readonly #outlet: LineOutlet
  readonly #keeper: Keeper<TailEntry>
  readonly #copies: CopyWatch
  readonly #tails = new Map<string, Tail>()
  readonly #open: OpenFiles
  readonly #pump: Pump
  /** Moved away and read to the end, but not all of it dealt with. */
  readonly #leaving = new Set<Tail>()
  /** Places in files that are not followed at the moment. */
  readonly #known: Map<string, TailEntry>
  /** Files that are not read, by what they were when that was decided. */
  readonly #refused = new Map<string, bigint>()
  /** Paths that files were found by until this look; what has such a path now is no copy. */
  readonly #vacated = new Set<string>()
  /** Of files that are known but not followed: what an earlier reader has on its way. */
  readonly #underWay = new Map<string, Progress>()
  readonly #place: string
  #heir: LineReader | undefined
  #forgotten = () => {}
  readonly #queue: Tail[] = []
  /** Whether files that are found count as having been there before the edge first ran. */
  #old: boolean
  #started = false
  #stopped = false
  readonly #chunks = new ChunkReader()

  constructor(
    options: FileOptions,
    context: Context,
    discovery: Discovery,
    once: Once,
    emit: (batch: Batch) => void,
  ) {
    this.#options = options
    this.#context = context
    this.#discovery = discovery
    this.#once = once
    this.#outlet = new LineOutlet(options, context, emit)
    this.#copies = new CopyWatch(context.clock)
    this.#open = new OpenFiles(options.max_open_files, once)
    this.#pump = new Pump(context, () => this.#step())
    const checkpoint = new Checkpoint('lines.json', tailEntry, context)
    this.#place = checkpoint.path
    const former = inherit(this.#place, LineReader)
    const entries = former ? former.#entriesAsRead() : checkpoint.load()
    this.#old = former ? former.#old : entries === undefined
    this.#known = new Map(entries?.map(entry => [entry.key, entry]))
    this.#keeper = new Keeper(checkpoint, options.checkpoint_interval, context.clock, () =>
      this.#entries(),
    )
    if (former) this.#inherit(former)
  }

  /** Looks at all files once and reads what is new in them. Gives the directories looked into. */
  look(): readonly string[] {
    const scan = this.#discovery.scan()
    const lost = new Map<string, Tail>()
    this.#vacated.clear()
    for (const tail of this.#tails.values()) {
      const found = scan.files.get(tail.key)
      if (found) this.#meet(tail, found)
      else if (tail.fd !== undefined) this.#miss(tail)
      else lost.set(tail.key, tail)
    }
    this.#search(lost)
    this.#copies.learn(this.#tails.values())
    for (const [key, found] of scan.files) {
      if (!this.#tails.has(key)) this.#consider(key, found)
    }
    for (const key of this.#refused.keys()) if (!scan.files.has(key)) this.#refused.delete(key)
    if (!this.#started) this.#start(scan.files)
    this.#context.meters.set('files', this.#tails.size)
    this.#context.meters.set('open_files', this.#open.size)
    this.#pump.run()
    return scan.directories
  }

  /** Stops reading and closes all files; what is on its way is still accounted for. */
  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#pump.stop()
    for (const tail of this.#tails.values()) tail.close()
    this.#keeper.stop()
    if (this.#keeper.inFlight > 0) this.#forgotten = leaveBehind(this.#place, this)
  }

  /** What the one before has under way is accounted for here from now on. */
  #inherit(former: LineReader): void {
    former.#heir = this
    for (const { key, progress } of [...former.#leaving, ...former.#tails.values()]) {
      if (progress.pending) this.#underWay.set(key, progress)
    }
    for (const [key, progress] of former.#underWay) {
      if (progress.pending && !this.#underWay.has(key)) this.#underWay.set(key, progress)
    }
    for (const progress of this.#underWay.values()) progress.onMoved = () => this.#keeper.changed()
    this.#keeper.replace(former.#keeper)
  }

  #entriesAsRead(): TailEntry[] {
    const tails = [...this.#leaving, ...this.#tails.values()]
    return [...this.#known.values(), ...tails.map(tail => tail.entryAsRead())]
  }

  #start(files: ReadonlyMap<string, Found>): void {
    this.#started = true
    // From now on, a file that appears is new, whatever `start_at` says.
    this.#old = false
    const lost = new Map<string, Tail | TailEntry>()
    for (const entry of this.#known.values()) {
      if (!files.has(entry.key) && this.#discovery.means(entry.path)) lost.set(entry.key, entry)
    }
    this.#search(lost)
    this.#keeper.changed()
    this.#context.ready(`${this.#tails.size} ${this.#tails.size === 1 ? 'file' : 'files'}`)
  }

  #meet(tail: Tail, found: Found): void {
    const before = tail.path
    const changed = tail.meet(found, this.#context.clock.now())
    if (tail.path !== before) {
      this.#context.log.debug(`${before} is now ${tail.path} and is read on.`, { path: tail.path })
      this.#vacated.add(before)
      this.#keeper.changed()
    }
    if (changed) this.#check(tail)
    if (tail.unread) this.#enqueue(tail)
  }

  /** A file that was truncated or rewritten is begun again. */
  #check(tail: Tail): void {
    try {
      if (tail.fd === undefined || tail.intact()) return
    } catch (error) {
      this.#failed(tail, error)
      return
    }
    this.#context.meters.add('truncated_files_total', 1)
    this.#context.log.info(
      `${tail.path} was truncated or rewritten (it had been read to byte ${tail.position} and has ${tail.size} now); it is read from its beginning.`,
      { path: tail.path },
    )
    this.#copies.emptied(tail.entry())
    tail.restart()
    this.#keeper.changed()
  }

  /** A file that was renamed away or deleted is read to its end, then closed once it is quiet. */
  #miss(tail: Tail): void {
    const now = this.#context.clock.monotonic()
    try {
      if (tail.miss(now)) this.#check(tail)
    } catch (error) {
      this.#failed(tail, error)
    }
    if (tail.unread) this.#enqueue(tail, true)
    else if (now - (tail.goneSince ?? now) >= this.#options.rotate_wait) this.#finish(tail)
  }

  #finish(tail: Tail): void {
    tail.finish(this.#taker(tail))
    this.#forget(tail)
    this.#context.meters.add('finished_files_total', 1)
    if (tail.deleted) return
    this.#leaving.add(tail)
    this.#leave(tail)
  }

  /** A file that moved away is remembered: it may come back under another name. */
  #leave(tail: Tail): void {
    if (!this.#leaving.has(tail) || tail.progress.pending) return
    this.#leaving.delete(tail)
    this.#known.set(tail.key, tail.entry())
  }

  #forget(tail: Tail): void {
    this.#open.close(tail)
    this.#tails.delete(tail.key)
    this.#keeper.changed()
  }

  /** Files that are not where they were, and not open: perhaps they only have another name. */
  #search(lost: ReadonlyMap<string, Tail | TailEntry>): void {
    if (lost.size === 0) return
    const renamed = this.#discovery.renamed(lost.values())
    for (const [key, was] of lost) {
      const found = renamed.get(key)
      if (!found) {
        if (was instanceof Tail) this.#forget(was)
        continue
      }
      if (!(was instanceof Tail)) this.#consider(key, found)
      else {
        was.meet(found, this.#context.clock.now())
        this.#reopen(was)
      }
      const tail = this.#tails.get(key)
      if (tail?.fd !== undefined) this.#miss(tail)
    }
  }

  /** A file that is not followed yet: decides whether and from where. */
  #consider(key: string, found: Found): void {
    const { stats } = found
    const entry = this.#known.get(key)
    // An empty file is nothing yet; it may turn out to be the copy of another.
    if (stats.size === 0n && !entry) return
    if (this.#refused.get(key) === stats.mtimeNs) return
    if (!entry && this.#options.ignore_older !== undefined) {
      if (this.#context.clock.now() - Number(stats.mtimeMs) > this.#options.ignore_older) return
    }
    if (!entry && isCompressedName(found.path)) {
      this.#refuse(key, found)
      return
    }
    const fd = this.#open.open(found, key)
    if (fd === undefined) return
    let kept = false
    try {
      kept = this.#begin(key, found, fd, entry)
    } catch (error) {
      this.#once.warn(
        'read_failed',
        found.path,
        `${found.path} cannot be read: ${reasonOf(error)}.`,
      )
    }
    if (!kept) closeSync(fd)
  }

  /** Follows a file, if it is clear that it should be. Says whether it keeps the file open. */
  #begin(key: string, found: Found, fd: number, entry: TailEntry | undefined): boolean {
    const head = readRange(fd, 0, HEAD_BYTES)
    if (!entry && isCompressed(head)) {
      this.#refuse(key, found)
      return false
    }
    const start = this.#startOf(key, found, fd, head, entry)
    if (!start) return false
    const tail = new Tail(
      key,
      found,
      entry && start === entry ? entry.head : fingerprint(head.subarray(0, start.offset)),
      start,
      this.#options.max_line_bytes,
      path => this.#outlet.decoder(path),
      () => this.#moved(tail),
    )
    tail.meet(found, this.#context.clock.now())
    this.#tails.set(key, tail)
    const kept = this.#open.hasRoom
    if (kept) {
      tail.fd = fd
      this.#open.use(tail)
    }
    const underWay = this.#underWay.get(key)
    if (underWay && start === entry) {
      tail.progress = underWay
      underWay.onMoved = () => this.#moved(tail)
    }
    this.#underWay.delete(key)
    this.#known.delete(key)
    this.#enqueue(tail)
    this.#keeper.changed()
    this.#context.log.debug(`${found.path} is read from byte ${start.offset}.`, {
      path: found.path,
      offset: start.offset,
    })
    return kept
  }

  /** Where to begin; undefined when that is not clear yet. */
  #startOf(
    key: string,
    found: Found,
    fd: number,
    head: Buffer,
    entry: TailEntry | undefined,
  ): Start | undefined {
    const size = Number(found.stats.size)
    if (entry) {
      if (stillHolds(fd, head, size, entry)) return entry
      this.#copies.emptied(entry)
      return BEGINNING
    }
    const copied = this.#copies.sourceOf(former => stillHolds(fd, head, size, former))
    if (copied) {
      this.#context.log.info(
        `${found.path} is a copy of what ${copied.path} was; it is read from byte ${copied.offset}.`,
        { path: found.path },
      )
      return copied
    }
    if (this.#old) {
      return this.#options.start_at === 'end'
        ? lastLineEnd(fd, size, this.#options.max_line_bytes)
        : BEGINNING
    }
    const settled = !this.#started || this.#vacated.has(found.path)
    return settled || !this.#copies.mayBeCopy(key, head, found.stats.size) ? BEGINNING : undefined
  }

  #refuse(key: string, found: Found): void {
    this.#refused.set(key, found.stats.mtimeNs)
    this.#once.warn(
      'compressed',
      found.path,
      `${found.path} is compressed and is not read; leave it out with exclude, or unpack it.`,
    )
  }

  /** Opens a file that was closed for others' sake, or is to be tried again. */
  #reopen(tail: Tail): boolean {
    const fd = this.#open.makeRoom() ? this.#open.open(tail.place, tail.key) : undefined
    if (fd === undefined) {
      tail.giveUp()
      return false
    }
    tail.fd = fd
    this.#open.use(tail)
    this.#check(tail)
    return tail.fd !== undefined
  }

  #enqueue(tail: Tail, first = false): void {
    if (tail.queued) return
    tail.queued = true
    if (first) this.#queue.unshift(tail)
    else this.#queue.push(tail)
  }

  /** Reads a chunk of the file whose turn it is. */
  #step(): number | undefined {
    const tail = this.#queue.shift()
    if (!tail) return undefined
    tail.queued = false
    const read = this.#read(tail)
    if (tail.unread && this.#tails.has(tail.key)) this.#enqueue(tail)
    return read
  }

  #read(tail: Tail): number {
    try {
      if (tail.fd === undefined && !this.#reopen(tail)) return 0
      this.#open.use(tail)
      const read = tail.read(fill => this.#chunks.read(fill), this.#taker(tail))
      if (this.#stopped) return read
      if (read < CHUNK) tail.rest()
      this.#context.meters.add('bytes_received_total', read)
      if (tail.skipped > 0) this.#context.meters.add('nul_bytes_skipped_total', tail.skipped)
      tail.skipped = 0
      return read
    } catch (error) {
      this.#failed(tail, error)
      return 0
    }
  }

  #failed(tail: Tail, error: unknown): void {
    this.#once.warn('read_failed', tail.path, `${tail.path} cannot be read: ${reasonOf(error)}.`)
    this.#open.close(tail)
    tail.giveUp()
  }

  /** What takes the lines of a file. */
  #taker(tail: Tail): TakeLines {
    const settled = () => {
      this.#leave(tail)
      this.#settled()
    }
    const sent = () => {
      this.#keeper.sent()
      return settled
    }
    return (block, end, mark) => this.#outlet.send(tail, block, end, mark, sent)
  }

  #settled(): void {
    if (this.#heir) {
      this.#heir.#settled()
      return
    }
    this.#keeper.settled()
    if (this.#keeper.inFlight === 0) this.#forgotten()
  }

  #moved(tail: Tail): void {
    if (this.#tails.get(tail.key) === tail || this.#leaving.has(tail)) this.#keeper.changed()
  }

  #entries(): TailEntry[] {
    const now = this.#context.clock.now()
    const entries: TailEntry[] = []
    for (const [key, entry] of this.#known) {
      const underWay = this.#underWay.get(key)
      if (underWay) entries.push({ ...entry, offset: underWay.offset, mark: underWay.mark })
      else if (now - entry.seen > FORGET_AFTER) this.#known.delete(key)
      else entries.push(entry)
    }
    for (const tail of this.#leaving) entries.push(tail.entry())
    // Last, so that they win where a file took the inode of one that left.
    for (const tail of this.#tails.values()) entries.push(tail.entry())
    return entries
  }
}
