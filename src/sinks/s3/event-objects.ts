/** `body: events`: batches go to the staging and are receipted there; sealed objects go to the bucket. */
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Batch } from '../../batch/batch.ts'
import type { Receipt } from '../../batch/receipt.ts'
import type { Context } from '../../component/context.ts'
import { writeWhole } from './durable.ts'
import { diagnose, S3Error } from './errors.ts'
import { openIdentity } from './identity.ts'
import type { Journal } from './journal.ts'
import { partitionTemplate } from './key.ts'
import type { S3Options } from './options.ts'
import { Staging } from './staging.ts'
import type { Body } from './upload.ts'
import { openWay, type Way } from './way.ts'

/** A running sink. */
export interface Run {
  take(batch: Batch): void
  /** Resolves when everything that was taken is receipted and sent, or left on disk. */
  finish(): Promise<void>
  close(): Promise<void>
}

export async function startEventObjects(
  options: S3Options,
  context: Context,
  receipt: (receipt: Receipt) => void,
): Promise<Run> {
  const abort = new AbortController()
  const deadLetter = join(context.directory, 'dead-letter')
  const directory = join(context.directory, 'staging')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const nextId = await openIdentity(join(context.directory, 'node.json'))
  const way = await openWay(options, context, abort.signal)
  const shipments = new Set<Promise<void>>()
  let left = 0

  const staging = new Staging(directory, options, partitionTemplate(options), context, {
    nextId,
    sealed: journal => {
      const shipment = ship(journal).finally(() => shipments.delete(shipment))
      shipments.add(shipment)
    },
  })

  async function ship(journal: Journal): Promise<void> {
    const { sealed } = journal
    if (!sealed) return
    try {
      const fate = await way.shipping.ship({
        journal,
        metadata: { 'scopeline-sha256': sealed.sha256 },
        open: () => openStaged(staging.bodyOf(journal), sealed.size),
      })
      if (fate.kind === 'delivered') {
        await staging.settle(journal)
        context.meters.add('delivered_events_total', sealed.events)
      } else if (fate.kind === 'refused') {
        const { code, why } = fate.diagnosis
        if (code === 'ENOENT') {
          context.meters.error('staged_file_missing')
          context.log.error(`${sealed.events} staged events are lost: ${why}`)
          await staging.settle(journal)
          return
        }
        await mkdir(deadLetter, { recursive: true, mode: 0o700 })
        await writeWhole(
          join(deadLetter, `${journal.opened.id}.reason.json`),
          `${JSON.stringify({ ...journal.opened, ...sealed, code, why, refused_at: context.clock.now() })}\n`,
        )
        await staging.settle(journal, join(deadLetter, sealed.file))
        context.meters.error('dead_letter')
        context.meters.add('dead_letter_events_total', sealed.events)
        context.log.error(
          `the server will never take ${journal.opened.key}: ${why}; its ${sealed.events} events are in ${deadLetter}`,
        )
      } else {
        left++
        await journal.close()
      }
    } catch (error) {
      // The disk failed while the object was being put away. Its journal is there: the next start does it.
      context.meters.error('staging_settle')
      context.log.error(
        `could not put ${journal.opened.key} away: ${diagnose(error).why}; it is seen to at the next start`,
      )
    }
  }

  await staging.recover()

  return {
    take: batch => staging.add(batch, () => receipt({ batch, outcome: 'delivered' })),
    async finish() {
      way.requests.end()
      await staging.finish()
      while (shipments.size > 0) await Promise.all(shipments)
      if (left > 0) {
        context.log.warn(
          `${left} objects could not be sent before the end; they are on disk and are sent after the next start`,
        )
      }
    },
    close: () => closeAll(abort, way, staging, shipments),
  }
}

async function closeAll(
  abort: AbortController,
  way: Way,
  staging: Staging,
  shipments: ReadonlySet<Promise<void>>,
): Promise<void> {
  abort.abort()
  await Promise.allSettled([staging.close(), ...shipments])
  way.close()
}

/** Opens a sealed body. One that is gone can't be sent by waiting. */
async function openStaged(path: string, size: number): Promise<Body> {
  try {
    // Nobody but the sink writes here: there is nothing to check.
    return { handle: await open(path, 'r'), size, check: async () => {} }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new S3Error('refused', 'ENOENT', `${path} is gone`)
  }
}
