import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Subject } from 'rxjs'
import t, { type Test } from 'tap'
import type { Batch } from '../../src/batch/batch.ts'
import type { Receipt } from '../../src/batch/receipt.ts'
import type { Clock } from '../../src/component/context.ts'
import { Secret } from '../../src/component/options.ts'
import { systemClock } from '../../src/component/system-clock.ts'
import { VirtualClock } from '../../src/component/virtual-clock.ts'
import { diagnose } from '../../src/sinks/s3/errors.ts'
import { keyOf, partitionTemplate } from '../../src/sinks/s3/key.ts'
import { s3Options } from '../../src/sinks/s3/options.ts'
import { s3 } from '../../src/sinks/s3/s3.ts'
import { partSizeFor } from '../../src/sinks/s3/upload.ts'
import { batchOf, eventually, type TestContext, testContext } from '../context.ts'
import { type FakeS3, type FakeS3Options, startFakeS3 } from '../fake-s3/server.ts'
import { runDriver } from './s3-process.ts'

const MiB = 1024 ** 2
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex')

function optionsFor(fake: { url: string; keys: FakeS3['keys'] }, more: Record<string, unknown>) {
  return {
    bucket: 'bucket',
    key: 'events/%Y-%m-%d.ndjson',
    endpoint: fake.url,
    credentials: { access_key_id: fake.keys.accessKey, secret_access_key: fake.keys.secretKey },
    retry: { initial: '5ms', max: '50ms' },
    request_timeout: '2s',
    ...more,
  }
}

interface Running {
  context: TestContext
  receipts: Receipt[]
  send(batch: Batch): void
  /** Completes the input and waits for the sink. */
  end(): Promise<void>
  /** Unsubscribes, as a process that dies without asking. */
  kill(): void
}

/** Runs the sink; `directory` takes up an earlier run's state. */
function run(options: object, clock: Clock = systemClock, directory?: string): Running {
  const context = testContext({ clock, ...(directory ? { directory } : {}) })
  const batches = new Subject<Batch>()
  const receipts: Receipt[] = []
  const stay = setInterval(() => {}, 1000)
  let settle: { resolve(): void; reject(error: unknown): void }
  const over = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject }
  })
  over.catch(() => {})
  const subscription = s3
    .create(
      s3.options.parse(options),
      context,
    )(batches)
    .subscribe({
      next: receipt => receipts.push(receipt),
      error: error => settle.reject(error),
      complete: () => settle.resolve(),
    })
  return {
    context,
    receipts,
    send: batch => batches.next(batch),
    end: async () => {
      batches.complete()
      await over
      clearInterval(stay)
    },
    kill: () => {
      clearInterval(stay)
      subscription.unsubscribe()
    },
  }
}

async function fakeFor(t: Test, options: FakeS3Options = {}): Promise<FakeS3> {
  const fake = await startFakeS3(options)
  t.teardown(() => fake.close())
  return fake
}

const numbered = (from: number, to: number, more: object = {}) =>
  Array.from({ length: to - from }, (_, i) => ({ n: from + i, _time: 1_767_225_600, ...more }))

/** All events of all objects, by number. */
function numbersIn(fake: FakeS3): number[] {
  const numbers: number[] = []
  for (const [key, { body }] of fake.objects()) {
    const text = (key.endsWith('.gz') ? gunzipSync(body) : body).toString()
    for (const line of text.split('\n')) if (line !== '') numbers.push(JSON.parse(line).n)
  }
  return numbers.sort((a, b) => a - b)
}

const staged = (context: TestContext) => readdirSync(join(context.directory, 'staging'))

