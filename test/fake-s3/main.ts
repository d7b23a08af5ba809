/**
 * The fake as a program, for examples and trials by hand:
 *
 *   node --import=tsx test/fake-s3/main.ts --port 9000 --bucket telemetry
 */
import { parseArgs } from 'node:util'
import { startFakeS3 } from './server.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    bucket: { type: 'string', multiple: true, default: ['bucket'] },
    'access-key': { type: 'string', default: 'fake-access' },
    'secret-key': { type: 'string', default: 'fake-secret' },
  },
})
const fake = await startFakeS3({
  port: Number(values.port),
  buckets: values.bucket,
  keys: { accessKey: values['access-key'], secretKey: values['secret-key'] },
})
process.stdout.write(
  `${JSON.stringify({ url: fake.url, buckets: values.bucket, access_key: fake.keys.accessKey, secret_key: fake.keys.secretKey })}\n`,
)
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void fake.close())
}
