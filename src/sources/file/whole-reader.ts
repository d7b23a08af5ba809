/**
 * `read: whole`: one record for each file that is finished, which names the file; whoever delivers the
 * record takes the contents from there. A file that changes afterwards is sent again.
 */
import { lstatSync, unlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname } from 'node:path'
import { z } from 'zod'
import { Batch } from '../../batch/batch.ts'
import type { Outcome } from '../../batch/lease.ts'
import type { Context } from '../../component/context.ts'
import type { JsonObject } from '../../record/json.ts'
import { Checkpoint } from './checkpoint.ts'
import type { Discovery } from './discovery.ts'
import { inherit, leaveBehind } from './handover.ts'
import { Keeper } from './keeper.ts'
import { type Once, reasonOf } from './once.ts'
import type { FileOptions } from './options.ts'
import { Pump } from './pump.ts'
import { type Found, keyOf } from './regular-file.ts'
import { openForWriting } from './writers.ts'

const wholeEntry = z.object({
  path: z.string(),
  /** Device and inode, as one word. */
  key: z.string(),
  /** Size and modification time in nanoseconds, as one word. */
  state: z.string(),
  /** When it was last found, in milliseconds since the epoch. */
  seen: z.number(),
})

type WholeEntry = z.output<typeof wholeEntry>

/** How long a file that was sent and is not to be found is remembered, in milliseconds. */
const FORGET_AFTER = 7 * 86_400_000

export class WholeReader {
  readonly #options: FileOptions
  readonly #context: Context
  readonly #discovery: Discovery
  readonly #once: Once
  readonly #emit: (batch: Batch) => void
  readonly #host: string
  readonly #keeper: Keeper<WholeEntry>
  readonly #pump: Pump
  /** Sent and answered for, as they were then. */
  readonly #done: Map<string, WholeEntry>
  /** Seen, and since when they have not changed (monotonic). */
  readonly #unsettled = new Map<string, { state: string; since: number }>()
  readonly #queued = new Map<string, Found>()
  readonly #sent: Set<string>
  readonly #place: string
  #heir: WholeReader | undefined
  #forgotten = () => {}
  /** Whether files that are found are to be passed over: they were there before the edge first ran. */
  #passOver: boolean
  #started = false

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
    this.#emit = emit
    this.#host = options.host ?? hostname()
    this.#pump = new Pump(context, () => this.#step())
    const checkpoint = new Checkpoint('whole.json', wholeEntry, context)
    this.#place = checkpoint.path
    const former = inherit(this.#place, WholeReader)
    const entries = former ? [...former.#done.values()] : checkpoint.load()
    this.#passOver = entries === undefined && options.start_at === 'end'
    this.#done = new Map(entries?.map(entry => [entry.key, entry]))
    this.#sent = new Set(former ? former.#sent : [])
    this.#keeper = new Keeper(checkpoint, options.checkpoint_interval, context.clock, () =>
      this.#entries(),
    )
    if (former) {
      former.#heir = this
      this.#keeper.replace(former.#keeper)
    }
  }

