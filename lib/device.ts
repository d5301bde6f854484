// Devices: which there are, which is current; the only file that loads the addon.
import { createRequire } from 'node:module'
import path from 'node:path'
import { WeftError, unknownName } from './error.js'
import type { Native, NativeDevice } from './native.js'

const require = createRequire(import.meta.url)
const root = path.dirname(require.resolve('weftjs/package.json'))
/** @internal The addon. */
export const native: Native = (require('node-gyp-build') as (dir: string) => Native)(root)

export interface DeviceInfo {
  /** 'cpu', 'cuda:0', ... as setDevice takes it. */
  id: string
  kind: 'cpu' | 'cuda'
  name: string
  /** True for CUDA kernels that are executed on the CPU, in tests. */
  emulated: boolean
  /** CPU: instruction set of the kernels, and threads that run them. */
  level?: string
  threads?: number
  features?: string[]
  memory?: { total: number; free: number }
  computeCapability?: string
}

/** The devices of this machine that can be used. */
export function devices(): DeviceInfo[] {
  return native.devices()
}

const noCuda = 'this build of weftjs has no CUDA library'

/** The id of a device by its name ('auto': the default); ERR_NO_DEVICE with the reason when it cannot be used. */
export function resolveDevice(name: string): string {
  if (name === 'cpu') return name
  if (name === 'auto') return defaultDevice()
  if (/^cuda(:\d+)?$/.test(name)) {
    throw new WeftError('ERR_NO_DEVICE', `device '${name}' cannot be used: ${noCuda}`, {
      hint: "Use setDevice('cpu'), or install a build with CUDA; `npx weftjs doctor` lists what was found",
    })
  }
  throw unknownName(
    'device',
    name,
    native.devices().map((d: NativeDevice) => d.id),
  )
}

const defaultDevice = (): string => 'cpu'

let current: string | undefined

/** The id of the device that new tensors go to. Default: WEFT_DEVICE, else the first usable CUDA device, else 'cpu'. */
export function device(): string {
  if (current === undefined) {
    if (process.env['WEFT_REQUIRE_CUDA'] === '1') {
      throw new WeftError('ERR_NO_DEVICE', `WEFT_REQUIRE_CUDA=1, but ${noCuda}`, { hint: 'Unset it to run on the CPU' })
    }
    current = resolveDevice(process.env['WEFT_DEVICE'] || 'auto')
  }
  return current
}

/** Makes `id` the device of what is created from now on. Throws ERR_NO_DEVICE with the reason when it cannot be used. */
export function setDevice(id: string): void {
  current = resolveDevice(id)
}

/** Runs the synchronous `fn` with another current device. */
export function withDevice<T>(id: string, fn: () => T): T {
  const before = device()
  current = resolveDevice(id)
  try {
    return fn()
  } finally {
    current = before
  }
}
