// Mistakes in calls of operations: each throws at the call, with its code, the op's name and what was received.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as weft from '../../lib/index.js'
import { ops } from '../../lib/core/op.js'
import * as operations from '../../lib/ops/index.js'

// the compiler, which would find these mistakes first, is not told the shape
const x: weft.Tensor = weft.zeros([2, 3])
const image = weft.zeros([1, 4, 4, 2])
const integers = weft.tensor([1, 2, 3], { dtype: 'int32' })
const long = weft.tensor([1, 2, 3], { dtype: 'int64' })
const wrong = (value: unknown): never => value as never

const cases: readonly [string, weft.ErrorCode, RegExp, () => unknown][] = [
  // shapes
  ['add', 'ERR_SHAPE', /add: shapes \[2,3\] and \[2\] do not broadcast\. .*reshape\(\[2,1\]\)/, () => weft.add(x, [1, 2])],
  ['add', 'ERR_SHAPE', /\[2,3\] and \[4,3\]/, () => x.add(weft.zeros([4, 3]))],
  ['where', 'ERR_SHAPE', /where: .*\[4\]/, () => weft.where(weft.zeros([4], { dtype: 'bool' }), x, x)],
  ['matMul', 'ERR_SHAPE', /matMul: \[2,3\] and \[2,3\] do not fit: 3 columns meet 2 rows\. Use \{ transposeB: true \}/, () => x.matMul(x)],
  ['matMul', 'ERR_SHAPE', /scalar.*mul\(\)/, () => weft.matMul(2, x)],
  ['matMul', 'ERR_SHAPE', /matMul.*broadcast/, () => weft.matMul(weft.zeros([2, 2, 3]), weft.zeros([3, 3, 2]) as weft.Tensor)],
  ['dense', 'ERR_SHAPE', /dense: x \[2,3\], w \[2,4\] and b \[4\]/, () => weft.dense(x, weft.zeros([2, 4]), weft.zeros([4]))],
  ['reshape', 'ERR_SHAPE', /\[2,3\] \(6 values\) does not fit \[4\]/, () => x.reshape([4])],
  ['reshape', 'ERR_SHAPE', /more than one -1/, () => x.reshape([-1, -1])],
  ['reshape', 'ERR_SHAPE', /reshape/, () => x.reshape(wrong('6'))],
  ['squeeze', 'ERR_SHAPE', /axis 1 of shape \[2,3\] has extent 3/, () => x.squeeze(1)],
  ['broadcastTo', 'ERR_SHAPE', /\[2,3\] does not broadcast to \[2,4\]/, () => x.broadcastTo([2, 4])],
  ['concat', 'ERR_SHAPE', /concat: shapes \[2,3\], \[3,2\]/, () => weft.concat([x, weft.zeros([3, 2])])],
  ['concat', 'ERR_ARGUMENT', /at least one/, () => weft.concat([])],
  ['stack', 'ERR_SHAPE', /concat: shapes/, () => weft.stack([x, integers])],
  ['slice', 'ERR_SHAPE', /slice: begin \[1,:\].* shape \[2,3\] on axis 0/, () => x.slice([1], [2])],
  ['slice', 'ERR_ARGUMENT', /at most 2/, () => x.slice([0, 0, 0])],
  ['slice', 'ERR_ARGUMENT', /step/, () => x.slice([0], [1], [0])],
  ['split', 'ERR_SHAPE', /extent 3.*2 equal parts/, () => x.split(2, 1)],
  ['unstack', 'ERR_SHAPE', /axis 2 is out of range/, () => x.unstack(2)],
  ['linspace', 'ERR_ARGUMENT', /count must be an integer of at least 0, got -1/, () => weft.linspace(0, 1, -1)],
  ['linspace', 'ERR_ARGUMENT', /stop must be a finite number, got Infinity/, () => weft.linspace(0, Number.POSITIVE_INFINITY, 3)],
  ['linspace', 'ERR_DTYPE', /linspace: unknown dtype 'int32'/, () => weft.linspace(0, 1, 3, { dtype: 'int32' })],
  ['matMul', 'ERR_SHAPE', /3 columns meet 2 rows/, () => x.dot(x)],
  ['pad', 'ERR_ARGUMENT', /2 pairs/, () => x.pad([[1, 1]])],
  ['tile', 'ERR_ARGUMENT', /tile/, () => x.tile([-1, 2])],
  ['transpose', 'ERR_ARGUMENT', /\[0,0\] is not a permutation/, () => x.transpose([0, 0])],
  ['gatherAlong', 'ERR_SHAPE', /gatherAlong: x \[2,3\] and indices \[3\]/, () => weft.gatherAlong(x, integers)],
  ['scatterAdd', 'ERR_SHAPE', /takes updates \[3,3\], got \[2,3\]/, () => weft.scatterAdd(x, integers, x)],
  ['topK', 'ERR_SHAPE', /k = 4 of 3/, () => x.topK(4)],
  ['argMax', 'ERR_SHAPE', /no values along axis 1/, () => weft.zeros([2, 0]).argMax(1)],
  ['softmaxCrossEntropy', 'ERR_SHAPE', /sparseSoftmaxCrossEntropy/, () => weft.softmaxCrossEntropy(x, [0, 1])],
  ['sparseSoftmaxCrossEntropy', 'ERR_SHAPE', /softmaxCrossEntropy\(\)/, () => weft.sparseSoftmaxCrossEntropy(x, x.cast('int32'))],
  ['sparseSoftmaxCrossEntropy', 'ERR_SHAPE', /batch axis/, () => weft.sparseSoftmaxCrossEntropy([1, 2], 0)],
  ['batchNorm', 'ERR_SHAPE', /gamma \[2\]/, () => weft.batchNorm(x, weft.ones([2]), weft.zeros([2]))],
  ['layerNorm', 'ERR_SHAPE', /beta \[2\]/, () => weft.layerNorm(x, weft.ones([3]), weft.zeros([2]))],
  // convolution and pooling
  ['conv2d', 'ERR_SHAPE', /window \[5,5\] is larger than its input \[4,4\]/, () => weft.conv2d(image, weft.zeros([5, 5, 2, 1]))],
  ['conv2d', 'ERR_SHAPE', /spans \[7,7\] with its dilation/, () => weft.conv2d(image, weft.zeros([3, 3, 2, 1]), { dilations: 3 })],
  ['conv2d', 'ERR_SHAPE', /2 channels, the kernel \[3,3,3,1\] takes 3/, () => weft.conv2d(image, weft.zeros([3, 3, 3, 1]))],
  ['conv2d', 'ERR_SHAPE', /channels last/, () => weft.conv2d(weft.zeros([1, 3, 8, 8]), weft.zeros([3, 3, 3, 1]))],
  [
    'conv2d',
    'ERR_SHAPE',
    /rank 4, got shape \[4,4,2\].*expandDims\(0\)/,
    () => weft.conv2d(weft.zeros([4, 4, 2]), weft.zeros([3, 3, 2, 1])),
  ],
  [
    'conv2d',
    'ERR_ARGUMENT',
    /'smae'\. Did you mean 'same'/,
    () => weft.conv2d(image, weft.zeros([3, 3, 2, 1]), { padding: wrong('smae') }),
  ],
  ['conv2d', 'ERR_ARGUMENT', /'stride'\. Did you mean 'strides'/, () => weft.conv2d(image, weft.zeros([3, 3, 2, 1]), wrong({ stride: 2 }))],
  [
    'conv2d',
    'ERR_ARGUMENT',
    /strides must be an integer of at least 1/,
    () => weft.conv2d(image, weft.zeros([3, 3, 2, 1]), { strides: 0 }),
  ],
  ['conv2d', 'ERR_DTYPE', /float32 and float64/, () => weft.conv2d(image, weft.zeros([3, 3, 2, 1], { dtype: 'float64' }))],
  ['conv1d', 'ERR_SHAPE', /\[n, steps, channels\]/, () => weft.conv1d(x, weft.zeros([2, 3, 1]))],
  ['depthwiseConv2d', 'ERR_SHAPE', /2 channels, the kernel \[3,3,3,1\] has 3/, () => weft.depthwiseConv2d(image, weft.zeros([3, 3, 3, 1]))],
  ['conv2dTranspose', 'ERR_SHAPE', /\[kh, kw, out, in\]/, () => weft.conv2dTranspose(image, weft.zeros([3, 3, 2, 1]))],
  [
    'conv2dTranspose',
    'ERR_ARGUMENT',
    /outputPadding 2/,
    () => weft.conv2dTranspose(image, weft.zeros([3, 3, 1, 2]), { strides: 2, outputPadding: 2 }),
  ],
  ['maxPool2d', 'ERR_SHAPE', /window \[5,5\] is larger than its input \[4,4\]/, () => weft.maxPool2d(image, { poolSize: 5 })],
  ['averagePool2d', 'ERR_ARGUMENT', /padding \[2,2,2,2\] is not smaller/, () => weft.averagePool2d(image, { padding: 2 })],
  ['maxPool2d', 'ERR_SHAPE', /out of reach/, () => weft.maxPool2d(image, { poolSize: 2 ** 53, padding: 'same' })],
  ['maxPool2d', 'ERR_SHAPE', /rank 4/, () => weft.maxPool2d(x)],
  // axes
  ['sum', 'ERR_SHAPE', /sum: axis 2 is out of range for rank 2/, () => x.sum(2)],
  ['mean', 'ERR_SHAPE', /mean: axis -3 is out of range for rank 2/, () => x.mean(-3)],
  ['max', 'ERR_ARGUMENT', /max: axis \[0,-2\] names an axis twice/, () => x.max([0, -2])],
  ['sum', 'ERR_ARGUMENT', /an axis is an integer, got 0.5/, () => x.sum(0.5)],
  ['sum', 'ERR_ARGUMENT', /'keepdims'\. Did you mean 'keepDims'/, () => x.sum(0, wrong({ keepdims: true }))],
  ['argMax', 'ERR_SHAPE', /argMax: axis 5 .* rank 2/, () => x.argMax(5)],
  ['softmax', 'ERR_SHAPE', /softmax: axis -1 is out of range for rank 0/, () => weft.softmax(1)],
  ['expandDims', 'ERR_SHAPE', /expandDims: axis 4 .* rank 3/, () => x.expandDims(4)],
  ['gather', 'ERR_SHAPE', /gather: axis 2/, () => x.gather(integers, 2)],
  ['cumSum', 'ERR_SHAPE', /cumSum: axis 2/, () => x.cumSum(2)],
  ['sort', 'ERR_SHAPE', /sort: axis 3/, () => x.sort({ axis: 3 })],
  // dtypes
  ['matMul', 'ERR_DTYPE', /float32 and float64\. .*cast\('float64'\)/, () => x.matMul(weft.zeros([3, 2], { dtype: 'float64' }))],
  ['matMul', 'ERR_DTYPE', /must be floats, got int32/, () => integers.matMul(integers)],
  ['add', 'ERR_DTYPE', /int64 is a storage dtype.*cast\('int32'\)/, () => long.add(1)],
  ['relu', 'ERR_DTYPE', /int8/, () => weft.tensor([1], { dtype: 'int8' }).relu()],
  ['sum', 'ERR_DTYPE', /int64/, () => long.sum()],
  ['logicalAnd', 'ERR_DTYPE', /must be bool, got float32/, () => x.logicalAnd(x)],
  ['where', 'ERR_DTYPE', /must be bool, got int32/, () => integers.where(1, 2)],
  ['gather', 'ERR_DTYPE', /indices must be integers, got float32/, () => x.gather(weft.tensor([0, 1]))],
  ['gather', 'ERR_ARGUMENT', /whole numbers, got 1\.5.*Math\.round/, () => x.gather([0, 1.5])],
  ['split', 'ERR_SHAPE', /which is not 1000000000 equal parts/, () => x.split(1e9)],
  ['split', 'ERR_ARGUMENT', /parts is a number or a list of extents, got null/, () => x.split(wrong(null))],
  ['oneHot', 'ERR_ARGUMENT', /whole numbers, got NaN/, () => weft.oneHot([Number.NaN], 2)],
  ['cast', 'ERR_DTYPE', /'float'\. Did you mean 'float16'|Did you mean 'float/, () => x.cast(wrong('float'))],
  ['zeros', 'ERR_DTYPE', /unknown dtype 'double'/, () => weft.zeros([1], { dtype: wrong('double') })],
  ['randomUniform', 'ERR_DTYPE', /not int32/, () => weft.randomUniform([1], { dtype: 'int32' })],
  // arguments
  ['add', 'ERR_ARGUMENT', /add: expected a tensor.*got undefined/, () => weft.add(x, wrong(undefined))],
  ['mul', 'ERR_ARGUMENT', /mul: .*got null/, () => x.mul(wrong(null))],
  ['relu', 'ERR_ARGUMENT', /relu: .*got string/, () => weft.relu(wrong('x'))],
  ['clip', 'ERR_ARGUMENT', /min ≤ max, got 2 and 1/, () => x.clip(2, 1)],
  ['elu', 'ERR_ARGUMENT', /alpha must be a finite number, got NaN/, () => x.elu(Number.NaN)],
  ['dense', 'ERR_ARGUMENT', /'rleu'\. Did you mean 'relu'/, () => weft.dense(x, weft.zeros([3, 1]), [0], { activation: wrong('rleu') })],
  ['norm', 'ERR_ARGUMENT', /ord/, () => x.norm(0, { ord: 0 })],
  ['oneHot', 'ERR_ARGUMENT', /depth must be an integer of at least 0, got -1/, () => integers.oneHot(-1)],
  ['dropout', 'ERR_ARGUMENT', /\[0, 1\], got 1.5/, () => x.dropout(1.5)],
  ['zeros', 'ERR_SHAPE', /zeros: .*\[-1\]/, () => weft.zeros([-1])],
  ['full', 'ERR_ARGUMENT', /full/, () => weft.full([1], wrong('1'))],
  ['arange', 'ERR_ARGUMENT', /step must not be 0/, () => weft.arange(0, 1, 0)],
  ['randomInteger', 'ERR_ARGUMENT', /low < high/, () => weft.randomInteger([1], 3, 3)],
  ['randomNormal', 'ERR_ARGUMENT', /deviation -1 is negative/, () => weft.randomNormal([1], { deviation: -1 })],
  ['bernoulli', 'ERR_ARGUMENT', /\[0, 1\], got 2/, () => weft.bernoulli([1], 2)],
  ['randomUniform', 'ERR_ARGUMENT', /a seed is an integer, got 0.5/, () => weft.randomUniform([1], { seed: 0.5 })],
]

for (const [name, code, pattern, call] of cases) {
  test(`${name}: ${pattern.source}`, () => {
    let error: unknown
    try {
      call()
    } catch (thrown) {
      error = thrown
    }
    assert.instance(error, weft.WeftError)
    assert.is((error as weft.WeftError).code, code, (error as Error).message)
    assert.match((error as Error).message, pattern)
  })
}

test('an optimizer update checks its parameters', () => {
  const adam = ops.get('adam')!
  const spec = (shape: number[], dtype: weft.DType = 'float32'): weft.Spec => ({ shape, dtype })
  const common = [spec([]), spec([], 'int32')]
  const attrs = { decay: [0] }
  assert.throws(
    () => adam.shape([...common, spec([2]), spec([3]), spec([2]), spec([2])], attrs),
    /adam: a tensor float32 \[3\] does not fit its parameter float32 \[2\]/,
  )
  assert.throws(() => adam.shape([...common, spec([2])], attrs), /1 tensors for 1 parameters/)
})

test('dtypes meet as the table says', () => {
  const of = (dtype: weft.DType): weft.Tensor => weft.zeros([1], { dtype })
  const meets: readonly [weft.DType, weft.DType, weft.DType][] = [
    ['bool', 'bool', 'int32'],
    ['bool', 'uint8', 'int32'],
    ['uint8', 'uint8', 'uint8'],
    ['uint8', 'int32', 'int32'],
    ['int32', 'float16', 'float16'],
    ['int32', 'bfloat16', 'bfloat16'],
    ['float16', 'bfloat16', 'float32'],
    ['bfloat16', 'float32', 'float32'],
    ['float32', 'float64', 'float64'],
    ['bool', 'float64', 'float64'],
  ]
  for (const [a, b, result] of meets) {
    assert.is(of(a).add(of(b)).dtype, result, `${a} + ${b}`)
    assert.is(of(b).add(of(a)).dtype, result, `${b} + ${a}`)
  }
  assert.is(of('int32').add(2).dtype, 'int32')
  assert.is(of('int32').add(0.5).dtype, 'float32')
  assert.is(of('uint8').mul(3).dtype, 'uint8')
  assert.is(of('bool').add(1).dtype, 'int32')
  assert.is(of('bfloat16').mul(0.5).dtype, 'bfloat16')
  assert.is(of('float64').add(0.1).dtype, 'float64')
  assert.is(of('int32').div(2).dtype, 'float32')
  assert.is(of('int32').mean().dtype, 'float32')
  assert.is(of('uint8').exp().dtype, 'float32')
  assert.is(of('uint8').sum().dtype, 'int32')
  assert.is(of('bool').sum().dtype, 'int32')
  assert.is(of('float16').sum().dtype, 'float16')
  assert.is(of('float32').greater(0).dtype, 'bool')
  assert.is(of('float64').argMax().dtype, 'int32')
  assert.is(weft.add(1, [2, 3]).dtype, 'float32')
})

/** The parameters of a public function, as its own error lists them. */
function signatureOf(name: string, fn: (...args: unknown[]) => unknown): string[] {
  let error: unknown
  try {
    fn(...new Array<undefined>(9).fill(undefined))
  } catch (thrown) {
    error = thrown
  }
  assert.instance(error, weft.WeftError, `${name} takes nine arguments`)
  const { message } = error as weft.WeftError
  const found = /Write \w+\(([^)]*)\); the surplus one is undefined/.exec(message)
  assert.ok(found, `${name}: ${message}`)
  return found![1]!.split(', ')
}

