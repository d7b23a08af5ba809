/**
 * The kinds of option that components share, each a zod type that reads what users write (`5s`,
 * `16MiB`, `tcp://host:port`, a field path) and says what was wrong with what it could not read.
 * Every field also needs `.describe('…')`; `.meta({ examples: […] })` where a default does not show it.
 */
import { z } from 'zod'
import { type Path, PathError, parsePath } from '../record/path.ts'
import { type Address, AddressError, type AddressScheme, parseAddress } from './address.ts'

/** Milliseconds of each unit that a duration may end in. */
const DURATION_UNITS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}
const SIZE_UNITS: Record<string, number> = {
  B: 1,
  kB: 1000,
  KiB: 1024,
  MB: 1e6,
  MiB: 1024 ** 2,
  GB: 1e9,
  GiB: 1024 ** 3,
  TB: 1e12,
  TiB: 1024 ** 4,
}

/** Adds an issue at a place inside the scalar, so that the caret points at it. */
export function problem(
  context: {
    addIssue(issue: { code: 'custom'; message: string; params?: object; input?: unknown }): void
  },
  message: string,
  offset?: number,
  length?: number,
): never {
  context.addIssue({ code: 'custom', message, params: { offset, length } })
  return z.NEVER
}

/** A duration such as `250ms`, `5s`, `1m30s` or `7d`; milliseconds once read. */
export function duration() {
  return z
    .string()
    .transform((text, context) => {
      const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)]
      if (parts.length === 0 || parts.map(part => part[0]).join('') !== text) {
        return problem(
          context,
          `"${text}" is not a duration; write a number and a unit (ms, s, m, h, d), as in 5s or 1m30s`,
        )
      }
      return parts.reduce(
        (sum, part) => sum + Number(part[1]) * (DURATION_UNITS[part[2] as string] as number),
        0,
      )
    })
    .meta({ unit: 'duration', examples: ['5s'] })
}

/** A size such as `64KiB`, `16MiB` or `1GB`; bytes once read. */
export function size() {
  return z
    .union([z.string(), z.int().nonnegative()])
    .transform((value, context) => {
      if (typeof value === 'number') return value
      const match = /^(\d+(?:\.\d+)?)\s*(B|kB|KiB|MB|MiB|GB|GiB|TB|TiB)?$/.exec(value)
      if (!match) {
        return problem(
          context,
          `"${value}" is not a size; write a number and a unit (B, kB, KiB, MB, MiB, GB, GiB, TB, TiB), as in 16MiB`,
        )
      }
      return Math.round(Number(match[1]) * (SIZE_UNITS[match[2] ?? 'B'] as number))
    })
    .meta({ unit: 'size', examples: ['16MiB'] })
}

/** An address with one of the given schemes. */
export function address(...schemes: AddressScheme[]) {
  return z
    .string()
    .transform((text, context): Address => {
      try {
        return parseAddress(text, schemes)
      } catch (error) {
        if (!(error instanceof AddressError)) throw error
        return problem(context, error.message)
      }
    })
    .meta({ unit: 'address' })
}

/** A field path such as `data.http_target`. */
export function fieldPath() {
  return z
    .string()
    .transform((text, context): Path => {
      try {
        return parsePath(text)
      } catch (error) {
        if (!(error instanceof PathError)) throw error
        return problem(context, error.message, error.offset)
      }
    })
    .meta({ unit: 'field path', examples: ['data.http_target'] })
}

/** A value that must never be shown: logs, errors, describe and tap print `***`. */
export class Secret {
  readonly #value: string
  constructor(value: string) {
    this.#value = value
  }
  /** The value itself; only for the place that sends or compares it. */
  reveal(): string {
    return this.#value
  }
  toString(): string {
    return '***'
  }
  toJSON(): string {
    return '***'
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '***'
  }
}

/** A secret; best written as `${file:/path}` or `${VAR}`. */
export function secret() {
  return z
    .string()
    .min(1)
    .transform(text => new Secret(text))
    .meta({ unit: 'secret', examples: ['${file:/run/secrets/token}'] })
}
