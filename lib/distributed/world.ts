// World: the ranks of a run, as this process sees them. A process that never calls init() is a run of one rank.
import { AsyncLocalStorage } from 'node:async_hooks'
import { native } from '../core/addon.js'
import { device, setDevice } from '../core/device.js'
import { deviceOfRank, engineOf, kindOf } from '../core/device_kinds.js'
import { WeftError, type ErrorCode } from '../core/error.js'
import { finished, isFinished, lastTicket } from '../core/flights.js'
import { checkCall, checkOptions, type OptionTable, show } from '../core/options.js'
import { checkFunction, finite, integer } from '../core/checks.js'
import { packageVersion } from '../core/version.js'
import './error_codes.js'
import { exitOnLoss } from './exit_code.js'
import { type Launch, launchOf } from './launcher.js'
import { needsMpi } from './nodes.js'
import { meetingOf } from './rendezvous.js'

export interface InitOptions {
  /**
   * What moves the bytes: 'mpi' between CPUs, 'nccl' between NVIDIA GPUs; 'none': this process stays alone, whoever
   * started it; 'auto' (default): where a launcher has started more than one rank the engine of the current device,
   * else 'none'. With 'nccl' the GPU whose number is the rank's on its host becomes the current device.
   */
  engine?: 'auto' | 'mpi' | 'nccl' | 'none'
  /** Milliseconds after which a collective for which not all ranks have come fails. Default 1,800,000. */
  timeoutMs?: number
  /**
   * Milliseconds between two signs of life of each rank. A rank that is silent for four of them is lost. Default 5,000.
   */
  heartbeatMs?: number
  /**
   * Gradients travel in buckets of about so many bytes, each as soon as it is full, while the backward pass goes on.
   * The first one is smaller. The number is part of what makes bits equal on three and more ranks. Default 4 MiB
   * between CPUs, 25 MiB between GPUs.
   */
  bucketBytes?: number
  /**
   * What float32 gradients travel as. 'bfloat16' halves the bytes: each rank rounds its gradients once, they are added
   * up in float32, and the sum is rounded once. All ranks hold equal bits. Default 'float32'.
   */
  gradientDtype?: 'float32' | 'bfloat16'
  /**
   * Each rank keeps its part of the optimizer's state, and updates its part of each weight: the memory of the state is
   * divided by the number of ranks, at the bytes of an exchange of gradients (Rajbhandari et al. 2020, "ZeRO", stage
   * 1). Default false.
   */
  shardOptimizer?: boolean
}

const OPTIONS: OptionTable<InitOptions> = {
  engine: 'string',
  timeoutMs: 'number',
  heartbeatMs: 'number',
  bucketBytes: 'integer',
  gradientDtype: ['float32', 'bfloat16'],
  shardOptimizer: 'boolean',
}

export interface World {
  /** From 0. */
  readonly rank: number
  /** How many ranks there are. */
  readonly size: number
  /** The rank among those of this host. */
  readonly localRank: number
  readonly engine: 'mpi' | 'nccl' | 'none'
  /** Of the engine's library: 'Open MPI v4.1.4'. Undefined where there is none. */
  readonly version: string | undefined
}

const ALONE: World = { rank: 0, size: 1, localRank: 0, engine: 'none', version: undefined }

let current: World = ALONE
/**
 * Between CPUs a step's network is slower beside its arithmetic: of 25 MB over 1 Gbit/s buckets of 4 MiB hid most of
 * the backward pass. GPUs need few launches, and have PyTorch's default.
 */
const BYTES_OF_BUCKET = { mpi: 4 * 2 ** 20, nccl: 25 * 2 ** 20 }

/** @internal The bytes of a bucket of gradients. */
export let bytesOfBucket: number = BYTES_OF_BUCKET.nccl
/** @internal How gradients travel, and whether optimizers keep parts. */
export const exchange: { dtype: 'float32' | 'bfloat16'; shardsOptimizer: boolean } = { dtype: 'float32', shardsOptimizer: false }
/** @internal After so many milliseconds without a sign of life a rank counts as lost. */
export let msOfSilence: number = 20_000
let state: 'new' | 'meeting' | 'open' | 'closed' = 'new'

/** Set while a function runs for which this process is the only one; `callback`: it is called on rank 0 alone. */
const lonely = new AsyncLocalStorage<{ readonly callback: boolean }>()

/** @internal The world of this process. */
export const world = (): World => (lonely.getStore() === undefined ? current : ALONE)

/**
 * Runs a function as if this process had no other ranks: models are trained, evaluated and saved in it by this rank
 * alone, and collectives give what they are given. For work that differs from rank to rank.
 * @example const scores = await distributed.gatherJson(await distributed.alone(() => score(candidates[rank])))
 */