t.test('events become objects by the time that they tell, with their id in the key', async t => {
  const fake = await fakeFor(t)
  const sink = run(optionsFor(fake, { key: 'events/%Y-%m-%d/{host}.ndjson' }))
  sink.send(
    batchOf([
      { n: 1, _time: 1_767_225_600, host: 'a' },
      { n: 2, _time: 1_767_312_000, host: 'a' },
      { n: 3, _time: 1_767_225_600, host: 'b/../c' },
      { n: 4, _time: 1_767_225_600, host: 'a' },
    ]),
  )
  await sink.end()
  t.equal(sink.receipts.length, 1)
  t.equal(sink.receipts[0]?.outcome, 'delivered')
  const keys = [...fake.objects().keys()].sort()
  t.equal(keys.length, 3)
  t.match(keys[0], /^events\/2026-01-01\/a-[0-9a-f]{8}-0001-\d{6}\.ndjson$/)
  t.match(keys[1], /^events\/2026-01-01\/b_.*c-[0-9a-f]{8}-0001-\d{6}\.ndjson$/)
  t.match(keys[2], /^events\/2026-01-02\/a-/)
  const first = fake.objects().get(keys[0] as string)
  t.equal(
    first?.body.toString(),
    '{"n":1,"_time":1767225600,"host":"a"}\n{"n":4,"_time":1767225600,"host":"a"}\n',
  )
  t.equal(first?.headers['content-type'], 'application/x-ndjson')
  t.equal(first?.metadata['scopeline-sha256'], sha256(first?.body as Buffer))
  t.same(staged(sink.context), [], 'nothing is left on disk')
})

t.test('the receipt comes when the events are on disk, the object when it has its age', async t => {
  const fake = await fakeFor(t)
  const clock = new VirtualClock()
  const sink = run(optionsFor(fake, { batch: { age: '5m' } }), clock)
  sink.send(batchOf(numbered(0, 3)))
  await eventually(() => sink.receipts.length === 1)
  t.equal(fake.requests.length, 0)
  const names = staged(sink.context)
  t.equal(names.length, 2, 'a file and its journal')
  for (const name of names) {
    t.equal(statSync(join(sink.context.directory, 'staging', name)).mode & 0o777, 0o600)
  }
  t.equal(statSync(join(sink.context.directory, 'staging')).mode & 0o777, 0o700)
  clock.advance(5 * 60_000)
  await eventually(() => fake.objects().size === 1)
  await eventually(() => staged(sink.context).length === 0)
  await sink.end()
  t.same(numbersIn(fake), [0, 1, 2])
})

t.test('an object is closed by its bytes, its events and by a limit of open ones', async t => {
  const fake = await fakeFor(t)
  const sink = run(
    optionsFor(fake, { key: '{host}.ndjson', batch: { events: 4 }, max_open_objects: 2 }),
  )
  for (let n = 0; n < 8; n += 2) {
    sink.send(batchOf(numbered(n, n + 2, { host: 'x' })))
    await eventually(() => sink.receipts.length === n / 2 + 1)
  }
  await eventually(() => fake.objects().size === 2, 'two objects of four events')
  for (const host of ['a', 'b', 'c']) sink.send(batchOf(numbered(8, 9, { host })))
  await eventually(() => fake.objects().size === 3, 'one is closed for the third')
  await sink.end()
  t.equal(fake.objects().size, 5)

  const second = run(optionsFor(fake, { key: 'bytes/', batch: { bytes: '100B' } }))
  second.send(batchOf(numbered(0, 10)))
  await eventually(() => [...fake.objects().keys()].some(key => key.startsWith('bytes/')))
  await second.end()
})

