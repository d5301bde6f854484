// GPUs: how many this host has, as a process sees them that is started like this one.
import { spawnSync } from 'node:child_process'

export interface Gpus {
  readonly count: number
  /** New tensors go to one: the ranks of a run compute on GPUs. */
  readonly chosen: boolean
}

/** Looks in a process of its own: one that has looked keeps memory of each GPU as long as it lives. */
export function gpusHere(environment: NodeJS.ProcessEnv): Gpus {
  const module = (name: string): string => JSON.stringify(new URL(`../core/${name}.js`, import.meta.url).href)
  const text = `
    import { device, devices } from ${module('device')}
    import { isAccelerator, kindOf } from ${module('device_kinds')}
    const count = devices().filter(({ kind }) => isAccelerator(kind)).length
    console.log('GPUs ' + JSON.stringify({ count, chosen: isAccelerator(kindOf(device())) }))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], { encoding: 'utf8', env: environment })
  const found = /^GPUs (.*)$/m.exec(stdout)
  if (found) return JSON.parse(found[1]!) as Gpus
  // a device that is asked for and cannot be used
  throw new Error(/^\w*Error.*$/m.exec(stderr)?.[0] ?? `the devices of this host are not known: ${stderr}`)
}
