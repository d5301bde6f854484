// weftjs run: starts a program as the ranks of a distributed run, through the mpirun of this machine.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import os from 'node:os'
import { parseArgs } from 'node:util'
import { mpirunArguments, needMpirun } from '../distributed/mpirun.js'
import { UsageError } from './command.js'

export const usage = 'run -n <ranks> [--hosts <a:8,b:8>] [--hostfile <file>] [--restarts <n>] <program> [arguments]'
export const summary = 'starts a program as the ranks of a distributed run, through mpirun'

/** A rank was lost: the program may be started again. As sysexits.h: EX_TEMPFAIL. */
const TRY_AGAIN = 75

/** Positions of the options of this command; the program's own follow its name. */
function programAt(args: readonly string[]): number {
  let at = 0
  while (at < args.length && args[at]!.startsWith('-')) at += args[at]!.includes('=') || /^-n\d/.test(args[at]!) ? 1 : 2
  return at
}

export async function run(args: string[]): Promise<number> {
  const at = programAt(args)
  const { values } = parseArgs({
    args: args.slice(0, at),
    options: { n: { type: 'string', short: 'n' }, hosts: { type: 'string' }, hostfile: { type: 'string' }, restarts: { type: 'string' } },
  })
  const [program, ...rest] = args.slice(at)
  if (program === undefined) throw new UsageError('run takes the program to start')
  if (!existsSync(program)) throw new UsageError(`run: there is no file ${program}`)
  const ranks = count('-n', values.n ?? (values.hosts ? String(slots(values.hosts)) : undefined))
  const restarts = values.restarts === undefined ? 0 : count('--restarts', values.restarts, 0)
  const mpirun = needMpirun()
  const here = values.hosts === undefined && values.hostfile === undefined
  const parts = mpirunArguments(mpirun, {
    ranks,
    hosts: values.hosts,
    hostfile: values.hostfile,
    options: [],
    // the ranks of one host share its cores
    threads: here && process.env['WEFT_THREADS'] === undefined ? Math.max(1, Math.floor(os.availableParallelism() / ranks)) : undefined,
    program: [process.execPath, program, ...rest],
  })
  console.error(`${mpirun.version}: ${[mpirun.command, ...parts].join(' ')}`)
  for (let attempt = 0; ; attempt++) {
    const code = await started(mpirun.command, parts)
    if (code === 0 || attempt === restarts) return code
    console.error(`weftjs run: ended with code ${code}; start ${attempt + 2} of ${restarts + 1}`)
  }
}

function count(option: string, text: string | undefined, least = 1): number {
  if (text !== undefined && /^\d+$/.test(text) && Number(text) >= least) return Number(text)
  throw new UsageError(`run: ${option} is a whole number of at least ${least}${text === undefined ? '' : `, got '${text}'`}`)
}

/** 'a:8,b:8' → 16. */
function slots(hosts: string): number {
  return hosts.split(',').reduce((sum, host) => sum + Number(/:(\d+)$/.exec(host)?.[1] ?? 1), 0)
}

/** Runs mpirun to its end; signals pass on to it. */
function started(command: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    // Open MPI gives each rank a terminal, also where its own output goes to a file: no bars and colours there
    const env = process.stdout.isTTY ? process.env : { ...process.env, TERM: 'dumb' }
    const child = spawn(command, args, { stdio: 'inherit', env })
    const pass = (signal: NodeJS.Signals): void => void child.kill(signal)
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, pass)
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      for (const one of ['SIGINT', 'SIGTERM'] as const) process.off(one, pass)
      resolve(code ?? (signal === null ? TRY_AGAIN : 128 + os.constants.signals[signal]))
    })
  })
}
