// Ill-posed data: constant columns at any magnitude, missing and infinite values, one axis, empty columns: handled, or
// refused with what to do.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tensor } from '../../lib/index.js'
import * as learn from '../../lib/learn/index.js'
import { rejects, throws } from '../expect.js'

const constants = [0, 1e-300, -1e-12, 0.1 + 0.2, 1e9, 7e300]

test('a constant column becomes 0, whatever its size, and rounding in it is no spread', async () => {
  for (const constant of constants) {
    // 0.1 added ten times is 1 but for rounding
    const almost = constant === 1e9 ? [1e9, 1e9 * (1 + Number.EPSILON), 1e9] : [constant, constant, constant]
    const x = almost.map((value, i) => [value, i])
    for (const scaler of [learn.standardScaler(), learn.minMaxScaler(), learn.robustScaler()]) {
      const found = await scaler.fitTransform(x)
      const first = found.map((row) => row[0]!)
      assert.ok(
        first.every((value) => Math.abs(value) <= 1e-6),
        `${scaler.kind} of ${constant}: ${first}`,
      )
      assert.ok(found.every((row) => row.every(Number.isFinite)))
    }
  }
})

test('missing and infinite values', async () => {
  for (const scaler of [learn.standardScaler(), learn.minMaxScaler(), learn.robustScaler()]) {
    await rejects('ERR_DATA', /feature 0 of row 1 is NaN.*missing/, scaler.fit([[1], [Number.NaN]]))
    await rejects('ERR_DATA', /feature 0 of row 0 is Infinity/, scaler.fit([[Number.POSITIVE_INFINITY], [1]]))
    await rejects('ERR_ARGUMENT', /at least one row/, scaler.fit({ data: [], shape: [0, 2] }))
    throws('ERR_STATE', /Call await fit/, () => scaler.clone().transform([[1]]))
  }
  await rejects('ERR_DATA', /row 0, column 1.*infinite/, learn.imputer().fit([[1, Number.NEGATIVE_INFINITY]]))
  await rejects('ERR_DATA', /X has NaN in row 1, column 0.*imputer\(\)/, learn.polynomialFeatures().fit([[1], [Number.NaN]]))
  const warned: string[] = []
  const listen = (warning: Error): void => void warned.push(warning.message)
  process.on('warning', listen)
  assert.equal(
    await learn.imputer().fitTransform([
      [1, null],
      [null, null],
    ]),
    [[1], [1]],
  )
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', listen)
  assert.match(warned.join(), /column 1 has no value, and is left out/)
})

test('one axis, rows of different lengths, other columns than those fitted', async () => {
  for (const x of [[1, 2, 3], tensor([1, 2, 3])]) {
    await rejects('ERR_SHAPE', /one axis/, learn.oneHotEncoder().fit(x as never))
    await rejects('ERR_SHAPE', /one axis/, learn.imputer().fit(x as never))
    await rejects('ERR_SHAPE', /one axis/, learn.polynomialFeatures().fit(x as never))
    await rejects('ERR_SHAPE', /one axis/, learn.pipeline(learn.imputer(), learn.ridge()).fit(x as never, [1, 2, 3]))
  }
  await rejects('ERR_SHAPE', /row 1 of X has not 2 values/, learn.oneHotEncoder().fit([[1, 2], [1]]))
  await rejects('ERR_DATA', /1 and 'a': values of different kinds/, learn.oneHotEncoder().fit([[1], ['a']]))
  const encoder = await learn.ordinalEncoder().fit([[1, 2]])
  await rejects('ERR_SHAPE', /X has 1 columns, it was fitted on 2/, encoder.transform([[1]]))
  await rejects('ERR_ARGUMENT', /X is empty/, encoder.transform([]))
  await rejects('ERR_ARGUMENT', /row 0, column 0 of X is .*a number or a text/, learn.oneHotEncoder().fit([[{ deep: 1 }]]))
  const scaler = await learn.standardScaler().fit([
    [1, 2],
    [3, 4],
  ])
  throws('ERR_SHAPE', /knows 2 features/, () => scaler.transform([[1, 2, 3]]))
  throws('ERR_SHAPE', /knows 2 features/, () => scaler.transform({ data: Float64Array.of(1, 2, 3), shape: [1, 3] }))
})

test('parameters are checked where they are given', () => {
  throws('ERR_ARGUMENT', /strategy is one of 'mean'/, () => learn.imputer({ strategy: 'mode' as never }))
  throws('ERR_ARGUMENT', /degree must be an integer of at least 1/, () => learn.polynomialFeatures({ degree: 0 }))
  throws('ERR_ARGUMENT', /drop is 'first', 'ifBinary' or null/, () => learn.oneHotEncoder({ drop: 'last' as never }))
  throws('ERR_ARGUMENT', /categories are 'auto'/, () => learn.oneHotEncoder({ categories: [['a', 'a']] }))
  throws('ERR_ARGUMENT', /minDf is a share/, () => learn.countVectorizer({ minDf: 1.5 }))
  throws('ERR_ARGUMENT', /norm is 'l1', 'l2' or null/, () => learn.tfidfVectorizer({ norm: 'max' as never }))
  throws('ERR_ARGUMENT', /labelEncoder takes no arguments/, () => (learn.labelEncoder as (n: number) => unknown)(1))
  throws('ERR_ARGUMENT', /unknown option 'dropp'.*'drop'/, () => learn.oneHotEncoder().setParams({ dropp: 'first' } as never))
})

test.run()
