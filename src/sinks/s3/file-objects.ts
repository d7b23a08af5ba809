/**
 * `body: file`: each record names a file, and the file itself becomes the object. A record is receipted
 * when its object is complete on the server; an upload that a crash cut short goes on at the next start.
 */
import { mkdir, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Batch } from '../../batch/batch.ts'
import type { Receipt } from '../../batch/receipt.ts'
import type { Context } from '../../component/context.ts'
import { isObject, type JsonObject } from '../../record/json.ts'
import { Backoff } from '../../transport/backoff.ts'
import { remove } from './durable.ts'
import { Closed, type Diagnosis, diagnose } from './errors.ts'
import type { Run } from './event-objects.ts'
import { fileId, openNamedFile } from './file-body.ts'
import { Journal } from './journal.ts'
import { keyOf, partitionTemplate } from './key.ts'
import type { S3Options } from './options.ts'
import type { Fate } from './shipping.ts'
import { BodyChanged } from './upload.ts'
import { openWay } from './way.ts'

export async function startFileObjects(
  options: S3Options,
  context: Context,
  receipt: (receipt: Receipt) => void,
): Promise<Run> {
  const root = options.file_root ?? ''
  const abort = new AbortController()
  const directory = join(context.directory, 'files')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const way = await openWay(options, context, abort.signal)
  const template = partitionTemplate(options)
  /** Files that are being sent, by id: the same file asked for twice is sent once. */
  const sending = new Map<string, Promise<Fate>>()
  /** Journals of an earlier run, by id. */
  const unfinished = new Map<string, Journal>()
  /** Those of them of which no record has come again yet. */
  const expected = new Set<string>()
  /** Those of them that are complete meanwhile: their records will come again, once. */
  const completed = new Set<string>()
  const tasks = new Set<Promise<void>>()

  const track = (task: Promise<void>) => {
    const tracked = task.finally(() => tasks.delete(tracked))
    tasks.add(tracked)
  }

  const pause = (delay: number) =>
    new Promise<void>(resolve => {
      const cancel = context.clock.after(delay, resolve)
      const stop = () => {
        cancel()
        resolve()
      }
      abort.signal.addEventListener('abort', stop, { once: true })
    })

  /** Sends one file under one key, to its end. Starts over when the file changes meanwhile. */
  async function send(
    path: string,
    record: JsonObject | undefined,
    found?: Journal,
  ): Promise<Fate> {
    const backoff = new Backoff(options.retry)
    for (;;) {
      let id: string
      let key: string
      let identity: string
      try {
        const file = await openNamedFile(path, root)
        await file.handle.close()
        identity = file.identity
        key = found?.opened.key ?? ''
        if (record) {
          const partition = template.render(withName(record, path), context.clock.now())
          key = keyOf(partition, fileId(path, identity, partition), false)
        }
        id = fileId(path, identity, key)
      } catch (error) {
        const diagnosis = diagnose(error)
        if (diagnosis.trouble === 'refused') {
          if (found) await forget(found)
          return { kind: 'refused', diagnosis }
        }
        way.requests.failed(`open ${path}`, diagnosis)
        try {
          await way.requests.ready()
        } catch {
          return { kind: 'left' }
        }
        continue
      }
      if (found && id !== found.opened.id) {
        // Changed since: its source will name it again, and then it is sent as it is by then.
        await forget(found)
        return { kind: 'left' }
      }
      if (completed.delete(id)) return { kind: 'delivered' }
      const known = sending.get(id)
      if (known) expected.delete(id)
      const shipping = known ?? shipOne(id, key, path, identity)
      if (!known) {
        sending.set(id, shipping)
        const over = () => sending.delete(id)
        shipping.then(over, over)
      }
      try {
        return await shipping
      } catch (error) {
        if (!(error instanceof BodyChanged)) throw error
        context.log.warn(`${path} was changed while it was being sent; sending starts over`)
        context.meters.error('file_changed')
        await pause(backoff.next())
        if (abort.signal.aborted) return { kind: 'left' }
      }
    }
  }

  async function shipOne(id: string, key: string, path: string, identity: string): Promise<Fate> {
    const journal =
      unfinished.get(id) ??
      (await Journal.create(join(directory, `${id}.journal`), {
        id,
        bucket: options.bucket,
        key,
        body: 'file',
        at: context.clock.now(),
        path,
        identity,
      }))
    unfinished.delete(id)
    try {
      const fate = await way.shipping.ship({
        journal,
        metadata: {},
        open: async () => {
          const file = await openNamedFile(path, root)
          if (file.identity === identity) return file
          await file.handle.close()
          await way.uploader.abandon(journal)
          throw new BodyChanged(`${path} is not the file any more that it was`)
        },
      })
      if (fate.kind === 'refused') await way.uploader.abandon(journal)
      if (fate.kind === 'left') await journal.close()
      else await journal.delete()
      return fate
    } catch (error) {
      if (error instanceof BodyChanged) await journal.delete()
      if (error instanceof Closed) return { kind: 'left' }
      throw error
    }
  }

  /** Gives an upload of an earlier run up. */
  async function forget(journal: Journal): Promise<void> {
    unfinished.delete(journal.opened.id)
    try {
      await way.uploader.abandon(journal)
      await journal.delete()
    } catch (error) {
      if (!(error instanceof Closed)) throw error
    }
  }

  /** Goes on with what a crash cut short, also where nobody names the file again. */
  async function goOn(journal: Journal): Promise<void> {
    const { id, path = '' } = journal.opened
    const fate = await send(path, undefined, journal)
    if (fate.kind === 'delivered' && expected.has(id)) completed.add(id)
    expected.delete(id)
  }

  async function takeBatch(batch: Batch): Promise<void> {
    const rows = Array.from({ length: batch.count }, (_, row) => row)
    const fates = await Promise.all(
      rows.map(row => sendNamed(batch, row, record => send(pathOf(record), record))),
    )
    if (fates.some(fate => fate.kind === 'left')) return
    const refused = fates.find(fate => fate.kind === 'refused')
    if (refused?.kind === 'refused') {
      receipt({ batch, outcome: 'dropped', reason: reasonOf(refused.diagnosis) })
    } else receipt({ batch, outcome: 'delivered' })
  }

  async function sendNamed(
    batch: Batch,
    row: number,
    sendRecord: (record: JsonObject) => Promise<Fate>,
  ): Promise<Fate> {
    const fate = await sendRecord(batch.record(row))
    if (fate.kind === 'refused') {
      const { why } = fate.diagnosis
      context.meters.error('dead_letter')
      context.log.error(`a file is not sent: ${why}`)
      context.reject({
        reason: reasonOf(fate.diagnosis),
        explanation: why,
        bytes: batch.line(row),
        origin: batch.origin,
      })
    }
    return fate
  }

  for (const name of await readdir(directory)) {
    const path = join(directory, name)
    if (name.endsWith('.tmp')) await remove(path)
    if (!name.endsWith('.journal')) continue
    const journal = await Journal.read(path)
    if (!journal?.opened.path) {
      context.log.error(`the journal ${path} can't be read; it is left where it is`)
    } else if (journal.done) await journal.delete()
    else {
      unfinished.set(journal.opened.id, journal)
      expected.add(journal.opened.id)
    }
  }
  for (const journal of [...unfinished.values()]) {
    track(
      goOn(journal).catch(error => {
        context.log.error(`could not go on with ${journal.opened.path}: ${diagnose(error).why}`)
      }),
    )
  }

  return {
    take: batch => {
      track(
        takeBatch(batch).catch(error => {
          context.log.error(`could not send the files of a batch: ${diagnose(error).why}`)
        }),
      )
    },
    async finish() {
      // A file has no receipt before it is on the server: there is no leaving it for later here.
      while (tasks.size > 0) await Promise.all(tasks)
    },
    async close() {
      abort.abort()
      await Promise.allSettled(tasks)
      way.close()
    },
  }
}

function pathOf(record: JsonObject): string {
  const data = record['data']
  const path = isObject(data) ? data['path'] : undefined
  return typeof path === 'string' ? path : ''
}

/** The record with `data.name`, the file's own name, for the key. */
function withName(record: JsonObject, path: string): JsonObject {
  const data = record['data']
  if (!isObject(data) || data['name'] !== undefined) return record
  return { ...record, data: { ...data, name: basename(path) } }
}

function reasonOf({ code }: Diagnosis): string {
  return /^[A-Za-z0-9_]{1,40}$/.test(code) ? code : 'refused'
}
