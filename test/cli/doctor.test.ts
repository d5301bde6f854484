// The command line: exit codes, the doctor's report, and that it says what is wrong instead of crashing.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type DoctorReport, doctor } from '../../lib/doctor/doctor.js'
import { engines } from '../../lib/doctor/engines.js'
import { testWith } from '../skip.js'

const here = path.dirname(fileURLToPath(import.meta.url))
const program = path.join(here, '../../lib/cli/weftjs.js')
const emulated = path.join(here, '../../../build/cuda-on-cpu/libweft_cuda.so')
/** What the report must not take from the environment the tests run in. */
const bare = { WEFT_DEVICE: '', WEFT_CUDA_LIBRARY: '', WEFT_REQUIRE_CUDA: '' }

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
    report.checks.filter((check) => check.device === undefined).map((check) => check.name),
    ['device', 'matMul', 'conv2d', 'softmax', 'gradient'],
  )
  const found = report.devices.filter((device) => device.kind === 'cuda').map((device) => device.id)
  for (const name of ['matMul', 'conv2d', 'reduce']) {
    const on = report.checks.filter((check) => check.name === name && check.device !== undefined)
    assert.equal(
      on.map((check) => check.device),
      found,
    )
  }
  assert.ok(report.ok)
  assert.match(report.version, /^\d+\.\d+\.\d+/)
  assert.is(report.node, process.versions.node)
  assert.ok(report.napi >= 8)
  assert.ok(report.cpu.name.length > 0 && report.cpu.threads >= 1)
  assert.ok(['portable', 'avx2', 'avx512'].includes(report.cpu.level), report.cpu.level)
  assert.ok(report.cpu.levels.includes(report.cpu.level), report.cpu.levels.join())
  assert.ok(report.devices.some((device) => device.id === 'cpu'))
  const sets = report.datasets.filter((set) => set.found).map((set) => set.name)
  for (const name of ['digits', 'iris', 'wine', 'breastCancer', 'diabetes']) assert.ok(sets.includes(name), name)
})

test('weftjs doctor prints the report, as text or JSON', () => {
  const text = weftjs(['doctor'])
  assert.is(text.code, 0, text.out + text.err)
  assert.match(text.out, /^weftjs +\d/m)
  assert.match(text.out, /^check +matMul: ok, largest error/m)
  assert.match(text.out, /^cpu .*: \w+ kernels of [\w, ]+ in the addon, \d+ threads?$/m)
  const json = weftjs(['doctor', '--json'])
  assert.is(json.code, 0)
  const report = JSON.parse(json.out) as DoctorReport
  assert.ok(report.ok)
  assert.ok(report.datasets.some((set) => set.name === 'fashionMnist'))
})

/** A folder of programs that say what `mpirun --version` says. */
function launchers(programs: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'weft-doctor-'))
  for (const [name, words] of Object.entries(programs))
    writeFileSync(path.join(folder, name), `#!/bin/sh\necho '${words}'\n`, { mode: 0o755 })
  return folder
}

test('engines: each MPI with its launcher and its library, and what does not belong together', () => {
  const folder = launchers({ mpirun: 'mpirun (Open MPI) 4.1.4', 'mpirun.mpich': 'HYDRA build details:\n    Version: 4.0.2' })
  for (const library of ['libmpi.so.40', 'libmpi.so.12']) writeFileSync(path.join(folder, library), '')
  const environment = { PATH: folder, LD_LIBRARY_PATH: folder }
  const file = (name: string): string => path.join(folder, name)
  const [mpi] = engines(environment)
  assert.equal(mpi, {
    name: 'mpi',
    version: 'Open MPI 4.1.4',
    path: file('mpirun'),
    library: file('libmpi.so.40'),
    problem: undefined,
    others: [`MPICH 4.0.2: ${file('mpirun.mpich')}, library ${file('libmpi.so.12')}; WEFT_MPIRUN=${file('mpirun.mpich')} takes it`],
  })
  const [taken] = engines({ ...environment, WEFT_MPIRUN: file('mpirun.mpich') })
  assert.equal([taken!.version, taken!.library, taken!.others.length], ['MPICH 4.0.2', file('libmpi.so.12'), 1])
  const [wrong] = engines({ ...environment, WEFT_MPI_LIBRARY: file('libmpi.so.12') })
  assert.match(wrong!.problem!, /is of MPICH, and mpirun is of Open MPI 4\.1\.4: each rank would be alone/)
  const [missing] = engines({ ...environment, WEFT_MPI_LIBRARY: '/nowhere/libmpi.so.40' })
  assert.match(missing!.problem!, /WEFT_MPI_LIBRARY=\/nowhere.* was not found/)
  assert.match(engines({ PATH: '/nowhere' })[0]!.problem!, /no mpirun was found: apt-get install openmpi-bin/)
  assert.match(engines({ PATH: folder, WEFT_MPIRUN: 'none' })[0]!.problem!, /WEFT_MPIRUN=none is no mpirun/)
  rmSync(folder, { recursive: true })
})

