/** What kind of program a command is, as far as it decides whether a library can be preloaded into it. */
import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Why a program can't be looked into by preloading, in words; undefined if it can. */
export interface Program {
  readonly path: string
  readonly hindrance: string | undefined
}

/** `e_machine` of ELF files by Node's name of the architecture. */
const MACHINES: Record<string, number> = { x64: 62, arm64: 183 }
/** A script's interpreter may be a script again; the kernel follows four. */
const INTERPRETERS = 4

/**
 * Finds a command as a shell would.
 * @param command a path if it has a slash, else a name to be looked for
 * @param path the variable PATH
 * @returns undefined if there is no such program
 */
export function findProgram(command: string, path: string): string | undefined {
  const candidates = command.includes('/')
    ? [command]
    : path.split(delimiter).map(directory => join(directory || '.', command))
  return candidates.find(candidate => {
    try {
      accessSync(candidate, constants.X_OK)
      return statSync(candidate).isFile()
    } catch {
      return false
    }
  })
}

/** Reads the head of a program (of a script: of its interpreter) and says what stands in the way. */
export function inspectProgram(path: string): Program {
  let file = path
  for (let depth = 0; depth <= INTERPRETERS; depth++) {
    const head = readHead(file)
    if (!head) return { path, hindrance: undefined } // not readable for us; the kernel decides
    if (head.toString('latin1', 0, 2) === '#!') {
      const line = head.toString('utf8', 2, Math.max(head.indexOf(10), 2)).trim()
      file = line.split(/\s+/)[0] ?? ''
      continue
    }
    return { path, hindrance: hindranceOf(head, file) }
  }
  return { path, hindrance: undefined }
}

function readHead(path: string): Buffer | undefined {
  try {
    const file = openSync(path, 'r')
    try {
      const head = Buffer.alloc(8192)
      return head.subarray(0, readSync(file, head, 0, head.length, 0))
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined
  }
}

function hindranceOf(head: Buffer, path: string): string | undefined {
  if (head.length < 64 || head.toString('latin1', 0, 4) !== '\x7fELF') return undefined
  if (head[4] !== 2 || head[5] !== 1) return 'it is no 64-bit program'
  if (head.readUInt16LE(18) !== MACHINES[process.arch]) return 'it is for another architecture'
  const { mode, uid } = statSync(path)
  if ((mode & 0o4000) !== 0 && uid !== process.getuid?.())
    return 'it runs with the rights of another user (setuid), where the system ignores preloads'
  const interpreter = interpreterOf(head)
  if (interpreter === undefined) return 'it is statically linked, so nothing can be preloaded'
  if (/ld-musl/.test(interpreter)) return 'it uses musl, and the library is built for glibc'
  return undefined
}

/** The text of PT_INTERP; undefined if the file has none. */
function interpreterOf(head: Buffer): string | undefined {
  const start = Number(head.readBigUInt64LE(32))
  const size = head.readUInt16LE(54)
  for (let index = 0; index < head.readUInt16LE(56); index++) {
    const at = start + index * size
    if (at + 56 > head.length) return ''
    if (head.readUInt32LE(at) !== 3) continue
    const offset = Number(head.readBigUInt64LE(at + 8))
    const length = Number(head.readBigUInt64LE(at + 32))
    return head.toString('latin1', offset, offset + length - 1)
  }
  return undefined
}
