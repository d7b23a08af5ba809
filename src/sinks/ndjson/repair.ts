/**
 * The end of a file that another run left behind. A crash or a power cut can leave half a line, or
 * zeros; what is appended after it must not become part of that.
 */
import type { FileHandle } from 'node:fs/promises'
import { isObject } from '../../record/json.ts'

export interface Repaired {
  /** Bytes of the file now. */
  readonly size: number
  /** Bytes of a torn line that were cut off; 0 when the end was whole. */
  readonly torn: number
}

const NEWLINE = 0x0a
const STEP = 64 * 1024
/** Beyond this, what stands at the end is no line that the edge wrote. */
const LONGEST = 64 * 1024 * 1024

/**
 * Makes a file end in a newline. A last line that is half a JSON object, or zeros, is cut off: no
 * receipt was ever given for it. A last line that is whole, or no JSON at all, gets its newline.
 */
export async function repairEnd(handle: FileHandle): Promise<Repaired> {
  const { size } = await handle.stat()
  if (size === 0) return { size, torn: 0 }
  const parts: Buffer[] = []
  let start = size
  while (start > 0 && size - start < LONGEST) {
    const length = Math.min(STEP, start)
    const part = Buffer.alloc(length)
    const { bytesRead } = await handle.read(part, 0, length, start - length)
    if (bytesRead !== length) throw new Error('the file became shorter while its end was read')
    const newline = part.lastIndexOf(NEWLINE)
    if (newline >= 0) {
      start -= length - newline - 1
      parts.unshift(part.subarray(newline + 1))
      break
    }
    start -= length
    parts.unshift(part)
  }
  const tail = Buffer.concat(parts)
  if (tail.length === 0) return { size, torn: 0 }
  if (isTorn(tail)) {
    await handle.truncate(start)
    return { size: start, torn: tail.length }
  }
  await handle.write('\n')
  return { size: size + 1, torn: 0 }
}

function isTorn(tail: Buffer): boolean {
  if (tail.length >= LONGEST) return false
  const first = tail.find(byte => byte !== 0)
  if (first === undefined) return true
  if (first !== 0x7b) return false
  try {
    return !isObject(JSON.parse(tail.toString()))
  } catch {
    return true
  }
}