/** einsum takes any number of operands. */
const functions = Object.entries(operations as unknown as Record<string, (...args: unknown[]) => unknown>).filter(
  ([name]) => name !== 'einsum',
)

test('every operation refuses a surplus argument, and says how it is called', () => {
  assert.ok(functions.length > 120)
  for (const [name, fn] of functions) assert.ok(signatureOf(name, fn).length > 0)
})

test('every operation with options refuses what is no record, and an unknown option', () => {
  let count = 0
  for (const [name, fn] of functions) {
    const parameters = signatureOf(name, fn)
    if (parameters[parameters.length - 1] !== 'options') continue
    count++
    const before = parameters.slice(1).map(() => 1)
    for (const options of [5, 'float32', [1], new Map(), null]) {
      assert.throws(
        () => fn(...before, options),
        (e: weft.WeftError) => e.code === 'ERR_ARGUMENT' && e.message.startsWith(`${name}: options are`),
      )
    }
    assert.throws(
      () => fn(...before, { nonsense: 1 }),
      (e: weft.WeftError) => e.code === 'ERR_ARGUMENT' && e.message.includes(`${name}: unknown option 'nonsense'`),
      name,
    )
  }
  assert.ok(count > 40, `${count} operations have options`)
})

test('what cannot be printed as JSON is named all the same', () => {
  const circle: unknown[] = []
  circle.push(circle)
  for (const value of [circle, 5n, Symbol('s'), { toJSON: () => assert.unreachable() }]) {
    for (const call of [
      () => x.reshape(wrong(value)),
      () => x.sum(wrong(value)),
      () => x.transpose(wrong(value)),
      () => x.clip(wrong(value), 1),
    ])
      assert.throws(call, (e: unknown) => e instanceof weft.WeftError)
  }
})

