// importOnnx: networks of ONNX files predict, train, are saved and described like others.
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { importOnnx, jit, loadModel, readOnnx, setSeed, tensor, type Tensor } from '../../lib/index.js'
import { ElementType } from '../../lib/onnx/element_types.js'
import { codeOfAsync, near, rejection, values } from '../expect.js'
import { Float, floats, graph, inFolder, integers, model, node, type Parts, port, write } from './build.js'

const spread = (count: number, by = 0.1): number[] => Array.from({ length: count }, (_, i) => Math.sin(i + 1) * by)

/** A convolution, its normalization, a pool and a dense layer. */
const network = (): Parts => ({
  nodes: [
    node('Conv', ['x', 'w', 'b'], ['c'], { pads: [1, 1, 1, 1] }),
    node('BatchNormalization', ['c', 'scale', 'shift', 'mean', 'variance'], ['n'], { momentum: new Float(0.5) }),
    node('Relu', ['n'], ['r']),
    node('GlobalAveragePool', ['r'], ['p']),
    node('Flatten', ['p'], ['f']),
    node('Gemm', ['f', 'dense', 'offset'], ['y'], { transB: 1 }),
  ],
  inputs: [port('x', ['batch', 2, 6, 6])],
  outputs: [port('y', ['batch', 3])],
  tensors: [
    floats('w', [4, 2, 3, 3], spread(72)),
    floats('b', [4], spread(4)),
    floats('scale', [4], [1, 2, 0.5, 1]),
    floats('shift', [4], [0, 0.1, -0.1, 0.2]),
    floats('mean', [4], [0.1, 0, 0.2, -0.1]),
    floats('variance', [4], [1, 0.5, 2, 1]),
    floats('dense', [3, 4], spread(12)),
    floats('offset', [3], [0.1, 0.2, 0.3]),
  ],
})

const images = (n: number): Tensor => tensor(Float32Array.from(spread(n * 72, 1)), [n, 2, 6, 6])

test('weights are those of the file: kernels, statistics that are not trained', () =>
  inFolder(async (folder) => {
    const net = await importOnnx(write(folder, model(network())))
    assert.equal(
      net.trainableWeights.map(({ name }) => name),
      ['w', 'b', 'scale', 'shift', 'dense', 'offset'].map((name) => `graph/${name}`),
    )
    assert.equal(
      net.nonTrainableWeights.map(({ name }) => name),
      ['graph/mean', 'graph/variance'],
    )
    assert.equal(net.weights[0]!.shape, [3, 3, 2, 4])
    assert.equal((net.inputs as Tensor & { dynamicShape: unknown }).dynamicShape, [null, 2, 6, 6])
    assert.equal((net.outputs as Tensor & { dynamicShape: unknown }).dynamicShape, [null, 3])
  }))

test('predict() cuts rows into batches, and apply() gives the same in a function of the user', () =>
  inFolder(async (folder) => {
    const net = await importOnnx(write(folder, model(network())))
    const x = images(5)
    const whole = (await net.predict(x)) as Tensor
    assert.equal(whole.shape, [5, 3])
    await near((await net.predict(x, { batchSize: 2 })) as Tensor, await values(whole))
    await near(jit((t: Tensor) => net.apply(t) as Tensor)(x), await values(whole))
  }))

test('fit() trains every weight, moves the statistics of batch normalization, and lowers the loss', () =>
  inFolder(async (folder) => {
    setSeed(1)
    const net = await importOnnx(write(folder, model(network())))
    const before = await Promise.all(net.getWeights().map(values))
    net.compile({ optimizer: 'adam', loss: 'mse' })
    const y = tensor(Float32Array.from(spread(48, 1)), [16, 3])
    const { history } = await net.fit(images(16), y, { epochs: 20, batchSize: 8, verbose: 0 })
    assert.ok(history['loss']!.at(-1)! < 0.95 * history['loss']![0]!, String(history['loss']))
    const after = await Promise.all(net.getWeights().map(values))
    before.forEach((old, i) => assert.not.equal(after[i], old, net.weights[i]!.name))
  }))

test('a saved model comes back with its weights, and trains on', () =>
  inFolder(async (folder) => {
    const net = await importOnnx(write(folder, model(network())))
    net.compile({ optimizer: 'sgd', loss: 'mse' })
    const y = tensor(Float32Array.from(spread(24, 1)), [8, 3])
    await net.fit(images(8), y, { epochs: 1, verbose: 0 })
    await net.save(path.join(folder, 'saved'))
    const again = await loadModel(path.join(folder, 'saved'))
    assert.equal(await values((await again.predict(images(4))) as Tensor), await values((await net.predict(images(4))) as Tensor))
    const [one, two] = [await net.fit(images(8), y, { epochs: 2, verbose: 0 }), await again.fit(images(8), y, { epochs: 2, verbose: 0 })]
    assert.equal(one.history['loss'], two.history['loss'])
  }))

