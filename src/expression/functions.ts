/**
 * The functions that expressions may call. Each takes present values and answers undefined where a
 * value is of the wrong type, which makes the whole operation fail. Texts are counted in code points.
 */
import { RE2JS, RE2JSException } from 're2js'
import {
  compare,
  Duration,
  isList,
  isMap,
  type Kind,
  kindOf,
  Timestamp,
  timestampAt,
  timeText,
  type Value,
} from './value.ts'

export interface FunctionDeclaration {
  readonly name: string
  /** How it is written, for messages and documentation. */
  readonly usage: string
  /** `text.lowerAscii()` is called on a value, `int(x)` is not, `size` goes either way. */
  readonly call: 'method' | 'function' | 'either'
  /** Fewest and most values that it takes; the one it is called on counts. */
  readonly arity: readonly [number, number]
  /** The type of its result, where that never changes. */
  readonly gives?: Kind
  apply(...values: Value[]): Value | undefined
}

type Body = FunctionDeclaration['apply']

const table = new Map<string, FunctionDeclaration>()

function declare(
  usage: string,
  call: FunctionDeclaration['call'],
  arity: readonly [number, number],
  gives: Kind | undefined,
  apply: Body,
) {
  const name = /(?:^|\.)(\w+)\(/.exec(usage)?.[1] as string
  table.set(name, { name, usage, call, arity, ...(gives && { gives }), apply })
}

/** All functions by name. */
export const FUNCTIONS: ReadonlyMap<string, FunctionDeclaration> = table

/** `math.greatest` and the like, as CEL's extension library calls them. */
export const MATH_NAMES: ReadonlyMap<string, string> = new Map([
  ['greatest', 'max'],
  ['least', 'min'],
  ...['abs', 'ceil', 'floor', 'round'].map(name => [name, name] as const),
])

// Text

/** A function of texts alone; undefined for anything else. */
function texts(body: (...texts: string[]) => Value | undefined): Body {
  return (...values) =>
    values.every(value => typeof value === 'string') ? body(...(values as string[])) : undefined
}

const SURROGATE = /[\ud800-\udfff]/

/** The characters of a text where counting UTF-16 units would be wrong; undefined where it is right. */
function characters(text: string): string[] | undefined {
  return SURROGATE.test(text) ? Array.from(text) : undefined
}

declare('text.contains(part)', 'method', [2, 2], 'bool', (text, part) =>
  typeof text === 'string' && typeof part === 'string' ? text.includes(part) : undefined,
)
declare('text.startsWith(prefix)', 'method', [2, 2], 'bool', (text, prefix) =>
  typeof text === 'string' && typeof prefix === 'string' ? text.startsWith(prefix) : undefined,
)
declare('text.endsWith(suffix)', 'method', [2, 2], 'bool', (text, suffix) =>
  typeof text === 'string' && typeof suffix === 'string' ? text.endsWith(suffix) : undefined,
)
declare(
  'text.lowerAscii()',
  'method',
  [1, 1],
  'string',
  texts(text => (text as string).replace(/[A-Z]+/g, part => part.toLowerCase())),
)
declare(
  'text.upperAscii()',
  'method',
  [1, 1],
  'string',
  texts(text => (text as string).replace(/[a-z]+/g, part => part.toUpperCase())),
)
declare(
  'text.trim()',
  'method',
  [1, 1],
  'string',
  texts(text => text?.trim()),
)
declare('text.split(separator)', 'method', [2, 3], 'list', (text, separator, limit = -1) => {
  if (typeof text !== 'string' || typeof separator !== 'string') return undefined
  if (typeof limit !== 'number' || !Number.isInteger(limit)) return undefined
  if (limit === 0) return []
  const parts = separator === '' ? Array.from(text) : text.split(separator)
  if (limit < 0 || parts.length <= limit) return parts
  return [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(separator)]
})
declare('list.join(separator)', 'method', [1, 2], 'string', (list, separator = '') =>
  isList(list) && typeof separator === 'string' && list.every(part => typeof part === 'string')
    ? list.join(separator)
    : undefined,
)
declare('text.replace(old, new)', 'method', [3, 4], 'string', (text, old, fresh, limit = -1) => {
  if (typeof text !== 'string' || typeof old !== 'string' || typeof fresh !== 'string') {
    return undefined
  }
  if (typeof limit !== 'number') return undefined
  if (limit < 0) return text.replaceAll(old, () => fresh)
  let left = limit
  return text.replaceAll(old, found => (left-- > 0 ? fresh : found))
})
declare('text.substring(start, end)', 'method', [2, 3], 'string', (text, start, end) => {
  if (typeof text !== 'string' || typeof start !== 'number') return undefined
  const list = characters(text)
  const length = list?.length ?? text.length
  const stop = end === undefined ? length : end
  if (typeof stop !== 'number' || !Number.isInteger(start) || !Number.isInteger(stop)) {
    return undefined
  }
  if (start < 0 || stop > length || start > stop) return undefined
  return list ? list.slice(start, stop).join('') : text.slice(start, stop)
})
declare(
  'text.indexOf(part)',
  'method',
  [2, 2],
  'int',
  texts((text, part) => {
    const at = (text as string).indexOf(part as string)
    if (at <= 0) return at
    return characters(text as string) ? Array.from((text as string).slice(0, at)).length : at
  }),
)

// Regular expressions

const compiled = new Map<string, RE2JS | null>()
const MAX_COMPILED = 256

/** Compiles a regular expression that runs in linear time. Throws RegexError. */
export function compileRegex(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern)
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw new RegexError(error.message.replace(/^error parsing regexp: /, ''))
  }
}

