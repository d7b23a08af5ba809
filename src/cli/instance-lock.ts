/**
 * One edge to a data directory: a file in it names the process that owns it. Two edges would move each
 * other's checkpoints and send each other's staged objects. A process that was killed leaves its file
 * behind; whether the owner still lives is asked of the kernel, by process id and start time.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CommandError } from './io.ts'

interface Owner {
  readonly pid: number
  /** When it was started, in the kernel's ticks since boot: tells it from a later process of the same id. */
  readonly started: number
}

/**
 * Takes the directory for this process. The result gives it back; a process that ends without doing
 * so is noticed by the next one.
 *
 * @throws CommandError when a living process has it
 */
export function lockDirectory(directory: string): () => void {
  const file = join(directory, 'edge.lock')
  const mine = join(directory, `edge.lock.${process.pid}`)
  const me: Owner = { pid: process.pid, started: startOf(process.pid) ?? 0 }
  writeFileSync(mine, JSON.stringify(me), { mode: 0o600 })
  try {
    // A hard link is made whole or not at all, and never over another file.
    while (!isDone(() => linkSync(mine, file))) dispossess(file, `${mine}.old`, directory)
  } finally {
    rmSync(mine, { force: true })
  }
  return () => {
    const owner = read(file)
    if (owner?.pid === me.pid && owner.started === me.started) rmSync(file, { force: true })
  }
}

/** Puts a dead owner's file aside. Throws if the owner lives. */
function dispossess(file: string, aside: string, directory: string): void {
  const refuse = (owner: Owner) => {
    throw new CommandError(
      `the data directory ${directory} belongs to another edge that runs, with process id ${owner.pid}; stop it first, or give this one its own data_dir`,
    )
  }
  const owner = read(file)
  if (owner && lives(owner)) refuse(owner)
  try {
    renameSync(file, aside)
  } catch {
    // Another one was faster with it.
    return
  }
  // Between the look and the move another edge may have come and taken the dead one's place.
  const moved = read(aside)
  if (moved && lives(moved)) {
    isDone(() => linkSync(aside, file))
    rmSync(aside, { force: true })
    refuse(moved)
  }
  rmSync(aside, { force: true })
}

function lives({ pid, started }: Owner): boolean {
  return startOf(pid) === started
}

/** Undefined for a file that is not there, or that a full disk cut off. */
function read(file: string): Owner | undefined {
  try {
    const { pid, started } = JSON.parse(readFileSync(file, 'utf8'))
    return Number.isInteger(pid) && Number.isInteger(started) ? { pid, started } : undefined
  } catch {
    return undefined
  }
}

/** Start time of a process in ticks since boot; undefined where there is none, or it is a zombie. */
function startOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name, in parentheses, may hold anything; fields count from behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : Number(fields[19])
  } catch {
    return undefined
  }
}

/** False where the file is already there. */
function isDone(link: () => void): boolean {
  try {
    link()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}