t.test('gzip members and zstd frames make one object that the usual tools read', async t => {
  const fake = await fakeFor(t)
  for (const [compression, extension] of [
    ['gzip', '.gz'],
    ['zstd', '.zst'],
  ] as const) {
    const sink = run(optionsFor(fake, { key: `${compression}-%Y.ndjson`, compression }))
    const records = numbered(0, 20_000, { text: randomBytes(40).toString('hex') })
    sink.send(batchOf(records))
    await sink.end()
    const [key, object] = [...fake.objects()].find(([key]) => key.startsWith(compression)) ?? []
    t.match(key, new RegExp(`\\.ndjson\\${extension}$`))
    t.equal(object?.headers['content-encoding'], compression)
    t.equal(object?.metadata['scopeline-sha256'], sha256(object?.body as Buffer))
    if (compression === 'gzip') {
      t.equal(
        gunzipSync(object?.body as Buffer)
          .toString()
          .split('\n').length,
        20_001,
      )
    } else {
      const text = execFileSync('zstd', ['-dc'], { input: object?.body, maxBuffer: 64 * MiB })
      t.equal(text.toString().split('\n').length, 20_001)
    }
    t.same(staged(sink.context), [])
  }
})

t.test(
  'trouble of the server or the way to it is waited out, and makes no second object',
  async t => {
    const fake = await fakeFor(t, {
      faults: [
        { do: 'error' },
        { do: 'error', status: 500, code: 'InternalError' },
        { do: 'reset', afterBytes: 10 },
        { do: 'wrong-etag', on: 'PutObject' },
        { do: 'flip-bit' },
        { do: 'lose-answer' },
        { do: 'error', status: 403, code: 'RequestTimeTooSkewed' },
        { do: 'error', status: 400, code: 'ExpiredToken' },
        { do: 'hang' },
      ],
    })
    const sink = run(optionsFor(fake, { batch: { events: 5 }, request_timeout: '300ms' }))
    sink.send(batchOf(numbered(0, 5)))
    await eventually(() => fake.objects().size === 1 && staged(sink.context).length === 0)
    await sink.end()
    t.same(numbersIn(fake), [0, 1, 2, 3, 4])
    t.equal(fake.objects().size, 1)
    t.equal(fake.requests.length, 10)
    t.ok(sink.context.errors.has('SlowDown'))
    t.ok(sink.context.errors.has('EtagMismatch'))
    t.ok(sink.context.errors.has('BadDigest'))
    t.equal(
      sink.context.health.some(({ ok }) => !ok),
      true,
    )
    t.equal(sink.context.health.at(-1)?.ok, true)
  },
)

t.test('a wrong secret or bucket is waited for and told, and nothing is lost by it', async t => {
  const fake = await fakeFor(t)
  const wrong = run(
    optionsFor(fake, {
      credentials: { access_key_id: fake.keys.accessKey, secret_access_key: 'wrong' },
    }),
  )
  wrong.send(batchOf(numbered(0, 2)))
  await wrong.end()
  t.ok((wrong.context.errors.get('SignatureDoesNotMatch') ?? 0) >= 5, 'tried several times')
  t.match(wrong.context.health.at(-1), { ok: false, why: /SignatureDoesNotMatch/ })
  t.match(wrong.context.logged.at(-1)?.message, /on disk and are sent after the next start/)
  t.notMatch(JSON.stringify(wrong.context.logged), /"wrong"/)
  const right = run(optionsFor(fake, {}), systemClock, wrong.context.directory)
  right.send(batchOf(numbered(2, 4)))
  await right.end()
  t.same(numbersIn(fake), [0, 1, 2, 3])

  const lost = run(optionsFor(fake, { bucket: 'nowhere' }))
  lost.send(batchOf(numbered(0, 1)))
  await lost.end()
  t.ok(lost.context.errors.has('NoSuchBucket'))
  t.equal(staged(lost.context).length, 2)
})

t.test('an object that is never taken goes to the dead letters, with its reason', async t => {
  const fake = await fakeFor(t, {
    faults: [{ do: 'error', status: 413, code: 'EntityTooLarge', on: 'PutObject' }],
  })
  const sink = run(optionsFor(fake, {}))
  sink.send(batchOf(numbered(0, 2)))
  await sink.end()
  const directory = join(sink.context.directory, 'dead-letter')
  const names = readdirSync(directory).sort()
  t.equal(names.length, 2)
  t.match(readFileSync(join(directory, names[0] as string), 'utf8'), /"n":0/)
  t.match(JSON.parse(readFileSync(join(directory, names[1] as string), 'utf8')), {
    code: 'EntityTooLarge',
    events: 2,
  })
  t.equal(sink.context.totals.get('dead_letter_events_total'), 2)
  t.same(staged(sink.context), [])
})

