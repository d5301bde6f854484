// Models as ONNX files: onnxruntime gives the labels and numbers of the model, and ONNX's checker knows the files.
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as learn from '../../lib/learn/index.js'
import { below } from '../../lib/learn/onnx/trees.js'
import { rejects } from '../expect.js'
import { CHECKER, checkFiles, hasChecker, hasRuntime, operatorsOf, readModel, runFile, RUNTIME, scratch } from '../onnx/oracles.js'
import { testWith } from '../skip.js'
import { table, type Table } from './tables.js'

const folder = scratch()
const at = (name: string): string => path.join(folder, `${name}.onnx`)

/** Values as the file takes them: float32. */
const single = (x: readonly (readonly number[])[]): number[][] => x.map((row) => row.map(Math.fround))
const known = new Map<string, Table>()
function data(name: string): Table {
  if (!known.has(name)) known.set(name, { x: single(table(name).x), y: table(name).y })
  return known.get(name)!
}

type Any = learn.Estimator & {
  predictProba(x: unknown): Promise<number[][]>
  decisionFunction(x: unknown): Promise<number[] | number[][]>
  transform(x: unknown): Promise<number[][]>
  exportOnnx(file: string, options?: { opset?: number }): Promise<void>
}
interface Row {
  name: string
  data: string
  make: () => unknown
  /** Outputs beside the label: what gives the same here. */
  method: 'predict' | 'predictProba' | 'decisionFunction' | 'transform'
  label?: boolean
  y?: (y: number[]) => readonly learn.Label[]
}
const classes = (name: string, make: () => unknown, rest: Partial<Row> = {}): Row[] =>
  ['breast-cancer', 'wine'].map((own) => ({ name, data: own, make, method: 'predictProba', label: true, ...rest }))
const numbers = (name: string, make: () => unknown): Row[] => [{ name, data: 'diabetes-raw', make, method: 'predict' }]
const columns = (name: string, make: () => unknown): Row[] => [{ name, data: 'wine', make, method: 'transform' }]
const scores = { method: 'decisionFunction' } as const
const tidy = (model: unknown): unknown => learn.pipeline(learn.standardScaler(), model as never)

const rows: Row[] = [
  ...numbers('linear', () => learn.linearRegression()),
  ...numbers('ridge', () => learn.ridge({ alpha: 10 })),
  ...numbers('lasso', () => learn.lasso({ alpha: 0.5 })),
  ...numbers('elastic net', () => learn.elasticNet({ alpha: 0.5 })),
  ...numbers('sgd', () => tidy(learn.sgdRegressor({ seed: 1 }))),
  ...numbers('svr rbf', () => tidy(learn.svr({ C: 10 }))),
  ...numbers('svr poly', () => tidy(learn.svr({ kernel: 'poly', degree: 2, coef0: 1 }))),
  ...numbers('svr without support vectors', () => learn.svr({ epsilon: 1e4 })),
  ...numbers('tree', () => learn.decisionTreeRegressor({ maxDepth: 6 })),
  ...numbers('forest', () => learn.randomForestRegressor({ nEstimators: 20, seed: 1 })),
  ...numbers('boosting', () => learn.histGradientBoostingRegressor({ maxIter: 30 })),
  ...classes('logistic', () => tidy(learn.logisticRegression())),
  ...classes('logistic ovr', () => tidy(learn.logisticRegression({ multiClass: 'ovr' }))),
  ...classes('linear svc', () => tidy(learn.linearSvc({ seed: 1 })), scores),
  ...classes('sgd hinge', () => tidy(learn.sgdClassifier({ seed: 1 })), scores),
  ...classes('sgd log loss', () => tidy(learn.sgdClassifier({ seed: 1, loss: 'logLoss' }))),
  ...classes('sgd huber', () => tidy(learn.sgdClassifier({ seed: 1, loss: 'modifiedHuber' }))),
  ...classes('svc rbf', () => tidy(learn.svc()), scores),
  ...classes('svc raw', () => learn.svc(), scores),
  ...classes('svc linear', () => tidy(learn.svc({ kernel: 'linear' })), scores),
  ...classes('svc sigmoid', () => tidy(learn.svc({ kernel: 'sigmoid', coef0: 0.5 })), scores),
  ...classes('svc pairs', () => tidy(learn.svc({ decisionFunctionShape: 'ovo' })), scores),
  {
    name: 'svc chances',
    data: 'breast-cancer',
    make: () => tidy(learn.svc({ probability: true, seed: 1 })),
    method: 'predictProba',
    label: true,
  },
  ...classes('gaussian', () => learn.gaussianNB()),
  ...classes('multinomial', () => learn.multinomialNB()),
  ...classes('tree', () => learn.decisionTreeClassifier()),
  ...classes('forest', () => learn.randomForestClassifier({ nEstimators: 20, seed: 1 })),
  ...classes('boosting', () => learn.histGradientBoostingClassifier({ maxIter: 20 })),
  ...classes('text labels', () => tidy(learn.logisticRegression()), { y: (y) => y.map((own) => `class ${own}`) }),
  ...classes('true and false', () => learn.decisionTreeClassifier(), { y: (y) => y.map((own) => own > 0) }),
  ...classes('distant numbers', () => learn.gaussianNB(), { y: (y) => y.map((own) => 1000 * own - 7) }),
  ...columns('k-means', () => learn.kMeans({ nClusters: 4, seed: 1 })).map((row) => ({ ...row, label: true })),
  ...columns('pca', () => learn.pca({ nComponents: 5 })),
  ...columns('pca, whitened', () => learn.pca({ nComponents: 5, whiten: true })),
  ...columns('standard', () => learn.standardScaler()),
  ...columns('minMax', () => learn.minMaxScaler({ range: [-1, 1] })),
  ...columns('robust', () => learn.robustScaler()),
  ...columns('polynomial', () => learn.pipeline(learn.pca({ nComponents: 4 }), learn.polynomialFeatures({ degree: 3 }))),
  ...columns('groups of directions', () => learn.pipeline(learn.kMeans({ nClusters: 3, seed: 1 }) as never, learn.standardScaler())),
  ...columns('columns apart', () =>
    learn.columnTransformer([
      ['few', learn.pca({ nComponents: 2 }), [0, 1, 2]],
      ['same', 'passthrough', [7]],
      ['scaled', learn.standardScaler(), [3, 4]],
    ] as never),
  ),
]

