// Rendezvous: where the ranks of a run meet that no MPI brings together, and by what they know each other.
import { createHmac } from 'node:crypto'
import { WeftError } from '../core/error.js'
import type { Launch } from './launcher.js'

export interface Meeting {
  /** Name or address of the host of rank 0, which listens at this port. */
  readonly address: string
  readonly port: number
  /** 32 hexadecimal digits that are the same on all ranks of this run, and of no other one. */
  readonly job: string
}

/** As torchrun has it. */
const DEFAULT_PORT = 29_500

/** What launchers call a run, alike on all its ranks. */
const NAMES: readonly string[] = [
  'WEFT_JOB_ID',
  'TORCHELASTIC_RUN_ID',
  'TORCHELASTIC_RESTART_COUNT',
  'SLURM_JOB_ID',
  'SLURM_STEP_ID',
  'PMIX_NAMESPACE',
  'OMPI_MCA_ess_base_jobid',
]

/** A port of 20,000 to 29,999, below those that systems give to connections, from what is alike on all ranks. */
const portOf = (text: string): number => 20_000 + (createHmac('sha256', 'port').update(text).digest().readUInt32LE() % 10_000)

/** Names of hosts as Slurm writes them, the first of them: 'n[03-05,9],m1' → 'n03'. */
function firstHost(list: string): string {
  const [, before, inside, after] = /^([^[,]*)(?:\[([^\],-]+)[^\]]*\]([^,]*))?/.exec(list)!
  return `${before}${inside ?? ''}${after ?? ''}`
}

/** Host and port of rank 0: what MASTER_ADDR and MASTER_PORT say, else what follows from the launcher. */
function placeOf({ launcher, rank, size }: Launch, environment: NodeJS.ProcessEnv): { address: string; port: number } {
  const address = environment['MASTER_ADDR'] ?? environment['PET_MASTER_ADDR']
  const given = environment['MASTER_PORT'] ?? environment['PET_MASTER_PORT']
  const names = NAMES.map((name) => environment[name] ?? '').join()
  if (given !== undefined && !(/^\d+$/.test(given) && Number(given) >= 1 && Number(given) <= 65_534))
    throw new WeftError('ERR_DISTRIBUTED', `distributed.init: MASTER_PORT=${given} is no port`)
  // torchrun's own store listens at the port, and says so
  const taken = environment['TORCHELASTIC_USE_AGENT_STORE'] === 'True' ? 1 : 0
  if (address) return { address, port: Number(given ?? DEFAULT_PORT) + taken }
  const hosts = environment['SLURM_STEP_NODELIST'] ?? environment['SLURM_JOB_NODELIST']
  if (launcher === 'Slurm' && hosts) return { address: firstHost(hosts), port: Number(given ?? portOf(names)) }
  // all on this host: mpirun has started them, and they have one parent
  const here = Number(environment['OMPI_COMM_WORLD_LOCAL_SIZE'] ?? environment['MPI_LOCALNRANKS'])
  if (here === size) return { address: '127.0.0.1', port: Number(given ?? portOf(`${names} ${process.ppid}`)) }
  throw new WeftError('ERR_DISTRIBUTED', `distributed.init: rank ${rank} of ${size} does not know where rank 0 is`, {
    hint: 'Set MASTER_ADDR to the name or address of its host, and MASTER_PORT to a free port there, on all ranks',
  })
}

/**
 * Where the ranks meet. WEFT_SECRET keeps strangers out: without it whoever reaches the port and knows the run's name
 * can take a rank's place.
 * @throws ERR_DISTRIBUTED where nothing says where rank 0 is
 */
export function meetingOf(launch: Launch, environment: NodeJS.ProcessEnv): Meeting {
  const facts = [...NAMES.map((name) => environment[name] ?? null), launch.size]
  const job = createHmac('sha256', environment['WEFT_SECRET'] ?? '')
    .update(JSON.stringify(facts))
    .digest('hex')
    .slice(0, 32)
  return { ...placeOf(launch, environment), job }
}
