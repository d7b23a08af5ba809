/**
 * The files of one ndjson sink: which are open, which events go to which, and the receipts of the
 * batches once every part of them is written.
 */
import type { Batch } from '../../batch/batch.ts'
import type { Receipt } from '../../batch/receipt.ts'
import { groupByTemplate, type Template } from '../../codec/path-template.ts'
import type { Cancel, Context } from '../../component/context.ts'
import { type FilePolicy, OutputFile, type Owner } from './output-file.ts'
import type { Place } from './place.ts'
import { Unfinished } from './unfinished.ts'

/** How many closed compressed files are remembered as whole: a file forgotten is begun anew. */
const REMEMBERED = 10_000

export interface WriterSettings {
  readonly template: Template
  /** The file's path for a name that the template gave. */
  readonly pathOf: (name: string) => string
  readonly place: Place
  readonly policy: FilePolicy
  readonly maxOpenFiles: number
}

export class Writer implements Owner {
  readonly place: Place
  readonly policy: FilePolicy
  readonly context: Context
  readonly #settings: WriterSettings
  readonly #answer: (receipt: Receipt) => void
  readonly #files = new Map<string, OutputFile>()
  /** Those that hold a descriptor or are about to, least recently used first. */
  readonly #open = new Set<OutputFile>()
  /** Why what fails does: a file, or the sink itself for its directory. */
  readonly #failing = new Map<OutputFile | Writer, string>()
  readonly #closedAt = new Map<string, number>()
  readonly #cancelTending: Cancel
  readonly #unfinished: Unfinished
  readonly #recovery: Promise<void>
  #waiting: (() => void)[] = []

  constructor(settings: WriterSettings, context: Context, answer: (receipt: Receipt) => void) {
    this.place = settings.place
    this.policy = settings.policy
    this.context = context
    this.#settings = settings
    this.#answer = answer
    this.#unfinished = new Unfinished(context.directory)
    this.#recovery = this.#finishLeftovers()
    this.#cancelTending = context.clock.every(1000, () => this.#tend())
    settings.place.prepare().then(
      () => {
        if (this.#failing.size === 0) context.healthy(true)
      },
      error => this.failed(this, `${settings.place.root} cannot be used: ${error.message}`),
    )
  }

  /** Takes a batch; its receipt follows when all of its lines are in their files. */
  write(batch: Batch): void {
    const groups = groupByTemplate(batch, this.#settings.template, this.context.clock.now())
    let parts = groups.size
    let total = 0
    const written = (bytes: number) => {
      total += bytes
      if (--parts > 0) return
      this.worked(this)
      this.context.meters.add('bytes_written_total', total)
      this.#answer({ batch, outcome: 'delivered', bytes: total })
    }
    for (const [name, rows] of groups) {
      const path = this.#settings.pathOf(name)
      let file = this.#files.get(path)
      if (!file) {
        file = new OutputFile(path, this)
        this.#files.set(path, file)
      } else if (this.#open.delete(file)) this.#open.add(file)
      file.add({ data: rows.toBuffer(), written })
    }
  }

  /** Writes all that waits and closes every file; waits as long as a disk is full. */
  async finish(): Promise<void> {
    await Promise.all([...this.#files.values()].map(file => file.close()))
    this.#cancelTending()
  }

  /** Stops at once. */
  destroy(): void {
    this.#cancelTending()
    for (const file of this.#files.values()) file.destroy()
    this.#files.clear()
    this.#wake()
  }

  #tend(): void {
    for (const file of this.#open) file.tend()
    this.context.meters.set('open_files', this.#open.size)
  }

  async #finishLeftovers(): Promise<void> {
    const { inProgress, compressor } = this.policy
    if (inProgress === undefined) return
    const { log } = this.context
    try {
      const count = await this.#unfinished.finishAll(
        this.place,
        inProgress,
        compressor.kind !== 'none',
      )
      if (count > 0)
        log.info(`${count} files that an earlier run left unfinished have their names now`)
    } catch (error) {
      log.warn(
        `files that an earlier run left unfinished keep the ending "${inProgress}" until their paths are written again: ${(error as Error).message}`,
      )
    }
  }

  async acquire(file: OutputFile): Promise<void> {
    await this.#recovery
    while (this.#open.size >= this.#settings.maxOpenFiles) {
      const victim = [...this.#open].find(other => other.resting)
      if (victim) await victim.close()
      else await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
    this.#open.add(file)
  }

  begun(file: OutputFile): Promise<void> {
    return this.#unfinished.add(file.path)
  }

  finished(file: OutputFile): Promise<void> {
    return this.#unfinished.remove(file.path)
  }

  release(file: OutputFile): void {
    if (this.#open.delete(file)) this.#wake()
  }

  idle(file: OutputFile): void {
    if (!file.isOpen && file.resting && this.#files.get(file.path) === file) {
      this.#files.delete(file.path)
    }
    this.#wake()
  }

  failed(file: OutputFile | Writer, why: string): void {
    const known = this.#failing.size > 0
    this.#failing.set(file, why)
    if (!known) this.context.healthy(false, why)
  }

  worked(file: OutputFile | Writer): void {
    if (!this.#failing.delete(file)) return
    const [why] = this.#failing.values()
    this.context.healthy(why === undefined, why)
  }

  closedAt(path: string): number | undefined {
    return this.#closedAt.get(path)
  }

  remember(path: string, size: number): void {
    if (this.policy.compressor.kind === 'none') return
    this.#closedAt.delete(path)
    this.#closedAt.set(path, size)
    const [oldest] = this.#closedAt.keys()
    if (this.#closedAt.size > REMEMBERED && oldest !== undefined) this.#closedAt.delete(oldest)
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }
}
