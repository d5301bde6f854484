// What a command of the command line is.

export interface Command {
  /** How it is called, without `weftjs`. */
  readonly usage: string
  /** What it does, in a line. */
  readonly summary: string
  /** Resolves with the exit code. Options that parseArgs rejects, and UsageError, end with code 2. */
  run(args: string[]): Promise<number>
}

/** Arguments that make no sense to the command. */
export class UsageError extends Error {}
