/**
 * The S3 sink against real servers: Ceph's gateway and OpenStack Swift, from Debian packages
 * (scripts/s3-*.sh). Each is skipped where its packages can't be installed. SCOPELINE_S3_BIG sets the
 * size of the big file that Ceph gets: 256MiB unless told.
 */

import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { S3Client } from '@aws-sdk/client-s3'
import t, { type Test } from 'tap'
import { size } from '../../src/component/options.ts'
import { openStore } from '../../src/sinks/s3/client.ts'
import { diagnose } from '../../src/sinks/s3/errors.ts'
import { s3 } from '../../src/sinks/s3/s3.ts'
import { eventually } from '../context.ts'
import { runDriver } from '../sinks/s3-process.ts'

const MiB = 1024 ** 2
const big = size().parse(process.env['SCOPELINE_S3_BIG'] ?? '256MiB')
type Told = Record<'S3_ENDPOINT' | 'S3_ACCESS_KEY' | 'S3_SECRET_KEY' | 'S3_REGION', string>

process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'
const sdk = await import('@aws-sdk/client-s3')

async function keysBelow(client: S3Client, prefix: string): Promise<string[]> {
  const page = await client.send(
    new sdk.ListObjectsV2Command({ Bucket: 'telemetry', Prefix: prefix }),
  )
  return (page.Contents ?? []).map(({ Key }) => Key ?? '')
}

async function get(client: S3Client, key: string): Promise<AsyncIterable<Buffer>> {
  const { Body } = await client.send(new sdk.GetObjectCommand({ Bucket: 'telemetry', Key: key }))
  return Body as unknown as AsyncIterable<Buffer>
}

