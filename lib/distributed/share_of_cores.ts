// Share of cores: imported before the program of a rank on another host: the ranks of that host share its cores.
import { availableParallelism } from 'node:os'

const { env } = process
const ranksHere = Number(env['OMPI_COMM_WORLD_LOCAL_SIZE'] ?? env['MPI_LOCALNRANKS'] ?? 1)
env['WEFT_THREADS'] ??= String(Math.max(1, Math.floor(availableParallelism() / ranksHere)))
