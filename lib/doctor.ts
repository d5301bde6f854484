// doctor: what this machine offers, which data sets it has, and whether the numbers are right.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { cifar10Files } from './data/datasets/cifar.js'
import { type FileSet, find } from './data/datasets/files.js'
import { fashionMnistFiles, mnistFiles } from './data/datasets/idx.js'
import { type DeviceInfo, device, devices } from './device.js'
import { selfTests } from './selftest.js'

export interface DoctorCheck {
  name: string
  ok: boolean
  /** What was found, or what is wrong. */
  detail: string
}

export interface DoctorReport {
  /** Every check passed. */
  ok: boolean
  version: string
  node: string
  /** The Node-API version of this Node; the addon needs 8. */
  napi: number
  /** 'linux-x64', ... */
  platform: string
  cpu: { name: string; level: string; threads: number; features: string[] }
  devices: DeviceInfo[]
  /** The device that new tensors go to. */
  device: string | undefined
  datasets: { name: string; found: boolean; where: string | undefined }[]
  checks: DoctorCheck[]
}

const root = path.dirname(createRequire(import.meta.url).resolve('weftjs/package.json'))
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string }

/** Examines this installation: versions, processor, devices, data sets, and a small calculation of each kind against plain JavaScript. */
export async function doctor(): Promise<DoctorReport> {
  const list = devices()
  const cpu = list.find((info) => info.kind === 'cpu')
  const checks = [await check('device', async () => device())]
  for (const [name, test] of selfTests) checks.push(await check(name, test))
  return {
    ok: checks.every((entry) => entry.ok),
    version,
    node: process.versions.node,
    napi: Number(process.versions['napi']),
    platform: `${process.platform}-${process.arch}`,
    cpu: { name: cpu?.name ?? '', level: cpu?.level ?? '', threads: cpu?.threads ?? 0, features: cpu?.features ?? [] },
    devices: list,
    device: checks[0]!.ok ? checks[0]!.detail : undefined,
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

function shipped(name: string): DoctorReport['datasets'][number] {
  const file = path.join(root, 'data', `${name}.csv.gz`)
  const found = existsSync(file)
  return { name: name === 'breast-cancer' ? 'breastCancer' : name, found, where: found ? file : undefined }
}

function located(set: FileSet): DoctorReport['datasets'][number] {
  const place = find(set, undefined)
  return { name: set.title, found: place?.paths.every((file) => file !== undefined) ?? false, where: place?.folder }
}
