// Values of extreme size end in numbers or in an error that says what to do, never in NaN.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as learn from '../../lib/learn/index.js'
import { WeftError } from '../../lib/index.js'
import { table } from './tables.js'

const [wine, diabetes] = [table('wine'), table('diabetes-raw')]
const seed = 1
type Made = learn.Estimator & Record<string, unknown>
const classifiers: (() => unknown)[] = [
  () => learn.logisticRegression({ maxIter: 20 }),
  () => learn.linearSvc({ seed, maxIter: 20 }),
  () => learn.sgdClassifier({ seed, maxIter: 20 }),
  () => learn.svc({ kernel: 'linear', maxIter: 1000 }),
  () => learn.svc(),
  () => learn.gaussianNB(),
  () => learn.multinomialNB(),
  () => learn.decisionTreeClassifier({ maxDepth: 3 }),
  () => learn.histGradientBoostingClassifier({ maxIter: 2 }),
  () => learn.kNeighborsClassifier(),
]
const regressors: (() => unknown)[] = [
  () => learn.linearRegression(),
  () => learn.ridge(),
  () => learn.lasso(),
  () => learn.elasticNet(),
  () => learn.svr({ maxIter: 1000 }),
  () => learn.decisionTreeRegressor({ maxDepth: 3 }),
  () => learn.histGradientBoostingRegressor({ maxIter: 2 }),
  () => learn.kNeighborsRegressor(),
]
const others: (() => unknown)[] = [
  () => learn.kMeans({ nClusters: 3, seed }),
  () => learn.pca({ nComponents: 2 }),
  () => learn.polynomialFeatures({ degree: 3 }),
  () => learn.minMaxScaler(),
]

const finite = (value: unknown): boolean =>
  Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as number[]).every(finite) : Number.isFinite(value)

/** All that a model says of rows; 'refused' where it says that they are too large. */
async function outputs(make: () => unknown, x: number[][], y: number[]): Promise<Record<string, unknown> | 'refused'> {
  const model = make() as Made
  try {
    await model.fit(x, y)
    const found: Record<string, unknown> = {}
    for (const method of ['predict', 'predictProba', 'decisionFunction', 'transform'] as const) {
      if (typeof model[method] !== 'function' || (model.kind === 'svc' && method === 'predictProba')) continue
      if (model.kind === 'sgdClassifier' && method === 'predictProba') continue
      found[method] = await (model[method] as (x: unknown) => Promise<unknown>)(x)
    }
    if (typeof model.score === 'function') found['score'] = await model.score(x, y)
    return found
  } catch (error) {
    assert.instance(error, WeftError)
    assert.is((error as WeftError).code, 'ERR_DATA', String(error))
    assert.match(String(error), /values up to|infinite/)
    return 'refused'
  }
}

const warnings = process.listeners('warning')
process.removeAllListeners('warning')
test.after(() => {
  for (const one of warnings) process.on('warning', one)
})

for (const [scaleX, scaleY] of [
  [1e160, 1],
  [1e37, 1],
  [1, 1e160],
  [1, 1e140],
  [1, 1e-170],
] as const) {
  const sized = (x: number[][]): number[][] => x.map((row) => row.map((value) => value * scaleX))
  test(`X times ${scaleX}, y times ${scaleY}`, async () => {
    const rows = scaleY === 1 ? [...classifiers, ...others].map((make) => [make, wine] as const) : []
    for (const [make, { x, y }] of [...rows, ...regressors.map((make) => [make, diabetes] as const)]) {
      const found = await outputs(make, sized(x), scaleY === 1 ? y : y.map((value) => value * scaleY))
      const { kind } = make() as Made
      const takesAny = kind.startsWith('hist') || kind.endsWith('Scaler')
      const small = scaleX < 1e150 && scaleY < 1e150
      if (small || (takesAny && scaleY < 1e150))
        assert.ok(found !== 'refused' || kind === 'polynomialFeatures' || kind.startsWith('decisionTree'), kind)
      else assert.is(found, 'refused', kind)
      if (found !== 'refused') for (const [name, value] of Object.entries(found)) assert.ok(finite(value), `${kind}.${name}`)
    }
  })
}

test('R² does not depend on the unit of y', async () => {
  const { x, y } = diabetes
  const scoreOf = async (unit: number): Promise<number> => {
    const targets = y.map((value) => value * unit)
    return (await learn.kNeighborsRegressor().fit(x, targets)).score(x, targets)
  }
  const expected = await scoreOf(1)
  assert.ok(expected > 0.4 && expected < 1)
  // squares of such numbers are 0
  for (const unit of [1e-180, 1e-250, 1e140]) assert.ok(Math.abs((await scoreOf(unit)) - expected) < 1e-9, String(unit))
})
test.run()
