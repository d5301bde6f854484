// Splits: the rows that scikit-learn gives, also for its seeds.
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { datasets, layers, loadModel, type Model, optimizers, sequential, setSeed, tensor } from '../../lib/index.js'
import * as learn from '../../lib/learn/index.js'
import { rejects, throws } from '../expect.js'
import { alike, camelCased, recorded } from './evaluation.js'

const { splits, search } = recorded
const rows = Array.from({ length: 53 }, (_, i) => i)

test('trainTestSplit draws the rows of scikit-learn', () => {
  assert.is(splits.trainTest.length, 24)
  for (const { options, seed, train, test } of splits.trainTest) {
    const own = camelCased(options)
    if (own['stratify'] === true) own['stratify'] = splits.y
    if (own['shuffle'] !== false) own['seed'] = seed
    const [a, b] = learn.trainTestSplit(rows, own)
    assert.equal(a, train, JSON.stringify(options))
    assert.equal(b, test, JSON.stringify(options))
  }
})

test('several data, each in its own form, with names', async () => {
  const x = tensor(rows.map((row) => [row, -row]))
  const parts = learn.trainTestSplit(x, Int32Array.from(rows), { testSize: 13, seed: 4 })
  const [xTrain, xTest, yTrain, yTest] = parts
  assert.equal(xTrain.shape, [40, 2])
  assert.ok(yTest instanceof Int32Array)
  assert.equal(
    await xTest.array(),
    Array.from(yTest, (row) => [row, 0 - row]),
  )
  assert.is(parts.xTrain, xTrain)
  assert.is(parts.yTrain, yTrain)
  const shaped = { data: Float64Array.from([1, 2, 3, 4, 5, 6]), shape: [3, 2] }
  const three = learn.trainTestSplit(shaped, ['a', 'b', 'c'], [7, 8, 9], { testSize: 1, shuffle: false })
  assert.equal(three, [
    { data: Float64Array.of(1, 2, 3, 4), shape: [2, 2] },
    { data: Float64Array.of(5, 6), shape: [1, 2] },
    ['a', 'b'],
    ['c'],
    [7, 8],
    [9],
  ])
  setSeed(1)
  const first = learn.trainTestSplit(rows)
  setSeed(1)
  assert.equal(learn.trainTestSplit(rows), first)
  assert.not.equal(learn.trainTestSplit(rows), first)
})

test('folds are those of scikit-learn', () => {
  const { folds, y, groups } = splits
  const found = {
    kFold: learn.kFold({ nSplits: 4 }).split(rows),
    kFoldShuffled: learn.kFold({ nSplits: 4, shuffle: true, seed: 42 }).split(rows),
    stratified: learn.stratifiedKFold({ nSplits: 4 }).split(rows, y),
    stratifiedShuffled: learn.stratifiedKFold({ shuffle: true, seed: 3 }).split(rows, y),
    group: learn.groupKFold({ nSplits: 3 }).split(rows, y, groups),
    time: learn.timeSeriesSplit({ nSplits: 4 }).split(rows),
    timeOptions: learn.timeSeriesSplit({ nSplits: 3, maxTrainSize: 12, testSize: 6, gap: 2 }).split(rows),
  }
  alike(Object.fromEntries(Object.entries(found).map(([name, list]) => [name, list.map(({ train, test }) => [train, test])])), folds)
})

test('splits can be taken apart by name and by place', () => {
  for (const splitter of [learn.kFold({ nSplits: 3 }), learn.timeSeriesSplit({ nSplits: 3 })])
    for (const split of splitter.split(rows)) {
      const [train, test] = split
      assert.is(split.train, train)
      assert.is(split.test, test)
    }
})

