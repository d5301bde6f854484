// Profile: where the device's time went, by kernel.
import { native } from './addon.js'
import { checkFunction } from './checks.js'
import { WeftError } from './error.js'
import { synchronize } from './flights.js'
import { checkCall } from './options.js'

export interface Profile<T> {
  result: T
  wallMs: number
  deviceMs: number
  kernels: { name: string; count: number; ms: number; flops: number; bytes: number }[]
}

let profiling = false

/** Runs fn and tells where the device's time went, by kernel. */
export async function profile<T>(fn: () => T | Promise<T>): Promise<Profile<T>> {
  checkCall('profile(fn)', arguments)
  checkFunction('profile', fn)
  if (profiling) throw new WeftError('ERR_STATE', 'profile: another profile is under way')
  await synchronize()
  profiling = true
  native.profile(true)
  try {
    const begin = performance.now()
    const result = await fn()
    await synchronize()
    const wallMs = performance.now() - begin
    const kernels = native
      .profile(false)
      .map((k) => ({ name: k.name, count: k.count, ms: k.ms, flops: k.flops, bytes: k.bytes }))
      .sort((a, b) => b.ms - a.ms)
    return { result, wallMs, deviceMs: kernels.reduce((sum, k) => sum + k.ms, 0), kernels }
  } finally {
    profiling = false
    native.profile(false)
  }
}
