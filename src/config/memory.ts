/** Shares the edge's memory among the buffers of sources and the queues of sinks. */
import type { Findings } from './diagnose.ts'
import { entryOf, type LocatedMap, type Place } from './located.ts'
import type { Declared } from './validate.ts'

const MIB = 1024 * 1024
const SMALLEST_SHARE = MIB
const LARGEST_SHARE = 16 * MIB

export interface Shares {
  /** Bytes for each source and sink. */
  readonly bytes: ReadonlyMap<Declared, number>
}

/**
 * What the user gave is taken as given. The rest of a quarter of the memory goes in equal parts to
 * those without, 1 MiB at least and 16 MiB at most. All of it may not be more than half of the memory,
 * for what is on its way is held a second time while it is encoded and sent.
 */
export function shareMemory(
  components: readonly Declared[],
  memory: number,
  tree: LocatedMap,
  findings: Findings,
): Shares {
  const bytes = new Map<Declared, number>()
  const holders = components.filter(({ kind }) => kind !== 'transform')
  let given = 0
  for (const holder of holders) {
    const own = holder.kind === 'source' ? holder.buffer : holder.queue.maxBytes
    if (own === undefined) continue
    bytes.set(holder, own)
    given += own
  }
  const without = holders.filter(holder => !bytes.has(holder))
  const even = Math.floor(Math.max(memory / 4 - given, 0) / Math.max(without.length, 1))
  const share = Math.min(Math.max(even, SMALLEST_SHARE), LARGEST_SHARE)
  for (const holder of without) bytes.set(holder, share)
  const sum = given + share * without.length
  if (sum > memory / 2) {
    const { at, path } = culprit(bytes, tree)
    findings.add({
      code: 'SCOPE_CONFIG_MEMORY',
      at,
      path,
      message: `buffers and queues come to ${mebibytes(sum)}, more than half of the memory of ${mebibytes(memory)}`,
      hint: `Set "memory: ${Math.ceil((sum * 2) / MIB)}MiB" or more, or make buffers and queues smaller.`,
    })
  }
  return { bytes }
}

/** Where to say it: at `memory` if that is written, else at the largest buffer or queue. */
function culprit(
  bytes: ReadonlyMap<Declared, number>,
  tree: LocatedMap,
): { at: Place; path: readonly string[] } {
  const memory = entryOf(tree, 'memory')
  if (memory) return { at: memory.value, path: ['memory'] }
  const [largest] = [...bytes].sort((a, b) => b[1] - a[1])[0] ?? []
  if (!largest) return { at: tree, path: [] }
  const { node, section, id, keyPlace } = largest
  const buffer = entryOf(node, 'buffer')
  if (buffer) return { at: buffer.value, path: [section, id, 'buffer'] }
  const queue = entryOf(entryOf(node, 'queue')?.value, 'max_bytes')
  if (queue) return { at: queue.value, path: [section, id, 'queue', 'max_bytes'] }
  return { at: keyPlace, path: [section, id] }
}

function mebibytes(bytes: number): string {
  return `${Math.round((bytes / MIB) * 10) / 10} MiB`
}