test('splits that leave a part empty are refused', () => {
  throws('ERR_ARGUMENT', /5 folds of 3 rows.*nSplits: 3/, () => learn.kFold().split([1, 2, 3]))
  throws('ERR_ARGUMENT', /5 folds of 2 groups/, () => learn.groupKFold().split([1, 2, 3], undefined, ['a', 'b', 'a']))
  throws('ERR_ARGUMENT', /5 folds of 4 samples of the largest class/, () =>
    learn.stratifiedKFold().split(rows.slice(0, 7), [0, 0, 0, 0, 1, 1, 1]),
  )
  throws('ERR_ARGUMENT', /y is missing.*split\(x, y\)/, () => learn.stratifiedKFold().split(rows))
  throws('ERR_ARGUMENT', /groups is missing/, () => learn.groupKFold().split(rows))
  throws('ERR_ARGUMENT', /4 rows are too few/, () => learn.timeSeriesSplit().split([1, 2, 3, 4]))
  throws('ERR_ARGUMENT', /seed changes nothing/, () => learn.kFold({ seed: 1 }))
  throws('ERR_ARGUMENT', /a seed is an integer from 0/, () => learn.kFold({ shuffle: true, seed: -1 }))
  throws('ERR_ARGUMENT', /nSplits must be an integer of at least 2/, () => learn.kFold({ nSplits: 1 }))
  throws('ERR_ARGUMENT', /a part is empty/, () => learn.trainTestSplit([1]))
  throws('ERR_ARGUMENT', /testSize is a share/, () => learn.trainTestSplit(rows, { testSize: 1.5 }))
  throws('ERR_ARGUMENT', /are more than the 53/, () => learn.trainTestSplit(rows, { testSize: 0.6, trainSize: 0.6 }))
  throws('ERR_DATA', /class 'b' has one sample/, () => learn.trainTestSplit([1, 2, 3, 4], { stratify: ['a', 'b', 'a', 'a'] }))
  throws('ERR_SHAPE', /53 rows, argument 1 has 2/, () => learn.trainTestSplit(rows, [1, 2]))
  throws('ERR_ARGUMENT', /stratify needs shuffling/, () => learn.trainTestSplit(rows, { stratify: rows, shuffle: false }))
})

const wine = await datasets.wine()
const diabetes = await datasets.diabetes()
const scaled = (): learn.Pipeline => learn.pipeline(learn.standardScaler(), learn.logisticRegression({ maxIter: 1000 }))

test('cross-validation scores as scikit-learn does', async () => {
  alike(await learn.crossValScore(scaled(), wine.x, wine.y), search.wine)
  alike(await learn.crossValScore(scaled(), wine.x, wine.y, { scoring: 'negLogLoss' }), search.wineLogLoss, 1e-3)
  const scores = await learn.crossValScore(learn.ridge(), diabetes.x, diabetes.y, { cv: 4, scoring: 'negRootMeanSquaredError' })
  alike(scores, search.diabetes, 1e-6)
  const found = await learn.crossValidate(scaled(), wine.x, wine.y, { returnTrainScore: true, returnEstimator: true })
  assert.equal(found.testScore, search.wine)
  assert.ok(found.trainScore!.every((score) => score > 0.99))
  // each model knows the mean of its own training rows alone
  const folds = learn.stratifiedKFold().split(wine.x, wine.y)
  const alcohol = ((await wine.x.array()) as number[][]).map((row) => row[0]!)
  found.estimator!.forEach((model, i) => {
    const [scaler] = Object.values((model as unknown as learn.Pipeline).namedSteps) as [{ mean: number[] } & learn.Step]
    alike(scaler.mean[0], folds[i]!.train.reduce((sum, row) => sum + alcohol[row]!, 0) / folds[i]!.train.length)
  })
  const predicted = await learn.crossValPredict(scaled(), wine.x, wine.y)
  const mean = learn.accuracyScore(wine.y, predicted)
  assert.ok(Math.abs(mean - search.wine.reduce((sum: number, score: number) => sum + score, 0) / 5) < 0.005)
})

test('a grid is tried as scikit-learn tries it, here and in worker threads', async () => {
  const grid = { fitIntercept: [true, false], alpha: [0.01, 0.1, 1, 10] }
  const found = await learn.gridSearch(learn.ridge(), grid, { returnTrainScore: true }).fit(diabetes.x, diabetes.y)
  const { params, meanTestScore, stdTestScore, rankTestScore, meanTrainScore } = found.cvResults
  assert.equal(params, search.grid.params)
  alike(meanTestScore, search.grid.mean, 1e-6)
  alike(stdTestScore, search.grid.std, 1e-6)
  alike(meanTrainScore, search.grid.train, 1e-6)
  assert.equal(rankTestScore, search.grid.rank)
  assert.is(found.bestIndex, search.grid.best)
  assert.is(found.bestScore, Math.max(...meanTestScore))
  alike(await found.score(diabetes.x, diabetes.y), search.grid.score, 1e-6)
  const sent = await learn.gridSearch(learn.ridge(), grid, { returnTrainScore: true, workers: 2 }).fit(diabetes.x, diabetes.y)
  assert.equal(sent.cvResults.splitTestScores, found.cvResults.splitTestScores)
  assert.equal(await sent.predict(diabetes.x), await found.predict(diabetes.x))
  const own = learn.gridSearch(learn.ridge(), grid, { workers: 2, scoring: () => 1 })
  await rejects('ERR_ARGUMENT', /cannot be sent to worker threads: scoring is a function/, own.fit(diabetes.x, diabetes.y))
})