test('predict() sees every change of the weights, though it takes them for constants', () =>
  inFolder(async (folder) => {
    const net = await importOnnx(write(folder, model(network())))
    const x = images(3)
    // recorded with the weights as state, which nothing is made of beforehand
    const plain = jit((t: Tensor) => net.apply(t) as Tensor)
    const same = async (): Promise<void> => near((await net.predict(x)) as Tensor, await values(plain(x)), 1e-4)
    await same()
    const before = await values((await net.predict(x)) as Tensor)
    net.setWeights(net.getWeights().map((weight) => weight.mul(1.5)))
    await same()
    assert.not.equal(await values((await net.predict(x)) as Tensor), before)
    net.compile({ optimizer: 'sgd', loss: 'mse' })
    await net.fit(images(8), tensor(new Float32Array(24), [8, 3]), { epochs: 1, verbose: 0 })
    await same()
    for (let i = 0; i < 8; i++) {
      net.weights[2]!.assign(tensor([1, 2, 3, i]))
      await same()
    }
    for (let i = 0; i < 10; i++) await same()
  }))

test('numbers around a convolution become a part of its kernel, and change no result', () =>
  inFolder(async (folder) => {
    for (const padding of [0, 1]) {
      const parts: Parts = {
        nodes: [
          node('Conv', ['x', 'w'], ['c'], { pads: [1, 1, 1, 1] }),
          node('Mul', ['c', 'half'], ['m']),
          node('Add', ['m', 'channels'], ['a']),
          node('Relu', ['a'], ['r']),
          node('Mul', ['three', 'r'], ['s']),
          node('Add', ['s', 'half'], ['t']),
          node('Conv', ['t', 'v', 'b'], ['d'], { pads: [padding, padding, padding, padding] }),
          node('Add', ['d', 't'], ['y']),
        ],
        inputs: [port('x', ['n', 2, 5, 5])],
        outputs: [port('y', ['n', 4, 5, 5])],
        tensors: [
          floats('w', [4, 2, 3, 3], spread(72)),
          floats('v', [4, 4, 1 + 2 * padding, 1 + 2 * padding], spread(16 * (1 + 2 * padding) ** 2)),
          floats('b', [4], spread(4)),
          floats('half', [1], [0.5]),
          floats('three', [], [3]),
          floats('channels', [1, 4, 1, 1], [1, 2, 3, 4]),
        ],
      }
      const net = await importOnnx(write(folder, model(parts)))
      const x = tensor(Float32Array.from(spread(100, 1)), [2, 2, 5, 5])
      // node by node, nothing is fused
      await near((await net.predict(x)) as Tensor, await values(net.apply(x) as Tensor))
    }
  }))

test('several inputs and outputs are records by their names; whole numbers are int32', () =>
  inFolder(async (folder) => {
    const parts: Parts = {
      nodes: [node('Gather', ['table', 'ids'], ['rows']), node('Add', ['rows', 'x'], ['sum']), node('Shape', ['sum'], ['shape'])],
      inputs: [port('ids', ['n', 2], ElementType.INT64), port('x', ['n', 2, 3])],
      outputs: [port('sum', ['n', 2, 3]), port('shape', [3], ElementType.INT64)],
      tensors: [floats('table', [4, 3], spread(12, 1))],
    }
    const net = await importOnnx(write(folder, model(parts)))
    const ids = tensor(BigInt64Array.from([0n, 3n]), [1, 2])
    const { sum, shape } = (await net.predict({ ids, x: tensor(new Float32Array(6), [1, 2, 3]) })) as Record<string, Tensor>
    const table = spread(12, 1)
    await near(sum!, [...table.slice(0, 3), ...table.slice(9)])
    assert.is(shape!.dtype, 'int32')
    assert.equal(await values(shape!), [1, 2, 3])
  }))

test('extents that vary may differ from call to call, and shapes are computed from them', () =>
  inFolder(async (folder) => {
    const parts: Parts = {
      nodes: [
        node('Shape', ['x'], ['s']),
        node('Gather', ['s', 'one'], ['w']),
        node('Concat', ['minus', 'w'], ['shape'], { axis: 0 }),
        node('Transpose', ['x'], ['t'], { perm: [1, 0] }),
        node('Reshape', ['t', 'shape'], ['y']),
      ],
      inputs: [port('x', ['n', 'w'])],
      outputs: [port('y', ['n', 'w'])],
      tensors: [integers('one', [1], [1]), integers('minus', [1], [-1])],
    }
    const net = await importOnnx(write(folder, model(parts)))
    for (const [n, w] of [
      [2, 3],
      [4, 5],
    ] as const) {
      const x = tensor(
        Float32Array.from({ length: n * w }, (_, i) => i),
        [n, w],
      )
      const y = (await net.predict(x)) as Tensor
      assert.equal(y.shape, [n, w])
      assert.equal(
        await values(y),
        Array.from({ length: n * w }, (_, i) => (i % n) * w + Math.floor(i / n)),
      )
    }
  }))

