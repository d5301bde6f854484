// Calls of the core's public functions: what is right, what is refused, and what the error tells to write.
import { spawnSync } from 'node:child_process'
import { inspect } from 'node:util'
import { MessageChannel } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromCaller, Safe } from '../../lib/core/stack.js'
import { knownExtent } from '../../lib/core/spec.js'
import * as weft from '../../lib/index.js'
import { codeOf, codeOfAsync, values } from '../expect.js'

type AnyFunction = (...args: unknown[]) => unknown

/** The error of a call; fails when there is none, or none of Weft's. */
function errorOf(fn: () => unknown): weft.WeftError {
  try {
    fn()
  } catch (error) {
    assert.instance(error, weft.WeftError)
    return error as weft.WeftError
  }
  assert.unreachable('no error')
  throw new Error()
}

const f = (x: weft.Tensor): weft.Tensor => x.sum()
const refused: readonly (readonly [name: string, call: () => unknown, says: RegExp])[] = [
  ['zeros and a dtype', () => (weft.zeros as AnyFunction)([2], 'int32'), /Write zeros\(shape, \{ dtype: 'int32' \}\)/],
  ['tensor and a dtype', () => (weft.tensor as AnyFunction)([1], 'int32'), /Write tensor\(values, \{ dtype: 'int32' \}\)/],
  ['tensor, three arguments', () => (weft.tensor as AnyFunction)([1], [1], 'int32'), /tensor takes at most 2/],
  ['tensor, misspelt', () => weft.tensor([1], { dtyp: 'int32' } as object), /Did you mean 'dtype'/],
  ['tensor, unknown dtype', () => weft.tensor([1], { dtype: 'float31' as 'float32' }), /Did you mean 'float32'/],
  ['variable and a name', () => (weft.variable as AnyFunction)([1], 'w'), /Write variable\(value, \{ name: 'w' \}\)/],
  ['jit and a precision', () => (weft.jit as AnyFunction)(f, 'tf32'), /Write jit\(fn, \{ precision: 'tf32' \}\)/],
  ['jit, unknown precision', () => weft.jit(f, { precision: 'half' as 'tf32' }), /'float32', 'tf32', 'mixedBfloat16'/],
  ['grad and a position', () => (weft.grad as AnyFunction)(f, 3), /Write grad\(fn, \{ wrt: 3 \}\)/],
  ['grad, a negative position', () => weft.grad(f, { wrt: -1 }), /wrt must be an integer of at least 0/],
  ['valueAndGrad and a list', () => (weft.valueAndGrad as AnyFunction)(f, [0]), /valueAndGrad: options are an object/],
  [
    'gradients of one tensor',
    () => weft.jit((x: weft.Tensor) => weft.gradients(f(x), x as never))(weft.tensor([1])),
    /gradients\(loss, \[w\]\)/,
  ],
  ['defineOp, misspelt', () => weft.defineOp({ name: 'calls.a', forwrd: f } as never), /Did you mean 'forward'/],
  ['defineOp of nothing', () => (weft.defineOp as AnyFunction)(), /expected \{ name, forward \}/],
  ['loadKernels, two paths', () => (weft.loadKernels as AnyFunction)('a', 'b'), /loadKernels takes at most 1/],
  ['tidy of a value', () => (weft.tidy as AnyFunction)(weft.tensor([1])), /tidy: expected a function, got a Tensor/],
  ['randomState of a shape', () => (weft.randomState as AnyFunction)([2]), /a seed is an integer, got \[2\]/],
  ['setSeed of text', () => (weft.setSeed as AnyFunction)('1'), /a seed is an integer, got '1'/],
  ['setSeed, two', () => (weft.setSeed as AnyFunction)(1, 2), /setSeed takes at most 1/],
  ['setDevice of a number', () => (weft.setDevice as AnyFunction)(0), /a device is a name, 'cpu' or 'cuda:0', got 0/],
  ['withDevice without a function', () => (weft.withDevice as AnyFunction)('cpu'), /withDevice: expected a function/],
  ['device(id)', () => (weft.device as AnyFunction)('cpu'), /device takes no arguments/],
  ['devices(kind)', () => (weft.devices as AnyFunction)('cuda'), /devices takes no arguments/],
  ['memory(id)', () => (weft.memory as AnyFunction)('cpu'), /memory takes no arguments/],
]
for (const [name, call, says] of refused) test(`refused: ${name}`, () => assert.match(errorOf(call).message, says))

