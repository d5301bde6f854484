// data.statistics: extremes, missing values and quantile bins of each feature.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { data, tensor } from '../../lib/index.js'
import { binOf, readStatistics } from '../../lib/data/statistics.js'
import { codeOfAsync, generator, rejects, throws } from '../expect.js'

const only = (statistics: data.DataStatistics): data.InputStatistics => statistics.inputs['x']!

test('deciles, extremes and missing values of each feature', async () => {
  const random = generator(1)
  const rows = Array.from({ length: 1000 }, (_, i) => [i, i % 2, i < 100 ? Number.NaN : random()])
  const { rows: count, features } = only(await data.statistics(rows, { names: ['age', 'member', 'score'] }))
  assert.is(count, 1000)
  const [age, member, score] = features as [data.FeatureStatistics, data.FeatureStatistics, data.FeatureStatistics]
  assert.equal(age, {
    name: 'age',
    min: 0,
    max: 999,
    missing: 0,
    edges: [99, 199, 299, 399, 499, 599, 699, 799, 899],
    shares: new Array(10).fill(0.1),
  })
  assert.equal(member, { name: 'member', min: 0, max: 1, missing: 0, edges: [0], shares: [0.5, 0.5] })
  assert.equal([score.name, score.missing, score.shares.length], ['score', 0.1, 10])
  assert.ok(score.shares.every((share) => Math.abs(share - 0.1) < 1e-9))
})

test('tensors, typed arrays, several inputs; ids and images are pooled', async () => {
  assert.is(
    only(
      await data.statistics(
        tensor([
          [1, 2],
          [3, 4],
        ]),
      ),
    ).features.length,
    2,
  )
  assert.equal(only(await data.statistics(Float32Array.of(1, 2, 3, 4), { bins: 2 })).features, [
    { name: '0', min: 1, max: 4, missing: 0, edges: [2], shares: [0.5, 0.5] },
  ])
  const { inputs } = await data.statistics(
    { a: [[1], [2]], b: { data: new Uint8Array(4 * 300), shape: [4, 300] } },
    { names: { a: ['k'] } },
  )
  assert.equal(
    [inputs['a']!.features.map(({ name }) => name), inputs['b']!.features.map(({ name }) => name), inputs['b']!.rows],
    [['k'], ['all'], 4],
  )
  const ids = only(
    await data.statistics(
      tensor(
        [
          [1, 2],
          [3, 4],
        ],
        { dtype: 'int32' },
      ),
      { pooled: true },
    ),
  )
  assert.equal([ids.rows, ids.features.length, ids.features[0]!.max], [2, 1, 4])
  const long = only(await data.statistics({ data: Float32Array.from({ length: 3 << 20 }, (_, i) => i), shape: [3 << 20] }))
  assert.is(long.features[0]!.max, (3 << 20) - 1)
  assert.ok(Math.abs(long.features[0]!.edges[4]! / (3 << 20) - 0.5) < 0.001)
})

test('constant features have one bin; values on an edge are below it', async () => {
  assert.equal(only(await data.statistics([[5], [5], [5]])).features[0]!.edges, [])
  assert.equal(
    [1, 2, 2.5, 3, 4].map((value) => binOf([2, 3], value)),
    [0, 0, 1, 1, 2],
  )
  assert.is(binOf([], 7), 0)
})

test('what is no data is refused', async () => {
  await rejects(
    'ERR_DATA',
    /x, feature '1' has no value/,
    data.statistics([
      [1, Number.NaN],
      [2, Number.POSITIVE_INFINITY],
    ]),
  )
  for (const x of [[], 5, 'x', null, {}, { a: 1 }, { data: new Float32Array(3), shape: [2] }, [[1], [2, 3]], new Float32Array(0)])
    assert.match((await codeOfAsync(data.statistics(x as never))) ?? 'none', /^ERR_(ARGUMENT|SHAPE)$/, JSON.stringify(x))
  for (const options of [{ bins: 1 }, { bins: 1000 }, { names: ['a'] }, { bin: 3 }, { names: [1, 2] }])
    assert.is(await codeOfAsync(data.statistics([[1, 2]], options as never)), 'ERR_ARGUMENT', JSON.stringify(options))
})

test('saved statistics are checked; other values are none', async () => {
  const good = JSON.parse(
    JSON.stringify(
      await data.statistics([
        [1, 2],
        [3, 4],
      ]),
    ),
  ) as data.DataStatistics
  assert.equal(readStatistics(good), good)
  for (const value of [undefined, null, 1, {}, { format: 'x' }]) assert.is(readStatistics(value), undefined)
  const feature = good.inputs['x']!.features[0]!
  const broken = [
    { version: 2 },
    { inputs: [] },
    { inputs: { x: {} } },
    ...[{ min: null }, { shares: [1] }, { edges: [2, 1] }, { shares: [2, -1] }, { name: 1 }, { missing: 2 }].map((part) => ({
      inputs: { x: { rows: 2, features: [{ ...feature, ...part }] } },
    })),
  ]
  for (const part of broken) throws('ERR_FORMAT', /statistics of the training data/, () => readStatistics({ ...good, ...part }))
})

test.run()
