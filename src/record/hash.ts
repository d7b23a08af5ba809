/** Fast hashes of text (xxHash): to tell values apart and to spread them, never to protect them. */
import xxhash from 'xxhash-wasm'

const { h32, h64 } = await xxhash()

/** 32 bits, as a number from 0 to 2^32 - 1. */
export function hash32(text: string): number {
  return h32(text)
}

/** 64 bits. */
export function hash64(text: string): bigint {
  return h64(text)
}

/** A text that stands for another in a table of keys: itself while short, else its hash. */
export function compactKey(text: string): string {
  return text.length <= 128 ? text : `#${text.length}:${h64(text).toString(36)}`
}
