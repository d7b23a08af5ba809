/**
 * A strict S3 server for tests, on node:http and in memory. It checks what real servers check and what
 * some let pass (signature, payload hash, Content-MD5, CRC32, part sizes and order), refuses framed
 * bodies, and does wrong what the fault plan says.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { crc32 } from 'node:zlib'
import { Buckets, type StoredObject } from './buckets.ts'
import { type Fault, FaultPlan, type Operation } from './faults.ts'
import { Refusal } from './refusal.ts'
import { checkSignature, type Keys } from './signature.ts'

export interface FakeS3Options {
  buckets?: readonly string[]
  faults?: readonly Fault[]
  keys?: Keys
  port?: number
  /** Takes after OpenStack Swift: If-None-Match is NotImplemented, CRC32 is unknown and not in the schema. */
  likeSwift?: boolean
  /** Parts per page of ListParts. */
  pageSize?: number
}

export interface FakeS3 {
  readonly url: string
  readonly keys: Keys
  readonly faults: FaultPlan
  readonly buckets: Buckets
  /** Every request that was understood, in order: `UploadPart key 3`. */
  readonly requests: string[]
  /** The objects of a bucket: the first one unless told. */
  objects(bucket?: string): Map<string, StoredObject>
  close(): Promise<void>
}

export const FAKE_KEYS: Keys = { accessKey: 'fake-access', secretKey: 'fake-secret' }

interface Call {
  operation: Operation
  bucket: string
  key: string
  query: URLSearchParams
  request: IncomingMessage
  body: Buffer
}