export function alone<T>(fn: () => T): T {
  checkCall('distributed.alone(fn)', arguments)
  checkFunction('distributed.alone', fn)
  return apart(fn, false)
}

/** @internal The same; `callback`: collectives of the run are refused, because the other ranks do not call them. */
export const apart = <T>(fn: () => T, callback: boolean): T =>
  current.size === 1 || lonely.getStore() !== undefined ? fn() : lonely.run({ callback }, fn)

/** Errors of the addon come with a code of their own. */
async function asWeftError<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const code = (error as { weftCode?: ErrorCode }).weftCode
    if (code === undefined) throw error
    throw new WeftError(code, `${what}: ${(error as Error).message}`, { cause: error })
  }
}

/** How ranks with GPUs meet: at a port of rank 0, whoever has started them. */
function meetOnGpus(launch: Launch): { from: string; library: string; device: string; address: string; port: number; job: string } {
  const { id, path } = deviceOfRank('nccl', launch.localRank)
  const meeting = meetingOf(launch, process.env)
  setDevice(id)
  return { from: path, library: process.env['WEFT_NCCL_LIBRARY'] ?? '', device: id, ...meeting }
}

/** How ranks on CPUs meet: through MPI, which knows where they are. */
const meetByMpi = (): ReturnType<typeof meetOnGpus> => ({
  from: '',
  library: process.env['WEFT_MPI_LIBRARY'] ?? '',
  device: '',
  address: '',
  port: 0,
  job: '',
})

/**
 * Meets the other ranks of the run that a launcher has started: mpirun of Open MPI or of MPICH, srun, torchrun, or
 * npx weftjs run. A process that was started alone is one rank, and nothing is opened. Once per process.
 * @throws ERR_DISTRIBUTED where there is no MPI library, where it is another one than the launcher's, where the ranks
 *   do
 *   not meet within `timeoutMs`, and where they have other versions of weftjs or other options
 * @throws ERR_NO_DEVICE where 'nccl' has no GPU or no NCCL library
 * @example const { rank, size } = await distributed.init()
 */
export async function init(options: InitOptions = {}): Promise<World> {
  checkCall('distributed.init(options)', arguments)
  checkOptions('distributed.init', options, OPTIONS)
  const { engine = 'auto', timeoutMs = 1_800_000, heartbeatMs = 5_000, gradientDtype = 'float32', shardOptimizer = false } = options
  if (!['auto', 'mpi', 'nccl', 'none'].includes(engine))
    throw new WeftError('ERR_ARGUMENT', `distributed.init: engine is 'auto', 'mpi', 'nccl' or 'none', got ${show(engine)}`)
  for (const [name, value] of Object.entries({ timeoutMs, heartbeatMs }))
    if (!(finite('distributed.init', name, value) >= 10))
      throw new WeftError('ERR_ARGUMENT', `distributed.init: ${name} is at least 10, got ${value}`)
  if (options.bucketBytes !== undefined) integer('distributed.init', 'bucketBytes', options.bucketBytes, 1)
  if (state !== 'new') throw new WeftError('ERR_STATE', 'distributed.init: it was called before; a process meets the others once')
  const launch = launchOf(process.env)
  if (engine === 'none' || (engine !== 'mpi' && launch.size === 1)) {
    state = 'open'
    return current
  }
  const chosen = engine === 'auto' ? engineOf(kindOf(device())!) : engine
  if (chosen === 'mpi') needsMpi(launch)
  const place = chosen === 'nccl' ? meetOnGpus(launch) : meetByMpi()
  state = 'meeting'
  bytesOfBucket = options.bucketBytes ?? BYTES_OF_BUCKET[chosen]
  Object.assign(exchange, { dtype: gradientDtype, shardsOptimizer: shardOptimizer })
  msOfSilence = 4 * heartbeatMs
  const facts = await asWeftError(
    'distributed.init',
    // an addon that refuses throws at once
    (async () =>
      native.openEngine(chosen, {
        ...place,
        network: process.env['WEFT_INTERFACE'] ?? '',
        rank: launch.rank,
        size: launch.size,
        timeoutMs,
        heartbeatMs,
      }))(),
  )
  // a program that comes to its end without having awaited its last collectives: the others are still in them
  process.on('beforeExit', () => {
    if (!isFinished(lastTicket())) void finished(lastTicket())
  })
  // the others learn that this rank ends, and not that it is lost
  process.on('exit', (code) => native.leaveEngine(code !== 0))
  exitOnLoss()
  try {
    await compareRuns({ version: packageVersion(), heartbeatMs, bucketBytes: bytesOfBucket, gradientDtype, shardOptimizer })
  } catch (error) {
    leave()
    throw error
  }
  current = { rank: facts.rank, size: facts.size, localRank: launch.localRank, engine: chosen, version: facts.version }
  state = 'open'
  return current
}

