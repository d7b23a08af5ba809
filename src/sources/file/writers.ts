/**
 * Which files some process still has open for writing, as far as /proc tells: processes of other users
 * show it only to root, and the kernel's own writing of a core file never shows.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Open files that are looked at, at most, so that a machine with very many is not held up. */
const MOST_LINKS = 20_000
const ACCESS_MODE = 0o3

/** @param paths absolute, with links resolved */
export function openForWriting(paths: ReadonlySet<string>): Set<string> {
  const written = new Set<string>()
  let left = paths.size === 0 ? 0 : MOST_LINKS
  for (const pid of left > 0 ? list('/proc') : []) {
    if (!/^\d+$/.test(pid)) continue
    for (const fd of list(`/proc/${pid}/fd`)) {
      if (left-- <= 0) return written
      const path = targetOf(`/proc/${pid}/fd/${fd}`)
      if (path !== undefined && paths.has(path) && writes(`/proc/${pid}/fdinfo/${fd}`)) {
        written.add(path)
      }
    }
  }
  return written
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link)
  } catch {
    return undefined
  }
}

function writes(info: string): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(info, 'utf8'))
    return flags !== null && (Number.parseInt(flags[1] as string, 8) & ACCESS_MODE) !== 0
  } catch {
    return false
  }
}
