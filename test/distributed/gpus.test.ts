// Ranks with GPUs, emulated ones, whose NCCL is a twin: training, faults, and an NCCL that cannot be used. A real GPU
// has not shown any of it.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { native } from '../../lib/core/addon.js'
import { testWith } from '../skip.js'
import { numbersIn, sameBits } from './launch.js'
import { built, CUDA, type Ended, launchOnGpus, NEED, TWIN } from './launch_gpus.js'

interface Trained {
  readonly steps: number[]
  readonly figures: number[]
  readonly weights: string
  readonly counted: [name: string, count: number][]
}

const onGpus = (name: string, fn: () => Promise<void>): void => testWith(built, NEED, `on emulated GPUs: ${name}`, fn)
const hasNccl = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/local/lib'].some((one) =>
  existsSync(`${one}/libnccl.so.2`),
)
const farthest = (found: readonly number[], expected: readonly number[]): number =>
  Math.max(...expected.map((value, i) => Math.abs(found[i]! - value) / Math.max(Math.abs(value), 1e-3)))

let alone: Promise<Ended> | undefined
/** Compares what ranks have said with what one process says. */
async function checkTraining({ said, ends, output }: Ended, names: readonly string[]): Promise<void> {
  assert.ok(
    ends.every((end) => end === 0),
    output,
  )
  alone ??= launchOnGpus(1, 'gpu_training', ['dense,conv,lstm'])
  const expected = (await alone).said[0]!
  for (const name of names) {
    const [one, all] = [expected[name] as Trained, said.map((each) => each[name] as Trained)]
    for (const { weights, figures, steps, counted } of all) {
      assert.is(weights, all[0]!.weights, `${name}: weights of the ranks`)
      assert.is(steps.length, 50)
      assert.ok(farthest(steps, one.steps) < 1e-6, `${name}: losses ${steps} instead of ${one.steps}`)
      assert.ok(farthest(figures, one.figures) < 2e-6, `${name}: figures ${figures} instead of ${one.figures}`)
      // five steps of the last epoch: one launch of a graph each, and no kernel of a step beside them
      const kernels = counted.filter(([op]) => !['broadcast', 'identity'].includes(op))
      assert.equal(kernels, [['recorded step', 5]], name)
    }
  }
}

onGpus('2 ranks train as one process does, and a step is one launch of a graph', async () => {
  const ended = await launchOnGpus(2, 'gpu_training', ['dense,conv,lstm,large'])
  await checkTraining(ended, ['dense', 'conv', 'lstm'])
  for (const { large, engine, device, version } of ended.said) {
    assert.equal({ engine, device, version }, { engine: 'nccl', device: 'cuda:0', version: 'NCCL 2.29.0' })
    assert.equal(large, [8, 8, 8, 16, 16, 16, 8])
  }
})

onGpus('4 ranks, some of which have no rows, with buckets that travel during the backward pass', async () =>
  checkTraining(
    await launchOnGpus(4, 'gpu_training', ['dense', '40'], (rank) => ({ WEFT_EMULATED_DEVICES: '4', LOCAL_RANK: String(rank) })),
    ['dense'],
  ),
)

onGpus('streams that do their work as late as they may', async () =>
  checkTraining(await launchOnGpus(2, 'gpu_training', ['dense', '40'], { WEFT_EMULATED_STREAMS: 'lazy' }), ['dense']),
)

onGpus('one rank that waits for each operation keeps all from recording', async () => {
  const { said, ends, output } = await launchOnGpus(2, 'gpu_training', ['lstm'], (rank) => (rank === 1 ? { WEFT_CUDA_SYNC: '1' } : {}))
  assert.equal(ends, [0, 0], output)
  const [zero, one] = said.map((each) => each['lstm'] as Trained)
  assert.is(zero!.weights, one!.weights)
  for (const { counted } of [zero!, one!]) {
    const names = counted.map(([op]) => op)
    assert.ok(names.includes('allReduceMany') && !names.includes('recorded step'), names.join())
  }
})