t.test('create: once never replaces, and knows its own object again', async t => {
  for (const likeSwift of [false, true]) {
    const fake = await fakeFor(t, { likeSwift })
    const options = optionsFor(fake, { key: 'fixed.ndjson', create: 'once' })
    fake.faults.add({ do: 'lose-answer', on: 'PutObject' })
    const sink = run(options)
    sink.send(batchOf(numbered(0, 1)))
    await sink.end()
    t.equal(fake.objects().size, 1, 'the lost answer is found out')
    t.notOk(existsSync(join(sink.context.directory, 'dead-letter')))

    const root = t.testdir({ f: 'other' })
    fake.buckets.put('bucket', 'f', false, {
      body: Buffer.from('there'),
      headers: {},
      metadata: {},
    })
    const file = run(
      optionsFor(fake, { key: '{data.name}', body: 'file', file_root: root, create: 'once' }),
    )
    file.send(batchOf([{ data: { path: join(root, 'f') } }]))
    await file.end()
    t.match(file.receipts, [{ outcome: 'dropped', reason: 'PreconditionFailed' }])
    t.equal(fake.objects().get('f')?.body.toString(), 'there')
  }
})

t.test('what an edge left behind is mended and sent by the next one', async t => {
  const fake = await fakeFor(t)
  const clock = new VirtualClock()
  const first = run(optionsFor(fake, {}), clock)
  first.send(batchOf(numbered(0, 3)))
  await eventually(() => first.receipts.length === 1)
  first.kill()
  const directory = join(first.context.directory, 'staging')
  const file = join(directory, staged(first.context).find(name => name.endsWith('.ndjson')) ?? '')
  const journal = file.replace('.ndjson', '.journal')
  appendFileSync(file, '{"n":99,"to')
  appendFileSync(journal, '{"step":"sea')
  writeFileSync(join(directory, 'x.body.gz.tmp'), 'half')
  const second = run(optionsFor(fake, {}), clock, first.context.directory)
  second.send(batchOf(numbered(3, 5)))
  await eventually(() => second.receipts.length === 1)
  t.same(readdirSync(directory).length, 2, 'the same object is filled further')
  clock.advance(5 * 60_000)
  await eventually(() => fake.objects().size === 1)
  await second.end()
  t.same(numbersIn(fake), [0, 1, 2, 3, 4])
  t.match([...fake.objects().keys()], [/-0001-000001\.ndjson$/])
})

t.test('what was begun under another configuration is sent as it was begun', async t => {
  const fake = await fakeFor(t, { buckets: ['bucket', 'other'] })
  const first = run(optionsFor(fake, {}), new VirtualClock())
  first.send(batchOf(numbered(0, 2)))
  await eventually(() => first.receipts.length === 1)
  first.kill()
  const second = run(
    optionsFor(fake, { bucket: 'other', compression: 'gzip', fsync: 'off' }),
    systemClock,
    first.context.directory,
  )
  second.send(batchOf(numbered(2, 4)))
  await second.end()
  t.match([...fake.objects().keys()], [/-0001-000001\.ndjson$/])
  t.match([...fake.objects('other').keys()], [/-0002-000001\.ndjson\.gz$/])
  t.same(numbersIn(fake), [0, 1])
})

