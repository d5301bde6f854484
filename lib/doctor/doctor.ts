// doctor: what this machine offers, which data sets it has, and whether the numbers are right.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { cifar10Files } from '../data/datasets/cifar.js'
import { type FileSet, find } from '../data/datasets/files.js'
import { fashionMnistFiles, mnistFiles } from '../data/datasets/idx.js'
import { type DeviceInfo, device, devices } from '../core/device.js'
import { ACCELERATORS, type Accelerator, isAccelerator, libraryOf } from '../core/device_kinds.js'
import { checkCall } from '../core/options.js'
import { packageVersion } from '../core/version.js'
import { type DoctorEngine, engines } from './engines.js'
import { deviceTests, selfTests } from './selftest.js'

export interface DoctorCheck {
  name: string
  /** The device it ran on, where that is not the default one. */
  device?: string
  ok: boolean
  /** What was found, or what is wrong. */
  detail: string
}

/** What was found of a kind of device beside the CPU. */
export interface DoctorLibrary {
  /** The path of its library; undefined where this build has none. */
  library: string | undefined
  /**
   * Compute capabilities the library holds code for: '80-real' for GPUs of that generation alone, '80-virtual' and '80'
   * also for later ones.
   */
  architectures: string[]
  /** The release that the library was built with (of CUDA); the driver must support one of the same major number. */
  runtime: string | undefined
  /** The newest release that the driver supports; undefined where no driver was found. */
  driver: string | undefined
  /** The release of NVIDIA's kernel driver, '580.95.05', where Linux tells. */
  driverRelease: string | undefined
  /** Its kernels are executed on the CPU: WEFT_CUDA_LIBRARY names such a library. */
  emulated: boolean
  /** Devices that cannot be used, each with the reason. */
  rejected: string[]
  /** Why no such device can be used; undefined where one can. */
  problem: string | undefined
}

/** `cuda`: what was found of CUDA. */
export interface DoctorReport extends Record<Accelerator, DoctorLibrary> {
  /** Every check passed. */
  ok: boolean
  version: string
  node: string
  /** The Node-API version of this Node; the addon needs 8. */
  napi: number
  /** 'linux-x64', ... */
  platform: string
  /** `level`: the kernels that are used, of those the addon has, `levels`. */
  cpu: { name: string; level: string; levels: string[]; threads: number; features: string[] }
  /** The devices that can be used. */
  devices: DeviceInfo[]
  /** The device that new tensors go to. */
  device: string | undefined
  /** Engines of distributed runs: what was found, or what is missing. */
  engines: DoctorEngine[]
  datasets: { name: string; found: boolean; where: string | undefined }[]
  checks: DoctorCheck[]
}

const root = path.dirname(createRequire(import.meta.url).resolve('weftjs/package.json'))

/**
 * Examines this installation: versions, processor, CUDA and its devices, data sets; small calculations on the default
 * device against plain JavaScript, and larger ones on every CUDA device against the CPU. A machine without CUDA is
 * sound; a WEFT_DEVICE or WEFT_CUDA_LIBRARY that cannot be used is not.
 */
export async function doctor(): Promise<DoctorReport> {
  checkCall('doctor()', arguments)
  const list = devices()
  const cpu = list.find((info) => info.kind === 'cpu')
  const checks = [await check('device', async () => device())]
  for (const kind of ACCELERATORS) {
    const { ignored } = libraryOf(kind)
    if (ignored !== undefined) checks.push({ name: `${kind} library`, ok: false, detail: ignored })
  }
  // without a default device there is nothing to calculate on
  if (checks[0]!.ok) {
    for (const [name, test] of selfTests) checks.push(await check(name, test))
    for (const { id } of list.filter((info) => isAccelerator(info.kind))) {
      for (const [name, test] of deviceTests) checks.push({ ...(await check(name, () => test(id))), device: id })
    }
  }
  return {
    ok: checks.every((entry) => entry.ok),
    version: packageVersion(),
    node: process.versions.node,
    napi: Number(process.versions['napi']),
    platform: `${process.platform}-${process.arch}`,
    cpu: {
      name: cpu?.name ?? '',
      level: cpu?.level ?? '',
      levels: cpu?.levels ?? [],
      threads: cpu?.threads ?? 0,
      features: cpu?.features ?? [],
    },
    ...(Object.fromEntries(ACCELERATORS.map((kind) => [kind, describe(kind)])) as Record<Accelerator, DoctorLibrary>),
    devices: list,
    device: checks[0]!.ok ? checks[0]!.detail : undefined,
    engines: engines(),
    datasets: [
      ...['digits', 'iris', 'wine', 'breast-cancer', 'diabetes'].map(shipped),
      ...[fashionMnistFiles, mnistFiles, cifar10Files].map(located),
    ],
    checks,
  }
}

async function check(name: string, run: () => Promise<string>): Promise<DoctorCheck> {
  try {
    return { name, ok: true, detail: await run() }
  } catch (error) {
    return { name, ok: false, detail: (error as Error).message }
  }
}

function describe(kind: Accelerator): DoctorLibrary {
  const { notes, emulated, problem } = libraryOf(kind)
  const all = (key: string): string[] => notes.filter(([name]) => name === key).map(([, text]) => text)
  return {
    library: all('library')[0],
    architectures: all('architectures').flatMap((list) => list.split(' ').filter((entry) => entry !== '')),
    runtime: all('runtime')[0],
    driver: all('driver')[0],
    driverRelease: driverRelease(),
    emulated,
    rejected: all('rejected'),
    problem,
  }
}

function driverRelease(): string | undefined {
  try {
    return / (\d+\.\d+(?:\.\d+)?) /.exec(readFileSync('/proc/driver/nvidia/version', 'utf8'))?.[1]
  } catch {
    return undefined
  }
}

function shipped(name: string): DoctorReport['datasets'][number] {
  const file = path.join(root, 'data', `${name}.csv.gz`)
  const found = existsSync(file)
  return { name: name === 'breast-cancer' ? 'breastCancer' : name, found, where: found ? file : undefined }
}

function located(set: FileSet): DoctorReport['datasets'][number] {
  const place = find(set, undefined)
  return { name: set.title, found: place?.paths.every((file) => file !== undefined) ?? false, where: place?.folder }
}
