// Hosts: lists of machines with the number of ranks on each, as the command line and files give them.
import { readFileSync } from 'node:fs'

export interface Host {
  readonly name: string
  readonly ranks: number
}

/**
 * 'a:8,b:8'. Where no host has a number, `ranks` are spread over them, or each has one.
 * @throws Error that names what it cannot read
 */
export function parseHosts(list: string, ranks?: number): Host[] {
  const texts = list.split(',')
  const each = ranks === undefined || list.includes(':') ? 1 : Math.ceil(ranks / texts.length)
  return texts.map((text) => {
    const found = /^([\w.-]+)(?::(\d+))?$/.exec(text.trim())
    const ranks = Number(found?.[2] ?? each)
    if (!found || ranks < 1) throw new Error(`'${text}' is no host: name:ranks is expected, as in a:8,b:8`)
    return { name: found[1]!, ranks }
  })
}

/** A file with a host in each line: 'a slots=8' as Open MPI has it, or 'a:8' as MPICH; '#' begins a comment. */
export function readHostfile(file: string): Host[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  const hosts = lines.flatMap((line, i): Host[] => {
    const text = line.replace(/#.*/, '').trim()
    if (text === '') return []
    const found = /^([\w.-]+)(?:\s*:\s*(\d+)|(?:\s+\w+=\S+)*?\s+slots=(\d+)|)(?:\s+\w+=\S+)*$/.exec(text)
    const ranks = Number(found?.[2] ?? found?.[3] ?? 1)
    if (!found || ranks < 1) throw new Error(`${file}, line ${i + 1}: '${text}' is no host: 'a slots=8' or 'a:8' is expected`)
    return [{ name: found[1]!, ranks }]
  })
  if (hosts.length === 0) throw new Error(`${file} names no host`)
  return hosts
}

/** Of variables that name a host file for mpirun, as Kubeflow's MPIJob sets them, the file. */
export const hostfileOf = (environment: NodeJS.ProcessEnv): string | undefined =>
  ['OMPI_MCA_orte_default_hostfile', 'PRTE_MCA_prte_default_hostfile', 'HYDRA_HOST_FILE', 'I_MPI_HYDRA_HOST_FILE']
    .map((name) => environment[name])
    .find((file) => file !== undefined && file !== '')

export const rankCount = (hosts: readonly Host[]): number => hosts.reduce((sum, { ranks }) => sum + ranks, 0)
