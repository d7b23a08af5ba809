/** The way to the bucket, put together: store, requests, slots, uploader and shipping of one sink. */
import type { Context } from '../../component/context.ts'
import { type ObjectStore, openStore } from './client.ts'
import type { S3Options } from './options.ts'
import { Requests } from './requests.ts'
import { Shipping } from './shipping.ts'
import { Slots } from './slots.ts'
import { Uploader } from './upload.ts'

export interface Way {
  readonly shipping: Shipping
  readonly uploader: Uploader
  readonly requests: Requests
  close(): void
}

export async function openWay(
  options: S3Options,
  context: Context,
  signal: AbortSignal,
): Promise<Way> {
  const store: ObjectStore = await openStore(options, signal)
  const requests = new Requests(options.retry, context, signal)
  const slots = new Slots(options.concurrency)
  const uploader = new Uploader(store, requests, slots, options, context)
  const shipping = new Shipping(uploader, requests, options, context)
  return { shipping, uploader, requests, close: () => store.close() }
}
