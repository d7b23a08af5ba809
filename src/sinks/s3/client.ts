/**
 * The S3 operations that the sink needs, and the only file that knows the AWS SDK. Bodies are always
 * Buffers: for a stream the SDK uses aws-chunked framing, which many servers refuse or store as data.
 */
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3'
import { S3Error } from './errors.ts'
import type { S3Options } from './options.ts'

/** Digests of a body that go along with it: base64. */
export interface Digests {
  readonly md5?: string | undefined
  readonly crc32?: string | undefined
}

export interface PartOnServer {
  readonly number: number
  readonly size: number
  /** Without quotes. */
  readonly etag: string
  readonly crc32?: string | undefined
}

export interface ObjectOnServer {
  readonly size: number
  /** Without quotes. */
  readonly etag: string
  readonly metadata: Readonly<Record<string, string>>
}

/** What the server said of stored bytes. */
export interface Stored {
  /** Without quotes. */
  readonly etag: string
  /** Whether the server's ETag is the MD5 of the bytes: not so where a KMS key encrypts them. */
  readonly etagIsMd5: boolean
  /** Base64; undefined where the server does not know CRC32. */
  readonly crc32?: string | undefined
}

export interface CompletedPart {
  readonly number: number
  readonly etag: string
  /**
   * As the server told it. AWS wants it again if the upload was announced with CRC32; servers that do
   * not know CRC32 refuse an element that is not in their schema.
   */
  readonly crc32?: string | undefined
}

/** One object's place. */
export interface Place {
  readonly bucket: string
  readonly key: string
}

/** A bucket server. Every method throws what `diagnose` reads. */
export interface ObjectStore {
  put(
    place: Place,
    body: Buffer,
    digests: Digests,
    metadata: Record<string, string>,
    onlyNew: boolean,
  ): Promise<Stored>
  createUpload(place: Place, crc32: boolean, metadata: Record<string, string>): Promise<string>
  putPart(
    place: Place,
    uploadId: string,
    number: number,
    body: Buffer,
    digests: Digests,
  ): Promise<Stored>
  listParts(place: Place, uploadId: string): Promise<PartOnServer[]>
  complete(
    place: Place,
    uploadId: string,
    parts: readonly CompletedPart[],
    onlyNew: boolean,
  ): Promise<void>
  abort(place: Place, uploadId: string): Promise<void>
  head(place: Place): Promise<ObjectOnServer>
  /** Unfinished uploads of exactly this key: ids and when they were begun (ms since the epoch). */
  listUploads(place: Place): Promise<{ id: string; initiated: number }[]>
  close(): void
}

const unquoted = (etag: string | undefined) => (etag ?? '').replace(/^"|"$/g, '')

