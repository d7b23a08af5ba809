/** What a bucket server keeps and does: objects, uploads, parts; the rules of S3, strictly. */
import { createHash, randomBytes } from 'node:crypto'
import { Refusal } from './refusal.ts'

export interface StoredObject {
  body: Buffer
  etag: string
  headers: Record<string, string>
  metadata: Record<string, string>
  /** How often something was stored under the key. */
  writes: number
}

interface Part {
  body: Buffer
  etag: string
  crc32?: string
}

export interface Upload {
  id: string
  bucket: string
  key: string
  initiated: Date
  crc32: boolean
  headers: Record<string, string>
  metadata: Record<string, string>
  parts: Map<number, Part>
}

const MIN_PART = 5 * 1024 ** 2
const md5 = (data: Buffer) => createHash('md5').update(data).digest('hex')

export class Buckets {
  readonly buckets: Map<string, Map<string, StoredObject>>
  readonly uploads = new Map<string, Upload>()

  constructor(names: readonly string[]) {
    this.buckets = new Map(names.map(name => [name, new Map()]))
  }

  objects(bucket: string): Map<string, StoredObject> {
    const objects = this.buckets.get(bucket)
    if (!objects) throw new Refusal(404, 'NoSuchBucket', `there is no bucket ${bucket}`)
    return objects
  }

  get(bucket: string, key: string): StoredObject {
    const object = this.objects(bucket).get(key)
    if (!object) throw new Refusal(404, 'NoSuchKey', `there is no ${key}`)
    return object
  }

  put(
    bucket: string,
    key: string,
    onlyNew: boolean,
    object: Pick<StoredObject, 'body' | 'headers' | 'metadata'>,
    etag = md5(object.body),
  ): string {
    const objects = this.objects(bucket)
    const old = objects.get(key)
    if (onlyNew && old) throw new Refusal(412, 'PreconditionFailed', 'the object exists')
    if (Buffer.byteLength(key) > 1024) throw new Refusal(400, 'KeyTooLongError', 'key too long')
    objects.set(key, { ...object, etag, writes: (old?.writes ?? 0) + 1 })
    return etag
  }

  createUpload(
    bucket: string,
    key: string,
    attributes: Pick<Upload, 'crc32' | 'headers' | 'metadata'>,
  ): Upload {
    this.objects(bucket)
    const upload: Upload = {
      id: randomBytes(12).toString('base64url'),
      bucket,
      key,
      initiated: new Date(),
      parts: new Map(),
      ...attributes,
    }
    this.uploads.set(upload.id, upload)
    return upload
  }

  upload(bucket: string, key: string, id: string): Upload {
    const upload = this.uploads.get(id)
    if (!upload || upload.bucket !== bucket || upload.key !== key) {
      throw new Refusal(404, 'NoSuchUpload', 'there is no such upload')
    }
    return upload
  }

  putPart(upload: Upload, number: number, body: Buffer, crc32: string | undefined): string {
    if (!(number >= 1 && number <= 10_000)) {
      throw new Refusal(400, 'InvalidArgument', 'part numbers go from 1 to 10000')
    }
    if (crc32 !== undefined && !upload.crc32) {
      throw new Refusal(400, 'InvalidRequest', 'the upload was not created with CRC32 checksums')
    }
    if (crc32 === undefined && upload.crc32) {
      throw new Refusal(400, 'InvalidRequest', 'the upload was created with CRC32 checksums')
    }
    const etag = md5(body)
    upload.parts.set(number, { body, etag, ...(crc32 === undefined ? {} : { crc32 }) })
    return etag
  }

  complete(
    upload: Upload,
    wanted: readonly { number: number; etag: string; crc32?: string | undefined }[],
    onlyNew: boolean,
  ): string {
    if (wanted.length === 0) throw new Refusal(400, 'MalformedXML', 'there are no parts')
    const bodies: Buffer[] = []
    const digests: Buffer[] = []
    for (const [index, { number, etag, crc32 }] of wanted.entries()) {
      if (index > 0 && number <= (wanted[index - 1]?.number ?? 0)) {
        throw new Refusal(400, 'InvalidPartOrder', 'parts must come in ascending order')
      }
      const part = upload.parts.get(number)
      if (!part || part.etag !== etag || (upload.crc32 && part.crc32 !== crc32)) {
        throw new Refusal(400, 'InvalidPart', `part ${number} is not what was uploaded`)
      }
      if (index < wanted.length - 1 && part.body.length < MIN_PART) {
        throw new Refusal(400, 'EntityTooSmall', `part ${number} is smaller than 5 MiB`)
      }
      bodies.push(part.body)
      digests.push(Buffer.from(etag, 'hex'))
    }
    const { bucket, key, headers, metadata } = upload
    const etag = `${md5(Buffer.concat(digests))}-${wanted.length}`
    this.put(bucket, key, onlyNew, { body: Buffer.concat(bodies), headers, metadata }, etag)
    this.uploads.delete(upload.id)
    return etag
  }
}
