/** Writes lines, some of them with pieces exchanged, as one block; what lies side by side is copied at once. */

/** A piece of a line that is to be exchanged. */
export interface Patch {
  readonly row: number
  /** Where it lies in the block that the line is in; start and end may be the same. */
  readonly start: number
  readonly end: number
  /** What is to stand there. */
  readonly text: string
}

const NEWLINE = 0x0a

/**
 * A block of its own for lines of another.
 * @param lines start and end offsets
 * @param patches in the order of rows, and of positions within a row; they do not overlap
 */
export function assemble(
  bytes: Buffer,
  lines: Uint32Array,
  patches: readonly Patch[] = [],
): { bytes: Buffer; lines: Uint32Array } {
  let size = lines.length >>> 1
  for (let i = 0; i < lines.length; i += 2) size += (lines[i + 1] as number) - (lines[i] as number)
  for (const { start, end, text } of patches) size += Buffer.byteLength(text) - (end - start)
  const out = Buffer.allocUnsafeSlow(size)
  const placed = new Uint32Array(lines.length)
  let at = 0
  /** What is to be copied to just before `at`. */
  let from = 0
  let to = 0
  const flush = () => {
    if (to > from) bytes.copy(out, at - (to - from), from, to)
    from = to
  }
  const take = (start: number, end: number) => {
    if (start !== to) {
      flush()
      from = start
    }
    to = end
    at += end - start
  }
  let next = 0
  for (let row = 0; row * 2 < lines.length; row++) {
    let start = lines[row * 2] as number
    const end = lines[row * 2 + 1] as number
    placed[row * 2] = at
    for (; patches[next]?.row === row; next++) {
      const patch = patches[next] as (typeof patches)[number]
      take(start, patch.start)
      flush()
      at += out.write(patch.text, at)
      start = patch.end
      from = to = start
    }
    take(start, end)
    placed[row * 2 + 1] = at
    if (bytes[end] === NEWLINE) take(end, end + 1)
    else {
      flush()
      out[at++] = NEWLINE
      from = to = 0
    }
  }
  flush()
  return { bytes: out, lines: placed }
}
