/** What every file of `commands/` exports: how its command is made. */
import { type Command, InvalidArgumentError } from 'commander'
import type { Io } from './io.ts'

/** Makes a command; `done` takes its exit status when that is not 0. */
export type MakeCommand = (io: Io, done: (status: number) => void) => Command

/** Reads the value of an option that is a number in a range; the message says which. */
export function numberIn(least: number, most: number): (text: string) => number {
  return text => {
    const number = Number(text)
    if (text.trim() !== '' && number >= least && number <= most) return number
    throw new InvalidArgumentError(`Write a number from ${least} to ${most}.`)
  }
}

/** `1 sink`, `2 sinks`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