test('refused: asynchronous functions', async () => {
  assert.is(await codeOfAsync((weft.profile as (fn: unknown) => Promise<unknown>)(5)), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync((weft.synchronize as unknown as (fn: unknown) => Promise<unknown>)(5)), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync((weft.doctor as unknown as (options: unknown) => Promise<unknown>)({})), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync(weft.gradCheck(f, [[1]], 1e-6 as never)), 'ERR_ARGUMENT')
})

test('all values decide on the dtype', async () => {
  const t = weft.tensor([
    [true, 35],
    [false, 20],
  ])
  assert.is(t.dtype, 'float32')
  assert.equal(await values(t), [1, 35, 0, 20])
  assert.is(weft.tensor([[true], [false]]).dtype, 'bool')
  assert.is(weft.tensor([[1], [true]]).dtype, 'float32')
  assert.equal(await values(weft.tensor([true, 2]).add([false, 0.5])), [1, 2.5])
})

test('a random state draws new numbers at each call', async () => {
  const [first, second] = [1, 2].map(() => weft.randomState(5))
  const draws = [first, first, second].map((state) => weft.randomNormal([3], { state: state! }))
  const [a, b, c] = await Promise.all(draws.map(values))
  assert.is.not(String(a), String(b))
  assert.equal(a, c)
})

test('lists of typed arrays are nested values', async () => {
  const t = weft.tensor([new Float32Array([1, 2]), new Float32Array([3, 4])])
  assert.equal(t.shape, [2, 2])
  assert.equal(await t.array(), [
    [1, 2],
    [3, 4],
  ])
  assert.is(weft.tensor([new Int32Array(2), new Int32Array(2)]).dtype, 'int32')
  assert.is(weft.tensor([[new Uint8Array(2)]]).dtype, 'uint8')
  assert.is(weft.tensor([new Uint8Array(2), [0.5, 1]]).dtype, 'float32')
  assert.equal(await weft.tensor([new BigInt64Array([1n]), new BigInt64Array([2n])]).data(), new BigInt64Array([1n, 2n]))
  const ragged = errorOf(() => weft.tensor([[new Float32Array(2), new Float32Array(3)]]))
  assert.is(ragged.code, 'ERR_SHAPE')
  assert.match(ragged.message, 'values[0][0] has shape [2], values[0][1] has [3]')
})

test('typed arrays that cannot become tensors', () => {
  assert.is(
    codeOf(() => weft.tensor(new BigUint64Array(2) as never)),
    'ERR_DTYPE',
  )
  assert.match(errorOf(() => weft.tensor(new BigUint64Array(2) as never)).message, 'BigInt64Array.from')
  const gone = new Float32Array(4)
  structuredClone(gone.buffer, { transfer: [gone.buffer] })
  assert.match(errorOf(() => weft.tensor(gone)).message, 'transferred elsewhere')
  assert.equal(weft.tensor(new Float32Array(0)).shape, [0])
})

test('values that int64 cannot hold saturate', async () => {
  const t = weft.tensor([Number.NaN, Number.POSITIVE_INFINITY, -1e30, 2.7], { dtype: 'int64' })
  assert.equal(await t.data(), new BigInt64Array([0n, 2n ** 63n - 1n, -(2n ** 63n), 2n]))
})

test('a shape changed from outside changes nothing else', async () => {
  const shape = [2, 2]
  const t = weft.tensor([1, 2, 3, 4], shape)
  shape[0] = 4
  assert.equal(t.shape, [2, 2])
  assert.throws(() => {
    ;(t.shape as number[])[0] = 3
  }, TypeError)
  for (const made of [t.add(1), t.reshape([4]), t.sum(), weft.zeros(shape), weft.jit(() => t.add(1))(), weft.variable([1]), t.mean(0)])
    assert.ok(Object.isFrozen(made.shape))
  // a shape that is replaced must not reach the programs of others
  const changed = weft.tensor([1, 2, 3, 4, 5])
  Object.assign(changed, { shape: [3] })
  assert.is(
    codeOf(() => changed.add(7.25)),
    'ERR_ARGUMENT',
  )
  assert.is(
    codeOf(() => weft.jit((x: weft.Tensor) => x.add(7.25))(changed)),
    'ERR_ARGUMENT',
  )
  assert.equal(await values(weft.tensor([1, 2, 3, 4, 5]).add(7.25)), [8.25, 9.25, 10.25, 11.25, 12.25])
})