test('methods refuse surplus arguments too', () => {
  const calls = Object.entries({ softmax: [-1, 3], relu: [1], add: [1, 2], sum: [0, {}, 1], clip: [0, 1, 2], cumSum: [0, {}, 1] })
  for (const [name, args] of calls)
    assert.throws(
      () => (x as unknown as Record<string, (...args: unknown[]) => unknown>)[name]!(...args),
      (e: weft.WeftError) => e.code === 'ERR_ARGUMENT' && /takes at most/.test(e.message),
    )
  assert.throws(() => weft.zeros([2], wrong('int32')), /zeros: options are an object, got 'int32'/)
  assert.throws(() => (operations.randomNormal as (...args: unknown[]) => unknown)([2], 0, 5), /randomNormal takes at most 2, got 3/)
})

test('every method of an operation is a free function too', async () => {
  const own = [
    'constructor',
    'data',
    'dataSync',
    'array',
    'arraySync',
    'item',
    'print',
    'toString',
    'dispose',
    'held',
    'size',
    'rank',
    'isDisposed',
    'to',
    'toJSON',
  ]
  const names = Object.getOwnPropertyNames(weft.Tensor.prototype).filter((name) => !own.includes(name))
  assert.ok(names.length > 100)
  for (const name of names) assert.type((weft as unknown as Record<string, unknown>)[name], 'function', name)
  assert.equal(await x.add(1).sum(0).array(), await weft.sum(weft.add(x, 1), 0).array())
})

test('operands may be numbers, nested arrays and typed arrays', async () => {
  assert.equal(await weft.add([[1, 2]], 1).array(), [[2, 3]])
  assert.equal(
    await weft
      .tensor([1, 2])
      .mul(new Float32Array([3, 4]))
      .array(),
    [3, 8],
  )
  assert.equal(await weft.maximum(2, weft.tensor([1, 3])).array(), [2, 3])
  assert.equal(await weft.where([true, false], 1, [5, 6]).array(), [1, 6])
})

test.run()
