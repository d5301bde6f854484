// Starts a program as ranks whose GPUs are emulated, as torchrun would, and collects what each rank said. NCCL's twin
// (test/cuda-on-cpu/nccl.cc) moves the bytes.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../lib/distributed/free_port.js'

const folder = fileURLToPath(new URL('../../../build/cuda-on-cpu/', import.meta.url))
export const CUDA: string = `${folder}libweft_cuda.so`
export const TWIN: string = `${folder}libweft_nccl.so`
export const built: boolean = existsSync(CUDA) && existsSync(TWIN)
export const NEED = 'the emulated CUDA library (build/cuda-on-cpu)'

export interface Said {
  readonly rank: number
  readonly [key: string]: unknown
}

export interface Ended {
  readonly said: readonly Said[]
  /** Of each rank: its exit code, or the signal that ended it. */
  readonly ends: readonly (number | string)[]
  readonly output: string
}

/** 'R', 'S', 'T' (stopped), ... as /proc has it. Empty for a process that is gone. */
function stateOf(pid: number): string {
  const file = `/proc/${pid}/stat`
  return existsSync(file) ? (/\) (\w)/.exec(readFileSync(file, 'utf8'))?.[1] ?? '') : ''
}

/**
 * Starts test/distributed/programs/<program>.js.
 * @param environment of all ranks, or a function that gives that of each
 */
export async function launchOnGpus(
  ranks: number,
  program: string,
  args: readonly string[] = [],
  environment: NodeJS.ProcessEnv | ((rank: number) => NodeJS.ProcessEnv) = {},
): Promise<Ended> {
  const file = path.join(import.meta.dirname, 'programs', `${program}.js`)
  const said = mkdtempSync(path.join(os.tmpdir(), 'weft-gpus-'))
  const port = await freePorts(1)
  let output = ''
  let left = ranks
  const children: ChildProcess[] = []
  /** What is left when all others have ended was stopped: nobody continues it. */
  const endStopped = (): void => {
    for (const child of children)
      if (child.exitCode === null && child.signalCode === null && stateOf(child.pid!) === 'T') child.kill('SIGKILL')
  }
  const ends = await Promise.all(
    Array.from({ length: ranks }, (_, rank) => {
      const env = {
        ...process.env,
        WEFT_THREADS: '1',
        WEFT_CUDA_LIBRARY: CUDA,
        WEFT_NCCL_LIBRARY: TWIN,
        WEFT_DEVICE: 'cuda',
        RANK: String(rank),
        WORLD_SIZE: String(ranks),
        LOCAL_RANK: String(rank),
        MASTER_ADDR: '127.0.0.1',
        MASTER_PORT: String(port),
        WEFT_SAID: said,
        ...(typeof environment === 'function' ? environment(rank) : environment),
      }
      return new Promise<number | string>((resolve) => {
        const child = spawn(process.execPath, [file, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
        children.push(child)
        const keep = (chunk: Buffer): void => void (output += chunk.toString().replace(/^/gm, `[${rank}] `))
        child.stdout.on('data', keep)
        child.stderr.on('data', keep)
        // one that hangs: the test fails
        const timer = setTimeout(() => child.kill('SIGKILL'), 40_000)
        child.on('close', (code, signal) => {
          clearTimeout(timer)
          if (--left === 1) endStopped()
          resolve(code ?? signal ?? 'gone')
        })
      })
    }),
  )
  const texts = readdirSync(said)
    .sort()
    .map((name) => JSON.parse(readFileSync(path.join(said, name), 'utf8')) as Said)
  rmSync(said, { recursive: true })
  return { said: texts, ends, output }
}
