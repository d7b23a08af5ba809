/**
 * How values are named in diagnoses, so that none that came from the environment is ever repeated, and
 * how the values with a certain meaning, such as secrets and files, are found in the tree.
 */
import {
  alternatives,
  elementOf,
  kindOf,
  metaOf,
  type Schema,
  shapeOf,
} from '../component/schema-fields.ts'
import { eachScalar, type Located, type LocatedScalar, type TreePath } from './located.ts'

/** Calls back for every scalar whose option has the given unit: `secret`, `file`. */
export function eachOfUnit(
  schema: Schema,
  node: Located,
  unit: string,
  visit: (scalar: LocatedScalar, path: TreePath) => void,
  path: TreePath = [],
): void {
  const meant =
    metaOf(schema).unit === unit || alternatives(schema).some(s => metaOf(s).unit === unit)
  if (node.kind === 'scalar') {
    if (meant) visit(node, path)
    return
  }
  // A list or mapping where one value is wanted: all that is in it was meant for that.
  if (meant) eachScalar(node, scalar => visit(scalar, path))
  for (const alternative of alternatives(schema)) {
    const shape = shapeOf(alternative)
    const element = elementOf(alternative)
    if (node.kind === 'list') {
      if (kindOf(alternative) !== 'array' || !element) continue
      for (const [i, item] of node.items.entries()) {
        eachOfUnit(element, item, unit, visit, [...path, i])
      }
    } else if (kindOf(alternative) !== 'array') {
      for (const { key, value } of node.entries) {
        const inner = shape ? (Object.hasOwn(shape, key) ? shape[key] : undefined) : element
        if (inner) eachOfUnit(inner, value, unit, visit, [...path, key])
      }
    }
  }
}

/** A value in words for "got …": never one that came from outside the file. */
export function shown(node: Located): string {
  if (node.kind === 'map') return 'a mapping'
  if (node.kind === 'list') return 'a list'
  if (node.segments) return `the value of ${clipped(node.text)}`
  if (node.value === null) return 'nothing'
  if (typeof node.value === 'number') return `the number ${clipped(node.text)}`
  if (typeof node.value === 'boolean') return String(node.value)
  return JSON.stringify(clipped(node.value))
}

/** A name as written in the file: `"apps"`, or the `${…}` that it came from. */
export function quoted(scalar: LocatedScalar): string {
  return JSON.stringify(clipped(scalar.segments ? scalar.text : String(scalar.value)))
}

export function clipped(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/** Whether any piece that came from outside can be recognised in a sentence. */
export function reveals(sentence: string, pieces: readonly string[]): boolean {
  const lower = sentence.toLowerCase()
  return pieces.some(piece => {
    const text = piece.toLowerCase()
    if (text.length < 3) return text !== '' && lower.includes(text)
    for (let i = 0; i + 3 <= text.length; i++) {
      if (lower.includes(text.slice(i, i + 3))) return true
    }
    return false
  })
}