test('attributes that are kept are copied', async () => {
  const permutation = [1, 0]
  const run = weft.jit((x: weft.Tensor) => {
    const y = x.transpose(permutation)
    permutation.reverse()
    return y
  })
  const x = weft.tensor([
    [1, 2],
    [3, 4],
  ])
  assert.equal(await values(run(x)), [1, 3, 2, 4])
})

test('empty rows', async () => {
  const rows = weft.zeros([1e7, 0]).arraySync() as readonly unknown[]
  assert.is(rows.length, 1e7)
  assert.ok(rows[0] === rows[1], 'one for all')
  assert.equal(rows[9_999_999], [])
  assert.ok(Object.isFrozen(rows[0]))
  assert.equal(await weft.zeros([2, 0, 3]).array(), [[], []])
  assert.equal(await weft.zeros([0, 3]).array(), [])
  assert.is(
    codeOf(() => weft.zeros([2 ** 40, 0]).arraySync()),
    'ERR_SHAPE',
  )
})

test('a tensor is not JSON and cannot be cloned', () => {
  const t = weft.tensor(new Float32Array(1000)).add(1)
  assert.match(errorOf(() => JSON.stringify({ deep: [t] })).message, 'await t.array()')
  let traced: weft.Tensor | undefined
  weft.jit((x: weft.Tensor) => (traced = x.add(1)))(t)
  const gone = weft.tensor([1])
  gone.dispose()
  const symbolic = weft.input({ shape: [2] })
  const { port1, port2 } = new MessageChannel()
  for (const held of [t, { deep: [t] }, traced, gone, symbolic, weft.variable([1])]) {
    assert.match(errorOf(() => structuredClone(held)).message, 'await t.data()')
    assert.match(errorOf(() => port1.postMessage(held)).message, 'await t.data()')
  }
  port1.close()
  port2.close()
  assert.match(inspect(t), /^Tensor float32 \[1000\]/)
})

test('errors print no undefined fields, and their name once', () => {
  const error = errorOf(() => weft.tensor([[1], 2]))
  const text = inspect(error)
  assert.not.match(text, 'undefined')
  assert.is(text.split('WeftError').length, 2)
  assert.is(error.name, 'WeftError')
  assert.is(error.op, undefined)
})

test('errors of asynchronous calls name the line of the program', async () => {
  async function theProgram(): Promise<void> {
    await weft
      .tensor([1, 2])
      .gather(weft.tensor([7], { dtype: 'int32' }))
      .data()
  }
  async function publicFunction(): Promise<void> {
    return fromCaller(publicFunction, async () => {
      await Promise.resolve()
      await new Promise((resolve) => setTimeout(resolve, 1))
      weft.tensor([1]).reshape([2])
    })
  }
  async function anotherProgram(): Promise<void> {
    await publicFunction()
  }
  function safeFunction(): Promise<void> {
    const failing = async (): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      weft.tensor([1]).reshape([2])
    }
    return fromCaller(safeFunction, () => new Safe(failing()))
  }
  async function thirdProgram(): Promise<void> {
    await safeFunction()
  }
  // ids may be out of range: the line of the call is known although nobody waits there when it fails
  const net = weft.sequential([weft.layers.embedding({ inputDim: 3, outputDim: 2 })])
  function theCall(): Promise<unknown> {
    return net.predict(weft.tensor(new Int32Array(4096).fill(7), [64, 64]), { batchSize: 64 })
  }
  async function fourthProgram(): Promise<void> {
    const call = theCall()
    call.catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 20))
    await call
  }
  for (const [run, name] of [
    [theProgram, 'theProgram'],
    [anotherProgram, 'anotherProgram'],
    [thirdProgram, 'thirdProgram'],
    [fourthProgram, 'theCall'],
  ] as const) {
    try {
      await run()
      assert.unreachable()
    } catch (error) {
      const { stack = '' } = error as Error
      assert.match(stack, name)
      assert.not.match(stack, '/dist/lib/')
    }
  }
  // an error of the program keeps its own frames, and gets those of the call
  const own = await fromCaller(publicFunction, () => Promise.reject(new TypeError('mine'))).catch((error: Error) => error)
  assert.match((own as Error).stack!, /TypeError: mine/)
})