test('engines: NCCL with its version, or what is missing', () => {
  const folder = launchers({ 'libnccl.so.2.21.5': '' })
  const library = path.join(folder, 'libnccl.so.2')
  symlinkSync('libnccl.so.2.21.5', library)
  const found = { name: 'nccl', version: 'NCCL 2.21.5', path: library, library, problem: undefined, others: [] }
  assert.equal(engines({ LD_LIBRARY_PATH: folder })[1], found)
  assert.equal(engines({ WEFT_NCCL_LIBRARY: library })[1], found)
  assert.match(engines({ WEFT_NCCL_LIBRARY: '/nowhere/libnccl.so' })[1]!.problem!, /WEFT_NCCL_LIBRARY=\/nowhere.* was not found/)
  rmSync(folder, { recursive: true })
})

test('weftjs doctor prints the engines', () => {
  const folder = launchers({ mpirun: 'mpirun (Open MPI) 4.1.4' })
  const { out } = weftjs(['doctor'], { PATH: folder, LD_LIBRARY_PATH: folder })
  assert.match(out, /^engine +mpi: Open MPI 4\.1\.4, .*mpirun/m)
  assert.match(out, /^engine +nccl: /m)
  rmSync(folder, { recursive: true })
})

test('data sets are looked for where WEFT_DATA says', () => {
  const report = JSON.parse(weftjs(['doctor', '--json'], { WEFT_DATA: '/nowhere', XDG_CACHE_HOME: '/nowhere' }).out) as DoctorReport
  assert.not(report.datasets.find((set) => set.name === 'cifar10')!.found)
})

test('a device that cannot be used is a failed check: exit code 1', () => {
  const { code, out } = weftjs(['doctor', '--json'], { ...bare, WEFT_DEVICE: 'abacus' })
  assert.is(code, 1)
  const report = JSON.parse(out) as DoctorReport
  assert.not(report.ok)
  assert.match(report.checks.find((check) => check.name === 'device')!.detail, /abacus/)
})

test('a CUDA library that is named and cannot be opened: the reason is reported as a failed check', () => {
  const { code, out } = weftjs(['doctor', '--json'], { ...bare, WEFT_CUDA_LIBRARY: '/nowhere/libweft_cuda.so' })
  const { cuda, devices, device, checks, ok } = JSON.parse(out) as DoctorReport
  assert.is(code, 1, out)
  assert.not(ok)
  assert.equal(
    checks.filter((check) => !check.ok).map((check) => check.name),
    ['cuda library'],
  )
  assert.is(cuda.library, '/nowhere/libweft_cuda.so')
  assert.match(cuda.problem!, /libweft_cuda\.so/)
  assert.equal(cuda.architectures, [])
  assert.equal(
    devices.map((info) => info.id),
    ['cpu'],
  )
  assert.is(device, 'cpu')
  const text = weftjs(['doctor'], { ...bare, WEFT_CUDA_LIBRARY: '/nowhere/libweft_cuda.so' })
  assert.match(text.out, /^cuda +.*libweft_cuda\.so/m)
})