test('fits that fail are scored NaN, with a warning; where all fail the error is thrown', async () => {
  const warned: string[] = []
  const listen = (warning: Error & { code?: string }): void => void warned.push(`${warning.code} ${warning.message}`)
  process.on('warning', listen)
  const x = rows.map((row) => [row])
  const y = rows.map((row) => Number(row > 40))
  // the first training part has one class alone
  const parts = [
    { train: [1, 2, 3], test: [50] },
    { train: [0, 52], test: [1, 51] },
  ]
  const scores = await learn.crossValScore(learn.logisticRegression(), x, y, { cv: parts })
  assert.equal(scores, [Number.NaN, 1])
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', listen)
  assert.match(warned.join(), /WEFT_FIT_FAILED crossValScore: 1 of 2 fits failed.*one class/)
  await rejects('ERR_DATA', /one class/, learn.crossValScore(learn.logisticRegression(), x, y, { cv: parts, errorScore: 'raise' }))
  await rejects('ERR_DATA', /one class/, learn.crossValScore(learn.logisticRegression(), x, y, { cv: parts.slice(0, 1) }))
  const wrong = learn.gridSearch(learn.logisticRegression(), { c: [1] })
  await rejects('ERR_ARGUMENT', /unknown option 'c'.*'C'/, wrong.fit(x, y))
  throws('ERR_ARGUMENT', /a list of values for each parameter/, () => learn.gridSearch(learn.ridge(), { alpha: 1 as never }))
  throws('ERR_ARGUMENT', /unknown scoring 'acuracy'.*'accuracy'/, () =>
    learn.gridSearch(learn.ridge(), { alpha: [1] }, { scoring: 'acuracy' as never }),
  )
  throws('ERR_STATE', /bestParams before the search/, () => wrong.bestParams)
  const none = { cv: [{ train: [], test: [1] }] }
  await rejects('ERR_ARGUMENT', /cv is a number, a splitter, or a list/, learn.crossValScore(learn.ridge(), x, y, none))
})

test('drawn parameters are those of the seed; a list is drawn from without repetition', async () => {
  const run = async (seed: number): Promise<learn.SearchResults> =>
    (
      await learn
        .randomSearch(learn.ridge(), { alpha: learn.logUniform(0.01, 100), fitIntercept: [true, false] }, { nIter: 4, seed, cv: 3 })
        .fit(diabetes.x, diabetes.y)
    ).cvResults
  const [a, b, c] = [await run(1), await run(1), await run(2)]
  assert.equal(a.params, b.params)
  assert.equal(a.meanTestScore, b.meanTestScore)
  assert.not.equal(a.params, c.params)
  assert.ok(a.params.every(({ alpha }) => (alpha as number) >= 0.01 && (alpha as number) < 100))
  const lists = await learn.randomSearch(learn.ridge(), { alpha: [1, 2, 3] }, { nIter: 9, seed: 1, cv: 2 }).fit(diabetes.x, diabetes.y)
  assert.equal(lists.cvResults.params.map(({ alpha }) => alpha).sort(), [1, 2, 3])
})

test('halving gives each round the rows that scikit-learn gives', async () => {
  for (const { candidates, factor, resources, counts } of search.halving) {
    const alpha = Array.from({ length: candidates }, (_, i) => 10 ** (-3 + (5 * i) / (candidates - 1)))
    const rounds: number[][] = []
    const found = learn.halvingSearch(
      learn.ridge(),
      { alpha },
      {
        factor,
        seed: 0,
        refit: false,
        onRound: ({ candidates, resources }) => void rounds.push([resources!, candidates]),
      },
    )
    await found.fit(diabetes.x, diabetes.y)
    assert.equal(
      rounds,
      resources.map((n: number, i: number) => [n, counts[i]]),
    )
    assert.is(found.cvResults.round[found.bestIndex], rounds.length - 1)
  }
  throws('ERR_ARGUMENT', /maxResources: 20/, () => learn.halvingSearch(learn.ridge(), { alpha: [1] }, { resource: 'epochs' }))
})

