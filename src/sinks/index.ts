/** All sinks, in the order in which describe lists them. */
import type { Sink } from '../component/define.ts'
import { blackhole } from './blackhole.ts'
import { consoleSink } from './console.ts'
import { ndjson } from './ndjson/ndjson.ts'
import { s3 } from './s3/s3.ts'
import { statsd } from './statsd/statsd.ts'
import { tcp } from './tcp/tcp.ts'

export const sinks: readonly Sink[] = [ndjson, tcp, statsd, s3, consoleSink, blackhole]
