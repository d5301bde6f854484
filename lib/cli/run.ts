// weftjs run: starts a program as the ranks of a distributed run: through mpirun on CPUs, by itself on GPUs.
import { existsSync } from 'node:fs'
import { TRY_AGAIN } from '../distributed/exit_code.js'
import { type Nodes, nodesOf } from '../distributed/nodes.js'
import { type Ending, startTogether } from '../distributed/processes.js'
import { gpuRanks, mpiRanks, type Request, WrongRequest } from '../distributed/ranks.js'
import { parse, UsageError } from './command.js'

export const usage = 'run [-n <ranks>] [--engine mpi|nccl] [--hosts <a:8,b:8>] [--hostfile <file>] [--restarts <n>] <program> [arguments]'
export const summary = 'starts a program as the ranks of a distributed run: through mpirun on CPUs, by itself on GPUs'

/** Wrong use would be wrong again. */
const WRONG_USE = 2

/** How many arguments are options of this command: up to the program's name, or up to '--' before it. */
function optionsIn(args: readonly string[]): number {
  let at = 0
  while (at < args.length && args[at]!.startsWith('-') && args[at] !== '--')
    at += args[at]!.includes('=') || /^-n\d/.test(args[at]!) ? 1 : 2
  return at
}

export async function run(args: string[]): Promise<number> {
  const at = optionsIn(args)
  const { values } = parse({
    args: args.slice(0, at),
    options: {
      n: { type: 'string', short: 'n' },
      engine: { type: 'string' },
      hosts: { type: 'string' },
      hostfile: { type: 'string' },
      restarts: { type: 'string' },
    },
  })
  const [program, ...rest] = args.slice(args[at] === '--' ? at + 1 : at)
  if (program === undefined) throw new UsageError('run takes the program to start')
  if (!existsSync(program)) throw new UsageError(`run: there is no file ${program}`)
  const { engine, hosts, hostfile } = values
  if (engine !== undefined && engine !== 'mpi' && engine !== 'nccl') throw new UsageError(`run: --engine is mpi or nccl, got '${engine}'`)
  if (hosts !== undefined && hostfile !== undefined) throw new UsageError('run: --hosts and --hostfile say the same; give one of them')
  const restarts = values.restarts === undefined ? 0 : count('--restarts', values.restarts, 0)
  const request: Request = {
    ranks: values.n === undefined ? undefined : count('-n', values.n),
    engine,
    hosts,
    hostfile,
    nodes: nodesHere(),
    program: [program, ...rest],
    environment: process.env,
  }
  for (let attempt = 1; ; attempt++) {
    // made anew each time: a port that was free may be taken now
    const { code, interrupted } = await started(request)
    if (code === 0 || code === WRONG_USE || interrupted || attempt > restarts) return code
    const why = code === TRY_AGAIN ? 'a rank was lost' : `it ended with code ${code}`
    console.error(`weftjs run: ${why}; start ${attempt + 1} of ${restarts + 1}`)
  }
}

/** What variables say of several hosts. Those that make no sense are wrong use. */
function nodesHere(): Nodes | undefined {
  try {
    return nodesOf(process.env)
  } catch (error) {
    throw new UsageError(`run: ${(error as Error).message}`)
  }
}

async function started(request: Request): Promise<Ending> {
  try {
    const programs = (await gpuRanks(request)) ?? mpiRanks(request)
    return await startTogether(programs)
  } catch (error) {
    if (error instanceof WrongRequest) throw new UsageError(`run: ${error.message}`)
    throw error
  }
}

function count(option: string, text: string, least = 1): number {
  if (/^\d+$/.test(text) && Number(text) >= least) return Number(text)
  throw new UsageError(`run: ${option} is a whole number of at least ${least}, got '${text}'`)
}
