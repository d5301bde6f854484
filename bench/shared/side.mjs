// A side of a comparison: a process of its own that answers one JSON line per request, so that each side gets its own
// threads and environment.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('..', import.meta.url))

export class Side {
  #child
  #waiting = []
  #name
  #ended

  constructor(name, command, args, environment) {
    this.#name = name
    this.#child = spawn(command, args, { cwd: folder, env: { ...process.env, ...environment }, stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child.on('error', (error) => this.#end(error))
    this.#child.on('exit', (code, signal) => this.#end(new Error(`${name} ended (${signal ?? code})`)))
    this.#child.stdin.on('error', () => {})
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#answer(line))
  }

  get pid() {
    return this.#child.pid
  }

  request(message) {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended)
      this.#waiting.push({ resolve, reject })
      this.#child.stdin.write(`${JSON.stringify(message)}\n`)
    })
  }

  close() {
    this.#child.stdin.end()
  }

  // Libraries may print lines of their own: those go to stderr.
  #answer(line) {
    if (!line.startsWith('{"')) {
      console.error(`${this.#name}: ${line}`)
      return
    }
    const reply = JSON.parse(line)
    const { resolve, reject } = this.#waiting.shift()
    if (reply.error === undefined) resolve(reply)
    else reject(new Error(`${this.#name}: ${reply.error}`))
  }

  #end(error) {
    this.#ended ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}

/** Weft in a process of its own, on `threads` threads. */
export const weftSide = (program, threads) =>
  new Side('weft', process.execPath, [`weft/${program}`], { WEFT_DEVICE: 'cpu', WEFT_THREADS: String(threads) })

/** What sides in Python import from shared/; nothing is left beside the sources. */
export const pythonEnvironment = {
  PYTHONPATH: [join(folder, 'shared'), process.env.PYTHONPATH].filter(Boolean).join(delimiter),
  PYTHONDONTWRITEBYTECODE: '1',
}

const cpuFlags = existsSync('/proc/cpuinfo') ? (/^flags.*$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[0].split(' ') ?? []) : []

/** What peers may use of the processor. WEFT_CPU_LEVEL holds them to the instruction set that it holds Weft to. */
const levelOf = (asked, flags) => {
  const found = flags.includes('avx512vl') ? 'avx512' : flags.includes('avx2') ? 'avx2' : 'portable'
  const order = ['portable', 'avx2', 'avx512']
  return asked && order.indexOf(asked) < order.indexOf(found) ? asked : found
}
export const peerLevel = levelOf(process.env.WEFT_CPU_LEVEL, cpuFlags)

/**
 * OpenBLAS 0.3.21 takes a processor newer than itself for a Prescott and then computes five times slower than it can:
 * name the kernels that fit the instruction set.
 */
const openblasCore = { avx512: { OPENBLAS_CORETYPE: 'SkylakeX' }, avx2: { OPENBLAS_CORETYPE: 'Haswell' }, portable: {} }[peerLevel]

/**
 * PyTorch's kernels are named, because it takes those for AVX2 where it could take those for AVX-512; oneDNN below it
 * would take the best of the processor.
 */
const torchKernels = {
  avx512: { ATEN_CPU_CAPABILITY: 'avx512' },
  avx2: { ATEN_CPU_CAPABILITY: 'avx2', DNNL_MAX_CPU_ISA: 'AVX2' },
  portable: { ATEN_CPU_CAPABILITY: 'default', DNNL_MAX_CPU_ISA: 'SSE41' },
}[peerLevel]

export const openblasEnvironment = (threads) => ({ ...openblasCore, OPENBLAS_NUM_THREADS: String(threads) })

/**
 * Debian's PyTorch in its best setting: its own thread count does not reach the OpenBLAS below it, the AVX-512 kernels
 * must be asked for, and glibc must not return a step's memory to the system after every step.
 */
export const torchSide = (program, threads, { openblasThreads = 1, waitPolicy } = {}) =>
  new Side('pytorch', '/usr/bin/python3', [`peers/${program}`, String(threads)], {
    ...pythonEnvironment,
    ...openblasEnvironment(openblasThreads),
    OMP_NUM_THREADS: String(threads),
    ...(waitPolicy === undefined ? {} : { OMP_WAIT_POLICY: waitPolicy }),
    ...torchKernels,
    MALLOC_MMAP_THRESHOLD_: '33554432',
    MALLOC_TRIM_THRESHOLD_: '8589934592',
    MALLOC_TOP_PAD_: '67108864',
  })

export const nodeSide = (name, program, args = []) => new Side(name, process.execPath, [`peers/${program}`, ...args.map(String)], {})

/** The other end of a Side in Node: `commands` maps a request's command to an async function that returns the reply. */
export const answerRequests = async (commands) => {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line)
    let reply
    try {
      reply = (await commands[request.command](request)) ?? { done: true }
    } catch (error) {
      reply = { error: String(error.stack ?? error) }
    }
    process.stdout.write(`${JSON.stringify(reply)}\n`)
  }
}
