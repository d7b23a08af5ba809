/**
 * Field paths: how options name a place in a record. `data.http_target`, and `data["a.b"][0]` where
 * a key holds dots or an array is meant. The same syntax as member access in CEL.
 */
import { isObject, type JsonObject, type JsonValue } from './json.ts'

/** A parsed path: keys of objects (strings) and indices of arrays (numbers), outermost first. */
export type Path = readonly (string | number)[]

/** A path that could not be read; `offset` counts UTF-16 units from the start of the text. */
export class PathError extends Error {
  readonly offset: number
  constructor(message: string, offset: number) {
    super(message)
    this.name = 'PathError'
    this.offset = offset
  }
}

const NAME = /[A-Za-z_@$][\w@$-]*/y
const INDEX = /\[(?:(\d+)|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\]/y

/** Reads a path. Throws PathError with the offset of the first character that does not fit. */
export function parsePath(text: string): Path {
  const path: (string | number)[] = []
  let at = 0
  while (at < text.length) {
    const bracket = text[at] === '['
    if (!bracket && at > 0) {
      if (text[at] !== '.') throw new PathError(`expected "." or "[" in field path "${text}"`, at)
      at++
    }
    const pattern = bracket ? INDEX : NAME
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (!match) {
      const wanted = bracket ? 'a number or a quoted key between brackets' : 'a field name'
      throw new PathError(`expected ${wanted} in field path "${text}"`, at)
    }
    if (!bracket) path.push(match[0])
    else if (match[1] !== undefined) path.push(Number(match[1]))
    else path.push((match[2] ?? match[3] ?? '').replace(/\\(.)/g, '$1'))
    at = pattern.lastIndex
  }
  if (path.length === 0) throw new PathError('a field path may not be empty', 0)
  return path
}

/** Writes a path in the form that parsePath reads. */
export function formatPath(path: Path): string {
  return path
    .map((part, i) => {
      if (typeof part === 'number') return `[${part}]`
      NAME.lastIndex = 0
      const plain = NAME.exec(part)?.[0] === part
      return plain ? `${i > 0 ? '.' : ''}${part}` : `[${JSON.stringify(part)}]`
    })
    .join('')
}

/** The value at a path, or undefined where any step is missing. */
export function valueAt(record: JsonObject, path: Path): JsonValue | undefined {
  let value: JsonValue | undefined = record
  for (const part of path) {
    if (typeof part === 'number') {
      if (!Array.isArray(value)) return undefined
      value = value[part]
    } else {
      if (!isObject(value) || !Object.hasOwn(value, part)) return undefined
      value = value[part]
    }
  }
  return value
}
