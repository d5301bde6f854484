// Products with precision 'mixedBfloat16' on the CPU: operands of float32 are rounded to bfloat16, sums are in float32.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { dense, jit, matMul, type Tensor, tensor, withDevice } from '../../lib/index.js'
import { native } from '../../lib/core/addon.js'
import { codeOf } from '../expect.js'
import { testWith } from '../skip.js'

const able = native.multipliesBfloat16
const NEED = 'a processor with AVX-512 BF16'

/** Integers in [-4, 4]: bfloat16 holds them, and their sums are exact in float32 in any order. */
const integers = (length: number, seed: number): number[] => Array.from({ length }, (_, i) => ((((i + seed) * 7919) % 1009) % 9) - 4)
const noise = (length: number, seed: number): number[] => Array.from({ length }, (_, i) => Math.fround(Math.sin(seed + i * i)))

/** The bfloat16 nearest to a float32; of two that are as near, the one whose last bit is 0. */
function rounded(value: number): number {
  const [float, bits] = [new Float32Array([value]), new Uint32Array(1)]
  bits[0] = new Uint32Array(float.buffer)[0]!
  bits[0] = ((bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) & 0xffff0000) >>> 0
  return new Float32Array(bits.buffer)[0]!
}

const run = (fn: (...inputs: Tensor[]) => Tensor, ...inputs: Tensor[]): Promise<Float32Array> =>
  withDevice('cpu', () => jit(fn, { precision: 'mixedBfloat16' })(...inputs)).data() as Promise<Float32Array>
const on = (values: readonly number[], shape: readonly number[]): Tensor =>
  withDevice('cpu', () => tensor(values as number[], shape as number[]))

/** Sums and the sizes of their terms, of matrices [m, k] and [k, n]. */
function sums(a: readonly number[], b: readonly number[], [m, n, k]: readonly [number, number, number], ta: boolean, tb: boolean) {
  const [value, size] = [new Float64Array(m * n), new Float64Array(m * n)]
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++)
      for (let p = 0; p < k; p++) {
        const term = a[ta ? p * m + i : i * k + p]! * b[tb ? j * k + p : p * n + j]!
        value[i * n + j]! += term
        size[i * n + j]! += Math.abs(term)
      }
  return { value, size }
}

/** [m, n, k]: single rows and columns, odd sums, partial tiles and panels, several blocks of rows and of k. */
const SHAPES = [
  [1, 1, 1],
  [3, 5, 0],
  [1, 70, 65],
  [2, 16, 33],
  [14, 32, 64],
  [45, 70, 65],
  [60, 49, 1031],
  [300, 33, 64],
  [520, 130, 20],
  [33, 600, 40],
] as const

testWith(able, NEED, 'integers: exact sums, however operands lie', async () => {
  for (const [m, n, k] of SHAPES)
    for (const transposeA of [false, true])
      for (const transposeB of [false, true]) {
        const [a, b] = [integers(m * k, 1), integers(k * n, 5)]
        const product = (x?: Tensor, y?: Tensor): Tensor => matMul(x!, y!, { transposeA, transposeB })
        const result = await run(product, on(a, transposeA ? [k, m] : [m, k]), on(b, transposeB ? [n, k] : [k, n]))
        const { value } = sums(a, b, [m, n, k], transposeA, transposeB)
        const wrong = value.findIndex((sum, i) => sum !== result[i])
        assert.is(wrong, -1, `[${m}, ${n}, ${k}], ${transposeA}, ${transposeB}: ${result[wrong]}, should be ${value[wrong]}`)
      }
})

testWith(able, NEED, 'operands are rounded to the nearest bfloat16, halves to the even one', async () => {
  const step = 2 ** -7
  for (const [given, kept] of [
    [1 + step / 2, 1],
    [1 + step * 1.5, 1 + step * 2],
    [1 + step * 0.51, 1 + step],
    [-1 - step * 0.49, -1],
    [3.4028234e38, Number.POSITIVE_INFINITY],
    [Number.NaN, Number.NaN],
  ] as const) {
    const product = (x?: Tensor, y?: Tensor): Tensor => matMul(x!, y!)
    assert.equal((await run(product, on([given], [1, 1]), on([1], [1, 1])))[0], kept)
    assert.equal((await run(product, on([1], [1, 1]), on([given], [1, 1])))[0], kept)
  }
})

