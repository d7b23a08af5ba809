/**
 * Names of finished files: `errors.ndjson` becomes `errors.000001.ndjson`, the next one `.000002`.
 * A number once given never changes, so that whoever ships the files sees each under one name, and
 * numbers need no clock to tell which is older.
 */
import { lstat, rename, unlink } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { codeOf, ignore, type Place } from './place.ts'

/** A file name in two: what stands before the number, and what after. */
function split(path: string): { stem: string; ending: string } {
  const name = basename(path)
  const packed = /\.(gz|zst)$/.exec(name)?.[0] ?? ''
  const bare = name.slice(0, name.length - packed.length)
  const ending = extname(bare)
  return { stem: bare.slice(0, bare.length - ending.length), ending: ending + packed }
}

/** The numbers in use, from small to great. */
async function numbersOf(path: string, place: Place): Promise<number[]> {
  const { stem, ending } = split(path)
  const numbers: number[] = []
  for (const name of await place.namesBeside(path)) {
    if (!name.startsWith(`${stem}.`) || !name.endsWith(ending)) continue
    const middle = name.slice(stem.length + 1, name.length - ending.length)
    if (/^\d{6,15}$/.test(middle)) numbers.push(Number(middle))
  }
  return numbers.sort((a, b) => a - b)
}

function numbered(path: string, number: number): string {
  const { stem, ending } = split(path)
  return join(dirname(path), `${stem}.${String(number).padStart(6, '0')}${ending}`)
}

/** Moves a file to the next free number of a path; gives the new name, or undefined if it is gone. */
export async function setAside(
  file: string,
  path: string,
  place: Place,
): Promise<string | undefined> {
  const numbers = await numbersOf(path, place)
  const target = numbered(path, (numbers.at(-1) ?? 0) + 1)
  try {
    await rename(file, target)
    return target
  } catch (error) {
    ignore('ENOENT')(error)
    return undefined
  }
}

/** Gives a finished file its path, or the next number where there is a file of that name already. */
export async function publish(
  file: string,
  path: string,
  place: Place,
): Promise<string | undefined> {
  try {
    await lstat(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    try {
      await rename(file, path)
      return path
    } catch (gone) {
      ignore('ENOENT')(gone)
      return undefined
    }
  }
  return setAside(file, path, place)
}

/** Removes all numbered files of a path but the newest ones; gives how many went. */
export async function prune(path: string, keep: number, place: Place): Promise<number> {
  const numbers = await numbersOf(path, place)
  const old = numbers.slice(0, Math.max(0, numbers.length - keep))
  for (const number of old) await unlink(numbered(path, number)).catch(ignore('ENOENT'))
  return old.length
}