test('one fault rejects each of those who wait with an error of its own', async () => {
  const bad = weft.tensor([1, 2]).gather(weft.tensor([7], { dtype: 'int32' }))
  const [a, b] = (await Promise.allSettled([bad.data(), bad.array()])) as PromiseRejectedResult[]
  assert.is(a!.reason.code, 'ERR_DATA')
  assert.is(a!.reason.op, 'gather')
  assert.is(a!.reason.message, b!.reason.message)
  assert.is.not(a!.reason, b!.reason)
})

test('a profile holds the last run', async () => {
  const x = weft.tensor(new Float32Array(16))
  for (let i = 0; i < 300; i++) {
    const { kernels } = await weft.profile(() => void x.add(1))
    assert.is(
      kernels.reduce((sum, { count }) => sum + count, 0),
      1,
    )
  }
})

test('a kernel that computes float32 is not run on other floats', async () => {
  const scale = weft.defineOp({ name: 'calls.scale', shape: ([x]) => x! })
  assert.is(
    codeOf(() => scale([weft.tensor([1], { dtype: 'float64', device: 'cpu' })])),
    'ERR_DTYPE',
  )
  const checked = await weft.gradCheck((x) => (scale([x]) as weft.Tensor).sum(), [[1, 2]]).catch((error: weft.WeftError) => error)
  assert.instance(checked, weft.WeftError)
  assert.match((checked as weft.WeftError).message, "dtypes: ['float32', 'float64']")
})

test('an extent that must be known', () => {
  assert.is(knownExtent('dense', [null, 8], -1, 'inputShape: [8]'), 8)
  const error = errorOf(() => knownExtent("layer 'dense_1'", [null, null, 3], 1, 'inputShape: [timesteps, 3]'))
  assert.is(error.code, 'ERR_SHAPE')
  assert.match(error.message, "layer 'dense_1': the extent of axis 1 is unknown in shape [null, null, 3]. Write inputShape: [timesteps, 3]")
  assert.match(errorOf(() => knownExtent('x', [null], 3, 'y')).message, 'there is no axis 3')
})

const environments: readonly (readonly [name: string, value: string, use: string])[] = [
  ['WEFT_THREADS', 'abc', 'tensor([1])'],
  ['WEFT_THREADS', '0', "tensor([1], { device: 'cpu' })"],
  ['WEFT_CPU_LEVEL', 'avx3', 'devices()'],
  ['WEFT_DEVICE', 'gpu', 'tensor([1])'],
  ['WEFT_MEMORY_LIMIT', 'much', 'tensor([1])'],
  ['WEFT_SEED', '1.5', 'randomNormal([2])'],
  ['WEFT_REQUIRE_CUDA', 'yes', 'tensor([1])'],
]
for (const [name, value, use] of environments) {
  test(`${name}=${value} is an error that names the variable`, () => {
    const library = new URL('../../lib/index.js', import.meta.url)
    const program = `import * as weft from '${library}'; try { weft.${use} } catch (error) { console.log(error.name, error.message) }`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      env: { ...process.env, WEFT_DEVICE: 'cpu', [name]: value },
    })
    assert.match(stdout + stderr, new RegExp(`WeftError.*${name}='?${value}\\b`))
  })
}

test('a Uint32Array beyond int32 needs a dtype', async () => {
  const large = new Uint32Array([1, 4294967295])
  assert.is(
    codeOf(() => weft.tensor(large)),
    'ERR_DTYPE',
  )
  assert.equal(await weft.tensor(large, { dtype: 'float32' }).array(), [1, 4294967296])
  assert.equal(await weft.tensor(new Uint32Array([1, 7])).array(), [1, 7])
})

test.run()
