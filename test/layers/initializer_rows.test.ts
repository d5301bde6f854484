// Rows of the initializers: mean, variance and largest value of each, made by its name; a factory without a row fails.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as initializers from '../../lib/initializers/index.js'
import { getInitializer } from '../../lib/layers/weight_options.js'
import { everyFactoryHasARow } from '../catalogue.js'
import { values } from '../expect.js'

interface Row {
  name: keyof typeof initializers
  config?: object
  /** Default [3, 3, 20, 30]: fanIn 180, fanOut 270. */
  shape?: readonly number[]
  mean?: number
  variance: number
  /** No value is further than this from 0, and one is nearly as far. */
  largest?: number
}
/** Standard deviation of a standard normal that is truncated at ±2. */
const TRUNCATED = 0.87962566103423978
const uniform = (variance: number): Omit<Row, 'name'> => ({ variance, largest: Math.sqrt(3 * variance) })
const truncated = (variance: number): Omit<Row, 'name'> => ({ variance, largest: (2 * Math.sqrt(variance)) / TRUNCATED })

const rows: readonly Row[] = [
  { name: 'zeros', variance: 0, largest: 0 },
  { name: 'ones', mean: 1, variance: 0, largest: 1 },
  { name: 'constant', config: { value: -3 }, mean: -3, variance: 0, largest: 3 },
  { name: 'identity', config: { gain: 2 }, shape: [4, 4], mean: 0.5, variance: 0.75, largest: 2 },
  { name: 'orthogonal', config: { gain: 3 }, shape: [60, 60], variance: 9 / 60 },
  { name: 'randomUniform', ...uniform(0.1 ** 2 / 12) },
  { name: 'randomUniform', config: { minValue: 1, maxValue: 3 }, mean: 2, variance: 4 / 12, largest: 3 },
  { name: 'randomNormal', variance: 0.05 ** 2 },
  { name: 'randomNormal', config: { mean: -1, stddev: 2 }, mean: -1, variance: 4 },
  { name: 'truncatedNormal', variance: (0.05 * TRUNCATED) ** 2, largest: 0.1 },
  { name: 'varianceScaling', ...truncated(1 / 180) },
  { name: 'varianceScaling', config: { scale: 3, mode: 'fanOut', distribution: 'untruncatedNormal' }, variance: 3 / 270 },
  { name: 'glorotUniform', ...uniform(2 / 450) },
  { name: 'glorotNormal', ...truncated(2 / 450) },
  { name: 'heUniform', ...uniform(2 / 180) },
  { name: 'heNormal', ...truncated(2 / 180) },
  { name: 'lecunUniform', ...uniform(1 / 180) },
  { name: 'lecunNormal', ...truncated(1 / 180) },
]
everyFactoryHasARow(
  initializers,
  rows.map(({ name }) => name),
  'rows in test/layers/initializer_rows.test.ts',
)
const SEEDLESS = ['zeros', 'ones', 'constant', 'identity']

for (const { name, config = {}, shape = [3, 3, 20, 30], mean = 0, variance, largest } of rows) {
  test(`${name} ${JSON.stringify(config)}: mean ${mean}, variance ${variance.toPrecision(3)}`, async () => {
    const seed = SEEDLESS.includes(name) ? {} : { seed: 4 }
    const made = getInitializer({ className: name, config: { ...config, ...seed } })(shape)
    assert.equal(made.shape, shape)
    const found = await values(made)
    const average = found.reduce((a, b) => a + b, 0) / found.length
    const spread = found.reduce((sum, value) => sum + (value - average) ** 2, 0) / found.length
    const most = Math.max(...found.map(Math.abs))
    assert.ok(Math.abs(average - mean) <= 5 * Math.sqrt(variance / found.length) + 1e-6, `mean ${average}`)
    assert.ok(Math.abs(spread - variance) <= 0.08 * variance + 1e-12, `variance ${spread}`)
    if (largest !== undefined) assert.ok(most <= largest * (1 + 1e-6) && most >= 0.95 * largest, `largest ${most}, limit ${largest}`)
  })
}

test.run()
