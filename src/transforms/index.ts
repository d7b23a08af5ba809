/** All transforms, in the order in which describe lists them. */
import type { Transform } from '../component/define.ts'
import { dedupe } from './dedupe.ts'
import { filter } from './filter.ts'
import { measure } from './measure/measure.ts'
import { parse } from './parse/parse.ts'
import { redact } from './redact.ts'
import { reduce } from './reduce/reduce.ts'
import { remove } from './remove.ts'
import { rename } from './rename.ts'
import { route } from './route.ts'
import { sample } from './sample.ts'
import { set } from './set.ts'
import { throttle } from './throttle.ts'

export const transforms: readonly Transform[] = [
  filter,
  route,
  parse,
  redact,
  set,
  remove,
  rename,
  sample,
  throttle,
  dedupe,
  reduce,
  measure,
]