  /** Looks at all files once and sends those that are finished. Gives the directories looked into. */
  look(): readonly string[] {
    const scan = this.#discovery.scan()
    const { clock, meters } = this.#context
    for (const [key, found] of scan.files) this.#consider(key, found)
    for (const key of this.#unsettled.keys()) {
      if (!scan.files.has(key)) this.#unsettled.delete(key)
    }
    this.#passOver = false
    if (!this.#started) {
      this.#started = true
      this.#keeper.changed()
      this.#context.ready(`${scan.files.size} ${scan.files.size === 1 ? 'file' : 'files'}`)
    }
    this.#enqueue(scan.files, clock.monotonic())
    meters.set('files', scan.files.size)
    meters.set('unfinished_files', this.#unsettled.size)
    this.#pump.run()
    return scan.directories
  }

  stop(): void {
    this.#pump.stop()
    this.#keeper.stop()
    if (this.#keeper.inFlight > 0) this.#forgotten = leaveBehind(this.#place, this)
  }

  #consider(key: string, found: Found): void {
    const { clock } = this.#context
    const state = stateOf(found)
    const done = this.#done.get(key)
    if (done) {
      done.seen = clock.now()
      done.path = found.path
    }
    if (done?.state === state || this.#sent.has(key)) {
      this.#unsettled.delete(key)
      return
    }
    if (this.#passOver) {
      this.#done.set(key, { path: found.path, key, state, seen: clock.now() })
      return
    }
    const { ignore_older: oldest } = this.#options
    if (oldest !== undefined && clock.now() - Number(found.stats.mtimeMs) > oldest) return
    if (this.#unsettled.get(key)?.state !== state) {
      this.#unsettled.set(key, { state, since: clock.monotonic() })
      this.#queued.delete(key)
    }
  }

  /** Those that have been quiet for long enough, and that nobody has open for writing. */
  #enqueue(files: ReadonlyMap<string, Found>, now: number): void {
    const quiet = new Map<string, Found>()
    for (const [key, { since }] of this.#unsettled) {
      const found = files.get(key)
      if (found && now - since >= this.#options.settle) quiet.set(key, found)
    }
    const written = openForWriting(new Set(Array.from(quiet.values(), found => found.real)))
    for (const [key, found] of quiet) {
      if (!written.has(found.real)) this.#queued.set(key, found)
    }
  }

  #step(): number | undefined {
    for (const [key, found] of this.#queued) {
      this.#queued.delete(key)
      if (isUnchanged(found, key)) return this.#send(key, found)
    }
    return undefined
  }

  #send(key: string, found: Found): number {
    const line = JSON.stringify(this.#record(found))
    this.#unsettled.delete(key)
    this.#sent.add(key)
    this.#keeper.sent()
    const lease = this.#context.lease(line.length + 1, outcome => {
      this.#answered(key, found, outcome)
    })
    const origin = { source: this.#context.id, peer: found.path }
    this.#emit(Batch.ofLines([line], origin, lease))
    return line.length
  }

  #record({ path, stats }: Found): JsonObject {
    const mtime = Number(stats.mtimeNs / 1000n) / 1e6
    return {
      sourcetype: 'file',
      source: path,
      _time: mtime,
      host: this.#host,
      data: {
        path,
        name: basename(path),
        directory: basename(dirname(path)),
        size: Number(stats.size),
        mtime,
        inode: exact(stats.ino),
        device: exact(stats.dev),
      },
    }
  }

  #answered(key: string, found: Found, outcome: Outcome): void {
    if (this.#heir) {
      this.#heir.#answered(key, found, outcome)
      return
    }
    this.#sent.delete(key)
    this.#settled(key, found, outcome)
    this.#keeper.settled()
    if (this.#keeper.inFlight === 0) this.#forgotten()
  }

  #settled(key: string, found: Found, outcome: Outcome): void {
    // Not handled, because the edge stopped first: it will be sent again.
    if (outcome === 'aborted') return
    this.#keeper.changed()
    if (outcome === 'delivered' && this.#options.on_delivered === 'delete') {
      if (this.#delete(key, found)) return
    }
    const seen = this.#context.clock.now()
    this.#done.set(key, { path: found.path, key, state: stateOf(found), seen })
  }

  #delete(key: string, found: Found): boolean {
    try {
      if (!isUnchanged(found, key)) return false
      unlinkSync(found.real)
      this.#done.delete(key)
      this.#context.meters.add('deleted_files_total', 1)
      return true
    } catch (error) {
      this.#once.warn(
        'delete_failed',
        found.path,
        `${found.path} was delivered but cannot be deleted: ${reasonOf(error)}.`,
      )
      return false
    }
  }

  #entries(): WholeEntry[] {
    const now = this.#context.clock.now()
    for (const [key, entry] of this.#done) {
      if (now - entry.seen > FORGET_AFTER) this.#done.delete(key)
    }
    return [...this.#done.values()]
  }
}

function stateOf({ stats }: Found): string {
  return `${stats.size}:${stats.mtimeNs}`
}

/** Whether a name still stands for the same file with the same size and modification time. */
function isUnchanged(found: Found, key: string): boolean {
  const stats = lstatSync(found.real, { bigint: true, throwIfNoEntry: false })
  return (
    stats !== undefined && keyOf(stats) === key && stateOf({ ...found, stats }) === stateOf(found)
  )
}

/** A number where JSON can hold it, else its digits. */
function exact(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : `${value}`
}