testWith(able, NEED, 'sums of rounded operands in float32, also in batches and in dense', async () => {
  for (const [m, n, k] of [
    [37, 70, 300],
    [260, 40, 1030],
  ] as const) {
    const [a, b, bias] = [noise(m * k, 1), noise(k * n, 2), noise(n, 3)]
    const { value, size } = sums(a.map(rounded), b.map(rounded), [m, n, k], false, false)
    const check = (result: Float32Array, expected: (sum: number, at: number) => number, what: string): void => {
      // one rounding per term at most, of the size of what was added up
      const wrong = result.findIndex(
        (got, i) => Math.abs(got - expected(value[i % (m * n)]!, i)) > size[i % (m * n)]! * 2 ** -24 * (8 + Math.sqrt(k)),
      )
      assert.is(wrong, -1, `${what} [${m}, ${n}, ${k}]: ${result[wrong]}`)
    }
    check(await run((x, y) => matMul(x!, y!), on(a, [m, k]), on(b, [k, n])), (sum) => sum, 'matMul')
    check(await run((x, y) => matMul(x!, y!), on([...a, ...a], [2, m, k]), on([...b, ...b], [2, k, n])), (sum) => sum, 'batches')
    check(await run((x, y) => matMul(x!, y!), on([...a, ...a], [2, m, k]), on(b, [k, n])), (sum) => sum, 'one b for all')
    for (const activation of ['linear', 'relu', 'sigmoid', 'tanh'] as const) {
      const f = {
        linear: (x: number) => x,
        relu: (x: number) => Math.max(0, x),
        sigmoid: (x: number) => 1 / (1 + Math.exp(-x)),
        tanh: Math.tanh,
      }
      const result = await run((x, w, c) => dense(x!, w!, c!, { activation }), on(a, [m, k]), on(b, [k, n]), on(bias, [n]))
      check(result, (sum, at) => f[activation](sum + bias[at % n]!), activation)
    }
  }
})

testWith(able, NEED, 'a row does not depend on the number of rows', async () => {
  for (const [n, k] of [
    [70, 600],
    [512, 129],
  ] as const) {
    const [x, w] = [noise(530 * k, 1), on(noise(k * n, 2), [k, n])]
    const first = (rows: number) => run((a, b) => matMul(a!, b!), on(x.slice(0, rows * k), [rows, k]), w)
    const all = await first(530)
    for (const rows of [1, 3, 14, 50, 300]) assert.equal(await first(rows), all.slice(0, rows * n), `${rows} rows of [530, ${n}, ${k}]`)
  }
})

testWith(able, NEED, 'other dtypes and other programs keep their digits', async () => {
  const fine = 1 + 2 ** -10
  const one = (dtype: 'float16' | 'float64' | 'float32'): Tensor => on([fine], [1, 1]).cast(dtype)
  const unit = (dtype: 'float16' | 'float64' | 'float32'): Tensor => on([1], [1, 1]).cast(dtype)
  for (const dtype of ['float16', 'float64'] as const)
    assert.is((await run((x, y) => matMul(x!, y!).cast('float32'), one(dtype), unit(dtype)))[0], fine, dtype)
  assert.is((await withDevice('cpu', () => jit((x: Tensor, y: Tensor) => matMul(x, y))(one('float32'), unit('float32'))).data())[0], fine)
  assert.is((await withDevice('cpu', () => matMul(one('float32'), unit('float32'))).data())[0], fine)
})

