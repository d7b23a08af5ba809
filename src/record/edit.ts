/**
 * Edits on the text of a line that holds a JSON object: what is not touched keeps its exact bytes
 * (2^53+1, 1.0, key order, escapes). Keys match by what they decode to; of duplicate keys a removal
 * takes all, and `set` leaves only the last, which is the one that JSON.parse sees.
 */

import type { JsonValue } from './json.ts'
import {
  applySplices,
  decodeString,
  isArrayAt,
  isCloseAt,
  isObjectAt,
  type Splice,
  skipSpace,
  stringEnd,
  valueEnd,
  valueTextAt,
  visitScalars,
} from './json-text.ts'
import type { Path } from './path.ts'
import { PathTree } from './path-tree.ts'

/**
 * One edit. `set` makes the objects on its way and replaces what is in the way; an index may be that
 * of an element or the next one, beyond that nothing is set. `remove` of an element moves those
 * behind it up. `rename` does nothing where `path` is missing, and replaces what is at `to`.
 */
export type Edit =
  | { op: 'set'; path: Path; value: JsonValue }
  /** Like `set`, with a value that is JSON text already, on one line. */
  | { op: 'put'; path: Path; text: string }
  | { op: 'remove'; path: Path }
  | { op: 'rename'; path: Path; to: Path }

/** What happens at one node of the tree of paths. */
type Operation =
  | { readonly kind: 'set'; readonly raw: string }
  | { readonly kind: 'remove' }
  /** Takes another key of the same object. */
  | { readonly kind: 'rename'; readonly key: string }
  /** Gives way to a sibling that takes its key. */
  | { readonly kind: 'yield'; readonly to: PathTree<Operation> }

type Tree = PathTree<Operation>

/** The text after edits, each applied to what the ones before it left. */
export function editLine(text: string, edits: readonly Edit[]): string {
  // Edits that do not meet share one pass; where two meet, the ones before are carried out first.
  let tree: Tree = new PathTree()
  const carryOut = () => {
    if (tree.children.length === 0) return
    text = edit(text, tree)
    tree = new PathTree()
  }
  for (const next of edits) {
    if (next.op === 'set' || next.op === 'put') {
      if (!isFree(tree, next.path)) carryOut()
      const raw = next.op === 'put' ? next.text : JSON.stringify(next.value)
      tree.at(next.path).value = { kind: 'set', raw }
    } else if (next.op === 'remove') {
      const shifts = typeof next.path.at(-1) === 'number'
      if (shifts || !isFree(tree, next.path)) carryOut()
      tree.at(next.path).value = { kind: 'remove' }
      if (shifts) carryOut()
    } else if (areSiblings(next.path, next.to)) {
      const key = next.to.at(-1) as string
      if (next.path.at(-1) === key) continue
      if (!isFree(tree, next.path) || !isFree(tree, next.to)) carryOut()
      const from = tree.at(next.path)
      from.value = { kind: 'rename', key: JSON.stringify(key) }
      tree.at(next.to).value = { kind: 'yield', to: from }
    } else {
      carryOut()
      const raw = valueTextAt(text, next.path)
      if (raw === undefined) continue
      tree.at(next.path).value = { kind: 'remove' }
      carryOut()
      tree.at(next.to).value = { kind: 'set', raw }
      carryOut()
    }
  }
  carryOut()
  return text
}

/**
 * The text with string values mapped, or undefined if nothing changed.
 * @param paths what to look at: a string there, or every string below; all strings if undefined.
 *   Keys are never mapped. Of duplicate keys all are looked at.
 * @param map gets the value as decoded and its path; the path is made anew for each call
 */
export function mapStrings(
  text: string,
  paths: readonly Path[] | undefined,
  map: (value: string, path: Path) => string,
): string | undefined {
  const splices: Splice[] = []
  visitAt(text, paths && selection(paths), false, splices, (start, end, path) => {
    const value = decodeString(text, start, end)
    const mapped = map(value, path())
    return mapped === value ? undefined : JSON.stringify(mapped)
  })
  return splices.length > 0 ? applySplices(text, splices) : undefined
}

/** Paths as a tree for `visitAt`: make it once, use it for every line. */
export function selection(paths: readonly Path[]): PathTree<true> {
  const tree = new PathTree<true>()
  for (const path of paths) tree.at(path).value = true
  return tree
}

/**
 * Visits strings, and numbers if asked for, at and below chosen paths; undefined for all. Whatever
 * the visitor answers is collected in `out`, in order.
 */
export function visitAt(
  text: string,
  tree: PathTree<true> | undefined,
  numbers: boolean,
  out: Splice[],
  visit: (start: number, end: number, path: () => Path) => string | undefined,
): void {
  const escapes = text.includes('\\')
  const descend = (at: number, node: PathTree<true>, above: Path): number => {
    if (node.value) return visitScalars(text, at, above, numbers, visit, out)
    return forEachMember(text, at, node, escapes, (value, child) =>
      descend(value, child, [...above, child.part]),
    )
  }
  const start = skipSpace(text, 0)
  if (tree === undefined) visitScalars(text, start, [], numbers, visit, out)
  else descend(start, tree, [])
}

/** Calls back for each member that the tree names; the callback answers where its value ends. */
function forEachMember<T>(
  text: string,
  open: number,
  tree: PathTree<T>,
  escapes: boolean,
  found: (value: number, child: PathTree<T>) => number,
): number {
  const object = isObjectAt(text, open)
  if (!object && !isArrayAt(text, open)) return valueEnd(text, open)
  let at = skipSpace(text, open + 1)
  for (let index = 0; !isCloseAt(text, at); index++) {
    let child: PathTree<T> | undefined
    if (object) {
      const end = stringEnd(text, at)
      child = tree.member(text, at, end, escapes)
      at = skipSpace(text, skipSpace(text, end) + 1)
    } else {
      child = tree.child(index)
    }
    at = skipSpace(text, child ? found(at, child) : valueEnd(text, at))
    if (!isCloseAt(text, at)) at = skipSpace(text, at + 1)
  }
  return at + 1
}

