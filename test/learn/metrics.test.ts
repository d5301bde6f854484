// Metrics: equal to scikit-learn's, and refusals of data that no metric is defined for.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tensor } from '../../lib/index.js'
import * as learn from '../../lib/learn/index.js'
import { throws } from '../expect.js'
import { alike, recorded } from './evaluation.js'

const { classification, ranking, probability, regression } = recorded as Record<string, ReturnType<typeof JSON.parse>>
const { labels, predicted, weight, words, guessed } = classification
const weighted = { sampleWeight: weight }

test('confusion, accuracy, precision, recall, F', () => {
  const { confusion } = classification
  alike(learn.confusionMatrix(labels, predicted), confusion.counts)
  alike(learn.confusionMatrix(labels, predicted, weighted), confusion.weighted)
  alike(learn.confusionMatrix(labels, predicted, { labels: [2, 0, 9] }), confusion.chosen)
  for (const normalize of ['true', 'pred', 'all'] as const)
    alike(learn.confusionMatrix(labels, predicted, { normalize }), confusion[normalize])
  alike(
    [
      learn.accuracyScore(labels, predicted),
      learn.accuracyScore(labels, predicted, weighted),
      learn.balancedAccuracyScore(labels, predicted),
    ],
    classification.accuracy,
  )
  alike([learn.matthewsCorrcoef(labels, predicted), learn.matthewsCorrcoef(labels, predicted, weighted)], classification.matthews)
  assert.is(classification.cases.length, 16)
  for (const { weighted: withWeights, average, zeroDivision, precision, recall, f1, f2 } of classification.cases) {
    const options = { average, zeroDivision, ...(withWeights ? weighted : {}) }
    alike(learn.precisionScore(labels, predicted, options), precision)
    alike(learn.recallScore(labels, predicted, options), recall)
    alike(learn.f1Score(labels, predicted, options), f1)
    alike(learn.fbetaScore(labels, predicted, { ...options, beta: 2 }), f2)
  }
  alike(
    [
      learn.precisionScore(words, guessed, { posLabel: 'spam' }),
      learn.recallScore(words, guessed, { posLabel: 'spam' }),
      learn.f1Score(words, guessed, { posLabel: 'ham' }),
    ],
    classification.binary,
  )
})

test('values of any form: Tensors, typed arrays, [n, 1], booleans', () => {
  const yTrue = [1, 0, 1, 1]
  for (const yPred of [
    tensor([1, 0, 0, 1], { dtype: 'int32' }),
    Int32Array.of(1, 0, 0, 1),
    [[1], [0], [0], [1]],
    [true, false, false, true],
  ])
    assert.is(learn.accuracyScore(yTrue, yPred), 0.75)
  assert.is(learn.f1Score([true, false], [true, true], { posLabel: true }), 2 / 3)
  assert.equal(learn.confusionMatrix([true, false], [true, true], { labels: [false, true] }), [
    [0, 1],
    [0, 1],
  ])
})

test('the report has the layout of scikit-learn, letter by letter', () => {
  const { reports } = classification
  assert.is(learn.classificationReport(labels, predicted, { zeroDivision: 0 }), reports.all)
  const some = { labels: [0, 2], targetNames: ['nought', 'two of them, with a long name'], digits: 4, zeroDivision: 0 }
  assert.is(learn.classificationReport(labels, predicted, some), reports.some)
  assert.is(learn.classificationReport(words, guessed, { digits: 3 }), reports.words)
  assert.is(learn.classificationReport([0, 0, 1, 1, 2], [0, 1, 1, 1, 0], { zeroDivision: 0 }), reports.toy)
  const found = learn.classificationReport(labels, predicted, { outputDict: true, zeroDivision: 0 })
  const renamed = JSON.parse(JSON.stringify(reports.dict).replaceAll('f1-score', 'f1Score'))
  alike(found, renamed)
  assert.is(found.accuracy, learn.accuracyScore(labels, predicted))
})