t.test('more than may be staged is held back and not dropped', async t => {
  const fake = await fakeFor(t, { faults: [{ do: 'error', times: 1000, on: 'PutObject' }] })
  const sink = run(
    optionsFor(fake, { max_staged_bytes: '300B', batch: { bytes: '100B' }, key: '{n}.ndjson' }),
  )
  for (let n = 0; n < 10; n++) {
    sink.send(batchOf(numbered(n * 5, n * 5 + 5)))
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  await eventually(() => sink.context.errors.has('staging_full'))
  const before = sink.receipts.length
  t.ok(before < 10, `${before} receipts`)
  fake.faults.clear()
  await eventually(() => sink.receipts.length === 10)
  await sink.end()
  t.equal(numbersIn(fake).length, 50)
})

t.test('a disk that does not take the events holds the receipts back', async t => {
  const fake = await fakeFor(t)
  const sink = run(optionsFor(fake, { key: '{host}.ndjson' }))
  sink.send(batchOf(numbered(0, 1, { host: 'a' })))
  await eventually(() => sink.receipts.length === 1)
  const directory = join(sink.context.directory, 'staging')
  // A directory where the next journal's temporary file belongs.
  const next = staged(sink.context)[0]?.replace(/-000001.*/, '-000002') ?? ''
  mkdirSync(join(directory, `${next}.journal.tmp`))
  sink.send(batchOf(numbered(1, 2, { host: 'b' })))
  await eventually(() => sink.context.errors.has('staging_EISDIR'))
  t.match(sink.context.health.at(-1), { ok: false })
  await eventually(() => sink.receipts.length === 2, 'the next id is free')
  await sink.end()
  t.same(numbersIn(fake), [0, 1])
})

t.test('a large object goes up in parts, each checked; faults on the way do not show', async t => {
  const fake = await fakeFor(t, {
    pageSize: 2,
    faults: [
      { do: 'error', on: 'CreateMultipartUpload' },
      { do: 'error', on: 'UploadPart', after: 1 },
      { do: 'reset', on: 'UploadPart', after: 2, afterBytes: 100_000 },
      { do: 'wrong-etag', on: 'UploadPart', after: 4 },
      { do: 'flip-bit', on: 'UploadPart', after: 5 },
      { do: 'lose-answer', on: 'UploadPart', after: 6 },
      { do: 'late-error', on: 'CompleteMultipartUpload' },
      { do: 'lose-answer', on: 'CompleteMultipartUpload', after: 1 },
    ],
  })
  const body = randomBytes(27 * MiB)
  const root = t.testdir({})
  writeFileSync(join(root, 'core'), body)
  const sink = run(
    optionsFor(fake, {
      key: 'crash/{data.name}',
      body: 'file',
      file_root: root,
      part_size: '5MiB',
      concurrency: 2,
      sse: { algorithm: 'AES256' },
      tags: { team: 'a b' },
      storage_class: 'STANDARD_IA',
      acl: 'private',
    }),
  )
  sink.send(batchOf([{ _time: 1, data: { path: join(root, 'core'), size: body.length } }]))
  await eventually(() => sink.receipts.length === 1, 'the receipt', 30_000)
  t.match(sink.receipts, [{ outcome: 'delivered' }])
  await sink.end()
  const object = fake.objects().get('crash/core')
  t.equal(sha256(object?.body as Buffer), sha256(body))
  t.equal(object?.writes, 1)
  t.equal(fake.buckets.uploads.size, 0)
  t.match(object?.headers, {
    'content-type': 'application/octet-stream',
    'x-amz-tagging': 'team=a+b',
    'x-amz-storage-class': 'STANDARD_IA',
    'x-amz-acl': 'private',
    'x-amz-server-side-encryption': 'AES256',
  })
  t.same(readdirSync(join(sink.context.directory, 'files')), [])
})

t.test('parts go up to a server that knows no CRC32, and CRC32 is not forced on it', async t => {
  for (const checksum of ['auto', 'crc32', 'md5', 'none']) {
    const fake = await fakeFor(t, { likeSwift: true })
    const body = randomBytes(11 * MiB)
    const root = t.testdir({})
    writeFileSync(join(root, 'core'), body)
    const sink = run(
      optionsFor(fake, {
        key: '{data.name}',
        body: 'file',
        file_root: root,
        part_size: '5MiB',
        checksum,
        create: 'once',
      }),
    )
    sink.send(batchOf([{ data: { path: join(root, 'core') } }]))
    await sink.end()
    t.match(sink.receipts, [{ outcome: 'delivered' }], checksum)
    t.equal(sha256(fake.objects().get('core')?.body as Buffer), sha256(body))
  }
})

t.test('an upload that was cut short goes on with the parts that are missing or wrong', async t => {
  const fake = await fakeFor(t, {
    pageSize: 2,
    faults: [{ do: 'hang', on: 'UploadPart', after: 4, times: 1000 }],
  })
  const body = randomBytes(40 * MiB)
  const root = t.testdir({})
  writeFileSync(join(root, 'core'), body)
  const options = optionsFor(fake, {
    key: '{data.name}',
    body: 'file',
    file_root: root,
    part_size: '5MiB',
    concurrency: 1,
    request_timeout: '20s',
  })
  const record = { data: { path: join(root, 'core') } }
  const first = run(options)
  first.send(batchOf([record]))
  await eventually(() => fake.requests.filter(r => r.startsWith('UploadPart')).length === 5)
  first.kill()
  fake.faults.clear()
  const [upload] = fake.buckets.uploads.values()
  t.equal(upload?.parts.size, 4)
  // Someone has sent another second part under the same upload: it may not be taken over.
  const other = Buffer.alloc(5 * MiB)
  upload?.parts.set(2, { body: other, etag: createHash('md5').update(other).digest('hex') })
  fake.requests.length = 0
  const second = run({ ...options, part_size: '6MiB' }, systemClock, first.context.directory)
  await eventually(() => fake.objects().size === 1, 'the upload goes on by itself', 20_000)
  second.send(batchOf([record]))
  await eventually(() => second.receipts.length === 1)
  await second.end()
  t.equal(sha256(fake.objects().get('core')?.body as Buffer), sha256(body))
  t.equal(second.context.totals.get('parts_skipped_total'), 3)
  t.equal(fake.requests.filter(r => r.startsWith('UploadPart')).length, 5)
  t.equal(fake.requests.filter(r => r.startsWith('CreateMultipartUpload')).length, 0)
  t.equal(fake.objects().get('core')?.writes, 1, 'the record that comes again is known')
})

t.test(
  'uploads without a future are ended: unknown ids, changed files, refused objects',
  async t => {
    const fake = await fakeFor(t)
    const root = t.testdir({})
    const path = join(root, 'core')
    writeFileSync(path, randomBytes(12 * MiB))
    const options = optionsFor(fake, {
      key: '{data.name}',
      body: 'file',
      file_root: root,
      part_size: '5MiB',
      concurrency: 1,
    })
    const record = { data: { path } }

    // The answer to CreateMultipartUpload is lost again and again: nobody knows those ids.
    fake.faults.add({ do: 'lose-answer', on: 'CreateMultipartUpload', times: 1000 })
    const first = run(options)
    first.send(batchOf([record]))
    await eventually(() => fake.buckets.uploads.size >= 2)
    first.kill()
    fake.faults.clear()
    const second = run(options, systemClock, first.context.directory)
    second.send(batchOf([record]))
    await second.end()
    t.equal(fake.buckets.uploads.size, 0)
    t.equal(fake.objects().size, 1)

    // The file changes while its parts are on the way.
    fake.faults.add({ do: 'hang', on: 'UploadPart', after: 1 })
    const third = run({ ...options, request_timeout: '500ms' })
    third.send(batchOf([record]))
    await eventually(() => fake.buckets.uploads.size === 1)
    appendFileSync(path, 'more')
    utimesSync(path, 5, 5)
    await eventually(() => third.receipts.length === 1)
    await third.end()
    t.equal(sha256(fake.objects().get('core')?.body as Buffer), sha256(readFileSync(path)))
    t.equal(fake.buckets.uploads.size, 0)
    t.ok(third.context.errors.has('file_changed'))

    // The server refuses the object for good.
    fake.faults.add({
      do: 'error',
      status: 400,
      code: 'EntityTooLarge',
      on: 'CompleteMultipartUpload',
    })
    const fourth = run(options)
    fourth.send(batchOf([record]))
    await fourth.end()
    t.match(fourth.receipts, [{ outcome: 'dropped', reason: 'EntityTooLarge' }])
    t.match(fourth.context.rejects, [{ reason: 'EntityTooLarge' }])
    t.equal(fake.buckets.uploads.size, 0)
  },
)

t.test('only regular files that really lie below file_root are read', async t => {
  const fake = await fakeFor(t)
  const base = t.testdir({
    root: { 'good file': 'good', dir: {}, empty: '' },
    secret: 'secret',
    'root-not': { f: 'secret' },
  })
  const root = join(base, 'root')
  symlinkSync(join(base, 'secret'), join(root, 'link'))
  symlinkSync(base, join(root, 'up'))
  symlinkSync(root, join(base, 'way'))
  linkSync(join(root, 'good file'), join(root, 'hard'))
  const sink = run(optionsFor(fake, { key: '{data.name}', body: 'file', file_root: root }))
  const cases: [unknown, string | undefined][] = [
    [join(root, 'good file'), undefined],
    [join(base, 'way', 'hard'), undefined],
    [join(root, 'empty'), undefined],
    [join(root, 'link'), 'symbolic_link'],
    [join(root, 'up', 'secret'), 'outside_file_root'],
    [join(root, '..', 'secret'), 'outside_file_root'],
    [join(base, 'root-not', 'f'), 'outside_file_root'],
    [join(root, 'dir'), 'not_a_regular_file'],
    [join(root, 'missing'), 'file_missing'],
    ['/dev/zero', 'not_a_regular_file'],
    ['relative', 'no_path'],
    ['/etc/passwd\0', 'no_path'],
    [17, 'no_path'],
  ]
  for (const [path] of cases) sink.send(batchOf([{ data: { path: path as string } }]))
  await sink.end()
  t.equal(sink.receipts.length, cases.length)
  for (const [path, reason] of cases) {
    const receipt = sink.receipts.find(
      ({ batch }) => (batch.record(0)['data'] as { path: unknown }).path === path,
    )
    t.equal(receipt?.reason, reason, String(path))
    t.equal(receipt?.outcome, reason ? 'dropped' : 'delivered', String(path))
  }
  t.same([...fake.objects().keys()].sort(), ['empty', 'good file', 'hard'])
})

t.test('keys: the id is placed once, and a name cut to fit keeps it', async t => {
  const partition = (key: string, more: object = {}) =>
    partitionTemplate(s3Options.parse({ bucket: 'b', key, ...more })).render({ host: 'h' }, 0)
  t.equal(partition('a/%Y.ndjson'), 'a/1970-{id}.ndjson')
  t.equal(partition('a/{id}/x.ndjson'), 'a/{id}/x.ndjson')
  t.equal(partition('a/{host}'), 'a/h-{id}')
  t.equal(partition('a/'), 'a/{id}.ndjson')
  t.equal(partition('a.ndjson', { compression: 'gzip' }), 'a-{id}.ndjson.gz')
  t.equal(partition('a.ndjson.gz', { compression: 'gzip' }), 'a-{id}.ndjson.gz')
  t.equal(keyOf('a-{id}.ndjson', 'X', true), 'a-X.ndjson')
  t.equal(keyOf('cut~0011', 'X', true), 'cut~0011-X')
  t.equal(partSizeFor(MiB, 16 * MiB), 16 * MiB)
  const huge = 5 * 1024 ** 4
  t.ok(huge / partSizeFor(huge, 16 * MiB) <= 10_000)
})

t.test('options that do not go together are refused with words', async t => {
  const refused = (more: object) =>
    JSON.stringify(s3Options.safeParse({ bucket: 'b', key: 'k', ...more }).error?.issues)
  t.match(refused({ body: 'file' }), /file_root/)
  t.match(refused({ file_root: '/x' }), /only with body: file/)
  t.match(refused({ part_size: '1MiB' }), /5MiB/)
  t.match(refused({ endpoint: 'ftp://x' }), /endpoint/)
  t.match(refused({ unknown: 1 }), /unknown/)
  const parsed = s3Options.parse({
    bucket: 'b',
    key: 'k',
    credentials: { access_key_id: 'a', secret_access_key: 'shh' },
  })
  t.ok(parsed.credentials?.secret_access_key instanceof Secret)
  t.notMatch(JSON.stringify(parsed), /shh/)
})

t.test('errors are sorted by what helps against them', async t => {
  const answer = (name: string, status?: number) =>
    Object.assign(new Error('m'), {
      name,
      ...(status ? { $metadata: { httpStatusCode: status } } : {}),
    })
  const troubles: [Error, string][] = [
    [answer('SlowDown', 503), 'busy'],
    [answer('InternalError', 500), 'busy'],
    [answer('TimeoutError'), 'busy'],
    [Object.assign(new Error('m'), { code: 'ECONNRESET' }), 'busy'],
    [answer('RequestTimeTooSkewed', 403), 'busy'],
    [answer('TooManyRequests', 429), 'busy'],
    [answer('AccessDenied', 403), 'setup'],
    [answer('NoSuchBucket', 404), 'setup'],
    [answer('InvalidBucketName', 400), 'setup'],
    [answer('PermanentRedirect', 301), 'setup'],
    [answer('CredentialsProviderError'), 'setup'],
    [answer('NoSuchUpload', 404), 'restart'],
    [answer('InvalidPart', 400), 'restart'],
    [answer('PreconditionFailed', 412), 'exists'],
    [answer('EntityTooLarge', 400), 'refused'],
    [answer('KeyTooLongError', 400), 'refused'],
  ]
  for (const [error, trouble] of troubles) {
    t.equal(diagnose(error).trouble, trouble, `${error.name} ${error.message}`)
  }
})

t.test('killed at any moment, no event is missing and no object comes twice', async t => {
  const fake = await fakeFor(t)
  const directory = t.testdir({})
  const options = optionsFor(fake, {
    key: '%Y-%m-%d/%H.ndjson',
    compression: 'gzip',
    batch: { bytes: '200KiB', age: '1s' },
  })
  const total = 60_000
  let acknowledged = 0
  for (let kills = 0; kills < 4; kills++) {
    const events = { from: acknowledged, to: total, batch: 100 }
    const process = runDriver({ directory, options, events })
    const goal = acknowledged + 1000 + Math.floor(Math.random() * 8000)
    await eventually(() => process.acknowledged >= goal || process.ended, 'progress', 30_000)
    process.kill()
    await process.over
    acknowledged = Math.max(acknowledged, process.acknowledged)
  }
  t.ok(acknowledged < total, 'it was killed before its end')
  const last = runDriver({
    directory,
    options,
    events: { from: acknowledged, to: total, batch: 100 },
  })
  t.equal(await last.over, 0, last.output.replace(/^ack \d+\n/gm, ''))
  const numbers = new Set(numbersIn(fake))
  t.equal(numbers.size, total)
  for (const [key, { writes }] of fake.objects()) t.ok(writes >= 1, key)
  const ids = [...fake.objects().keys()].map(key => /[0-9a-f]{8}-\d{4}-\d{6}/.exec(key)?.[0])
  t.equal(new Set(ids).size, ids.length, 'one object for each id')
  const bodies = [...fake.objects().values()].map(({ body }) => sha256(body))
  t.equal(new Set(bodies).size, bodies.length, 'no two objects with the same content')
  t.same(readdirSync(join(directory, 'staging')), [])
})
