// mpirun: which MPI starts ranks on this machine, and how it is told what to start.
import { spawnSync } from 'node:child_process'
import { WeftError } from '../core/error.js'
import { type Host, rankCount } from './hosts.js'

export interface Mpirun {
  readonly command: string
  readonly family: 'Open MPI' | 'MPICH'
  /** 'Open MPI 4.1.4'. */
  readonly version: string
  /** 4. */
  readonly major: number
}

export interface RunPlan {
  readonly ranks: number
  /** Where they run; undefined: on this host, or where variables of that MPI say. */
  readonly hosts: readonly Host[] | undefined
  /** What to set for the ranks, beside the environment of this process. */
  readonly variables: Readonly<Record<string, string>>
  /** The program and its arguments. */
  readonly program: readonly string[]
}

/** What `command` is; undefined where it is no mpirun. */
export function mpirunAt(command: string): Mpirun | undefined {
  const { status, stdout } = spawnSync(command, ['--version'], { encoding: 'utf8', timeout: 20_000 })
  if (status !== 0) return undefined
  const made = (family: Mpirun['family'], version: string): Mpirun => ({
    command,
    family,
    version: `${family} ${version}`,
    major: Number.parseInt(version, 10),
  })
  // under another name than mpirun, as mpirun.openmpi of Debian, it calls itself OpenRTE
  const open = /\((?:Open MPI|OpenRTE)\)\s*(\S+)/.exec(stdout)
  if (open) return made('Open MPI', open[1]!)
  // Intel MPI's is of the same family
  const mpich = /Version:\s*(\S+)|Intel\(R\) MPI Library[^\n]*Version (\S+)/.exec(stdout)
  return mpich ? made('MPICH', (mpich[1] ?? mpich[2])!) : undefined
}

/** The mpirun on the PATH, or that WEFT_MPIRUN names; undefined where there is none. */
export function findMpirun(environment: NodeJS.ProcessEnv = process.env): Mpirun | undefined {
  for (const command of environment['WEFT_MPIRUN'] ? [environment['WEFT_MPIRUN']] : ['mpirun', 'mpiexec']) {
    const found = mpirunAt(command)
    if (found) return found
  }
  return undefined
}

/** Variables that ranks on other hosts need as they are here. Open MPI hands on those alone that it is told of. */
const HANDED_ON = /^(?:WEFT_(?!MPIRUN$)|NCCL_|UCX_|FI_|NODE_OPTIONS$|TERM$|NO_COLOR$|FORCE_COLOR$|CI$)/

/** The arguments of mpirun for a run. */
export function mpirunArguments({ family }: Pick<Mpirun, 'family'>, plan: RunPlan, environment: NodeJS.ProcessEnv): string[] {
  const { ranks, hosts, variables, program } = plan
  const list = hosts?.map(({ name, ranks }) => `${name}:${ranks}`).join(',')
  const settings = Object.entries(variables)
  if (family === 'MPICH')
    return [
      ...['-prepend-rank', '-n', String(ranks)],
      ...(list === undefined ? [] : ['-hosts', list]),
      ...settings.flatMap(([name, value]) => ['-env', name, value]),
      ...program,
    ]
  const names = Object.keys(environment).filter((name) => HANDED_ON.test(name) && environment[name] !== '' && !(name in variables))
  return [
    // each rank would be bound to one core, and have one thread
    ...['--bind-to', 'none', '--oversubscribe', '--tag-output', '-n', String(ranks)],
    ...(list === undefined ? [] : ['--host', list]),
    ...settings.flatMap(([name, value]) => ['-x', `${name}=${value}`]),
    ...names.sort().flatMap((name) => ['-x', name]),
    ...program,
  ]
}

/** Throws ERR_DISTRIBUTED, with what to install. */
export function needMpirun(environment: NodeJS.ProcessEnv = process.env): Mpirun {
  const found = findMpirun(environment)
  if (found) return found
  const named = environment['WEFT_MPIRUN']
  throw new WeftError('ERR_DISTRIBUTED', named ? `weftjs run: WEFT_MPIRUN=${named} is no mpirun` : 'weftjs run: no mpirun was found', {
    hint: 'Install one: apt-get install openmpi-bin (or mpich); or name it in WEFT_MPIRUN. Ranks on GPUs need none: --engine nccl',
  })
}

/** Why so many ranks do not fit on the hosts; undefined where they do. */
export const tooMany = (ranks: number, hosts: readonly Host[]): string | undefined =>
  ranks <= rankCount(hosts) ? undefined : `${ranks} ranks, and the hosts take ${rankCount(hosts)}: say more, as in a:8,b:8`