test('a search over networks: width and epochs', async () => {
  const { x, y } = await datasets.iris()
  const names = Array.from((await y.data()) as Int32Array, (label): string => ['setosa', 'versicolor', 'virginica'][Number(label)]!)
  const build = ({ units }: { units: number }, { inputShape, outputs }: learn.NetworkFacts): Model => {
    const net = sequential([
      layers.dense({ units, activation: 'tanh', inputShape }),
      layers.dense({ units: outputs, activation: 'softmax' }),
    ])
    net.compile({ optimizer: optimizers.adam({ learningRate: 0.03 }), loss: 'sparseCategoricalCrossentropy' })
    return net as never
  }
  const network = learn.networkClassifier(build as never, { epochs: 20, batchSize: 16, seed: 7 })
  const found = await learn.gridSearch(network, { units: [1, 8] }, { cv: 3 }).fit(x, names)
  assert.is(found.bestParams['units'], 8)
  assert.ok(found.bestScore > 0.9, String(found.bestScore))
  assert.equal((await found.predict(x)).length, 150)
  assert.equal(found.classes, ['setosa', 'versicolor', 'virginica'])
  // the same again
  const again = await learn.gridSearch(network, { units: [1, 8] }, { cv: 3, refit: false }).fit(x, names)
  assert.equal(again.cvResults.splitTestScores, found.cvResults.splitTestScores)
  const epochs = await learn
    .halvingSearch(network, { units: [1, 4, 8] }, { cv: 3, resource: 'epochs', maxResources: 9, refit: false })
    .fit(x, names)
  assert.equal(epochs.cvResults.resources, [3, 3, 3, 9])
  const sent = learn.gridSearch(network, { units: [1, 8] }, { workers: 2 })
  await rejects('ERR_ARGUMENT', /cannot be sent to worker threads: .*NetworkClassifier/, sent.fit(x, names))
})

