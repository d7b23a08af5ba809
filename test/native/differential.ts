/**
 * Compares the native engine with its oracle, JSON.parse and isUtf8, line by line: the verdict of the
 * scan, and each value that the extraction gives.
 */
import { isUtf8 } from 'node:buffer'
import { type Columns, Kind, type NativeEngine } from '../../src/batch/engine.ts'
import { isObject, type JsonObject, type JsonValue } from '../../src/record/json.ts'
import { type Path, valueAt } from '../../src/record/path.ts'

export interface Limits {
  maxDepth: number
  maxLineBytes: number
}
export const LIMITS: Limits = { maxDepth: 1000, maxLineBytes: 1 << 20 }

/** Fields that the generated lines and the AppScope samples have, and some that only look like it. */
export const PATHS: readonly Path[] = [
  ['a'],
  ['b'],
  ['a', 'b'],
  ['a', 'b', 'c'],
  ['a', 0],
  ['a', 1, 'b'],
  ['b', 'a', 2],
  [0],
  [''],
  ['é'],
  ['😀', 'a'],
  ['\ud83d'],
  ['\ufffd'],
  ['__proto__'],
  ['constructor'],
  ['type'],
  ['body'],
  ['body', '_time'],
  ['body', 'data', 'http_status_code'],
  ['body', 'data', 'http_target'],
  ['body', 'data', 'duration'],
  ['info', 'configuration', 'current', 'libscope', 'level'],
]

interface Verdict {
  /** Offsets in the block and the record, for each line that passes. */
  good: { start: number; end: number; record: JsonObject }[]
  bad: number
}

/** Depth by brackets, since duplicate keys hide what JSON.parse has thrown away. */
function nestingOf(text: string): number {
  let depth = 0
  let deepest = 0
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/g)) {
    if (token === '{' || token === '[') deepest = Math.max(deepest, ++depth)
    else if (token === '}' || token === ']') depth--
  }
  return deepest
}

function judge(block: Buffer, limits: Limits): Verdict {
  const verdict: Verdict = { good: [], bad: 0 }
  const valid = isUtf8(block)
  for (let start = 0; start < block.length; ) {
    const newline = block.indexOf(10, start)
    if (newline < 0) {
      verdict.bad++
      break
    }
    const end = newline > start && block[newline - 1] === 13 ? newline - 1 : newline
    const line = block.subarray(start, end)
    const record = recordOf(line, valid || isUtf8(line), limits)
    if (record === 'bad') verdict.bad++
    else if (record !== 'blank') verdict.good.push({ start, end, record })
    start = newline + 1
  }
  return verdict
}

function recordOf(line: Buffer, valid: boolean, limits: Limits): JsonObject | 'bad' | 'blank' {
  if (line.length > limits.maxLineBytes || !valid) return 'bad'
  const text = line.toString()
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return /^[ \t\r]*$/.test(text) ? 'blank' : 'bad'
  }
  if (!isObject(value)) return 'bad'
  if (line.length <= limits.maxDepth) return value
  return nestingOf(text) > limits.maxDepth ? 'bad' : value
}

/** What is wrong with a value that the engine gave, or undefined. */
function difference(
  kind: number | undefined,
  number: number | undefined,
  text: string,
  value: JsonValue | undefined,
): string | undefined {
  const told = `kind ${kind}, number ${number}, text ${text}`
  const right = () => {
    if (typeof value === 'number') return kind === Kind.number && Object.is(number, value)
    if (number !== 0) return false
    if (value === undefined) return kind === Kind.missing && text === ''
    if (value === null) return kind === Kind.null && text === 'null'
    if (value === true) return kind === Kind.true && text === 'true'
    if (value === false) return kind === Kind.false && text === 'false'
    if (typeof value === 'string') {
      const escaped = text.includes('\\')
      if (kind !== (escaped ? Kind.escapedString : Kind.string)) return false
      return value === (escaped ? JSON.parse(`"${text}"`) : text)
    }
    if (kind !== (Array.isArray(value) ? Kind.array : Kind.object)) return false
    return JSON.stringify(JSON.parse(text)) === JSON.stringify(value)
  }
  return right() ? undefined : `${told}, but JSON.parse gives ${JSON.stringify(value)}`
}

function same(a: Columns, b: Columns): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: Uint8Array | Uint32Array | Float64Array) =>
    Buffer.from(buffer, byteOffset, byteLength)
  if (a.repeated !== b.repeated) return false
  return (['kinds', 'numbers', 'spans'] as const).every(name =>
    bytes(a[name]).equals(bytes(b[name])),
  )
}

