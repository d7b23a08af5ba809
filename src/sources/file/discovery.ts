/**
 * Which files the patterns mean, as the directories are now. Directories behind symbolic links are
 * not entered by wildcards, and a link to a file counts only if the file lies below the directory
 * that the pattern names: so loops end, and no one leads the edge to a file that was not meant.
 */
import { type BigIntStats, type Dirent, lstatSync, readdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type Branch, type Glob, matchesName, matchesPath, type Segment } from './glob.ts'
import { codeOf, type Once, reasonOf } from './once.ts'
import { type Found, keyOf, kindOf, liesBelow } from './regular-file.ts'

export interface Scan {
  /** Each file once, even where several names lead to it. */
  readonly files: ReadonlyMap<string, Found>
  /** Directories that were looked into. */
  readonly directories: readonly string[]
}

export class Discovery {
  readonly #include: readonly Glob[]
  readonly #exclude: readonly Glob[]
  readonly #once: Once

  constructor(include: readonly Glob[], exclude: readonly Glob[], once: Once) {
    this.#include = include
    this.#exclude = exclude
    this.#once = once
  }

  /** Looks at every directory that a pattern leads to. Unreadable ones are told once and left out. */
  scan(): Scan {
    const files = new Map<string, Found>()
    const seen = new Set<string>()
    const walk = new Walk(this.#once)
    for (const { branches } of this.#include) {
      for (const branch of branches) {
        const within = this.#resolve(branch)
        if (within === undefined) continue
        for (const path of walk.paths(branch)) {
          if (seen.has(path)) continue
          seen.add(path)
          if (this.#excluded(path)) continue
          const found = this.#look(path, within, walk)
          if (found && !files.has(keyOf(found.stats))) files.set(keyOf(found.stats), found)
        }
      }
    }
    return { files, directories: walk.directories }
  }

  /** Whether a path is one that a scan would take, were there a file. */
  means(path: string): boolean {
    return this.#include.some(glob => matchesPath(glob, path)) && !this.#excluded(path)
  }

  /** Finds files by device and inode in the directories where they were last: after a rename. */
  renamed(lost: Iterable<{ key: string; path: string }>): Map<string, Found> {
    const byDirectory = new Map<string, Set<string>>()
    for (const { key, path } of lost) {
      const keys = byDirectory.get(dirname(path))
      if (keys) keys.add(key)
      else byDirectory.set(dirname(path), new Set([key]))
    }
    const result = new Map<string, Found>()
    for (const [directory, keys] of byDirectory) {
      let names: string[]
      let within: string
      try {
        names = readdirSync(directory)
        within = realpathSync(directory)
      } catch {
        continue
      }
      for (const name of names) {
        const path = join(directory, name)
        const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false })
        if (!stats?.isFile() || !keys.has(keyOf(stats))) continue
        result.set(keyOf(stats), { path, real: join(within, name), within, stats })
      }
    }
    return result
  }

  #excluded(path: string): boolean {
    return this.#exclude.some(glob => matchesPath(glob, path, true))
  }

  #resolve(branch: Branch): string | undefined {
    try {
      const real = realpathSync(branch.base)
      this.#once.over('directory_missing', branch.base)
      return real
    } catch (error) {
      this.#once.warn(
        'directory_missing',
        branch.base,
        codeOf(error) === 'ENOENT'
          ? `The directory ${branch.base} does not exist yet; its files will be taken once it does.`
          : `The directory ${branch.base} cannot be reached: ${reasonOf(error)}.`,
      )
      return undefined
    }
  }

  #look(path: string, within: string, walk: Walk): Found | undefined {
    try {
      let stats: BigIntStats | undefined = lstatSync(path, { bigint: true, throwIfNoEntry: false })
      if (!stats) {
        if (basename(path).includes('\ufffd')) {
          this.#once.warn(
            'unreadable_name',
            path,
            `The name of ${path} is not valid UTF-8; rename it.`,
          )
        }
        return undefined
      }
      if (stats.isDirectory()) return undefined
      const real = stats.isSymbolicLink() ? realpathSync(path) : walk.real(path)
      if (!liesBelow(real, within)) {
        this.#once.warn(
          'link_leads_out',
          path,
          `${path} leads to ${real}, outside ${within}, and is left alone; include that place itself if it is meant.`,
        )
        return undefined
      }
      if (stats.isSymbolicLink()) stats = lstatSync(real, { bigint: true })
      if (stats.isFile()) return { path, real, within, stats }
      if (!stats.isDirectory()) {
        this.#once.warn(
          'not_regular',
          path,
          `${path} is a ${kindOf(stats)}, not a regular file, and is left alone.`,
        )
      }
    } catch (error) {
      // Deleted between the two looks: no news.
      if (codeOf(error) === 'ENOENT' && !isLink(path)) return undefined
      this.#once.warn('unreachable', path, `${path} cannot be reached: ${reasonOf(error)}.`)
    }
    return undefined
  }
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false
}

/** One walk over the file system; each directory is read once, whatever number of patterns meet there. */
class Walk {
  readonly #once: Once
  readonly #entries = new Map<string, readonly Dirent[]>()
  readonly #real = new Map<string, string>()
  /** Where the branch at hand has been, so that two `**` in a pattern do not multiply. */
  readonly #visited = new Set<string>()

  constructor(once: Once) {
    this.#once = once
  }

  get directories(): string[] {
    return [...this.#entries.keys()]
  }

  /** A path that is no link itself, with the links in its directory resolved. */
  real(path: string): string {
    const directory = dirname(path)
    let real = this.#real.get(directory)
    if (real === undefined) {
      real = realpathSync(directory)
      this.#real.set(directory, real)
    }
    return join(real, basename(path))
  }

  *paths(branch: Branch): Generator<string> {
    this.#visited.clear()
    yield* this.#below(branch.base, branch.below, 0)
  }

  *#below(directory: string, segments: readonly Segment[], at: number): Generator<string> {
    const place = `${at} ${directory}`
    if (this.#visited.has(place)) return
    this.#visited.add(place)
    const segment = segments[at] as Segment
    const last = at === segments.length - 1
    if (segment.kind === 'name') {
      const path = join(directory, segment.name)
      if (last) {
        this.#read(directory)
        yield path
      } else yield* this.#below(path, segments, at + 1)
      return
    }
    // `**` stands for no directory as well.
    if (segment.kind === 'deep' && !last) yield* this.#below(directory, segments, at + 1)
    for (const entry of this.#read(directory)) {
      if (!matchesName(segment, entry.name)) continue
      const path = join(directory, entry.name)
      if (!entry.isDirectory()) {
        if (last) yield path
      } else if (segment.kind === 'deep') yield* this.#below(path, segments, at)
      else if (!last) yield* this.#below(path, segments, at + 1)
    }
  }

  #read(directory: string): readonly Dirent[] {
    let entries = this.#entries.get(directory)
    if (entries) return entries
    try {
      entries = readdirSync(directory, { withFileTypes: true })
      this.#once.over('directory_unreadable', directory)
    } catch (error) {
      entries = []
      if (!['ENOENT', 'ENOTDIR'].includes(codeOf(error))) {
        this.#once.warn(
          'directory_unreadable',
          directory,
          `The directory ${directory} cannot be read: ${reasonOf(error)}.`,
        )
      }
    }
    this.#entries.set(directory, entries)
    return entries
  }
}