test('curves and the exact areas under them', () => {
  const { truth, scores, curves, pr } = ranking
  const options = [{}, { sampleWeight: ranking.weight }]
  options.forEach((option, i) => {
    alike(learn.rocCurve(truth, scores, option), curves[2 * i])
    alike(learn.rocCurve(truth, scores, { ...option, dropIntermediate: false }), curves[2 * i + 1])
    alike(learn.rocAucScore(truth, scores, option), ranking.auc[i])
    alike(learn.precisionRecallCurve(truth, scores, option), pr[i])
    alike(learn.averagePrecisionScore(truth, scores, option), ranking.ap[i])
  })
  alike(learn.averagePrecisionScore(truth, scores, { posLabel: 0 }), ranking.ap[2])
  for (const multiClass of ['ovr', 'ovo'] as const)
    for (const average of ['macro', 'weighted'] as const)
      alike(learn.rocAucScore(ranking.y3, ranking.p3, { multiClass, average }), ranking.multi[`${multiClass} ${average}`])
  // the share of pairs in the right order, ties as half ones
  let [right, pairs] = [0, 0]
  truth.forEach((a: number, i: number) =>
    truth.forEach((b: number, j: number) => {
      if (a !== 1 || b !== 0) return
      pairs++
      right += scores[i] > scores[j] ? 1 : scores[i] === scores[j] ? 0.5 : 0
    }),
  )
  alike(learn.rocAucScore(truth, scores), right / pairs)
})

test('log loss, Brier score, calibration', () => {
  const { prob } = probability
  const { truth, y3, p3, weight: sampleWeight } = ranking
  alike(
    [
      learn.logLoss(truth, prob),
      learn.logLoss(y3, p3),
      learn.logLoss(truth, prob, { sampleWeight }),
      learn.logLoss(y3, p3, { normalize: false }),
    ],
    probability.logLoss,
  )
  alike([learn.brierScoreLoss(truth, prob), learn.brierScoreLoss(truth, prob, { sampleWeight })], probability.brier)
  for (const strategy of ['uniform', 'quantile'] as const) {
    const { probTrue, probPred, counts } = learn.calibrationCurve(truth, prob, { nBins: 7, strategy })
    alike([probTrue, probPred], probability.calibration[strategy])
    assert.is(
      counts.reduce((sum, n) => sum + n, 0),
      prob.length,
    )
  }
})

const errors = {
  meanSquaredError: learn.meanSquaredError,
  meanAbsoluteError: learn.meanAbsoluteError,
  meanAbsolutePercentageError: learn.meanAbsolutePercentageError,
  rootMeanSquaredError: learn.rootMeanSquaredError,
  r2Score: learn.r2Score,
  explainedVarianceScore: learn.explainedVarianceScore,
}
test('errors of regression, R²', () => {
  const { target, output, weight: sampleWeight, values } = regression
  for (const [name, [mean, each, withWeights]] of Object.entries<[number, number[], number]>(values)) {
    const metric = errors[name as keyof typeof errors]
    alike(metric(target, output), mean)
    alike(metric(target, output, { multioutput: 'rawValues' }), each)
    alike(metric(target, output, { sampleWeight }), withWeights)
  }
  alike(learn.medianAbsoluteError(target, output), regression.median)
  const first = (rows: number[][]): number[] => rows.map((row) => row[0]!)
  alike(learn.maxError(first(target), first(output)), regression.max)
  assert.is(learn.r2Score([3, 3], [3, 3]), 1)
  assert.is(learn.r2Score([3, 3], [3, 4]), 0)
})

