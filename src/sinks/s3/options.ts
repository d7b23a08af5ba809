/** The options of the S3 sink: what each means, its default, and which do not go together. */
import { z } from 'zod'
import { compression } from '../../codec/compression.ts'
import { pathTemplate } from '../../codec/path-template.ts'
import { duration, secret, size } from '../../component/options.ts'

/** The least and the most that S3 takes as a part, and how many parts an upload may have. */
export const MIN_PART = 5 * 1024 ** 2
export const MAX_PART = 5 * 1024 ** 3
export const MAX_PARTS = 10_000

const credentials = z.strictObject({
  access_key_id: z.string().min(1).describe('The access key id.'),
  secret_access_key: secret().describe('The secret that belongs to it; never shown.'),
  session_token: secret().optional().describe('The session token of temporary credentials.'),
})

const batch = z.strictObject({
  bytes: size()
    .prefault('16MiB')
    .describe(
      'An object is closed when it has this many bytes, before compression. What arrives in one go may take it over by a few MiB.',
    ),
  events: z
    .int()
    .positive()
    .optional()
    .meta({ examples: [100000] })
    .describe('An object is closed when it has this many events. Unlimited if absent.'),
  age: duration()
    .prefault('5m')
    .describe('An object is closed when its first event has waited this long.'),
})

const sse = z.strictObject({
  algorithm: z
    .enum(['AES256', 'aws:kms', 'aws:kms:dsse'])
    .describe('How the server encrypts the object.'),
  kms_key: z
    .string()
    .optional()
    .meta({ examples: ['arn:aws:kms:eu-central-1:111122223333:key/1234abcd'] })
    .describe("The KMS key's id or ARN; the account's default key if absent."),
})

const retry = z.strictObject({
  initial: duration()
    .prefault('1s')
    .describe('The longest wait before the first retry; it doubles with each failure.'),
  max: duration().prefault('30s').describe('The longest wait between two attempts.'),
})

