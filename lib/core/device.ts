// Devices: which there are, which is current.
import { native } from './addon.js'
import { checkFunction } from './checks.js'
import { WeftError, unknownName } from './error.js'
import { checkCall, show } from './options.js'

export interface DeviceInfo {
  /** 'cpu', 'cuda:0', ... as setDevice takes it. */
  id: string
  kind: 'cpu' | 'cuda'
  name: string
  /** True for CUDA kernels that are executed on the CPU, in tests. */
  emulated: boolean
  /** CPU: instruction set of the kernels (portable, avx2 or avx512), and threads that run them. */
  level?: string
  /** CPU: the instruction sets that the addon has kernels for. */
  levels?: string[]
  threads?: number
  features?: string[]
  /** CUDA: bytes. */
  memory?: { total: number; free: number }
  computeCapability?: string
}

/** The devices of this machine that can be used. */
export function devices(): DeviceInfo[] {
  checkCall('devices()', arguments)
  checkEnvironment()
  cuda()
  return native.devices()
}

/** @internal What looking for CUDA found. */
export interface Cuda {
  /** Ids of the devices that can be used, in the addon's order. */
  readonly ids: readonly string[]
  /** Why there is none. */
  readonly problem: string | undefined
  readonly emulated: boolean
  /** Everything the library had to say, by key. */
  readonly notes: readonly (readonly [string, string])[]
}

let found: Cuda | undefined

/** @internal Opens the CUDA library, once: the library in the folder of the addon, or that of WEFT_CUDA_LIBRARY. */
export function cuda(): Cuda {
  if (found === undefined) {
    const notes = native.openCuda(process.env['WEFT_CUDA_LIBRARY'] || undefined)
    const all = (key: string): string[] => notes.filter(([name]) => name === key).map(([, text]) => text)
    const ids = all('device')
    found = {
      ids,
      problem: all('problem')[0] ?? (ids.length === 0 ? 'no CUDA device was found' : undefined),
      emulated: all('emulated').length > 0,
      notes,
    }
  }
  return found
}

/** @internal Position of a device in the addon's list. */
export const indexOf = (id: string): number => (id === 'cpu' ? 0 : 1 + cuda().ids.indexOf(id))

/** What to do about a missing CUDA device. */
function cure(problem: string): string {
  if (problem.includes('no CUDA library'))
    return "Use setDevice('cpu'), or build it with WEFT_CUDA=ON npx weftjs build, which needs nvcc (the CUDA toolkit); `npx weftjs doctor` lists what was found"
  if (problem.includes('driver'))
    return "Install or update NVIDIA's driver, or use setDevice('cpu'); `npx weftjs doctor` lists what was found"
  return "Use setDevice('cpu'); `npx weftjs doctor` lists what was found"
}

/** The id of a device by its name ('auto': the default); ERR_NO_DEVICE with the reason when it cannot be used. */
export function resolveDevice(name: string): string {
  if (typeof name !== 'string') throw new WeftError('ERR_ARGUMENT', `a device is a name, 'cpu' or 'cuda:0', got ${show(name)}`)
  checkEnvironment()
  if (name === 'cpu') return name
  // kernels that are emulated on the CPU are never chosen: only named
  if (name === 'auto') return cuda().emulated ? 'cpu' : (cuda().ids[0] ?? 'cpu')
  if (/^cuda(:\d+)?$/.test(name)) {
    const { ids, problem } = cuda()
    if (problem !== undefined) {
      throw new WeftError('ERR_NO_DEVICE', `device '${name}' cannot be used: ${problem}`, { hint: cure(problem) })
    }
    const id = name === 'cuda' ? ids[0]! : name
    if (!ids.includes(id)) throw new WeftError('ERR_NO_DEVICE', `there is no device '${name}'`, { hint: `There are: ${ids.join(', ')}` })
    return id
  }
  throw unknownName('device', name, ['cpu', ...cuda().ids])
}

let checked = false

/**
 * At the first use of a device: throws ERR_ARGUMENT for a value that makes no sense. The addon checks the variables
 * that it reads itself.
 */
function checkEnvironment(): void {
  if (checked) return
  const value = process.env['WEFT_REQUIRE_CUDA']
  if (value && !/^[01]$/.test(value))
    throw new WeftError('ERR_ARGUMENT', `WEFT_REQUIRE_CUDA='${value}' is not 0 or 1`, { hint: 'Unset WEFT_REQUIRE_CUDA, or correct it' })
  checked = true
}

/** The default device; an error names the variable that asked for it. */
function initialDevice(): string {
  const wanted = process.env['WEFT_DEVICE'] || 'auto'
  try {
    return resolveDevice(wanted)
  } catch (error) {
    if (!(error instanceof WeftError) || wanted === 'auto' || error.message.startsWith('WEFT_')) throw error
    throw new WeftError(error.code, `WEFT_DEVICE='${wanted}': ${error.message}`)
  }
}

let current: string | undefined

/** The id of the device that new tensors go to. Default: WEFT_DEVICE, else the first usable CUDA device, else 'cpu'. */
export function device(): string {
  if (arguments.length > 0) checkCall('device()', arguments)
  if (current === undefined) current = initialDevice()
  return current
}

/**
 * Makes `id` the device of what is created from now on. Throws ERR_NO_DEVICE with the reason when it cannot be used.
 */
export function setDevice(id: string): void {
  checkCall('setDevice(id)', arguments)
  current = resolveDevice(id)
}

/** Runs the synchronous `fn` with another current device. */
export function withDevice<T>(id: string, fn: () => T): T {
  checkCall('withDevice(id, fn)', arguments)
  checkFunction('withDevice', fn)
  const before = device()
  current = resolveDevice(id)
  try {
    return fn()
  } finally {
    current = before
  }
}

if (process.env['WEFT_REQUIRE_CUDA'] === '1') {
  const { problem } = cuda()
  if (problem !== undefined) throw new WeftError('ERR_NO_DEVICE', `WEFT_REQUIRE_CUDA=1, but ${problem}`, { hint: cure(problem) })
}
