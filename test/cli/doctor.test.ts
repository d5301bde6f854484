// The command line: exit codes, the doctor's report, and that it says what is wrong instead of crashing.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type DoctorReport, doctor } from '../../lib/doctor.js'

const program = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../lib/cli/weftjs.js')

function weftjs(args: string[], env: Record<string, string> = {}): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', env: { ...process.env, ...env } })
  return { code: status, out: stdout, err: stderr }
}

test('doctor() finds a sound installation', async () => {
  const report = await doctor()
  assert.equal(
    report.checks.filter((check) => !check.ok),
    [],
  )
  assert.equal(
    report.checks.map((check) => check.name),
    ['device', 'matMul', 'conv2d', 'softmax', 'gradient'],
  )
  assert.ok(report.ok)
  assert.match(report.version, /^\d+\.\d+\.\d+/)
  assert.is(report.node, process.versions.node)
  assert.ok(report.napi >= 8)
  assert.ok(report.cpu.name.length > 0 && report.cpu.threads >= 1)
  assert.ok(['portable', 'avx2', 'avx512'].includes(report.cpu.level), report.cpu.level)
  assert.ok(report.devices.some((device) => device.id === 'cpu'))
  const found = report.datasets.filter((set) => set.found).map((set) => set.name)
  for (const name of ['digits', 'iris', 'wine', 'breastCancer', 'diabetes']) assert.ok(found.includes(name), name)
})

test('weftjs doctor prints the report, as text or JSON', () => {
  const text = weftjs(['doctor'])
  assert.is(text.code, 0, text.out + text.err)
  assert.match(text.out, /^weftjs +\d/m)
  assert.match(text.out, /^check +matMul: ok, largest error/m)
  const json = weftjs(['doctor', '--json'])
  assert.is(json.code, 0)
  const report = JSON.parse(json.out) as DoctorReport
  assert.ok(report.ok)
  assert.ok(report.datasets.some((set) => set.name === 'fashionMnist'))
})

test('data sets are looked for where WEFT_DATA says', () => {
  const report = JSON.parse(weftjs(['doctor', '--json'], { WEFT_DATA: '/nowhere', XDG_CACHE_HOME: '/nowhere' }).out) as DoctorReport
  assert.not(report.datasets.find((set) => set.name === 'cifar10')!.found)
})

test('a device that cannot be used is a failed check: exit code 1', () => {
  const { code, out } = weftjs(['doctor', '--json'], { WEFT_DEVICE: 'abacus' })
  assert.is(code, 1)
  const report = JSON.parse(out) as DoctorReport
  assert.not(report.ok)
  assert.match(report.checks.find((check) => check.name === 'device')!.detail, /abacus/)
})

test('wrong usage: exit code 2 and the usage', () => {
  for (const [args, message] of [
    [[], /Usage: weftjs/],
    [['docter'], /unknown command 'docter'.*Did you mean 'doctor'/],
    [['doctor', '--yaml'], /--yaml[\s\S]*Usage: weftjs doctor \[--json\]/],
    [['doctor', 'extra'], /extra[\s\S]*Usage: weftjs doctor/],
    [['toString'], /unknown command/],
  ] as const) {
    const { code, err } = weftjs([...args])
    assert.is(code, 2, args.join(' '))
    assert.match(err, message)
  }
  const help = weftjs(['--help'])
  assert.is(help.code, 0)
  assert.match(help.out, /weftjs doctor \[--json\]/)
})

test.run()