/** Says whether a path can join the tree without meeting an edit that is already in it. */
function isFree(tree: Tree, path: Path): boolean {
  let node: Tree = tree
  for (const part of path) {
    if (node.value) return false
    // A container is made as an object or as an array, so one pass can want only one of them.
    const first = node.children[0]
    if (first && typeof first.part !== typeof part) return false
    const child = node.child(part)
    if (!child) return true
    node = child
  }
  return false
}

function areSiblings(path: Path, to: Path): boolean {
  return (
    path.length === to.length &&
    typeof path.at(-1) === 'string' &&
    typeof to.at(-1) === 'string' &&
    path.every((part, i) => i === path.length - 1 || part === to[i])
  )
}

/** A member of a container that the tree names, and what was decided about the inside of it. */
interface Found {
  readonly node: Tree
  readonly index: number
  /** Where the member before it ends. */
  readonly before: number
  readonly start: number
  readonly keyEnd: number
  readonly value: number
  readonly end: number
  /** Where the next member starts, or -1 for the last. */
  next: number
  readonly inside: readonly Splice[]
}

function edit(text: string, tree: Tree): string {
  // The record itself is an object and stays one: an index has nothing to point at.
  if (typeof tree.children[0]?.part === 'number') return text
  const splices: Splice[] = []
  editContainer(text, skipSpace(text, 0), tree, text.includes('\\'), splices)
  return applySplices(text, splices)
}

/** Recurses along the paths of the edits only, never along the nesting of the text. */
function editContainer(
  text: string,
  open: number,
  tree: Tree,
  escapes: boolean,
  out: Splice[],
): number {
  const object = isObjectAt(text, open)
  const found: Found[] = []
  let before = open + 1
  let count = 0
  let last: Found | undefined
  let at = skipSpace(text, before)
  while (!isCloseAt(text, at)) {
    const start = at
    if (last) last.next = start
    last = undefined
    const keyEnd = object ? stringEnd(text, at) : at
    const value = object ? skipSpace(text, skipSpace(text, keyEnd) + 1) : at
    const node = object ? tree.member(text, start, keyEnd, escapes) : tree.child(count)
    const inside: Splice[] = []
    const end =
      node === undefined || node.value !== undefined
        ? valueEnd(text, value)
        : editValue(text, value, node, escapes, inside)
    if (node) {
      last = { node, index: count, before, start, keyEnd, value, end, next: -1, inside }
      found.push(last)
    }
    before = end
    count++
    at = skipSpace(text, end)
    if (!isCloseAt(text, at)) at = skipSpace(text, at + 1)
  }
  const removed = settle(found, out)
  const added = additions(tree, found, object, count)
  if (added.length > 0) {
    const comma = count > removed ? ',' : ''
    out.push({ start: before, end: before, text: comma + added.join(',') })
  }
  return at + 1
}

/** Edits below a member: inside it if it is the container that is wanted, else in place of it. */
function editValue(text: string, at: number, node: Tree, escapes: boolean, out: Splice[]): number {
  const fits = typeof node.children[0]?.part === 'number' ? isArrayAt : isObjectAt
  if (fits(text, at)) return editContainer(text, at, node, escapes, out)
  const end = valueEnd(text, at)
  const made = build(node)
  if (made !== undefined) out.push({ start: at, end, text: made })
  return end
}

/** Decides what becomes of the members that were found. Answers how many of them go. */
function settle(found: readonly Found[], out: Splice[]): number {
  const last = new Map<Tree, Found>()
  for (const member of found) last.set(member.node, member)
  let removed = 0
  for (const member of found) {
    const { node, start, keyEnd, value, end, next } = member
    const operation = node.value
    let goes = false
    if (operation?.kind === 'remove') goes = true
    else if (operation?.kind === 'yield') goes = last.has(operation.to)
    else if (operation !== undefined || sets(node)) goes = last.get(node) !== member
    if (!goes) {
      if (operation?.kind === 'set') out.push({ start: value, end, text: operation.raw })
      else if (operation?.kind === 'rename') out.push({ start, end: keyEnd, text: operation.key })
      else for (const splice of member.inside) out.push(splice)
      continue
    }
    // A member takes the comma before it along, or the one behind it while nothing is left before it.
    if (removed < member.index) out.push({ start: member.before, end, text: '' })
    else out.push({ start, end: next < 0 ? end : next, text: '' })
    removed++
  }
  return removed
}

/** What has to be added to a container, as members or elements. */
function additions(tree: Tree, found: readonly Found[], object: boolean, length: number): string[] {
  const added: string[] = []
  const present = new Set(found.map(member => member.node))
  for (const child of tree.children) {
    if (present.has(child)) continue
    if (!object && child.part !== length + added.length) continue
    const raw = child.value?.kind === 'set' ? child.value.raw : build(child)
    if (raw === undefined) continue
    added.push(object ? `${JSON.stringify(child.part)}:${raw}` : raw)
  }
  return added
}

/** The container that the `set` edits below a node ask for; undefined if there are none. */
function build(node: Tree): string | undefined {
  const object = typeof node.children[0]?.part !== 'number'
  const added = additions(node, [], object, 0)
  if (added.length === 0) return undefined
  return object ? `{${added.join(',')}}` : `[${added.join(',')}]`
}

/** Says whether there is a `set` at or below a node. */
function sets(node: Tree): boolean {
  return node.value?.kind === 'set' || node.children.some(sets)
}
