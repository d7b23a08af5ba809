/**
 * The ids of objects: `<node>-<start>-<number>`. The node is random and stays with the directory,
 * the start counts how often the sink was started on it, the number counts objects. No two objects
 * of any edge share an id, and an object keeps its own through every retry and restart.
 */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isObject } from '../../record/json.ts'
import { writeWhole } from './durable.ts'

/** Reads the identity of a directory, or makes one, counts this start, and gives out ids. */
export async function openIdentity(path: string): Promise<() => string> {
  let node = randomBytes(4).toString('hex')
  let starts = 0
  try {
    const known: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (isObject(known) && /^[0-9a-f]{8}$/.test(String(known['node']))) {
      node = String(known['node'])
      starts = Number(known['starts']) || 0
    }
  } catch {
    // None yet, or not readable as one: a new random node can't collide with the old one either.
  }
  starts++
  await writeWhole(path, `${JSON.stringify({ node, starts })}\n`)
  let number = 0
  return () => `${node}-${String(starts).padStart(4, '0')}-${String(++number).padStart(6, '0')}`
}