export const s3Options = z
  .strictObject({
    bucket: z
      .string()
      .min(1)
      .meta({ examples: ['telemetry'] })
      .describe('The bucket. It must exist.'),
    key: pathTemplate()
      .meta({ examples: ['events/%Y/%m/%d/{host}.ndjson', 'crash/{host}/{data.name}'] })
      .describe(
        "The object's key: fields of the record in braces and strftime codes of its time. `{id}` is the object's own id; with `body: events` it goes before the extension if you do not place it.",
      ),
    body: z
      .enum(['events', 'file'])
      .default('events')
      .describe(
        'What an object holds: many events as NDJSON, or the whole file that the record names in `data.path`.',
      ),
    file_root: z
      .string()
      .regex(/^\//, 'write an absolute path')
      .optional()
      .meta({ examples: ['/var/spool/scopeline/crash'] })
      .describe(
        'With `body: file`: only regular files that really lie below this directory are sent; anything else is rejected. Required there, since otherwise any sender of records could ask for any file.',
      ),
    endpoint: z
      .url({ protocol: /^https?$/ })
      .optional()
      .meta({ unit: 'URL', examples: ['http://127.0.0.1:9000'] })
      .describe('The server, if it is not AWS: `https://host:port`.'),
    region: z
      .string()
      .min(1)
      .optional()
      .meta({ examples: ['eu-central-1'] })
      .describe(
        "The region that requests are signed for. If absent: the AWS configuration's, or `us-east-1` where there is an endpoint.",
      ),
    path_style: z
      .boolean()
      .optional()
      .meta({ examples: [true] })
      .describe(
        'Whether the bucket stands in the path and not in the host name. On where there is an endpoint, unless told.',
      ),
    credentials: credentials
      .optional()
      .meta({
        examples: [
          { access_key_id: '${S3_ACCESS_KEY}', secret_access_key: '${file:/run/secrets/s3}' },
        ],
      })
      .describe(
        "Whom to sign as. If absent, AWS's usual places are looked through: environment, shared files, container and instance roles.",
      ),
    compression: compression()
      .default('none')
      .describe(
        'How the events are compressed; the extension is added to the key where it is missing. Files of `body: file` are sent as they are.',
      ),
    batch: batch
      .prefault({})
      .describe('When an object of events is closed and sent, for each rendered key.'),
    fsync: z
      .enum(['batch', 'off'])
      .default('batch')
      .describe(
        '`batch`: events are acknowledged when the disk has them (one fdatasync for many batches). `off`: when the kernel has them, which a power cut can undo.',
      ),
    max_staged_bytes: size()
      .prefault('4GiB')
      .describe(
        'How much may wait on disk for the server. When it is reached no more is taken until something has been sent; nothing is dropped.',
      ),
    max_open_objects: z
      .int()
      .positive()
      .default(1000)
      .describe(
        'How many objects may be filled at once: a key with many values makes many. The one that was written to least recently is closed for a new one.',
      ),
    part_size: size()
      .prefault('16MiB')
      .describe(
        'What is larger goes up in parts of this size, from 5MiB to 5GiB. It grows by itself where an object would have more than 10,000 parts.',
      ),
    concurrency: z
      .int()
      .min(1)
      .max(64)
      .default(4)
      .describe(
        'How many objects or parts are in flight at once. The sink uses about this times `part_size` of memory.',
      ),
    checksum: z
      .enum(['auto', 'crc32', 'md5', 'none'])
      .default('auto')
      .describe(
        'What the server shall check each request by. `auto` sends Content-MD5 and CRC32, as servers differ in which one they look at.',
      ),
    create: z
      .enum(['overwrite', 'once'])
      .default('overwrite')
      .describe(
        '`once`: an object that is there is never replaced (If-None-Match; by looking first where the server does not know that, which is not proof against a race).',
      ),
    content_type: z
      .string()
      .min(1)
      .optional()
      .meta({ examples: ['application/x-ndjson'] })
      .describe(
        "The object's Content-Type. `application/x-ndjson` for events and `application/octet-stream` for files if absent.",
      ),
    storage_class: z
      .string()
      .min(1)
      .optional()
      .meta({ examples: ['STANDARD_IA'] })
      .describe('The storage class, if not the default of the bucket.'),
    acl: z
      .enum([
        'private',
        'public-read',
        'public-read-write',
        'authenticated-read',
        'aws-exec-read',
        'bucket-owner-read',
        'bucket-owner-full-control',
      ])
      .optional()
      .meta({ examples: ['bucket-owner-full-control'] })
      .describe('A canned access control list.'),
    sse: sse
      .optional()
      .meta({ examples: [{ algorithm: 'AES256' }] })
      .describe('Encryption on the server.'),
    tags: z
      .record(z.string().min(1).max(128), z.string().max(256))
      .optional()
      .meta({ examples: [{ team: 'platform' }] })
      .describe('Tags of each object, at most ten.'),
    request_timeout: duration()
      .prefault('60s')
      .describe('A request on which nothing has moved for this long is given up and sent again.'),
    retry: retry
      .prefault({})
      .describe('Failed requests are sent again for ever, with growing random waits.'),
  })
  .superRefine((options, context) => {
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message })
    if (options.body === 'file' && options.file_root === undefined) {
      refuse('body', 'body: file needs file_root, the directory below which the files lie')
    }
    if (options.body === 'events' && options.file_root !== undefined) {
      refuse('file_root', 'file_root means something only with body: file')
    }
    if (options.body === 'file' && options.compression !== 'none') {
      refuse('compression', 'files are sent as they are; take compression out')
    }
    if (options.part_size < MIN_PART || options.part_size > MAX_PART) {
      refuse('part_size', 'a part has from 5MiB to 5GiB')
    }
    if (options.tags && Object.keys(options.tags).length > 10) {
      refuse('tags', 'an object has at most ten tags')
    }
  })

export type S3Options = z.output<typeof s3Options>
