/** All components that this build has: the lists that config and pipeline are given. */
import type { Catalogue } from '../component/define.ts'
import { sinks } from '../sinks/index.ts'
import { sources } from '../sources/index.ts'
import { transforms } from '../transforms/index.ts'

export const catalogue: Catalogue = { sources, transforms, sinks }
