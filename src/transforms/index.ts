/** All transforms, in the order in which describe lists them. */
import type { Transform } from '../component/define.ts'

export const transforms: readonly Transform[] = []
