// Launcher: what the program that started this process says of its rank, in environment variables.
import { WeftError } from '../core/error.js'
import { clusterLaunch, refusePod } from './nodes.js'

/** Who started this process, and its place among the others. */
export interface Launch {
  /** 'Open MPI', 'MPICH', 'torchrun', 'Slurm', ..., or undefined: nobody says anything of ranks. */
  readonly launcher: string | undefined
  readonly rank: number
  readonly size: number
  /** The rank among those of this host: the number of its GPU. */
  readonly localRank: number
}

/** Of each launcher the names of its variables: rank, number of ranks, rank on the host. */
const LAUNCHERS: readonly (readonly [launcher: string, rank: string, size: string, localRank: string])[] = [
  ['WEFT_RANK', 'WEFT_RANK', 'WEFT_WORLD_SIZE', 'WEFT_LOCAL_RANK'],
  ['Open MPI', 'OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'],
  ['MPICH', 'PMI_RANK', 'PMI_SIZE', 'MPI_LOCALRANKID'],
  ['torchrun', 'RANK', 'WORLD_SIZE', 'LOCAL_RANK'],
]

/** The first launcher of whose variables rank and size are there. ERR_DISTRIBUTED for numbers that make no sense. */
export function launchOf(environment: NodeJS.ProcessEnv): Launch {
  refusePod(environment)
  for (const [launcher, rank, size, localRank] of LAUNCHERS) {
    if (environment[rank] === undefined || environment[size] === undefined) continue
    const [r, n, l] = [rank, size, localRank].map((name) => Number(environment[name] ?? 0)) as [number, number, number]
    if (![r, n, l].every(Number.isInteger) || n < 1 || r < 0 || r >= n || l < 0)
      throw new WeftError(
        'ERR_DISTRIBUTED',
        `distributed.init: ${rank}=${environment[rank]} and ${size}=${environment[size]} are no rank of a run`,
        {
          hint: 'Unset them, or start the program with npx weftjs run or mpirun',
        },
      )
    return { launcher, rank: r, size: n, localRank: l }
  }
  return clusterLaunch(environment) ?? { launcher: undefined, rank: 0, size: 1, localRank: 0 }
}
