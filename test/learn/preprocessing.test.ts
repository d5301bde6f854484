// Preprocessing: the numbers of scikit-learn, saving and loading, and what is refused.
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { data, datasets, layers, loadModel, type Model, sequential, tensor } from '../../lib/index.js'
import * as learn from '../../lib/learn/index.js'
import { rejects, throws } from '../expect.js'
import { alike, camelCased, recorded } from './evaluation.js'

const { preprocessing, text } = recorded
const folder = await mkdtemp(path.join(os.tmpdir(), 'weft-'))
test.after(() => rm(folder, { recursive: true }))
const { table, gaps } = preprocessing as { table: number[][]; gaps: (number | null)[][] }
const colours = [
  ['red', 2],
  ['blue', 1],
  ['red', 3],
  ['green', 1],
  ['blue', 2],
]
// the recorded gaps are NaN, which JSON has not
const withGaps = gaps.map((row) => row.map((value) => (typeof value === 'number' ? value : null)))

test('scalers are those of data, on every form of X', async () => {
  assert.is(learn.standardScaler, data.standardScaler)
  assert.is(learn.minMaxScaler, data.minMaxScaler)
  assert.is(learn.robustScaler, data.robustScaler)
  alike(await learn.robustScaler().fitTransform(table), preprocessing.robust)
  const options = { quantileRange: [10, 80], withCentering: false } as const
  alike(await learn.robustScaler({ ...options }).fitTransform(table), preprocessing.robustQuantiles)
  const shaped = { data: Float64Array.from(table.flat()), shape: [20, 3] }
  const made = await learn.robustScaler().fitTransform(shaped)
  assert.equal(made.shape, [20, 3])
  alike([...made.data], preprocessing.robust.flat())
  const again = data.robustScaler.fromJSON(JSON.parse(JSON.stringify(await data.robustScaler(options).fit(table))))
  alike(again.transform(table), preprocessing.robustQuantiles)
  const net = sequential([layers.dense({ units: 1, inputShape: [3] })])
  await net.save(path.join(folder, 'net'), { assets: { scaler: again } })
  const { scaler } = (await loadModel(path.join(folder, 'net'))).assets as { scaler: typeof again }
  assert.equal(scaler.getParams(), { quantileRange: [10, 80], withCentering: false, withScaling: true })
  alike(scaler.transform(table), preprocessing.robustQuantiles)
  throws('ERR_ARGUMENT', /two percentages in order/, () => learn.robustScaler({ quantileRange: [80, 10] }))
})

test('imputer', async () => {
  for (const [strategy, name] of [
    ['mean', 'mean'],
    ['median', 'median'],
    ['mostFrequent', 'most_frequent'],
  ] as const)
    alike(await learn.imputer({ strategy }).fitTransform(withGaps), preprocessing.imputed[name])
  const constant = learn.imputer({ strategy: 'constant', fillValue: -1, addIndicator: true })
  alike(await constant.fitTransform(withGaps), preprocessing.imputedConstant)
  // as NaN in a Tensor
  const nan = tensor(withGaps.map((row) => row.map((value) => value ?? Number.NaN)))
  alike(await learn.imputer().fitTransform(nan), preprocessing.imputed.mean, 1e-6)
  const words = [['a'], [null], ['b'], ['b'], [undefined]]
  assert.equal(await learn.imputer({ strategy: 'mostFrequent' }).fitTransform(words), [['a'], ['b'], ['b'], ['b'], ['b']])
  // fills are those of the rows fitted, not of the rows transformed
  const fitted = await learn.imputer().fit([[1], [3]])
  assert.equal(await fitted.transform([[null], [100]]), [[2], [100]])
  await rejects('ERR_DATA', /has 'a', which has no mean.*mostFrequent/, learn.imputer().fit(words))
  throws('ERR_ARGUMENT', /fillValue is of strategy 'constant'/, () => learn.imputer({ fillValue: 3 }))
  await rejects('ERR_STATE', /before the model was fitted/, learn.imputer().transform([[1]]))
})

