// Classical models against scikit-learn 1.2 (Debian's python3-sklearn) on Fashion-MNIST (dataset-fashion-mnist), on one
// thread (--threads 2: on two): seconds of a fit.
import { interleave } from './shared/measure.mjs'
import { Report, readOptions, relativeDifference } from './shared/report.mjs'
import { openblasEnvironment, pythonEnvironment, Side, weftSide } from './shared/side.mjs'

const options = readOptions({
  threads: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '3' },
  only: { type: 'string' },
})
const threads = Number(options.threads)
const rounds = options.quick ? 1 : Number(options.rounds)
const report = new Report(`Classical models, ${threads} thread(s): µs of a fit, best of ${rounds} interleaved rounds or more`, options)

const models = [
  { name: 'svc', kind: 'svc', title: 'SVC (rbf)', rows: 10_000, options: {}, peer: {}, goal: 1.5, tolerance: 1e-3 },
  {
    name: 'logistic',
    kind: 'logisticRegression',
    title: 'logistic regression, 100 steps',
    rows: 60_000,
    options: { maxIter: 100 },
    peer: { max_iter: 100 },
    goal: 2,
    // after as many steps the one may be nearer to the optimum than the other
    notBelow: true,
    tolerance: 0.01,
  },
  {
    name: 'kmeans',
    kind: 'kMeans',
    title: 'k-means, 10 groups from the same centers',
    rows: 60_000,
    options: { nClusters: 10, nInit: 1 },
    peer: { n_clusters: 10, n_init: 1 },
    starts: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((k) => 137 * k),
    goal: 1,
    tolerance: 1e-3,
  },
  {
    name: 'pca',
    kind: 'pca',
    title: 'PCA, 50 components',
    rows: 60_000,
    options: { nComponents: 50 },
    peer: { n_components: 50, random_state: 1 },
    goal: 1,
    tolerance: 0.02,
  },
  {
    name: 'forest',
    kind: 'randomForestClassifier',
    title: 'random forest, 20 trees',
    rows: 10_000,
    options: { nEstimators: 20, seed: 1 },
    peer: { n_estimators: 20, random_state: 1 },
    goal: 1,
    tolerance: 0.01,
  },
  {
    name: 'boosting',
    kind: 'histGradientBoostingClassifier',
    title: 'histogram boosting, 3 steps of 10 trees',
    rows: 10_000,
    options: { maxIter: 3, earlyStopping: false },
    peer: { max_iter: 3, early_stopping: false },
    goal: 1,
    tolerance: 0.01,
  },
].filter(({ name }) => options.only === undefined || options.only.split(',').includes(name))

const weft = weftSide('learn.mjs', threads)
const sklearn = new Side('scikit-learn', '/usr/bin/python3', ['peers/learn.py'], {
  ...pythonEnvironment,
  ...openblasEnvironment(threads),
  OMP_NUM_THREADS: String(threads),
})
let version
for (const { kind, title, rows, options: own, peer, starts, goal, notBelow, tolerance } of models) {
  const [, loaded] = await Promise.all([weft, sklearn].map((side) => side.request({ command: 'load', rows })))
  version = loaded.version
  const side = (from) => () => from.request({ command: 'run', kind, options: own, peer, starts })
  const figures = await interleave({ weft: side(weft), 'scikit-learn': side(sklearn) }, { rounds, warmUp: options.quick ? 0 : 1 })
  const [mine, theirs] = await Promise.all([weft, sklearn].map((from) => from.request({ command: 'result', kind })))
  const difference = relativeDifference(mine.values, theirs.values)
  report.check(`${title}: score`, notBelow && mine.values[0] >= theirs.values[0] ? 0 : difference, tolerance)
  if (mine.steps !== null && mine.steps !== undefined) report.note(`${title}: ${mine.steps} steps, scikit-learn ${theirs.steps}`)
  report.compare(`${title}, ${rows.toLocaleString('en-US')} rows`, figures.weft, figures['scikit-learn'], {
    peerName: 'scikit-learn',
    goal: threads === 1 ? goal : undefined,
  })
}
weft.close()
sklearn.close()
report.finish({ 'scikit-learn': version })
