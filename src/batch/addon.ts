/** Loads the native addon: the column engine, and sockets that Node.js cannot make. */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

export interface Addon {
  readonly interface: number
  readonly levels: readonly string[]
  /** A NativeEngine (engine.ts); the fastest that runs here unless told. */
  engine(level?: string): object
  /**
   * A stream socket with a name in Linux's abstract namespace, listening or connected to the one that
   * listens: its descriptor, or a negative errno.
   */
  abstractSocket(name: string, listen: boolean): number
}

/** The addon's `interface` number that this checkout was written for. */
const INTERFACE = 3
const BINARY = fileURLToPath(new URL('../../build/Release/scopeline.node', import.meta.url))

function load(): Addon | string {
  try {
    const addon = createRequire(import.meta.url)(BINARY) as Addon
    if (addon.interface === INTERFACE) return addon
    return `${BINARY} was built from another version of the source`
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'MODULE_NOT_FOUND'
      ? `${BINARY} does not exist`
      : (message.split('\n')[0] ?? message)
  }
}

let loaded: Addon | string | undefined

/** The addon, loaded once; or why there is none, as part of a sentence. */
export function nativeAddon(): Addon | string {
  loaded ??= load()
  return loaded
}
