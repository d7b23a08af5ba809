/** All sinks, in the order in which describe lists them. */
import type { Sink } from '../component/define.ts'
import { ndjson } from './ndjson/ndjson.ts'

export const sinks: readonly Sink[] = [ndjson]
