// Explanations: what they must add up to, what is known in closed form, and what they must find.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { datasets, input, layers, model, optimizers, sequential, setSeed, tensor, type Tensor } from '../../lib/index.js'
import * as explain from '../../lib/explain/index.js'
import * as learn from '../../lib/learn/index.js'
import { generator, near, rejects } from '../expect.js'
import { alike } from '../learn/evaluation.js'

const next = generator(3)
const drawn = (rows: number, columns: number): number[][] =>
  Array.from({ length: rows }, () => Array.from({ length: columns }, () => next() * 4 - 2))

setSeed(5)
const smooth = sequential([
  layers.dense({ units: 8, activation: 'tanh', inputShape: [4] }),
  layers.dense({ units: 3, activation: 'softmax' }),
])
const kinked = sequential([
  layers.dense({ units: 16, activation: 'relu', inputShape: [4] }),
  layers.dense({ units: 16, activation: 'relu' }),
  layers.dense({ units: 1 }),
])
const values = async (t: Tensor): Promise<number[][]> => (await t.array()) as unknown as number[][]
const sums = (rows: readonly number[][]): number[] => rows.map((row) => row.reduce((sum, value) => sum + value, 0))

test('integrated gradients add up to f(x) - f(baseline)', async () => {
  const x = drawn(70, 4)
  for (const net of [smooth, kinked]) {
    for (const baseline of [0, [0.5, -0.5, 1, 0], x.map((row) => row.map((value) => value / 3))] as const) {
      const { attributions, error, targets, steps } = await explain.integratedGradients(net, x, { baseline: baseline as never })
      assert.equal(attributions.shape, [70, 4])
      const base = x.map((_, row) =>
        typeof baseline === 'number' ? [0, 0, 0, 0] : typeof baseline[0] === 'number' ? baseline : baseline[row],
      )
      const [high, low] = [await values(await net.predict(x)), await values(await net.predict(base as never))]
      const expected = targets.map((target, row) => high[row]![target]! - low[row]![target]!)
      const found = sums(await values(attributions))
      const worst = Math.max(...found.map((sum, row) => Math.abs(sum - expected[row]!)))
      assert.ok(worst <= 1e-3 * Math.max(1, ...expected.map(Math.abs)), `${worst} after ${steps} steps`)
      assert.ok(Math.abs(error - worst) < 1e-5, `${error}, not ${worst}`)
    }
  }
  // of few steps the error is said
  const { error, steps } = await explain.integratedGradients(
    smooth,
    drawn(20, 4).map((row) => row.map((v) => 5 * v)),
    { steps: 1 },
  )
  assert.is(steps, 1)
  assert.ok(error > 0.01, String(error))
  // x² has the gradient 2x: attributions are x² exactly
  const square = await explain.integratedGradients(
    (t) => t.square().sum(-1),
    [
      [1, 2],
      [3, -4],
    ],
  )
  await near(square.attributions, [1, 4, 9, 16])
})

test('words: parts of each id, through an embedding and a mask', async () => {
  setSeed(4)
  const net = sequential([
    layers.embedding({ inputDim: 6, outputDim: 4, maskZero: true }),
    layers.lstm({ units: 6 }),
    layers.dense({ units: 1, activation: 'sigmoid' }),
  ])
  net.compile({ optimizer: optimizers.adam({ learningRate: 0.05 }), loss: 'binaryCrossentropy' })
  // word 3 decides; 0 is padding
  const ids = Array.from({ length: 90 }, () => Array.from({ length: 5 }, (_, i) => (i === 0 ? 0 : 1 + Math.floor(next() * 5))))
  const y = ids.map((row) => Number(row.includes(3)))
  await net.fit(tensor(ids, { dtype: 'int32' }), y, { epochs: 25, verbose: 0 })
  const { attributions, error } = await explain.integratedGradients(net, ids, { batchSize: 40 })
  assert.equal(attributions.shape, [90, 5])
  assert.ok(error <= 1e-3, String(error))
  const parts = await values(attributions)
  assert.ok(
    parts.every((row) => row[0] === 0),
    'padding has no part',
  )
  const found = ids.filter((row, i) => row.includes(3) && row[parts[i]!.indexOf(Math.max(...parts[i]!))] === 3).length
  const all = y.filter((label) => label === 1).length
  assert.ok(found > 0.9 * all, `${found} of ${all}`)
  // the parts add up to the difference to the baseline
  const of = async (row: number[]): Promise<number> => Number(await (await net.predict(tensor([row], { dtype: 'int32' }))).item())
  const other = [0, 1, 2, 4, 5]
  const against = await explain.integratedGradients(net, ids.slice(0, 1), { baseline: other })
  const gap = (await of(ids[0]!)) - (await of(other))
  assert.ok(Math.abs(sums(await values(against.attributions))[0]! - gap) <= 1.1e-3)
  await rejects('ERR_SHAPE', /the baseline has 2 ids, the samples 5/, explain.integratedGradients(net, ids, { baseline: [1, 2] }))
})