const fileOf = (name: string, set: string): string => at(`${name} ${set}`.replaceAll(' ', '-'))

for (const { name, data: set, make, method, label, y: relabel } of rows) {
  testWith(hasRuntime, RUNTIME, `${name} of ${set}`, async () => {
    const { x, y } = data(set)
    const model = make() as Any
    const targets = relabel === undefined ? y : relabel(y)
    await model.fit(x, targets as never)
    const file = fileOf(name, set)
    await model.exportOnnx(file)
    const found = await runFile(file, x)
    if (label === true)
      assert.equal(
        Array.from(found['label']!.data, (value) =>
          typeof value === 'bigint' ? Number(value) : typeof targets[0] === 'boolean' ? Boolean(value) : value,
        ),
        await model.predict(x),
      )
    const output = Object.keys(found).find((own) => own !== 'label')!
    const expected = ((await model[method](x as never)) as unknown[]).flat() as number[]
    const values = found[output]!.data as ArrayLike<number>
    assert.is(values.length, expected.length)
    assert.is(found[output]!.dims[0], x.length)
    const size = method === 'predictProba' ? 1 : Math.max(...expected.map(Math.abs))
    for (const [i, value] of expected.entries())
      assert.ok(Math.abs(values[i]! - value) <= 1e-5 * size, `${output}[${i}]: ${values[i]}, ${value} in the model`)
  })
}

testWith(hasRuntime, RUNTIME, 'missing values: boosting sends them where it learned, imputer fills them in', async () => {
  const { x, y } = data('wine')
  const gaps = x.map((row, i) => row.map((value, c) => ((i * 7 + c * 3) % 5 === 0 ? Number.NaN : value)))
  const boosting = await learn.histGradientBoostingClassifier({ maxIter: 10 }).fit(gaps, y)
  await boosting.exportOnnx(at('missing'))
  const found = await runFile(at('missing'), gaps)
  const expected = (await boosting.predictProba(gaps)).flat()
  for (const [i, value] of expected.entries()) assert.ok(Math.abs((found['probabilities']!.data as number[])[i]! - value) <= 1e-5)
  const steps = await learn.imputer({ addIndicator: true }).fit(gaps)
  await steps.exportOnnx(at('imputer'))
  const filled = (await runFile(at('imputer'), gaps))['features']!.data as ArrayLike<number>
  const wanted = ((await steps.transform(gaps)) as number[][]).flat()
  assert.is(filled.length, wanted.length)
  for (const [i, value] of wanted.entries()) assert.ok(Math.abs(filled[i]! - value) <= 1e-5 * Math.max(1, Math.abs(value)))
})