test('encoders', async () => {
  for (const [drop, name] of [
    [null, 'None'],
    ['first', 'first'],
    ['ifBinary', 'if_binary'],
  ] as const)
    alike(await learn.oneHotEncoder({ drop }).fitTransform(colours), preprocessing.oneHot[name])
  const encoder = await learn.oneHotEncoder({ handleUnknown: 'ignore' }).fit(colours)
  assert.equal(encoder.getFeatureNamesOut(['colour', 'size']), preprocessing.oneHotNames)
  alike(await encoder.transform([['pink', 1]]), preprocessing.oneHotUnknown)
  assert.equal(
    await encoder.inverseTransform(
      await encoder.transform([
        ['red', 3],
        ['pink', 1],
      ]),
    ),
    [
      ['red', 3],
      [null, 1],
    ],
  )
  const records = colours.map(([colour, size]) => ({ colour: colour!, size: size! }))
  const named = await learn.oneHotEncoder().fit(records)
  assert.equal(named.getFeatureNamesOut(), preprocessing.oneHotNames)
  // columns go by their names
  assert.equal(await named.transform([{ size: 3, colour: 'red' }]), [[0, 0, 1, 0, 0, 1]])
  await rejects(
    'ERR_DATA',
    /column 'colour' has the unknown category 'pink'.*handleUnknown/,
    named.transform([{ colour: 'pink', size: 1 }]),
  )
  await rejects('ERR_SHAPE', /row 0 of X has no column 'size'/, named.transform([{ colour: 'red' }]))
  await rejects('ERR_DATA', /row 1, column 0 is missing.*imputer/, learn.oneHotEncoder().fit([['a'], [null]]))

  const ordinal = learn.ordinalEncoder()
  alike(await ordinal.fitTransform(colours), preprocessing.ordinal)
  assert.equal(await ordinal.inverseTransform([[1, 2]]), [['green', 3]])
  await rejects('ERR_DATA', /place of no category/, ordinal.inverseTransform([[7, 0]]))
  const unknown = await learn.ordinalEncoder({ handleUnknown: 'useEncodedValue', unknownValue: -1 }).fit(colours)
  assert.equal(await unknown.transform([['pink', 1]]), [[-1, 0]])
  throws('ERR_ARGUMENT', /unknownValue: -1/, () => learn.ordinalEncoder({ handleUnknown: 'useEncodedValue' }))
  const own = learn.ordinalEncoder({ categories: [['small', 'large']] })
  assert.equal(await own.fitTransform([['large'], ['small']]), [[1], [0]])
  await rejects('ERR_DATA', /unknown category 'huge'/, own.fit([['huge']]))

  const label = learn.labelEncoder()
  assert.equal(await label.fitTransform(['b', 'a', 'b']), [1, 0, 1])
  assert.equal(label.inverseTransform([0, 1]), ['a', 'b'])
  assert.equal(label.classes, ['a', 'b'])
  await rejects('ERR_DATA', /unknown class 'c'/, label.transform(['c']))
})

test('polynomial features', async () => {
  for (const [name, { values, names }] of Object.entries<{ values: number[][]; names: string[] }>(preprocessing.polynomial)) {
    const [degree, interactionOnly, includeBias] = name.split(' ')
    const made = learn.polynomialFeatures({
      degree: Number(degree),
      interactionOnly: interactionOnly === 'True',
      includeBias: includeBias === 'True',
    })
    await made.fit(table)
    alike(await made.transform(table.slice(0, 3)), values)
    assert.equal(made.getFeatureNamesOut(), names)
  }
  const wide = { data: new Float64Array(200), shape: [1, 200] }
  await rejects('ERR_ARGUMENT', /more than 1000000 columns/, learn.polynomialFeatures({ degree: 4 }).fit(wide))
})

