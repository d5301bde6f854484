// Forests: going on with what was grown, and rows drawn for each tree.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as learn from '../../lib/learn/index.js'
import { rejects, throws } from '../expect.js'
import { table } from './tables.js'

const { x, y } = table('wine')
const { x: xs, y: ys } = table('diabetes-raw')

test('a warm start grows the trees of one fit', async () => {
  const whole = await learn.randomForestClassifier({ nEstimators: 6, seed: 3 }).fit(x, y)
  const model = await learn.randomForestClassifier({ nEstimators: 2, seed: 3, warmStart: true }).fit(x, y)
  assert.is(model.trees.length, 2)
  await model.setParams({ nEstimators: 6 }).fit(x, y)
  assert.equal(model.trees, whole.trees)
  await model.fit(x, y)
  assert.is(model.trees.length, 6)
  const numbers = await learn.randomForestRegressor({ nEstimators: 4, seed: 3 }).fit(xs, ys)
  const grown = await learn.randomForestRegressor({ nEstimators: 1, seed: 3, warmStart: true }).fit(xs, ys)
  await grown.setParams({ nEstimators: 4 }).fit(xs, ys)
  assert.equal(await grown.predict(xs), await numbers.predict(xs))
  // without it, a fit begins anew
  await model.setParams({ warmStart: false, nEstimators: 3 }).fit(x, y)
  assert.is(model.trees.length, 3)
})

test('a warm start on other data is refused', async () => {
  const model = await learn.randomForestClassifier({ nEstimators: 2, seed: 3, warmStart: true }).fit(x, y)
  await rejects(
    'ERR_ARGUMENT',
    /X has 2 features, the trees that are there have 13/,
    model.fit(
      x.map((row) => row.slice(0, 2)),
      y,
    ),
  )
  await rejects(
    'ERR_ARGUMENT',
    /y has the classes 0, 1, the trees that are there have 0, 1, 2/,
    model.fit(
      x,
      y.map((own) => Math.min(own, 1)),
    ),
  )
  await rejects('ERR_ARGUMENT', /nEstimators is 1, and 2 trees are there/, model.setParams({ nEstimators: 1 }).fit(x, y))
  throws('ERR_ARGUMENT', /exclude each other/, () => learn.randomForestClassifier({ oobScore: true, warmStart: true }))
})

test('maxSamples rows are drawn for each tree', async () => {
  for (const [maxSamples, drawn] of [
    [10, 10],
    [0.5, 89],
    [null, 178],
    [1, 1],
  ] as const) {
    const { trees } = await learn.randomForestClassifier({ nEstimators: 3, seed: 1, maxSamples }).fit(x, y)
    for (const { weight } of trees) assert.is(weight[0], drawn)
  }
  throws('ERR_ARGUMENT', /maxSamples is 2.5/, () => learn.randomForestRegressor({ maxSamples: 2.5 }))
  throws('ERR_ARGUMENT', /maxSamples needs bootstrap: true/, () => learn.randomForestRegressor({ maxSamples: 2, bootstrap: false }))
  await rejects('ERR_ARGUMENT', /maxSamples is 1000 of 178 rows/, learn.randomForestClassifier({ maxSamples: 1000 }).fit(x, y))
})
test.run()