testWith(hasRuntime, RUNTIME, 'columns of numbers that stand for categories', async () => {
  const x = [
    [1, 5],
    [2, 5],
    [3, 7],
    [1, 7],
  ]
  for (const drop of [null, 'first', 'ifBinary'] as const) {
    const encoder = await learn.oneHotEncoder({ handleUnknown: 'ignore', drop }).fit(x)
    await encoder.exportOnnx(at('one-hot'))
    const found = await runFile(at('one-hot'), [...x, [9, 9]])
    assert.equal(Array.from(found['features']!.data), (await encoder.transform([...x, [9, 9]])).flat())
  }
})

test('the file has the input, outputs and versions that the docs say', async () => {
  const { x, y } = data('wine')
  const model = await learn.histGradientBoostingClassifier({ maxIter: 2 }).fit(x, y)
  await model.exportOnnx(at('shape'), { opset: 18 })
  const { graph, opsetImport } = readModel(at('shape'))
  assert.equal(
    opsetImport.map(({ domain, version }) => [domain, Number(version)]),
    [
      ['', 18],
      ['ai.onnx.ml', 3],
    ],
  )
  assert.equal(
    graph!.input.map(({ name }) => name),
    ['X'],
  )
  assert.equal(
    graph!.output.map(({ name }) => name),
    ['label', 'probabilities'],
  )
  assert.is(operatorsOf(at('shape')).filter((op) => op === 'TreeEnsembleRegressor').length, 1)
})

test('float32 thresholds part float32 values as the others do', () => {
  for (const threshold of [0.1, -0.1, 1e-60, -1e-60, 0, 1 / 3, -1e30, 16777217, Number.POSITIVE_INFINITY]) {
    const found = below(threshold)
    assert.is(found, Math.fround(found))
    assert.ok(found <= threshold, `${threshold}`)
    const bits = new Int32Array(Float32Array.of(threshold).buffer)
    for (const step of [-2, -1, 0, 1, 2]) {
      const value = new Float32Array(Int32Array.of(bits[0]! + step).buffer)[0]!
      if (!Number.isNaN(value)) assert.is(value <= found, value <= threshold, `${value} against ${threshold}`)
    }
  }
})

test('what cannot be exported says so', async () => {
  const { x, y } = data('wine')
  const refuse = async (pattern: RegExp, model: unknown, inputs: unknown = x): Promise<void> => {
    await (model as Any).fit(inputs as never, y.slice(0, (inputs as unknown[]).length))
    await rejects('ERR_ARGUMENT', pattern, (model as Any).exportOnnx(at('refused')))
    assert.not.ok(existsSync(at('refused')))
  }
  await rejects('ERR_STATE', /ridge: exportOnnx before it was fitted/, (learn.ridge() as unknown as Any).exportOnnx(at('refused')))
  await rejects('ERR_STATE', /standardScaler: exportOnnx before it was fitted/, learn.standardScaler().exportOnnx(at('refused')))
  await refuse(/kNeighborsClassifier cannot be exported/, learn.kNeighborsClassifier())
  await refuse(/dummyClassifier cannot be exported/, learn.dummyClassifier())
  await refuse(/kernel that is a function of yours/, learn.svc({ kernel: (a, b) => a[0]! * b[0]! }))
  await refuse(/more than two classes/, learn.svc({ probability: true }))
  await refuse(/oneHotEncoder throws at unknown categories/, learn.oneHotEncoder())
  await refuse(/has the category 'a'/, learn.oneHotEncoder({ handleUnknown: 'ignore' }), [['a'], ['b']])
  await refuse(/tfidfVectorizer cannot be exported/, learn.tfidfVectorizer(), ['a text', 'one more'])
  await refuse(/ordinalEncoder cannot be exported/, learn.pipeline(learn.ordinalEncoder(), learn.ridge()), [[1], [2], [3]])
  const fitted = await learn.ridge().fit(x, y)
  await rejects('ERR_ARGUMENT', /opset must be 17 to 21, got 3/, fitted.exportOnnx(at('refused'), { opset: 3 }))
  await rejects('ERR_ARGUMENT', /unknown option/, fitted.exportOnnx(at('refused'), { opset_version: 17 } as never))
})

testWith(hasChecker, CHECKER, 'the checker of ONNX knows all files', async () => {
  for (const { name, data: set, make, y: relabel } of rows) {
    if (existsSync(fileOf(name, set))) continue
    const { x, y } = data(set)
    const model = make() as Any
    await model.fit(x, (relabel === undefined ? y : relabel(y)) as never)
    await model.exportOnnx(fileOf(name, set))
  }
  const files = readdirSync(folder).filter((name) => name !== 'shape.onnx')
  assert.ok(files.length >= rows.length)
  assert.is(checkFiles(files.map((name) => path.join(folder, name))), files.length)
})

test.run()