test('a search is saved and loaded: results, and the best model', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-search-'))
  try {
    const { x, y } = await datasets.iris()
    const steps = learn.pipeline(learn.standardScaler(), learn.logisticRegression())
    const grid = { logisticRegression__C: [0.1, 1], standardScaler: [learn.standardScaler(), learn.minMaxScaler()] }
    const options = { cv: 3, verbose: 0, returnTrainScore: true } as const
    const search = learn.gridSearch(steps, grid, { ...options, scoring: 'f1Macro' })
    await rejects('ERR_STATE', /save before the search/, search.save(path.join(folder, 'none')))
    await (await search.fit(x, y)).save(path.join(folder, 'grid'))
    const again = await learn.load<learn.Search>(path.join(folder, 'grid'))
    assert.instance(again, learn.Search)
    const facts = ({ params, ...rest }: learn.SearchResults): object => ({
      ...rest,
      params: params.map((one) => inspect(one, { depth: 3 })),
    })
    assert.equal(facts(again.cvResults), facts(search.cvResults))
    assert.is(again.bestScore, search.bestScore)
    assert.equal(again.bestParams['logisticRegression__C'], search.bestParams['logisticRegression__C'])
    assert.equal(await again.predictProba(x), await search.predictProba(x))
    assert.is(await again.score(x, y), await search.score(x, y))
    assert.equal(again.classes, search.classes)
    assert.is(again.kind, 'gridSearch')
    await rejects('ERR_STATE', /has no candidates to try/, again.fit(x, y))
    // saved again, and without the best model
    await again.save(path.join(folder, 'again'))
    assert.equal(await (await learn.load<learn.Search>(path.join(folder, 'again'))).predict(x), await search.predict(x))
    const scores = await learn.randomSearch(learn.ridge(), { alpha: [1, 2] }, { ...options, refit: false, nIter: 2, seed: 1 }).fit(x, y)
    await scores.save(path.join(folder, 'scores'))
    const bare = await learn.load<learn.Search>(path.join(folder, 'scores'))
    assert.equal(bare.cvResults, scores.cvResults)
    await rejects('ERR_STATE', /needs the best model fitted/, bare.predict(x))
    // a scoring of one's own is asked for
    const own = (): number => 1
    await (await learn.halvingSearch(learn.ridge(), { alpha: [1, 2] }, { cv: 2, verbose: 0, scoring: own }).fit(x, y)).save(
      path.join(folder, 'own'),
    )
    await rejects('ERR_STATE', /params: \{ scoring \}/, (await learn.load<learn.Search>(path.join(folder, 'own'))).score(x, y))
    assert.is(await (await learn.load<learn.Search>(path.join(folder, 'own'), { params: { scoring: own } })).score(x, y), 1)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a search over networks is saved as its best network', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-search-'))
  try {
    const { x, y } = await datasets.iris()
    const build = ({ units }: { units: number }, { inputShape, outputs }: learn.NetworkFacts): Model => {
      const net = sequential([
        layers.dense({ units, activation: 'tanh', inputShape }),
        layers.dense({ units: outputs, activation: 'softmax' }),
      ])
      net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' })
      return net as never
    }
    const network = learn.networkClassifier(build as never, { epochs: 2, seed: 7 })
    const search = await learn.gridSearch(network, { units: [2, 4] }, { cv: 2, verbose: 0 }).fit(x, y)
    const place = path.join(folder, 'best')
    await search.save(place)
    const again = await learn.load<learn.Search>(place)
    assert.equal(again.cvResults, search.cvResults)
    assert.equal(again.bestParams, search.bestParams)
    assert.equal(again.classes, [0, 1, 2])
    assert.equal(await again.predictProba(x), await search.predictProba(x))
    const best = again.bestEstimator as learn.NetworkClassifier
    assert.is(best.getParams()['epochs'], 2)
    await rejects('ERR_STATE', /params: \{ build \}/, best.clone().fit(x, y))
    const net = await loadModel(place)
    assert.equal((net.assets as { classes: unknown }).classes, [0, 1, 2])
    // a model of its own, which is fitted again where build is given
    await (search.bestEstimator as learn.NetworkClassifier).save(path.join(folder, 'one'))
    const one = await learn.load<learn.NetworkClassifier>(path.join(folder, 'one'), { params: { build } })
    assert.equal(await one.predict(x), await search.predict(x))
    assert.is((await one.clone().fit(x, y)).classes.length, 3)
    // another network is none of these
    await net.save(path.join(folder, 'other'), { assets: {} })
    await rejects('ERR_FORMAT', /does not describe a saved model/, learn.load(path.join(folder, 'other')))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('trials of networks run in worker threads where the function is in a module', async () => {
  const { x, y } = await datasets.iris()
  const network = learn.networkClassifier(new URL('./network_build.js', import.meta.url), { epochs: 3, batchSize: 16, seed: 7 })
  const options = { cv: 2, verbose: 0 } as const
  const here = await learn.gridSearch(network, { units: [1, 8] }, options).fit(x, y)
  const there = await learn.gridSearch(network, { units: [1, 8] }, { ...options, workers: 2 }).fit(x, y)
  assert.equal(there.cvResults.splitTestScores, here.cvResults.splitTestScores)
  assert.equal(await there.predict(x), await here.predict(x))
  throws('ERR_ARGUMENT', /not a file: URL/, () => learn.networkClassifier(new URL('https://example.com/build.js')))
  const wrong = learn.networkRegressor(new URL('./evaluation.js', import.meta.url))
  await rejects('ERR_ARGUMENT', /default export of .* is undefined/, wrong.fit([[1], [2]], [1, 2]))
})

test('models, pipelines and searches show what they are', async () => {
  const { gridSearch, pipeline, standardScaler, svc } = learn
  const steps = pipeline(standardScaler(), svc({ C: 2 }))
  assert.is(String(steps), 'pipeline of standardScaler, svc')
  assert.is(inspect(standardScaler()), 'standardScaler, not fitted')
  assert.match(inspect(svc({ C: 2 })), /^svc \{ .*C: 2.* \}, not fitted$/)
  const search = gridSearch(steps, { svc__C: [1, 2] }, { cv: 3 })
  assert.is(inspect(search), 'gridSearch of pipeline, not fitted')
  const x = [
    [1, 2],
    [2, 3],
    [3, 1],
    [9, 8],
    [8, 9],
    [9, 9],
  ]
  await search.fit(x, [0, 0, 0, 1, 1, 1])
  assert.is(inspect(search), 'gridSearch of pipeline: best score 1 { svc__C: 1 }')
})

test('a network that is a classifier is saved with the names of its classes', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'weft-network-'))
  const build = (_: object, { inputShape, outputs }: { inputShape: number[]; outputs: number }): Model => {
    const net = sequential([layers.dense({ units: outputs, activation: 'softmax', inputShape })])
    net.compile({ loss: 'sparseCategoricalCrossentropy' })
    return net as unknown as Model
  }
  const model = learn.networkClassifier(build as never, { epochs: 1 })
  await model.fit([[0], [1], [2]], ['no', 'yes', 'no'])
  await model.save(folder)
  assert.equal((await loadModel(folder)).assets['classes'], ['no', 'yes'])
  rmSync(folder, { recursive: true })
})

test.run()