test('intervals: the same for a seed, and as wide as the formula says', () => {
  const yTrue = Array.from({ length: 400 }, (_, i) => Number(i % 2 === 0))
  const yPred = yTrue.map((label, i) => (i % 10 === 0 ? 1 - label : label))
  const interval = learn.bootstrapInterval(yTrue, yPred, learn.accuracyScore, { seed: 1, resamples: 500 })
  assert.equal(interval, learn.bootstrapInterval(yTrue, yPred, learn.accuracyScore, { seed: 1, resamples: 500 }))
  assert.is(interval.value, 0.9)
  const deviation = Math.sqrt((0.9 * 0.1) / 400)
  assert.ok(Math.abs(interval.standardError - deviation) < 0.15 * deviation, String(interval.standardError))
  assert.ok(Math.abs(interval.low - (0.9 - 1.96 * deviation)) < 0.4 * deviation, String(interval.low))
  assert.ok(Math.abs(interval.high - (0.9 + 1.96 * deviation)) < 0.4 * deviation, String(interval.high))
  // draws without a positive sample have no AUC
  const rare = learn.bootstrapInterval([1, 0, 0, 0], [0.9, 0.1, 0.2, 0.3], learn.rocAucScore, { seed: 2, resamples: 200 })
  assert.is(rare.value, 1)
  assert.ok(rare.resamples > 100 && rare.resamples < 200, String(rare.resamples))
})

test('what cannot be measured is refused', () => {
  throws('ERR_SHAPE', /3 samples, the predictions have 2/, () => learn.accuracyScore([0, 1, 1], [0, 1]))
  throws('ERR_SHAPE', /no values/, () => learn.accuracyScore([], []))
  throws('ERR_DATA', /0\.3.*an integer or a text.*probabilities/, () => learn.accuracyScore([0, 1], [0.3, 0.9]))
  throws('ERR_SHAPE', /\[2,2\].*argMax/, () =>
    learn.f1Score(
      [0, 1],
      [
        [0.1, 0.9],
        [0.3, 0.7],
      ],
    ),
  )
  throws('ERR_DATA', /all numbers or all texts.*map\(String\)/, () => learn.accuracyScore([0, 1], ['0', '1']))
  throws('ERR_DATA', /NaN/, () => learn.r2Score([0, Number.NaN], [0, 1]))
  throws('ERR_DATA', /NaN/, () => learn.rocAucScore([0, 1], [0.5, Number.NaN]))
  throws('ERR_DATA', /no negative sample/, () => learn.rocCurve([1, 1], [0.5, 0.6]))
  throws('ERR_DATA', /no positive sample/, () => learn.precisionRecallCurve([0, 0], [0.5, 0.6]))
  throws('ERR_ARGUMENT', /3 classes.*average/, () => learn.f1Score([0, 1, 2], [0, 1, 2]))
  throws('ERR_ARGUMENT', /posLabel 1 is none.*posLabel: 'spam'/, () => learn.f1Score(['ham', 'spam'], ['ham', 'ham']))
  throws('ERR_ARGUMENT', /which of the classes.*posLabel: 2/, () => learn.rocAucScore([1, 2], [0.1, 0.2]))
  throws('ERR_ARGUMENT', /multiClass: 'ovr'/, () =>
    learn.rocAucScore(
      [0, 1, 2],
      [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ],
    ),
  )
  throws('ERR_DATA', /add up to 2/, () =>
    learn.logLoss(
      [0, 1],
      [
        [1, 1],
        [0, 1],
      ],
    ),
  )
  throws('ERR_DATA', /outside \[0, 1\].*sigmoid/, () => learn.brierScoreLoss([0, 1], [0.5, 3]))
  throws('ERR_SHAPE', /classes.*labels: model\.classes/, () => learn.logLoss([1, 1], [0.5, 0.6]))
  throws('ERR_ARGUMENT', /promise.*await/, () => learn.accuracyScore([0, 1], Promise.resolve([0, 1]) as never))
  throws('ERR_ARGUMENT', /unknown option 'averag'.*'average'/, () => learn.f1Score([0], [0], { averag: 'micro' } as never))
  throws('ERR_DATA', /weight 1 is -1/, () => learn.accuracyScore([0, 1], [0, 1], { sampleWeight: [1, -1] }))
  throws('ERR_ARGUMENT', /none of the labels/, () => learn.confusionMatrix([0, 1], [0, 1], { labels: [5] }))
})

test.run()