test('a CUDA device that is asked for and missing: exit code 1 and the reason', () => {
  const missing = { ...bare, WEFT_CUDA_LIBRARY: '/nowhere/libweft_cuda.so' }
  const { code, out } = weftjs(['doctor', '--json'], { ...missing, WEFT_DEVICE: 'cuda' })
  assert.is(code, 1)
  const { checks } = JSON.parse(out) as DoctorReport
  assert.equal(
    checks.map((check) => [check.name, check.ok]),
    [
      ['device', false],
      ['cuda library', false],
    ],
  )
  assert.match(checks[0]!.detail, /cuda/)
  const required = weftjs(['doctor'], { ...missing, WEFT_REQUIRE_CUDA: '1' })
  assert.is(required.code, 1)
  assert.match(required.out, /cannot be loaded: .*WEFT_REQUIRE_CUDA=1/)
})

testWith(existsSync(emulated), 'the emulated CUDA library (build/cuda-on-cpu)', 'every CUDA device is described and calculated on', () => {
  const environment = { ...bare, WEFT_CUDA_LIBRARY: emulated, WEFT_EMULATED_DEVICES: '2' }
  const { code, out, err } = weftjs(['doctor', '--json'], environment)
  assert.is(code, 0, out + err)
  const { cuda, devices, device, checks } = JSON.parse(out) as DoctorReport
  assert.is(device, 'cpu') // emulated kernels are never chosen, only named
  assert.is(cuda.library, emulated)
  assert.ok(cuda.emulated)
  assert.is(cuda.problem, undefined)
  assert.match(cuda.runtime!, /^\d+\.\d+$/)
  assert.match(cuda.driver!, /^\d+\.\d+$/)
  assert.equal(
    devices.map((info) => info.id),
    ['cpu', 'cuda:0', 'cuda:1'],
  )
  assert.match(devices[1]!.computeCapability!, /^\d+\.\d$/)
  assert.ok(devices[1]!.memory!.total >= devices[1]!.memory!.free)
  assert.equal(
    checks.filter((check) => check.device !== undefined).map((check) => `${check.name} ${check.device} ${check.ok}`),
    ['cuda:0', 'cuda:1'].flatMap((id) => ['matMul', 'conv2d', 'reduce'].map((name) => `${name} ${id} true`)),
  )
  const text = weftjs(['doctor'], { ...environment, WEFT_DEVICE: 'cuda:1' })
  assert.is(text.code, 0, text.out + text.err)
  assert.match(text.out, /^cuda +library .*emulated on the CPU/m)
  assert.match(text.out, /^device +cuda:1 \(default\), .*, compute capability \d/m)
  assert.match(text.out, /^check +reduce on cuda:0: ok, largest error/m)
})

testWith(existsSync(emulated), 'the emulated CUDA library (build/cuda-on-cpu)', 'a GPU that is too old is rejected with the reason', () => {
  const { code, out } = weftjs(['doctor', '--json'], { ...bare, WEFT_CUDA_LIBRARY: emulated, WEFT_EMULATED_CAPABILITY: '70' })
  const { cuda, devices } = JSON.parse(out) as DoctorReport
  assert.is(code, 0, out)
  assert.is(devices.length, 1)
  assert.is(cuda.rejected.length, 1)
  assert.match(cuda.rejected[0]!, /^cuda:0, .*7\.0.*7\.5 or later is needed/)
  assert.match(cuda.problem!, /no CUDA device can be used: cuda:0/)
})

test('wrong usage: exit code 2 and the usage', () => {
  for (const [args, message] of [
    [[], /Usage: weftjs/],
    [['docter'], /unknown command 'docter'.*Did you mean 'doctor'/],
    [['doctor', '--yaml'], /--yaml[\s\S]*Usage: weftjs doctor \[--json\]/],
    [['doctor', 'extra'], /extra[\s\S]*Usage: weftjs doctor/],
    [['toString'], /unknown command/],
    [['build', '--levels', 'avx1'], /'avx1' is not one of native, all, portable[\s\S]*Usage: weftjs build/],
    [['build', '--cuda', 'maybe'], /--cuda maybe: auto, on or off[\s\S]*Usage: weftjs build/],
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
