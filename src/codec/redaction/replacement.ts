/** What takes the place of a match: a template with its pattern's name, a keyed hash, or a mask. */
import { createHmac } from 'node:crypto'
import type { Secret } from '../../component/options.ts'

export type Replacement =
  /** Text in which `{name}` stands for the pattern's name. */
  | { readonly template: string }
  /** HMAC-SHA256 of the match in hex, its first `length` digits: equal secrets stay recognisable as equal. */
  | { readonly hash: Secret; readonly length: number }
  /** The last characters stay, at most half of the match; each other becomes the mask. */
  | { readonly keepLast: number; readonly mask: string }

/** What is put where a pattern matched. */
export function replace(replacement: Replacement, name: string, match: string): string {
  if ('template' in replacement) return replacement.template.replaceAll('{name}', () => name)
  if ('hash' in replacement) {
    const digest = createHmac('sha256', replacement.hash.reveal()).update(match).digest('hex')
    return `<${name}:${digest.slice(0, replacement.length)}>`
  }
  const characters = Array.from(match)
  const kept = Math.min(replacement.keepLast, characters.length >> 1)
  const masked = characters.length - kept
  return replacement.mask.repeat(masked) + characters.slice(masked).join('')
}