test('a model whose shapes depend on values predicts, and says so when it is trained', () =>
  inFolder(async (folder) => {
    const parts: Parts = {
      nodes: [node('NonZero', ['x'], ['places']), node('Transpose', ['places'], ['y']), node('Identity', ['x'], ['same'])],
      inputs: [port('x', ['n', 2])],
      outputs: [port('y', ['m', 2], ElementType.INT64), port('same', ['n', 2])],
    }
    const net = await importOnnx(write(folder, model(parts)))
    const x = [
      [0, 1],
      [2, 0],
      [0, 0],
    ]
    const { y, same } = (await net.predict(x)) as Record<string, Tensor>
    assert.equal(await y!.array(), [
      [0, 1],
      [1, 0],
    ])
    assert.equal(await same!.array(), x)
    assert.is(await codeOfAsync(net.predict([tensor([[1, 2]]), tensor([[1, 2]])])), 'ERR_ARGUMENT')
    const error = await rejection((async () => jit((t: Tensor) => net.apply(t) as Tensor)(tensor([[1, 2]])))())
    assert.is(error.code, 'ERR_TRACE')
    assert.match(error.message, /NonZero.*predict\(\)/)
  }))

test('a branch is chosen by a value that is known; else both are computed', () =>
  inFolder(async (folder) => {
    const branch = (op: string): ReturnType<typeof graph> =>
      graph({ nodes: [node(op, ['x', 'two'], ['z'])], inputs: [], outputs: [port('z', ['n'])] })
    const parts = (condition: string): Parts => ({
      nodes: [
        node('ReduceSum', ['x'], ['total'], { keepdims: 0 }),
        node('Greater', ['total', 'zero'], ['isPositive']),
        node('If', [condition], ['y'], { then_branch: branch('Mul'), else_branch: branch('Add') }),
      ],
      inputs: [port('x', ['n'])],
      outputs: [port('y', ['n'])],
      tensors: [floats('two', [], [2]), floats('zero', [], [0]), integers('flag', [], [1])],
    })
    const unknown = await importOnnx(write(folder, model(parts('isPositive'))))
    assert.equal(await values((await unknown.predict([1, 3])) as Tensor), [2, 6])
    assert.equal(await values((await unknown.predict([-1, -3])) as Tensor), [1, -1])
    const known = await importOnnx(write(folder, model(parts('flag'))))
    assert.equal(await values((await known.predict([-1, -3])) as Tensor), [-2, -6])
  }))

test('ends of slices may be the largest and the smallest int64', () =>
  inFolder(async (folder) => {
    const most = 2n ** 63n - 1n
    const ends = integers('ends', [2], [0, 0])
    ends.int64Data = [most, -most]
    const parts: Parts = {
      nodes: [node('Slice', ['x', 'starts', 'ends', 'axes', 'steps'], ['y'])],
      inputs: [port('x', ['n', 3, 3])],
      outputs: [port('y', ['n', 2, 3])],
      tensors: [integers('starts', [2], [1, -1]), ends, integers('axes', [2], [1, 2]), integers('steps', [2], [1, -1])],
    }
    const net = await importOnnx(write(folder, model(parts)))
    const y = (await net.predict([
      [
        [1, 2, 3],
        [4, 5, 6],
        [7, 8, 9],
      ],
    ])) as Tensor
    assert.equal(await values(y), [6, 5, 4, 9, 8, 7])
  }))

test('a branch that does not fit the data is not computed where the other one is chosen', () =>
  inFolder(async (folder) => {
    const branch = (weight: string): ReturnType<typeof graph> =>
      graph({ nodes: [node('Add', ['x', weight], ['z'])], inputs: [], outputs: [port('z', ['n', 'm'])] })
    const parts: Parts = {
      nodes: [
        node('Equal', ['which', 'one'], ['isOne']),
        node('Reshape', ['isOne', 'scalar'], ['flag']),
        node('If', ['flag'], ['y'], { then_branch: branch('two'), else_branch: branch('three') }),
      ],
      inputs: [port('x', ['n', 'm']), port('which', [], ElementType.INT64)],
      outputs: [port('y', ['n', 'm'])],
      tensors: [floats('two', [2], [1, 2]), floats('three', [3], [1, 2, 3]), integers('one', [], [1]), integers('scalar', [0], [])],
    }
    const net = await importOnnx(write(folder, model(parts)))
    const run = async (x: number[], which: number): Promise<number[]> =>
      values((await net.predict({ x: [x], which: tensor(Int32Array.of(which)) })) as Tensor)
    assert.equal(await run([1, 1], 1), [2, 3])
    assert.equal(await run([1, 1, 1], 0), [2, 3, 4])
  }))

