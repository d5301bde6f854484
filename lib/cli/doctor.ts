// weftjs doctor: prints the report of doctor(), also where the addon cannot even be loaded.
import type { DeviceInfo } from '../core/device.js'
import type { Accelerator } from '../core/device_kinds.js'
import type { DoctorLibrary, DoctorReport } from '../doctor/doctor.js'
import type { DoctorEngine } from '../doctor/engines.js'
import { parse } from './command.js'

export const usage = 'doctor [--json]'
export const summary = 'examines this installation and checks its arithmetic'

export async function run(args: string[]): Promise<number> {
  const { values } = parse({ args, options: { json: { type: 'boolean' } } })
  let report: DoctorReport
  let accelerators: readonly Accelerator[]
  try {
    const { doctor } = await import('../doctor/doctor.js')
    report = await doctor()
    accelerators = (await import('../core/device_kinds.js')).ACCELERATORS
  } catch (error) {
    const { message } = error as Error
    console.log(values.json ? JSON.stringify({ ok: false, error: message }) : `weftjs cannot be loaded: ${message}`)
    return 1
  }
  console.log(values.json ? JSON.stringify(report, undefined, 2) : text(report, accelerators))
  return report.ok ? 0 : 1
}

function text(report: DoctorReport, accelerators: readonly Accelerator[]): string {
  const { cpu } = report
  const rows: [string, string][] = [
    ['weftjs', report.version],
    ['node', `${report.node}, Node-API ${report.napi}, ${report.platform}`],
    [
      'cpu',
      `${cpu.name}: ${cpu.level} kernels of ${cpu.levels.join(', ')} in the addon, ${cpu.threads} thread${cpu.threads === 1 ? '' : 's'}`,
    ],
    ['', cpu.features.join(' ')],
    ...accelerators.flatMap((kind) => libraryRows(kind, report[kind])),
    ...report.devices.map((info): [string, string] => ['device', describe(info, info.id === report.device)]),
    ...report.engines.flatMap(engineRows),
    ...report.datasets.map((set): [string, string] => [
      'data',
      `${set.name}: ${set.found ? set.where : (set.where && `incomplete in ${set.where}`) || 'not found'}`,
    ]),
    ...report.checks.map(({ name, device, ok, detail }): [string, string] => [
      'check',
      `${device === undefined ? name : `${name} on ${device}`}: ${ok ? 'ok' : 'FAILED'}, ${detail}`,
    ]),
  ]
  return rows.map(([key, value]) => `${key.padEnd(8)}${value}`).join('\n')
}

function engineRows({ name, version, path, library, problem, others }: DoctorEngine): [string, string][] {
  const found = [version, path, library === path ? undefined : library && `library ${library}`].filter((text) => text !== undefined)
  const rows = [...(found.length > 0 ? [`${name}: ${found.join(', ')}`] : []), ...(problem === undefined ? [] : [`${name}: ${problem}`])]
  return [...rows, ...others.map((other) => `${name}: also ${other}`)].map((text) => ['engine', text])
}

function libraryRows(kind: Accelerator, found: DoctorLibrary): [string, string][] {
  const { library, architectures, runtime, driver, driverRelease, emulated, rejected, problem } = found
  const maker = kind.toUpperCase()
  const rows: string[] = []
  if (library !== undefined) {
    const code = architectures.length > 0 ? `, code for ${architectures.join(' ')}` : ''
    rows.push(`library ${library}${runtime === undefined ? '' : `: ${maker} ${runtime}${code}`}${emulated ? ', emulated on the CPU' : ''}`)
  }
  if (driver !== undefined || driverRelease !== undefined) {
    rows.push(`driver ${[driverRelease, driver && `for ${maker} ${driver} and earlier`].filter(Boolean).join(', ')}`)
  }
  for (const reason of rejected) rows.push(`not used: ${reason}`)
  if (problem !== undefined) rows.push(problem)
  return rows.map((text) => [kind, text])
}

function describe(info: DeviceInfo, isDefault: boolean): string {
  const parts = [`${info.id}${isDefault ? ' (default)' : ''}`, info.name]
  if (info.computeCapability !== undefined) parts.push(`compute capability ${info.computeCapability}`)
  if (info.memory !== undefined) parts.push(`${gibibytes(info.memory.free)} of ${gibibytes(info.memory.total)} GiB free`)
  if (info.emulated) parts.push('emulated')
  return parts.join(', ')
}

const gibibytes = (bytes: number): string => (bytes / 2 ** 30).toFixed(1)
