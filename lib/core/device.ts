// Devices: which there are, which is current.
import { native } from './addon.js'
import { checkFunction } from './checks.js'
import {
  ACCELERATORS,
  acceleratorIds,
  checkRequired,
  type DeviceKind,
  idsByDefault,
  isAccelerator,
  kindOf,
  usable,
  warnOfIgnored,
} from './device_kinds.js'
import { WeftError, unknownName } from './error.js'
import { checkCall, show } from './options.js'

export interface DeviceInfo {
  /** 'cpu', 'cuda:0', ... as setDevice takes it. */
  id: string
  kind: DeviceKind
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
  warnOfIgnored()
  return native.devices()
}

/** @internal Position of a device in the addon's list. */
export const indexOf = (id: string): number => (id === 'cpu' ? 0 : 1 + acceleratorIds().indexOf(id))

/** The id of a device by its name ('auto': the default); ERR_NO_DEVICE with the reason when it cannot be used. */
export function resolveDevice(name: string): string {
  if (typeof name !== 'string')
    throw new WeftError('ERR_ARGUMENT', `a device is a name, 'cpu' or '${ACCELERATORS[0]}:0', got ${show(name)}`)
  checkEnvironment()
  if (name === 'cpu') return name
  if (name === 'auto') {
    warnOfIgnored()
    return idsByDefault()[0] ?? 'cpu'
  }
  const kind = kindOf(name)
  if (kind === undefined || !isAccelerator(kind)) throw unknownName('device', name, ['cpu', ...acceleratorIds()])
  const { ids } = usable(kind, (problem) => `device '${name}' cannot be used: ${problem}`)
  const id = name === kind ? ids[0]! : name
  if (!ids.includes(id)) throw new WeftError('ERR_NO_DEVICE', `there is no device '${name}'`, { hint: `There are: ${ids.join(', ')}` })
  return id
}

let checked = false

/**
 * At the first use of a device: throws ERR_ARGUMENT for a value that makes no sense. The addon checks the variables
 * that it reads itself.
 */
function checkEnvironment(): void {
  if (checked) return
  checkRequired()
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
