/** Chunks of files in memory that is given away, and that is as large as what was read. */

/** Bytes read from one file before it is the next one's turn. */
export const CHUNK = 256 * 1024

export class ChunkReader {
  #buffer = Buffer.allocUnsafeSlow(CHUNK)

  /**
   * The bytes that `fill` put into the buffer it gets. A budget counts what is used, so a few bytes
   * must not hold a whole buffer.
   * @param fill gives the number of bytes
   */
  read(fill: (into: Buffer) => number): Buffer {
    const buffer = this.#buffer
    const read = fill(buffer)
    if (read * 2 > CHUNK) {
      this.#buffer = Buffer.allocUnsafeSlow(CHUNK)
      return buffer.subarray(0, read)
    }
    const copy = Buffer.allocUnsafeSlow(read)
    buffer.copy(copy, 0, 0, read)
    return copy
  }
}
