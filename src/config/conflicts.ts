/**
 * Finds what would fail only when the edge starts: two listeners on one address, two sinks in one
 * file, directories that cannot be written and files that are not there.
 */
import { accessSync, constants, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import {
  type Address,
  type AddressScheme,
  formatAddress,
  parseAddress,
} from '../component/address.ts'
import type { Findings } from './diagnose.ts'
import { type Environment, readingProblem } from './interpolate.ts'
import {
  eachScalar,
  entryOf,
  type Located,
  type LocatedMap,
  type LocatedScalar,
  type Place,
} from './located.ts'
import { eachOfUnit } from './shown.ts'
import type { Declared, EdgeOptions } from './validate.ts'

const SCHEMES: readonly AddressScheme[] = ['tcp', 'tls', 'udp', 'unix', 'unixgram']

interface Listener {
  readonly owner: string
  readonly path: readonly string[]
  readonly address: Address
  readonly shown: string
  readonly at: Place
}

/** Reports listeners that would be in each other's way. */
export function checkListeners(
  components: readonly Declared[],
  edge: EdgeOptions | undefined,
  tree: LocatedMap,
  findings: Findings,
): void {
  const listeners: Listener[] = []
  if (edge?.api.listen) {
    const node = entryOf(entryOf(tree, 'api')?.value, 'listen')?.value
    const scalar = node?.kind === 'scalar' ? node : undefined
    const shown = shownAddress(edge.api.listen, scalar)
    const at = scalar ?? { start: -1, end: -1 }
    listeners.push({ owner: 'api', path: ['api', 'listen'], address: edge.api.listen, shown, at })
  }
  for (const { component, options, node, keyPlace, section, id } of components) {
    if (!component || options === undefined) continue
    // biome-ignore lint/suspicious/noExplicitAny: only the component knows the shape of its options
    for (const address of component.listens?.(options as any) ?? []) {
      const scalar = scalarOf(node, address)
      listeners.push({
        owner: `${section}.${id}`,
        path: [section, id],
        address,
        shown: shownAddress(address, scalar),
        at: scalar ?? keyPlace,
      })
    }
  }
  listeners.sort((a, b) => a.at.start - b.at.start)
  for (const [i, later] of listeners.entries()) {
    const earlier = listeners.slice(0, i).find(other => overlap(other.address, later.address))
    if (!earlier) continue
    const where =
      earlier.at.start < 0
        ? 'the default of "api.listen"'
        : `${earlier.owner} on line ${findings.position(earlier.at.start).line}`
    findings.add({
      code: 'SCOPE_CONFIG_CONFLICT',
      at: later.at,
      path: later.path,
      message: `${later.shown} is already taken by ${where}${earlier.shown === later.shown ? '' : ` (${earlier.shown})`}`,
      hint: 'path' in later.address ? 'Use another path.' : 'Use another port or another address.',
    })
  }
}

/** The scalar of a component that gave an address. */
function scalarOf(node: Located, address: Address): LocatedScalar | undefined {
  const wanted = formatAddress(address)
  let found: LocatedScalar | undefined
  eachScalar(node, scalar => {
    if (found || typeof scalar.value !== 'string') return
    try {
      if (formatAddress(parseAddress(scalar.value, SCHEMES)) === wanted) found = scalar
    } catch {
      // Most scalars are no addresses.
    }
  })
  return found
}

function shownAddress(address: Address, scalar: LocatedScalar | undefined): string {
  return scalar?.segments ? scalar.text : formatAddress(address)
}

/** Whether two listeners cannot both be bound. */
function overlap(a: Address, b: Address): boolean {
  if ('path' in a || 'path' in b) {
    return (
      'path' in a &&
      'path' in b &&
      (a.path === b.path || (a.path[0] === '/' && resolve(a.path) === resolve(b.path)))
    )
  }
  if (a.port !== b.port || a.port === 0) return false
  if ((a.scheme === 'udp') !== (b.scheme === 'udp')) return false
  const [first, second] = [plainHost(a.host), plainHost(b.host)]
  if (first === second) return true
  // "::" takes IPv4 too, so it stands in the way of every address; 0.0.0.0 only of IPv4's.
  if (first === '::' || second === '::') return true
  const v6 = (host: string) => host.includes(':')
  return (first === '0.0.0.0' && !v6(second)) || (second === '0.0.0.0' && !v6(first))
}

function plainHost(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host.toLowerCase()
}

/** Reports paths that cannot be written, and files that two sinks would write at once. */
export function checkWrites(
  components: readonly Declared[],
  edge: EdgeOptions | undefined,
  tree: LocatedMap,
  environment: Environment,
  findings: Findings,
): void {
  const absolute = (path: string) => resolve(environment.directory, path)
  if (edge) {
    const node = entryOf(tree, 'data_dir')
    const problem = unwritable(absolute(edge.data_dir))
    if (problem) {
      findings.add({
        code: 'SCOPE_CONFIG_PATH',
        at: node?.value ?? tree,
        path: ['data_dir'],
        message: `the edge cannot write here: ${hidden(problem, node?.value)}`,
      })
    }
  }
  const files = new Map<string, Declared>()
  for (const declared of components) {
    const { component, options, node, keyPlace, section, id } = declared
    if (!component || options === undefined) continue
    const at = (path: string) => scalarNaming(node, path) ?? keyPlace
    // biome-ignore lint/suspicious/noExplicitAny: only the component knows the shape of its options
    for (const path of component.writes?.(options as any) ?? []) {
      const problem = unwritable(absolute(path))
      if (!problem) continue
      findings.add({
        code: 'SCOPE_CONFIG_PATH',
        at: at(path),
        path: [section, id],
        message: `"${hidden(path, node)}" cannot be written: ${hidden(problem, node)}`,
      })
    }
    const target = entryOf(node, 'path')?.value
    if (declared.kind !== 'sink' || target?.kind !== 'scalar' || target.failed) continue
    if (!component.writes) continue
    const base = entryOf(node, 'directory')?.value
    const directory = base?.kind === 'scalar' ? String(base.value ?? '') : ''
    const file = resolve(absolute(directory), String(target.value))
    const other = files.get(file)
    if (other) {
      findings.add({
        code: 'SCOPE_CONFIG_CONFLICT',
        at: target,
        path: [section, id, 'path'],
        message: `${other.section}.${other.id} on line ${findings.position(other.keyPlace.start).line} writes the same file`,
        hint: 'Give each sink a path of its own, or one sink both inputs.',
      })
    } else files.set(file, declared)
  }
}

/** The scalar that a path came from: the one that starts with it, or that it starts with. */
function scalarNaming(node: Located, path: string): LocatedScalar | undefined {
  let found: LocatedScalar | undefined
  eachScalar(node, scalar => {
    if (found || typeof scalar.value !== 'string' || scalar.value === '') return
    const plain = path.replace(/\/+$/, '')
    if (scalar.value.startsWith(plain) || resolve(scalar.value) === resolve(path)) found = scalar
  })
  return found
}

/** Text with what came from outside the file replaced by the `${…}` that it came for. */
function hidden(text: string, node: Located | undefined): string {
  if (!node) return text
  const pieces: [string, string][] = []
  eachScalar(node, scalar => {
    if (scalar.outside?.length) {
      for (const segment of scalar.segments ?? []) {
        if (segment.literal) continue
        const value = String(scalar.value).slice(segment.valueStart, segment.valueEnd)
        pieces.push([value, scalar.text.slice(segment.textStart, segment.textEnd)])
      }
    }
  })
  return pieces
    .filter(([value]) => value !== '')
    .sort((a, b) => b[0].length - a[0].length)
    .reduce((shown, [value, source]) => shown.replaceAll(value, source), text)
}

/** Why a path cannot be written, looking at the nearest part of it that exists; undefined if it can. */
function unwritable(path: string): string | undefined {
  for (let at = path; ; at = dirname(at)) {
    try {
      const about = statSync(at)
      const missing = at !== path
      if (missing && !about.isDirectory()) return `${at} is a file, not a directory`
      accessSync(at, constants.W_OK | (about.isDirectory() ? constants.X_OK : 0))
      return undefined
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if ((code === 'ENOENT' || code === 'ENOTDIR') && dirname(at) !== at) continue
      if (code === 'EROFS') return `${at} is on a read-only file system`
      return code === 'EACCES' || code === 'EPERM'
        ? `no permission to write in ${at}`
        : `${at}: ${readingProblem(error)}`
    }
  }
}

/** Reports files that a component needs and that are not there: certificates, keys. */
export function checkFiles(
  components: readonly Declared[],
  environment: Environment,
  findings: Findings,
): void {
  for (const { component, node, section, id } of components) {
    if (!component) continue
    eachOfUnit(component.options, node, 'file', (scalar, path) => {
      if (scalar.failed || typeof scalar.value !== 'string' || scalar.value === '') return
      const problem = unreadable(resolve(environment.directory, scalar.value))
      if (!problem) return
      const name = scalar.segments ? scalar.text : scalar.value
      findings.add({
        code: 'SCOPE_CONFIG_PATH',
        at: scalar,
        path: [section, id, ...path],
        message: `the file "${name}" cannot be read: ${problem}`,
      })
    })
  }
}

function unreadable(path: string): string | undefined {
  try {
    if (statSync(path).isDirectory()) return 'it is a directory'
    accessSync(path, constants.R_OK)
    return undefined
  } catch (error) {
    return readingProblem(error)
  }
}
