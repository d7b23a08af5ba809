/** What the system's errors mean for someone who has to do something about them. */
import { codeOf } from './place.ts'

const REASONS: Record<string, string> = {
  ENOSPC: 'the disk is full; free some space',
  EDQUOT: 'the quota of this user is used up; free some space or raise it',
  EACCES: 'this user may not write there; change the permissions or the path',
  EPERM: 'this user may not write there; change the permissions or the path',
  EROFS: 'the file system is mounted read-only',
  EMFILE: 'too many files are open; lower max_open_files or raise the limit of the process',
  ENFILE: 'too many files are open on this machine',
  EIO: 'the disk reports an error; look at the kernel log',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is no directory',
  EFBIG: 'the file has the greatest size that is allowed; set rotate.size',
}

/** One sentence: what cannot be written, why, and what to do. */
export function explain(error: unknown, path: string): string {
  const code = codeOf(error)
  const reason = (code && REASONS[code]) ?? (error as Error).message
  return `${path} cannot be written: ${reason}. Nothing is lost: its events wait and are tried again`
}
