// Nodes: the hosts of a run on each of which somebody else starts one process: Kubernetes, Kubeflow, or a person.
import { WeftError } from '../core/error.js'
import type { Launch } from './launcher.js'

/** This host among those of a run. */
export interface Nodes {
  /** What says so: 'WEFT_NODES', 'PET_NNODES'. */
  readonly said: string
  readonly count: number
  /** From 0. */
  readonly index: number
  /** Ranks on each host; undefined: one for each GPU. */
  readonly ranks: number | undefined
  /** Where rank 0 is met; undefined where it is not said. */
  readonly address: string | undefined
  readonly port: number | undefined
}

function whole(environment: NodeJS.ProcessEnv, name: string, least: number): number {
  const text = environment[name]!
  if (/^\d+$/.test(text) && Number(text) >= least) return Number(text)
  throw new WeftError('ERR_DISTRIBUTED', `${name}=${text}: a whole number of at least ${least} is expected`)
}

/**
 * WEFT_NODES with WEFT_NODE, or with the index that an Indexed Job of Kubernetes gives its pods; or the variables that
 * Kubeflow sets for torchrun. Undefined where there is one host, or nothing is said.
 */
export function nodesOf(environment: NodeJS.ProcessEnv): Nodes | undefined {
  const own = environment['WEFT_NODES'] !== undefined
  const said = own ? 'WEFT_NODES' : 'PET_NNODES'
  if (environment[said] === undefined) return undefined
  // '1:4', a run that may grow and shrink
  if (!own && environment[said].includes(':'))
    throw new WeftError('ERR_DISTRIBUTED', `PET_NNODES=${environment[said]}: a run has a fixed number of hosts`, {
      hint: 'Leave elasticPolicy out; --restarts starts a run again',
    })
  const count = whole(environment, said, 1)
  const names = own ? ['WEFT_NODE', 'JOB_COMPLETION_INDEX'] : ['PET_NODE_RANK']
  const name = names.find((one) => environment[one] !== undefined)
  if (count > 1 && name === undefined)
    throw new WeftError('ERR_DISTRIBUTED', `${said}=${count}, and ${names.join(' or ')} is not set: this host has no number`, {
      hint: `Set ${names[0]} to 0 on the first host, to 1 on the next one, ...`,
    })
  const index = name === undefined ? 0 : whole(environment, name, 0)
  if (index >= count && count > 1)
    throw new WeftError('ERR_DISTRIBUTED', `${name}=${index} and ${said}=${count}: the last host is ${count - 1}`)
  const perHost = own ? undefined : environment['PET_NPROC_PER_NODE']
  const port = ['MASTER_PORT', 'PET_MASTER_PORT'].find((one) => environment[one] !== undefined)
  return {
    said,
    count,
    index: count === 1 ? 0 : index,
    // 'auto', 'gpu'
    ranks: perHost !== undefined && /^\d+$/.test(perHost) ? whole(environment, 'PET_NPROC_PER_NODE', 1) : undefined,
    address: environment['MASTER_ADDR'] ?? environment['PET_MASTER_ADDR'],
    port: port === undefined ? undefined : whole(environment, port, 1),
  }
}

/** What Slurm says of a task that srun has started. A script of sbatch is one process, however many tasks it has. */
function slurmTask(environment: NodeJS.ProcessEnv): Launch | undefined {
  const { SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID, SLURM_JOB_ID, SLURM_STEP_ID, SLURM_STEP_NUM_TASKS } = environment
  if (SLURM_PROCID === undefined || (SLURM_STEP_NUM_TASKS ?? SLURM_NTASKS) === undefined) return undefined
  if (SLURM_JOB_ID !== undefined && SLURM_STEP_ID === undefined) return undefined
  const sizeName = SLURM_STEP_NUM_TASKS === undefined ? 'SLURM_NTASKS' : 'SLURM_STEP_NUM_TASKS'
  const rank = whole(environment, 'SLURM_PROCID', 0)
  const tasks = whole(environment, sizeName, 1)
  if (rank >= tasks) throw new WeftError('ERR_DISTRIBUTED', `SLURM_PROCID=${rank} and ${sizeName}=${tasks}: the last task is ${tasks - 1}`)
  return { launcher: 'Slurm', rank, size: tasks, localRank: SLURM_LOCALID === undefined ? 0 : whole(environment, 'SLURM_LOCALID', 0) }
}

/** The rank of a process that a cluster has started, where no launcher that starts ranks says it. */
export function clusterLaunch(environment: NodeJS.ProcessEnv): Launch | undefined {
  const task = slurmTask(environment)
  if (task) return task
  const nodes = nodesOf(environment)
  if (nodes === undefined || nodes.count === 1) return undefined
  if (nodes.ranks !== undefined && nodes.ranks > 1) refuse(nodes.ranks)
  // one process on each host is one rank there
  return { launcher: nodes.said === 'WEFT_NODES' ? 'Kubernetes' : 'Kubeflow', rank: nodes.index, size: nodes.count, localRank: 0 }
}

/** A pod of a PyTorchJob with more than one rank has the number of its first one, and is not a rank itself. */
export function refusePod(environment: NodeJS.ProcessEnv): void {
  const ranks = Number(environment['PET_NPROC_PER_NODE'])
  if (ranks > 1 && environment['RANK'] !== undefined && environment['LOCAL_RANK'] === undefined) refuse(ranks)
}

function refuse(ranks: number): never {
  throw new WeftError(
    'ERR_DISTRIBUTED',
    `distributed.init: PET_NPROC_PER_NODE=${ranks}: each host has ${ranks} ranks, and this is one process`,
    {
      hint: 'Start the program with npx weftjs run train.mjs, which starts the ranks of its host',
    },
  )
}

/** Throws where ranks that meet through MPI have a launcher that knows nothing of it: each would be rank 0 of 1. */
export function needsMpi({ launcher, size }: Launch): void {
  const told = { torchrun: 'torchrun (RANK and WORLD_SIZE)', Kubernetes: 'an Indexed Job', Kubeflow: 'Kubeflow' }[launcher ?? '']
  if (size === 1 || told === undefined) return
  throw new WeftError(
    'ERR_DISTRIBUTED',
    `distributed.init: ${told} has started ${size} ranks on CPUs, which meet through MPI, and it starts none`,
    {
      hint: `Start them with npx weftjs run -n ${size} train.mjs or mpirun, in Kubernetes with an MPIJob. Ranks on GPUs meet without MPI: setDevice or WEFT_DEVICE names the GPU`,
    },
  )
}
