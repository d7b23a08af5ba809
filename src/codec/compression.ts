/**
 * Compression in frames that stand alone. A gzip member or a zstd frame can be cut off, appended to
 * others and read back by the common tools, so that a file that was cut is readable to its last frame.
 */
import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import { z } from 'zod'

export const COMPRESSIONS = ['none', 'gzip', 'zstd'] as const
export type Compression = (typeof COMPRESSIONS)[number]

/** The option of sinks that compress. */
export function compression() {
  return z.enum(COMPRESSIONS)
}

export interface Compressor {
  readonly kind: Compression
  /** What file names end in: empty, `.gz` or `.zst`. */
  readonly extension: string
  /**
   * Compresses to an independent gzip member or zstd frame (several for more than 4 MiB); for `none`
   * gives the data itself. Leaves the data alone, which must not change until the promise settles.
   */
  frame(data: Buffer): Promise<Buffer>
}

/** What one zstd frame may hold: bounds the memory that the WebAssembly heap grows to and keeps. */
const ZSTD_FRAME = 4 * 1024 * 1024

const gzipAsync = promisify(gzip)

interface Zstd {
  compress(data: Uint8Array, level?: number): Uint8Array
}
let zstd: Promise<Zstd> | undefined

/** One instance for the process, made when it is first needed: 0.3 MB of code that few configs use. */
function loadZstd(): Promise<Zstd> {
  zstd ??= import('@hpcc-js/wasm-zstd').then(module => module.Zstd.load())
  return zstd
}

/**
 * A compressor. Levels: gzip 1 to 9 (6 if absent), zstd 1 to 19 (3 if absent). gzip runs on the
 * thread pool; zstd runs on the calling thread, some ten times as fast.
 */
export function compressor(kind: Compression, level?: number): Compressor {
  switch (kind) {
    case 'none':
      return { kind, extension: '', frame: data => Promise.resolve(data) }
    case 'gzip':
      return {
        kind,
        extension: '.gz',
        frame: data => gzipAsync(data, { level: level ?? constants.Z_DEFAULT_COMPRESSION }),
      }
    case 'zstd':
      return {
        kind,
        extension: '.zst',
        async frame(data) {
          const encoder = await loadZstd()
          const frames: Uint8Array[] = []
          for (let at = 0; at === 0 || at < data.length; at += ZSTD_FRAME) {
            frames.push(encoder.compress(data.subarray(at, at + ZSTD_FRAME), level ?? 3))
          }
          const [only] = frames
          if (frames.length > 1 || !only) return Buffer.concat(frames)
          return Buffer.from(only.buffer, only.byteOffset, only.byteLength)
        },
      }
  }
}