for (const [what, ranks, words, environment] of [
  ['killed', 3, /rank 2 was lost/, {}],
  ['stopped', 2, /rank 1 was lost: it has given no sign of life for 4000 ms/, {}],
  ['exits', 2, /rank 1 has ended/, {}],
  ['nothing', 2, /NCCL of rank 0: remote process exited/, { WEFT_EMULATED_NCCL_FAILURE: '60' }],
] as const)
  onGpus(`${what}: the other ranks reject with the reason`, async () => {
    const { said, output } = await launchOnGpus(ranks, 'faults', [what], (rank) => (rank === 0 ? environment : {}))
    for (let rank = 0; rank < (what === 'nothing' ? ranks : ranks - 1); rank++) {
      const one = said.find((each) => each.rank === rank)
      assert.ok(one, `rank ${rank} says nothing: ${output}`)
      assert.is(one['code'], 'ERR_DISTRIBUTED', JSON.stringify(one))
      assert.match(one['message'] as string, words)
      assert.ok((one['ms'] as number) < 60_000, `after ${one['ms']} ms`)
    }
    assert.not.match(output, /graphs still refer/, 'recordings are dropped first')
  })

onGpus('what the ranks do not have in common is an error with both values', async () => {
  const [shape, label] = await Promise.all([launchOnGpus(2, 'faults', ['shape']), launchOnGpus(2, 'faults', ['label'])])
  for (const one of shape.said) {
    assert.is(one['code'], 'ERR_DISTRIBUTED')
    assert.match(one['message'] as string, /asks for allReduce of float32\[[23]\], sum, rank [01] for allReduce of float32\[[23]\], sum/)
  }
  assert.is(label.said.length, 2, label.output)
  for (const one of label.said) {
    assert.is(one['code'], 'ERR_DATA', JSON.stringify(one))
    assert.match(one['message'] as string, one.rank === 1 ? /sparseSoftmaxCrossEntropy.*9/ : /rank 1 has met a bad value, 9/)
    assert.is(one['unchanged'], true)
  }
  assert.not.match(label.output, /graphs still refer/)
})

const place = mkdtempSync(path.join(os.tmpdir(), 'weft-gpus-ends-'))
test.after(() => rmSync(place, { recursive: true, force: true }))

// a step with which one rank asks for the end is replayed as those of the others are
onGpus('callbacks, aborts and streams: all ranks end after the same step', async () => {
  const { said, ends, output } = await launchOnGpus(2, 'ends', [place])
  assert.equal(ends, [0, 0], output)
  sameBits(said, ['rejects'])
  const [zero, one] = said
  for (const name of ['stopped by a callback of rank 0', 'aborted by rank 1']) {
    const [steps] = zero![name] as [number]
    assert.ok(steps >= 4 && steps <= 8, `${name}: ${steps} steps`)
  }
  assert.equal([zero!['rejects'], one!['rejects'], zero!['saved']], [undefined, 'AbortError', true])
})

// steps of other rows on each rank are recorded by all at once
onGpus('data that ranks share, or that each has of its own', async () => {
  const [expected, { said, ends, output }] = await Promise.all([
    launchOnGpus(1, 'shared_data', ['2']),
    launchOnGpus(2, 'shared_data', ['2']),
  ])
  assert.equal(ends, [0, 0], output)
  sameBits(said, ['refused'])
  const [one, many] = [numbersIn(expected.said[0]!['figures']), numbersIn(said[0]!['figures'])]
  assert.ok(one.length > 100)
  one.forEach((value, i) => assert.ok(Math.abs(many[i]! - value) < 2e-6 * Math.max(Math.abs(value), 1e-2), `figure ${i}`))
  for (const { refused } of said) assert.match((refused as Record<string, string>)['wrong: epochs']!, /fit: .*-1/)
})

