/**
 * Several field paths as one tree, so that a single pass over a line finds them all. A node may carry
 * what is to be done at its path.
 */
import { decodeString, isKey } from './json-text.ts'
import type { Path } from './path.ts'

export class PathTree<T> {
  /** The key or index of this node; the root's is never looked at. */
  readonly part: string | number
  /** Nodes below, in the order they were added. */
  readonly children: PathTree<T>[] = []
  /** What is to be done here; undefined on the way to somewhere else. */
  value: T | undefined
  readonly #quoted: string
  readonly #byPart = new Map<string | number, PathTree<T>>()

  constructor(part: string | number = '') {
    this.part = part
    this.#quoted = `"${part}"`
  }

  /** The node of a path, made if it is not there. */
  at(path: Path): PathTree<T> {
    let node: PathTree<T> = this
    for (const part of path) {
      let child = node.child(part)
      if (!child) {
        child = new PathTree<T>(part)
        node.children.push(child)
        node.#byPart.set(part, child)
      }
      node = child
    }
    return node
  }

  /** The node below for a key or an index. */
  child(part: string | number): PathTree<T> | undefined {
    return this.#byPart.get(part)
  }

  /** The node below for the key whose text, quotes included, stands between two positions. */
  member(text: string, start: number, end: number, escapes: boolean): PathTree<T> | undefined {
    const { children } = this
    if (children.length > FEW) return this.#byPart.get(decodeString(text, start, end))
    for (const child of children) {
      if (
        typeof child.part === 'string' &&
        isKey(text, start, end, child.part, child.#quoted, escapes)
      ) {
        return child
      }
    }
    return undefined
  }
}

/** Up to so many nodes are compared one by one; a map would first have to cut out the key. */
const FEW = 6
