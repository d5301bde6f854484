// weftjs doctor: prints the report of doctor(), also where the addon cannot even be loaded.
import { parseArgs } from 'node:util'
import type { DoctorReport } from '../doctor.js'

export const usage = 'doctor [--json]'
export const summary = 'examines this installation and checks its arithmetic'

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean' } } })
  let report: DoctorReport
  try {
    const { doctor } = await import('../doctor.js')
    report = await doctor()
  } catch (error) {
    const { message } = error as Error
    console.log(values.json ? JSON.stringify({ ok: false, error: message }) : `weftjs cannot be loaded: ${message}`)
    return 1
  }
  console.log(values.json ? JSON.stringify(report, undefined, 2) : text(report))
  return report.ok ? 0 : 1
}

function text(report: DoctorReport): string {
  const { cpu } = report
  const rows: [string, string][] = [
    ['weftjs', report.version],
    ['node', `${report.node}, Node-API ${report.napi}, ${report.platform}`],
    ['cpu', `${cpu.name}: ${cpu.level} kernels, ${cpu.threads} thread${cpu.threads === 1 ? '' : 's'}`],
    ['', cpu.features.join(' ')],
    ...report.devices.map((info): [string, string] => [
      'device',
      `${info.id}${info.id === report.device ? ' (default)' : ''}, ${info.name}`,
    ]),
    ...report.datasets.map((set): [string, string] => [
      'data',
      `${set.name}: ${set.found ? set.where : (set.where && `incomplete in ${set.where}`) || 'not found'}`,
    ]),
    ...report.checks.map((entry): [string, string] => ['check', `${entry.name}: ${entry.ok ? 'ok' : 'FAILED'}, ${entry.detail}`]),
  ]
  return rows.map(([key, value]) => `${key.padEnd(8)}${value}`).join('\n')
}
