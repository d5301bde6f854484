// Ranks: the processes of a run, as weftjs run starts them: one mpirun, or each rank of this host.
import { randomUUID } from 'node:crypto'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from './free_port.js'
import { type Gpus, gpusHere } from './gpus.js'
import { type Host, hostfileOf, parseHosts, rankCount, readHostfile } from './hosts.js'
import { linesOf, linesOfOpenMpi } from './lines.js'
import { PassThrough } from 'node:stream'
import { mpirunArguments, needMpirun, tooMany } from './mpirun.js'
import type { Nodes } from './nodes.js'
import type { Program } from './processes.js'

export interface Request {
  /** undefined: one for each GPU, or as many as the hosts take. */
  readonly ranks: number | undefined
  /** undefined: 'nccl' where the ranks compute on GPUs, else 'mpi'. */
  readonly engine: 'mpi' | 'nccl' | undefined
  readonly hosts: string | undefined
  readonly hostfile: string | undefined
  readonly nodes: Nodes | undefined
  /** The file, and its arguments. */
  readonly program: readonly [string, ...string[]]
  readonly environment: NodeJS.ProcessEnv
}

/** What cannot be started in this way. */
export class WrongRequest extends Error {}

/** Runs `work`, whose errors are those of what somebody has typed. */
function typed<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new WrongRequest((error as Error).message)
  }
}

const MEETING_PORT = 29_500
const threadsEach = (ranks: number): string => String(Math.max(1, Math.floor(os.availableParallelism() / ranks)))

const hostsOf = ({ hosts, hostfile, ranks }: Request): Host[] | undefined => {
  if (hosts !== undefined) return typed(() => parseHosts(hosts, ranks))
  return hostfile === undefined ? undefined : typed(() => readHostfile(hostfile))
}

/** The ranks of this host, where they meet through NCCL and nobody else is needed; undefined: mpirun starts them. */
export async function gpuRanks(request: Request): Promise<Program[] | undefined> {
  const { engine, nodes, environment } = request
  if (engine === 'mpi' && nodes === undefined) return undefined
  // Open MPI's and MPICH's host file of an MPIJob: the GPUs, if any, are elsewhere
  if (engine !== 'nccl' && nodes === undefined && hostfileOf(environment) !== undefined) return undefined
  if (request.hosts !== undefined || request.hostfile !== undefined) {
    if (nodes !== undefined)
      throw new WrongRequest(`${nodes.said}=${nodes.count} says that each host starts its own ranks: leave --hosts out`)
    return undefined
  }
  const gpus = typed(() => gpusHere(environment))
  const onGpus = engine === 'nccl' || (engine === undefined && gpus.chosen)
  if (!onGpus && nodes !== undefined && nodes.count > 1)
    throw new WrongRequest(
      `${nodes.said}=${nodes.count}, and the ranks compute on CPUs: they meet through MPI, which mpirun starts. ` +
        'In Kubernetes use an MPIJob; elsewhere --hosts. Ranks on GPUs need --engine nccl, or a GPU as the default device',
    )
  if (!onGpus) return undefined
  return ranksOfHost(request, gpus)
}

async function ranksOfHost({ ranks, nodes, program, environment }: Request, { count }: Gpus): Promise<Program[]> {
  const here = ranks ?? nodes?.ranks ?? count
  if (count === 0) throw new WrongRequest('--engine nccl: this host has no GPU that can be used; npx weftjs doctor says why')
  if (here > count) throw new WrongRequest(`${here} ranks need as many GPUs, and this host has ${count}: NCCL has one rank on each`)
  if (environment['WEFT_DEVICE'] === 'cpu')
    throw new WrongRequest('--engine nccl moves bytes between GPUs, and WEFT_DEVICE=cpu: leave one of them out')
  const { count: hosts = 1, index = 0, said } = nodes ?? {}
  const { address, port } = nodes ?? {}
  if (hosts > 1 && address === undefined)
    throw new WrongRequest(`${said}=${hosts}, and MASTER_ADDR is not set: it is the name or address of the first host`)
  const common: Record<string, string> = {
    WORLD_SIZE: String(here * hosts),
    LOCAL_WORLD_SIZE: String(here),
    MASTER_ADDR: hosts > 1 ? address! : '127.0.0.1',
    MASTER_PORT: String(hosts > 1 ? (port ?? MEETING_PORT) : await freePorts(1)),
  }
  // ranks of an earlier start that have not ended yet are strangers; several hosts cannot agree on a name
  if (hosts === 1) common['WEFT_JOB_ID'] = randomUUID()
  const [file, ...rest] = program
  return Array.from({ length: here }, (_, local) => {
    const rank = index * here + local
    return {
      command: process.execPath,
      args: [file, ...rest],
      environment: { WEFT_THREADS: threadsEach(here), ...environment, ...common, RANK: String(rank), LOCAL_RANK: String(local) },
      lines: () => linesOf(rank),
    }
  })
}

/** The mpirun that starts all ranks of a run. Writes its call. */
export function mpiRanks(request: Request): Program[] {
  const { engine, environment, program } = request
  const device = environment['WEFT_DEVICE']
  if (engine === 'mpi' && device && device !== 'cpu')
    throw new WrongRequest(`--engine mpi moves bytes between CPUs, and WEFT_DEVICE=${device}: leave one of them out`)
  const hosts = hostsOf(request)
  const file = hosts ? undefined : hostfileOf(environment)
  const others = hosts ?? (file === undefined ? undefined : typed(() => readHostfile(file)))
  const ranks = request.ranks ?? (others && rankCount(others)) ?? request.nodes?.ranks
  if (ranks === undefined) throw new WrongRequest('-n is missing: how many ranks, a whole number of at least 1')
  const many = others && tooMany(ranks, others)
  if (many !== undefined) throw new WrongRequest(many)
  const mpirun = needMpirun(environment)
  // what goes to a file has no bars and no colours, though Open MPI gives each rank a terminal
  const own = process.stdout.isTTY ? { ...environment } : { ...environment, TERM: 'dumb' }
  const variables: Record<string, string> = {}
  if (engine === 'mpi') variables['WEFT_DEVICE'] = 'cpu'
  if (!others && environment['WEFT_THREADS'] === undefined) variables['WEFT_THREADS'] = threadsEach(ranks)
  // ranks with GPUs meet there, also where this host has none
  if (engine === 'nccl' || (engine === undefined && others)) {
    variables['MASTER_ADDR'] = environment['MASTER_ADDR'] ?? others?.[0]?.name ?? '127.0.0.1'
    variables['MASTER_PORT'] = environment['MASTER_PORT'] ?? String(20_000 + Math.floor(Math.random() * 10_000))
    variables['WEFT_JOB_ID'] = randomUUID()
  }
  // ranks of another host count its cores there
  const share =
    others && environment['WEFT_THREADS'] === undefined ? ['--import', fileURLToPath(new URL('share_of_cores.js', import.meta.url))] : []
  const [script, ...rest] = program
  const parts = mpirunArguments(
    mpirun,
    { ranks, hosts, variables, program: [process.execPath, ...share, others ? path.resolve(script) : script, ...rest] },
    others ? own : {},
  )
  console.error(`${mpirun.version}: ${[mpirun.command, ...parts].join(' ')}`)
  const lines = mpirun.family === 'Open MPI' ? () => linesOfOpenMpi(mpirun.major) : () => new PassThrough()
  return [{ command: mpirun.command, args: parts, environment: own, lines }]
}
