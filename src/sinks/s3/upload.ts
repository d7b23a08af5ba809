/**
 * Brings one object to the server: in one request, or in parts that are noted in the journal so that
 * the next try, in this process or another, sends only what is missing.
 */
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import type { Context } from '../../component/context.ts'
import { Backoff } from '../../transport/backoff.ts'
import type { CompletedPart, Digests, ObjectStore, Place, Stored } from './client.ts'
import { readAt } from './durable.ts'
import { Closed, diagnose, isNotFound, isNotImplemented, S3Error } from './errors.ts'
import type { Journal, Upload } from './journal.ts'
import { MAX_PARTS, type S3Options } from './options.ts'
import type { Requests } from './requests.ts'
import type { Slots } from './slots.ts'

/** The bytes of an object: an open file of a known size. */
export interface Body {
  readonly handle: FileHandle
  readonly size: number
  /** Throws BodyChanged when the file is not any more what it was. */
  check(): Promise<void>
}

/** The file was changed while it was being sent. */
export class BodyChanged extends Error {}

/** How metadata names an object's id: by it the sink knows its own object again. */
export const ID_METADATA = 'scopeline-id'

interface Checked extends Digests {
  /** Hex, as ETags have it. */
  readonly hash: string
}

export class Uploader {
  readonly #store: ObjectStore
  readonly #requests: Requests
  readonly #slots: Slots
  readonly #options: S3Options
  readonly #context: Context
  /** Whether the server knows If-None-Match, as far as it has shown. */
  #conditional = true

  constructor(
    store: ObjectStore,
    requests: Requests,
    slots: Slots,
    options: S3Options,
    context: Context,
  ) {
    this.#store = store
    this.#requests = requests
    this.#slots = slots
    this.#options = options
    this.#context = context
  }

  /**
   * Returns when the object is on the server. Throws BodyChanged, Closed, or what `diagnose` calls
   * setup, exists or refused; after the last two no upload of it is left on the server.
   */
  async upload(journal: Journal, body: Body, metadata: Record<string, string> = {}): Promise<void> {
    const all = { ...metadata, [ID_METADATA]: journal.opened.id }
    // An upload that was begun goes on as one, whatever part_size is now.
    const whole = !journal.upload && journal.creating === undefined
    const backoff = new Backoff(this.#options.retry)
    for (;;) {
      try {
        if (whole && body.size <= this.#options.part_size) await this.#whole(journal, body, all)
        else await this.#inParts(journal, body, all)
        return
      } catch (error) {
        if (error instanceof Closed) throw error
        if (error instanceof BodyChanged) {
          await this.abandon(journal)
          throw error
        }
        const diagnosis = diagnose(error)
        if (diagnosis.trouble === 'restart') {
          await this.abandon(journal)
          this.#requests.stuck(journal.opened.key, diagnosis)
          await this.#requests.rest(backoff.next())
        } else {
          if (diagnosis.trouble === 'refused' || diagnosis.trouble === 'exists') {
            await this.abandon(journal)
          }
          throw error
        }
      }
    }
  }

  /** Ends an unfinished upload on the server, so that nobody pays for its parts, and forgets it. */
  async abandon(journal: Journal): Promise<void> {
    const { upload, opened } = journal
    if (upload) {
      await this.#abort(opened, upload.id)
      await journal.note({ step: 'abandoned' })
    }
  }

  async #whole(journal: Journal, body: Body, metadata: Record<string, string>): Promise<void> {
    const place = journal.opened
    await this.#slots.use(body.size, async buffer => {
      const digests = await this.#read(body, buffer, 0, this.#sends('crc32'))
      await body.check()
      const once = this.#options.create === 'once'
      for (;;) {
        if (once && !this.#conditional) {
          if (await this.#isThere(place, body.size, digests.hash)) return
        }
        try {
          await this.#requests.send(`send ${place.key}`, async () =>
            this.#verify(
              await this.#store.put(place, buffer, digests, metadata, once && this.#conditional),
              digests,
            ),
          )
          break
        } catch (error) {
          if (!once || error instanceof Closed) throw error
          if (this.#conditional && isNotImplemented(error)) this.#lookFirst()
          else if (diagnose(error).trouble !== 'exists') throw error
          else if (await this.#isThere(place, body.size, digests.hash)) return
          else throw error
        }
      }
      this.#context.meters.add('uploaded_bytes_total', body.size)
    })
  }