export async function startFakeS3(options: FakeS3Options = {}): Promise<FakeS3> {
  const names = options.buckets ?? ['bucket']
  const buckets = new Buckets(names)
  const faults = new FaultPlan(options.faults)
  const keys = options.keys ?? FAKE_KEYS
  const requests: string[] = []

  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    serve(request, response).catch(error => {
      if (response.destroyed || response.headersSent) return
      if (error instanceof Refusal) refuse(response, error, request.method === 'HEAD')
      else refuse(response, new Refusal(500, 'InternalError', String(error)), false)
    })
  })

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = read(request)
    requests.push(`${call.operation} ${call.key} ${call.query.get('partNumber') ?? ''}`.trimEnd())
    const fault = faults.next(call.operation)
    const limit = fault?.do === 'reset' ? (fault.afterBytes ?? 0) : Number.POSITIVE_INFINITY
    const body = await readBody(request, limit)
    if (!body) return void request.socket.resetAndDestroy()
    if (fault?.do === 'hang') return
    if (fault?.do === 'error') {
      throw new Refusal(fault.status ?? 503, fault.code ?? 'SlowDown', 'as the fault plan says')
    }
    checkSignature(request, body, keys, Date.now())
    if (fault?.do === 'flip-bit' && body.length > 0) body[0] = (body[0] as number) ^ 1
    checkDigests(request, body)
    if (fault?.do === 'late-error') {
      return answer(response, 200, errorXml(fault.code ?? 'InternalError', 'too late for a status'))
    }
    const result = perform({ ...call, body }, response)
    if (fault?.do === 'lose-answer') return void request.socket.resetAndDestroy()
    if (fault?.do === 'wrong-etag') response.setHeader('etag', `"${'0'.repeat(32)}"`)
    answer(response, result.status ?? 200, result.body ?? '')
  }

  /** Carries the request out. Sets headers; the caller sends. */
  function perform(
    call: Call,
    response: ServerResponse,
  ): { status?: number; body?: string | Buffer } {
    const { bucket, key, query, request, body } = call
    const onlyNew = request.headers['if-none-match'] === '*'
    if (onlyNew && options.likeSwift) {
      throw new Refusal(501, 'NotImplemented', 'If-None-Match is not known here')
    }
    const etag = (value: string) => response.setHeader('etag', `"${value}"`)
    /** A server that knows CRC32 repeats it. */
    const echo = () => {
      const crc = request.headers['x-amz-checksum-crc32']
      if (crc !== undefined && !options.likeSwift) response.setHeader('x-amz-checksum-crc32', crc)
    }
    switch (call.operation) {
      case 'PutObject':
        etag(buckets.put(bucket, key, onlyNew, { body, ...attributes(request) }))
        echo()
        return {}
      case 'CreateMultipartUpload': {
        const announced = request.headers['x-amz-checksum-algorithm']
        const upload = buckets.createUpload(bucket, key, {
          crc32: announced === 'CRC32' && !options.likeSwift,
          ...attributes(request),
        })
        return { body: xml('InitiateMultipartUploadResult', tag('UploadId', upload.id)) }
      }
      case 'UploadPart': {
        const upload = buckets.upload(bucket, key, query.get('uploadId') ?? '')
        const crc = options.likeSwift ? undefined : request.headers['x-amz-checksum-crc32']
        etag(buckets.putPart(upload, Number(query.get('partNumber')), body, crc as string))
        echo()
        return {}
      }
      case 'ListParts': {
        const upload = buckets.upload(bucket, key, query.get('uploadId') ?? '')
        const marker = Number(query.get('part-number-marker') ?? 0)
        const after = [...upload.parts].sort(([a], [b]) => a - b).filter(([n]) => n > marker)
        const page = after.slice(0, options.pageSize ?? 1000)
        // As real servers: a marker is there on the last page too, and is 0 on an empty one.
        const next = page.at(-1)?.[0] ?? 0
        const parts = page.map(([number, part]) =>
          tag(
            'Part',
            tag('PartNumber', number) +
              tag('ETag', `&quot;${part.etag}&quot;`) +
              tag('Size', part.body.length) +
              (part.crc32 ? tag('ChecksumCRC32', part.crc32) : ''),
          ),
        )
        return {
          body: xml(
            'ListPartsResult',
            tag('PartNumberMarker', marker) +
              tag('NextPartNumberMarker', next) +
              tag('IsTruncated', after.length > page.length) +
              parts.join(''),
          ),
        }
      }
      case 'CompleteMultipartUpload': {
        const upload = buckets.upload(bucket, key, query.get('uploadId') ?? '')
        if (options.likeSwift && body.includes('<Checksum')) {
          throw new Refusal(400, 'MalformedXML', 'an element is not in the schema')
        }
        buckets.complete(upload, readParts(body.toString()), onlyNew)
        // As Ceph: the answer's ETag is empty.
        return {
          body: xml('CompleteMultipartUploadResult', tag('Key', entities(key)) + tag('ETag', '')),
        }
      }
      case 'AbortMultipartUpload':
        buckets.uploads.delete(buckets.upload(bucket, key, query.get('uploadId') ?? '').id)
        return { status: 204 }
      case 'HeadObject':
      case 'GetObject': {
        const object = buckets.get(bucket, key)
        etag(object.etag)
        for (const [name, value] of Object.entries(object.headers)) response.setHeader(name, value)
        for (const [name, value] of Object.entries(object.metadata)) {
          response.setHeader(`x-amz-meta-${name}`, value)
        }
        response.setHeader('content-length', object.body.length)
        return { body: call.operation === 'HeadObject' ? '' : object.body }
      }
      case 'ListMultipartUploads': {
        buckets.objects(bucket)
        const prefix = query.get('prefix') ?? ''
        const uploads = [...buckets.uploads.values()]
          .filter(upload => upload.bucket === bucket && upload.key.startsWith(prefix))
          .map(upload =>
            tag(
              'Upload',
              tag('Key', entities(upload.key)) +
                tag('UploadId', upload.id) +
                tag('Initiated', upload.initiated.toISOString()),
            ),
          )
        return {
          body: xml('ListMultipartUploadsResult', tag('IsTruncated', false) + uploads.join('')),
        }
      }
      case 'ListObjectsV2': {
        const prefix = query.get('prefix') ?? ''
        const found = [...buckets.objects(bucket)]
          .filter(([name]) => name.startsWith(prefix))
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, object]) =>
            tag(
              'Contents',
              tag('Key', entities(name)) +
                tag('ETag', `&quot;${object.etag}&quot;`) +
                tag('Size', object.body.length),
            ),
          )
        return { body: xml('ListBucketResult', tag('IsTruncated', false) + found.join('')) }
      }
      case 'DeleteObject':
        buckets.objects(bucket).delete(key)
        return { status: 204 }
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    keys,
    faults,
    buckets,
    requests,
    objects: (bucket = names[0] as string) => buckets.objects(bucket),
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** Which operation a request is; path style only. */
function read(request: IncomingMessage): Omit<Call, 'body'> {
  const url = new URL(request.url ?? '', 'http://fake')
  const [, bucket = '', ...rest] = (request.url ?? '').split('?')[0]?.split('/') ?? []
  const key = decodeURIComponent(rest.join('/'))
  const query = url.searchParams
  const has = (name: string) => query.has(name)
  const operation = ((): Operation => {
    switch (request.method) {
      case 'PUT':
        return has('partNumber') ? 'UploadPart' : 'PutObject'
      case 'POST':
        if (has('uploads')) return 'CreateMultipartUpload'
        if (has('uploadId')) return 'CompleteMultipartUpload'
        break
      case 'DELETE':
        return has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject'
      case 'HEAD':
        if (key !== '') return 'HeadObject'
        break
      case 'GET':
        if (has('uploadId')) return 'ListParts'
        if (has('uploads')) return 'ListMultipartUploads'
        return key === '' ? 'ListObjectsV2' : 'GetObject'
    }
    throw new Refusal(501, 'NotImplemented', `${request.method} ${request.url} is not known here`)
  })()
  return { operation, bucket, key, query, request }
}

