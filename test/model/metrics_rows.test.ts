// Rows of the metrics: each made by its name alone, a clone of it, again from its config; and the calls that are
// refused.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tensor } from '../../lib/index.js'
import * as factories from '../../lib/metrics/factories.js'
import * as metrics from '../../lib/metrics/index.js'
import { type MetricName, resolveMetric, risingByName } from '../../lib/metrics/by_name.js'
import { everyFactoryHasARow } from '../catalogue.js'
import { close, throws } from '../expect.js'
import { figure } from './figure.js'

/** Every metric as it is made by its name alone. */
const rows: readonly { name: MetricName; options?: object; y: unknown[]; p: unknown[]; figure: number; rising: boolean }[] = [
  ...(['accuracy', 'sparseCategoricalAccuracy'] as const).map((name) => ({
    name,
    y: [0, 1, 2, 1],
    p: [
      [0.7, 0.2, 0.1],
      [0.1, 0.8, 0.1],
      [0.5, 0.3, 0.2],
      [0.2, 0.3, 0.5],
    ],
    figure: 0.5,
    rising: true,
  })),
  {
    name: 'categoricalAccuracy',
    y: [
      [0, 1],
      [1, 0],
      [1, 0],
    ],
    p: [
      [0.2, 0.8],
      [0.7, 0.3],
      [0.1, 0.9],
    ],
    figure: 2 / 3,
    rising: true,
  },
  {
    name: 'topKCategoricalAccuracy',
    y: [6, 0],
    p: [
      [7, 6, 5, 4, 3, 2, 1],
      [2, 1, 3, 4, 5, 6, 1],
    ],
    figure: 0.5,
    rising: true,
  },
  {
    name: 'topKCategoricalAccuracy',
    options: { k: 1 },
    y: [1, 0],
    p: [
      [1, 2],
      [1, 2],
    ],
    figure: 0.5,
    rising: true,
  },
  {
    name: 'sparseTopKCategoricalAccuracy',
    options: { k: 2 },
    y: [1, 0],
    p: [
      [3, 2, 1],
      [1, 2, 3],
    ],
    figure: 0.5,
    rising: true,
  },
  ...(['truePositives', 'falsePositives', 'trueNegatives', 'falseNegatives'] as const).flatMap((name, i) => [
    { name, y: [1, 0, 1, 0, 1, 1], p: [0.9, 0.6, 0.7, 0.2, 0.1, 0.8], figure: [3, 1, 1, 1][i]!, rising: i % 2 === 0 },
    {
      name,
      options: { threshold: 0.75 },
      y: [1, 0, 1],
      p: [
        [0.1, 0.9],
        [0.8, 0.3],
        [0.6, 0.4],
      ],
      figure: [2, 0, 3, 1][i]!,
      rising: i % 2 === 0,
    },
  ]),
  ...(['precisionAtRecall', 'recallAtPrecision', 'sensitivityAtSpecificity', 'specificityAtSensitivity'] as const).map((name, i) => ({
    name,
    options: [{ recall: 0.7 }, { precision: 0.7 }, { specificity: 0.7 }, { sensitivity: 0.7 }][i]!,
    y: [1, 0, 1, 0, 1],
    p: [0.9, 0.6, 0.7, 0.2, 0.3],
    figure: [3 / 4, 1, 2 / 3, 1 / 2][i]!,
    rising: true,
  })),
  { name: 'precisionAtRecall', y: [1, 0, 1, 0], p: [0.9, 0.6, 0.7, 0.2], figure: 1, rising: true },
  { name: 'recallAtPrecision', options: { precision: 1, numThresholds: 1 }, y: [1, 0], p: [0.4, 0.6], figure: 0, rising: true },
  { name: 'binaryAccuracy', y: [1, 0, 1, 0], p: [0.9, 0.6, 0.7, 0.2], figure: 0.75, rising: true },
  { name: 'binaryAccuracy', options: { threshold: 0.65 }, y: [1, 0, 1, 0], p: [0.9, 0.6, 0.7, 0.2], figure: 1, rising: true },
  { name: 'precision', y: [1, 0, 1, 0], p: [0.9, 0.6, 0.7, 0.2], figure: 2 / 3, rising: true },
  { name: 'recall', y: [1, 0, 1, 1], p: [0.9, 0.6, 0.7, 0.2], figure: 2 / 3, rising: true },
  { name: 'f1', y: [1, 0, 1, 0], p: [0.9, 0.6, 0.7, 0.2], figure: 0.8, rising: true },
  {
    name: 'meanIoU',
    y: [0, 1, 2, 1],
    p: [
      [0.7, 0.2, 0.1],
      [0.1, 0.8, 0.1],
      [0.5, 0.3, 0.2],
      [0.2, 0.3, 0.5],
    ],
    figure: 1 / 3,
    rising: true,
  },
  { name: 'meanIoU', options: { numClasses: 5 }, y: [0, 1, 2, 1], p: [0, 1, 0, 2], figure: 1 / 3, rising: true },
  { name: 'auc', y: [1, 0, 1, 0], p: [0.9, 0.6, 0.4, 0.2], figure: 0.75, rising: true },
  { name: 'mse', y: [1, 2, 3], p: [1, 2, 5], figure: 4 / 3, rising: false },
  { name: 'mae', y: [1, 2, 3], p: [1, 2, 5], figure: 2 / 3, rising: false },
  { name: 'rmse', y: [1, 2, 3], p: [1, 2, 5], figure: Math.sqrt(4 / 3), rising: false },
  { name: 'r2', y: [1, 2, 3], p: [1, 2, 5], figure: -1, rising: true },
  {
    name: 'perplexity',
    y: [0, 1],
    p: [
      [0.5, 0.5],
      [0.25, 0.75],
    ],
    figure: Math.exp((Math.log(2) + Math.log(4 / 3)) / 2),
    rising: false,
  },
]
const byName = { ...factories }
everyFactoryHasARow(
  byName,
  rows.map(({ name }) => name),
  'rows in test/model/metrics_rows.test.ts',
)
for (const { name, options = {}, y, p, figure: expected, rising } of rows) {
  test(`${name} ${JSON.stringify(options)}: the figure, a clone, a reset, and again from its name and config`, async () => {
    const metric = resolveMetric(name, options)
    close([await figure(metric, y, p)], [expected], 1e-6)
    const [clone, saved] = [metric.clone!(), JSON.parse(JSON.stringify(metric.config)) as object]
    close([await figure(clone, y, p)], [expected], 1e-6)
    close([await figure(resolveMetric(metric.metricName, saved), y, p)], [expected], 1e-6)
    metric.reset!()
    close([await figure(metric, y, p)], [expected], 1e-6)
    for (const one of [metric, clone, byName[name]]) assert.is(one.rising, rising)
    assert.is(risingByName(`val_out_${name}`), rising)
    assert.is(resolveMetric(name, { ...options, name: 'own' }).name, 'own')
  })
}

