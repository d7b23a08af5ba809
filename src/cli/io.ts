/** The streams and the environment of a command, so that tests can hand in their own. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Data. */
  out(text: string): void
  /** Words for people: errors, notices. */
  err(text: string): void
  /** Whether words go to a terminal. */
  readonly terminal: boolean
  /** Columns and rows of the terminal that data goes to; undefined if it is none. */
  size(): { columns: number; rows: number } | undefined
  /** All of standard input as text. */
  input(): Promise<string>
}

/**
 * The process's own streams. A reader that goes away (`| head`) ends a command quietly, but not an
 * edge, whose console sink deals with that itself. Words that nobody takes any more (a logger that
 * was restarted) are no reason to end anything.
 */
export function processIo(): Io {
  let used = false
  process.stdout.on('error', error => {
    if (!used) return
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(0)
    throw error
  })
  process.stderr.on('error', () => {})
  return {
    env: process.env,
    out(text) {
      used = true
      process.stdout.write(text)
    },
    err: text => void process.stderr.write(text),
    terminal: process.stderr.isTTY === true,
    size: () =>
      process.stdout.isTTY
        ? { columns: process.stdout.columns, rows: process.stdout.rows }
        : undefined,
    async input() {
      const chunks: Buffer[] = []
      for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks).toString('utf8')
    },
  }
}

/** A command's end with a message on stderr and an exit status: 1 the thing failed, 2 wrong usage. */
export class CommandError extends Error {
  readonly status: number
  constructor(message: string, status = 1) {
    super(message)
    this.name = 'CommandError'
    this.status = status
  }
}
