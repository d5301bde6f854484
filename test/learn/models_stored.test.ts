// load() refuses learned parts that no model can have: each array of each kind is shortened, made NaN, or pointed
// elsewhere.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as learn from '../../lib/learn/index.js'
import { reviveStored, type Stored } from '../../lib/learn/estimator.js'
import { throws } from '../expect.js'
import { table } from './tables.js'

const { x: wine, y: kinds } = table('wine')
const x = wine.filter((_, row) => row % 4 === 0)
const y = kinds.filter((_, row) => row % 4 === 0)
const two = y.map((own) => (own > 0 ? 1 : 0))

type Fitted = { fit(x: unknown, y?: unknown): Promise<unknown>; stored(): Stored }
const models: [() => unknown, unknown?][] = [
  [() => learn.linearRegression()],
  [() => learn.lasso()],
  [() => learn.logisticRegression({ maxIter: 5 })],
  [() => learn.logisticRegression({ maxIter: 5 }), two],
  [() => learn.linearSvc({ seed: 1, maxIter: 5 })],
  [() => learn.sgdClassifier({ seed: 1, maxIter: 5 })],
  [() => learn.sgdRegressor({ seed: 1, eta0: 1e-9 })],
  [() => learn.svc({ probability: true, seed: 1 })],
  [() => learn.svr()],
  [() => learn.gaussianNB()],
  [() => learn.multinomialNB()],
  [() => learn.decisionTreeClassifier()],
  [() => learn.randomForestRegressor({ nEstimators: 2, seed: 1 })],
  [() => learn.histGradientBoostingClassifier({ maxIter: 2, minSamplesLeaf: 5 })],
  [() => learn.histGradientBoostingClassifier({ maxIter: 2, minSamplesLeaf: 5 }), two],
  [() => learn.histGradientBoostingRegressor({ maxIter: 2, minSamplesLeaf: 5 })],
  [() => learn.kNeighborsClassifier()],
  [() => learn.kNeighborsRegressor()],
  [() => learn.kMeans({ nClusters: 3, seed: 1 })],
  [() => learn.pca({ nComponents: 3 })],
  [() => learn.dummyClassifier()],
  [() => learn.dummyRegressor()],
  [() => learn.imputer()],
  [() => learn.polynomialFeatures()],
  [() => learn.oneHotEncoder()],
]
/** Lists that nothing is computed from. */
const free = new Set([
  'singular',
  'trainScores',
  'validationScores',
  'objectives',
  'rank',
  'iterations',
  'gap',
  'oob',
  'objective',
  'converged',
])
/** Numbers that may be any of their kind. */
const open = new Set(['samples', 'labels'])

type Path = (string | number)[]
function places(value: unknown, path: Path = []): Path[] {
  if (ArrayBuffer.isView(value) || typeof value !== 'object' || value === null) return [path]
  // of many trees or rows the first tells
  const entries = Array.isArray(value) ? [...value.entries()].slice(0, 1) : Object.entries(value).filter(([name]) => !free.has(name))
  return entries.flatMap(([name, part]) => places(part, [...path, name as string]))
}
const valueAt = (value: unknown, path: Path): unknown => path.reduce((now, name) => (now as Record<string, unknown>)[name], value)

function changed(stored: Stored, path: Path, make: (value: unknown) => unknown): Stored {
  const copy = structuredClone(stored)
  const holder = valueAt(copy.state, path.slice(0, -1)) as Record<string, unknown>
  holder[path.at(-1)!] = make(holder[path.at(-1)!])
  return copy
}

for (const [make, targets = y] of models) {
  const name = (make() as { kind: string }).kind
  test(`${name}: edited states are refused${targets === two ? ', two classes' : ''}`, async () => {
    const model = make() as Fitted
    await model.fit(x, targets)
    const stored = model.stored()
    reviveStored(structuredClone(stored))
    const found = places(stored.state)
    assert.ok(found.length > 0)
    const refused = (path: Path, make: (value: unknown) => unknown): void =>
      throws('ERR_FORMAT', /load: .*expected/, () => void reviveStored(changed(stored, path, make)))
    for (const path of found) {
      const value = valueAt(stored.state, path)
      const own = String(path.at(-1))
      if (value === null) continue
      refused(path, () => ({ no: 'value' }))
      if (value instanceof Float64Array) {
        refused(path, (array) => Float32Array.from(array as Float64Array))
        if (value.length > 0) refused(path, (array) => (array as Float64Array).map((one, i) => (i === 0 ? Number.NaN : one)))
        // one score has any number of coefficients
        if (own !== 'coef' || (name === 'logisticRegression' && targets !== two))
          refused(path, (array) => Float64Array.of(...(array as Float64Array), 1))
      }
      if (value instanceof Int32Array && !open.has(own)) refused(path, (array) => (array as Int32Array).map(() => -2))
      if (value instanceof Int32Array && own !== 'labels') refused(path, (array) => (array as Int32Array).slice(1))
      if (typeof value === 'number') refused(path, () => Number.NaN)
    }
  })
}

test('scalers and pipelines are refused too', async () => {
  const scaler = (await learn.standardScaler().fit(x)).stored()
  const short = structuredClone(scaler) as Stored & { state: { factor: number[] } }
  short.state.factor.pop()
  throws('ERR_FORMAT', /as many factors/, () => void reviveStored(short))
  const machine = await learn.pipeline(learn.standardScaler(), learn.svc()).fit(x, y)
  const stored = structuredClone((machine as unknown as Fitted).stored()) as Stored & {
    params: { steps: { state: { intercept: unknown } }[] }
  }
  stored.params.steps[1]!.state.intercept = new Float64Array(1)
  throws('ERR_FORMAT', /svc has intercept/, () => void reviveStored(stored))
})
test.run()
