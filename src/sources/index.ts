/** All sources, in the order in which describe lists them. */
import type { Source } from '../component/define.ts'
import { file } from './file/file.ts'
import { generate } from './generate/generate.ts'
import { internal } from './internal.ts'
import { scope } from './scope/scope.ts'
import { statsd } from './statsd/statsd.ts'
import { stdin } from './stdin.ts'
import { tcp } from './tcp.ts'
import { unix } from './unix.ts'

export const sources: readonly Source[] = [
  scope,
  tcp,
  unix,
  statsd,
  file,
  stdin,
  generate,
  internal,
]