/** A pattern that is not a regular expression of the RE2 kind. */
export class RegexError extends Error {}

declare('text.matches(regex)', 'either', [2, 2], 'bool', (text, pattern) => {
  if (typeof text !== 'string' || typeof pattern !== 'string') return undefined
  let regex = compiled.get(pattern)
  if (regex === undefined) {
    // Patterns from data: keep some, and what is wrong with a pattern only fails this operation.
    if (compiled.size >= MAX_COMPILED) compiled.clear()
    try {
      regex = compileRegex(pattern)
    } catch (error) {
      if (!(error instanceof RegexError)) throw error
      regex = null
    }
    compiled.set(pattern, regex)
  }
  return regex === null ? undefined : regex.test(text)
})

// Collections

declare('size(value)', 'either', [1, 1], 'int', value => {
  if (typeof value === 'string') return characters(value)?.length ?? value.length
  if (isList(value as Value)) return (value as readonly Value[]).length
  return isMap(value as Value) ? Object.keys(value as object).length : undefined
})

// Numbers

/** The most or least of the arguments, or of the one list among them. */
function extreme(sign: 1 | -1): Body {
  return (...values) => {
    const candidates = values.length === 1 && isList(values[0] as Value) ? values[0] : values
    let best: Value | undefined
    for (const candidate of candidates as readonly Value[]) {
      const order = best === undefined ? 1 : compare(candidate, best)
      if (order === undefined) return undefined
      if (best === undefined || order * sign > 0) best = candidate
    }
    return best
  }
}
declare('min(a, b)', 'function', [1, Number.POSITIVE_INFINITY], undefined, extreme(-1))
declare('max(a, b)', 'function', [1, Number.POSITIVE_INFINITY], undefined, extreme(1))

function numeric(body: (value: number) => number): Body {
  return value => (typeof value === 'number' ? body(value) : undefined)
}
declare('abs(number)', 'function', [1, 1], undefined, numeric(Math.abs))
declare('floor(number)', 'function', [1, 1], undefined, numeric(Math.floor))
declare('ceil(number)', 'function', [1, 1], undefined, numeric(Math.ceil))
declare(
  'round(number)',
  'function',
  [1, 1],
  undefined,
  // Halves go away from zero, as in CEL's math.round; Math.round takes -2.5 to -2.
  numeric(value => Math.sign(value) * Math.round(Math.abs(value))),
)

