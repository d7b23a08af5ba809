/** Options that map field paths to something: the paths stand on the left of the colon. */
import { type Path, PathError, parsePath } from '../record/path.ts'
import { problem } from './options.ts'

type Issues = Parameters<typeof problem>[0]

/** A context whose problems belong to the entry under a key. */
export function under(context: Issues, ...path: (string | number)[]): Issues {
  return { addIssue: issue => context.addIssue({ ...issue, path } as typeof issue) }
}

/** Reads the keys of a mapping as paths; what cannot be read becomes a problem of that entry. */
export function readPathKeys<T>(
  mapping: Readonly<Record<string, T>>,
  context: Issues,
): { path: Path; key: string; value: T }[] {
  const entries: { path: Path; key: string; value: T }[] = []
  for (const [key, value] of Object.entries(mapping)) {
    try {
      entries.push({ path: parsePath(key), key, value })
    } catch (error) {
      if (!(error instanceof PathError)) throw error
      problem(under(context, key), error.message)
    }
  }
  if (Object.keys(mapping).length === 0) problem(context, 'name at least one field')
  return entries
}