  async #inParts(journal: Journal, body: Body, metadata: Record<string, string>): Promise<void> {
    const { opened: place } = journal
    const once = this.#options.create === 'once'
    if (journal.creating !== undefined) await this.#sweep(journal, journal.creating)
    const done = new Map<number, CompletedPart>()
    if (journal.upload && !(await this.#resume(journal, journal.upload, body, done))) {
      // The upload is gone. Either its completion was not heard of, or someone has ended it.
      if (await this.#isThere(place, body.size)) return
      await journal.note({ step: 'abandoned' })
    }
    if (!journal.upload) {
      if (once && !this.#conditional && (await this.#isThere(place, body.size))) return
      await journal.note({ step: 'creating', at: this.#context.clock.now() })
      const crc32 = this.#sends('crc32')
      const id = await this.#requests.send(`begin the upload of ${place.key}`, () =>
        this.#store.createUpload(place, crc32, metadata),
      )
      const partSize = partSizeFor(body.size, this.#options.part_size)
      await journal.note({ step: 'upload', upload_id: id, part_size: partSize, crc32 })
    }
    const upload = journal.upload as unknown as Upload
    await this.#sendMissing(journal, upload, body, done)
    await body.check()
    const parts = [...done.values()].sort((a, b) => a.number - b.number)
    try {
      await this.#requests.send(`complete ${place.key}`, () =>
        this.#store.complete(place, upload.id, parts, once && this.#conditional),
      )
    } catch (error) {
      if (error instanceof Closed) throw error
      if (once && this.#conditional && isNotImplemented(error)) {
        this.#lookFirst()
        if (await this.#isThere(place, body.size)) return
        await this.#requests.send(`complete ${place.key}`, () =>
          this.#store.complete(place, upload.id, parts, false),
        )
        return
      }
      // NoSuchUpload or a refusal to replace: an earlier try may have done it, its answer lost.
      const { trouble } = diagnose(error)
      if (trouble !== 'restart' && trouble !== 'exists') throw error
      if (await this.#isOurs(place, body.size)) return
      throw error
    }
  }

  /** Takes over what the server has. False when it does not know the upload any more. */
  async #resume(
    journal: Journal,
    upload: Upload,
    body: Body,
    done: Map<number, CompletedPart>,
  ): Promise<boolean> {
    const { opened: place } = journal
    let there: Awaited<ReturnType<ObjectStore['listParts']>>
    try {
      there = await this.#requests.send(`list the parts of ${place.key}`, () =>
        this.#store.listParts(place, upload.id),
      )
    } catch (error) {
      if (diagnose(error).code === 'NoSuchUpload' || isNotFound(error)) return false
      throw error
    }
    for (const part of there) {
      const from = (part.number - 1) * upload.partSize
      const length = Math.min(upload.partSize, body.size - from)
      if (part.number < 1 || length <= 0 || part.size !== length) continue
      const { hash } = await this.#slots.use(length, buffer =>
        this.#read(body, buffer, from, false),
      )
      const noted = upload.parts.get(part.number)
      const same =
        part.etag === hash ||
        (noted !== undefined && noted.etag === part.etag && noted.md5 === hash)
      if (same) done.set(part.number, part)
    }
    if (done.size > 0) {
      this.#context.meters.add('parts_skipped_total', done.size)
      this.#context.log.info(
        `goes on with the upload of ${place.key}: the server has ${done.size} of ${Math.ceil(body.size / upload.partSize)} parts`,
      )
    }
    return true
  }

