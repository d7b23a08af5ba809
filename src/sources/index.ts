/** All sources, in the order in which describe lists them. */
import type { Source } from '../component/define.ts'
import { stdin } from './stdin.ts'
import { tcp } from './tcp.ts'
import { unix } from './unix.ts'

export const sources: readonly Source[] = [tcp, unix, stdin]