test('a target for all, or for each sample', async () => {
  const x = drawn(3, 4)
  const all = await explain.saliency(smooth, x, { target: 2, absolute: false })
  const each = await explain.saliency(smooth, x, { target: [2, 0, 2], absolute: false, batchSize: 2 })
  assert.equal(each.targets, [2, 0, 2])
  const [a, b] = [await values(all.attributions), await values(each.attributions)]
  alike(b[0], a[0], 1e-6)
  alike(b[2], a[2], 1e-6)
  assert.ok(Math.abs(b[1]![0]! - a[1]![0]!) > 1e-4)
  await rejects('ERR_ARGUMENT', /target 3 is none of the outputs 0 to 2/, explain.saliency(smooth, x, { target: 3 }))
  await rejects('ERR_SHAPE', /2 targets for 3 samples/, explain.saliency(smooth, x, { target: [0, 1] }))
})

test('saliency is the gradient; smoothGrad its mean over noise', async () => {
  const { attributions } = await explain.saliency((t) => t.mul([1, -3]).sum(-1), [[5, 6]])
  await near(attributions, [1, 3])
  // the mean of 2(x + noise) is 2x
  const smoothed = await explain.smoothGrad(
    (t) => t.square().sum(-1),
    [
      [1, 2],
      [3, -4],
    ],
    { samples: 400, noise: 0.1, seed: 1, absolute: false },
  )
  await near(smoothed.attributions, [2, 4, 6, -8], 0.05)
  const again = await explain.smoothGrad(
    (t) => t.square().sum(-1),
    [
      [1, 2],
      [3, -4],
    ],
    { samples: 400, noise: 0.1, seed: 1, absolute: false },
  )
  assert.equal(await again.attributions.array(), await smoothed.attributions.array())
})

/** Images with a bright block left or right: the class. */
function blocks(count: number): { x: Tensor; y: number[]; left: number[] } {
  const data = new Float32Array(count * 12 * 12)
  const [y, left]: [number[], number[]] = [[], []]
  for (let i = 0; i < count; i++) {
    const side = i % 2
    const begin = side * 6 + Math.floor(next() * 3)
    const top = Math.floor(next() * 9)
    for (let r = top; r < top + 3; r++) for (let c = begin; c < begin + 3; c++) data[i * 144 + r * 12 + c] = 1
    y.push(side)
    left.push(begin)
  }
  return { x: tensor(data, [count, 12, 12, 1]), y, left }
}

