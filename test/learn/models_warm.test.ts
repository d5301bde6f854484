// logisticRegression with warmStart: a fit begins where the last one ended.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as learn from '../../lib/learn/index.js'
import { rejects } from '../expect.js'
import { table } from './tables.js'

const { x, y } = table('wine-scaled')
const two = y.map((own) => Math.min(own, 1))

for (const [name, targets, options] of [
  ['softmax', y, {}],
  ['one against the others', y, { multiClass: 'ovr' }],
  ['two classes', two, {}],
  ['without an intercept', y, { fitIntercept: false }],
] as const)
  test(`a warm start begins at the minimum that is known: ${name}`, async () => {
    const model = await learn.logisticRegression({ ...options, warmStart: true, tol: 1e-6 }).fit(x, targets)
    const [steps, coef] = [model.nIter, model.coef]
    assert.ok(steps > 5)
    await model.fit(x, targets)
    assert.ok(model.nIter <= 1, `${model.nIter} steps`)
    for (const [i, value] of model.coef.flat().entries()) assert.ok(Math.abs(value - coef.flat()[i]!) < 1e-5)
    // from there to another minimum, which is that of a cold start
    await model.setParams({ C: 0.5 }).fit(x, targets)
    const cold = await learn.logisticRegression({ ...options, C: 0.5, tol: 1e-6 }).fit(x, targets)
    for (const [i, value] of cold.coef.flat().entries()) assert.ok(Math.abs(value - model.coef.flat()[i]!) < 1e-4)
    assert.ok(model.nIter < cold.nIter, `${model.nIter} steps, ${cold.nIter} from the beginning`)
  })

test('other features or classes are refused', async () => {
  const model = await learn.logisticRegression({ warmStart: true }).fit(x, y)
  await rejects('ERR_ARGUMENT', /warmStart on 13 features and the classes 0, 1, which are not those before/, model.fit(x, two))
  const narrow = x.map((row) => row.slice(1))
  await rejects('ERR_ARGUMENT', /warmStart on 12 features/, model.fit(narrow, y))
})
test.run()
