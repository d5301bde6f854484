// The CUDA device in circumstances that a machine rarely has: kernels compiled for an older GPU, and a GPU whose memory
// runs out.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testWith } from '../skip.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const library = `${root}build/cuda-on-cpu/libweft_cuda.so`
const entry = new URL('../../lib/index.js', import.meta.url).href

/** What a module prints that runs in a process of its own, on an emulated GPU with these settings. */
function printed(source: string, settings: Record<string, string>): string {
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', `const weft = await import('${entry}')\n${source}`], {
    encoding: 'utf8',
    env: { ...process.env, WEFT_CUDA_LIBRARY: library, WEFT_DEVICE: 'cuda', WEFT_REQUIRE_CUDA: '', ...settings },
    cwd: root,
  })
  return `${run.stdout}${run.stderr}`
}
const withEmulation = (name: string, fn: () => void): void =>
  testWith(existsSync(library), 'the emulated CUDA library (build/cuda-on-cpu)', name, fn)

/** Runs functions of random operands on the GPU and on the CPU, and prints the names of those whose results differ. */
const COMPARED = `
  let seed = 1
  const random = (...shape) => weft.withDevice('cpu', () => weft.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => ((seed = (seed * 16807) % 2147483647) / 1073741823) - 1), { shape }))
  const differing = async (rows) => {
    const names = []
    for (const [name, run, ...operands] of rows) {
      try {
        const here = [weft.withDevice('cpu', () => run(...operands))].flat()
        const there = [run(...operands.map((x) => x.to('cuda:0')))].flat()
        for (const [i, y] of there.entries()) {
          const [a, b] = [await y.cast('float32').data(), await here[i].cast('float32').data()]
          if (!b.every((value, j) => Math.abs(a[j] - value) <= 0.02 * (1e-4 + Math.abs(value)) + 0.02 / Math.sqrt(b.length))) names.push(name)
        }
      } catch (error) { names.push(name + ': ' + error.message) }
    }
    return names
  }
`

withEmulation('kernels compiled for an older GPU use nothing of a newer one: clusters', () => {
  const source = `${COMPARED}
    const labels = weft.withDevice('cpu', () => weft.tensor([7, 29999], { dtype: 'int32' }))
    const long = random(2, 50000)
    console.log(await differing([
      ['softmax', (x) => x.mul(3).softmax().mul(1000), long],
      ['logSoftmax', (x) => weft.logSoftmax(x), long],
      ['gradient of softmax', (x) => weft.grad((t) => t.softmax().mul(x).sum())(x).mul(1e4), random(2, 20000)],
      ['cross-entropy', (x, l) => weft.sparseSoftmaxCrossEntropy(x, l), random(2, 30000), labels],
      ['layerNorm', (x, g) => weft.layerNorm(x, g, g), random(2, 20000), random(20000)],
      ['rmsNorm', (x, g) => weft.rmsNorm(x, g), random(2, 20000), random(20000)],
    ]))`
  for (const architectures of ['80', '75-real 80-real 80-virtual'])
    assert.is(printed(source, { WEFT_EMULATED_CAPABILITY: '90', WEFT_EMULATED_ARCHITECTURES: architectures }), '[]\n', architectures)
})

withEmulation('kernels compiled for an older GPU use nothing of a newer one: products', () => {
  const source = `${COMPARED}
    const tf32 = (run) => weft.jit(run, { precision: 'tf32' }), bfloat16 = (run) => (...x) => run(...x.map((t) => t.cast('bfloat16')))
    const image = random(2, 12, 12, 16), kernel = random(3, 3, 16, 32), heads = random(2, 40, 2, 32)
    console.log(await differing([
      ['tf32', tf32((a, b) => weft.matMul(a, b)), random(64, 64), random(64, 64)],
      ['float32', (a, b) => weft.matMul(a, b), random(96, 64), random(64, 64)],
      ['bfloat16', bfloat16((a, b) => weft.matMul(a, b)), random(64, 64), random(64, 64)],
      ['convolution', bfloat16((x, k) => weft.conv2d(x, k)), image, kernel],
      ['kernel gradient', (x, k) => weft.grad((w) => weft.conv2d(x, w).sum())(k), image, kernel],
      ['attention', bfloat16((x) => weft.scaledDotProductAttention(x, x, x)), heads],
    ]))`
  assert.is(printed(source, { WEFT_EMULATED_CAPABILITY: '80', WEFT_EMULATED_ARCHITECTURES: '75' }), '[]\n')
})

withEmulation('a GPU that the library has no code for is not used, with the reason', () => {
  const source = `try { weft.device() } catch (error) { console.log(error.message) }`
  const settings = { WEFT_EMULATED_CAPABILITY: '100', WEFT_EMULATED_ARCHITECTURES: '80-real 90a-real' }
  assert.match(printed(source, settings), /no code for it, only for 80-real 90a-real/)
})

withEmulation('a launch that finds no memory fails alone: the device goes on', () => {
  const source = `
    const x = weft.tensor([1, 2])
    const ends = []
    for (let i = 0; i < 6; i++) ends.push(await x.add(i).data().then((y) => y[1], (error) => error.code))
    console.log(ends.join())`
  assert.is(printed(source, { WEFT_EMULATED_REFUSAL: '3' }), '2,3,ERR_OUT_OF_MEMORY,5,6,7\n')
})

withEmulation('tensors leave the driver memory of its own, which recordings need', () => {
  const source = `
    const x = weft.ones([1 << 10]), f = weft.jit((t) => t.mul(2).softmax().max())
    const ends = [await f(x).item() > 0]
    const kept = []
    try { for (let i = 0; i < 1000; i++) kept.push(weft.zeros([1 << 18])) } catch (error) { ends.push(error.code) }
    for (let i = 0; i < 3; i++) ends.push(await f(x).item() > 0) // recorded, then replayed
    console.log(ends.join())`
  assert.is(printed(source, { WEFT_EMULATED_MEMORY: String(64 << 20) }), 'true,ERR_OUT_OF_MEMORY,true,true,true\n')
})

withEmulation("'tf32' rounds operands whatever their layout", () => {
  // 1 + 1.5 units of tf32's last place: rounded to 1 + 2^-10 * 2 = 1.001953125, cut off to 1.0009765625
  const source = `
    const [n, k] = [512, 256]
    const a = weft.full([n, k], 1 + 1.5 / 1024), one = weft.ones([k, n])
    const results = []
    for (const [transposeA, transposeB] of [[false, false], [false, true], [true, false], [true, true]]) {
      const product = weft.jit((x, y) => weft.matMul(x, y, { transposeA, transposeB }), { precision: 'tf32' })
      const y = product(transposeA ? weft.transpose(a) : a, transposeB ? weft.transpose(one) : one)
      results.push((await y.data())[0] / k)
    }
    console.log(results.join())`
  for (const capability of ['90', '80'])
    assert.is(printed(source, { WEFT_EMULATED_CAPABILITY: capability }), `${Array(4).fill(1.001953125).join()}\n`, capability)
})

test.run()
