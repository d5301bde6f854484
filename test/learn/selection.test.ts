// Splits: the rows that scikit-learn gives, also for its seeds.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { setSeed, tensor } from '../../lib/index.js'
import * as learn from '../../lib/learn/index.js'
import { throws } from '../expect.js'
import { alike, camelCased, recorded } from './evaluation.js'

const { splits } = recorded
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

test.run()
