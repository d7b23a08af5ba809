/** What compiling makes of each part of an expression. */
import type { Node } from './parse.ts'
import type { Cell } from './reading.ts'
import type { Kind, Value } from './value.ts'

/** Works a part out for one row; undefined where a field is missing or an operation fails. */
export type Run = (row: number) => Value | undefined

/** A compiled part: how to run it and what is known of it beforehand. */
export interface Code {
  readonly run: Run
  /** The same for every row: it has been folded. */
  readonly constant?: boolean
  /** The field that it reads, when it is just that. */
  readonly cell?: Cell
  /** The type of its value, where it can have no other. */
  readonly kind?: Kind
}

/** How macros get the parts of theirs compiled. */
export interface Parts {
  compile(node: Node): Code
  /** Compiles a part in which one more name stands for an element, which `set` puts there. */
  within(name: string, node: Node): { readonly code: Code; readonly set: (value: Value) => void }
}

/** Makes a code of its parts; when those are all constant, it is worked out now. */
export function fold(parts: readonly Code[], kind: Kind | undefined, run: Run): Code {
  const known = kind === undefined ? {} : { kind }
  if (!parts.every(part => part.constant)) return { run, ...known }
  const value = run(0)
  return { run: () => value, constant: true, ...known }
}
