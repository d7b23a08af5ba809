/** logfmt: `level=info msg="it started" ready`. */
import { jsonText, type Parsed } from './format.ts'

// Linear: each part excludes what the next one starts with.
const PAIR = /([^\s="]+)(?:=(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s"]*))(?=\s|$))?\s*/y

/** Reads pairs; a key without a value is true, and of equal keys the last counts. */
export function parseLogfmt(text: string, numbers: boolean): Parsed {
  const members = new Map<string, string>()
  let pairs = 0
  let at = text.length - text.trimStart().length
  while (at < text.length) {
    PAIR.lastIndex = at
    const pair = PAIR.exec(text)
    if (!pair) return `at character ${at + 1} there is no key=value`
    const [whole, key, quoted, plain] = pair as unknown as [string, string, string?, string?]
    if (quoted !== undefined) {
      members.set(key, JSON.stringify(unquote(quoted)))
      pairs++
    } else if (plain !== undefined) {
      members.set(key, jsonText(plain, numbers))
      pairs++
    } else {
      members.set(key, 'true')
      const next = text.charAt(at + key.length)
      if (next === '=' || next === '"') return `at character ${at + 1} there is no key=value`
    }
    at += whole.length
  }
  return pairs > 0 ? members : 'it has no key=value'
}

function unquote(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(/\\(.)/gs, (_, char: string) =>
    char === 'n' ? '\n' : char === 't' ? '\t' : char === 'r' ? '\r' : char,
  )
}