test('everything that cannot be computed is listed at once, by the names of nodes', () =>
  inFolder(async (folder) => {
    const parts: Parts = {
      nodes: [
        node('Strange', ['x'], ['a'], {}, 'first'),
        node('Relu', ['a'], ['b']),
        node('Cast', ['b'], ['c'], { to: ElementType.STRING }, 'second'),
        node('Mish', ['c'], ['y'], {}, 'third'),
      ],
      inputs: [port('x', ['n'])],
      outputs: [port('y', ['n'])],
    }
    const file = write(folder, model(parts))
    const error = await rejection(importOnnx(file))
    assert.is(error.code, 'ERR_FORMAT')
    for (const name of ["Strange 'first'", "Cast 'second'", "Mish 'third'"]) assert.match(error.message, name)
    assert.match(error.message, '3 of its nodes')
    assert.is((await readOnnx(file)).unsupported.length, 3)
  }))

test('a model that is made for batches of one predicts rows one by one', () =>
  inFolder(async (folder) => {
    const parts: Parts = {
      nodes: [node('Reshape', ['x', 'shape'], ['y'])],
      inputs: [port('x', [1, 2, 2])],
      outputs: [port('y', [1, 4])],
      tensors: [integers('shape', [2], [1, 4])],
    }
    const net = await importOnnx(write(folder, model(parts)))
    const x = tensor(
      Float32Array.from({ length: 12 }, (_, i) => i),
      [3, 2, 2],
    )
    assert.equal(((await net.predict(x)) as Tensor).shape, [3, 4])
    assert.match((await rejection(net.predict(x, { batchSize: 3 }))).message, 'batchSize: 1')
  }))

test('readOnnx describes a file', () =>
  inFolder(async (folder) => {
    const facts = await readOnnx(write(folder, model(network())))
    assert.equal(facts.opsets, { '': 17 })
    assert.equal(facts.inputs, [{ name: 'x', type: 'float', shape: ['batch', 2, 6, 6] }])
    assert.equal(facts.outputs, [{ name: 'y', type: 'float', shape: ['batch', 3] }])
    assert.equal(
      facts.nodes.map(({ op }) => op),
      ['Conv', 'BatchNormalization', 'Relu', 'GlobalAveragePool', 'Flatten', 'Gemm'],
    )
    assert.is(facts.parameters, 72 + 4 * 5 + 12 + 3)
    assert.equal(facts.unsupported, [])
  }))

test('the summary has a line for each node', () =>
  inFolder(async (folder) => {
    const net = await importOnnx(write(folder, model(network())))
    const lines: string[] = []
    net.summary({ print: (line) => lines.push(line) })
    for (const op of ['Conv', 'BatchNormalization', 'Gemm'])
      assert.ok(
        lines.some((line) => line.includes(op)),
        op,
      )
    assert.is(net.countParams(), 72 + 4 * 5 + 12 + 3)
  }))

test('dropout drops in training only, from a state that is saved', () =>
  inFolder(async (folder) => {
    const parts: Parts = {
      nodes: [node('Dropout', ['x', 'rate'], ['d']), node('Mul', ['d', 'w'], ['y'])],
      inputs: [port('x', ['n', 64])],
      outputs: [port('y', ['n', 64])],
      tensors: [floats('rate', [], [0.5]), floats('w', [64], new Array(64).fill(1))],
    }
    const net = await importOnnx(write(folder, model(parts)))
    const x = tensor(new Float32Array(64).fill(1), [1, 64])
    assert.equal(await values((await net.predict(x)) as Tensor), new Array(64).fill(1))
    const drop = jit((t: Tensor) => net.apply(t, { training: true }) as Tensor)
    const first = await values(drop(x))
    assert.equal([...new Set(first)].sort(), [0, 2])
    assert.not.equal(await values(drop(x)), first)
  }))

test('arguments are checked', async () => {
  assert.is(await codeOfAsync(importOnnx(5 as never)), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync(importOnnx('model.onnx', { unknown: 1 } as never)), 'ERR_ARGUMENT')
  assert.is(await codeOfAsync(importOnnx('/nowhere/model.onnx')), 'ERR_FORMAT')
})

test.run()