/** ERR_DISTRIBUTED where a fact of the run is another one on some rank. */
async function compareRuns(facts: Readonly<Record<string, unknown>>): Promise<void> {
  const all = (await gatherTexts('distributed.init', JSON.stringify(facts))).map((one) => JSON.parse(one) as typeof facts)
  for (const [rank, other] of all.entries())
    for (const name of Object.keys({ ...all[0], ...other }))
      if (other[name] !== all[0]![name])
        throw new WeftError(
          'ERR_DISTRIBUTED',
          `distributed.init: the ranks are not alike: ${name} is ${show(all[0]![name])} on rank 0 and ${show(other[name])} on rank ${rank}`,
          { hint: 'Every rank runs the same program with the same package, and calls init() with the same options' },
        )
}

/** @internal Throws unless init() has been awaited. */
export function opened(what: string): World {
  const apart = lonely.getStore()
  if (apart?.callback)
    throw new WeftError('ERR_STATE', `${what}: it is called in a callback, which is called on rank 0 alone`, {
      hint: 'Pass callbacks.everyRank(callback): that one is called on every rank',
    })
  if (state === 'open') return apart === undefined ? current : ALONE
  throw new WeftError('ERR_STATE', state === 'closed' ? `${what}: distributed.close() was called` : `${what}: the ranks have not met`, {
    ...(state === 'closed' ? {} : { hint: 'Call await distributed.init() first' }),
  })
}

/**
 * The values of all ranks, in their order. Every rank calls it, and gives what JSON can hold.
 * @throws ERR_DISTRIBUTED where a rank is lost, calls something else, or not all come within `timeoutMs`
 */
export async function gatherJson<T>(value: T): Promise<T[]> {
  checkCall('distributed.gatherJson(value)', arguments)
  const { size } = opened('distributed.gatherJson')
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    throw new WeftError('ERR_ARGUMENT', `distributed.gatherJson: JSON cannot hold the value: ${(error as Error).message}`, { cause: error })
  }
  if (text === undefined) throw new WeftError('ERR_ARGUMENT', `distributed.gatherJson: ${show(value)} is nothing that JSON can hold`)
  if (size === 1) return [JSON.parse(text) as T]
  return (await gatherTexts('distributed.gatherJson', text)).map((one) => JSON.parse(one) as T)
}

/**
 * @internal The texts of all ranks. Each says what it calls, so that ranks that call different functions learn it.
 * @param what the call: 'fit', 'save', 'distributed.barrier'
 */
export async function gatherTexts(what: string, text: string): Promise<string[]> {
  const said = await asWeftError(what, native.gatherTexts(`${what}\n${text}`))
  const calls = said.map((one) => one.slice(0, one.indexOf('\n')))
  const other = calls.findIndex((call) => call !== what)
  if (other >= 0)
    throw new WeftError('ERR_DISTRIBUTED', `${what}: rank ${other} calls ${calls[other]} meanwhile`, {
      hint: `Every rank calls the same functions in the same order; does one of these calls stand behind if (rank === ...)?`,
    })
  return said.map((one) => one.slice(one.indexOf('\n') + 1))
}

/** @internal Values that JSON can hold, of all ranks; `what` as for gatherTexts. */
export async function gatherOf<T>(what: string, value: T): Promise<T[]> {
  const text = JSON.stringify(value)
  return (opened(what).size === 1 ? [text] : await gatherTexts(what, text)).map((one) => JSON.parse(one) as T)
}

/** @internal Leaves the run without a wait for the others, who get ERR_DISTRIBUTED: this rank has ended. */
export function leave(): void {
  state = 'closed'
  native.closeEngine().catch(() => undefined)
}

/** Resolves when all ranks have called it. ERR_DISTRIBUTED as gatherJson(). */
export async function barrier(): Promise<void> {
  checkCall('distributed.barrier()', arguments)
  if (opened('distributed.barrier').size > 1) await gatherTexts('distributed.barrier', '')
}

/** Leaves the run: resolves when all ranks have called it, or have ended. A process that ends calls it by itself. */
export async function close(): Promise<void> {
  checkCall('distributed.close()', arguments)
  const { size } = opened('distributed.close')
  if (lonely.getStore() !== undefined) throw new WeftError('ERR_STATE', 'distributed.close: it is called in distributed.alone()')
  state = 'closed'
  if (size === 1) return
  // collectives that nobody has awaited: the others are still in them
  if (!isFinished(lastTicket())) await finished(lastTicket())
  await asWeftError('distributed.close', native.closeEngine())
}