async function digestOf(chunks: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

async function textOf(client: S3Client, key: string): Promise<string> {
  const parts: Buffer[] = []
  for await (const chunk of await get(client, key)) parts.push(chunk)
  const body = Buffer.concat(parts)
  if (!key.endsWith('.zst')) return body.toString()
  const unpacked = spawnSync('zstd', ['-dc'], { input: body, maxBuffer: 256 * MiB })
  return unpacked.stdout.toString()
}

/** What a driver wrote beside its acknowledgements, but for the report at its end. */
const words = (output: string) => output.replace(/^(ack \d+|delivered|\{.*\})\n/gm, '')

/** The last line that a driver wrote. */
const report = (output: string) =>
  JSON.parse(output.trim().split('\n').at(-1) ?? '{}') as {
    rss_mib: number
    totals: Record<string, number>
    logged: string[]
  }

async function accept(t: Test, server: Server, told: Told, base: string): Promise<void> {
  const { big } = server
  const options = {
    bucket: 'telemetry',
    endpoint: told.S3_ENDPOINT,
    credentials: { access_key_id: told.S3_ACCESS_KEY, secret_access_key: told.S3_SECRET_KEY },
    retry: { initial: '100ms', max: '1s' },
  }
  const parsed = s3.options.parse({ ...options, key: 'unused' })
  const store = await openStore(parsed, new AbortController().signal)
  const client = new sdk.S3Client({
    endpoint: told.S3_ENDPOINT,
    region: told.S3_REGION,
    forcePathStyle: true,
    credentials: { accessKeyId: told.S3_ACCESS_KEY, secretAccessKey: told.S3_SECRET_KEY },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
  t.teardown(() => {
    store.close()
    client.destroy()
  })
  await client.send(new sdk.CreateBucketCommand({ Bucket: 'telemetry' }))

  await t.test(
    'what is put is what is got; a wrong digest and a wrong secret are refused',
    async t => {
      const place = { bucket: 'telemetry', key: 'small/a b+ü{%}.bin' }
      const body = randomBytes(100_000)
      const md5 = createHash('md5').update(body)
      const stored = await store.put(place, body, { md5: md5.copy().digest('base64') }, {}, false)
      t.equal(stored.etag, md5.digest('hex'))
      t.equal(
        await digestOf(await get(client, place.key)),
        createHash('sha256').update(body).digest('hex'),
      )

      const wrong = createHash('md5').update('other').digest('base64')
      const badDigest = await store.put(place, body, { md5: wrong }, {}, false).catch(diagnose)
      t.match(badDigest, { trouble: 'busy', code: 'BadDigest' })

      const again = await store.put(place, body, {}, {}, true).catch(diagnose)
      if (server.conditions) t.match(again, { trouble: 'exists', code: 'PreconditionFailed' })
      else t.match(again, { trouble: 'setup', code: 'NotImplemented' })

      const stranger = await openStore(
        s3.options.parse({
          ...options,
          key: 'unused',
          credentials: { access_key_id: told.S3_ACCESS_KEY, secret_access_key: 'wrong' },
        }),
        new AbortController().signal,
      )
      const refused = await stranger.put(place, body, {}, {}, false).catch(diagnose)
      t.match(refused, { trouble: 'setup', code: 'SignatureDoesNotMatch' })
      stranger.close()
    },
  )

  await t.test(
    `a file of ${Math.round(big / MiB)} MiB, the sink killed amid its parts: one object, the right digest`,
    async t => {
      const path = join(base, 'core')
      const hash = createHash('sha256')
      const file = await open(path, 'w')
      const block = randomBytes(4 * MiB)
      for (let at = 0; at < big; at += block.length) {
        const piece = block.subarray(0, Math.min(block.length, big - at))
        // Every block is another one, or a part in the wrong place would not be seen.
        block.writeDoubleBE(at, 0)
        hash.update(piece)
        await file.write(piece)
      }
      await file.close()
      const wanted = hash.digest('hex')
      const task = {
        directory: join(base, 'file-state'),
        options: { ...options, key: 'crash/{data.name}', body: 'file', file_root: base },
        file: path,
      }
      mkdirSync(task.directory)
      const parts = Math.ceil(big / (16 * MiB))
      const journal = () => {
        const directory = join(task.directory, 'files')
        try {
          const name = readdirSync(directory).find(name => name.endsWith('.journal'))
          return name ? readFileSync(join(directory, name), 'utf8') : ''
        } catch {
          return ''
        }
      }
      const first = runDriver(task)
      await eventually(
        () => first.ended || journal().split('"part"').length - 1 >= Math.max(1, parts * 0.4),
        'some of the parts',
        300_000,
      )
      first.kill()
      await first.over
      t.same(await keysBelow(client, 'crash/'), [], `no object yet ${words(first.output)}`)

      const begun = performance.now()
      const second = runDriver(task)
      t.equal(await second.over, 0, words(second.output))
      const seconds = (performance.now() - begun) / 1000
      t.match(second.output, /^delivered$/m)
      t.same(await keysBelow(client, 'crash/'), ['crash/core'])
      t.equal(await digestOf(await get(client, 'crash/core')), wanted)
      t.same(await store.listUploads({ bucket: 'telemetry', key: 'crash/core' }), [])
      const { rss_mib, totals } = report(second.output)
      t.ok((totals['parts_skipped_total'] ?? 0) >= 1, 'parts were not sent again')
      t.ok(rss_mib < 400, `${rss_mib} MiB of memory`)
      t.comment(
        `restart: ${seconds.toFixed(1)} s, ${totals['parts_skipped_total']} of ${parts} parts skipped, ${totals['parts_total']} sent, RSS peak ${rss_mib} MiB`,
      )

      // The same once more, without being disturbed, for its speed.
      await client.send(new sdk.DeleteObjectCommand({ Bucket: 'telemetry', Key: 'crash/core' }))
      const start = performance.now()
      const third = runDriver(task)
      t.equal(await third.over, 0, words(third.output))
      const whole = (performance.now() - start) / 1000
      t.comment(
        `whole: ${(big / MiB / whole).toFixed(0)} MiB/s, start of the process included, RSS peak ${report(third.output).rss_mib} MiB`,
      )
      t.equal((await keysBelow(client, 'crash/')).length, 1)
    },
  )

  await t.test(
    'events, the sink killed at any moment: none is missing, no object twice',
    async t => {
      const directory = join(base, 'events-state')
      mkdirSync(directory)
      const task = {
        directory,
        options: {
          ...options,
          key: 'events/%Y-%m-%d/%H.ndjson',
          compression: 'zstd',
          batch: { bytes: '1MiB', age: '1s' },
        },
      }
      const total = 100_000
      let acknowledged = 0
      for (let kills = 0; kills < 4; kills++) {
        const child = runDriver({ ...task, events: { from: acknowledged, to: total, batch: 100 } })
        const goal = acknowledged + 500 + Math.floor(Math.random() * 15_000)
        await eventually(() => child.acknowledged >= goal || child.ended, 'progress', 60_000)
        child.kill()
        await child.over
        acknowledged = Math.max(acknowledged, child.acknowledged)
      }
      const last = runDriver({ ...task, events: { from: acknowledged, to: total, batch: 100 } })
      t.equal(await last.over, 0, words(last.output))
      const seen = new Set<number>()
      const contents: string[] = []
      for (const key of await keysBelow(client, 'events/')) {
        const text = await textOf(client, key)
        contents.push(createHash('sha256').update(text).digest('hex'))
        for (const line of text.split('\n')) if (line !== '') seen.add(JSON.parse(line).n)
      }
      t.equal(seen.size, total)
      t.equal(new Set(contents).size, contents.length)
      t.same(readdirSync(join(directory, 'staging')), [])
    },
  )
}

interface Server {
  readonly name: string
  readonly script: string
  /** Whether it knows If-None-Match. */
  readonly conditions: boolean
  /** Bytes of the big file. */
  readonly big: number
}

const servers: Server[] = [
  { name: 'Ceph', script: 's3-rgw.sh', conditions: true, big },
  { name: 'Swift', script: 's3-swift.sh', conditions: false, big: Math.min(big, 128 * MiB) },
]

for (const server of servers) {
  const script = fileURLToPath(new URL(`../../scripts/${server.script}`, import.meta.url))
  const base = mkdtempSync(join(tmpdir(), 'scopeline-s3-real-'))
  const started = spawnSync('bash', [script, 'start', join(base, 'server')], { encoding: 'utf8' })
  const stop = () => {
    spawnSync('bash', [script, 'stop', join(base, 'server')])
    rmSync(base, { recursive: true, force: true })
  }
  t.teardown(stop)
  if (started.status === 3) {
    const missing = started.stderr.trim().split('\n').at(-1) ?? ''
    await t.test(server.name, { skip: `no real server: ${missing}` }, () => {})
  } else if (started.status === 0) {
    const told = Object.fromEntries(
      started.stdout
        .trim()
        .split('\n')
        .map(line => line.split(/=(.*)/s).slice(0, 2)),
    ) as unknown as Told
    await t.test(server.name, t => accept(t, server, told, base))
  } else t.fail(`${server.name} did not start:\n${started.stderr}`)
  stop()
}