/** Loads the SDK (some 100 ms and 40 MB that only configs with this sink pay for) and connects nothing yet. */
export async function openStore(options: S3Options, signal: AbortSignal): Promise<ObjectStore> {
  // The SDK writes a warning about its next Node version to stderr when it is loaded, and asks only
  // this variable whether it may. An edge's stderr is its log: the warning would be in no format.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
  const sdk = await import('@aws-sdk/client-s3')
  const client: S3Client = new sdk.S3Client(clientConfig(options))
  const abortSignal = signal as never
  const { bucket: _bucket, sse, tags } = options
  const attributes = {
    ContentType:
      options.content_type ??
      (options.body === 'events' ? 'application/x-ndjson' : 'application/octet-stream'),
    ...(options.compression === 'none' ? {} : { ContentEncoding: options.compression }),
    ...(options.storage_class ? { StorageClass: options.storage_class as 'STANDARD' } : {}),
    ...(options.acl ? { ACL: options.acl } : {}),
    ...(sse ? { ServerSideEncryption: sse.algorithm } : {}),
    ...(sse?.kms_key ? { SSEKMSKeyId: sse.kms_key } : {}),
    ...(tags ? { Tagging: new URLSearchParams(tags).toString() } : {}),
  }
  const at = (place: Place) => ({ Bucket: place.bucket, Key: place.key })
  const checks = (digests: Digests) => ({
    ...(digests.md5 ? { ContentMD5: digests.md5 } : {}),
    ...(digests.crc32 ? { ChecksumCRC32: digests.crc32 } : {}),
  })
  const stored = (answer: {
    ETag?: string | undefined
    ServerSideEncryption?: string | undefined
    ChecksumCRC32?: string | undefined
  }): Stored => ({
    etag: unquoted(answer.ETag),
    crc32: answer.ChecksumCRC32,
    etagIsMd5: !answer.ServerSideEncryption?.startsWith('aws:'),
  })

  return {
    async put(place, body, digests, metadata, onlyNew) {
      return stored(
        await client.send(
          new sdk.PutObjectCommand({
            ...at(place),
            ...attributes,
            ...checks(digests),
            Metadata: metadata,
            Body: body,
            ContentLength: body.length,
            ...(onlyNew ? { IfNoneMatch: '*' } : {}),
          }),
          { abortSignal },
        ),
      )
    },
    async createUpload(place, crc32, metadata) {
      const answer = await client.send(
        new sdk.CreateMultipartUploadCommand({
          ...at(place),
          ...attributes,
          Metadata: metadata,
          // AWS refuses a part's CRC32 unless the upload was announced with it.
          ...(crc32 ? { ChecksumAlgorithm: 'CRC32' } : {}),
        }),
        { abortSignal },
      )
      if (!answer.UploadId) {
        throw new S3Error('busy', 'NoUploadId', 'the server began an upload and gave no id for it')
      }
      return answer.UploadId
    },
    async putPart(place, uploadId, number, body, digests) {
      return stored(
        await client.send(
          new sdk.UploadPartCommand({
            ...at(place),
            ...checks(digests),
            UploadId: uploadId,
            PartNumber: number,
            Body: body,
            ContentLength: body.length,
          }),
          { abortSignal },
        ),
      )
    },
    async listParts(place, uploadId) {
      const parts: PartOnServer[] = []
      let marker: string | undefined
      // By hand and not with the SDK's paginator: real servers give a next marker on the last page
      // too, and the paginator then begins again.
      for (;;) {
        const page = await client.send(
          new sdk.ListPartsCommand({
            ...at(place),
            UploadId: uploadId,
            ...(marker === undefined ? {} : { PartNumberMarker: marker }),
          }),
          { abortSignal },
        )
        for (const part of page.Parts ?? []) {
          parts.push({
            number: part.PartNumber ?? 0,
            size: part.Size ?? -1,
            etag: unquoted(part.ETag),
            crc32: part.ChecksumCRC32,
          })
        }
        const next = page.NextPartNumberMarker
        if (!page.IsTruncated || !next || Number(next) <= Number(marker ?? 0)) return parts
        marker = next
      }
    },
    async complete(place, uploadId, parts, onlyNew) {
      await client.send(
        new sdk.CompleteMultipartUploadCommand({
          ...at(place),
          UploadId: uploadId,
          ...(onlyNew ? { IfNoneMatch: '*' } : {}),
          MultipartUpload: {
            Parts: parts.map(part => ({
              PartNumber: part.number,
              ETag: `"${part.etag}"`,
              ...(part.crc32 ? { ChecksumCRC32: part.crc32 } : {}),
            })),
          },
        }),
        { abortSignal },
      )
    },
    async abort(place, uploadId) {
      await client.send(new sdk.AbortMultipartUploadCommand({ ...at(place), UploadId: uploadId }), {
        abortSignal,
      })
    },
    async head(place) {
      const answer = await client.send(new sdk.HeadObjectCommand(at(place)), { abortSignal })
      return {
        size: answer.ContentLength ?? -1,
        etag: unquoted(answer.ETag),
        metadata: answer.Metadata ?? {},
      }
    },
    async listUploads(place) {
      const page = await client.send(
        new sdk.ListMultipartUploadsCommand({ Bucket: place.bucket, Prefix: place.key }),
        { abortSignal },
      )
      return (page.Uploads ?? [])
        .filter(upload => upload.Key === place.key && upload.UploadId)
        .map(upload => ({
          id: upload.UploadId as string,
          initiated: upload.Initiated?.getTime() ?? 0,
        }))
    },
    close() {
      client.destroy()
    },
  }
}

function clientConfig(options: S3Options): S3ClientConfig {
  const { credentials, endpoint } = options
  const region = options.region ?? (endpoint === undefined ? undefined : 'us-east-1')
  const pool = { keepAlive: true, maxSockets: options.concurrency * 2 }
  return {
    ...(region ? { region } : {}),
    ...(endpoint ? { endpoint } : {}),
    forcePathStyle: options.path_style ?? endpoint !== undefined,
    ...(credentials
      ? {
          credentials: {
            accessKeyId: credentials.access_key_id,
            secretAccessKey: credentials.secret_access_key.reveal(),
            ...(credentials.session_token
              ? { sessionToken: credentials.session_token.reveal() }
              : {}),
          },
        }
      : {}),
    // Retries are the sink's: it knows which waits are shared, and it counts and shows them.
    maxAttempts: 1,
    // Digests are the sink's as well: which ones a server looks at is an option.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: Math.min(options.request_timeout, 10_000),
      socketTimeout: options.request_timeout,
      httpAgent: pool,
      httpsAgent: pool,
    },
  }
}