const own = (options: object): object => {
  const renamed = camelCased(options)
  return renamed['analyzer'] === 'char_wb' ? { ...renamed, analyzer: 'charWb' } : renamed
}

test('counts and weights of words', async () => {
  assert.is(text.cases.length, 11)
  for (const { options, names, counts } of text.cases) {
    const made = learn.countVectorizer(own(options))
    alike(await made.fitTransform(text.docs), counts, 0, JSON.stringify(options))
    assert.equal(made.getFeatureNamesOut(), names)
  }
  for (const { options, idf, values } of text.tfidf) {
    const made = learn.tfidfVectorizer(own(options))
    alike(await made.fitTransform(text.docs), values, 1e-14, JSON.stringify(options))
    if (idf) alike([...made.idf], idf, 1e-15)
  }
  await rejects('ERR_ARGUMENT', /one text was given.*\[text\]/, learn.countVectorizer().fit('text' as never))
  await rejects('ERR_DATA', /have no terms/, learn.countVectorizer().fit(['a', '']))
  await rejects(
    'ERR_DATA',
    /none of the 2 terms is within/,
    learn.countVectorizer({ minDf: 3 }).fit(['aa', 'bb', 'bb', 'aa', 'cc'].slice(0, 4)),
  )
  throws('ERR_ARGUMENT', /no regular expression/, () => learn.countVectorizer({ tokenPattern: '(' }))
  throws('ERR_ARGUMENT', /ngramRange/, () => learn.countVectorizer({ ngramRange: [2, 1] }))
})

const rows = [
  { age: 20, city: 'Bonn', text: 'good day' },
  { age: 30, city: 'Ulm', text: 'bad day' },
  { age: 40, city: 'Bonn', text: 'good bad' },
]

test('columns each in their own way', async () => {
  const made = learn.columnTransformer(
    [
      ['scaled', learn.standardScaler(), ['age']],
      ['onehot', learn.oneHotEncoder(), ['city']],
      ['words', learn.countVectorizer(), 'text'],
    ],
    { remainder: 'passthrough' },
  )
  const deviation = Math.sqrt(200 / 3)
  alike(await made.fitTransform(rows), [
    [-10 / deviation, 1, 0, 0, 1, 1],
    [0, 0, 1, 1, 1, 0],
    [10 / deviation, 1, 0, 1, 0, 1],
  ])
  assert.equal(made.getFeatureNamesOut(), [
    'scaled__age',
    'onehot__city_Bonn',
    'onehot__city_Ulm',
    'words__bad',
    'words__day',
    'words__good',
  ])
  await made.save(path.join(folder, 'columns'))
  const again = await learn.load<typeof made>(path.join(folder, 'columns'))
  assert.equal(await again.transform(rows), await made.transform(rows))
  const rest = learn.columnTransformer([['scaled', learn.minMaxScaler(), [1]]], { remainder: 'passthrough' })
  assert.equal(
    await rest.fitTransform([
      [1, 2, 3],
      [4, 6, 5],
    ]),
    [
      [0, 1, 3],
      [1, 4, 5],
    ],
  )
  assert.equal(rest.getFeatureNamesOut(['a', 'b', 'c']), ['scaled__b', 'remainder__a', 'remainder__c'])
  const dropped = learn.columnTransformer([['scaled', learn.minMaxScaler(), [1]]])
  assert.equal(
    await dropped.fitTransform([
      [1, 2, 3],
      [4, 6, 5],
    ]),
    [[0], [1]],
  )
  await rejects('ERR_ARGUMENT', /no column 'size'.*"age"/, learn.columnTransformer([['a', learn.minMaxScaler(), ['size']]]).fit(rows))
  throws('ERR_ARGUMENT', /the name 'a' is taken/, () =>
    learn.columnTransformer([
      ['a', 'drop', [0]],
      ['a', 'drop', [1]],
    ]),
  )
})

