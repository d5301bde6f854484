// What a command of the command line is, and how its arguments are read.
import { parseArgs, type ParseArgsConfig } from 'node:util'

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

/**
 * Arguments as parseArgs() reads them. Refused are, too, an option that is given twice where only the last would count,
 * and empty values and places: what a variable of the shell leaves that is not set must not turn a check off.
 */
export function parse<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  const { tokens = [] } = parseArgs({ ...config, tokens: true })
  const seen = new Set<string>()
  for (const token of tokens) {
    if (token.kind === 'positional' && token.value === '') throw new UsageError('an argument is empty')
    if (token.kind !== 'option' || token.value === undefined) continue
    if (token.value === '') throw new UsageError(`${token.rawName} has no value`)
    if (seen.has(token.name) && !config.options?.[token.name]?.multiple) throw new UsageError(`${token.rawName} is given twice`)
    seen.add(token.name)
  }
  return parseArgs(config)
}
