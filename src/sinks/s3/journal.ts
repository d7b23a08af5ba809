/**
 * The journal of one object: what is known of it, so that a restart goes on where a crash stopped.
 * Its first line is written whole before anything else is done for the object; each step is one more
 * line. A torn last line is a step that was not taken.
 *
 *   {"step":"opened","id":…,"bucket":…,"key":…,"body":"events",…}      filling
 *   {"step":"sealed","file":…,"size":…,"sha256":…,"events":…}          nothing more is added
 *   {"step":"creating","at":…}   {"step":"upload","upload_id":…,"part_size":…}
 *   {"step":"part","number":1,"etag":…,"md5":…}                        one for each part that arrived
 *   {"step":"abandoned"}                                               the upload is void: begin again
 *   {"step":"done"}                                                    only the files are to be deleted
 */
import { type FileHandle, open, readFile, truncate } from 'node:fs/promises'
import type { Compression } from '../../codec/compression.ts'
import { isObject } from '../../record/json.ts'
import { remove, writeWhole } from './durable.ts'

/** What an object is from the beginning. */
export interface Opened {
  readonly id: string
  readonly bucket: string
  readonly key: string
  readonly body: 'events' | 'file'
  /** Milliseconds since the epoch. */
  readonly at: number
  /** events: the key with `{id}` still in it, which says which events belong here. */
  readonly partition?: string
  /** events: how it is to be compressed. */
  readonly compression?: Compression
  /** file: the file that is sent, and what it was when it was first seen. */
  readonly path?: string
  readonly identity?: string
}

/** The body of the object, final. */
export interface Sealed {
  /** Name of the file in the staging directory. */
  readonly file: string
  readonly size: number
  readonly sha256: string
  readonly events: number
}

type Step =
  | ({ readonly step: 'opened' } & Opened)
  | ({ readonly step: 'sealed' } & Sealed)
  | { readonly step: 'creating'; readonly at: number }
  | {
      readonly step: 'upload'
      readonly upload_id: string
      readonly part_size: number
      readonly crc32: boolean
    }
  | { readonly step: 'part'; readonly number: number; readonly etag: string; readonly md5: string }
  | { readonly step: 'abandoned' }
  | { readonly step: 'done' }

/** A multipart upload that the server knows. */
export interface Upload {
  readonly id: string
  readonly partSize: number
  /** Whether it was announced with CRC32: then every part must have one. */
  readonly crc32: boolean
  /** By part number: the ETag that the server gave, and the MD5 (hex) of what was sent. */
  readonly parts: Map<number, { readonly etag: string; readonly md5: string }>
}

export class Journal {
  readonly path: string
  readonly opened: Opened
  sealed: Sealed | undefined
  /** When an upload was about to be created of which the answer was not seen; ms since the epoch. */
  creating: number | undefined
  upload: Upload | undefined
  done = false
  #handle: Promise<FileHandle> | undefined

  private constructor(path: string, opened: Opened) {
    this.path = path
    this.opened = opened
  }

  /** Begins the journal of a new object; durable when it returns. */
  static async create(path: string, opened: Opened): Promise<Journal> {
    await writeWhole(path, `${JSON.stringify({ step: 'opened', ...opened })}\n`)
    return new Journal(path, opened)
  }

  /** Reads a journal; undefined where it can't be one. Cuts a torn last line off the file. */
  static async read(path: string): Promise<Journal | undefined> {
    const text = await readFile(path, 'utf8')
    const end = text.lastIndexOf('\n') + 1
    if (end < text.length) await truncate(path, Buffer.byteLength(text.slice(0, end)))
    let journal: Journal | undefined
    for (const line of text.slice(0, end).split('\n')) {
      const step = readStep(line)
      if (step?.step === 'opened') {
        const { step: _, ...opened } = step
        journal ??= new Journal(path, opened)
      } else if (step && journal) journal.#take(step)
    }
    return journal
  }

  /** Notes a step; durable when it returns, unless it is a part, which the server could tell too. */
  async note(step: Exclude<Step, { step: 'opened' }>): Promise<void> {
    this.#handle ??= open(this.path, 'a', 0o600)
    const handle = await this.#handle
    await handle.appendFile(`${JSON.stringify(step)}\n`)
    if (step.step !== 'part') await handle.datasync()
    this.#take(step)
  }

  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await (await handle)?.close()
  }

  /** Closes and deletes: the object is done with. */
  async delete(): Promise<void> {
    await this.close()
    await remove(this.path)
  }

  #take(step: Step): void {
    switch (step.step) {
      case 'sealed': {
        const { step: _, ...sealed } = step
        this.sealed = sealed
        break
      }
      case 'creating':
        this.creating = step.at
        break
      case 'upload':
        this.creating = undefined
        this.upload = {
          id: step.upload_id,
          partSize: step.part_size,
          crc32: step.crc32,
          parts: new Map(),
        }
        break
      case 'part':
        this.upload?.parts.set(step.number, { etag: step.etag, md5: step.md5 })
        break
      case 'abandoned':
        this.upload = undefined
        this.creating = undefined
        break
      case 'done':
        this.done = true
        break
      case 'opened':
        break
    }
  }
}

function readStep(line: string): Step | undefined {
  if (line === '') return undefined
  try {
    const step: unknown = JSON.parse(line)
    return isObject(step) && typeof step['step'] === 'string'
      ? (step as unknown as Step)
      : undefined
  } catch {
    return undefined
  }
}
