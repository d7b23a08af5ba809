/**
 * The patterns of secrets and personal data that redaction knows by name. Each says cheaply whether a
 * text can hold a match at all (`may`), and finds its matches in time linear in the value (`find`):
 * by hand from a landmark, or by a V8 expression without nested or adjoining repetitions.
 */
import { isIPv6 } from 'node:net'
import type { PatternRange } from '../pattern.ts'
import { findCards } from './card.ts'
import { findEmails } from './email.ts'
import { findIbans } from './iban.ts'
import { BASE64, DIGIT_GROUPS, HEX_AND_COLON, hasRun } from './runs.ts'

export interface RedactionPattern {
  readonly name: string
  /**
   * False only if no part of the text can match. Also asked of whole lines of JSON, and of blocks of
   * them, so it may only look at characters that stand for themselves there.
   */
  may(text: string): boolean
  /** Ranges that match in a decoded value, in order. Undefined if it was given up: mask all of it. */
  find(value: string): PatternRange[] | undefined
}

/** Finds by expression; `check` looks at what was found. The range is that of group 1, if there is one. */
function byExpression(
  expression: RegExp,
  check: (found: string, whole: string) => boolean = () => true,
): (value: string) => PatternRange[] {
  return value => {
    const ranges: PatternRange[] = []
    expression.lastIndex = 0
    for (;;) {
      const match = expression.exec(value)
      if (!match) return ranges
      const found = match[1] ?? match[0]
      const end = expression.lastIndex
      if (check(found, match[0])) ranges.push({ start: end - found.length, end })
    }
  }
}

// Linear: fixed parts and alternatives that differ in their first characters; at most 15 characters.
// Not after a letter or digit (`v1.2.3.4`), nor as part of more than four numbers (`1.2.3.4.5`).
const IPV4 =
  /(?<![\w]|\d\.)(?:(?:25[0-5]|2[0-4]\d|[01]?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|[01]?\d?\d)(?!\w|\.\d)/g
const MAY_IPV4 = /\d\.\d{1,3}\.\d{1,3}\.\d/

// Linear: one class, repeated; a run is read once. What it means is judged by node:net.
const IPV6_RUN = /[0-9A-Fa-f:.]{3,}/g
const LONG_IPV6 = /(?:[0-9A-Fa-f]{1,4}:){6}/

/** Two colons next to something that is not zero (`0::/` is no host), or all of the groups. */
function mayIpv6(text: string): boolean {
  for (let at = text.indexOf('::'); at >= 0; at = text.indexOf('::', at + 1)) {
    if (/[0-9A-Fa-f]/.test(text.charAt(at + 2))) return true
    if (/[1-9A-Fa-f][0-9A-Fa-f]{0,3}$/.test(text.slice(Math.max(0, at - 4), at))) return true
  }
  return hasRun(text, HEX_AND_COLON, 13, run => LONG_IPV6.test(run))
}

function findIpv6(value: string): PatternRange[] {
  const ranges: PatternRange[] = []
  IPV6_RUN.lastIndex = 0
  for (;;) {
    const match = IPV6_RUN.exec(value)
    if (!match) return ranges
    const start = match.index
    // A full stop or colon at the end belongs to the sentence.
    const text = match[0].replace(/(?:(?<!:):|\.)$/, '')
    const end = start + text.length
    // Without a digit it is more likely a name such as `dead::beef`; of zeros only, it is no host.
    if (text.length > 45 || !/[1-9]/.test(text) || !text.includes(':')) continue
    if (/\w/.test(value.charAt(start - 1)) || /\w/.test(value.charAt(end))) continue
    if (isIPv6(text)) ranges.push({ start, end })
  }
}

// Linear: the blank is bounded, and nothing after the one open-ended class can fail.
const BEARER = /\b(?:bearer|basic)(?:\s|%20|\+|:){1,8}([\w.~+/-]{8,}={0,2})/gi

function isCredential(token: string, whole: string): boolean {
  if (/^b(?:earer)/i.test(whole)) return token.length >= 20 || /\d/.test(token)
  // What Basic carries is user:password in base64; this keeps "basic information" readable.
  return Buffer.from(token, 'base64').includes(0x3a)
}

// Linear: a fixed length between characters of other classes.
const AWS_ACCESS_KEY = /(?<![A-Za-z0-9])A(?:KI|SI|BI|CC)A[A-Z0-9]{16}(?![A-Za-z0-9])/g
const AWS_SECRET_KEY = /(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])/g