/** Describes each way in which one of the engines and the oracle do not agree about a block. */
export function differences(
  engines: readonly NativeEngine[],
  block: Buffer,
  paths = PATHS,
  limits = LIMITS,
): string[] {
  const found: string[] = []
  const { good, bad } = judge(block, limits)
  const values = good.map(({ record }) => paths.map(path => valueAt(record, path)))
  let agreed: Columns | undefined
  const offsets = good.flatMap(({ start, end }) => [start, end]).join()
  for (const engine of engines) {
    const scanned = engine.scan(block, limits.maxDepth, limits.maxLineBytes)
    if (scanned.lines.join() !== offsets || scanned.bad !== bad) {
      found.push(
        `${engine.level}: scan gives lines ${scanned.lines.join()} and ${scanned.bad} bad, JSON.parse ${offsets} and ${bad}: ${JSON.stringify(block.toString('latin1'))}`,
      )
      continue
    }
    const rows = good.length
    const columns = engine.extract(engine.compile(paths), block, scanned.lines)
    // What one engine got right need not be compared value by value for the next.
    if (agreed && same(agreed, columns)) continue
    const { kinds, numbers, spans } = columns
    const before = found.length
    for (const [column, path] of paths.entries()) {
      for (const [row, { start, end }] of good.entries()) {
        const cell = column * rows + row
        const value = values[row]?.[column]
        // The usual case, since a line has few of the paths.
        if (value === undefined && kinds[cell] === Kind.missing && spans[cell * 2 + 1] === 0)
          continue
        const text = block.toString('utf8', spans[cell * 2], spans[cell * 2 + 1])
        const wrong = difference(kinds[cell], numbers[cell], text, value)
        if (wrong === undefined) continue
        const line = JSON.stringify(block.toString('utf8', start, end))
        found.push(`${engine.level}: ${JSON.stringify(path)} of ${line}: ${wrong}`)
      }
    }
    if (found.length > before) continue
    if (agreed) found.push(`${engine.level}: right values, but other spans or flags than elsewhere`)
    agreed = columns
  }
  return found
}

/** Pseudo-random whole numbers below a bound (xorshift), the same for the same seed. */
export function randomOf(seed: number): (below: number) => number {
  let state = (seed * 2654435761) >>> 0 || 1
  return below => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % below
  }
}

const TOKENS = [
  ...'{}[]:,"\\ \t\r0123456789-+.eE/tfnub',
  'true',
  'false',
  'null',
  '{}',
  '[]',
  '""',
  '\\"',
  '\\\\',
  '\\u',
  '\\u0061',
  '\\ud83d\\ude00',
  '\\udc00',
  '-0',
  '1e400',
  '1e-400',
  '0.1',
  '01',
  '"a":',
  '"b":',
  ',"a":{"b":1}',
  ',"a":1',
  '}}',
  ']]',
  '//',
  'é',
  '€',
  '😀',
  '\u2028',
  '\x7f',
].map(token => Buffer.from(token))
const BYTES = [
  0x00, 0x01, 0x0b, 0x0c, 0x1f, 0x80, 0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5,
  0xff,
]

/** A line with one to three small accidents; rarely none. */
export function mutate(
  line: Buffer,
  lines: readonly Buffer[],
  random: (below: number) => number,
): Buffer {
  let result = line
  for (let times = random(8) === 0 ? 0 : 1 + random(3); times > 0; times--) {
    const at = random(result.length + 1)
    const to = Math.min(result.length, at + random(random(4) === 0 ? 80 : 4))
    const pieces = [result.subarray(0, at), result.subarray(at)]
    switch (random(8)) {
      case 0:
        pieces[1] = result.subarray(to)
        break
      case 1:
        pieces.splice(1, 0, TOKENS[random(TOKENS.length)] as Buffer)
        break
      case 2:
        pieces.splice(1, 0, Buffer.of(BYTES[random(BYTES.length)] as number))
        break
      case 3:
        pieces.splice(1, 1, TOKENS[random(TOKENS.length)] as Buffer, result.subarray(at + 1))
        break
      case 4:
        pieces.splice(1, 0, result.subarray(at, to))
        break
      case 5: {
        const other = lines[random(lines.length)] as Buffer
        pieces[1] = other.subarray(random(other.length + 1))
        break
      }
      case 6:
        pieces.splice(1, 1, Buffer.of(random(256)), result.subarray(at + 1))
        break
      default: {
        const first = random(result.length + 1)
        const piece = result.subarray(first, Math.min(result.length, first + random(40)))
        pieces.splice(1, 0, piece)
      }
    }
    result = Buffer.concat(pieces)
  }
  return result
}

/** Compares on mutations of lines, in blocks of all sizes. Stops at the first differences. */
export function compareMutations(
  engines: readonly NativeEngine[],
  lines: readonly Buffer[],
  count: number,
  seed: number,
): { compared: number; accepted: number; found: string[] } {
  const random = randomOf(seed)
  let compared = 0
  let accepted = 0
  const newline = Buffer.from('\n')
  while (compared < count) {
    const size = Math.min(count - compared, random(4) === 0 ? 1 + random(3) : 1 + random(200))
    const pieces: Buffer[] = []
    for (let i = 0; i < size; i++) {
      pieces.push(mutate(lines[random(lines.length)] as Buffer, lines, random), newline)
    }
    const block = exactly(Buffer.concat(pieces))
    const found = differences(engines, block)
    compared += size
    accepted +=
      (engines[0]?.scan(block, LIMITS.maxDepth, LIMITS.maxLineBytes).lines.length ?? 0) / 2
    if (found.length > 0) return { compared, accepted, found }
  }
  return { compared, accepted, found: [] }
}

/** The bytes at the end of memory of their own, so that reading past them is not reading others'. */
export function exactly(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
