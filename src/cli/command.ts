/** What every file of `commands/` exports: how its command is made. */
import type { Command } from 'commander'
import type { Io } from './io.ts'

/** Makes a command; `done` takes its exit status when that is not 0. */
export type MakeCommand = (io: Io, done: (status: number) => void) => Command