/** Forty characters are a key if they look drawn at random: no digest in hex, no path, no word. */
function isRandom(text: string): boolean {
  if (!/[a-z]/.test(text) || !/[A-Z]/.test(text) || !/\d/.test(text)) return false
  const counts = new Map<string, number>()
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values())
    bits -= (count / text.length) * Math.log2(count / text.length)
  return bits >= 4
}

const JWT_SEGMENT = /[\w-]*/y

// Linear: where a segment does not end in a dot, no other start within it can do better, so it is
// skipped as a whole.
function findJwts(value: string): PatternRange[] {
  const ranges: PatternRange[] = []
  const segmentEnd = (at: number) => {
    JWT_SEGMENT.lastIndex = at
    JWT_SEGMENT.test(value)
    return JWT_SEGMENT.lastIndex
  }
  let at = 0
  for (;;) {
    const start = value.indexOf('eyJ', at)
    if (start < 0) return ranges
    const header = segmentEnd(start)
    at = header
    if (value[header] !== '.' || header - start < 8) continue
    const payload = segmentEnd(header + 1)
    if (value[payload] !== '.' || payload - header < 6) continue
    let end = segmentEnd(payload + 1)
    // An encrypted token has five segments.
    while (value[end] === '.' && segmentEnd(end + 1) > end + 1) end = segmentEnd(end + 1)
    ranges.push({ start, end })
    at = end
  }
}

const KEY_BEGINS = /-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----/g
const KEY_ENDS = /-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----/g

// Linear: each search goes on where the one before it ended. A key that was cut off is one, too.
function findPrivateKeys(value: string): PatternRange[] {
  const ranges: PatternRange[] = []
  KEY_BEGINS.lastIndex = 0
  for (;;) {
    const begin = KEY_BEGINS.exec(value)
    if (!begin) return ranges
    KEY_ENDS.lastIndex = KEY_BEGINS.lastIndex
    const end = KEY_ENDS.test(value) ? KEY_ENDS.lastIndex : value.length
    ranges.push({ start: begin.index, end })
    KEY_BEGINS.lastIndex = end
  }
}

export const BUILTIN_NAMES = [
  'email',
  'card',
  'ipv4',
  'ipv6',
  'iban',
  'bearer',
  'aws_access_key',
  'aws_secret_key',
  'jwt',
  'private_key',
] as const
export type BuiltinName = (typeof BUILTIN_NAMES)[number]

const MAY_CARD = /[2-9](?:[ -]?\d){12}/
const MAY_IBAN = /[A-Z]{2}\d{2}[ -]?[A-Z0-9]{2}/
const MAY_BEARER = /b(?:earer|asic)(?:\s|%20|\+|:|\\)/i
const MAY_AWS_ACCESS_KEY = /A(?:KI|SI|BI|CC)A[A-Z0-9]{16}/

const BUILTINS: Record<BuiltinName, Omit<RedactionPattern, 'name'>> = {
  email: { may: text => text.includes('@') || text.includes('%40'), find: findEmails },
  card: {
    may: text => hasRun(text, DIGIT_GROUPS, 13, run => MAY_CARD.test(run)),
    find: findCards,
  },
  ipv4: {
    may: text => MAY_IPV4.test(text),
    // N.0.0.0 is a network or a browser's version (Chrome/120.0.0.0), never a host.
    find: byExpression(IPV4, found => !found.endsWith('.0.0.0')),
  },
  ipv6: { may: mayIpv6, find: findIpv6 },
  iban: { may: text => MAY_IBAN.test(text), find: findIbans },
  bearer: { may: text => MAY_BEARER.test(text), find: byExpression(BEARER, isCredential) },
  aws_access_key: {
    may: text => MAY_AWS_ACCESS_KEY.test(text),
    find: byExpression(AWS_ACCESS_KEY),
  },
  aws_secret_key: {
    may: text => hasRun(text, BASE64, 40),
    find: byExpression(AWS_SECRET_KEY, isRandom),
  },
  jwt: { may: text => text.includes('eyJ'), find: findJwts },
  private_key: { may: text => text.includes('PRIVATE KEY'), find: findPrivateKeys },
}

/** A built-in pattern by name. */
export function builtinPattern(name: BuiltinName): RedactionPattern {
  return { name, ...BUILTINS[name] }
}

/** All built-in patterns. */
export function allBuiltinPatterns(): RedactionPattern[] {
  return BUILTIN_NAMES.map(builtinPattern)
}