onGpus('an abort that never returns is given up, and the rank ends', async () => {
  const { said, ends, output } = await launchOnGpus(2, 'faults', ['killed'], {
    WEFT_EMULATED_NCCL_ABORT: 'stuck',
    WEFT_NCCL_PATIENCE: '300',
  })
  assert.is(said[0]?.['code'], 'ERR_DISTRIBUTED', output)
  // what still runs after 180 s would have been killed
  assert.equal(ends, [75, 'SIGKILL'], output)
})

onGpus('ranks with different versions of NCCL are told both', async () => {
  const { said } = await launchOnGpus(2, 'meet', ['60000'], (rank) => ({ WEFT_EMULATED_NCCL_VERSION: `2290${rank}` }))
  for (const one of said) {
    assert.is(one['code'], 'ERR_DISTRIBUTED')
    assert.match(one['message'] as string, /the ranks have NCCL 2\.29\.0 on rank 0 and NCCL 2\.29\.1 on rank 1/)
  }
})

onGpus('an NCCL that cannot be used is refused, with what to install', async () => {
  const folder = path.dirname(TWIN)
  assert.is(native.engineVersion('nccl', CUDA, TWIN), 'NCCL 2.29.0')
  for (const [library, words] of [
    ['', /NCCL, which moves tensors between GPUs, was not found \(libnccl\.so\.2/],
    [`${folder}/libweft_nccl_21702.so`, /is NCCL 2\.17\.2, and 2\.18\.0 or later is needed/],
    [`${folder}/libweft_nccl_22900.so`, /lacks ncclGetUniqueId: it is no NCCL of version 2\.29\.0/],
    ['libm.so.6', /libm\.so\.6 is no NCCL: it lacks ncclGetVersion/],
  ] as const) {
    // one that is installed is found
    if (library === '' && hasNccl) continue
    assert.throws(
      () => native.engineVersion('nccl', CUDA, library),
      ({ weftCode, message }: { weftCode: string; message: string }) =>
        weftCode === 'ERR_NO_DEVICE' && words.test(message) && /apt-get install libnccl2.*WEFT_NCCL_LIBRARY/.test(message),
    )
  }
})

/** What init() says on rank 0 of 2, which never meets the other one. */
function refused(environment: NodeJS.ProcessEnv, options = '{}'): string {
  const source = `const { distributed } = await import('${new URL('../../lib/index.js', import.meta.url).href}')
    await distributed.init(${options}).catch((error) => console.log(error.code, error.message))
    process.exit(0)`
  const place = { RANK: '0', WORLD_SIZE: '2', MASTER_ADDR: '127.0.0.1', MASTER_PORT: '1', WEFT_CUDA_LIBRARY: CUDA }
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
    env: { ...process.env, WEFT_DEVICE: 'cuda', ...place, ...environment },
  })
  return stdout + stderr
}
onGpus('a rank without a library, a GPU or an address is refused', async () => {
  assert.match(refused({ WEFT_NCCL_LIBRARY: '/nowhere/libnccl.so.2' }), /^ERR_NO_DEVICE .*nowhere.*apt-get install libnccl2/)
  assert.match(
    refused({ WEFT_EMULATED_DEVICES: '2', LOCAL_RANK: '2', WORLD_SIZE: '4' }),
    /ERR_NO_DEVICE .*rank 2 of its host, which has 2 devices/,
  )
  assert.match(refused({ MASTER_ADDR: '', WEFT_NCCL_LIBRARY: TWIN }), /ERR_DISTRIBUTED .*does not know where rank 0 is.*Set MASTER_ADDR/)
  assert.match(
    refused({ WEFT_CUDA_LIBRARY: '/nowhere.so', WEFT_DEVICE: '' }, "{ engine: 'nccl' }"),
    /ERR_NO_DEVICE .*engine 'nccl' needs a CUDA device/,
  )
})

test.run()
