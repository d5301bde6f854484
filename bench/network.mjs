// Ranks with a limited network between them, on one machine: each in a network namespace of its own with a host name of
// its own, all on one bridge, their interfaces limited by tc (tbf). Needs root and iproute2.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** The launchers that these benches know, by the names that Debian's alternatives keep. */
export const LAUNCHERS = [
  { name: 'Open MPI', command: 'mpirun.openmpi', package: 'openmpi-bin' },
  { name: 'MPICH', command: 'mpirun.mpich', package: 'mpich' },
].filter(({ command }) => spawnSync(command, ['--version']).status === 0)

const BRIDGE = 'weft-bridge'
const namespaceOf = (rank) => `weft-r${rank}`
const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] })

/** Makes the namespaces of `ranks` ranks, calls `fn`, and removes them. `rate`: as tc writes it, '1gbit'. */
export async function withNetwork(ranks, rate, fn) {
  const all = Array.from({ length: ranks }, (_, rank) => rank)
  const clean = () => [BRIDGE, ...all.map(namespaceOf)].forEach((name) => spawnSync('ip', ['netns', 'del', name]))
  clean()
  try {
    ip('netns', 'add', BRIDGE)
    const bridge = (...args) => ip('netns', 'exec', BRIDGE, 'ip', ...args)
    bridge('link', 'set', 'lo', 'up')
    bridge('link', 'add', 'br0', 'type', 'bridge')
    bridge('addr', 'add', '10.77.0.254/24', 'dev', 'br0')
    bridge('link', 'set', 'br0', 'up')
    for (const r of all) {
      const inside = (...args) => ip('netns', 'exec', namespaceOf(r), ...args)
      ip('netns', 'add', namespaceOf(r))
      ip('link', 'add', `wv${r}`, 'type', 'veth', 'peer', 'name', `wp${r}`)
      ip('link', 'set', `wv${r}`, 'netns', namespaceOf(r))
      ip('link', 'set', `wp${r}`, 'netns', BRIDGE)
      bridge('link', 'set', `wp${r}`, 'master', 'br0', 'up')
      inside('ip', 'addr', 'add', `10.77.0.${r + 1}/24`, 'dev', `wv${r}`)
      inside('ip', 'link', 'set', `wv${r}`, 'up')
      inside('ip', 'link', 'set', 'lo', 'up')
      inside('tc', 'qdisc', 'add', 'dev', `wv${r}`, 'root', 'tbf', 'rate', rate, 'burst', '256kb', 'latency', '50ms')
    }
    return await fn()
  } finally {
    clean()
  }
}

/**
 * The command that starts `program` as ranks. `network`: one in each namespace. MPICH's ranks are children of mpirun,
 * and a wrapper moves them; Open MPI's are children of a daemon for each host, which is started there.
 */
function commandOf({ command }, ranks, program, network, folder) {
  if (!network) return [command, ...(command.includes('openmpi') ? ['--bind-to', 'none', '--oversubscribe'] : []), '-n', ranks, ...program]
  const script = path.join(folder, 'start.sh')
  if (command.includes('openmpi')) {
    writeFileSync(script, '#!/bin/sh\nrank=$1; shift\nexec ip netns exec "weft-$rank" unshare --uts sh -c "hostname $rank; $*"\n')
    chmodSync(script, 0o755)
    const hosts = Array.from({ length: ranks }, (_, rank) => `r${rank}:1`).join()
    const mca = ['plm_rsh_agent', script, 'plm_rsh_no_tree_spawn', '1', 'oob_tcp_if_include', '10.77.0.0/24']
    const tcp = ['btl', 'tcp,self', 'btl_tcp_if_include', '10.77.0.0/24', 'pml', 'ob1', 'orte_keep_fqdn_hostnames', '0']
    const options = [...mca, ...tcp].flatMap((word, i, words) => (i % 2 === 0 ? ['--mca', word, words[i + 1]] : []))
    return ['ip', 'netns', 'exec', BRIDGE, command, ...options, '--bind-to', 'none', '--host', hosts, '-n', ranks, ...program]
  }
  writeFileSync(script, '#!/bin/sh\nexec ip netns exec weft-r$PMI_RANK unshare --uts sh -c "hostname weft-r$PMI_RANK; exec $*"\n')
  chmodSync(script, 0o755)
  return [command, '-n', ranks, script, ...program]
}

/**
 * Starts ranks, and resolves with what they print when all have ended: { code, output }. `network`: call it within
 * withNetwork(). The ranks see `environment` as well.
 */
export function startRanks(launcher, ranks, program, { network = false, environment = {}, timeoutMs = 60_000 } = {}) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-ranks-'))
  const [command, ...args] = commandOf(launcher, String(ranks), program, network, folder)
  const variables = {
    OMPI_ALLOW_RUN_AS_ROOT: '1',
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
    ...(network ? { UCX_TLS: 'tcp,self' } : {}),
    WEFT_THREADS: '1',
    ...environment,
  }
  // daemons of Open MPI pass on the variables that mpirun is told of
  const passed =
    command === 'ip'
      ? Object.keys(variables)
          .filter((name) => !name.startsWith('OMPI_'))
          .flatMap((name) => ['-x', name])
      : []
  const at = args.indexOf('-n')
  if (passed.length > 0) args.splice(at, 0, ...passed)
  return new Promise((resolve) => {
    // an mpirun that was stopped while its ranks ended may hear of it never, and does not end at SIGTERM either
    const end = { timeout: timeoutMs, killSignal: 'SIGKILL' }
    const child = spawn(command, args, { env: { ...process.env, ...variables }, stdio: ['ignore', 'pipe', 'pipe'], ...end })
    let output = ''
    const keep = (chunk) => (output += chunk)
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('close', (code) => {
      rmSync(folder, { recursive: true, force: true })
      resolve({ code, output })
    })
  })
}