  async #sendMissing(
    journal: Journal,
    upload: Upload,
    body: Body,
    done: Map<number, CompletedPart>,
  ): Promise<void> {
    const { opened: place } = journal
    const count = Math.max(1, Math.ceil(body.size / upload.partSize))
    let next = 1
    let failed = false
    const work = async () => {
      while (next <= count && !failed) {
        const number = next++
        if (done.has(number)) continue
        const from = (number - 1) * upload.partSize
        const length = Math.min(upload.partSize, body.size - from)
        try {
          await this.#slots.use(length, async buffer => {
            const digests = await this.#read(body, buffer, from, upload.crc32)
            const { etag, crc32 } = await this.#requests.send(
              `send part ${number} of ${place.key}`,
              async () =>
                this.#verify(
                  await this.#store.putPart(place, upload.id, number, buffer, digests),
                  digests,
                ),
            )
            done.set(number, { number, etag, crc32 })
            await journal.note({ step: 'part', number, etag, md5: digests.hash })
            this.#context.meters.add('parts_total', 1)
            this.#context.meters.add('uploaded_bytes_total', length)
          })
        } catch (error) {
          failed = true
          throw error
        }
      }
    }
    const workers = Array.from({ length: Math.min(this.#options.concurrency, count) }, work)
    const failure = (await Promise.allSettled(workers)).find(end => end.status === 'rejected')
    if (failure) throw failure.reason
  }

  /** Ends uploads of this very key that were begun just when the journal stopped: nobody knows their ids. */
  async #sweep(journal: Journal, since: number): Promise<void> {
    const { opened: place } = journal
    // Clocks may differ by as much as a signature allows.
    const skew = 15 * 60_000
    try {
      const uploads = await this.#requests.send(`look for stale uploads of ${place.key}`, () =>
        this.#store.listUploads(place),
      )
      for (const upload of uploads) {
        if (upload.initiated >= since - skew) await this.#abort(place, upload.id)
      }
    } catch (error) {
      if (error instanceof Closed) throw error
      this.#context.log.warn(
        `could not look for stale uploads of ${place.key}: ${diagnose(error).why}; if one is left, a lifecycle rule of the bucket should end it`,
      )
    }
    await journal.note({ step: 'abandoned' })
  }

  async #abort(place: Place, id: string): Promise<void> {
    try {
      await this.#requests.send(`end the upload of ${place.key}`, () =>
        this.#store.abort(place, id),
      )
    } catch (error) {
      if (error instanceof Closed) throw error
      const { code, why } = diagnose(error)
      if (code === 'NoSuchUpload') return
      this.#context.log.warn(
        `could not end the upload ${id} of ${place.key}: ${why}; a lifecycle rule of the bucket should end it`,
      )
    }
  }

  /** Whether the object that is there is this one; throws `exists` when it is another. */
  async #isThere(place: Place & { id: string }, size: number, md5?: string): Promise<boolean> {
    const found = await this.#look(place)
    if (!found) return false
    if (found.size === size) {
      if (found.metadata[ID_METADATA] === place.id || found.etag === md5) return true
    }
    if (this.#options.create === 'overwrite') return false
    throw new S3Error(
      'exists',
      'PreconditionFailed',
      `${place.key} exists in ${place.bucket} and is not replaced (create: once)`,
    )
  }

  async #isOurs(place: Place & { id: string }, size: number): Promise<boolean> {
    const found = await this.#look(place)
    return found?.size === size && found.metadata[ID_METADATA] === place.id
  }

  /** What is at a place; undefined for nothing, or where the sink may not look. */
  async #look(place: Place) {
    try {
      return await this.#requests.send(`look at ${place.key}`, () => this.#store.head(place))
    } catch (error) {
      if (isNotFound(error) || diagnose(error).trouble === 'setup') return undefined
      throw error
    }
  }

  #lookFirst(): void {
    this.#conditional = false
    this.#context.log.warn(
      'the S3 server does not know If-None-Match: objects are looked for before they are created, so two writers at the same moment could replace one another',
    )
  }

  #sends(digest: 'md5' | 'crc32'): boolean {
    return this.#options.checksum === 'auto' || this.#options.checksum === digest
  }

  /** Fills the buffer from the body and digests it, a MiB at a time: others shall have their turn. */
  async #read(body: Body, buffer: Buffer, from: number, withCrc: boolean): Promise<Checked> {
    if ((await readAt(body.handle, buffer, buffer.length, from)) < buffer.length) {
      await body.check()
      throw new BodyChanged('the file ends before the size it had')
    }
    const md5 = createHash('md5')
    let crc = 0
    const step = 1024 ** 2
    for (let at = 0; at < buffer.length; at += step) {
      const piece = buffer.subarray(at, at + step)
      md5.update(piece)
      if (withCrc) crc = crc32(piece, crc)
      if (at + step < buffer.length) await turn()
    }
    const digest = md5.digest()
    const big = Buffer.alloc(4)
    big.writeUInt32BE(crc)
    return {
      hash: digest.toString('hex'),
      md5: this.#sends('md5') ? digest.toString('base64') : undefined,
      crc32: withCrc ? big.toString('base64') : undefined,
    }
  }

  /** A digest in the answer that is another than ours: the bytes were changed on the way. */
  #verify(stored: Stored, { hash, crc32 }: Checked): Stored {
    if (stored.crc32 !== undefined && crc32 !== undefined && stored.crc32 !== crc32) {
      throw new S3Error(
        'busy',
        'ChecksumMismatch',
        `the server stored bytes with CRC32 ${stored.crc32} where ${crc32} were sent`,
      )
    }
    if (stored.etagIsMd5 && /^[0-9a-f]{32}$/.test(stored.etag) && stored.etag !== hash) {
      throw new S3Error(
        'busy',
        'EtagMismatch',
        `the server stored bytes with MD5 ${stored.etag} where ${hash} were sent`,
      )
    }
    return stored
  }
}

/** The part size for an object: what was asked for, or more (whole MiB) where that makes too many parts. */
export function partSizeFor(size: number, wanted: number): number {
  const MiB = 1024 ** 2
  return Math.max(wanted, Math.ceil(size / MAX_PARTS / MiB) * MiB)
}
