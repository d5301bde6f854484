// The emulated GPU finds what it exists to find: kernels with a mistake planted in each (planted.cu), and the same
// kernels without it.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testWith } from '../skip.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const builds = ['none', 'address', 'race'] as const
type Build = (typeof builds)[number]

const hasTools = ['cmake', process.env['CXX'] ?? 'g++'].every((tool) => spawnSync(tool, ['--version']).status === 0)

/**
 * Where and how a mistake must show: in the build, under some schedule and with asynchronous work done late (or, if
 * said, at once).
 */
interface Find {
  readonly build: Build
  readonly says: RegExp
  readonly schedule?: string
  readonly async?: 'lazy' | 'eager'
}
const wrong = /^wrong/m
const race = /data race/
const plain = (says: RegExp, more: Partial<Find> = {}): Find => ({ build: 'none', says, ...more })
const races: Find = { build: 'race', says: race }

const mistakes: Record<string, Find[]> = {
  barrier_left_out: [plain(wrong), races],
  barrier_left_out_before_reuse: [races],
  warp_barrier_left_out: [plain(wrong), races],
  named_barrier_left_out: [plain(wrong, { schedule: 'backward' }), races],
  async_wait_left_out: [plain(wrong), races, { ...races, async: 'eager' }],
  global_memory_overrun: [{ build: 'address', says: /heap-buffer-overflow/ }],
  async_copy_overrun: [{ build: 'address', says: /heap-buffer-overflow/ }],
  shared_array_overrun: [{ build: 'address', says: /use-after-poison/ }],
  dynamic_shared_overrun: [{ build: 'address', says: /use-after-poison/ }],
  shuffle_of_some_lanes: [plain(/returns while others of its warp wait|names lanes that returned/)],
  barrier_of_some_threads: [plain(/deadlock/)],
  flag_never_set: [plain(/livelock/)],
  copies_under_way_at_the_end: [plain(/asynchronous copies are under way/)],
  plain_addition: [races],
  fence_left_out: [races],
  grid_barrier_left_out: [plain(wrong, { schedule: 'backward' }), races],
  two_threads_write_one_element: [races],
  full_wait_left_out: [plain(/^(wrong|failed)/m)],
  empty_wait_left_out: [plain(/^failed/m), { ...races, async: 'eager' }],
  cluster_barrier_left_out: [plain(wrong), races],
  store_wait_left_out: [plain(wrong), races, { ...races, async: 'eager' }],
  cluster_barrier_left_out_before_multicast: [races],
  group_product_wait_left_out: [plain(wrong), races, { ...races, async: 'eager' }],
}

const folder = path.join(root, 'build', 'planted')
function build(): void {
  for (const args of [
    ['-S', path.join(root, 'test', 'cuda-on-cpu'), '-B', folder],
    ['--build', folder, '--target', 'planted', '--parallel', '2'],
  ]) {
    const { status, stdout, stderr } = spawnSync('cmake', args, { encoding: 'utf8' })
    assert.is(status, 0, `cmake ${args.join(' ')}\n${stdout}${stderr}`)
  }
}

/**
 * What the program says of a kernel: "right", "wrong" or "failed", and the reports of the emulation and the sanitizers.
 */
function run(kind: Build, name: string, version: 'correct' | 'mistaken', schedule = 'forward', async = 'lazy'): string {
  const { stdout, stderr } = spawnSync(path.join(folder, `planted_${kind}`), [name, version], {
    encoding: 'utf8',
    env: { ...process.env, WEFT_EMULATED_SCHEDULE: schedule, WEFT_EMULATED_ASYNC: async, ASAN_OPTIONS: 'detect_leaks=0' },
  })
  return stdout + stderr
}

testWith(hasTools, 'cmake and a C++ compiler', 'the planted kernels are built plain and for both sanitizers', build)

for (const [name, finds] of Object.entries(mistakes)) {
  testWith(hasTools, 'cmake and a C++ compiler', `${name}: found where it is, silent where it is not`, () => {
    for (const { build, says, schedule, async } of finds) assert.match(run(build, name, 'mistaken', schedule, async), says)
    for (const kind of builds)
      for (const schedule of ['forward', 'backward', 'random:7'])
        for (const async of ['lazy', 'eager'])
          assert.is(run(kind, name, 'correct', schedule, async), 'right\n', `${kind}, ${schedule}, ${async}`)
  })
}

test.run()