test('Grad-CAM and occlusion find what tells the class; sequential and functional models', async () => {
  setSeed(1)
  const a = input({ shape: [12, 12, 1] })
  const features = layers.conv2d({ filters: 8, kernelSize: 3, activation: 'relu', padding: 'same', name: 'features' }).apply(a)
  const out = layers
    .dense({ units: 2, activation: 'softmax' })
    .apply(layers.flatten().apply(layers.maxPooling2d({ poolSize: 2 }).apply(features)))
  const net = model({ inputs: a, outputs: out })
  net.compile({ optimizer: optimizers.adam({ learningRate: 0.01 }), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  const { x, y, left } = blocks(128)
  await net.fit(x, y, { epochs: 8, verbose: 0 })
  assert.ok((await net.evaluate(x, y, { verbose: 0 })).accuracy! > 0.95)
  const { attributions, layer, targets } = await explain.gradCam(net, x)
  assert.is(layer, 'features')
  assert.equal(attributions.shape, [128, 12, 12])
  const maps = (await attributions.array()) as unknown as number[][][]
  const near = (map: number[][], i: number): boolean => {
    const columns = map[0]!.map((_, c) => map.reduce((sum, row) => sum + Math.max(0, row[c]!), 0))
    const at = columns.indexOf(Math.max(...columns))
    return at >= left[i]! - 1 && at <= left[i]! + 3
  }
  const right = maps.filter((map, i) => targets[i] === y[i] && near(map, i)).length
  assert.ok(right > 100, `${right} of 128 maps point to the block`)
  assert.ok(maps.every((map) => map.flat().every((value) => value >= 0 && value <= 1)))
  // the layer is as it was
  assert.not.ok(Object.hasOwn(net.getLayer('features'), 'call'))
  const hidden = await explain.occlusion(net, x, { size: 3, stride: 3 })
  assert.equal(hidden.attributions.shape, [128, 12, 12])
  const found = ((await hidden.attributions.array()) as unknown as number[][][]).filter(near).length
  assert.ok(found > 100, `${found} of 128 covers point to the block`)
  await rejects('ERR_ARGUMENT', /has no convolution.*dense/, explain.gradCam(smooth, drawn(2, 4)))
  await rejects('ERR_SHAPE', /maps \[samples, height, width, channels\]/, explain.gradCam(net, x, { layer: 'flatten' }))
})

test('occlusion of features: the fall of the output', async () => {
  const weights = [1, -2, 3, 0]
  const f = (t: Tensor): Tensor => t.mul(weights).sum(-1)
  const x = drawn(5, 4)
  const { attributions } = await explain.occlusion(f, x)
  alike(
    await attributions.array(),
    x.map((row) => row.map((value, i) => value * weights[i]!)),
    1e-5,
  )
  await rejects('ERR_ARGUMENT', /a stride of 3 leaves places/, explain.occlusion(f, x, { size: 2, stride: 3 }))
})

const { x: cancer, y: cancerY } = await datasets.breastCancer()
const diabetes = await datasets.diabetes()

test('linear SHAP is β(x - μ), and kernel SHAP agrees with it', async () => {
  const fitted = await learn.linearRegression().fit(diabetes.x, diabetes.y)
  const rows = (await diabetes.x.array()) as unknown as number[][]
  const [some, background] = [rows.slice(0, 4), rows.slice(0, 60)]
  const found = await explain.shap(fitted, some, { background })
  assert.is(found.method, 'linear')
  const mean = background[0]!.map((_, i) => background.reduce((sum, row) => sum + row[i]!, 0) / background.length)
  const expected = some.map((row) => row.map((value, i) => (fitted.coef[i] as number) * (value - mean[i]!)))
  alike(found.values, expected, 1e-12)
  const predicted = await fitted.predict(some)
  alike(
    sums(found.values as number[][]).map((sum) => sum + found.baseValues[0]!),
    predicted,
    1e-10,
  )
  // ten features: all sets are looked at
  const kernel = await explain.shap(fitted, some, { background, method: 'kernel' })
  assert.is(kernel.method, 'kernel')
  alike(kernel.values, expected, 1e-9)
  // a classifier of three classes: decision values
  const { x, y } = await datasets.iris()
  const logistic = await learn.logisticRegression({ maxIter: 1000 }).fit(x, y)
  const classes = await explain.shap(logistic, ((await x.array()) as number[][]).slice(0, 2), { background: x })
  assert.is(classes.output, 'decision')
  assert.equal(
    [(classes.values as number[][][]).length, (classes.values as number[][][])[0]!.length, (classes.values as number[][][])[0]![0]!.length],
    [2, 4, 3],
  )
})

/** Shapley's formula over all orders. */
function exact(f: (row: number[]) => number, x: number[], background: number[][]): number[] {
  const n = x.length
  const value = (known: number): number =>
    background.reduce((sum, row) => sum + f(row.map((other, i) => ((known >> i) & 1 ? x[i]! : other))), 0) / background.length
  const factorial = (k: number): number => (k < 2 ? 1 : k * factorial(k - 1))
  return x.map((_, i) => {
    let share = 0
    for (let known = 0; known < 1 << n; known++) {
      if ((known >> i) & 1) continue
      const size = known.toString(2).replaceAll('0', '').length
      share += ((factorial(size) * factorial(n - size - 1)) / factorial(n)) * (value(known | (1 << i)) - value(known))
    }
    return share
  })
}

test('kernel SHAP is Shapley’s value where all sets are looked at, and close where some are', async () => {
  const f = (row: number[]): number => row[0]! * row[1]! + Math.max(row[2]!, 0) * 3 - row[3]! ** 2
  const asked = (t: Tensor): Promise<number[]> => t.array().then((rows) => (rows as number[][]).map(f))
  const background = drawn(7, 5)
  const [x] = drawn(1, 5)
  const found = await explain.shap(asked, [x!], { background })
  alike((found.values as number[][])[0], exact(f, x!, background), 1e-5)
  // a feature that nobody reads has no share
  assert.ok(Math.abs((found.values as number[][])[0]![4]!) < 1e-9)
  const wide = (t: Tensor): Promise<number[]> =>
    t.array().then((rows) => (rows as number[][]).map((row) => f(row) + row.slice(4).reduce((a, b) => a + b, 0)))
  const [y] = drawn(1, 16)
  const many = drawn(5, 16)
  const some = await explain.shap(wide, [y!], { background: many, samples: 1200, seed: 1 })
  const shares = (some.values as number[][])[0]!
  const whole = f(y!) + y!.slice(4).reduce((a, b) => a + b, 0) - some.baseValues[0]!
  assert.ok(Math.abs(sums([shares])[0]! - whole) < 1e-5)
  const four = exact(
    f,
    y!.slice(0, 4),
    many.map((row) => row.slice(0, 4)),
  )
  four.forEach((share, i) => assert.ok(Math.abs(shares[i]! - share) < 0.4, `${shares[i]} for ${share}`))
  await rejects('ERR_ARGUMENT', /background is missing/, explain.shap(asked, [x!], {} as never))
  await rejects('ERR_ARGUMENT', /no linear model/, explain.shap(asked, [x!], { background, method: 'linear' }))
})

test('tree SHAP is Shapley’s value, of trees, forests and boosted trees', async () => {
  const x = drawn(120, 4)
  const y = x.map(([a, b, c]) => a! * b! + Math.max(c!, 0) * 2)
  const labels = y.map((value) => (value > 1 ? 'high' : value > 0 ? 'middle' : 'low'))
  const background = x.slice(0, 9)
  const models = [
    await learn.decisionTreeRegressor({ maxDepth: 5 }).fit(x, y),
    await learn.randomForestRegressor({ nEstimators: 7, seed: 1 }).fit(x, y),
    await learn.histGradientBoostingRegressor({ maxIter: 12, minSamplesLeaf: 3 }).fit(x, y),
    await learn.randomForestClassifier({ nEstimators: 7, seed: 1 }).fit(x, labels),
  ]
  for (const fitted of models) {
    const found = await explain.shap(fitted, x.slice(20, 23), { background })
    assert.is(found.method, 'tree', fitted.kind)
    // all sets of four features are looked at
    const kernel = await explain.shap(fitted, x.slice(20, 23), { background, method: 'kernel' })
    alike(found.values, kernel.values, 1e-9, fitted.kind)
    alike(found.baseValues, kernel.baseValues, 1e-9)
  }
  // boosted classes: of the decision values
  const boosted = await learn.histGradientBoostingClassifier({ maxIter: 6, minSamplesLeaf: 3 }).fit(x, labels)
  const found = await explain.shap(boosted, x.slice(0, 5), { background })
  assert.equal([found.output, found.classes], ['decision', ['high', 'low', 'middle']])
  const decisions = (await boosted.decisionFunction(x.slice(0, 5))) as number[][]
  alike(
    (found.values as number[][][]).map((row) => found.baseValues.map((base, k) => row.reduce((sum, own) => sum + own[k]!, base))),
    decisions,
    1e-9,
  )
})

test('permutation importance: what is read matters, what is not does not', async () => {
  const x = drawn(200, 4)
  const y = x.map((row) => 3 * row[0]! + row[2]!)
  const fitted = await learn.linearRegression().fit(x, y)
  const found = await explain.permutationImportance(fitted, x, y, { seed: 1, repeats: 4 })
  assert.equal(found, await explain.permutationImportance(fitted, x, y, { seed: 1, repeats: 4 }))
  const [a, b, c] = found.importancesMean
  assert.ok(a! > 1.4 && a! < 2.2 && Math.abs(b!) < 1e-9 && c! > 0.1 && c! < 0.3, String(found.importancesMean))
  alike(found.baseScore, 1, 1e-9)
  assert.equal(
    found.importances.map((list) => list.length),
    [4, 4, 4, 4],
  )
  const errors = await explain.permutationImportance(fitted, x, y, { seed: 1, scoring: 'negMeanAbsoluteError' })
  assert.ok(errors.importancesMean[0]! > 1)
  // a network is scored by what y holds
  const labels = x.map((row) => Number(row[1]! > 0))
  setSeed(2)
  const net = sequential([
    layers.dense({ units: 8, activation: 'tanh', inputShape: [4] }),
    layers.dense({ units: 1, activation: 'sigmoid' }),
  ])
  net.compile({ optimizer: optimizers.adam({ learningRate: 0.05 }), loss: 'binaryCrossentropy' })
  await net.fit(x, labels, { epochs: 15, verbose: 0 })
  const ofNet = await explain.permutationImportance(net, x, labels, { seed: 3 })
  assert.ok(ofNet.baseScore > 0.9, String(ofNet.baseScore))
  assert.is(ofNet.importancesMean.indexOf(Math.max(...ofNet.importancesMean)), 1)
})

test('partial dependence of a linear model is its line; of a pipeline its probability', async () => {
  const x = drawn(50, 3)
  const fitted = await learn.linearRegression().fit(
    x,
    x.map((row) => 2 * row[0]! - row[1]! + 1),
  )
  const {
    values: [points],
    average,
    individual,
  } = await explain.partialDependence(fitted, x, { gridResolution: 5, individual: true })
  assert.is(points!.length, 5)
  alike((average[4]! - average[0]!) / (points![4]! - points![0]!), 2, 1e-10)
  assert.equal([individual!.length, individual![0]!.length], [50, 5])
  const two = await explain.partialDependence(fitted, x, { features: [0, 1], gridResolution: 3 })
  assert.is(two.average.length, 9)
  alike((two.average[1]! - two.average[0]!) / (two.values[1]![1]! - two.values[1]![0]!), -1, 1e-5)
  const pipeline = await learn.pipeline(learn.standardScaler(), learn.logisticRegression()).fit(cancer, cancerY)
  const risk = await explain.partialDependence(pipeline, cancer, { features: 0, gridResolution: 4 })
  // class 1 is benign: the larger the radius, the less probable
  assert.ok(
    risk.average.every((value, i) => value >= 0 && value <= 1 && (i === 0 || value < risk.average[i - 1]!)),
    String(risk.average),
  )
  await rejects('ERR_ARGUMENT', /features must be an integer between 0 and 2/, explain.partialDependence(fitted, x, { features: 3 }))
})

test('what cannot be explained is refused', async () => {
  const words = sequential([
    layers.tokenAndPositionEmbedding({ vocabularySize: 9, sequenceLength: 3, embeddingDim: 2, inputShape: [3] }),
    layers.flatten(),
    layers.dense({ units: 2 }),
  ])
  for (const method of [explain.saliency, explain.smoothGrad, explain.integratedGradients])
    await rejects('ERR_UNSUPPORTED', /integers have no gradients/, method(words, [[1, 2, 3]]))
  const fitted = await learn.linearRegression().fit([[1], [2]], [1, 2])
  await rejects('ERR_ARGUMENT', /no gradients: use permutationImportance/, explain.saliency(fitted as never, [[1]]))
  await rejects('ERR_ARGUMENT', /expected a network, a model of weftjs\/learn or a function/, explain.occlusion({} as never, [[1]]))
  await rejects(
    'ERR_ARGUMENT',
    /unknown option 'baselin'.*'baseline'/,
    explain.integratedGradients(smooth, [[1, 2, 3, 4]], { baselin: 0 } as never),
  )
  await rejects('ERR_SHAPE', /baseline has shape \[3\]/, explain.integratedGradients(smooth, [[1, 2, 3, 4]], { baseline: [1, 2, 3] }))
})

test.run()