test('a pipeline: nothing is learned from what it is tested on', async () => {
  const { x, y } = await datasets.wine()
  const [xTrain, xTest, yTrain, yTest] = learn.trainTestSplit(x, y, { seed: 0, stratify: y })
  const scaler = learn.standardScaler()
  const model = learn.pipeline(scaler, learn.logisticRegression())
  await model.fit(xTrain, yTrain)
  const mean = Array.from(await xTrain.mean(0).data(), Number)
  alike(scaler.mean, mean, 1e-5)
  assert.ok((await model.score(xTest, yTest)) > 0.95)
  assert.equal([...model.classes], [0, 1, 2])
  const proba = await model.predictProba(xTest)
  assert.is(proba.length, xTest.shape[0])
  await model.save(path.join(folder, 'pipeline'))
  const again = await learn.load<typeof model>(path.join(folder, 'pipeline'))
  assert.equal(await again.predictProba(xTest), proba)

  // parameters by the name of the step
  assert.is(model.getParams()['logisticRegression__C'], 1)
  model.setParams({ logisticRegression__C: 10 })
  model.setParams({ 'logisticRegression.C': 20 })
  assert.is(model.getParams()['logisticRegression__C'], 20)
  const copy = model.clone()
  assert.is(copy.getParams()['logisticRegression__C'], 20)
  await rejects('ERR_STATE', /pipeline: predict before it was fitted/, copy.predict(xTest))
  throws('ERR_ARGUMENT', /unknown parameter 'logisticRegression__c'.*logisticRegression__C/, () =>
    model.setParams({ logisticRegression__c: 1 }),
  )
  throws('ERR_ARGUMENT', /unknown parameter 'C'/, () => model.setParams({ C: 1 }))
  throws('ERR_ARGUMENT', /only the last may be a model/, () => learn.pipeline(learn.logisticRegression(), scaler))
  throws('ERR_ARGUMENT', /Call the factory: standardScaler\(\)/, () => learn.pipeline(learn.standardScaler as never))
  throws('ERR_ARGUMENT', /there are no steps/, () => learn.pipeline())

  const steps = learn.pipeline(['words', learn.tfidfVectorizer()], ['model', learn.logisticRegression()])
  await steps.fit(['good day', 'nice day', 'bad night', 'awful night'], ['up', 'up', 'down', 'down'])
  assert.equal(await steps.predict(['day', 'night']), ['up', 'down'])
  const only = learn.pipeline(learn.imputer(), learn.minMaxScaler())
  assert.equal(await only.fitTransform([[1], [null], [3]] as never), [[0], [0.5], [1]])
  await rejects('ERR_ARGUMENT', /minMaxScaler, has no predict\(\)/, only.predict([[1]]))
})

test('a pipeline hands on what the build function of a network reads', async () => {
  const network = learn.networkClassifier((() => undefined) as never, { epochs: 1 })
  const steps = learn.pipeline(learn.standardScaler(), network).setParams({ networkClassifier__units: 8 })
  assert.is(steps.getParams()['networkClassifier__units'], 8)
  assert.is(steps.clone().getParams()['networkClassifier__units'], 8)
  throws('ERR_ARGUMENT', /unknown parameter 'standardScaler__units'/, () => steps.setParams({ standardScaler__units: 8 }))
  const build = (_: object, { inputShape, outputs }: learn.NetworkFacts): Model => {
    const net = sequential([layers.dense({ units: outputs, activation: 'softmax', inputShape })])
    net.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' })
    return net as never
  }
  const fitted = await learn
    .pipeline(learn.standardScaler(), learn.networkClassifier(build as never, { epochs: 1 }))
    .fit([[1], [2]], [0, 1])
  await rejects('ERR_ARGUMENT', /exportOnnx: .*NetworkClassifier cannot be exported/, fitted.exportOnnx(path.join(folder, 'net.onnx')))
})

test.run()