test('calls that are not as the options say: the message shows the call to write', () => {
  throws('ERR_ARGUMENT', /Write metrics\.auc\(\{ numThresholds: 200 \}\)/, () => metrics.auc(200 as never))
  throws('ERR_ARGUMENT', /Write metrics\.topKCategoricalAccuracy\(\{ k: 3 \}\)/, () => metrics.topKCategoricalAccuracy(3 as never))
  for (const [name, factory] of Object.entries(factories)) {
    const call = factory as unknown as (...args: unknown[]) => unknown
    throws('ERR_ARGUMENT', /takes at most 1, got 2/, () => call({}, 3))
    for (const value of [null, 2, 'mean', [0.1], tensor(1)])
      throws('ERR_ARGUMENT', new RegExp(`Write metrics\\.${name}\\(\\{`), () => call(value))
    throws('ERR_ARGUMENT', /unknown option/, () => call({ treshold: 1 }))
    throws('ERR_ARGUMENT', /name is a string, got 3/, () => call({ name: 3 }))
  }
  throws('ERR_ARGUMENT', /average is one of/, () => metrics.f1({ average: 'mean' as never }))
  throws('ERR_ARGUMENT', /curve is one of/, () => metrics.auc({ curve: 'roc' as never }))
  throws('ERR_ARGUMENT', /threshold is a number/, () => metrics.precision({ threshold: '0.5' as never }))
  throws('ERR_ARGUMENT', /k must be an integer of at least 1/, () => metrics.topKCategoricalAccuracy({ k: 0 }))
  throws('ERR_ARGUMENT', /'__proto__' cannot be the name/, () => resolveMetric('mae', { name: '__proto__' }))
  throws('ERR_ARGUMENT', /unknown metric '__proto__'/, () => resolveMetric('__proto__'))
  throws('ERR_ARGUMENT', /unknown metric 'constructor'/, () => resolveMetric('constructor'))
})

test.run()
