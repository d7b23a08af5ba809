/** Finds where a member's value lies in the text of a JSON object, so that its exact bytes can be cut out. */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a

/**
 * The range of the value of a top-level member, found by reading the structure. The bytes must be one
 * valid JSON object. Where a key comes several times the last one counts, as for JSON.parse; undefined
 * where it does not come at all.
 *
 * @returns offsets `[start, end]` into `bytes`
 */
export function memberRange(
  bytes: Buffer,
  start: number,
  end: number,
  key: string,
): [number, number] | undefined {
  let found: [number, number] | undefined
  let at = skipSpace(bytes, start, end) + 1
  while (at < end) {
    at = skipSpace(bytes, at, end)
    if (bytes[at] !== QUOTE) return found
    const nameEnd = skipString(bytes, at)
    const wanted = isName(bytes, at, nameEnd, key)
    at = skipSpace(bytes, nameEnd, end)
    if (bytes[at] !== COLON) return undefined
    const valueStart = skipSpace(bytes, at + 1, end)
    const valueEnd = skipValue(bytes, valueStart, end)
    if (wanted) found = [valueStart, valueEnd]
    // Over the comma, or the brace that ends the object.
    at = skipSpace(bytes, valueEnd, end) + 1
  }
  return found
}

function isName(bytes: Buffer, start: number, end: number, key: string): boolean {
  let plain = end - start === key.length + 2
  for (let i = start + 1; i < end - 1; i++) {
    const byte = bytes[i]
    // An escaped name is rare and may spell anything.
    if (byte === BACKSLASH) return JSON.parse(bytes.toString('utf8', start, end)) === key
    if (plain && byte !== key.charCodeAt(i - start - 1)) plain = false
  }
  return plain
}

function skipSpace(bytes: Buffer, start: number, end: number): number {
  let at = start
  while (at < end) {
    const byte = bytes[at]
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) break
    at++
  }
  return at
}

/** The offset after the closing quote of a string. */
function skipString(bytes: Buffer, start: number): number {
  let at = start + 1
  while (bytes[at] !== QUOTE) {
    if (bytes[at] === BACKSLASH) at++
    // The text is valid, so this only keeps a wrong call from running for ever.
    if (++at >= bytes.length) break
  }
  return at + 1
}

/** The offset after a value. */
function skipValue(bytes: Buffer, start: number, end: number): number {
  let depth = 0
  let at = start
  while (at < end) {
    const byte = bytes[at]
    if (byte === QUOTE) {
      at = skipString(bytes, at)
      if (depth === 0) return at
      continue
    }
    if (byte === 0x7b || byte === 0x5b) depth++
    else if (byte === 0x7d || byte === 0x5d) {
      // A bracket at depth 0 is the one that ends the object around a number, true, false or null.
      if (depth === 0) return trimEnd(bytes, start, at)
      if (--depth === 0) return at + 1
    } else if (byte === 0x2c && depth === 0) return trimEnd(bytes, start, at)
    at++
  }
  return at
}

function trimEnd(bytes: Buffer, start: number, end: number): number {
  let at = end
  while (at > start && (bytes[at - 1] as number) <= 0x20) at--
  return at
}