/** The whole body; undefined when it was to be cut off after so many bytes. */
async function readBody(request: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const framed = request.headers['content-encoding']?.includes('aws-chunked')
  if (framed || request.headers['transfer-encoding'] !== undefined) {
    request.resume()
    throw new Refusal(
      501,
      'NotImplemented',
      'aws-chunked and chunked bodies are refused: send a Buffer',
    )
  }
  const chunks: Buffer[] = []
  let length = 0
  if (limit === 0) return undefined
  for await (const chunk of request as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length >= limit) return undefined
  }
  if (limit !== Number.POSITIVE_INFINITY) return undefined
  return Buffer.concat(chunks)
}

function checkDigests(request: IncomingMessage, body: Buffer): void {
  const md5 = request.headers['content-md5']
  if (md5 !== undefined && md5 !== createHash('md5').update(body).digest('base64')) {
    throw new Refusal(400, 'BadDigest', 'Content-MD5 is not that of the body')
  }
  const crc = request.headers['x-amz-checksum-crc32']
  if (crc === undefined) return
  const mine = Buffer.alloc(4)
  mine.writeUInt32BE(crc32(body))
  if (crc !== mine.toString('base64')) {
    throw new Refusal(400, 'BadDigest', 'x-amz-checksum-crc32 is not that of the body')
  }
}

function attributes(request: IncomingMessage) {
  const headers: Record<string, string> = {}
  const metadata: Record<string, string> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    if (name.startsWith('x-amz-meta-')) metadata[name.slice(11)] = String(value)
    else if (/^content-(type|encoding)$/.test(name)) headers[name] = String(value)
    else if (/^x-amz-(acl|storage-class|tagging|server-side-encryption)/.test(name)) {
      headers[name] = String(value)
    }
  }
  return { headers, metadata }
}

function readParts(text: string) {
  return [...text.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = '']) => ({
    number: Number(/<PartNumber>(\d+)</.exec(part)?.[1]),
    etag: (/<ETag>(.*?)</.exec(part)?.[1] ?? '').replace(/&quot;|"/g, ''),
    crc32: /<ChecksumCRC32>(.*?)</.exec(part)?.[1],
  }))
}

const entities = (text: string) =>
  text.replace(/[&<>]/g, c => (c === '&' ? '&amp;' : c === '<' ? '&lt;' : '&gt;'))
const tag = (name: string, value: string | number | boolean) => `<${name}>${value}</${name}>`
const xml = (root: string, inner: string) =>
  `<?xml version="1.0" encoding="UTF-8"?><${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</${root}>`
const errorXml = (code: string, message: string) =>
  `<?xml version="1.0" encoding="UTF-8"?><Error>${tag('Code', code)}${tag('Message', entities(message))}</Error>`

function refuse(response: ServerResponse, { status, code, message }: Refusal, head: boolean): void {
  answer(response, status, head ? '' : errorXml(code, message))
}

function answer(response: ServerResponse, status: number, body: string | Buffer): void {
  response.statusCode = status
  if (typeof body === 'string' && body !== '') response.setHeader('content-type', 'application/xml')
  response.end(body)
}