// Conversions

declare('int(value)', 'function', [1, 1], 'int', value => {
  if (typeof value === 'number') return Math.trunc(value)
  if (typeof value === 'boolean') return Number(value)
  if (value instanceof Timestamp) return Math.floor(value.ms / 1000)
  if (value instanceof Duration) return Math.trunc(value.ms / 1000)
  // 19 digits are what 64 bits hold.
  return typeof value === 'string' && /^[+-]?\d{1,19}$/.test(value) ? Number(value) : undefined
})
declare('double(value)', 'function', [1, 1], 'double', value => {
  if (typeof value === 'number') return value
  if (value instanceof Timestamp || value instanceof Duration) return value.ms / 1000
  if (typeof value !== 'string') return undefined
  const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) ? Number(value) : Number.NaN
  return Number.isFinite(number) ? number : undefined
})
declare('string(value)', 'function', [1, 1], 'string', value => {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return value instanceof Timestamp || value instanceof Duration ? timeText(value) : undefined
})
declare('bool(value)', 'function', [1, 1], 'bool', value => {
  if (typeof value === 'boolean') return value
  if (value === 'true' || value === 'True' || value === 'TRUE' || value === 't' || value === '1') {
    return true
  }
  if (
    value === 'false' ||
    value === 'False' ||
    value === 'FALSE' ||
    value === 'f' ||
    value === '0'
  ) {
    return false
  }
  return undefined
})
declare('type(value)', 'function', [1, 1], 'string', value => kindOf(value as Value))

// Time

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/
declare('timestamp(value)', 'function', [1, 1], 'timestamp', value => {
  if (value instanceof Timestamp) return value
  const ms =
    typeof value === 'number'
      ? value * 1000
      : typeof value === 'string' && RFC3339.test(value)
        ? Date.parse(value)
        : Number.NaN
  return timestampAt(ms)
})

const SPAN_UNITS: Record<string, number> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
}
declare('duration(text)', 'function', [1, 1], 'duration', value => {
  if (value instanceof Duration) return value
  if (typeof value !== 'string') return undefined
  if (!/^[+-]?(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+$/.test(value)) return undefined
  let ms = 0
  for (const part of value.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g)) {
    ms += Number(part[1]) * (SPAN_UNITS[part[2] as string] as number)
  }
  return new Duration(value.startsWith('-') ? -ms : ms)
})

const DATE_PARTS: Record<string, (date: Date) => number> = {
  getFullYear: date => date.getUTCFullYear(),
  getMonth: date => date.getUTCMonth(),
  getDate: date => date.getUTCDate(),
  getDayOfMonth: date => date.getUTCDate() - 1,
  getDayOfWeek: date => date.getUTCDay(),
  getDayOfYear: date =>
    Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0)) / 86_400_000),
  getHours: date => date.getUTCHours(),
  getMinutes: date => date.getUTCMinutes(),
  getSeconds: date => date.getUTCSeconds(),
  getMilliseconds: date => date.getUTCMilliseconds(),
}
/** What the same names mean on a span of time: all of it, in that unit. */
const SPAN_PARTS: Record<string, (ms: number) => number> = {
  getHours: ms => Math.trunc(ms / 3_600_000),
  getMinutes: ms => Math.trunc(ms / 60_000),
  getSeconds: ms => Math.trunc(ms / 1000),
  getMilliseconds: ms => Math.trunc(ms % 1000),
}
for (const [name, part] of Object.entries(DATE_PARTS)) {
  declare(`time.${name}()`, 'method', [1, 1], 'int', value => {
    if (value instanceof Timestamp) return part(new Date(value.ms))
    return value instanceof Duration ? SPAN_PARTS[name]?.(value.ms) : undefined
  })
}
