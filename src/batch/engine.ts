/**
 * The native column engine, where this installation has it: judges lines and fetches fields as
 * columns without making JavaScript objects. Everything that it does can be done without it, slower;
 * the JavaScript ways stay as fallback and as the oracle of its tests.
 */
import type { Path } from '../record/path.ts'
import { nativeAddon } from './addon.ts'

/** Compiled field paths; only the engine that compiled them looks inside. */
export interface PathTable {
  readonly [compiled]: true
}
declare const compiled: unique symbol

/** What a value is, as `Columns.kinds` tells it. */
export const Kind = {
  missing: 0,
  null: 1,
  false: 2,
  true: 3,
  number: 4,
  /** A string without escapes: its span is its UTF-8. */
  string: 5,
  /** A string with escapes: put quotes around its span and JSON.parse it. */
  escapedString: 6,
  object: 7,
  array: 8,
} as const

/** Values at paths; all arrays are column-major: the index is column * rows + row. */
export interface Columns {
  /** One `Kind` for each value. */
  kinds: Uint8Array
  /** For numbers exactly what Number(text) gives; 0 for others. */
  numbers: Float64Array
  /**
   * Two for each value: start and end of its text in the block. Strings without their quotes, others
   * as they stand there; 0, 0 when missing.
   */
  spans: Uint32Array
  /**
   * Whether on some line a value at a path was found that does not count, because its key, or one
   * around it, came again. Who must not overlook any text has to read those lines otherwise.
   */
  repeated: boolean
}

/** What a scan found in a block. */
export interface ScannedBlock {
  /** Start and end offsets of the lines that are JSON objects, as a Batch keeps them. */
  lines: Uint32Array
  /** How many lines are neither such an object nor blank. */
  bad: number
}

export interface NativeEngine {
  /** Which instruction set it runs on: 'avx512', 'avx2' or 'portable'. */
  readonly level: string
  /**
   * Judges the lines of a block whose last byte is a newline. Accepts exactly what
   * `isUtf8(line) && JSON.parse(line)` accepts as an object, nested at most `maxDepth` levels and at
   * most `maxLineBytes` long; a carriage return before the newline is not part of a line, and lines
   * of only JSON white space are skipped. Bytes after the last newline count as a bad line.
   */
  scan(block: Uint8Array, maxDepth: number, maxLineBytes: number): ScannedBlock
  /**
   * Compiles field paths of 1 to 1,000 steps; the place in the list is the column. Throws TypeError
   * for others.
   */
  compile(paths: readonly Path[]): PathTable
  /**
   * Fetches the values at the paths from lines that a scan accepted. Throws RangeError for a line
   * outside of the block.
   */
  extract(table: PathTable, bytes: Uint8Array, lines: Uint32Array): Columns
}

const REMEDY =
  'The edge does the same work with its slower JavaScript engine. To build the native one: npm run build:native (needs g++, make and python3).'

function choose(wish: string | undefined): NativeEngine | string {
  if (wish === 'js') return 'SCOPE_EDGE_ENGINE=js asks for the JavaScript engine.'
  const addon = nativeAddon()
  if (typeof addon === 'string') {
    return `The native engine could not be loaded: ${addon}. ${REMEDY}`
  }
  if (wish === undefined || wish === '' || wish === 'native') return addon.engine() as NativeEngine
  if (addon.levels.includes(wish)) return addon.engine(wish) as NativeEngine
  return `SCOPE_EDGE_ENGINE=${wish} is not to be had here; it can be js, native, ${addon.levels.join(', ')}. The edge uses its JavaScript engine.`
}

const chosen = choose(process.env['SCOPE_EDGE_ENGINE'])

/** The native engine, or undefined where the JavaScript one has to do; `engineReason` says why. */
export const engine: NativeEngine | undefined = typeof chosen === 'string' ? undefined : chosen

/** Why there is no native engine, in sentences for the log; undefined if there is one. */
export const engineReason: string | undefined = typeof chosen === 'string' ? chosen : undefined

/**
 * For tests: an engine for each instruction set that this processor has, whatever
 * SCOPE_EDGE_ENGINE says; none without the addon.
 */
export function enginesForTests(): NativeEngine[] {
  const addon = nativeAddon()
  return typeof addon === 'string'
    ? []
    : addon.levels.map(level => addon.engine(level) as NativeEngine)
}