testWith(able, NEED, 'one thread and two give equal bits', () => {
  const program = `
    import { createHash } from 'node:crypto'
    const { jit, matMul, randomNormal, setSeed } = await import(${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)})
    setSeed(1)
    const product = jit((a, b) => matMul(a, b), { precision: 'mixedBfloat16' })
    const result = await product(randomNormal([300, 700]), randomNormal([700, 500])).data()
    console.log(createHash('sha1').update(new Uint8Array(result.buffer, result.byteOffset, result.byteLength)).digest('hex'))
  `
  const [one, two] = ['1', '2'].map((threads) => {
    const env = { ...process.env, WEFT_THREADS: threads, WEFT_DEVICE: 'cpu' }
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', env })
    assert.match(stdout, /^[0-9a-f]{40}$/m, stderr)
    return stdout
  })
  assert.is(one, two)
})

testWith(native.multipliesTiles, 'a processor with AMX', 'all of this holds without AMX too', () => {
  const env = { ...process.env, WEFT_CPU_AMX: 'off' }
  const { status, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url)], { encoding: 'utf8', env })
  assert.is(status, 0, stdout + stderr)
})

test('WEFT_CPU_AMX is on or off', () => {
  const load = (value: string) =>
    spawnSync(process.execPath, ['-e', `import(${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)})`], {
      encoding: 'utf8',
      env: { ...process.env, WEFT_CPU_AMX: value },
    })
  assert.match(load('yes').stderr, /WEFT_CPU_AMX=yes: one of on, off is expected/)
  const { status, stderr } = load('on')
  // without AMX, and held back by this variable, this process itself has none
  if (native.multipliesTiles) assert.is(status, 0, stderr)
  else if (status !== 0) assert.match(stderr, /WEFT_CPU_AMX=on: /)
})

// a filter that refuses arch_prctl(ARCH_REQ_XCOMP_PERM), as a sandbox may; seccomp(2), x86-64
const SANDBOX = `
my $filter = pack '(SCCL)*', 0x20,0,0,0, 0x15,0,3,158, 0x20,0,0,16, 0x15,0,1,0x1023, 6,0,0,0x50001, 6,0,0,0x7fff0000;
syscall(157, 38, 1, 0, 0, 0) == 0 && syscall(157, 22, 2, pack 'Sx6P', 6, $filter) == 0 or exit 77;
exec @ARGV`
const inSandbox = (env: Record<string, string>) =>
  spawnSync('perl', ['-e', SANDBOX, process.execPath, '--input-type=module', '-e', PRODUCT], {
    encoding: 'utf8',
    env: { ...process.env, WEFT_DEVICE: 'cpu', ...env },
  })
const PRODUCT = `
  const { jit, matMul, ones } = await import(${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)})
  const product = jit(() => matMul(ones([64, 64]), ones([64, 64])), { precision: 'mixedBfloat16' })
  console.log(new Set(await product().data()))`
const hasSandbox = native.multipliesTiles && ![77, null].includes(inSandbox({}).status)
testWith(
  hasSandbox,
  'AMX, and perl and seccomp to forbid it',
  'WEFT_CPU_AMX=on says that Linux refuses AMX; without it others compute',
  () => {
    const refused = inSandbox({ WEFT_CPU_AMX: 'on' })
    assert.is.not(refused.status, 0, refused.stdout)
    assert.match(refused.stderr, /WEFT_CPU_AMX=on: Linux does not let this process use AMX \(arch_prctl: Operation not permitted\)/)
    const { status, stdout, stderr } = inSandbox({})
    assert.equal([status, stdout], [0, 'Set(1) { 64 }\n'], stderr)
  },
)

test('a CPU without the instructions refuses, and says what it needs', () => {
  const ask = () => withDevice('cpu', () => jit(() => on([1], [1]), { precision: 'mixedBfloat16' })())
  if (able) {
    ask().dispose()
    return
  }
  assert.is(codeOf(ask), 'ERR_ARGUMENT')
  assert.throws(ask, /needs a CUDA device or a processor with AVX-512 BF16; this CPU computes in float32/)
})

test.run()
