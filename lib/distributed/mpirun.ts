// mpirun: which MPI starts ranks on this machine, and how it is told what to start.
import { spawnSync } from 'node:child_process'
import { WeftError } from '../core/error.js'

export interface Mpirun {
  readonly command: string
  readonly family: 'Open MPI' | 'MPICH'
  /** 'Open MPI 4.1.4'. */
  readonly version: string
}

export interface RunPlan {
  readonly ranks: number
  /** 'a:8,b:8'. */
  readonly hosts: string | undefined
  readonly hostfile: string | undefined
  /** Further options of mpirun. */
  readonly options: readonly string[]
  /** The program and its arguments. */
  readonly program: readonly string[]
  /** Threads of each rank; undefined: as the environment says. */
  readonly threads: number | undefined
}

/** The mpirun on the PATH, or that WEFT_MPIRUN names; undefined where there is none. */
export function findMpirun(environment: NodeJS.ProcessEnv = process.env): Mpirun | undefined {
  for (const command of environment['WEFT_MPIRUN'] ? [environment['WEFT_MPIRUN']] : ['mpirun', 'mpiexec']) {
    const { status, stdout } = spawnSync(command, ['--version'], { encoding: 'utf8', timeout: 20_000 })
    if (status !== 0) continue
    // under another name than mpirun, as mpirun.openmpi of Debian, it calls itself OpenRTE
    const open = /\((?:Open MPI|OpenRTE)\)\s*(\S+)/.exec(stdout)
    if (open) return { command, family: 'Open MPI', version: `Open MPI ${open[1]}` }
    const mpich = /Version:\s*(\S+)/.exec(stdout)
    if (mpich) return { command, family: 'MPICH', version: `MPICH ${mpich[1]}` }
  }
  return undefined
}

/** The arguments of mpirun for a run. */
export function mpirunArguments({ family }: Pick<Mpirun, 'family'>, plan: RunPlan): string[] {
  const { ranks, hosts, hostfile, options, program, threads } = plan
  const exported = threads === undefined ? undefined : `WEFT_THREADS=${threads}`
  if (family === 'Open MPI')
    return [
      // each rank would be bound to one core, and have one thread
      ...['--bind-to', 'none', '--oversubscribe', '--tag-output', '-n', String(ranks)],
      ...(hosts === undefined ? [] : ['--host', hosts]),
      ...(hostfile === undefined ? [] : ['--hostfile', hostfile]),
      ...(exported === undefined ? [] : ['-x', exported]),
      ...options,
      ...program,
    ]
  return [
    ...['-prepend-rank', '-n', String(ranks)],
    ...(hosts === undefined ? [] : ['-hosts', hosts]),
    ...(hostfile === undefined ? [] : ['-f', hostfile]),
    ...(exported === undefined ? [] : ['-env', 'WEFT_THREADS', String(threads)]),
    ...options,
    ...program,
  ]
}

/** Throws ERR_DISTRIBUTED, with what to install. */
export function needMpirun(): Mpirun {
  const found = findMpirun()
  if (found) return found
  throw new WeftError('ERR_DISTRIBUTED', 'weftjs run: no mpirun was found', {
    hint: 'Install one: apt-get install openmpi-bin (or mpich); or name it in WEFT_MPIRUN',
  })
}
