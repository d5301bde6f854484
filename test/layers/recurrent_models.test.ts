// Recurrent layers in models: masks up to the loss, saving, one native call per step, ids that do not exist.
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  input,
  jit,
  loadModel,
  model,
  ones,
  optimizers,
  sequential,
  setSeed,
  type Tensor,
  tensor,
  type WeftError,
} from '../../lib/index.js'
import * as layers from '../../lib/layers/index.js'
import { nativeCalls } from '../../lib/core/flights.js'
import { values } from './check.js'
import { codeOfAsync, near, refuses, values as list } from '../expect.js'
import { MinimalCell } from './recurrent_rows.js'

const ids = (rows: number[][]): Tensor => tensor(rows, { dtype: 'int32' })

test('padding changes neither output, loss nor gradient: embedding with maskZero to the loss', async () => {
  const make = () => {
    setSeed(1)
    const net = sequential([
      layers.embedding({ inputDim: 5, outputDim: 3, maskZero: true, inputShape: [null] }),
      layers.bidirectional({ layer: layers.gru({ units: 2, returnSequences: true }) }),
      layers.lstm({ units: 3, returnSequences: true }),
      layers.timeDistributed({ layer: layers.dense({ units: 2, activation: 'tanh' }) }),
      layers.dense({ units: 4, activation: 'softmax' }),
    ])
    net.compile({ optimizer: optimizers.sgd({ learningRate: 0.5 }), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
    return net
  }
  const [short, long] = [make(), make()]
  const rows = [
    [1, 2, 3],
    [4, 1, 2],
  ]
  const marks = [
    [0, 1, 2],
    [3, 0, 1],
  ]
  const padded = rows.map((row, i) => (i === 0 ? [...row, 0, 0] : [0, ...row, 0]))
  const targets = marks.map((row, i) => (i === 0 ? [...row, 3, 3] : [3, ...row, 3]))
  for (let step = 0; step < 3; step++) {
    const a = await short.trainOnBatch(ids(rows), ids(marks))
    const b = await long.trainOnBatch(ids(padded), ids(targets))
    assert.ok(Math.abs(a.loss - b.loss) < 1e-5, `loss ${a.loss} and ${b.loss}`)
    assert.is(a.accuracy, b.accuracy)
  }
  for (const [i, w] of short.getWeights().entries()) await near(long.getWeights()[i]!, await list(w), 1e-5)
})

test('masking: steps of one value are no data', async () => {
  const layer = layers.masking({ maskValue: -1 })
  const y = layer.apply(
    tensor([
      [
        [1, 2],
        [-1, -1],
        [-1, 3],
      ],
    ]),
  )
  assert.equal(await y.mask!.array(), [[true, false, true]])
  assert.equal(await y.array(), [
    [
      [1, 2],
      [0, 0],
      [-1, 3],
    ],
  ])
  const net = sequential([layers.masking({ inputShape: [null, 2] }), layers.lstm({ units: 2 })])
  const x = [
    [
      [1, 2],
      [3, 4],
    ],
  ]
  const padded = [
    [
      [0, 0],
      [1, 2],
      [0, 0],
      [3, 4],
    ],
  ]
  await near(net.apply(tensor(padded)), await list(net.apply(tensor(x))))
})

test('timeDistributed: the words of sentences have masks of their own', async () => {
  const words = layers.timeDistributed({ layer: layers.embedding({ inputDim: 9, outputDim: 3, maskZero: true }) })
  const sentences = layers.timeDistributed({ layer: layers.gru({ units: 2 }) })
  const text = tensor([1, 2, 0, 3, 0, 0, 4, 5, 6, 7, 8, 0], { shape: [2, 2, 3], dtype: 'int32' })
  const vectors = words.apply(text)
  assert.equal(vectors.mask!.shape, [2, 2, 3])
  const y = sentences.apply(vectors)
  assert.equal([y.shape, y.mask], [[2, 2, 2], undefined])
  // the second sentence of the first text has one word
  const alone = sentences.layer.apply(words.layer.apply(ids([[3]]))) as Tensor
  await near(y.slice([0, 1], [1, 1]), await list(alone))
  const kept = layers.timeDistributed({ layer: layers.dense({ units: 1 }) }).apply(ones([2, 3, 4]), {
    mask: tensor([
      [true, true, false],
      [true, false, false],
    ]),
  })
  assert.equal(kept.mask!.shape, [2, 3])
})

test('embedding: weights, masks, ids of any integer dtype', async () => {
  const table = [
    [1, 2],
    [3, 4],
    [5, 6],
  ]
  const layer = layers.embedding({ inputDim: 3, outputDim: 2, maskZero: true, weights: table })
  const y = layer.apply(
    ids([
      [2, 0],
      [1, 1],
    ]),
  )
  assert.equal(await y.array(), [
    [
      [5, 6],
      [1, 2],
    ],
    [
      [3, 4],
      [3, 4],
    ],
  ])
  assert.equal(await y.mask!.array(), [
    [true, false],
    [true, true],
  ])
  assert.equal(
    await layers
      .embedding({ inputDim: 3, outputDim: 2, weights: [table] as never })
      .apply(tensor(new Uint8Array([2])))
      .array(),
    [[5, 6]],
  )
  assert.equal(
    await layers
      .embedding({ inputDim: 3, outputDim: 2, weights: [tensor(table)] as never })
      .apply(tensor([2]))
      .array(),
    [[5, 6]],
  )
  assert.not.ok('weights' in layer.toConfig())
  refuses(() => layers.embedding({ inputDim: 2, outputDim: 2, weights: table }).apply(ids([[0]])), 'ERR_SHAPE', '[2,2]', '[3,2]')
  refuses(() => layers.embedding({ inputDim: 0, outputDim: 2 }), 'ERR_ARGUMENT', 'inputDim')
  const drawn = await list(layers.embedding({ inputDim: 50, outputDim: 20 }).apply(ids([Array.from({ length: 50 }, (_, i) => i)])))
  assert.ok(drawn.every((value) => Math.abs(value) <= 0.05) && drawn.some((value) => Math.abs(value) > 0.045))
})

test('embedding: what is no whole number is no id', async () => {
  const layer = layers.embedding({ inputDim: 3, outputDim: 2 })
  assert.equal(((await layer.apply(tensor([[1, 2]])).array()) as number[][][])[0]!.length, 2)
  for (const id of [Number.NaN, 1.5, -0.5, 3]) assert.is(await codeOfAsync(layer.apply(tensor([[id]])).data()), 'ERR_DATA', String(id))
})

test('embedding: inputLength is accepted with a warning', async () => {
  const warned = new Promise<Error & { code?: string }>((resolve) => process.once('warning', resolve))
  layers.embedding({ inputDim: 2, outputDim: 2, inputLength: 4 })
  const warning = await warned
  assert.is(warning.code, 'WEFT_INPUT_LENGTH')
  assert.match(warning.message, 'Just remove it')
})

test('an id that does not exist rejects fit, predict and data(), naming layer and id, and changes no weight', async () => {
  const net = sequential([
    layers.embedding({ inputDim: 4, outputDim: 2, name: 'words' }),
    layers.lstm({ units: 2 }),
    layers.dense({ units: 1 }),
  ])
  net.compile({ loss: 'mse' })
  await net.fit(ids([[1, 2]]), [[1]], { verbose: 0 })
  const before = await Promise.all(net.getWeights().map(list))
  for (const bad of [4, -1]) {
    const fails = async (promise: Promise<unknown>): Promise<void> => {
      const error = await promise.then(
        () => undefined,
        (e: WeftError) => e,
      )
      assert.is(error?.code, 'ERR_DATA')
      assert.is(error?.layer, 'words')
      assert.match(error!.message, String(bad))
    }
    await fails(net.fit(ids([[1, bad]]), [[1]], { verbose: 0 }))
    await fails(net.predict(ids([[bad, 1]])).then((t) => t.data()))
    await fails(jit((x: Tensor) => net.apply(x))(ids([[bad, 1]])).data())
  }
  assert.equal(await Promise.all(net.getWeights().map(list)), before)
})

test('an encoder and a decoder that begins with its states', async () => {
  const source = input({ shape: [null, 3], name: 'source' })
  const target = input({ shape: [null, 2], name: 'target' })
  const [, h, c] = layers.lstm({ units: 4, returnState: true, name: 'encoder' }).apply(source)
  const decoder = layers.lstm({ units: 4, returnSequences: true, name: 'decoder' })
  const out = layers.dense({ units: 2 }).apply(decoder.apply(target, { initialState: [h!, c!] }) as Tensor)
  const net = model({ inputs: [source, target], outputs: out })
  assert.equal(out.shape as readonly unknown[], [null, null, 2])
  net.compile({ optimizer: optimizers.adam({ learningRate: 0.05 }), loss: 'mse' })
  const [x, begin] = [values([6, 5, 3], 1), values([6, 3, 2], 2)]
  const goal = values([6, 3, 2], 3)
  const { history } = await net.fit([x, begin], goal, { epochs: 30, verbose: 0 })
  assert.ok(history.loss!.at(-1)! < 0.6 * history.loss![0]!, `${history.loss![0]} became ${history.loss!.at(-1)}`)
  // the list of a sequence and its states is the same
  const [sequence, ...states] = layers.lstm({ units: 4, returnState: true }).apply(source)
  assert.is(states.length, 2)
  assert.equal(sequence!.shape as readonly unknown[], [null, 4])
  const second = layers.gru({ units: 4 }).apply([target, h!])
  assert.equal(second.shape as readonly unknown[], [null, 4])
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-'))
  try {
    await net.save(path.join(folder, 'seq2seq'))
    const again = await loadModel(path.join(folder, 'seq2seq'))
    assert.equal(await list((await again.predict([x, begin])) as Tensor), await list((await net.predict([x, begin])) as Tensor))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('models with wrappers, cells and classes of the user are saved and train on as before', async () => {
  const net = sequential([
    layers.embedding({ inputDim: 6, outputDim: 3, maskZero: true, inputShape: [4] }),
    layers.bidirectional({
      layer: layers.lstm({ units: 2, returnSequences: true, dropout: 0.2, recurrentDropout: 0.2 }),
      mergeMode: 'sum',
    }),
    layers.bidirectional({
      layer: layers.rnn({ cell: [new MinimalCell({ units: 3 }), layers.gruCell({ units: 2, dropout: 0.1 })], returnSequences: true }),
    }),
    layers.timeDistributed({ layer: layers.dense({ units: 2 }) }),
    layers.gru({ units: 2, resetAfter: false, goBackwards: true, kernelRegularizer: 'l2' }),
    layers.dense({ units: 1 }),
  ])
  net.compile({ optimizer: 'adam', loss: 'mse' })
  const x = ids([
    [1, 2, 3, 0],
    [4, 5, 0, 0],
  ])
  const y = tensor([[1], [-1]])
  await net.fit(x, y, { epochs: 2, verbose: 0, shuffle: false })
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-'))
  try {
    await net.save(path.join(folder, 'net'))
    const again = await loadModel(path.join(folder, 'net'), { layers: { MinimalCell } })
    assert.equal(await list((await again.predict(x)) as Tensor), await list(await net.predict(x)))
    const go = async (m: typeof net): Promise<number[]> => (await m.fit(x, y, { epochs: 2, verbose: 0, shuffle: false })).history.loss!
    assert.equal(await go(again as typeof net), await go(net))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('regularizers of a cell count once, in one operation and step by step; frozen layers learn nothing', async () => {
  for (const activation of ['tanh', 'softsign'] as const) {
    const net = sequential([
      layers.lstm({
        units: 1,
        activation,
        kernelInitializer: 'ones',
        kernelRegularizer: { className: 'L2', config: { l2: 0.5 } } as never,
        inputShape: [3, 1],
      }),
    ])
    net.compile({ loss: () => tensor(0), optimizer: 'sgd' })
    const { loss } = await net.evaluateOnBatch(ones([1, 3, 1]), ones([1, 1]))
    // four ones, times 0.5
    assert.ok(Math.abs(loss - 2) < 1e-6, String(loss))
  }
  const frozen = layers.bidirectional({ layer: layers.gru({ units: 1 }), trainable: false })
  frozen.build([null as never, 2, 1])
  assert.is(frozen.trainableWeights.length, 0)
  assert.is(layers.rnn({ cell: layers.gruCell({ units: 1 }), trainable: false }).trainable, false)
})

test('a training step is one native call, at 1,000 steps of time too', async () => {
  const net = sequential([
    layers.lstm({ units: 4, returnSequences: true, dropout: 0.1, inputShape: [null, 2] }),
    layers.bidirectional({ layer: layers.gru({ units: 3 }) }),
    layers.dense({ units: 1 }),
  ])
  net.compile({ optimizer: 'adam', loss: 'mse' })
  const options = { batchSize: 2, epochs: 2, verbose: 0 } as const
  const [few, many] = [10, 50].map((rows) => [ones([rows, 1000, 2]), ones([rows, 1])] as const)
  const callsOf = async ([x, y]: readonly [Tensor, Tensor]): Promise<number> => {
    const before = nativeCalls()
    await net.fit(x, y, options)
    return nativeCalls() - before
  }
  // the first times programs are loaded
  await callsOf(few!)
  await callsOf(many!)
  // 5 and 25 steps in each of 2 epochs; at the end of one the loop may ask to be told
  const [less, more] = [await callsOf(few!), await callsOf(many!)]
  assert.ok(Math.abs(more - less - 40) <= 4, `${more - less} calls for 40 more steps`)
  // the program does not grow with the number of steps
  const forward = jit((sequence: Tensor) => net.apply(sequence))
  const calls = (time: number): number => forward.graph(ones([2, time, 2])).split('\n').length
  assert.is(calls(1000), calls(10))
  assert.ok(calls(10) < 60, `${calls(10)} lines`)
})

test.run()
