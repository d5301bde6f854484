#!/usr/bin/env node
// The command line: npx weftjs <command>. Exit codes: 0 good, 1 a failed check, 2 wrong usage.
import { unknownName, WeftError } from '../core/error.js'
import * as audit from './audit.js'
import * as backup from './backup.js'
import * as bench from './bench.js'
import * as build from './build.js'
import * as changeKey from './change_key.js'
import { type Command, UsageError } from './command.js'
import * as compress from './compress.js'
import * as convert from './convert.js'
import * as doctor from './doctor.js'
import * as info from './info.js'
import * as kernel from './kernel.js'
import * as key from './key.js'
import * as label from './label.js'
import * as publish from './publish.js'
import * as restore from './restore.js'
import * as run from './run.js'
import * as serve from './serve.js'

const commands: Readonly<Record<string, Command>> = {
  doctor,
  bench,
  info,
  convert,
  compress,
  serve,
  key,
  publish,
  label,
  'change-key': changeKey,
  audit,
  backup,
  restore,
  build,
  kernel,
  run,
}

const overview = (): string =>
  ['Usage: weftjs <command>', '', ...Object.values(commands).map(({ usage, summary }) => `  weftjs ${usage}\n      ${summary}`)].join('\n')

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === '--help' || name === '-h' || name === 'help') {
    console.log(overview())
    return 0
  }
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name]! : undefined
  if (command === undefined) {
    if (name !== undefined) console.error(unknownName('command', name, Object.keys(commands)).message)
    console.error(overview())
    return 2
  }
  // the arguments of a program that is started are its own
  if (rest[0] === '--help' || rest[0] === '-h' || (name !== 'run' && (rest.includes('--help') || rest.includes('-h')))) {
    console.log(`Usage: weftjs ${command.usage}\n  ${command.summary}`)
    return 0
  }
  try {
    return await command.run(rest)
  } catch (error) {
    const wrongUsage = error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true
    if (!wrongUsage && !(error instanceof WeftError)) throw error
    console.error((error as Error).message)
    if (!wrongUsage) return 1
    console.error(`Usage: weftjs ${command.usage}`)
    return 2
  }
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code
})
